"""A company with a feed of every role and a trigger of every kind, and rows to put into it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from features.triggers import evaluate
from holdback.business import Business
from holdback.warehouse import Lake
from tests.features.world import Memory, Row, arrow

AS_OF = date(2025, 6, 1)

_EVENT = {"customer_id": "who", "event_at": "at"}
_FEEDS: dict[str, dict[str, Any]] = {
    "moves": {
        "role": "transactions",
        "columns": {
            **_EVENT,
            "amount": "a",
            "category": "c",
            "channel": "ch",
            "direction": "dir",
            "destination": "dest",
        },
    },
    "visits": {"role": "transactions", "columns": {**_EVENT, "amount": "a", "category": "c"}},
    "levels": {"role": "balances", "columns": {**_EVENT, "account_kind": "k", "balance": "b"}},
    "cars": {
        "role": "subscriptions",
        "columns": {**_EVENT, "kind": "k", "subscription_id": "s", "plan": "p", "ends_on": "e"},
    },
    "tickets": {"role": "interactions", "columns": {**_EVENT, "topic": "t", "outcome": "o"}},
    "surveys": {
        "role": "feedback",
        "columns": {**_EVENT, "score": "s", "step": "st"},
        "scale": [{"scale": "nps"}, {"scale": "five", "since": "2025-03-01"}],
    },
    "answers": {"role": "feedback", "columns": {**_EVENT, "score": "s"}, "scale": "nps"},
}
_BRANCHES = [
    {"when": {"destination": "own"}, "action": "offer"},
    {"when": {"destination": ["wire", "unknown"], "segment": "gold"}, "action": "call"},
    {"when": {"destination": "wire"}, "action": "none"},
]
#: One of each kind, and of each way in which a kind can be asked.
TRIGGERS: tuple[dict[str, Any], ...] = (
    {"name": "fall", "kind": "drop", "feed": "levels", "at_least": 100, "went": "moves", "then": _BRANCHES},
    {"name": "share", "kind": "drop", "feed": "levels", "at_least_share": 0.5, "where": {"account_kind": "savings"}},
    {"name": "outflow", "kind": "drop", "feed": "moves", "at_least": 100, "at_least_share": 0.2, "then": _BRANCHES},
    {"name": "told_fall", "kind": "drop", "before": "was", "after": "is", "at_least": 100},
    {"name": "late", "kind": "overdue", "feed": "visits", "times": 2.5, "least_events": 4, "only_open_days": 30},
    {"name": "missing", "kind": "overdue", "feed": "visits", "by": "calendar", "least_events": 2},
    {"name": "old_car", "kind": "due", "feed": "cars", "by": "plan", "least_replaced": 5, "ahead_days": 60},
    {"name": "detractor", "kind": "score_below", "feed": "surveys", "at": 3},
    {"name": "falling", "kind": "score_below", "feed": "answers", "at": 7, "by": 3, "over_days": 60},
    {"name": "promoter", "kind": "score_above", "feed": "answers", "at": 8, "where": {}},
    {"name": "at_risk", "kind": "score_above", "churn": "lapse", "at": 0.5},
    {"name": "risk_jump", "kind": "score_above", "churn": "lapse", "at": 0.3, "by": 0.2},
    {"name": "complaints", "kind": "count_over", "feed": "tickets", "at_least": 3, "where": {"topic": "complaint"}},
    {"name": "ending", "kind": "announced", "feed": "cars", "ahead_days": 30},
    {"name": "booked", "kind": "announced", "feed": "visits", "on": "event_at", "ahead_days": 14},
)  # fmt: skip


def company(
    triggers: Sequence[Mapping[str, Any]] = TRIGGERS,
    *,
    feeds: Mapping[str, Mapping[str, Any]] | None = None,
    time_zone: str = "Europe/Madrid",
) -> Business:
    """Return the company with some triggers; ``feeds`` change or add feeds."""
    everything = {name: {"source": f"{name}.csv", **feed} for name, feed in {**_FEEDS, **(feeds or {})}.items()}
    return Business.model_validate(
        {
            "slug": "acme",
            "name": "Acme",
            "currency": "EUR",
            "time_zone": time_zone,
            "customers": {
                "source": "customers.csv",
                "key": "who",
                "columns": {"signed_up_at": "since"},
                "attributes": {"segment": "category", "vip": "flag", "was": "number", "is": "number"},
            },
            "feeds": everything,
            "churn": [
                {"name": "lapse", "kind": "inactivity", "feed": "visits", "outcome_days": 60, "active_days": 400}
            ],
            "actions": [
                {"name": "call", "channel": "phone", "cost": 5},
                {"name": "offer", "channel": "email", "cost": 1},
            ],
            "triggers": list(triggers),
        }
    )


def trigger(**declared: Any) -> dict[str, Any]:
    """Return the declaration of one trigger called ``it``."""
    return {"name": "it", **declared}


def instant(days: float = 0, day: date = AS_OF) -> datetime:
    """Return the start of a day of the company, moved by days of 24 hours."""
    return _starts(day) + timedelta(days=days)


@cache
def _starts(day: date) -> datetime:
    return company(()).instant(day)


def row(customer: str, days: float, **values: Any) -> Row:
    """Return a row of an event so many days after the start of AS_OF (negative: before it), known at once."""
    return {"customer_id": customer, "event_at": instant(days), **values}


def held(
    declared: Mapping[str, Any],
    rows: Mapping[str, list[Row]],
    as_of: date = AS_OF,
    *,
    seen_at: datetime | None = None,
    feeds: Mapping[str, Mapping[str, Any]] | None = None,
    time_zone: str = "Europe/Madrid",
) -> dict[str, Row]:
    """Return what a trigger finds, by customer, with the detail read."""
    business = company([declared], feeds=feeds, time_zone=time_zone)
    found = evaluate(Memory(business, rows), business, business.triggers[0], as_of, seen_at=seen_at).to_pylist()
    assert [one["customer_id"] for one in found] == sorted({one["customer_id"] for one in found})
    return {one["customer_id"]: {**one, "detail": json.loads(one["detail"])} for one in found}


def lake(tmp_path: Path, business: Business, rows: Mapping[str, list[Row]]) -> Lake:
    """Return a warehouse on disk that holds these rows."""
    warehouse = Lake(tmp_path / "warehouse", business.tables, threads=1)
    for name, table in rows.items():
        warehouse.append(name, arrow(business.tables[name], table), batch=f"{name}/1")
    return warehouse
