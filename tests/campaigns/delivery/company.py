"""A small company in Madrid with two campaigns: its file, its customers, its ledger."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from holdback.business import Business, load_business
from holdback.commits import rows_of
from holdback.workspace import Workspace

AS_OF = date(2026, 3, 2)
TOMORROW = AS_OF + timedelta(days=1)
LONG_AGO = datetime(2025, 1, 1)
#: Quiet hours end at 09:00 in Madrid, which is 08:00 UTC in winter.
NOON = datetime(2026, 3, 2, 11)

FILE: dict[str, Any] = {
    "slug": "carrier",
    "name": "Carrier",
    "currency": "EUR",
    "time_zone": "Europe/Madrid",
    "customers": {
        "source": "customers.csv",
        "key": "id",
        "columns": {"household_id": "home", "contact_key": "mail", "consent": "ok"},
        "attributes": {
            "city": "category", "age": "number", "vip": "flag", "no_mail": "flag", "has_phone": "flag",
            "vulnerable": "flag", "reason": "category", "gender": "category",
        },
        "protected": ["gender"],
    },
    "feeds": {
        "plans": {
            "role": "subscriptions", "source": "plans.csv",
            "columns": {"customer_id": "id", "event_at": "at", "kind": "kind"},
        },
        "sendings": {
            "role": "campaign_contacts", "source": "sendings.csv",
            "columns": {
                "customer_id": "id", "event_at": "at", "campaign": "campaign", "channel": "channel",
                "outcome": "outcome", "action": "action", "decision_id": "decision", "cost": "cost",
            },
        },
    },
    "churn": [{"name": "left", "kind": "cancellation", "feed": "plans", "outcome_days": 60}],
    "actions": [
        {"name": "call", "channel": "phone", "cost": 6.5, "incentive_amount": 30},
        {"name": "mail", "channel": "email", "cost": 0.05},
    ],
    "contact": {"opted_out": "no_mail", "reachable": {"phone": "has_phone"}, "suppressed_by": ["vulnerable"]},
    "campaigns": [
        {"name": "spring", "actions": ["call", "mail"], "horizon_days": 60},
        {"name": "loyalty", "actions": ["mail"], "horizon_days": 30},
    ],
    "delivery": {"fields": {"phone": ["city", "age", "vip", "reason"], "email": ["city"]}},
}  # fmt: skip


def make_business(folder: Path, **changes: Any) -> Business:
    """Write the company's file, with whole sections changed, and load it."""
    content = copy.deepcopy(FILE)
    content.update(changes)
    path = folder / "carrier.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return load_business(path)


def make_workspace(folder: Path, *, environment: dict[str, str] | None = None, **changes: Any) -> Workspace:
    """A workspace of the company under a test's folder."""
    return Workspace(folder / "work", make_business(folder, **changes), environment or {})


def delivery(**sections: Any) -> dict[str, Any]:
    """The section ``delivery`` with more in it."""
    return {**FILE["delivery"], **sections}


def put(workspace: Workspace, table: str, *rows: Mapping[str, Any]) -> None:
    """Append rows of a table; rows of feeds were always known unless they say otherwise."""
    declared = workspace.business.tables[table]
    count = workspace.warehouse.query(f'select count(*) as n from "{table}"')["n"][0].as_py()
    batch = f"{table}-{count}-{len(rows)}"
    defaults = {"batch_id": batch, "loaded_at": LONG_AGO} if "loaded_at" in declared.column_names else {}
    numbered = [{**defaults, **({"row_number": i} if defaults else {}), **row} for i, row in enumerate(rows, count + 1)]
    workspace.warehouse.append(table, rows_of(declared, numbered), batch=batch)


def customer(name: str, **changes: Any) -> dict[str, Any]:
    """A customer who may be contacted by anything."""
    return {
        "customer_id": name, "contact_key": f"key-{name}", "has_consent": True, "city": "Lugo", "age": 40.0,
        "vip": False, "no_mail": False, "has_phone": True, "vulnerable": False, **changes,
    }  # fmt: skip


def assigned(
    name: str, group: str = "treatment", *, campaign: str | None = "spring", on: date = AS_OF, **more: Any
) -> dict[str, Any]:
    """A row of the ledger: a group."""
    return {
        "as_of": on, "kind": "assigned", "entry_id": f"a-{campaign}-{name}-{on}", "customer_id": name, "unit_id": name,
        "campaign": campaign, "version": 1, "group": group, **more,
    }  # fmt: skip


def decided(
    name: str, action: str = "call", *, campaign: str = "spring", on: date = AS_OF, **more: Any
) -> dict[str, Any]:
    """A row of the ledger: a decision for an action."""
    channel = {"call": "phone", "mail": "email"}.get(action)
    return {
        "as_of": on, "kind": "decided", "entry_id": f"d-{name}-{on}", "customer_id": name, "unit_id": name,
        "campaign": campaign, "version": 1, "group": "treatment", "action": action, "channel": channel,
        "reason": "her contract ends soon", "probability": 0.64, **more,
    }  # fmt: skip


def write_ledger(workspace: Workspace, *rows: Mapping[str, Any]) -> None:
    """Append rows to the ledger as they are, unchained: also a forged one."""
    sequence = workspace.warehouse.query("select count(*) as n from ledger")["n"][0].as_py()
    chained = [{"sequence": sequence + i, "previous_hash": "", "hash": "", **row} for i, row in enumerate(rows, 1)]
    put(workspace, "ledger", *chained)


def stock(workspace: Workspace, *names: str, action: str = "call", on: date = AS_OF) -> None:
    """Customers who are treated in ``spring`` and get an action on a day."""
    put(workspace, "customers", *(customer(name) for name in names))
    rows = [row for name in names for row in (assigned(name, on=on), decided(name, action, on=on))]
    write_ledger(workspace, *rows)


def sending(
    name: str, outcome: str | None = "sent", *, at: datetime = NOON, decision: str | None = "own", **more: Any
) -> dict[str, Any]:
    """What a CRM reports of a contact; known on the next morning."""
    return {
        "customer_id": name, "event_at": at, "campaign": "spring", "outcome": outcome, "action": "call",
        "channel": "phone", "decision_id": f"d-{name}-{AS_OF}" if decision == "own" else decision,
        "loaded_at": datetime(at.year, at.month, at.day, 23), **more,
    }  # fmt: skip
