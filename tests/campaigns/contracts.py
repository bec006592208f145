"""A company whose customers have contracts and leave with a known probability: three kinds of risk, some households."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from holdback.business import Business
from holdback.workspace import Workspace

OPENS = date(2025, 1, 1)
AS_OF = date(2026, 1, 1)
HORIZON_DAYS = 30
#: Probability to leave within 30 days, by kind of customer.
CHURN_30D = {"high": 0.30, "medium": 0.12, "low": 0.02}
TIERS = tuple(CHURN_30D)

FILE: dict[str, Any] = {
    "slug": "telecom",
    "name": "A telecom",
    "currency": "EUR",
    "time_zone": "Europe/Madrid",
    "customers": {
        "source": "customers.csv",
        "key": "id",
        "columns": {"household_id": "home", "consent": "ok"},
        "attributes": {"city": "category", "age": "number", "reachable": "flag"},
    },
    "feeds": {
        "deals": {
            "role": "subscriptions",
            "source": "deals.csv",
            "columns": {"customer_id": "c", "event_at": "at", "kind": "k"},
        }
    },
    "churn": [{"name": "leave", "kind": "cancellation", "feed": "deals", "outcome_days": HORIZON_DAYS}],
    "actions": [
        {
            "name": "call",
            "channel": "phone",
            "cost": 5.0,
            "capacity_per_day": 40,
            "assumed_lift": {"value": 0.3, "source": "the team", "expires_on": date(2027, 1, 1)},
        },
        {"name": "letter", "channel": "post", "cost": 1.0},
    ],
    "holdout": {"global_share": 0.05, "campaign_share": 0.2, "explore_share": 0.0},
    "campaigns": [{"name": "spring", "actions": ["call"]}],
}


def telecom(root: Path, **changes: Any) -> Workspace:
    """A workspace of the company, still empty; ``campaign`` and ``call`` change the campaign and its action."""
    content = {**FILE, **{key: value for key, value in changes.items() if key not in ("campaign", "call")}}
    content["campaigns"] = [{**content["campaigns"][0], **changes.get("campaign", {})}, *content["campaigns"][1:]]
    content["actions"] = [{**content["actions"][0], **changes.get("call", {})}, *content["actions"][1:]]
    return Workspace(root, Business.model_validate(content), threads=1)


def open_telecom(
    root: Path,
    *,
    customers: int = 4_000,
    joining_per_day: float = 10.0,
    days: int = 365,
    scored_on: tuple[date, ...] = (),
    seed: int = 11,
    households: bool = False,
    **changes: Any,
) -> Workspace:
    """The company after ``days`` days: everybody's contract, start to cancellation, known the morning after.

    Args:
        root: Where the workspace stands.
        customers: Customers on the first day.
        joining_per_day: New customers per day, Poisson.
        days: Length of the past.
        scored_on: Days on which everybody with a contract was scored, with the true probability.
        seed: Of the one generator.
        households: True when every two customers live together and leave together.
        changes: Of the business file.
    """
    rng = np.random.default_rng(seed)
    workspace = telecom(root, **changes)
    joined = np.concatenate([np.zeros(customers), *(np.full(rng.poisson(joining_per_day), d) for d in range(days))])
    n = joined.size
    tier = rng.choice(len(TIERS), n, p=[0.15, 0.25, 0.6])
    daily = -np.log(1 - np.array(list(CHURN_30D.values())))[tier] / HORIZON_DAYS
    stays = rng.exponential(1 / daily)
    if households:
        joined, tier, stays = (values[np.arange(n) // 2 * 2] for values in (joined, tier, stays))
    starts, ends = joined + rng.uniform(0, 0.5, n), joined + 0.5 + stays
    ids = [f"c-{number:06d}" for number in range(n)]
    _write_customers(workspace, ids, rng, households=households)
    _write_contracts(workspace, ids, starts, ends, days)
    for day in scored_on:
        at = (day - OPENS).days
        _write_scores(workspace, [i for i in range(n) if starts[i] < at <= ends[i]], ids, tier, day)
    return workspace


def _write_customers(workspace: Workspace, ids: list[str], rng: np.random.Generator, *, households: bool) -> None:
    n = len(ids)
    rows = {
        "customer_id": ids,
        "household_id": pa.array([f"h-{i // 2}" if households else None for i in range(n)], pa.string()),
        "has_consent": rng.random(n) < 0.9,
        "city": np.where(np.arange(n) % 4 == 0, "Lugo", "Vigo").tolist(),
        "age": rng.uniform(18, 90, n),
        "reachable": rng.random(n) < 0.5,
    }
    workspace.warehouse.append("customers", _loaded(rows, [datetime(2024, 12, 31)] * n), batch="customers")


def _write_contracts(
    workspace: Workspace, ids: list[str], starts: np.ndarray[Any, Any], ends: np.ndarray[Any, Any], days: int
) -> None:
    opens = workspace.business.instant(OPENS)
    events = [
        (at, name, kind)
        for kind, ats in (("start", starts), ("cancel", ends))
        for at, name in zip(ats, ids, strict=True)
    ]
    events = sorted(event for event in events if event[0] < days)
    at = [opens + timedelta(seconds=int(86_400 * event[0])) for event in events]
    known = [workspace.business.instant(workspace.business.day_of(when) + timedelta(days=1)) for when in at]
    rows = {
        "customer_id": [event[1] for event in events],
        "event_at": pa.array(at, pa.timestamp("us")),
        "kind": [event[2] for event in events],
    }
    workspace.warehouse.append("deals", _loaded(rows, known), batch="deals")


def _write_scores(
    workspace: Workspace, present: list[int], ids: list[str], tier: np.ndarray[Any, Any], day: date
) -> None:
    names = [TIERS[tier[i]] for i in present]
    rows = pa.table(
        {
            "as_of": pa.array([day] * len(present), pa.date32()),
            "customer_id": [ids[i] for i in present],
            "churn": ["leave"] * len(present),
            "model_version": ["1"] * len(present),
            "probability": [CHURN_30D[name] for name in names],
            "risk_tier": names,
            "is_above_capacity_line": [False] * len(present),
        }
    )
    workspace.warehouse.append("scores", rows, batch=f"scores/leave/{day}")


def _loaded(rows: dict[str, Any], known: list[datetime]) -> pa.Table:
    n = len(known)
    load = {
        "batch_id": ["b-1"] * n,
        "row_number": pa.array(range(1, n + 1), pa.int64()),
        "loaded_at": pa.array(known, pa.timestamp("us")),
    }
    return pa.table({**rows, **load})
