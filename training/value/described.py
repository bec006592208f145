"""The features of customers on a day, as a value model sees them: the same ones as the churn model's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.build import build_features
from features.declarations import FeatureSet
from features.families import feature_set
from features.kept import kept_features
from features.snapshots.building import build_snapshots
from holdback.business import Business
from holdback.warehouse import Warehouse
from training.datasets import feature_frame

CUSTOMERS_AT_ONCE = 100_000
"""Of a hundred features that is 80 MB, several times over while they become what a booster reads."""


def described(
    warehouse: Warehouse, business: Business, day: date, customer_ids: npt.NDArray[Any]
) -> Iterator[pd.DataFrame]:
    """Yield the features of customers on a day without the protected ones, some customers at a time, in their order.

    What the day's scoring kept is read, where it describes all of these customers, instead of computing again.

    Args:
        warehouse: Where the feeds are.
        business: The company.
        day: The day of knowledge.
        customer_ids: Whose, ordered, shape (n,).
    """
    declared = feature_set(business).without_texts
    for start in range(0, max(1, customer_ids.size), CUSTOMERS_AT_ONCE):
        spine = _spine(day, customer_ids[start : start + CUSTOMERS_AT_ONCE])
        table = kept_features(warehouse, declared, day, spine)
        if table is None:
            # The churn definition only says whom a day describes; here the spine does.
            table = build_features(warehouse, business, business.churn[0], day, spine=spine, features=declared)
        yield _frame(table, declared)


def described_on(
    warehouse: Warehouse, business: Business, customer_ids: Mapping[date, npt.NDArray[Any]]
) -> dict[date, pd.DataFrame]:
    """Return the same of several days, each with its own customers, from one pass over the feeds."""
    declared = feature_set(business).without_texts
    spines = {day: _spine(day, ids) for day, ids in customer_ids.items()}
    tables = build_snapshots(warehouse, business, business.churn[0], list(spines), spines=spines, features=declared)
    return {day: _frame(tables.pop(day), declared) for day in customer_ids}


def _spine(day: date, customer_ids: npt.NDArray[Any]) -> pa.Table:
    ids = pa.array(customer_ids.tolist(), pa.string())
    return pa.table({"customer_id": ids, "as_of": pa.array([day] * len(ids), pa.date32())})


def _frame(table: pa.Table, declared: FeatureSet) -> pd.DataFrame:
    frame = feature_frame(table, declared)
    return frame[[feature.name for feature in declared if not feature.protected]]


def days_columns(business: Business, feed: str) -> tuple[str | None, str | None]:
    """Return the features that say how old a feed's contracts are, and how long they still bind; None without one."""
    names = {f.name for f in feature_set(business) if f.role == "subscriptions" and f.feed == feed}
    age = next((name for name in names if name.endswith("days_since_first_contract")), None)
    return age, next((name for name in names if name.endswith("contract_days_left")), None)
