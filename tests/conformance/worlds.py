"""Companies with values that engines like to disagree on, and what is asked about them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import pyarrow as pa

from features.clocks import Clock
from features.compiler import compile_features
from features.families import feature_set
from features.labels import build_labels
from features.segments import build_segments
from features.spine import build_spine
from features.triggers import evaluate
from holdback.business import Business, Churn, Trigger
from holdback.warehouse import Warehouse
from tests.features import test_leaks as feature_world
from tests.features.segments.test_leaks import with_results
from tests.features.triggers import test_trigger_leaks as trigger_world
from tests.features.world import AS_OF, Row, Rows, company, instant, loaded, spine_of

#: Days are far apart; floats are products of a few roundings.
TOLERANCE = 1e-9

#: No rows at all; a name that sorts after every ASCII one; one with a quote.
NOBODY, FAR, QUOTED = "nobody", "ñandú 😀", "o'hara"


@dataclass(frozen=True)
class World:
    """A company, its rows, and the questions."""

    business: Business
    rows: Rows
    questions: Mapping[str, Callable[[Warehouse], pa.Table]]


def the_described() -> World:
    """Spine, labels, segments and every feature, on a day whose windows reach over both changes of clocks."""
    business = company()
    return World(business, nasty(), dict(described_questions(business)))


def the_triggered() -> World:
    """Every kind of trigger, at the start of the day and inside it."""
    business = trigger_world.BUSINESS
    rows = dict(trigger_world.with_future(_rng(), trigger_world.SEEN[1]))
    # Three complaints of one midnight: equal rows are several events only there, where a date has no time.
    midnight = {"customer_id": "mid", "event_at": instant(days=-3), "topic": "complaint"}
    rows["tickets"] = [*rows["tickets"], *(loaded(midnight, 90_000 + number) for number in range(3))]
    return World(business, rows, dict(triggered_questions(business)))


def described_questions(business: Business) -> Iterator[tuple[str, Callable[[Warehouse], pa.Table]]]:
    everybody = sorted((*feature_world.EVERYBODY, NOBODY, FAR, QUOTED, "tie"))
    for churn in business.churn:
        yield f"spine of {churn.name}", partial(_spine, business, churn)
        yield f"segments of {churn.name}", partial(_segments, business, churn, everybody)
        yield f"labels of {churn.name}", partial(_labels, business, churn, everybody)
    yield from feature_questions(business, everybody)


def feature_questions(
    business: Business, everybody: list[str], as_of: date = AS_OF
) -> Iterator[tuple[str, Callable[[Warehouse], pa.Table]]]:
    declared, clock = feature_set(business), Clock.of(business, as_of)
    for feed in compile_features(declared, clock):

        def ask(w: Warehouse, feed: str = feed) -> pa.Table:
            sql = compile_features(declared, clock, corrected=w.corrected())[feed]
            return w.query(sql, frames={"spine": spine_of(everybody, as_of)})

        yield f"features of {feed}", ask


def triggered_questions(business: Business) -> Iterator[tuple[str, Callable[[Warehouse], pa.Table]]]:
    for trigger in business.triggers:
        for seen_at in trigger_world.SEEN:
            yield f"trigger {trigger.name} at {seen_at:%H:%M}", partial(_trigger, business, trigger, seen_at)


def _spine(business: Business, churn: Churn, warehouse: Warehouse) -> pa.Table:
    return build_spine(warehouse, business, churn, AS_OF)


def _segments(business: Business, churn: Churn, everybody: list[str], warehouse: Warehouse) -> pa.Table:
    return build_segments(warehouse, business, churn, AS_OF, spine=spine_of(everybody))


def _labels(business: Business, churn: Churn, everybody: list[str], warehouse: Warehouse) -> pa.Table:
    asked = AS_OF - timedelta(days=80)
    return build_labels(warehouse, business, churn, asked, known_on=AS_OF, spine=spine_of(everybody, asked))


def _trigger(business: Business, trigger: Trigger, seen_at: datetime, warehouse: Warehouse) -> pa.Table:
    return evaluate(warehouse, business, trigger, AS_OF, seen_at=seen_at)


def nasty() -> Rows:
    """The world of the features' leak tests, with rows equal in time, empty, negative, foreign or at an edge."""
    rows = {name: list(table) for name, table in feature_world.WORLD.items()}
    now = feature_world.NOW
    # Nights on which clocks change in Madrid, to the microsecond, and the instants of windows themselves.
    edges = [
        datetime(2025, 3, 30, 0, 59, 59, 999_999), datetime(2025, 3, 30, 1), datetime(2024, 10, 27, 0, 30),
        datetime(2024, 10, 27, 1, 30), now - timedelta(microseconds=1), now - timedelta(days=7), datetime(2024, 2, 29),
    ]  # fmt: skip
    for who in (FAR, QUOTED, "tie"):
        for number, at in enumerate(edges):
            for name, values in _nasty_values(number, at):
                rows[name].append(_row(who, at, **values))
        foreign = {"segment": "größe", "signed_up_at": edges[1], "loaded_at": edges[1]}
        rows["customers"].append({"customer_id": who, **foreign, "batch_id": "b", "row_number": 900})
    # Purchases a lifetime apart: the square of the gap is as large as it gets, and the sum of three leaves 64 bits.
    rows["tills"] += [_row("tie", datetime(year, 1, 1), amount_cents=5) for year in (1710, 1774, 1838, 1902, 1966)]
    numbered = {name: [loaded(row, at) for at, row in enumerate(table, 1)] for name, table in rows.items()}
    return with_results(numbered, future=True)


def _nasty_values(number: int, at: datetime) -> Iterator[tuple[str, Row]]:
    is_even, third = number % 2 == 0, number % 3
    remark = ("ΟΔΟΣ İSTANBUL ẞ Ñandú", "&Oacute;rale <b>NO</b>", "\x01\t", "")[number % 4]
    yield "tills", {"amount_cents": -150 if third == 2 else 101 + number, "quantity": -0.0005, "category": "o'clock"}
    yield "tills", {"amount_cents": 0, "order_id": f"ø{number}", "quantity": 1e300, "direction": "out"}
    yield "tills", {"amount_cents": 0, "order_id": f"ø{number}", "channel": "web", "destination": "wire"}
    yield "calls", {"outcome": "refused", "resolved_at": at + timedelta(days=1), "remark": remark}
    yield "surveys", {"kind": ("nps", None, "review")[third], "score": (None, 0.5, 9.0)[third], "remark": remark}
    yield "levels", {"account_kind": None if is_even else "savings", "balance_cents": -5_000}
    yield "levels", {"account_kind": None if is_even else "savings", "balance_cents": 40_000}
    state = {"kind": ("start", "change", "cancel")[third], "plan": "plus" if is_even else None}
    yield "deals", {**state, "price_cents": None if is_even else 999, "ends_on": date(2025, 6, 1)}
    yield "meters", {"metric": "minutes", "quantity": (0.1, -1e-3, 1e308)[third]}
    yield "mails", {"campaign": "spring", "channel": "email", "outcome": None if is_even else "answered"}


def _row(who: str, at: datetime, **values: Any) -> Row:
    return {"customer_id": who, "event_at": at, "loaded_at": at + timedelta(microseconds=1), **values}


def _rng() -> Any:
    import numpy as np

    return np.random.default_rng(3)


def differences(name: str, expected: pa.Table, found: pa.Table) -> list[str]:
    """Say which column of which statement differs, with the first customer for whom it does."""
    if expected.column_names != found.column_names:
        return [f"{name}: columns {found.column_names} instead of {expected.column_names}"]
    if expected.num_rows != found.num_rows:
        return [f"{name}: {found.num_rows} rows instead of {expected.num_rows}"]
    keys = expected["customer_id"].to_pylist() if "customer_id" in expected.column_names else range(expected.num_rows)
    told = []
    for column in expected.column_names:
        pairs = zip(keys, expected[column].to_pylist(), found[column].to_pylist(), strict=True)
        wrong = [(key, a, b) for key, a, b in pairs if not same(a, b, is_json=column == "detail")]
        if wrong:
            key, a, b = wrong[0]
            told.append(f"{name}: column {column}: {len(wrong)} rows, first of {key!r}: {b!r} instead of {a!r}")
    return told


def same(expected: Any, found: Any, *, is_json: bool = False) -> bool:
    """Whole numbers and texts to the bit, floats to :data:`TOLERANCE`; JSON is compared as what it says."""
    if is_json and isinstance(expected, str) and isinstance(found, str):
        return same(json.loads(expected), json.loads(found))
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(same(expected[key], found[key]) for key in expected)
    if isinstance(expected, float) and isinstance(found, int | float):
        return math.isclose(expected, found, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(expected == found)
