"""A shop that sends vouchers and calls, with everything that happened kept in plain Python beside its warehouse."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from campaigns.ledger import record
from holdback.business import Business
from holdback.workspace import Workspace
from tests.campaigns.decisions.world import design_of, put

Row = dict[str, Any]

AS_OF = date(2026, 4, 1)
HORIZON_DAYS = 30
OPENED_ON = date(2026, 1, 1)
#: Two days in January, one in February, one in March: the last of them is not mature on AS_OF.
ENTRY_DAYS = (date(2026, 1, 5), date(2026, 1, 20), date(2026, 2, 3), date(2026, 3, 10))
CLASSES = ("invest", "maintain", None)
VOUCHER = {"contact": 10, "amount": 1000, "expected": 300}
CALL = 400

FILE: dict[str, Any] = {
    "slug": "shop",
    "name": "Shop",
    "currency": "EUR",
    "time_zone": "Europe/Madrid",
    "customers": {"source": "customers.csv", "key": "id", "columns": {}},
    "feeds": {
        "tills": {
            "role": "transactions",
            "source": "tills.csv",
            "columns": {"customer_id": "who", "event_at": "at", "amount": "amount"},
        },
        "mails": {
            "role": "campaign_contacts",
            "source": "mails.csv",
            "columns": {"customer_id": "who", "event_at": "at", "campaign": "c", "cost": "cost"},
        },
    },
    "churn": [{"name": "lapse", "kind": "inactivity", "feed": "tills", "outcome_days": HORIZON_DAYS}],
    "value": {"feed": "tills", "margin_rate": 0.4},
    "actions": [
        {
            "name": "voucher", "channel": "email", "cost": 0.1, "incentive_amount": 10.0, "incentive_taken_share": 0.3,
            "assumed_lift": {"value": 0.1, "source": "the team", "expires_on": "2030-01-01"},
        },
        {
            "name": "call", "channel": "phone", "cost": 4.0,
            "assumed_lift": {"value": 0.2, "source": "the team", "expires_on": "2030-01-01"},
        },
    ],
    "holdout": {"global_share": 0.1, "campaign_share": 0.3, "explore_share": 0.0},
    "campaigns": [{"name": "spring", "actions": ["voucher", "call"], "horizon_days": HORIZON_DAYS}],
}  # fmt: skip


def shop(**changes: Any) -> Business:
    """The shop; whole sections of its file can be replaced."""
    return Business.model_validate({**FILE, **changes})


@dataclass
class Shop:
    """What happened, customer by customer: the truth that the account is recomputed from.

    Attributes:
        everywhere: By customer, the group in the global layer.
        entered: By customer, ``(day, group, fit class, unit)`` of the campaign.
        bought: ``(customer, instant, cents)``.
        decided: ``(id, customer, day, action, expected cents)``.
        reported: By decision, what its contact was reported to have cost.
        redeemed: Decisions whose voucher was redeemed.
        given: By decision, what its redeemed voucher was reported to have cost.
    """

    workspace: Workspace
    everywhere: dict[str, str] = field(default_factory=dict)
    entered: dict[str, tuple[date, str, str | None, str]] = field(default_factory=dict)
    bought: list[tuple[str, datetime, int]] = field(default_factory=list)
    decided: list[tuple[str, str, date, str, int]] = field(default_factory=list)
    reported: dict[str, int] = field(default_factory=dict)
    redeemed: set[str] = field(default_factory=set)
    given: dict[str, int] = field(default_factory=dict)

    def window(self, day: date, *, days: int = HORIZON_DAYS) -> tuple[datetime, datetime]:
        """The horizon of who entered on a day, as instants."""
        business = self.workspace.business
        return business.instant(day), business.instant(day + timedelta(days=days))

    def paid_cents(self, customer: str, day: date) -> int:
        """What a customer paid within the horizon of a day."""
        start, end = self.window(day)
        return sum(cents for who, at, cents in self.bought if who == customer and start <= at < end)

    def before_cents(self, customer: str, day: date) -> int:
        """What a customer paid in as long a time before a day."""
        start, end = self.window(day - timedelta(days=HORIZON_DAYS))
        return sum(cents for who, at, cents in self.bought if who == customer and start <= at < end)

    def is_missed(self, decision: str, told: Collection[str] | None = None) -> bool:
        """True when nothing came back of a decision, and of its action three days later or more."""
        told = {*self.reported, *self.redeemed} if told is None else told
        acts = {one: (day, action) for one, _, day, action, _ in self.decided}
        day, action = acts[decision]
        heard = [acts[one][0] + timedelta(days=2) for one in told if acts[one][1] == action]
        return decision not in told and any(on >= day + timedelta(days=3) for on in heard)

    def cost(self, decision: str, action: str, expected: int) -> tuple[int, int]:
        """Contact cost and incentive of a decision, in cents: as reported, else as expected; as redeemed."""
        if self.is_missed(decision):
            return 0, 0
        incentive = VOUCHER["amount"] * (decision in self.redeemed) if action == "voucher" else 0
        incentive = self.given.get(decision, incentive)
        share = VOUCHER["expected"] if action == "voucher" else 0
        return self.reported.get(decision, expected - share), incentive


def opened(root: Path, *, customers: int = 240, business: Business | None = None, seed: int = 7) -> Shop:
    """Open the shop, launch its campaign and let three months pass."""
    rng = np.random.default_rng(seed)
    world = Shop(Workspace(root, business or shop(), threads=1))
    names = [f"c{n:03d}" for n in range(customers)]
    for name in names:
        world.everywhere[name] = "holdout" if rng.random() < 0.15 else "treatment"
    _enter(world, [name for name in names if world.everywhere[name] == "treatment"], rng)
    _buy(world, names, rng)
    _write(world)
    return world


def _enter(world: Shop, names: list[str], rng: np.random.Generator) -> None:
    """Couples enter together; nine in ten enter at all."""
    for position in range(0, len(names) - 1, 2):
        couple = names[position : position + 2] if rng.random() < 0.3 else names[position : position + 1]
        if rng.random() < 0.1:
            continue
        day = ENTRY_DAYS[int(rng.integers(len(ENTRY_DAYS)))]
        group = "holdout" if rng.random() < 0.4 else "treatment"
        for name in couple:
            world.entered[name] = (day, group, CLASSES[int(rng.choice(3, p=[0.5, 0.45, 0.05]))], couple[0])
    for name, (day, group, _, _) in world.entered.items():
        if group == "treatment":
            action = "voucher" if rng.random() < 0.6 else "call"
            expected = VOUCHER["contact"] + VOUCHER["expected"] if action == "voucher" else CALL
            decision = f"d-{name}"
            world.decided.append((decision, name, day, action, expected))
            if rng.random() < 0.5:
                world.reported[decision] = int(rng.integers(5, 500))
            if action == "voucher" and rng.random() < 0.4:
                world.redeemed.add(decision)
    world.given = {decision: 700 + position for position, decision in enumerate(sorted(world.redeemed)[::3])}
    first = next(name for name, entry in world.entered.items() if entry[1] == "treatment" and entry[0] == ENTRY_DAYS[0])
    late = ENTRY_DAYS[0] + timedelta(days=HORIZON_DAYS)
    world.decided.append(("d-again", first, ENTRY_DAYS[0] + timedelta(days=9), "call", CALL))
    world.decided.append(("d-late", first, late, "call", CALL))
    world.decided.append(("d-stranger", "z-stranger", ENTRY_DAYS[2], "voucher", 310))
    world.reported.update({"d-stranger": 33, "d-late": 417})


def _buy(world: Shop, names: list[str], rng: np.random.Generator) -> None:
    """A customer buys now and then; the treated of the campaign stay a little more often."""
    for name in names:
        day, group, _, _ = world.entered.get(name, (OPENED_ON, "holdout", None, name))
        start, end = world.window(day)
        stays = rng.random() < (0.9 if group == "treatment" else 0.7)
        for _ in range(int(rng.poisson(5))):
            at = datetime(2025, 11, 1, 9) + timedelta(minutes=int(rng.integers(0, 149 * 24 * 60)))
            if stays or not start <= at < end:
                world.bought.append((name, at, int(rng.integers(100, 9_000))))
    # The edges of a horizon: its first instant belongs to it, its end does not; money goes back; the feed goes on.
    edge = next(name for name, entry in world.entered.items() if entry[0] == ENTRY_DAYS[1])
    start, end = world.window(ENTRY_DAYS[1])
    world.bought += [(edge, start, 1_111), (edge, end, 2_222), (edge, start + timedelta(days=1), -333)]
    world.bought.append(("z-stranger", world.workspace.business.instant(AS_OF) - timedelta(hours=2), 100))


def _write(world: Shop) -> None:
    workspace = world.workspace
    put(workspace, "tills", [
        {"customer_id": who, "event_at": at, "amount_cents": cents, "batch_id": "b", "row_number": number,
         "loaded_at": at + timedelta(minutes=30)}
        for number, (who, at, cents) in enumerate(world.bought, start=1)
    ], batch="tills")  # fmt: skip
    everybody = [
        {"kind": "assigned", "customer_id": name, "unit_id": name, "version": 1, "salt": "g", "group": group,
         "propensity": 0.15 if group == "holdout" else 0.85, "probability": 0.3, "kept_cents": 9_000,
         "fit_class": "invest"}
        for name, group in world.everywhere.items()
    ]  # fmt: skip
    _record(workspace, OPENED_ON, everybody, batch="everybody")
    if not workspace.business.campaigns:
        return
    design = design_of(workspace.business, "spring", OPENED_ON)
    detail = f'{{"design": {design.to_json()}, "hash": "{design.hash}"}}'
    launch = {"kind": "launched", "campaign": "spring", "version": 1, "salt": design.salt, "detail": detail}
    _record(workspace, OPENED_ON, [launch], batch="launch")
    facts: dict[date, list[Row]] = {}
    for name, (day, group, fit_class, unit) in world.entered.items():
        facts.setdefault(day, []).append(
            {"kind": "assigned", "customer_id": name, "unit_id": unit, "group": group, "fit_class": fit_class,
             "propensity": 0.4 if group == "holdout" else 0.6, "probability": 0.3, "kept_cents": 9_000}
        )  # fmt: skip
        if group == "holdout":
            facts[day].append({"kind": "decided", "customer_id": name, "action": "none", "intended_action": "call",
                               "cost_cents": 0, "group": group, "entry_id": f"n-{name}"})  # fmt: skip
    for decision, name, day, action, expected in world.decided:
        own = {"customer_id": name, "action": action, "group": "treatment"}
        facts.setdefault(day, []).append({"kind": "decided", "cost_cents": expected, "entry_id": decision, **own})
        told = facts.setdefault(day + timedelta(days=2), [])
        if decision in world.reported:
            told.append({"kind": "sent", "decision_id": decision, "entry_id": f"s-{decision}", **own})
            told.append({"kind": "cost", "decision_id": decision, "cost_cents": world.reported[decision],
                         "entry_id": f"c-{decision}", **own})  # fmt: skip
        if decision in world.redeemed:
            told.append({"kind": "redeemed", "decision_id": decision, "entry_id": f"r-{decision}", **own})
        if decision in world.given:
            told.append({"kind": "cost", "decision_id": decision, "cost_cents": world.given[decision],
                         "entry_id": hashlib.sha256(f"costr-{decision}".encode()).hexdigest(), **own})  # fmt: skip
    for day in sorted(day for day, rows in facts.items() if rows):
        rows = [{"campaign": "spring", "version": 1, "salt": "s", "unit_id": row["customer_id"], **row}
                for row in facts[day]]  # fmt: skip
        _record(workspace, day, rows, batch=f"facts/{day}")


def _record(workspace: Workspace, day: date, rows: list[Row], *, batch: str) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    filled = [{name: row.get(name) for name in names} for row in rows]
    record(workspace, day, pa.Table.from_pylist(filled), batch=batch)
