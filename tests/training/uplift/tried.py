"""A telephone company that tried something: a ledger, contracts and a past, each of which a test can bend."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from holdback.business import Business
from tests.features.world import Memory
from tests.monitoring.measurement.experiment import HORIZON_DAYS, SIGNED_UP, STARTS_ON, World, business, design

Row = dict[str, Any]
AS_OF = STARTS_ON + timedelta(days=HORIZON_DAYS + 40)
MAIL = {"name": "mail", "channel": "email", "cost": 1.0}
CALL = {"name": "call", "channel": "phone", "cost": 4.0}


def company(**changes: Any) -> Business:
    """The telephone company with a call and a mail."""
    told = {"actions": [CALL, MAIL], "campaigns": [{"name": "spring", "actions": ["call", "mail"]}], **changes}
    return business(**told)


def noon(day: date) -> datetime:
    """Return an instant inside the business' day."""
    return datetime(day.year, day.month, day.day, 11)


def entry(number: int, **changes: Any) -> list[Row]:
    """One customer's two rows of the ledger: every other one is called, the others are held out; see ``lives``."""
    told: Row = {
        "customer_id": f"c{number:04d}", "group": "holdout" if number % 2 else "treatment", "share": 0.5,
        "on": STARTS_ON + timedelta(days=number % 3), "action": None, "intended_action": "call",
        "eligible": {"call": 1.0}, "kept_cents": 10_000, "probability": 0.1 + number % 7 / 20, "version": 1,
        "policy_version": "rules", "cost_cents": None, "refused": None, "unit_id": None, "campaign": "spring",
        **changes,
    }  # fmt: skip
    is_held = told["group"] == "holdout"
    action = told["action"] or ("none" if is_held else "call")
    cost = told["cost_cents"] if told["cost_cents"] is not None else {"call": 400, "mail": 100, "none": 0}[action]
    both = {
        **{name: told[name] for name in ("customer_id", "campaign", "version", "group", "kept_cents", "probability")},
        "as_of": told["on"], "unit_id": told["unit_id"] or told["customer_id"],
        "policy_version": told["policy_version"], "sequence": number,
    }  # fmt: skip
    propensity = told["share"] if is_held else None if told["share"] is None else 1 - told["share"]
    eligible = told["eligible"] if told["eligible"] is None else json.dumps(told["eligible"])
    decided = {"action": action, "intended_action": told["intended_action"], "eligible": eligible,
               "refused": told["refused"], "cost_cents": cost}  # fmt: skip
    return [{**both, "kind": "assigned", "propensity": propensity}, {**both, **decided, "kind": "decided"}]


def launched(version: int = 1, **changes: Any) -> Row:
    """The launch of a version of the campaign."""
    fixed = design(World(), version=version, **changes)
    return {"kind": "launched", "campaign": "spring", "version": version, "as_of": STARTS_ON, "sequence": version,
            "detail": f'{{"design":{fixed.to_json()}}}'}  # fmt: skip


def lives(rows: list[Row], *, leaves: Mapping[str, int] | None = None, until: date = AS_OF) -> list[Row]:
    """Events of contracts: of those who entered, every fifth held-out and every ninth treated customer leaves.

    ``leaves`` says by customer after how many days instead. Somebody else's contract begins every day: so the feed
    reaches as far as ``until``.
    """
    found = []
    for row in (row for row in rows if row["kind"] == "assigned"):
        number = int(row["customer_id"][1:])
        gone = number % 10 == 1 if row["group"] == "holdout" else number % 18 == 0
        days = (10 if gone else None) if leaves is None else leaves.get(row["customer_id"])
        found.append({"customer_id": row["customer_id"], "event_at": SIGNED_UP, "kind": "start", "price_cents": 2_000})
        if days is not None:
            at = noon(row["as_of"] + timedelta(days=days))
            found.append({"customer_id": row["customer_id"], "event_at": at, "kind": "cancel"})
    days_known = (until - STARTS_ON).days
    found += [
        {"customer_id": f"n{n}", "event_at": noon(STARTS_ON + timedelta(days=n)), "kind": "start", "price_cents": 1}
        for n in range(days_known)
    ]
    return found


def tried(
    entries: list[Row], *, told: Business | None = None, contracts: list[Row] | None = None, **tables: list[Row]
) -> Memory:
    """A warehouse with a ledger and contracts."""
    ledger = [launched(), *entries] if not any(row["kind"] == "launched" for row in entries) else entries
    events = lives(entries) if contracts is None else contracts
    return Memory(told or company(), {"ledger": ledger, "contracts": events, **tables})


def many(count: int = 400, **changes: Any) -> list[Row]:
    """Rows of so many customers."""
    return [row for number in range(count) for row in entry(number, **changes)]
