"""A tiny company whose customers are counted by hand: contracts, purchases, and a column that says who left."""

from __future__ import annotations

from datetime import date, datetime, time
from functools import cache
from typing import Any

from holdback.business import Business
from tests.features.world import Memory, Row

AS_OF = date(2025, 6, 15)
#: The newest first day of a month whose thirty days are over on AS_OF.
MAY = date(2025, 5, 1)

_EVENT = {"customer_id": "who", "event_at": "at"}
_FEEDS: dict[str, Any] = {
    "deals": {
        "role": "subscriptions",
        "source": "deals.csv",
        "columns": {**_EVENT, "kind": "k", "plan": "p", "price": "x"},
        "accepts": {"plan": ["basic", "plus"]},
    },
    "tills": {"role": "transactions", "source": "tills.csv", "columns": {**_EVENT, "amount": "a"}},
}
_CUSTOMERS: dict[str, Any] = {
    "source": "customers.csv",
    "key": "who",
    "columns": {"signed_up_at": "since"},
    "attributes": {"region": "category", "vip": "flag", "gender": "category", "left": "label"},
    "protected": ["gender"],
}
_CHURN: list[dict[str, Any]] = [
    {"name": "cancelled", "kind": "cancellation", "feed": "deals", "outcome_days": 30},
    {"name": "silent", "kind": "inactivity", "feed": "tills", "outcome_days": 30},
    {"name": "said", "kind": "column", "attribute": "left"},
]


@cache
def company(*, feeds: tuple[str, ...] = ("deals", "tills"), has_customers: bool = True) -> Business:
    """Return the company, with these feeds and their churn definitions."""
    churn = [one for one in _CHURN if one.get("feed") in feeds or (has_customers and one["kind"] == "column")]
    return Business.model_validate(
        {
            "slug": "tiny",
            "name": "Tiny",
            "currency": "EUR",
            "time_zone": "UTC",
            "feeds": {name: _FEEDS[name] for name in feeds},
            "churn": churn,
            **({"customers": _CUSTOMERS, "journey": {"segments": ["region"]}} if has_customers else {}),
        }
    )


def world(business: Business | None = None, **rows: list[Row]) -> Memory:
    """Return a warehouse with these rows."""
    return Memory(business or company(), rows)


def at(year: int, month: int, day: int, hour: int = 12) -> datetime:
    return datetime.combine(date(year, month, day), time(hour))


def start(who: str, on: datetime, *, price: float = 10.0, plan: str = "basic", kind: str = "start") -> Row:
    return {"customer_id": who, "event_at": on, "kind": kind, "plan": plan, "price_cents": round(price * 100)}


def cancel(who: str, on: datetime) -> Row:
    return {"customer_id": who, "event_at": on, "kind": "cancel"}


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number:02d}" for number in range(count)]


#: The end of an old contract: from January on, leaving is on record.
RECORDED = cancel("early", at(2025, 1, 10))
#: Somebody whose contract proves that the data reach the day, and who starts too late to be counted.
REACH = start("witness", at(2025, 6, 10))
