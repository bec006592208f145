"""Nothing that happened or was loaded after the instant changes for whom a trigger's condition holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import numpy as np
import pytest
import sqlglot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlglot import exp

from features.triggers import Asked, LearnedAge, examine, learned_ages, trigger_sql
from features.triggers.ages import _counts_sql
from holdback.business import DueTrigger, Trigger
from tests.features.triggers.world import AS_OF, TRIGGERS, company, instant
from tests.features.world import Memory, Row, Rows, loaded

BUSINESS = company()
FEEDS = tuple(BUSINESS.feeds)
CUSTOMERS = [f"c{number}" for number in range(12)]
#: The start of the day, and an instant inside it.
SEEN = (instant(), instant(0.4))

_DRAW: dict[str, Callable[[np.random.Generator], Row]] = {
    "moves": lambda rng: {
        "amount_cents": int(rng.integers(-900, 60_000)),
        "direction": _one(rng, "in", "out", "out"),
        "destination": _one(rng, "own", "wire"),
    },
    "visits": lambda rng: {"amount_cents": int(rng.integers(-90, 9_000))},
    "levels": lambda rng: {
        "account_kind": _one(rng, "savings", "checking"),
        "balance_cents": int(rng.integers(0, 90_000)),
    },
    "cars": lambda rng: {
        "kind": _one(rng, "start", "start", "change", "cancel"),
        "subscription_id": f"s{rng.integers(0, 3)}",
        "plan": "city",
        "ends_on": AS_OF + timedelta(days=int(rng.integers(-5, 60))),
    },
    "tickets": lambda rng: {"topic": _one(rng, "complaint", "complaint", "bill")},
    "surveys": lambda rng: {"score": float(rng.integers(1, 6))},
    "answers": lambda rng: {"score": float(rng.integers(0, 11))},
}


def _one(rng: np.random.Generator, *values: str) -> str:
    return str(rng.choice(values))


def draw(feed: str, rng: np.random.Generator, event_days: float, load_days: float) -> Row:
    """A row of a feed, that happened and was loaded so many days after the start of the day."""
    who = CUSTOMERS[int(rng.integers(0, len(CUSTOMERS)))]
    return {"customer_id": who, "event_at": instant(event_days), "loaded_at": instant(load_days), **_DRAW[feed](rng)}


def the_past() -> dict[str, list[Row]]:
    """Every feed with enough of a past that each trigger finds somebody."""
    rng = np.random.default_rng(5)
    rows: dict[str, list[Row]] = {}
    for feed in FEEDS:
        recent = [-float(days) for days in rng.uniform(0.01, 12, 90)]
        older = [-float(days) for days in rng.uniform(12, 900, 220 if feed != "visits" else 30)]
        rows[feed] = [draw(feed, rng, days, days) for days in (*recent, *older) if feed != "visits" or days < -30]
    for who in CUSTOMERS:  # so that there is something of which a share can leave
        came = {"customer_id": who, "event_at": instant(-880), "amount_cents": 600_000, "direction": "in"}
        rows["moves"].append(came)
    for number, who in enumerate(CUSTOMERS[:6]):  # guests with a rhythm, and of a season
        gaps = [28 + 10 * count for count in range(6)] if number % 2 else [31 + 365 * count for count in (1, 2, 3)]
        rows["visits"] = [one for one in rows["visits"] if one["customer_id"] != who]
        rows["visits"] += [{"customer_id": who, "event_at": instant(-gap), "amount_cents": 900} for gap in gaps]
    rows["visits"].append({"customer_id": "c9", "event_at": instant(5), "loaded_at": instant(-2), "amount_cents": 9})
    for number in range(40):  # cars that are replaced at about 400 days
        car = {"customer_id": f"old{number}", "subscription_id": f"old{number}", "plan": "city"}
        rows["cars"] += [
            {**car, "event_at": instant(-800.0 + number), "kind": "start"},
            {**car, "event_at": instant(-400.0 + number), "kind": "cancel"},
            {**car, "subscription_id": f"new{number}", "event_at": instant(-300.0 - 5 * number), "kind": "start"},
        ]
    rows["customers"] = [
        {"customer_id": who, "segment": _one(rng, "gold", "basic"), "was": 900.0, "is": float(number * 90)}
        for number, who in enumerate(CUSTOMERS)
    ]
    rows["scores"] = [
        {"as_of": AS_OF + timedelta(days=day), "customer_id": who, "churn": "lapse", "probability": float(rng.random())}
        for day in (-9, -8, 0)
        for who in CUSTOMERS
    ]
    numbered = {name: [loaded(one, position) for position, one in enumerate(table, 1)] for name, table in rows.items()}
    numbered["superseded"] = [replaced(feed, one, -1) for feed in FEEDS for one in numbered[feed][5:90:9]]
    return numbered


def replaced(feed: str, one: Row, days: float) -> Row:
    return {
        "feed": feed, "batch_id": one["batch_id"], "row_number": one["row_number"], "replaced_at": instant(days),
        "replaced_by": "later",
    }  # fmt: skip


PAST = the_past()


def the_future(rng: np.random.Generator, seen_at: datetime, count: int) -> dict[str, list[Row]]:
    """Rows that nobody could see at an instant, by either clock or by both, in every table; and corrections to come."""
    at = (seen_at - instant()) / timedelta(days=1)
    rows: dict[str, list[Row]] = {}
    for feed in FEEDS:
        rows[feed] = []
        for number in range(count):
            later = at + float(rng.choice([1e-6, 0.01, 1, 40]))
            event, load = [(at, later), (-float(rng.uniform(0, 40)), later), (later, later)][number % 3]
            rows[feed].append({**draw(feed, rng, event, load), "batch_id": "later", "row_number": number + 1})
        # What has not happened may be known already; for a trigger that announces, it may not be the future.
        if feed != "visits":
            rows[feed].append({**draw(feed, rng, at, -1), "batch_id": "later", "row_number": count + 1})
    rows["customers"] = [
        {
            "customer_id": who,
            "segment": "poison",
            "was": 1e9,
            "is": 0.0,
            "loaded_at": instant(at + 0.1),
            "batch_id": "later",
        }
        for who in CUSTOMERS
    ]
    rows["scores"] = [
        {"as_of": AS_OF + timedelta(days=1), "customer_id": who, "churn": "lapse", "probability": 0.99}
        for who in CUSTOMERS
    ]
    rows["superseded"] = [replaced(feed, one, at + 1e-6) for feed in FEEDS for one in PAST[feed][::3]]
    return rows


def with_future(rng: np.random.Generator, seen_at: datetime, count: int = 30) -> Rows:
    future = the_future(rng, seen_at, count)
    return {name: [*PAST[name], *future.get(name, [])] for name in PAST}


def by_name(name: str) -> Trigger:
    return BUSINESS.trigger_named(name)


NAMES = [str(declared["name"]) for declared in TRIGGERS]


@pytest.mark.parametrize("name", NAMES)
def test_every_trigger_finds_somebody_in_this_world(name: str) -> None:
    found = examine(Memory(BUSINESS, PAST), BUSINESS, by_name(name), AS_OF).rows
    assert 0 < found.num_rows < 60, found.to_pylist()


@pytest.mark.parametrize("seen_at", SEEN, ids=["start of the day", "inside the day"])
@pytest.mark.parametrize("name", NAMES)
def test_no_future_changes_what_a_trigger_finds(name: str, seen_at: datetime) -> None:
    past, future = Memory(BUSINESS, PAST), Memory(BUSINESS, with_future(np.random.default_rng(1), seen_at))
    known = examine(past, BUSINESS, by_name(name), AS_OF, seen_at=seen_at)
    poisoned = examine(future, BUSINESS, by_name(name), AS_OF, seen_at=seen_at)
    assert known.rows.equals(poisoned.rows)
    assert (known.learned, known.note) == (poisoned.learned, poisoned.note)


@given(seed=st.integers(0, 2**32 - 1), name=st.sampled_from(NAMES), seen_at=st.sampled_from(SEEN))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_random_future_changes_what_a_random_trigger_finds(seed: int, name: str, seen_at: datetime) -> None:
    future = with_future(np.random.default_rng(seed), seen_at, count=9)
    known = examine(Memory(BUSINESS, PAST), BUSINESS, by_name(name), AS_OF, seen_at=seen_at)
    assert examine(Memory(BUSINESS, future), BUSINESS, by_name(name), AS_OF, seen_at=seen_at).rows.equals(known.rows)


def statements() -> Iterator[tuple[str, str]]:
    """Every statement of every trigger, with the check of corrections in it."""
    asked = Asked.at(BUSINESS, AS_OF, None, (*FEEDS, "customers"))
    for trigger in BUSINESS.triggers:
        yield trigger.name, trigger_sql(asked, trigger, [LearnedAge("city", 400, 40, 100)])
        if isinstance(trigger, DueTrigger):
            yield f"{trigger.name}, learning", _counts_sql(asked, trigger)


def tables_without_their_clocks(sql: str) -> list[str]:
    """Tables of the warehouse that are read without both clocks (or, by day, without a bound on the day)."""
    now, found = instant(), []
    for table in sqlglot.parse_one(sql, read="duckdb").find_all(exp.Table):
        if table.name not in {*FEEDS, "customers", "scores", "superseded"}:
            continue
        clause = table.find_ancestor(exp.Select)
        assert clause is not None
        where = clause.args.get("where")
        text = where.sql("duckdb") if where is not None else ""
        instants = f"CAST('{now.isoformat(sep=' ')}' AS TIMESTAMP)"
        asked = {
            "superseded": [f"replaced_at <= {instants}"],
            "customers": [f"loaded_at <= {instants}", f"signed_up_at < {instants}"],
            "scores": ["as_of"],
        }.get(table.name, [f"loaded_at <= {instants}", f"event_at < {instants}"])
        if "event_at >= " + instants in text:
            asked = asked[:1]  # what is announced has not happened
        found += [f"{table.name}: {condition}" for condition in asked if condition not in text]
    return found


@pytest.mark.parametrize(("name", "sql"), list(statements()), ids=[name for name, _ in statements()])
def test_every_table_is_read_with_both_clocks(name: str, sql: str) -> None:
    assert tables_without_their_clocks(sql) == []


def test_what_is_learned_is_known_by_then() -> None:
    rule = by_name("old_car")
    assert isinstance(rule, DueTrigger)
    worlds = [PAST, with_future(np.random.default_rng(2), instant())]
    learned = [
        learned_ages(Memory(BUSINESS, rows), Asked.at(BUSINESS, AS_OF, None, ("cars",)), rule) for rows in worlds
    ]
    assert learned[0] == learned[1]
    assert learned[0][0].age_days == 400
