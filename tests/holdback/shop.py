"""A small shop in Madrid: its business file, its files, and what is in its warehouse."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

from holdback.business import Business, load_business
from holdback.workspace import Workspace

AS_OF = date(2026, 3, 2)
YESTERDAY = AS_OF - timedelta(days=1)
HEADER = ("customer", "at", "amount", "order", "kind")
TABLES = ("orders", "customers", "quarantine", "batches", "validations", "profiles", "superseded", "releases")

FILE: dict[str, Any] = {
    "slug": "shop",
    "name": "Shop",
    "currency": "EUR",
    "time_zone": "Europe/Madrid",
    "feeds": {
        "orders": {
            "role": "transactions",
            "source": "orders/*.csv",
            "columns": {
                "customer_id": "customer",
                "event_at": "at",
                "amount": "amount",
                "order_id": "order",
                "category": "kind",
            },
            "expects": {"quarantined_share": 1},
        }
    },
    "churn": [{"name": "lapsed", "kind": "inactivity", "feed": "orders", "outcome_days": 30}],
}

CUSTOMERS: dict[str, Any] = {
    "source": "customers.csv",
    "key": "id",
    "columns": {"signed_up_at": "since"},
    "attributes": {"city": "category", "age": "number", "member": "flag"},
    "expects": {"quarantined_share": 1},
}


def make_business(folder: Path, **changes: Any) -> Business:
    """Write the shop's file with changed feed keys (``csv=...``, ``key=...``) and load it; ``customers`` adds them."""
    content = copy.deepcopy(FILE)
    if "customers" in changes:
        content["customers"] = changes.pop("customers")
    for key in ("slug", "time_zone", "churn", "feeds"):
        if key in changes:
            content[key] = changes.pop(key)
    for key, value in changes.items():
        content["feeds"]["orders"][key] = value
    path = folder / "shop.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return load_business(path)


def make_workspace(folder: Path, **changes: Any) -> Workspace:
    """A workspace of the shop under a test's folder."""
    environment = changes.pop("environment", {})
    return Workspace(folder / "work", make_business(folder, **changes), environment)


def order(number: int, *, customer: str = "c1", at: str = "2026-03-01 10:00:00", amount: str = "9.99") -> list[str]:
    """One good row of the feed ``orders``."""
    return [customer, at, amount, f"o{number}", "book"]


def orders(count: int, **changes: str) -> list[list[str]]:
    """Good rows, numbered from 1."""
    return [order(i, **{"customer": f"c{i % 7}", **changes}) for i in range(1, count + 1)]


def write_csv(path: Path, rows: Iterable[Sequence[str]], header: Sequence[str] = HEADER, delimiter: str = ",") -> Path:
    """Write rows as they are, without quoting."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [delimiter.join(header), *(delimiter.join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def contents(workspace: Workspace, tables: Iterable[str] = TABLES) -> Mapping[str, list[tuple[Any, ...]]]:
    """Every row of the tables, in an order of its own."""
    found = {}
    for table in tables:
        rows = workspace.warehouse.query(f'select * from "{table}"').to_pylist()
        found[table] = sorted((tuple(row.values()) for row in rows), key=repr)
    return found


def stored(workspace: Workspace, columns: str, table: str = "orders", where: str = "true") -> list[tuple[Any, ...]]:
    """Chosen columns of a table, in the order of their rows."""
    rows = workspace.warehouse.query(f'select {columns} from "{table}" where {where} order by row_number').to_pylist()
    return [tuple(row.values()) for row in rows]
