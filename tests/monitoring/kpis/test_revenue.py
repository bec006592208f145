"""Revenue churn: amounts counted by hand, and intervals that cover the truth."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from holdback.errors import BusinessFileError, DataError, NotKnowableYet
from monitoring.kpis import RevenueChurn, revenue_churn
from monitoring.kpis.revenue import ratios
from monitoring.proportions import wilson
from tests.monitoring.kpis.company import AS_OF, MAY, REACH, RECORDED, at, cancel, company, names, start, world

CANCELLED = company().churn_named("cancelled")
WORLDS, CUSTOMERS = 400, 400


def contracts(**changes: float | None) -> RevenueChurn:
    """Ten contracts of 10.00; in May some change their price, or end (None)."""
    deals = [RECORDED, REACH, *(start(who, at(2025, 1, 10)) for who in names("c", 10))]
    for who, price in changes.items():
        on = at(2025, 5, 9)
        deals.append(cancel(who, on) if price is None else start(who, on, price=price, kind="change"))
    return revenue_churn(world(deals=deals), company(), CANCELLED, AS_OF)


def test_what_was_lost_reduced_grown_and_kept() -> None:
    found = contracts(c00=None, c01=None, c02=15.0, c03=5.0)
    assert (found.described_on, found.ends_on, found.known_from) == (MAY, date(2025, 5, 31), date(2025, 6, 1))
    assert (found.start_amount, found.end_amount, found.currency) == (100.0, 80.0, "EUR")
    assert (found.customer_count, found.unknown_count) == (10, 0)
    assert found.reduced is not None
    assert found.grown is not None
    assert found.gross_churn is not None
    assert found.net_retention is not None
    parts = (found.lost, found.reduced, found.gross_churn, found.grown, found.net_retention)
    assert [part.estimate for part in parts] == pytest.approx([0.2, 0.05, 0.25, 0.05, 0.8])
    for part in parts:
        assert part.low < part.estimate < part.high
        assert part.n == 10


def test_equal_customers_have_the_interval_of_a_share() -> None:
    # With equal amounts the ratio is a share: the delta method's variance is p (1 - p) / (n - 1), Wilson's for n - 1.
    lost = contracts(c00=None, c01=None).lost
    share = wilson(0.2 * 9, 9)
    assert (lost.estimate, lost.low, lost.high) == pytest.approx((share.share, share.low, share.high))


def test_nobody_left_has_an_upper_limit_and_everybody_a_lower_one() -> None:
    stayed = contracts()
    assert (stayed.lost.estimate, stayed.lost.low) == (0.0, 0.0)
    assert stayed.lost.high == pytest.approx(wilson(0, 10).high)
    gone = contracts(**dict.fromkeys(names("c", 10)))
    assert (gone.lost.estimate, gone.lost.high, gone.end_amount) == (1.0, 1.0, 0.0)
    assert gone.lost.low == pytest.approx(wilson(10, 10).low)
    assert gone.net_retention is not None
    assert gone.net_retention.estimate == 0.0


def test_the_variance_is_that_of_the_ratio_estimator() -> None:
    # Cochran (1977), equation 6.13 without the finite population: sum (y - R x)^2 / (n (n - 1) mean(x)^2).
    rng = np.random.default_rng(3)
    start_amounts = rng.lognormal(3, 0.6, 50)
    end = start_amounts * rng.lognormal(0, 0.3, 50)
    found = ratios(start_amounts, end, np.zeros(50, dtype=bool))["net_retention"]
    ratio = end.sum() / start_amounts.sum()
    error = np.sqrt(np.sum((end - ratio * start_amounts) ** 2) / (50 * 49)) / start_amounts.mean()
    assert found.estimate == pytest.approx(ratio)
    assert np.log(found.high / found.low) == pytest.approx(2 * 1.959964 * error / ratio, rel=1e-6)


def test_the_intervals_cover_the_truth() -> None:
    # Of 400 worlds a 95 % interval covers between 91.7 % and 98.3 %, but for one run in five hundred.
    rng = np.random.default_rng(11)
    leaves, covered = 0.12, {"lost": 0, "net_retention": 0}
    truth = {"lost": leaves, "net_retention": (1 - leaves) * np.exp(0.3**2 / 2)}
    for _ in range(WORLDS):
        before = rng.lognormal(3, 0.7, CUSTOMERS)
        gone = rng.random(CUSTOMERS) < leaves
        after = np.where(gone, 0.0, before * rng.lognormal(0, 0.3, CUSTOMERS))
        found = ratios(before, after, gone)
        for name, value in truth.items():
            covered[name] += found[name].low <= value <= found[name].high
    assert all(0.917 <= count / WORLDS <= 0.983 for count in covered.values()), covered


def test_few_large_customers_are_worth_a_note() -> None:
    deals = [
        RECORDED,
        REACH,
        *(start(who, at(2025, 1, 10)) for who in names("c", 200)),
        start("whale", at(2025, 1, 9), price=9e4),
    ]
    found = revenue_churn(world(deals=deals), company(), CANCELLED, AS_OF)
    assert "intervals are too narrow" in found.notes[0]


def test_purchases_count_by_the_thirty_days_before_each_end() -> None:
    tills = [
        {"customer_id": who, "event_at": on, "amount_cents": cents}
        for who in names("c", 8)
        for on, cents in ((at(2025, 4, 10), 3000), (at(2025, 5, 10), 2000), (at(2025, 6, 10), 100))
        if who != "c00" or on < at(2025, 5, 1)
    ]
    business = company(feeds=("tills",))
    found = revenue_churn(world(business, tills=tills), business, business.churn_named("silent"), AS_OF)
    assert (found.start_amount, found.end_amount) == (240.0, 140.0)
    assert found.lost.estimate == pytest.approx(1 / 8)


def test_purchases_that_were_loaded_late_count_once_they_are_known() -> None:
    business, silent = company(feeds=("tills",)), company().churn_named("silent")
    tills = [
        {"customer_id": who, "event_at": on, "amount_cents": 1000, "loaded_at": loaded}
        for who in names("c", 8)
        # The file of a month comes on the fifth of the next one.
        for on, loaded in ((at(2025, 4, 2), at(2025, 4, 3)), (at(2025, 4, 10), at(2025, 5, 5)),
                           (at(2025, 5, 10), at(2025, 6, 5)), (at(2025, 6, 1), at(2025, 6, 2)))
    ]  # fmt: skip
    found = revenue_churn(world(business, tills=tills), business, silent, AS_OF)
    assert (found.described_on, found.start_amount, found.end_amount) == (MAY, 160.0, 80.0)


def test_who_left_within_the_lead_is_left_out_and_counted() -> None:
    business = company().model_copy(update={"churn": (CANCELLED.model_copy(update={"lead_days": 10}),)})
    deals = [RECORDED, REACH, *(start(who, at(2025, 1, 10)) for who in names("c", 10)), cancel("c00", at(2025, 5, 3))]
    found = revenue_churn(world(deals=[*deals, start("d", at(2025, 6, 12))]), business, business.churn[0], AS_OF)
    assert (found.customer_count, found.unknown_count) == (9, 1)
    assert "left out: 1" in found.notes[-1]


def test_a_column_tells_only_what_was_lost() -> None:
    people = names("c", 10)
    customers = [
        {
            "customer_id": who,
            "region": "n",
            "vip": False,
            "gender": "f",
            "left": who == "c01",
            "loaded_at": at(2025, 1, 1),
        }
        for who in people
    ]
    deals = [start(who, at(2025, 1, 10)) for who in people]
    warehouse = world(deals=deals, customers=customers)
    found = revenue_churn(warehouse, company(), company().churn_named("said"), AS_OF)
    assert found.lost.estimate == pytest.approx(0.1)
    assert (found.net_retention, found.end_amount) == (None, None)
    assert "no later day" in found.notes[-1]


def test_what_cannot_be_told_says_why() -> None:
    few = [RECORDED, REACH, *(start(who, at(2025, 1, 10)) for who in names("c", 4))]
    with pytest.raises(DataError, match="4 customers of 2025-05-01 have a known outcome"):
        revenue_churn(world(deals=few), company(), CANCELLED, AS_OF)
    free = [RECORDED, REACH, *(start(who, at(2025, 1, 10), price=0) for who in names("c", 9))]
    with pytest.raises(DataError, match="brought nothing"):
        revenue_churn(world(deals=free), company(), CANCELLED, AS_OF)
    with pytest.raises(NotKnowableYet, match="not knowable before 2025-07-02"):
        revenue_churn(world(deals=few), company(), CANCELLED, AS_OF, on=date(2025, 6, 1))
    bare = company(feeds=())
    customers = [{"customer_id": who, "left": False, "loaded_at": at(2025, 1, 1)} for who in names("c", 9)]
    with pytest.raises(BusinessFileError, match="no feed says what a customer brings"):
        revenue_churn(world(bare, customers=customers), bare, bare.churn[0], AS_OF)


def test_revenue_of_a_time_without_cancellations_on_record_is_not_told() -> None:
    deals = [start(who, at(2024, 1, 10)) for who in names("c", 30)]
    with pytest.raises(NotKnowableYet, match="no cancellation up to 2025-06-15"):
        revenue_churn(world(deals=[*deals, REACH]), company(), CANCELLED, AS_OF)
    deals = [*deals, cancel("c00", at(2025, 5, 20)), REACH]
    assert revenue_churn(world(deals=deals), company(), CANCELLED, AS_OF).described_on == MAY
    with pytest.raises(DataError, match="the first cancellation on record is of 2025-05-20"):
        revenue_churn(world(deals=deals), company(), CANCELLED, AS_OF, on=date(2025, 2, 1))
