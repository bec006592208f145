"""A telephone company in which a campaign was run with a holdout, and whose effect was planted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from campaigns.designs import Design
from campaigns.ledger import record
from holdback.business import Business
from holdback.workspace import Workspace

STARTS_ON = date(2026, 1, 5)
SIGNED_UP = datetime(2025, 1, 1, 12)
HORIZON_DAYS = 60
_DAYS_APART = 6

FILE: dict[str, Any] = {
    "slug": "phones",
    "name": "Phones",
    "currency": "EUR",
    "time_zone": "Europe/Madrid",
    "language": "en",
    "customers": {
        "source": "customers.csv", "key": "id", "columns": {"household_id": "home", "consent": "agreed"},
    },
    "feeds": {
        "contracts": {
            "role": "subscriptions",
            "source": "contracts.csv",
            "columns": {"customer_id": "who", "event_at": "at", "kind": "kind", "price": "price"},
        },
        "messages": {
            "role": "campaign_contacts",
            "source": "messages.csv",
            "columns": {
                "customer_id": "who", "event_at": "at", "campaign": "c", "channel": "ch", "outcome": "o", "action": "a",
                "decision_id": "d", "cost": "cost",
            },
        },
    },
    "churn": [{"name": "left", "kind": "cancellation", "feed": "contracts", "outcome_days": HORIZON_DAYS}],
    "value": {"feed": "contracts", "margin_rate": 0.5},
    "actions": [
        {
            "name": "call", "channel": "phone", "cost": 4.0,
            "assumed_lift": {"value": 0.2, "source": "a guess", "expires_on": "2030-01-01"},
        },
    ],
    "holdout": {"global_share": 0.1, "campaign_share": 0.5, "explore_share": 0.0},
    "campaigns": [{"name": "spring", "actions": ["call"]}],
}  # fmt: skip


@dataclass(frozen=True)
class World:
    """What is planted.

    Attributes:
        customers: How many enter.
        holdout_share: Share of them that is held out.
        entry_days: Days over which they enter, every sixth day.
        held_rate: Churn of the held-out within the horizon.
        treated_rate: Churn of the treated.
        dear_treated_rate: The same of those whose contract costs more than most; None when it makes no difference.
        reached_share: Share of the treated who are really called.
        leaked_share: Share of the held-out who are called all the same.
        household: Customers per household; they leave together.
        reads_on: Planned reading; None for a campaign that was launched by force.
        seed: Of everything.
    """

    customers: int = 4000
    holdout_share: float = 0.5
    entry_days: int = 60
    held_rate: float = 0.10
    treated_rate: float = 0.064
    dear_treated_rate: float | None = None
    reached_share: float = 1.0
    leaked_share: float = 0.0
    household: int = 1
    reads_on: date | None = STARTS_ON + timedelta(days=125)
    seed: int = 1


def business(**changes: Any) -> Business:
    """Return the company; whole sections of its file can be replaced."""
    return Business.model_validate({**FILE, **changes})


def design(world: World, **changes: Any) -> Design:
    """Return what the launch fixed."""
    company = business()
    fixed = Design(
        campaign="spring",
        version=1,
        salt="phones/spring/1",
        launched_on=STARTS_ON,
        primary_outcome="churned",
        decision_metric="incremental_margin",
        churn=company.churn[0].model_dump(mode="json"),
        horizon_days=HORIZON_DAYS,
        alpha=0.05,
        reading_alpha=0.04,
        power=0.8,
        actions=("call",),
        audience=company.campaigns[0].audience,
        holdout_share=world.holdout_share,
        explore_share=0.0,
        starts_on=STARTS_ON,
        ends_on=None,
        last_entry_on=STARTS_ON + timedelta(days=world.entry_days),
        reads_on=world.reads_on,
        base_rate=0.1,
        lift=0.2,
        effect=0.02,
        holdout_count=round(world.customers * world.holdout_share),
        treatment_count=round(world.customers * (1 - world.holdout_share)),
        forced_reason=None if world.reads_on else "a trial that nobody can read in time",
    )
    return replace(fixed, **changes)


def run(
    folder: Path, world: World, *, until: date, company: Business | None = None, fixed: dict[str, Any] | None = None
) -> Workspace:
    """Write the year before, the campaign and what became of everybody, as known at the start of a day.

    Returns:
        The workspace: launch, assignments and decisions in the ledger, contracts and messages in their feeds.
    """
    workspace = Workspace(root=folder, business=company or business())
    rng = np.random.default_rng(world.seed)
    ids = [f"c{n:06d}" for n in range(world.customers)]
    units = [ids[n - n % world.household] for n in range(world.customers)]
    number = np.arange(world.customers) // world.household
    entered = number * world.household * world.entry_days // world.customers // _DAYS_APART * _DAYS_APART
    homes = int(number[-1]) + 1
    held = (rng.random(homes) < world.holdout_share)[number]
    dear = np.random.default_rng([world.seed, 1]).random(world.customers) < 0.5
    rates = (world.treated_rate, world.treated_rate if world.dear_treated_rate is None else world.dear_treated_rate)
    treated_rate = np.where(dear, rates[1], rates[0])
    leaves = (rng.random(homes) < np.where(held, world.held_rate, treated_rate)[:: world.household])[number]
    after = (rng.integers(0, HORIZON_DAYS, homes))[number]
    called = rng.random(world.customers) < np.where(held, world.leaked_share, world.reached_share)
    price = rng.integers(1500, 6000, world.customers)
    if world.dear_treated_rate is not None:
        price = np.where(dear, 4000, 1500) + price % 1000

    _launch(workspace, design(world, **(fixed or {})))
    _assign(workspace, world, until, ids, units, entered, held)
    days = [STARTS_ON + timedelta(days=int(day)) for day in entered]
    left_on = [day + timedelta(days=int(late)) for day, late in zip(days, after, strict=True)]
    events = [(who, SIGNED_UP, "start", int(cents)) for who, cents in zip(ids, price, strict=True)]
    events += [
        (who, _noon(on), "cancel", None)
        for who, on, gone in zip(ids, left_on, leaves, strict=True)
        if gone and on < until
    ]
    # Somebody else's contract begins every day: so the feed reaches as far as the day.
    events += [(f"n{n}", _noon(STARTS_ON + timedelta(days=n)), "start", 1000) for n in range((until - STARTS_ON).days)]
    _load(workspace, "contracts", events, ("customer_id", "event_at", "kind", "price_cents"))
    messages = [
        (who, _noon(day), "spring", "phone", "answered", "call", 400)
        for who, day, was_called in zip(ids, days, called, strict=True)
        if was_called and day < until
    ]
    names = ("customer_id", "event_at", "campaign", "channel", "outcome", "action", "cost_cents")
    _load(workspace, "messages", messages, names)
    return workspace


def _launch(workspace: Workspace, fixed: Design) -> None:
    detail = f'{{"design":{fixed.to_json()},"hash":"{fixed.hash}"}}'
    row = {"kind": "launched", "campaign": fixed.campaign, "version": 1, "salt": fixed.salt, "detail": detail}
    record(workspace, fixed.launched_on, pa.Table.from_pylist([row]), batch="launch/spring/1")


def _assign(
    workspace: Workspace, world: World, until: date, ids: list[str], units: list[str], entered: Any, held: Any
) -> None:
    for offset in np.unique(entered):
        day = STARTS_ON + timedelta(days=int(offset))
        if day >= until:
            break
        own = np.flatnonzero(entered == offset)
        share = world.holdout_share
        common = {"campaign": "spring", "version": 1, "salt": "phones/spring/1"}
        rows = [
            {
                "customer_id": ids[n], "unit_id": units[n], "group": "holdout" if held[n] else "treatment",
                "propensity": share if held[n] else 1 - share, "kept_cents": 40_000, "fit_class": "invest",
                "probability": 0.05 + n % 10 / 100, **common,
            }
            for n in own
        ]  # fmt: skip
        assigned = [{"kind": "assigned", **row} for row in rows]
        decided = [
            {
                "kind": "decided", **row, "intended_action": "call", "channel": "phone",
                "action": "none" if row["group"] == "holdout" else "call",
                "cost_cents": 0 if row["group"] == "holdout" else 400, "eligible": '{"call":1.0}',
            }
            for row in rows
        ]  # fmt: skip
        both = [pa.Table.from_pylist(assigned), pa.Table.from_pylist(decided)]
        record(workspace, day, pa.concat_tables(both, promote_options="default"), batch=f"decide/{day}")


def _load(workspace: Workspace, feed: str, events: list[tuple[Any, ...]], names: tuple[str, ...]) -> None:
    rows = [
        {
            **dict(zip(names, event, strict=True)), "batch_id": f"{feed}-1", "row_number": number,
            "loaded_at": event[1] + timedelta(hours=6),
        }
        for number, event in enumerate(events, start=1)
    ]  # fmt: skip
    if rows:
        workspace.warehouse.append(feed, pa.Table.from_pylist(rows), batch=f"{feed}-1")


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), tzinfo=UTC).replace(tzinfo=None)
