"""A company of any size, made of random numbers: the same bytes for the same size."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from holdback.business import Business
from holdback.warehouse import Lake

AS_OF = date(2026, 1, 1)
FIRST_DAY = date(2023, 12, 1)
LINES_PER_ORDER = 4
DAYS = 792  # a month of events lies after AS_OF, as in a real warehouse

Columns = dict[str, pa.Array]


def business() -> Business:
    """Return the company: five feeds, 93.5 events per customer."""
    event = {"customer_id": "customer", "event_at": "at"}
    feeds: dict[str, Any] = {
        "tills": {
            "role": "transactions",
            "columns": {**event, "amount": "amount", "order_id": "order", "discount": "off", "category": "category",
                        "channel": "channel"},
            "accepts": {"category": [f"category {i}" for i in range(12)], "channel": ["store", "web", "app"]},
        },
        "calls": {
            "role": "interactions",
            "columns": {**event, "channel": "channel", "outcome": "outcome", "duration_seconds": "seconds"},
            "accepts": {"channel": ["phone", "email", "chat"], "outcome": ["solved", "pending", "refused"]},
        },
        "surveys": {"role": "feedback", "columns": {**event, "score": "score"}, "scale": "nps"},
        "levels": {
            "role": "balances",
            "columns": {**event, "balance": "balance", "account_kind": "kind"},
            "accepts": {"account_kind": ["savings", "checking"]},
        },
        "mails": {
            "role": "campaign_contacts",
            "columns": {**event, "campaign": "campaign", "channel": "channel", "outcome": "outcome"},
            "accepts": {"channel": ["email", "phone"], "outcome": ["sent", "opened", "answered"]},
        },
    }  # fmt: skip
    return Business.model_validate(
        {
            "slug": "bench",
            "name": "Bench",
            "currency": "EUR",
            "time_zone": "Europe/Madrid",
            "feeds": {name: {"source": f"{name}.csv", **feed} for name, feed in feeds.items()},
            "churn": [{"name": "lapse", "kind": "inactivity", "feed": "tills", "outcome_days": 90, "active_days": 800}],
        }
    )


def write_world(lake: Lake, customers: int, *, rng: np.random.Generator) -> dict[str, int]:
    """Write the feeds month by month, as they would come, then sort each table by customer.

    Returns:
        Rows per feed.
    """
    counts: dict[str, int] = {}
    for feed, per_customer, draw in (
        ("tills", 31.0, _tills),
        ("calls", 46.0, _calls),
        ("surveys", 3.0, _surveys),
        ("levels", 12.0, _levels),
        ("mails", 1.5, _mails),
    ):
        counts[feed] = int(customers * per_customer)
        for month, (start, end, rows) in enumerate(_months(counts[feed])):
            lines = LINES_PER_ORDER if feed == "tills" else 1
            at = np.repeat(np.sort(rng.integers(start, end, -(-rows // lines))), lines)[:rows]
            who = np.repeat(rng.integers(0, customers, -(-rows // lines)), lines)[:rows]
            columns = {
                "customer_id": pa.array(np.char.add("customer-", np.char.zfill(who.astype(str), 9))),
                "event_at": pa.array(at, pa.timestamp("us")),
                **draw(rng, at),
                "batch_id": pa.array([f"{feed}-{month}"] * rows, pa.string()),
                "row_number": pa.array(np.arange(1, rows + 1)),
                "loaded_at": pa.array(np.full(rows, end), pa.timestamp("us")),
            }
            lake.append(feed, pa.table(columns), batch=f"{feed}-{month}")
        lake.compact(feed, by="customer_id")
    return counts


def _months(rows: int) -> Iterator[tuple[int, int, int]]:
    steps = 26
    edges = [
        datetime.combine(FIRST_DAY, datetime.min.time()) + timedelta(days=DAYS * i / steps) for i in range(steps + 1)
    ]
    instants = [int(np.datetime64(edge, "us").astype(np.int64)) for edge in edges]
    for step in range(steps):
        yield instants[step], instants[step + 1], rows // steps + (step < rows % steps)


def _tills(rng: np.random.Generator, at: npt.NDArray[np.int64]) -> Columns:
    """Lines of receipts, as many on each."""
    return {
        "order_id": pa.array(np.char.add("receipt ", (at // 1_000_000).astype(str))),
        "amount_cents": pa.array(rng.integers(-500, 20_000, len(at))),
        "discount_cents": pa.array(rng.integers(0, 500, len(at))),
        "category": _pick(rng, len(at), [f"category {i}" for i in range(12)]),
        "channel": _pick(rng, len(at), ["store", "web", "app"]),
    }


def _calls(rng: np.random.Generator, at: npt.NDArray[np.int64]) -> Columns:
    rows = len(at)
    return {
        "channel": _pick(rng, rows, ["phone", "email", "chat"]),
        "outcome": _pick(rng, rows, ["solved", "pending", "refused"]),
        "duration_seconds": pa.array(rng.integers(10, 3_000, rows)),
    }


def _surveys(rng: np.random.Generator, at: npt.NDArray[np.int64]) -> Columns:
    rows = len(at)
    return {"score": pa.array(rng.integers(0, 11, rows).astype(float), mask=rng.random(rows) < 0.4)}


def _levels(rng: np.random.Generator, at: npt.NDArray[np.int64]) -> Columns:
    rows = len(at)
    return {
        "account_kind": _pick(rng, rows, ["savings", "checking"]),
        "balance_cents": pa.array(rng.integers(0, 10_000_000, rows)),
    }


def _mails(rng: np.random.Generator, at: npt.NDArray[np.int64]) -> Columns:
    rows = len(at)
    return {
        "campaign": _pick(rng, rows, ["spring", "summer"]),
        "channel": _pick(rng, rows, ["email", "phone"]),
        "outcome": _pick(rng, rows, ["sent", "opened", "answered"]),
    }


def _pick(rng: np.random.Generator, rows: int, values: list[str]) -> pa.Array:
    drawn = pa.array(rng.integers(0, len(values), rows).astype(np.int32))
    return pa.DictionaryArray.from_arrays(drawn, pa.array(values)).cast(pa.string())


def lake_at(folder: Path) -> Lake:
    """Return the company's warehouse in a folder."""
    return Lake(folder, business().tables)
