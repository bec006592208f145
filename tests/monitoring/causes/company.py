"""A telephone company in which the price is planted as what goes with leaving, and outages as what comes before it.

Who pays more leaves more often; outages are more frequent before leaving; scores say nothing. Men leave twice as often
as women, and the gender is protected. Prices of most customers rise in November.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from holdback.business import Business
from holdback.workspace import Workspace
from training.churn import Recipe, fit
from training.datasets import build_dataset

CHURN = "cancelled"
BEGINS = datetime(2025, 1, 1, 9)
TRAINED_ON = date(2025, 10, 1)
BEFORE_THE_RISE = date(2025, 11, 1)
RISES_AFTER_DAYS = 310  # 2025-11-07
TODAY = date(2026, 1, 1)
OUTCOME_DAYS = 45
DAYS = 365

FILE: dict[str, Any] = {
    "slug": "phones",
    "name": "Phones",
    "currency": "EUR",
    "time_zone": "UTC",
    "customers": {
        "source": "customers.csv",
        "key": "id",
        "attributes": {"gender": "category", "segment": "category", "colour": "category"},
        "protected": ["gender"],
    },
    "feeds": {
        "contracts": {
            "role": "subscriptions",
            "source": "contracts.csv",
            "columns": {"customer_id": "c", "event_at": "at", "kind": "k", "price": "p", "reason": "r"},
        },
        "tickets": {
            "role": "interactions",
            "source": "tickets.csv",
            "columns": {"customer_id": "c", "event_at": "at", "topic": "t"},
            "accepts": {"topic": ["outage", "moving"]},
        },
        "nps": {
            "role": "feedback",
            "source": "nps.csv",
            "scale": "nps",
            "columns": {"customer_id": "c", "event_at": "at", "kind": "k", "score": "s", "remark": "m"},
        },
    },
    "churn": [{"name": CHURN, "kind": "cancellation", "feed": "contracts", "outcome_days": OUTCOME_DAYS}],
    "actions": [
        {"name": "price_promise", "channel": "email", "cost": 1.0, "capacity_per_day": 50},
        {"name": "call", "channel": "phone", "cost": 5.0, "capacity_per_day": 20},
    ],
    "campaigns": [{"name": "promise", "actions": ["price_promise"]}, {"name": "calls", "actions": ["call"]}],
    "training": {"snapshots": 4, "min_history_days": 60},
    "journey": {"segments": ["segment"]},
}

QUICK = Recipe(most_trees=80, patience=20, fold_count=2, seed_count=1, learning_rate=0.15)


def company(root: Path, *, customers: int = 1500, seed: int = 3, **changes: Any) -> Workspace:
    """A year of the company, in a warehouse, without a model."""
    workspace = Workspace(root, Business.model_validate({**FILE, **changes}), threads=1)
    rng = np.random.default_rng(seed)
    contracts: list[tuple[str, float, str, int, str | None]] = []
    tickets: list[tuple[str, float, str]] = []
    answers: list[tuple[str, float, str, float | None, str | None]] = []
    people: list[tuple[str, str, str, str]] = []
    for number in range(customers):
        who = f"c{number:05d}"
        is_man, segment = bool(rng.random() < 0.5), ("home", "business")[number % 2]
        people.append((who, "m" if is_man else "f", segment, ("red", "blue", "green")[number % 3]))
        price = int(rng.choice([1000, 2000, 3000, 4000]))
        day = float(rng.uniform(0, 250))
        contracts.append((who, day, "start", price, None))
        rises_at = RISES_AFTER_DAYS + float(rng.uniform(0, 5)) if rng.random() < 0.7 else np.inf
        while day < DAYS:
            rate = {1000: 0.0005, 2000: 0.001, 3000: 0.003, 4000: 0.007}[price] * (1.6 if is_man else 0.8)
            next_day = day + 7
            if day < rises_at <= next_day:
                price = 4000
                contracts.append((who, rises_at, "change", price, None))
            leaves = rng.random() < 1 - (1 - rate) ** 7
            if rng.random() < (0.45 if leaves else 0.02):
                tickets.append((who, max(day - float(rng.uniform(0, 40)), 0.0), "outage"))
            if rng.random() < 0.03:
                tickets.append((who, day + 0.5, "moving"))
            if rng.random() < 0.05:
                score = float(rng.integers(0, 11)) if rng.random() < 0.6 else None
                answers.append((who, day + 1, "nps", score, "words" if score is not None and score > 8 else None))
            if leaves:
                reason = str(rng.choice(["too_expensive", "moving_away", "competitor"], p=[0.6, 0.25, 0.15]))
                contracts.append((who, day + 6.5, "cancel", price, reason if rng.random() < 0.7 else None))
                break
            day = next_day
    write(workspace, "contracts", contracts, {"kind": pa.string(), "price_cents": pa.int64(), "reason": pa.string()})
    write(workspace, "tickets", tickets, {"topic": pa.string()})
    write(workspace, "nps", answers, {"kind": pa.string(), "score": pa.float64(), "remark": pa.string()})
    rows = pa.table(
        {
            **{
                name: [row[at] for row in people]
                for at, name in enumerate(("customer_id", "gender", "segment", "colour"))
            },
            "batch_id": ["b"] * len(people),
            "row_number": list(range(1, len(people) + 1)),
            "loaded_at": pa.array([BEGINS] * len(people), pa.timestamp("us")),
        }
    )
    workspace.warehouse.append("customers", rows, batch="b")
    return workspace


def write(
    workspace: Workspace, table: str, rows: list[Any], types: dict[str, pa.DataType], *, batch: str = "b"
) -> None:
    """Write events ``(customer, day, ...)``; each is known a day after it happened."""
    at = [BEGINS + timedelta(days=row[1]) for row in rows]
    columns = {name: pa.array([row[2 + i] for row in rows], kind) for i, (name, kind) in enumerate(types.items())}
    workspace.warehouse.append(
        table,
        pa.table(
            {
                "customer_id": pa.array([row[0] for row in rows], pa.string()),
                "event_at": pa.array(at, pa.timestamp("us")),
                **columns,
                "batch_id": [batch] * len(rows),
                "row_number": list(range(1, len(rows) + 1)),
                "loaded_at": pa.array([moment + timedelta(days=1) for moment in at], pa.timestamp("us")),
            }
        ),
        batch=batch,
    )


def train(workspace: Workspace, as_of: date = TRAINED_ON, *, version: str = "1") -> None:
    """Train a small real model and put it in office, without a registry."""
    data = build_dataset(workspace, workspace.business.churn_named(CHURN), as_of)
    found = fit(data.training, threads=1, recipe=QUICK, information={"as_of": as_of.isoformat()})
    model = f"{workspace.business.slug}-{CHURN}"
    workspace.models.mkdir(parents=True, exist_ok=True)
    found.model.save(workspace.models / f"{model}-{version}.cbm")
    journal = workspace.journal
    journal.crown(model, version, seen=journal.champion(model), as_of=as_of)
    journal.record_verdict(model, version, as_of=as_of, decision="promote", champion=None, figures={})


def effect(workspace: Workspace, campaign: str, estimate: float, low: float, high: float, **changes: Any) -> None:
    """Store the measured effect of a campaign on churn."""
    from holdback.commits import rows_of
    from holdback.tables import TABLES

    row = {
        "as_of": date(2025, 12, 20), "campaign": campaign, "version": 1, "segment": "all", "metric": "churned",
        "method": "newcombe", "reading": "official", "estimate": estimate, "low": low, "high": high, "level": 0.95,
        "treatment_count": 800, "holdout_count": 200, **changes,
    }  # fmt: skip
    batch = f"effects/{campaign}/{row['as_of']}/{row['reading']}"
    workspace.warehouse.append("effects", rows_of(TABLES["effects"], [row]), batch=batch)
