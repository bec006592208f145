"""A company whose truth is known: what each customer brings, how often each calls, and whom we wronged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from holdback.business import Business
from holdback.tables import Table
from holdback.workspace import Workspace
from tests.campaigns.fit.company import AS_OF, company, days_ago

Floats = npt.NDArray[np.float64]
CALL_COST = 4.2
MONTH = 30.4375


@dataclass(frozen=True)
class World:
    """What nobody sees but the test.

    Attributes:
        business: The company.
        workspace: Where its records are.
        ids: Customers, in order.
        net: True margin minus true cost to serve of a month, in currency units, our own faults left out.
        is_wronged: Whom our faults made call.
        months: Months of data.
    """

    business: Business
    workspace: Workspace
    ids: npt.NDArray[Any]
    net: Floats
    is_wronged: npt.NDArray[np.bool_]
    months: Floats


def known_truth(
    root: Path, seed: int, *, customers: int = 20_000, faults_are_marked: bool = True, **changes: Any
) -> World:
    """Customers with gamma contact rates, 1 to 24 months of data, and exactly 5 % who truly cost more than they bring.

    One in ten was wronged: an outage made them call 1.5 times a month on top, marked as caused by us or not.
    """
    rng = np.random.default_rng(seed)
    business = company(**changes)
    ids = np.array([f"c{i:05d}" for i in range(customers)])
    months = rng.uniform(1, 24, customers)
    rate = rng.gamma(0.8, 0.6 / 0.8, customers)
    price = rng.lognormal(0, 0.5, customers)
    # Scaled so that 5 % bring less than they cost.
    scale = np.quantile(rate * CALL_COST / (0.5 * price), 0.95)
    price_cents = np.rint(100 * price * scale).astype(np.int64)
    wronged = rng.random(customers) < 0.1
    own, ours = rng.poisson(rate * months), rng.poisson(np.where(wronged, 1.5, 0.0) * months)
    who = np.repeat(np.arange(customers), own + ours)
    is_ours = np.concatenate([np.r_[np.zeros(a, bool), np.ones(b, bool)] for a, b in zip(own, ours, strict=True)])
    since = months * MONTH
    workspace = Workspace(root, business, threads=2)
    write(workspace, "contracts", customer_id=ids, event_at=ago(since), kind="start", price_cents=price_cents)
    fault = is_ours if faults_are_marked else np.zeros(who.size, bool)
    write(
        workspace, "calls", customer_id=ids[who], channel="phone", is_caused_by_us=fault,
        event_at=ago(rng.random(who.size) * since[who]),
    )  # fmt: skip
    write(
        workspace, "customers", customer_id=ids, signed_up_at=ago(since), vulnerable=np.zeros(customers, bool),
        gender=np.where(rng.random(customers) < 0.5, "f", "m"),
        birth_year=rng.integers(1940, 2006, customers).astype(float),
        loaded_at=ago(np.full(customers, 0.5)),
    )  # fmt: skip
    write(
        workspace, "scores", customer_id=ids, as_of=np.full(customers, np.datetime64(AS_OF)), churn="left",
        model_version="1", probability=rng.beta(2, 30, customers), risk_tier="low",
        is_above_capacity_line=np.zeros(customers, bool),
    )  # fmt: skip
    return World(business, workspace, ids, 0.5 * price_cents / 100 - CALL_COST * rate, wronged, months)


def ago(days: Floats) -> npt.NDArray[np.datetime64]:
    """Instants so many days before the day."""
    now = np.datetime64(days_ago(0)).astype("datetime64[us]")
    return np.asarray(now - (days * 86_400e6).astype("timedelta64[us]"))


def write(workspace: Workspace, name: str, **columns: Any) -> None:
    """Append columns to a table; what is not given is null, load columns get values."""
    table = workspace.business.tables[name]
    n = max(np.size(values) for values in columns.values() if not isinstance(values, str))
    given = {"batch_id": "b", "row_number": np.arange(1, n + 1), "loaded_at": columns.get("event_at"), **columns}
    batch = f"{name}/{workspace.warehouse.version(name)}"
    workspace.warehouse.append(name, _arrow(table, given, n), batch=batch)


def _arrow(table: Table, given: dict[str, Any], n: int) -> pa.Table:
    types = {
        "text": pa.string(), "integer": pa.int64(), "money": pa.int64(), "number": pa.float64(), "flag": pa.bool_(),
        "date": pa.date32(), "instant": pa.timestamp("us"),
    }  # fmt: skip
    arrays = {}
    for column in table.columns:
        values = given.get(column.name)
        if isinstance(values, str):
            arrays[column.name] = pa.repeat(pa.scalar(values), n)
        else:
            arrays[column.name] = pa.nulls(n, types[column.type]) if values is None else pa.array(values)
        arrays[column.name] = arrays[column.name].cast(types[column.type])
    return pa.table(arrays)
