"""A small company with every role, and a warehouse in memory: the same engine and the same SQL as on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from features.spine import numbered
from holdback.business import Business
from holdback.tables import Table
from holdback.warehouse import Lake

AS_OF = date(2025, 6, 1)
Row = dict[str, Any]
Rows = Mapping[str, list[Row]]

_EVENT = {"customer_id": "who", "event_at": "at"}
_FEEDS: dict[str, dict[str, Any]] = {
    "tills": {
        "role": "transactions",
        "columns": {**_EVENT, "amount": "a", "order_id": "o", "discount": "d", "quantity": "q", "category": "c",
                    "channel": "ch", "direction": "dir", "destination": "dest"},
        "accepts": {"category": ["tea", "milk", "o'clock"], "channel": ["web", "store"],
                    "destination": ["own", "wire"]},
    },
    "calls": {
        "role": "interactions",
        "columns": {**_EVENT, "channel": "ch", "topic": "t", "outcome": "o", "resolved_at": "r",
                    "duration_seconds": "s", "is_caused_by_us": "f", "remark": "w"},
        "accepts": {"channel": ["phone", "email"], "topic": ["bill"], "outcome": ["solved", "refused"]},
    },
    "surveys": {
        "role": "feedback",
        "columns": {**_EVENT, "kind": "q", "score": "s", "remark": "w"},
        "scale": "nps",
    },
    "levels": {
        "role": "balances",
        "columns": {**_EVENT, "account_kind": "k", "balance": "b"},
        "accepts": {"account_kind": ["savings", "checking"]},
    },
    "deals": {
        "role": "subscriptions",
        "columns": {**_EVENT, "kind": "k", "subscription_id": "s", "plan": "p", "price": "x", "ends_on": "e"},
        "accepts": {"plan": ["basic", "plus"]},
    },
    "meters": {
        "role": "usage",
        "columns": {**_EVENT, "metric": "m", "quantity": "q"},
        "accepts": {"metric": ["minutes", "megabytes"]},
    },
    "mails": {
        "role": "campaign_contacts",
        "columns": {**_EVENT, "campaign": "c", "channel": "ch", "outcome": "o"},
        "accepts": {"channel": ["email", "phone"], "outcome": ["sent", "answered", "redeemed"]},
    },
}  # fmt: skip
_CUSTOMERS: dict[str, Any] = {
    "source": "customers.csv",
    "key": "who",
    "columns": {"signed_up_at": "since"},
    "attributes": {"segment": "category", "age": "number", "vip": "flag", "left": "label"},
    "protected": ["age"],
}
CHURN: tuple[dict[str, Any], ...] = (
    {"name": "lapse", "kind": "inactivity", "feed": "tills", "outcome_days": 56, "active_days": 90, "lead_days": 7},
    {"name": "leave", "kind": "cancellation", "feed": "deals", "outcome_days": 30, "lead_days": 7},
    {"name": "said", "kind": "column", "attribute": "left"},
    {"name": "habit", "kind": "rhythm", "feed": "tills", "times": 2, "least_purchases": 4, "least_days": 10,
     "outcome_days": 40, "lead_days": 5},
    {"name": "drain", "kind": "balance_drop", "feed": "levels", "outcome_days": 30, "lead_days": 7,
     "least_amount": 400},
)  # fmt: skip


@cache
def company(*, without: tuple[str, ...] = (), time_zone: str = "Europe/Madrid") -> Business:
    """Return the company; ``without`` names mapped columns to drop (``tills.order_id``) or whole feeds."""
    feeds = {name: {**feed, "columns": dict(feed["columns"])} for name, feed in _FEEDS.items() if name not in without}
    for dropped in without:
        feed, _, column = dropped.partition(".")
        if column:
            del feeds[feed]["columns"][column]
            feeds[feed]["accepts"] = {k: v for k, v in feeds[feed].get("accepts", {}).items() if k != column}
    return Business.model_validate(
        {
            "slug": "acme",
            "name": "Acme",
            "currency": "EUR",
            "time_zone": time_zone,
            "customers": _CUSTOMERS,
            "feeds": {name: {"source": f"{name}.csv", **feed} for name, feed in feeds.items()},
            "churn": [c for c in CHURN if c.get("feed") not in without],
        }
    )


def instant(day: date = AS_OF, *, days: float = 0) -> datetime:
    """Return the start of a day of the company, moved by days of 24 hours."""
    return company().instant(day) + timedelta(days=days)


@dataclass
class Memory:
    """A warehouse whose tables are given: queries run on the real engine, over the declared columns and types."""

    business: Business
    rows: Rows
    _lake: Lake = field(init=False)
    _frames: dict[str, pa.Table] = field(init=False)

    def __post_init__(self) -> None:
        tables = self.business.tables
        self._lake = Lake(Path(tempfile.gettempdir()) / "holdback-no-such-lake", tables, threads=1)
        self._frames = {name: arrow(tables[name], rows) for name, rows in self.rows.items() if name in tables}

    def query(self, sql: str, *, frames: Mapping[str, pa.Table] | None = None) -> pa.Table:
        return self._lake.query(sql, frames={**self._frames, **(frames or {})})

    def append(self, table: str, rows: pa.Table, *, batch: str) -> bool:
        raise AssertionError("features only read")

    def replace_day(self, table: str, as_of: date, rows: pa.Table) -> None:
        raise AssertionError("features only read")

    def version(self, table: str) -> int | None:
        return None

    def has_batch(self, table: str, batch: str) -> bool:
        return False

    def corrected(self) -> frozenset[str]:
        return frozenset(self.query("select distinct feed from superseded")["feed"].to_pylist())


def arrow(table: Table, rows: Iterable[Row]) -> pa.Table:
    """Return rows as a table of the declared columns; columns that a row lacks are null, load columns get values."""
    types = {
        "text": pa.string(), "integer": pa.int64(), "money": pa.int64(), "number": pa.float64(), "flag": pa.bool_(),
        "date": pa.date32(), "instant": pa.timestamp("us"),
    }  # fmt: skip
    filled = [loaded(row, position) for position, row in enumerate(rows, start=1)]
    return pa.table(
        {
            column.name: pa.array([row.get(column.name) for row in filled], types[column.type])
            for column in table.columns
        }
    )


def loaded(row: Row, position: int) -> Row:
    """Return the row with a batch, a number and a load time, where it does not say them itself."""
    at = row.get("event_at") or row.get("signed_up_at") or datetime(2020, 1, 1)
    return {"batch_id": "b", "row_number": position, "loaded_at": at, **row}


def spine_of(customers: Iterable[str], as_of: date = AS_OF) -> pa.Table:
    """Return a spine of these customers, with their numbers."""
    ids = sorted(customers)
    as_ofs = pa.array([as_of] * len(ids), pa.date32())
    return numbered(pa.table({"customer_id": pa.array(ids, pa.string()), "as_of": as_ofs}))
