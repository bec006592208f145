"""A company with campaigns, and a warehouse in memory whose ledger and feeds are given."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pyarrow as pa

from holdback.business import Business
from tests.features.world import Memory, Row

AS_OF = date(2026, 3, 2)

_FILE: dict[str, Any] = {
    "slug": "acme",
    "name": "Acme",
    "currency": "EUR",
    "time_zone": "Europe/Madrid",
    "customers": {
        "source": "customers.csv",
        "key": "id",
        "columns": {"household_id": "home", "contact_key": "address", "consent": "agreed"},
        "attributes": {
            "vulnerable": "flag", "disputing": "flag", "quiet": "flag", "mail_ok": "flag", "gone": "label",
        },
    },
    "feeds": {
        "mails": {
            "role": "campaign_contacts",
            "source": "mails.csv",
            "columns": {
                "customer_id": "who", "event_at": "at", "campaign": "c", "channel": "ch", "outcome": "o",
                "action": "a", "decision_id": "d",
            },
        },
        "letters": {
            "role": "campaign_contacts",
            "source": "letters.csv",
            "columns": {"customer_id": "who", "event_at": "at", "campaign": "c"},
        },
        "calls": {
            "role": "interactions",
            "source": "calls.csv",
            "columns": {"customer_id": "who", "event_at": "at", "topic": "t", "resolved_at": "r"},
        },
    },
    "churn": [{"name": "left", "kind": "column", "attribute": "gone"}],
    "actions": [
        {"name": "mail", "channel": "email", "cost": 0.1, "cooling_off_days": 20},
        {"name": "call", "channel": "phone", "cost": 5.0},
    ],
    "holdout": {"global_share": 0.05, "campaign_share": 0.2, "rotates_on": ["2026-07-01"]},
    "contact": {"reachable": {"email": "mail_ok"}, "opted_out": "quiet"},
    "fit": {"never_classed_out": ["vulnerable"]},
    "campaigns": [
        {"name": "spring", "actions": ["mail", "call"], "horizon_days": 60},
        {"name": "autumn", "actions": ["mail"], "horizon_days": 30, "holdout_share": 0.5, "version": 2},
    ],
}  # fmt: skip


def company(**changes: Any) -> Business:
    """Return the company; whole sections of its file can be replaced."""
    return Business.model_validate({**_FILE, **changes})


def warehouse(business: Business, **tables: list[Row]) -> Memory:
    """Return a warehouse in memory that holds these rows; columns that a row lacks are null."""
    return Memory(business, tables)


def ledger_row(kind: str, customer_id: str | None, as_of: date, **rest: Any) -> Row:
    """Return a row of the ledger; its entry_id follows from what it is about unless stated."""
    told = f"{kind}/{as_of}/{customer_id}/{rest.get('campaign')}/{rest.get('action')}"
    return {"kind": kind, "customer_id": customer_id, "as_of": as_of, "entry_id": told, "version": 1, **rest}


def rows(table: pa.Table, *columns: str) -> list[tuple[Any, ...]]:
    """Return a table's rows as tuples of these columns (all by default)."""
    chosen = table.select(list(columns)) if columns else table
    return list(zip(*(column.to_pylist() for column in chosen.columns), strict=True))


def units_of(groups: Mapping[str, str]) -> pa.Table:
    """Return units from a mapping of customers to their unit."""
    return pa.table(
        {
            "customer_id": pa.array(list(groups), pa.string()),
            "unit_id": pa.array(list(groups.values()), pa.string()),
        }
    )
