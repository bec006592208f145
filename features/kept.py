"""The features that a day's scoring kept, for who would otherwise compute them again."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from features.declarations import FeatureSet
from holdback.tables import FEATURES_TABLE
from holdback.warehouse import Warehouse
from holdback.warehouse.ranges import within

if TYPE_CHECKING:
    import pyarrow as pa


def kept_features(warehouse: Warehouse, features: FeatureSet, as_of: date, spine: pa.Table) -> pa.Table | None:
    """Return the features of some customers as they were kept on a day.

    Args:
        warehouse: Where they are.
        features: Which ones; what customers wrote is never kept.
        as_of: The day.
        spine: ``customer_id`` of those who are asked about.

    Returns:
        ``customer_id, as_of`` and one column per feature, ordered by customer; None where not all of the features were
        kept, or not those of all these customers.
    """
    if warehouse.version(FEATURES_TABLE) is None:
        return None
    present = warehouse.query(f"select * from {FEATURES_TABLE} limit 0").column_names
    if not set(features.names) <= set(present):
        return None
    listed = ", ".join(f'"{name}"' for name in ("customer_id", "as_of", *features.names))
    found = warehouse.query(
        f"select {listed} from {FEATURES_TABLE} where as_of = date '{as_of}'\n"
        f"    and {' and '.join(within('customer_id'))}\n"
        "    and customer_id in (select customer_id from spine) order by customer_id",
        frames={"spine": spine},
    )
    return found if found.num_rows == spine.num_rows else None
