"""A gym whose contracts' hazards are known, written straight into a real warehouse; and a shop without contracts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from holdback.business import Business
from holdback.workspace import Workspace
from tests.training.value.panel import NEVER, Panel, panel
from training.value.hazard import DAYS_PER_MONTH

GYM: dict[str, Any] = {
    "slug": "gym",
    "name": "A gym",
    "currency": "EUR",
    "time_zone": "Europe/Madrid",
    "feeds": {
        "deals": {
            "role": "subscriptions",
            "source": "deals/*.csv",
            "columns": {
                "customer_id": "c", "event_at": "at", "kind": "k", "plan": "p", "price": "x", "ends_on": "e",
            },
            "accepts": {"plan": ["monthly", "yearly"]},
        }
    },
    "churn": [{"name": "left", "kind": "cancellation", "feed": "deals", "outcome_days": 30}],
    "value": {"margin_rate": 0.5, "discount_rate": 0.0, "horizon_days": 365},
    "training": {"snapshots": 12, "min_history_days": 60},
}  # fmt: skip
OPENED = date(2022, 1, 1)
MONTHS = 40
TODAY = OPENED + timedelta(days=round(MONTHS * DAYS_PER_MONTH))


@dataclass(frozen=True, eq=False)
class Gym:
    """A workspace and the truth behind it."""

    workspace: Workspace
    world: Panel

    def ids(self) -> list[str]:
        """Keys of today's customers, ordered."""
        return [customer(int(i)) for i in np.flatnonzero(self.world.alive(MONTHS))]


def customer(number: int) -> str:
    """Key of a customer of the panel."""
    return f"c-{number:05d}"


def open_gym(root: Path, *, customers: int = 3000, records_begin: int = 20, seed: int = 5, **changes: Any) -> Gym:
    """A gym of 40 months that keeps the contracts that ended only since a month; of older ones nothing is left.

    Args:
        root: Where the workspace stands.
        customers: Who ever joined.
        records_begin: First month whose ends are on record.
        seed: Of the panel.
        changes: Sections of the business file to replace.
    """
    rng = np.random.default_rng(seed)
    world = panel(rng, customers=customers, months=MONTHS)
    workspace = Workspace(root, Business.model_validate({**GYM, **changes}), threads=1)
    rows: list[dict[str, Any]] = []
    for number in range(customers):
        joined, left = int(world.joined[number]), int(world.left[number])
        if left < records_begin:
            continue
        plan = "yearly" if world.is_yearly[number] else "monthly"
        # The dearness that was planted can be read off the price.
        facts = {"customer_id": customer(number), "plan": plan, "price_cents": round(4000 * world.dearness[number])}
        terms = range(joined, min(left, MONTHS - 1) + 1, 12) if plan == "yearly" else [joined]
        rows += [
            {
                **facts,
                "kind": "start" if month == joined else "renew",
                "event_at": _in_month(month, rng, early=True),
                "ends_on": _end(plan, month),
            }
            for month in terms
        ]
        if left != NEVER:
            rows.append({**facts, "kind": "cancel", "event_at": _in_month(left, rng), "ends_on": None})
    write_deals(workspace, rows)
    return Gym(workspace, world)


def write_deals(workspace: Workspace, rows: Sequence[dict[str, Any]], *, batch: str = "b-1") -> None:
    """Write events of contracts; each is known at midnight after it happened."""
    ordered = sorted(rows, key=lambda row: row["event_at"])
    business = workspace.business
    loaded = [business.instant(business.day_of(row["event_at"]) + timedelta(days=1)) for row in ordered]
    columns = {
        "customer_id": pa.string(), "event_at": pa.timestamp("us"), "kind": pa.string(), "subscription_id": pa.string(),
        "plan": pa.string(), "price_cents": pa.int64(), "ends_on": pa.date32(),
    }  # fmt: skip
    table = {name: pa.array([row.get(name) for row in ordered], kind) for name, kind in columns.items()}
    table["batch_id"] = pa.array([batch] * len(ordered), pa.string())
    table["row_number"] = pa.array(range(1, len(ordered) + 1), pa.int64())
    table["loaded_at"] = pa.array(loaded, pa.timestamp("us"))
    workspace.warehouse.append("deals", pa.table(table), batch=batch)


def _in_month(month: int, rng: np.random.Generator, *, early: bool = False) -> datetime:
    share = 0.02 if early else rng.uniform(0.05, 0.95)
    return datetime(OPENED.year, OPENED.month, OPENED.day) + timedelta(days=(month + share) * DAYS_PER_MONTH)


def _end(plan: str, month: int) -> date | None:
    """A yearly contract binds to the end of its twelfth month."""
    return None if plan == "monthly" else OPENED + timedelta(days=round((month + 12) * DAYS_PER_MONTH))
