"""Small companies whose tables are written straight into a real warehouse."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from holdback.business import Business
from holdback.workspace import Workspace

SHOP: dict[str, Any] = {
    "slug": "shop",
    "name": "A shop",
    "currency": "EUR",
    "time_zone": "Europe/Madrid",
    "feeds": {
        "tills": {
            "role": "transactions",
            "source": "tills/*.csv",
            "columns": {"customer_id": "c", "event_at": "at", "amount": "paid"},
        }
    },
    "churn": [{"name": "lapsed", "kind": "inactivity", "feed": "tills", "outcome_days": 30, "active_days": 60}],
    "value": {"margin_rate": 0.3},
    "actions": [{"name": "call", "channel": "phone", "cost": 5.0, "capacity_per_day": 25}],
    "training": {"snapshots": 4, "min_history_days": 60},
}
"""A shop whose customers lapse when they buy nothing for 30 days."""

SHOP_OPENS = date(2025, 1, 1)


def shop(root: Path, **changes: Any) -> Workspace:
    """A workspace of the shop, still empty."""
    return Workspace(root, Business.model_validate({**SHOP, **changes}), threads=1)


def open_shop(root: Path, *, customers: int = 900, days: int = 300, seed: int = 7, **changes: Any) -> Workspace:
    """A shop with purchases: each customer buys at an own pace and stops for good at a random day.

    A customer who buys rarely, or who was silent for longer than the own pace, is likelier to lapse: there is something
    to learn beyond recency.
    """
    rng = np.random.default_rng(seed)
    pace = rng.gamma(2.0, 6.0, customers) + 1.5
    life = rng.exponential(260, customers)
    starts = rng.uniform(-100, days * 0.7, customers)
    ids: list[str] = []
    at: list[float] = []
    for i in range(customers):
        # Renewal process with gaps around the customer's own pace, within the customer's own life.
        count = int(life[i] / pace[i]) + 1
        times = starts[i] + np.cumsum(rng.gamma(2.0, pace[i] / 2.0, count))
        times = times[(times >= 0) & (times < min(days, starts[i] + life[i]))]
        ids += [f"c-{i:05d}"] * times.size
        at += list(times)
    frame = pd.DataFrame({"customer_id": ids, "day": at}).sort_values(["day", "customer_id"])
    workspace = shop(root, **changes)
    sell(workspace, frame["customer_id"].tolist(), frame["day"].tolist(), rng.gamma(2.0, 1500.0, len(frame)))
    return workspace


def sell(workspace: Workspace, customers: list[str], day_numbers: list[float], cents: np.ndarray) -> None:
    """Write purchases; each is known at midnight after it happened."""
    start = workspace.business.instant(SHOP_OPENS)
    event_at = [start + timedelta(seconds=int(day * 86_400)) for day in day_numbers]
    loaded_at = [workspace.business.instant(workspace.business.day_of(at) + timedelta(days=1)) for at in event_at]
    rows = pa.table(
        {
            "customer_id": customers,
            "event_at": pa.array(event_at, pa.timestamp("us")),
            "amount_cents": pa.array([int(value) for value in cents], pa.int64()),
            "batch_id": ["b-1"] * len(customers),
            "row_number": pa.array(range(1, len(customers) + 1), pa.int64()),
            "loaded_at": pa.array(loaded_at, pa.timestamp("us")),
        }
    )
    workspace.warehouse.append("tills", rows, batch="b-1")


def snapshot(
    root: Path, frame: pd.DataFrame, *, key: str, label: str, slug: str = "club", loaded_on: date | None = None,
    kinds: dict[str, Any] | None = None, outcome_starts_on: date | None = None, protected: tuple[str, ...] = (),
) -> Workspace:  # fmt: skip
    """A business with one table of customers and a column that says who left.

    Args:
        root: Where the workspace stands.
        frame: One row per customer; numbers become number attributes, the rest categories.
        key: Column of the customers' keys.
        label: Column that says who left (true or false).
        slug: Name of the business.
        loaded_on: Day on which the table was loaded.
        kinds: Attributes written in full, by name, where the guess is wrong.
        outcome_starts_on: First day of the time that the label describes.
        protected: Attributes that are audited only.
    """
    loaded = datetime.combine(loaded_on or date(2025, 1, 1), datetime.min.time())
    guessed = {
        str(name): "number" if pd.api.types.is_numeric_dtype(frame[name]) else "category"
        for name in frame.columns
        if name not in (key, label)
    }
    content: dict[str, Any] = {
        "slug": slug,
        "name": slug,
        "currency": "USD",
        "time_zone": "UTC",
        "customers": {
            "source": "customers.csv",
            "key": key,
            "attributes": {**guessed, **(kinds or {}), label: "label"},
            "protected": list(protected),
        },
        "churn": [{"name": "left", "kind": "column", "attribute": label, "outcome_starts_on": outcome_starts_on}],
        "actions": [{"name": "call", "channel": "phone", "cost": 5.0, "capacity_per_day": 50}],
    }
    workspace = Workspace(root, Business.model_validate(content), threads=2)
    types = {name: pa.float64() if kind == "number" else pa.string() for name, kind in guessed.items()}
    columns = {name: pa.array(frame[name], kind, from_pandas=True) for name, kind in types.items()}
    n = len(frame)
    rows = pa.table(
        {
            "customer_id": pa.array(frame[key].astype(str)),
            **columns,
            label: pa.array(frame[label].astype(bool)),
            "batch_id": ["b-1"] * n,
            "row_number": pa.array(range(1, n + 1), pa.int64()),
            "loaded_at": pa.array([loaded] * n, pa.timestamp("us")),
        }
    )
    workspace.warehouse.append("customers", rows, batch="b-1")
    return workspace
