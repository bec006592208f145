"""A finished campaign of any size: contracts, contacts and answers of everybody in it, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from holdback.business import Business
from holdback.tables import SQL_TYPES, Table
from holdback.warehouse import Lake

ENTRY = date(2026, 3, 2)
READ_ON = date(2026, 8, 1)
HORIZON_DAYS = 30
_ENTRY_DAYS = 60
_ARROW = {
    "varchar": pa.string(), "bigint": pa.int64(), "double": pa.float64(), "boolean": pa.bool_(),
    "date": pa.date32(), "timestamp": pa.timestamp("us"),
}  # fmt: skip


def business() -> Business:
    """Return the company: contracts that can be cancelled, and answers to a survey."""
    event = {"customer_id": "customer", "event_at": "at"}
    feeds: dict[str, Any] = {
        "deals": {"role": "subscriptions", "columns": {**event, "kind": "kind", "price": "price"}},
        "surveys": {"role": "feedback", "columns": {**event, "score": "score"}, "scale": "nps"},
    }
    return Business.model_validate(
        {
            "slug": "bench",
            "name": "Bench",
            "currency": "EUR",
            "time_zone": "Europe/Madrid",
            "feeds": {name: {"source": f"{name}.csv", **feed} for name, feed in feeds.items()},
            "churn": [{"name": "leave", "kind": "cancellation", "feed": "deals", "outcome_days": HORIZON_DAYS}],
            "value": {"margin_rate": 0.4},
            "actions": [{"name": "call", "channel": "phone", "cost": 4.0}],
            "campaigns": [{"name": "spring", "actions": ["call"]}],
        }
    )


def write_campaign(lake: Lake, customers: int, *, rng: np.random.Generator) -> dict[str, int]:
    """Write the campaign: one customer in ten lives with the one before him, one in five units is held out.

    Returns:
        What a measurement must find: units and churned customers of each group.
    """
    number = np.arange(customers)
    ids = np.char.add("customer-", np.char.zfill(number.astype(str), 9))
    first = np.where(number % 10 == 9, number - 1, number)
    is_held = (rng.random(customers) < 0.2)[first]
    entry = np.sort(rng.integers(0, _ENTRY_DAYS, customers))[first]
    _write_ledger(lake, ids, ids[first], is_held, entry, rng)

    midnight = np.datetime64(ENTRY, "us")
    since = midnight - (rng.uniform(90, 900, customers) * 86_400e6).astype("timedelta64[us]")
    price = rng.integers(500, 9_000, customers)
    _events(lake, "deals", "starts", ids, since, {"kind": _same("start", customers), "price_cents": price})
    leaves = np.flatnonzero(rng.random(customers) < np.where(is_held, 0.12, 0.10))
    after = rng.uniform(1, 60, leaves.size)
    left_at = midnight + ((entry[leaves] + after) * 86_400e6).astype("timedelta64[us]")
    _events(lake, "deals", "ends", ids[leaves], left_at, {"kind": _same("cancel", leaves.size)})
    asked = np.flatnonzero(rng.random(customers) < 0.3)
    at = midnight + ((entry[asked] + rng.uniform(1, 29, asked.size)) * 86_400e6).astype("timedelta64[us]")
    score = np.where(rng.random(asked.size) < 0.5, np.nan, rng.integers(0, 11, asked.size))
    _events(lake, "surveys", "asked", ids[asked], at, {"score": pa.array(score, from_pandas=True)})

    # Days of the business begin at 22:00 or 23:00 UTC: who left in the last hours of his horizon is counted by the day.
    ends = np.array([_utc(day) for day in range(_ENTRY_DAYS)], dtype="datetime64[us]")[entry[leaves]]
    churned = leaves[left_at < ends]
    is_member = number == first
    return {
        "treatment_units": int((is_member & ~is_held).sum()),
        "holdout_units": int((is_member & is_held).sum()),
        "treatment_churned": int((~is_held[churned]).sum()),
        "holdout_churned": int(is_held[churned].sum()),
    }


def _utc(entered: int) -> str:
    """The end of the horizon of who entered so many days after the first."""
    ends_on = np.datetime64(ENTRY, "D") + entered + HORIZON_DAYS
    return business().instant(ends_on.astype(object)).isoformat()


def _write_ledger(
    lake: Lake,
    ids: npt.NDArray[np.str_],
    units: npt.NDArray[np.str_],
    is_held: npt.NDArray[np.bool_],
    entry: npt.NDArray[np.int64],
    rng: np.random.Generator,
) -> None:
    count = ids.size
    days = np.datetime64(ENTRY, "D") + entry
    of_all = {
        "as_of": pa.array(days), "sequence": np.arange(1, count + 1), "customer_id": ids, "unit_id": units,
        "campaign": _same("spring", count), "version": np.ones(count, dtype=np.int64),
        "group": np.where(is_held, "holdout", "treatment"), "propensity": np.where(is_held, 0.2, 0.8),
        "hash": _same("-", count), "previous_hash": _same("-", count),
    }  # fmt: skip
    seen = {"probability": rng.beta(1, 8, count), "kept_cents": rng.integers(0, 90_000, count)}
    decided = {
        "action": np.where(is_held, "none", "call"), "intended_action": _same("call", count),
        "cost_cents": np.where(is_held, 0, 400),
    }  # fmt: skip
    treated = np.flatnonzero(~is_held)
    sent = {name: values.take(pa.array(treated)) if isinstance(values, pa.Array) else values[treated]
            for name, values in of_all.items()}  # fmt: skip
    sent |= {"happened_at": (days[treated] + 1).astype("datetime64[us]"), "decision_id": _names("d", ids[treated])}
    for kind, rows in (("assigned", of_all | seen), ("decided", of_all | decided), ("sent", sent)):
        own = {"kind": _same(kind, len(rows["group"])), "entry_id": _names(kind[0], rows["customer_id"])}
        _append(lake, "ledger", kind, rows | own)


def _events(
    lake: Lake,
    feed: str,
    batch: str,
    ids: npt.NDArray[np.str_],
    at: npt.NDArray[np.datetime64],
    columns: Mapping[str, Any],
) -> None:
    known = at + np.timedelta64(1, "D")
    loads = {"batch_id": _same(batch, ids.size), "row_number": np.arange(1, ids.size + 1), "loaded_at": known}
    _append(lake, feed, batch, {"customer_id": ids, "event_at": at, **columns, **loads})


def _append(lake: Lake, name: str, batch: str, columns: Mapping[str, Any]) -> None:
    table: Table = business().tables[name]
    count = len(columns["batch_id"] if "batch_id" in columns else columns["kind"])
    typed = {column.name: _ARROW[SQL_TYPES[column.type]] for column in table.columns}
    rows = {
        column: pa.array(columns[column]).cast(kind) if column in columns else pa.nulls(count, kind)
        for column, kind in typed.items()
    }
    lake.append(name, pa.table(rows), batch=batch)


def _same(text: str, count: int) -> npt.NDArray[np.str_]:
    return np.full(count, text)


def _names(kind: str, ids: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
    return np.char.add(f"{kind}/", np.asarray(ids, dtype=str))
