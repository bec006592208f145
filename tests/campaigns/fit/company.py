"""A small company whose tables are written straight into a real warehouse, with known answers."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from campaigns.lifts import Lift
from holdback.business import Business
from holdback.tables import Table
from holdback.workspace import Workspace
from tests.features.world import arrow

AS_OF = date(2026, 6, 1)
Row = dict[str, Any]

CONTRACTS: dict[str, Any] = {
    "role": "subscriptions",
    "source": "c.csv",
    "columns": {"customer_id": "c", "event_at": "at", "kind": "k", "subscription_id": "s", "price": "p"},
}
CALLS: dict[str, Any] = {
    "role": "interactions",
    "source": "i.csv",
    "columns": {
        "customer_id": "c", "event_at": "at", "channel": "ch", "topic": "t", "outcome": "o", "resolved_at": "r",
        "is_caused_by_us": "f",
    },
}  # fmt: skip
TILLS: dict[str, Any] = {
    "role": "transactions",
    "source": "t.csv",
    "columns": {"customer_id": "c", "event_at": "at", "amount": "a", "discount": "d"},
}
LEVELS: dict[str, Any] = {
    "role": "balances",
    "source": "b.csv",
    "columns": {"customer_id": "c", "event_at": "at", "account_kind": "k", "balance": "b"},
}
SENT: dict[str, Any] = {
    "role": "campaign_contacts",
    "source": "s.csv",
    "columns": {"customer_id": "c", "event_at": "at", "campaign": "g", "cost": "x"},
}

PHONE_COMPANY: dict[str, Any] = {
    "slug": "phones",
    "name": "A phone company",
    "currency": "EUR",
    "time_zone": "Europe/Madrid",
    "feeds": {"contracts": CONTRACTS, "calls": CALLS, "sent": SENT},
    "customers": {
        "source": "k.csv",
        "key": "c",
        "columns": {"signed_up_at": "since"},
        "attributes": {"region": "category", "vulnerable": "flag", "gender": "category", "birth_year": "number"},
        "protected": ["gender", "birth_year"],
    },
    "churn": [{"name": "left", "kind": "cancellation", "feed": "contracts", "outcome_days": 60}],
    "value": {"margin_rate": 0.5, "discount_rate": 0.08},
    "fit": {"cost_to_serve": {"phone": 4.2, "email": 0.5}, "never_classed_out": ["vulnerable"], "largest_share": 1.0},
    "actions": [
        {
            "name": "call",
            "channel": "phone",
            "cost": 5.0,
            "assumed_lift": {"value": 0.2, "source": "finance", "expires_on": date(2030, 1, 1)},
        }
    ],
}


def company(**changes: Any) -> Business:
    """The phone company; a change is merged into its section."""
    content = copy.deepcopy(PHONE_COMPANY)
    for section, value in changes.items():
        if isinstance(value, Mapping) and isinstance(content.get(section), dict) and section != "feeds":
            content[section] = {**content[section], **value}
        elif value is None:
            content.pop(section, None)
        else:
            content[section] = value
    return Business.model_validate(content)


_NOW = company().instant(AS_OF)


def lift(action: str = "call", save_rate: float = 0.2) -> dict[str, Lift]:
    """The lift of one action, as assumed."""
    return {action: Lift(action, save_rate, "assumed", "finance", date(2030, 1, 1))}


def opened(root: Path, business: Business, rows: Mapping[str, Iterable[Row]], *, batch: str = "b") -> Workspace:
    """A workspace with these rows in its warehouse."""
    workspace = Workspace(root, business, threads=1)
    for name, some in rows.items():
        workspace.warehouse.append(name, arrow(business.tables[name], list(some)), batch=batch)
    return workspace


def days_ago(days: float) -> datetime:
    """An instant before the start of the day."""
    return _NOW - timedelta(days=days)


def score(customer: str, probability: float = 0.1, *, as_of: date = AS_OF, churn: str = "left") -> Row:
    """A score of the day."""
    tier = "high" if probability >= 0.5 else "medium" if probability >= 0.25 else "low"
    return {
        "as_of": as_of, "customer_id": customer, "churn": churn, "model_version": "1", "probability": probability,
        "risk_tier": tier, "is_above_capacity_line": False,
    }  # fmt: skip


def contract(customer: str, price_cents: int | None = 2000, *, days: float = 700, **more: Any) -> Row:
    """The start of a contract."""
    return {"customer_id": customer, "event_at": days_ago(days), "kind": "start", "price_cents": price_cents, **more}


def calls(
    customer: str, count: int, *, channel: str = "phone", first: float = 690, last: float = 5, **more: Any
) -> list[Row]:
    """Contacts spread evenly over the days before the day."""
    step = (first - last) / max(count - 1, 1)
    return [
        {"customer_id": customer, "event_at": days_ago(first - step * i), "channel": channel, **more}
        for i in range(count)
    ]


def table(business: Business, name: str, rows: Iterable[Row]) -> tuple[Table, pa.Table]:
    """Rows in the declared shape."""
    declared = business.tables[name]
    return declared, arrow(declared, list(rows))
