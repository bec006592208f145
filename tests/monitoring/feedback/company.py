"""A company that asks its customers, hears from them, and knows who left."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from holdback.business import Business
from tests.features.world import Memory

AS_OF = date(2026, 3, 2)
Row = dict[str, Any]

_EVENT = {"customer_id": "who", "event_at": "at"}
FEEDS: dict[str, dict[str, Any]] = {
    "survey": {
        "role": "feedback",
        "columns": {**_EVENT, "channel": "ch", "kind": "k", "score": "s", "remark": "r", "step": "st"},
        "scale": "nps",
    },
    "shops": {"role": "feedback", "columns": {**_EVENT, "score": "s"}, "scale": "five"},
    "calls": {"role": "interactions", "columns": {**_EVENT, "channel": "ch", "remark": "r"}},
    "contracts": {"role": "subscriptions", "columns": {**_EVENT, "kind": "k"}},
}


def company(**changes: Any) -> Business:
    """The company; ``survey={"scale": ...}`` changes keys of a feed, ``shops=None`` leaves it out."""
    feeds = {
        name: {"source": f"{name}.csv", **feed, **(changes.get(name) or {})}
        for name, feed in FEEDS.items()
        if changes.get(name, feed) is not None
    }
    return Business.model_validate(
        {
            "slug": "acme", "name": "Acme", "currency": "EUR", "time_zone": "Europe/Madrid", "feeds": feeds,
            "customers": {
                "source": "c.csv", "key": "who",
                "attributes": {"region": "category", "vip": "flag", "age": "number", "gender": "category"},
                "protected": ["gender"],
            },
            "churn": [{"name": "left", "kind": "cancellation", "feed": "contracts", "outcome_days": 30}],
            "training": {"min_history_days": 1},
        }
    )  # fmt: skip


def asked(customer: str, score: float | None = None, *, days_ago: float = 10, **values: Any) -> Row:
    """One request for feedback; silent without a score."""
    at = datetime(2026, 3, 1, 23) - timedelta(days=days_ago)
    return {"customer_id": customer, "event_at": at, "score": score, **values}


def answers(scores: Iterable[float | None], **values: Any) -> list[Row]:
    """One request to each of some customers, named c0, c1, ..."""
    return [asked(f"c{i}", score, **values) for i, score in enumerate(scores)]


def warehouse(business: Business | None = None, **tables: list[Row]) -> Memory:
    """A warehouse with these rows and no others."""
    return Memory(business or company(), tables)
