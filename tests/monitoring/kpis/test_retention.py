"""Retention curves: counted by hand, against statsmodels, and against a truth that only late records show."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from statsmodels.duration.survfunc import SurvfuncRight

from holdback.errors import BusinessFileError, DataError, NotKnowableYet
from monitoring.kpis import Retention, retention_curve
from monitoring.proportions import wilson
from tests.features.world import Memory, Row, instant
from tests.features.world import company as every_kind
from tests.monitoring.kpis.company import AS_OF, RECORDED, at, cancel, company, names, start, world

CANCELLED = company().churn_named("cancelled")


def retention(deals: list[Row], **options: object) -> Retention:
    return retention_curve(world(deals=deals), company(), CANCELLED, AS_OF, **options)  # type: ignore[arg-type]


def lives(prefix: str, month: int, lengths: list[int | None], *, year: int = 2025) -> list[Row]:
    """Contracts that start on the 10th and end so many months later, on the 5th; None: they last."""
    rows = []
    for who, length in zip(names(prefix, len(lengths)), lengths, strict=True):
        rows.append(start(who, at(year, month, 10)))
        if length is not None:
            later = year * 12 + month - 1 + length
            rows.append(cancel(who, at(later // 12, later % 12 + 1, 5 if length else 20)))
    return rows


def test_a_cohort_is_followed_from_month_to_month() -> None:
    # Of ten who start in January two leave in January, one in March, two in May: gone on the first of the next month.
    found = retention(lives("c", 1, [0, 0, 2, 4, 4, *[None] * 5]), by="cohort")
    [curve] = found.curves
    assert (curve.cohort, curve.customer_count) == ("2025-01", 10)
    told = [(point.month, point.at_risk, point.left, round(point.retained, 3)) for point in curve.points]
    assert told == [(1, 10, 2, 0.8), (2, 8, 0, 0.8), (3, 8, 1, 0.7), (4, 7, 0, 0.7), (5, 7, 2, 0.5)]
    assert [point.known_from for point in curve.points] == [date(2025, month, 1) for month in range(2, 7)]
    # Everybody was watched to the end: the interval is that of the share.
    for point, count in zip(curve.points, (8, 8, 7, 7, 5), strict=True):
        share = wilson(count, 10)
        assert (point.low, point.high) == pytest.approx((share.low, share.high))


def test_everybody_together_is_the_estimate_of_kaplan_and_meier() -> None:
    rng = np.random.default_rng(2)
    deals: list[Row] = []
    time, status = [], []
    for month in range(1, 6):
        lengths = [int(length) for length in rng.geometric(0.15, 40) - 1]
        watched = 6 - month  # first days of months until June
        deals += lives(f"m{month}-", month, [length if length < watched else None for length in lengths])
        time += [min(length + 1, watched) for length in lengths]
        status += [int(length < watched) for length in lengths]
    [curve] = retention(deals).curves
    reference = SurvfuncRight(np.array(time), np.array(status))
    expected = dict(zip(reference.surv_times, reference.surv_prob, strict=True))
    errors = dict(zip(reference.surv_times, reference.surv_prob_se, strict=True))
    assert len(curve.points) == 5
    for point in curve.points:
        assert point.retained == pytest.approx(expected[point.month])
        n = point.retained * (1 - point.retained) / errors[point.month] ** 2
        share = wilson(point.retained * n, n)
        assert (point.low, point.high) == pytest.approx((share.low, share.high))


def test_contracts_older_than_the_records_of_cancellations_do_not_make_customers_look_loyal() -> None:
    """A tenth leaves each month; what was cancelled before 2025 was deleted together with its contract."""
    rng = np.random.default_rng(8)
    deals: list[Row] = []
    for number in range(24):
        year, month = 2023 + number // 12, number % 12 + 1
        lengths = (rng.geometric(0.1, 150) - 1).tolist()
        kept: list[int | None] = [length for length in lengths if number + length >= 24]
        deals += lives(f"m{number:02d}-", month, kept, year=year)
    deals = [row for row in deals if row["event_at"] < at(2025, 6, 14)]
    found = retention(deals)
    [curve] = found.curves
    assert "customers started before 2025-01" in found.notes[1]
    assert len(curve.points) > 12
    # Nobody is watched over the first month of a life, as the newest contracts are of December 2024.
    assert curve.points[0].month == 2
    assert "nobody was watched over the first 1 months" in found.notes[2]
    for point in curve.points:
        # Four standard errors of the interval's own: of 25 points none may miss.
        truth, error = 0.9 ** (point.month - curve.points[0].month + 1), (point.high - point.low) / (2 * 1.96)
        assert abs(point.retained - truth) < 4 * error
    # Who is still there of all who are on record: the naive share says 100 % for everything before 2025.
    assert curve.points[-1].retained < 0.35


def test_who_comes_back_stays_lost_to_the_curve() -> None:
    deals = lives("c", 1, [1, *[None] * 7])
    back = [*deals, start("c00", at(2025, 4, 10))]
    assert retention(back).curves == retention(deals).curves


def test_small_cohorts_are_withheld_and_curves_end_where_few_are_watched() -> None:
    found = retention([RECORDED, *lives("a", 1, [None] * 6), *lives("b", 2, [None] * 4)], by="cohort")
    assert [curve.cohort for curve in found.curves] == ["2025-01"]
    assert found.withheld_count == 1
    [curve] = retention(lives("a", 1, [0, 0, 1, 1, *[None] * 4]), by="cohort").curves
    assert [point.at_risk for point in curve.points] == [8, 6]


def test_everyone_left() -> None:
    found = retention([*lives("a", 1, [1] * 8), *lives("b", 1, [0])])
    # January has one who left, February the other eight; nobody is left to be watched in March.
    assert [(point.at_risk, point.left, point.retained) for point in found.curves[0].points] == [
        (9, 1, pytest.approx(8 / 9)),
        (8, 8, 0.0),
    ]
    assert found.curves[0].points[1].low == 0.0
    assert 0 < found.curves[0].points[1].high < 0.5


def test_purchases_have_a_curve_too() -> None:
    business = company(feeds=("tills",))
    tills = [
        {"customer_id": who, "event_at": at(2025, month, 20), "amount_cents": 500}
        for position, who in enumerate(names("c", 20)) for month in range(1, 6) if position >= 5 or month < 3
    ]  # fmt: skip
    [curve] = retention_curve(world(business, tills=tills), business, business.churn_named("silent"), AS_OF).curves
    # Described is who bought in the 30 days before: the five are there on March 1st and no longer on April 1st.
    assert [(point.month, point.left) for point in curve.points] == [(1, 0), (2, 0), (3, 5), (4, 0), (5, 0)]
    assert curve.points[-1].retained == 0.75


def test_what_cannot_be_told_says_why() -> None:
    with pytest.raises(BusinessFileError, match="kind column says once who left"):
        retention_curve(world(), company(), company().churn_named("said"), AS_OF)
    with pytest.raises(DataError, match="has no customer up to 2025-06-15"):
        retention([])
    with pytest.raises(NotKnowableYet, match=r"Ask again on 2025-07-01\."):
        retention([*lives("a", 6, [None] * 8), cancel("a00", at(2025, 6, 12))])
    with pytest.raises(NotKnowableYet, match="has no cancellation up to 2025-06-15"):
        retention(lives("a", 1, [None] * 8))
    [curve] = retention([RECORDED, *lives("a", 4, [None])]).curves
    assert curve.points == ()
    # Two years after everybody left, the data have nothing to say.
    long_after = date(2029, 1, 1)
    with pytest.raises(DataError, match="nobody is described on the first day of any month from 2027-01 to 2029-01"):
        retention_curve(world(deals=lives("a", 1, [1] * 8)), company(), CANCELLED, long_after)


def habit(who: str, first: date, until: date) -> list[Row]:
    """A purchase every ten days from noon of the first day on."""
    days = range(0, (until - first).days, 10)
    return [
        {"customer_id": who, "event_at": instant(first + timedelta(days=day), days=0.5), "amount_cents": 500}
        for day in days
    ]


def test_a_newcomer_is_watched_once_he_has_a_rhythm() -> None:
    """Four purchases make a rhythm: thirty days after the first. Nobody is gone because he has none yet."""
    business = every_kind()
    churn = business.churn_named("habit")
    tills = [row for who in names("old", 6) for row in habit(who, date(2024, 12, 12), date(2025, 5, 30))]
    for position, who in enumerate(names("new", 10)):
        # All have a rhythm on March 1st; three buy on March 13th for the last time and are overdue 20 days later.
        tills += habit(who, date(2025, 1, 12), date(2025, 3, 14) if position < 3 else date(2025, 5, 30))
    tills += [row for who in names("once", 8) for row in habit(who, date(2025, 1, 20), date(2025, 1, 21))]
    warehouse = Memory(business, {"tills": tills})
    found = retention_curve(warehouse, business, churn, date(2025, 6, 1), by="cohort", months=5)
    [curve] = found.curves
    assert (curve.cohort, curve.customer_count) == ("2025-03", 10)
    assert [(point.month, point.at_risk, point.left) for point in curve.points] == [(1, 10, 0), (2, 10, 3), (3, 7, 0)]
    assert "months count from the first month's start on which a customer is described" in found.notes[1]
    assert "6 customers whose records begin before 2025-01 are left out" in found.notes[2]
    with pytest.raises(DataError, match="nobody is described on the first day of any month"):
        retention_curve(Memory(business, {"tills": tills[-8:]}), business, churn, date(2025, 6, 1))


def test_a_balance_is_watched_once_it_has_grown() -> None:
    """The least balance that can be missed is 400.00: small accounts grow into the curve, and are not gone before."""
    business = every_kind()
    levels: list[Row] = []
    for position, who in enumerate(names("c", 8)):
        held = [(1, 10_000), (2, 20_000), (3, 50_000), (5, 0 if position < 2 else 60_000)]
        levels += [
            {"customer_id": who, "event_at": instant(date(2025, month, 9)), "account_kind": "savings",
             "balance_cents": cents}
            for month, cents in held
        ]  # fmt: skip
    found = retention_curve(
        Memory(business, {"levels": levels}), business, business.churn_named("drain"), date(2025, 6, 2), by="cohort"
    )
    [curve] = found.curves
    assert (curve.cohort, curve.customer_count) == ("2025-04", 8)
    assert [(point.month, point.at_risk, point.left) for point in curve.points] == [(1, 8, 0), (2, 8, 2)]
