"""Nothing learned after ``as_of`` changes what is computed for ``as_of``: not features, not the spine, not labels.

The future is cut off, then poisoned; neither may change a bit. Then every condition that keeps the future out is
removed from the SQL, one at a time, and the same two checks have to notice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import sqlglot
from sqlglot import exp

from features.build import build_features
from features.clocks import Clock
from features.compiler import compile_features
from features.families import feature_set
from features.labels import build_labels, label_sql
from features.spine import build_spine, spine_sql
from holdback.business import Churn, ColumnChurn
from tests.features.world import AS_OF, Memory, Row, Rows, company, instant, loaded, spine_of

CUSTOMERS = ("ann", "bob", "cy", "dee")
GUEST = "gus"  # buys before signing up, and the sign-up lies after as_of
SPARSE = ("late", "corrected", "early")  # all that would change their spine row or label lies beyond one of the clocks
REGULAR = ("regular_late", "regular_corrected", "regular_early")  # the same for a rhythm
EVERYBODY = (*CUSTOMERS, GUEST, *SPARSE, *REGULAR)
NOW = instant()
FEEDS = tuple(company().feeds)

KINDS: dict[str, Callable[[np.random.Generator], Row]] = {
    "tills": lambda rng: {
        "amount_cents": int(rng.integers(-900, 9_000)),
        "order_id": f"o{rng.integers(0, 40)}",
        "discount_cents": int(rng.integers(0, 90)),
        "quantity": float(rng.integers(1, 5)),
        "category": _one(rng, "tea", "milk"),
        "channel": _one(rng, "web", "store"),
        "direction": _one(rng, "in", "out"),
        "destination": _one(rng, "own", "wire"),
    },
    "calls": lambda rng: {
        "channel": _one(rng, "phone", "email"),
        "topic": "bill",
        "outcome": _one(rng, "solved", "refused"),
        "duration_seconds": int(rng.integers(10, 900)),
        "is_caused_by_us": bool(rng.integers(0, 2)),
        "remark": _one(rng, "Sin línea", "<b>All</b> fine"),
    },
    "surveys": lambda rng: {
        "score": None if rng.random() < 0.4 else float(rng.integers(0, 11)),
        "remark": _one(rng, "Gracias", "Too dear"),
    },
    "levels": lambda rng: {
        "account_kind": _one(rng, "savings", "checking"),
        "balance_cents": int(rng.integers(0, 90_000)),
    },
    "deals": lambda rng: {
        "kind": _one(rng, "start", "renew", "change", "cancel"),
        "subscription_id": _one(rng, "s1", "s2", "s3"),
        "plan": _one(rng, "basic", "plus"),
        "price_cents": int(rng.integers(500, 5_000)),
        "ends_on": AS_OF + timedelta(days=int(rng.integers(1, 300))),
    },
    "meters": lambda rng: {"metric": _one(rng, "minutes", "megabytes"), "quantity": float(rng.integers(0, 99))},
    "mails": lambda rng: {
        "campaign": "spring",
        "channel": _one(rng, "email", "phone"),
        "outcome": _one(rng, "sent", "answered"),
    },
}
EXTREME: dict[str, Row] = {
    "tills": {"amount_cents": 10**12, "order_id": "o1", "category": "o'clock", "channel": "store", "direction": "in"},
    "calls": {
        "channel": "email",
        "outcome": "refused",
        "duration_seconds": 10**9,
        "is_caused_by_us": True,
        "remark": "gone",
    },
    "surveys": {"score": -1e9, "remark": "I left"},
    "levels": {"account_kind": "savings", "balance_cents": -(10**12)},
    "deals": {"kind": "cancel", "subscription_id": "s1", "plan": "plus", "price_cents": 10**9},
    "meters": {"metric": "minutes", "quantity": 1e9},
    "mails": {"campaign": "autumn", "channel": "phone", "outcome": "redeemed"},
}


def _one(rng: np.random.Generator, *values: str) -> str:
    return str(rng.choice(values))


def the_world() -> Rows:
    """Every table with a past, and with rows after as_of by either clock and by both."""
    rng = np.random.default_rng(11)
    rows: dict[str, list[Row]] = {feed: [] for feed in FEEDS}
    for feed, draw in KINDS.items():
        for customer in (*CUSTOMERS, GUEST):
            for seconds in rng.integers(-400 * 86_400, -2 * 86_400, 30):
                at = NOW + timedelta(seconds=int(seconds))
                known = min(at + timedelta(days=1), NOW)
                rows[feed].append({"customer_id": customer, "event_at": at, "loaded_at": known, **draw(rng)})
            for event_days, load_days in ((0, 0), (2, -1), (100, 0), (-3, 1), (-40, 2), (-1, 400), (5, 6)):
                at, known = NOW + timedelta(days=event_days), NOW + timedelta(days=load_days)
                rows[feed].append({"customer_id": customer, "event_at": at, "loaded_at": known, **draw(rng)})
    for feed, first, then in (
        ("tills", {"amount_cents": 500}, {"amount_cents": 700}),
        ("deals", {"kind": "start"}, {"kind": "cancel"}),
        ("levels", {"balance_cents": 90_000}, {"balance_cents": 0}),
    ):
        for customer, load_days in (("late", 2), ("corrected", -30), ("early", -1)):
            for days, known, what in ((-100, -99, first), (5 if customer == "early" else -55, load_days, then)):
                at, loaded_at = NOW + timedelta(days=days), NOW + timedelta(days=known)
                rows[feed].append({"customer_id": customer, "event_at": at, "loaded_at": loaded_at, **what})
    rows["tills"] += [_visit(name, -85 - 15 * times, -84 - 15 * times) for name in REGULAR for times in range(4)]
    rows["tills"] += [_visit("regular_late", days, 2) for days in (-60, -20)]
    rows["tills"] += [_visit("regular_corrected", days, days + 1) for days in (-60, -20)]
    rows["tills"].append(_visit("regular_early", 3, -1))
    for number, call in enumerate(rows["calls"]):
        solved = (None, call["event_at"] + timedelta(hours=5), NOW + timedelta(days=number % 9))
        call["resolved_at"] = solved[number % 3]
    rows["customers"] = [_version(customer, -300, "gold", left=False) for customer in CUSTOMERS]
    rows["customers"] += [_version("ann", -2, "silver", left=False), _version("bob", 1, "lost", left=True)]
    rows["customers"].append(_version("new", 3, "gold", left=False))
    rows["customers"].append({**_version(GUEST, -20, "gold", left=False), "signed_up_at": NOW + timedelta(days=9)})
    numbered = {name: [loaded(row, position) for position, row in enumerate(table, 1)] for name, table in rows.items()}
    numbered["superseded"] = [
        _replaced(name, row, NOW + timedelta(days=(-1, 2)[number % 2]))
        for name in (*FEEDS, "customers")
        for number, row in enumerate(numbered[name][::7])
        if row["loaded_at"] < NOW - timedelta(days=1) and row["customer_id"] not in (*SPARSE, *REGULAR)
    ]
    numbered["superseded"] += [
        _replaced("tills", row, NOW + timedelta(days=2))
        for row in numbered["tills"]
        if row["customer_id"] == "regular_corrected" and row["event_at"] > NOW - timedelta(days=80)
    ]
    return numbered


def _visit(customer: str, event_days: int, load_days: int) -> Row:
    at, known = NOW + timedelta(days=event_days), NOW + timedelta(days=load_days)
    return {"customer_id": customer, "event_at": at, "loaded_at": known, "amount_cents": 500}


def _version(customer: str, load_days: int, segment: str, *, left: bool) -> Row:
    return {
        "customer_id": customer,
        "signed_up_at": NOW - timedelta(days=700),
        "segment": segment,
        "age": 40.0,
        "vip": True,
        "left": left,
        "loaded_at": NOW + timedelta(days=load_days),
    }


def _replaced(name: str, row: Row, at: datetime) -> Row:
    return {
        "feed": name,
        "batch_id": row["batch_id"],
        "row_number": row["row_number"],
        "replaced_at": at,
        "replaced_by": "b2",
    }


def is_future(name: str, row: Row) -> bool:
    """True for a row that nobody could see at as_of."""
    if name == "superseded":
        return bool(row["replaced_at"] > NOW)
    happened = row["signed_up_at"] if name == "customers" else row["event_at"]
    return bool(happened >= NOW or row["loaded_at"] > NOW)


def cut_off(world: Rows) -> Rows:
    """The world as it was at as_of."""
    past = {name: [dict(row) for row in rows if not is_future(name, row)] for name, rows in world.items()}
    for call in past["calls"]:
        if call["resolved_at"] is not None and call["resolved_at"] >= NOW:
            call["resolved_at"] = None
    return past


def poisoned(world: Rows) -> Rows:
    """The same past with another future: extreme, duplicated, of other kinds, in every table."""
    other: dict[str, list[Row]] = {}
    for name, rows in world.items():
        other[name] = [dict(row) for row in rows if not is_future(name, row)]
        future = [row for row in rows if is_future(name, row)]
        for copy in range(3):
            for row in future:
                number = row["row_number"] + 10_000 * (copy + 1)
                other[name].append({**row, **EXTREME.get(name, {}), "row_number": number})
    for customer in (*EVERYBODY, "new"):
        version = {**_version(customer, 1, "poison", left=True), "signed_up_at": datetime(1901, 1, 1), "age": -1e9}
        other["customers"].append(loaded(version, 10_001))
    other["superseded"] = [row for row in world["superseded"] if not is_future("superseded", row)]
    other["superseded"] += [
        _replaced(name, row, NOW + timedelta(seconds=1)) for name in (*FEEDS, "customers") for row in world[name]
    ]
    for call in other["calls"]:
        if call["resolved_at"] is None or call["resolved_at"] >= NOW:
            call["resolved_at"] = NOW + timedelta(days=77)
    return other


WORLD = the_world()


@pytest.fixture(scope="module")
def worlds() -> tuple[Memory, Memory, Memory]:
    business = company()
    return Memory(business, WORLD), Memory(business, cut_off(WORLD)), Memory(business, poisoned(WORLD))


@dataclass(frozen=True)
class Statement:
    """SQL whose result must not depend on what was learned after NOW, asked about one or several days."""

    name: str
    days: tuple[tuple[str, pa.Table], ...]

    def leaks(self, worlds: tuple[Memory, Memory, Memory], change: Callable[[str], str] = str) -> bool:
        for sql, spine in self.days:
            known, *others = (world.query(change(sql), frames={"spine": spine}) for world in worlds)
            if any(not known.equals(other) for other in others):
                return True
        return False

    @property
    def sql(self) -> str:
        return self.days[0][0]


def statements() -> Iterator[Statement]:
    business, corrected, clock = company(), (*FEEDS, "customers"), Clock.of(company(), AS_OF)
    for feed, sql in compile_features(feature_set(business), clock, corrected=corrected).items():
        yield Statement(f"features of {feed}", ((sql, spine_of(EVERYBODY)),))
    for churn in business.churn:
        sql = spine_sql(business, churn, clock, corrected=corrected)
        yield Statement(f"spine {churn.name}", ((sql, spine_of(())),))
        days = tuple(
            (
                label_sql(business, churn, as_of, known_on=AS_OF, corrected=corrected),
                spine_of(EVERYBODY, as_of),
            )
            for as_of in asked_days(churn)
        )
        yield Statement(f"labels {churn.name}", days)


def asked_days(churn: Churn) -> tuple[date, ...]:
    """A day whose outcome is known, one whose window is over but whose data are not there yet, one still open."""
    if isinstance(churn, ColumnChurn):
        return (AS_OF,)
    over = churn.lead_days + churn.outcome_days
    return tuple(AS_OF - timedelta(days=days) for days in (80, over + 1, 20))


STATEMENTS = tuple(statements())


def clock_sites(sql: str) -> list[exp.Expr]:
    """Every comparison of a column with the instant of as_of: what keeps the future out."""
    literal = f"CAST('{NOW.isoformat(sep=' ')}' AS TIMESTAMP)"
    found = sqlglot.parse_one(sql, read="duckdb").find_all(exp.LT, exp.LTE, exp.GT, exp.GTE)
    return [site for site in found if literal in (site.left.sql("duckdb"), site.right.sql("duckdb"))]


def without_site(sql: str, number: int) -> str:
    """The statement with one of its clock conditions replaced by TRUE."""
    site = clock_sites(sql)[number]
    root = site.root()
    site.replace(exp.true())
    return root.sql("duckdb")


MUTANTS = [(s, number) for s in STATEMENTS for number in range(len(clock_sites(s.sql)))]


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda s: s.name)
def test_neither_a_missing_nor_a_poisoned_future_changes_a_bit(
    statement: Statement, worlds: tuple[Memory, Memory, Memory]
) -> None:
    assert not statement.leaks(worlds)


@pytest.mark.parametrize(("statement", "number"), MUTANTS, ids=[f"{s.name}, condition {n}" for s, n in MUTANTS])
def test_removing_any_clock_condition_is_noticed(
    statement: Statement, number: int, worlds: tuple[Memory, Memory, Memory]
) -> None:
    assert statement.leaks(worlds, lambda sql: without_site(sql, number)), str(clock_sites(statement.sql)[number])


def test_the_mutation_run_covers_both_clocks_of_every_table() -> None:
    seen = {
        (table.name, column)
        for statement in STATEMENTS
        for site in clock_sites(statement.sql)
        for column in [site.left.name]
        for table in site.find_ancestor(exp.Select).find_all(exp.Table)  # type: ignore[union-attr]
    }
    for feed in FEEDS:
        assert (feed, "event_at") in seen
        assert (feed, "loaded_at") in seen
    assert {("customers", "loaded_at"), ("superseded", "replaced_at"), ("calls", "resolved_at")} <= seen
    assert any(column == "signed_up_at" for _, column in seen)
    assert len(MUTANTS) >= 3 * len(FEEDS)


def test_the_whole_feature_table_is_the_same_in_all_three_worlds(worlds: tuple[Memory, Memory, Memory]) -> None:
    business = company()
    for churn in business.churn:
        known, *others = (build_features(world, business, churn, AS_OF) for world in worlds)
        assert known.num_rows > 0
        assert all(known.equals(other) for other in others)


def test_labels_are_the_same_in_all_three_worlds(worlds: tuple[Memory, Memory, Memory]) -> None:
    business = company()
    for churn in business.churn:
        as_of = AS_OF - timedelta(days=80)
        known, *others = (build_labels(w, business, churn, as_of, known_on=AS_OF) for w in worlds)
        assert known["churned"].null_count < known.num_rows
        assert all(known.equals(other) for other in others)


def _one_purchase(event_at: datetime, loaded_at: datetime | None = None) -> Memory:
    row: dict[str, Any] = {"customer_id": "ann", "event_at": event_at, "amount_cents": 100, "order_id": "o"}
    return Memory(company(), {"tills": [{**row, "loaded_at": loaded_at or event_at}]})


def _count(warehouse: Memory, name: str = "order_count_7d", as_of: date = AS_OF) -> Any:
    business = company()
    spine = spine_of(["ann"], as_of)
    return build_features(warehouse, business, business.churn[0], as_of, spine=spine)[name][0].as_py()


def test_an_event_exactly_at_as_of_is_not_counted_and_one_just_before_is() -> None:
    assert _count(_one_purchase(NOW)) == 0
    assert _count(_one_purchase(NOW - timedelta(microseconds=1))) == 1


def test_an_event_exactly_at_the_start_of_a_window_is_counted_and_one_just_before_is_not() -> None:
    start = company().instant(AS_OF - timedelta(days=7))
    assert _count(_one_purchase(start)) == 1
    assert _count(_one_purchase(start - timedelta(microseconds=1))) == 0


def test_a_window_begins_at_local_midnight_also_across_the_change_of_clocks() -> None:
    # Spain went to summer time on 2025-03-30: seven days before 2025-04-02 is 168 hours less one.
    as_of, start = date(2025, 4, 2), datetime(2025, 3, 25, 23)
    assert _count(_one_purchase(start), as_of=as_of) == 1
    assert _count(_one_purchase(start - timedelta(microseconds=1)), as_of=as_of) == 0


def test_what_arrives_late_is_not_known_before_it_arrives() -> None:
    happened, arrived = NOW - timedelta(days=2), NOW + timedelta(hours=3)
    late = _one_purchase(happened, arrived)
    assert _count(late) == 0
    assert _count(late, as_of=AS_OF + timedelta(days=1)) == 1
    assert _count(_one_purchase(happened, NOW)) == 1


def test_a_customer_who_signs_up_after_as_of_is_absent() -> None:
    business = company()
    rows = [
        {"customer_id": "new", "signed_up_at": NOW, "loaded_at": NOW - timedelta(days=5)},
        {"customer_id": "unloaded", "signed_up_at": NOW - timedelta(days=5), "loaded_at": NOW + timedelta(seconds=1)},
        {"customer_id": "known", "signed_up_at": NOW - timedelta(seconds=1), "loaded_at": NOW},
        {"customer_id": "undated", "signed_up_at": None, "loaded_at": NOW},
    ]
    spine = build_spine(Memory(business, {"customers": rows}), business, business.churn_named("said"), AS_OF)
    assert spine["customer_id"].to_pylist() == ["known", "undated"]


def test_purchases_before_the_sign_up_count_but_the_sign_up_to_come_is_not_known() -> None:
    business = company()
    rows = {
        "tills": [{"customer_id": "guest", "event_at": NOW - timedelta(days=5), "amount_cents": 1}],
        "customers": [{"customer_id": "guest", "signed_up_at": NOW, "segment": "gold", "loaded_at": NOW}],
    }
    described = build_features(Memory(business, rows), business, business.churn_named("lapse"), AS_OF).to_pylist()
    assert [(row["customer_id"], row["segment"], row["tenure_days"]) for row in described] == [("guest", None, None)]


def test_a_row_counts_until_its_correction_is_known() -> None:
    business = company()
    rows = [
        {"customer_id": "ann", "event_at": NOW - timedelta(days=3), "amount_cents": 100, "order_id": "o",
         "loaded_at": NOW - timedelta(days=2)},
        {"customer_id": "ann", "event_at": NOW - timedelta(days=3), "amount_cents": 900, "order_id": "o",
         "loaded_at": NOW + timedelta(hours=1), "batch_id": "b2"},
    ]  # fmt: skip
    replaced = _replaced("tills", {"batch_id": "b", "row_number": 1}, NOW + timedelta(hours=1))
    warehouse = Memory(business, {"tills": rows, "superseded": [replaced]})
    assert _count(warehouse, "spend_amount_7d") == 1.0
    assert _count(warehouse, "spend_amount_7d", AS_OF + timedelta(days=1)) == 9.0
