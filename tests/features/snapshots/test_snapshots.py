"""Many days at once give the bits that each day alone gives, whatever comes late, is corrected or ties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from features import computation
from features.build import build_features
from features.clocks import Clock
from features.compiler import only
from features.declarations import FeatureSet
from features.families import feature_set
from features.snapshots import building
from features.snapshots.building import build_snapshots, snapshot_steps
from features.snapshots.days import Days
from features.snapshots.reading import Read, read
from features.snapshots.spoken import divided
from features.spine import build_spine
from holdback.business import Business
from tests.features.test_families import COLUMNS
from tests.features.test_leaks import EVERYBODY, WORLD
from tests.features.world import AS_OF, Memory, Row, Rows, company, instant, spine_of

#: The newest day, the days around both changes of clocks, days before most rows.
DAYS = (
    AS_OF, date(2025, 5, 2), date(2025, 3, 31), date(2025, 3, 30), date(2024, 10, 28), date(2024, 10, 27),
    date(2024, 6, 1), date(2024, 3, 1),
)  # fmt: skip
BUYERS = ("ann", "bob")
FOLLOWED = ("tills", "calls", "surveys", "levels", "meters", "mails")
WITHOUT_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "tills": ("tills.order_id", "tills.discount", "tills.category"),
    "calls": ("calls.resolved_at", "calls.remark"),
    "surveys": ("surveys.kind", "surveys.remark"),
    "levels": ("levels.account_kind",),
    "meters": ("meters.metric",),
    "mails": ("mails.outcome",),
}
# What differs is named with its column: making the company smaller would take minutes.
several = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)  # fmt: skip

#: Before (or after) one of the days; few different ones, so that many rows share an instant or lie on an edge.
BEFORE = [timedelta(days=days) for days in (-2, 0, 1, 2, 3, 5, 7, 8, 29, 30, 31, 60, 90, 91, 365)]
WITHIN_DAY = [timedelta(0), timedelta(microseconds=1), timedelta(hours=7)]
DELAYS = [timedelta(days=days) for days in (0, 0, 0, 1, 4, 40)]


@st.composite
def deliveries(draw: st.DrawFn, feed: str) -> tuple[list[Row], list[Row]]:
    """Rows of a feed that came at once, in files of thirty days, or late; many close together; some corrected."""
    rhythm, is_corrected = draw(st.sampled_from(["at once", "in files", "late", "late"])), draw(st.booleans())
    rows, replaced = [], []
    for number in range(1, draw(st.integers(4, 40)) + 1):
        at = company().instant(draw(st.sampled_from(DAYS[:5])))
        at -= draw(st.sampled_from(BEFORE)) + draw(st.sampled_from(WITHIN_DAY))
        row = {name: draw(values) for name, values in COLUMNS[feed].items()}
        if feed == "calls":
            after = row.pop("resolved_after_seconds")
            row["resolved_at"] = None if after is None else at + timedelta(seconds=after)
        key = {"batch_id": "b1", "row_number": number}
        loaded_at = at + draw(st.sampled_from(DELAYS)) if rhythm == "late" else _delivered(at, rhythm)
        rows.append(
            {**row, **key, "customer_id": draw(st.sampled_from(BUYERS)), "event_at": at, "loaded_at": loaded_at}
        )
        if is_corrected and draw(st.integers(0, 5)) == 0:
            gone_at = loaded_at + timedelta(days=draw(st.sampled_from([1, 3, 40])))
            replaced.append({"feed": feed, **key, "replaced_at": gone_at, "replaced_by": "b2"})
    return rows, replaced


def _delivered(at: datetime, rhythm: str) -> datetime:
    return at if rhythm == "at once" else at + (datetime(2030, 1, 1) - at) % timedelta(days=30)


def features_of(business: Business, *feeds: str) -> FeatureSet:
    declared = feature_set(business)
    return only(declared, [feature.name for feature in declared if feature.feed in feeds])


def assert_equal(business: Business, rows: Rows, spines: Mapping[date, pa.Table], features: FeatureSet) -> None:
    warehouse = Memory(business, rows)
    found = build_snapshots(warehouse, business, business.churn[-1], tuple(spines), spines=spines, features=features)
    assert list(found) == sorted(spines)
    for day, spine in spines.items():
        alone = build_features(warehouse, business, business.churn[-1], day, spine=spine, features=features)
        assert found[day].schema.equals(alone.schema)
        wrong = [name for name in alone.column_names if not found[day][name].equals(alone[name])]
        assert not wrong, (day, [(name, found[day][name].to_pylist(), alone[name].to_pylist()) for name in wrong[:3]])


@pytest.mark.parametrize("feed", FOLLOWED)
@pytest.mark.parametrize("options", ["all columns", "few columns"])
@pytest.mark.parametrize("companies", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_each_day_is_what_it_is_alone(feed: str, options: str, companies: int) -> None:
    without = WITHOUT_OPTIONS[feed] if options == "few columns" else ()
    business = company(without=without)

    @settings(several, max_examples=companies)
    @given(deliveries(feed), st.lists(st.sampled_from(DAYS), min_size=2, max_size=5, unique=True))
    def holds(delivery: tuple[list[Row], list[Row]], days: list[date]) -> None:
        rows, replaced = delivery
        spines = {day: spine_of([*BUYERS, "nobody"][number == 2 :], day) for number, day in enumerate(days)}
        assert_equal(business, {feed: rows, "superseded": replaced}, spines, features_of(business, feed))

    holds()


def test_every_feature_of_every_feed_is_what_it_is_on_its_day() -> None:
    business = company()
    days = [AS_OF, AS_OF - timedelta(days=1), AS_OF - timedelta(days=35), AS_OF - timedelta(days=200)]
    assert_equal(business, WORLD, {day: spine_of(EVERYBODY, day) for day in days}, feature_set(business))


def test_customers_in_ranges_and_days_in_any_order_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    business, days = company(), [AS_OF, AS_OF - timedelta(days=90), AS_OF - timedelta(days=30)]
    warehouse, churn = Memory(business, WORLD), business.churn[0]
    whole = build_snapshots(warehouse, business, churn, days)
    assert list(whole) == sorted(days)
    monkeypatch.setattr(building, "MOST_PAIRS", 2)
    told: list[tuple[str, int, int]] = []
    parts: dict[date, list[pa.Table]] = {day: [] for day in days}
    for day, part in snapshot_steps(
        warehouse, business, churn, days, step_customers=2, progress=lambda *step: told.append(step)
    ):
        parts[day].append(part)
    for day in days:
        assert pa.concat_tables(parts[day]).combine_chunks().equals(whole[day].combine_chunks())
        assert whole[day]["customer_id"].equals(build_spine(warehouse, business, churn, day)["customer_id"])
    total = len(days) * len(parts[AS_OF])
    assert told == [(f"features of {sorted(days)[n % 3]}", n, total) for n in range(total)]


def test_a_sample_takes_the_ranges_of_its_own_rows_not_of_everybodys(monkeypatch: pytest.MonkeyPatch) -> None:
    business = company()
    rows: list[Row] = [
        {"customer_id": f"c{i % 100:02}", "event_at": business.instant(AS_OF) - timedelta(days=9), "amount_cents": i}
        for i in range(400)
    ]
    warehouse, days = Memory(business, {"tills": rows}), [AS_OF, AS_OF - timedelta(days=5)]
    spines = {day: spine_of([f"c{i:02}" for i in range(10)], day) for day in days}
    whole = build_snapshots(warehouse, business, business.churn[0], days, spines=spines)
    for most, ranges in ((200, 1), (100, 2)):  # these ten have 40 of the 400 rows; a range is a fifth of a step
        monkeypatch.setattr(computation, "ROWS_PER_STEP", most)
        parts = list(snapshot_steps(warehouse, business, business.churn[0], days, spines=spines))
        assert len(parts) == ranges * len(days)
        newest = pa.concat_tables([part for day, part in parts if day == AS_OF])
        assert newest.combine_chunks().equals(whole[AS_OF].combine_chunks())


def test_without_days_rows_or_customers_there_is_nothing_to_compute() -> None:
    business = company()
    assert build_snapshots(Memory(business, {}), business, business.churn[0], []) == {}
    table = build_snapshots(Memory(business, {}), business, business.churn[0], [AS_OF])[AS_OF]
    assert table.column_names == ["customer_id", "as_of", *feature_set(business).names]
    assert table.num_rows == 0


def reading(rows: list[Row], feed: str, days: tuple[date, ...], *replaced: Row) -> Read:
    business = company()
    spoken = next(s for s in divided(features_of(business, feed), Clock.of(business, AS_OF))[0] if s.shape.feed == feed)
    customers = pa.table({"customer_id": ["ann", "bob"], "customer_number": pa.array([0, 1], pa.int32())})
    warehouse = Memory(business, {feed: rows, "superseded": list(replaced)})
    return read(warehouse, spoken, Days(days, business.instant), customers, corrected=bool(replaced))


def line(customer: str, days: float, *, known: float | None = None, **values: Any) -> Row:
    at = instant(days=days)
    loaded_at = at if known is None else instant(days=known)
    return {"customer_id": customer, "event_at": at, "loaded_at": loaded_at, "amount_cents": 500, **values}


TWO = (AS_OF - timedelta(days=30), AS_OF)


def test_what_comes_in_files_or_at_once_needs_no_statement_of_a_day() -> None:
    in_files = [line("ann", -days, known=-days + days % 10) for days in range(1, 90)]
    at_once = [line("bob", -days) for days in range(1, 90)]
    assert not reading([*in_files, *at_once], "tills", TWO).odd.any()


@pytest.mark.parametrize(
    ("rows", "odd"),
    [
        ([line("ann", -40, known=-10), line("ann", -35)], [True, False]),  # an early purchase that became known late
        ([line("ann", -40, known=5), line("ann", -35)], [False, False]),  # one that nobody knew of on any of the days
        ([line("ann", -40, order_id="o"), line("ann", -20, order_id="o", amount_cents=-500)], [True, False]),
        ([line("ann", -40, order_id="a"), line("ann", -40, order_id="b", known=-10)], [True, False]),  # half an instant
        ([line("ann", -40, amount_cents=2**62), line("ann", -39, amount_cents=2**62)], [True, True]),
    ],
)
def test_a_day_on_which_the_visible_rows_are_not_the_first_ones_is_left_to_its_statement(
    rows: list[Row], odd: list[bool]
) -> None:
    found = reading([*rows, line("bob", -50), line("bob", -3)], "tills", TWO).odd
    assert found[:, 0].tolist() == odd
    assert not found[:, 1].any()


def test_a_corrected_row_is_left_to_the_statements_until_it_was_corrected() -> None:
    rows = [{**line("ann", -40), "batch_id": "b", "row_number": 7}, line("bob", -40)]
    gone = {"feed": "tills", "batch_id": "b", "row_number": 7, "replaced_at": instant(days=-10), "replaced_by": "b2"}
    assert reading(rows, "tills", TWO, gone).odd.tolist() == [[True, False], [False, False]]


def test_a_contact_is_left_to_the_statements_while_it_was_open() -> None:
    solved = {**line("ann", -40), "resolved_at": instant(days=-10)}
    never = {**line("bob", -40), "resolved_at": None}
    assert reading([solved, never], "calls", TWO).odd.tolist() == [[True, False], [False, False]]


MET = (("ann", "email"), ("ann", "phone"), ("ann", None), ("bob", "phone"), ("bob", None), ("bob", "email"))


@pytest.mark.parametrize("cents", [(900, 500, 700), (500, 700, 900), (700, 900, 500), (-900, 500, 400)])
def test_of_rows_of_one_instant_the_largest_is_the_newest(cents: tuple[int, ...]) -> None:
    channels = ("store", "web", None)
    orders = [
        line("ann", -40, order_id=f"o{n}", amount_cents=amount, channel=channels[n]) for n, amount in enumerate(cents)
    ]
    levels = [line("ann", -40, balance_cents=amount, account_kind="savings") for amount in cents]
    scores = [line("ann", -40, score=score, kind="nps") for score in (*(abs(amount) / 100 for amount in cents), None)]
    calls = [line(who, -40, channel=channel) for who, channel in MET]
    for others in ([], [line("ann", -50, order_id="first"), line("ann", -45, order_id="second", amount_cents=-5)]):
        rows = {"tills": [*orders, *others], "levels": levels, "surveys": scores, "calls": calls}
        business = company()
        assert_equal(business, rows, {day: spine_of(["ann", "bob"], day) for day in TWO}, feature_set(business))


def test_sums_that_do_not_fit_into_64_bits_are_right() -> None:
    business = company()
    rows = [
        {"customer_id": "a", "event_at": at, "amount_cents": cents, "quantity": quantity, "order_id": None}
        for at, cents, quantity in (
            (business.instant(date(1900, 1, 1)), 2**62, float("inf")),
            (business.instant(date(2025, 4, 1)), 2**62, float("nan")),
            (business.instant(date(2025, 5, 2)), 2**62, 1e300),
        )
    ]
    spines = {day: spine_of("a", day) for day in TWO}
    assert_equal(business, {"tills": rows}, spines, feature_set(business))


def test_what_is_said_of_texts_contracts_and_attributes_comes_from_statements() -> None:
    business = company()
    spoken, _, others = divided(feature_set(business), Clock.of(business, AS_OF))
    assert [part.shape.feed for part in spoken] == [f for f in business.feeds if f in FOLLOWED]
    by_feed = {feature.feed for feature in feature_set(business) if feature.name in others}
    assert by_feed == {"deals", "customers", "calls", "surveys"}
    assert {f.kind for f in feature_set(business) if f.name in others and f.feed in ("calls", "surveys")} == {"text"}


def test_a_derived_feature_goes_where_its_parts_go() -> None:
    business = company()
    declared = feature_set(business)
    part = only(declared, ["overdue_ratio"])
    strange = replace(
        part,
        features=tuple(replace(f, aggregate="texts") if f.name == "gap_mean_days" else f for f in part.features),
    )
    spoken, others, names = divided(strange, Clock.of(business, AS_OF))
    assert [f.name for f in spoken[0].features] == ["days_since_last_order"]
    assert names == {"gap_mean_days", "overdue_ratio"}
    assert others.names == part.names


def test_every_day_of_a_year_finds_its_own_midnight() -> None:
    business = company()
    days = Days(tuple(AS_OF - timedelta(days=n) for n in range(365, -1, -1)), business.instant)
    begins = days.begin(7)
    assert begins[0] == (business.instant(days.days[0] - timedelta(days=7)) - datetime(1970, 1, 1)) // timedelta(
        microseconds=1
    )
    assert set(np.diff(begins) // 3_600_000_000) == {23, 24, 25}
    assert days.first_knowing(days.begin()).tolist() == list(range(366))
    assert days.first_knowing(days.begin() + 1).tolist() == list(range(1, 367))
