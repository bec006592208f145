"""The customers of a day as a model sees them: whom the churn definition describes, or a keyed sample of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.build import build_features
from features.clocks import Clock, newest_versions
from features.compiler import only
from features.corrections import corrected_tables
from features.declarations import FeatureSet
from features.kept import kept_features
from features.spine import build_spine
from features.steps import with_steps
from holdback.business import Business, Churn
from holdback.warehouse import Warehouse
from training.datasets import feature_frame
from training.rows import hash_share

if TYPE_CHECKING:
    import pyarrow as pa

MOST_CUSTOMERS = 20_000
UNKNOWN = "(missing)"


@dataclass(frozen=True, eq=False)
class Day:
    """Customers on a day.

    Attributes:
        as_of: The day.
        customer_count: Whom the churn definition describes.
        customer_ids: The sample, shape (n,).
        frame: Their features, n rows.
        spine: ``customer_id, as_of`` of the sample.
    """

    as_of: date
    customer_count: int
    customer_ids: npt.NDArray[Any]
    frame: pd.DataFrame
    spine: pa.Table


def read_day(
    warehouse: Warehouse,
    business: Business,
    churn: Churn,
    as_of: date,
    declared: FeatureSet,
    *,
    most_customers: int = MOST_CUSTOMERS,
) -> Day | None:
    """Return the customers of a day, at most ``most_customers`` of them; None when nobody is described.

    The sample goes by the hash of the key, so that it is the same people every day. Their features are those that the
    day's scores were made of, where these are kept; of another day they are computed, as they were known on it.
    """
    spine = build_spine(warehouse, business, churn, as_of)
    everybody = spine.num_rows
    if not everybody:
        return None
    if everybody > most_customers:
        ids = spine["customer_id"].to_numpy(zero_copy_only=False)
        chosen = np.sort(np.argsort(hash_share(ids, salt="causes"), kind="stable")[:most_customers])
        spine = spine.take(chosen)
    table = _described(warehouse, business, churn, as_of, spine, declared)
    ids = np.asarray(table["customer_id"].to_numpy(zero_copy_only=False), dtype=object).astype(str)
    return Day(as_of, everybody, ids, feature_frame(table, declared), spine)


def _described(
    warehouse: Warehouse, business: Business, churn: Churn, as_of: date, spine: pa.Table, declared: FeatureSet
) -> pa.Table:
    """Return the features of some customers, ordered by customer; what they wrote is never kept, and always read."""
    kept = kept_features(warehouse, declared.without_texts, as_of, spine)
    if kept is None:
        return build_features(warehouse, business, churn, as_of, spine=spine, features=declared)
    texts = [feature.name for feature in declared if feature.kind == "text"]
    if texts:
        wrote = build_features(warehouse, business, churn, as_of, spine=spine, features=only(declared, texts))
        for name in texts:
            kept = kept.append_column(name, wrote[name])
    return kept


def groups_of(
    warehouse: Warehouse, business: Business, as_of: date, spine: pa.Table, names: tuple[str, ...]
) -> pa.Table:
    """Return ``customer_id`` and, for each attribute, its value as text, as known on a day, in the spine's order."""
    if not names:
        return spine.select(["customer_id"])
    clock = Clock.of(business, as_of)
    steps = newest_versions(clock, tuple(f'"{name}"' for name in names), corrected_tables(warehouse), spine=True)
    columns = ", ".join(f'coalesce(cast("{name}" as varchar), \'{UNKNOWN}\') as "{name}"' for name in names)
    return warehouse.query(
        f"{with_steps(steps)}\nselect spine.customer_id, {columns}\n"
        "from spine left join _customers_rows on _customers_rows.customer_id = spine.customer_id\n"
        "order by spine.customer_id",
        frames={"spine": spine},
    )
