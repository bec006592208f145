"""What was known of those who entered, on the day on which each of them did, and nothing that came later."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.build import build_features
from features.declarations import FeatureSet
from features.families import feature_set
from holdback.business import Business
from holdback.progress import Progress, silent
from holdback.tables import FEATURES_TABLE
from holdback.warehouse import Warehouse
from training.datasets import feature_frame


def described(
    warehouse: Warehouse,
    business: Business,
    customer_ids: pd.Series,
    entered_on: pd.Series,
    *,
    progress: Progress = silent,
) -> tuple[pd.DataFrame, Mapping[str, int]]:
    """Return the features of each customer as known at the start of the day on which he entered.

    The table ``features`` keeps what a day's scoring computed: its rows of just that customer and day are read, all
    days in one query. Whoever has none is described now, with what the warehouse knew then by both clocks. The features
    of another day are never used.

    Args:
        warehouse: Where the feeds and the table ``features`` are.
        business: The company; protected attributes are left out.
        customer_ids: Of each entry, n of them.
        entered_on: Day of each entry.
        progress: Told about each day that has to be described.

    Returns:
        One row per entry, in the same order, numbers float64 and categories text; and how many rows were ``stored``
        and ``built``.
    """
    declared = feature_set(business).without_texts
    wanted = pa.table({"customer_id": pa.array(customer_ids, pa.string()), "as_of": pa.array(entered_on, pa.date32())})
    spine = wanted.group_by(["customer_id", "as_of"]).aggregate([])
    stored = _stored(warehouse, declared, spine)
    parts = [stored]
    missing = warehouse.query(
        "select customer_id, as_of from wanted anti join stored using (customer_id, as_of) order by customer_id",
        frames={"wanted": spine, "stored": stored.select(["customer_id", "as_of"])},
    )
    days = sorted(pc.unique(missing["as_of"]).to_pylist())
    for position, day in enumerate(days):
        progress(f"features of {day}", position, len(days))
        own = missing.filter(pc.equal(missing["as_of"], pa.scalar(day, pa.date32())))
        # The definition says whom a day describes; here the spine does.
        parts.append(build_features(warehouse, business, business.churn[0], day, spine=own, features=declared))
    table = pa.concat_tables([part.select(["customer_id", "as_of", *declared.names]) for part in parts])
    keys = pd.MultiIndex.from_arrays([_texts(table["customer_id"]), _days(table["as_of"])])
    places = keys.get_indexer(pd.MultiIndex.from_arrays([_texts(wanted["customer_id"]), _days(wanted["as_of"])]))
    names = [feature.name for feature in declared if not feature.protected]
    frame = feature_frame(table, declared)[names].iloc[places].reset_index(drop=True)
    return frame, {"stored": stored.num_rows, "built": missing.num_rows}


def _stored(warehouse: Warehouse, declared: FeatureSet, spine: pa.Table) -> pa.Table:
    """The rows that were kept when the day was scored; none if the table lacks a feature of today's set."""
    shape = pa.schema(
        [
            ("customer_id", pa.string()),
            ("as_of", pa.date32()),
            *((one.name, pa.float64() if one.kind == "number" else pa.string()) for one in declared),
        ]
    )
    if warehouse.version(FEATURES_TABLE) is None:
        return shape.empty_table()
    known = warehouse.query(f"select * from {FEATURES_TABLE} limit 0").column_names
    if not set(declared.names) <= set(known):
        return shape.empty_table()
    columns = ", ".join(f'described."{name}"' for name in declared.names)
    found = warehouse.query(
        f"select customer_id, as_of, {columns} from {FEATURES_TABLE} as described "
        "inner join wanted using (customer_id, as_of)",
        frames={"wanted": spine},
    )
    return found.cast(shape)


def _texts(column: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=object)


def _days(column: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype="datetime64[D]").astype("datetime64[s]")
