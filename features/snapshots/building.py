"""The feature tables of several days, equal to what :func:`features.build.build_features` gives for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from features.computation import customers_per_step
from features.corrections import corrected_tables
from features.declarations import FeatureSet
from features.families import feature_set
from features.snapshots.days import Days
from features.snapshots.ranges import Plan, Range
from features.snapshots.reading import DayOf
from features.spine import build_spine
from holdback.business import Business, Churn
from holdback.progress import Progress, silent
from holdback.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa

#: A range of customers has this part of the rows that one statement of a single day may aggregate: they stay in memory,
#: with their running totals, while the days are computed.
RANGES_PER_STEP = 5

#: Pairs of customer and day that are computed at once.
MOST_PAIRS = 60_000


def build_snapshots(
    warehouse: Warehouse,
    business: Business,
    churn: Churn,
    days: Sequence[date],
    *,
    spines: Mapping[date, pa.Table] | None = None,
    features: FeatureSet | None = None,
    progress: Progress = silent,
) -> dict[date, pa.Table]:
    """Return the feature table of each day: what :func:`features.build.build_features` gives, for less.

    Args:
        warehouse: Where the feeds are.
        business: The company.
        churn: One of its churn definitions; says whom each day describes.
        days: The days of knowledge, in any order.
        spines: By day, ``customer_id`` of other customers than the definition's.
        features: A part of the business' feature set; all of it by default.
        progress: Told about each day, for each range of customers.

    Returns:
        By day, oldest first: ``customer_id, as_of`` and one column per feature, ordered by customer.

    Raises:
        BusinessFileError: the business file, or one of the company's own feature files, is wrong.
        DataError: an own feature file yields several rows for one customer.
    """
    import pyarrow as pa

    parts: dict[date, list[pa.Table]] = {day: [] for day in sorted(days)}
    for day, part in snapshot_steps(
        warehouse, business, churn, days, spines=spines, features=features, progress=progress
    ):
        parts[day].append(part)
    return {day: pa.concat_tables(parts[day]) for day in parts}


def snapshot_steps(
    warehouse: Warehouse,
    business: Business,
    churn: Churn,
    days: Sequence[date],
    *,
    spines: Mapping[date, pa.Table] | None = None,
    features: FeatureSet | None = None,
    progress: Progress = silent,
    step_customers: int | None = None,
) -> Iterator[tuple[date, pa.Table]]:
    """Yield the days' tables in parts, in bounded memory: ranges of customers, and for each of them every day.

    The parts of a day, put together in the order in which they come, are its table; each day has at least one.
    ``step_customers``: customers of a range; by default as many as memory is meant for. Keys of everybody, and 4 bytes
    for each pair of customer and day, stay in memory throughout.
    """
    import pyarrow as pa

    ordered = tuple(sorted(set(days)))
    if not ordered:
        return
    declared = features if features is not None else feature_set(business)
    given = spines if spines is not None else {day: build_spine(warehouse, business, churn, day) for day in ordered}
    everybody, customers = _numbered([given[day] for day in ordered])
    del given
    sample = None if spines is None else pa.table({"customer_id": everybody})
    if step_customers is None:
        step_customers = customers_per_step(warehouse, declared, len(everybody), spine=sample) // RANGES_PER_STEP
    size = max(1, step_customers)
    starts = range(0, max(1, len(everybody)), size)
    plan = Plan(declared, Days(ordered, business.instant), corrected_tables(warehouse))
    total = len(starts) * len(ordered)
    for done, start in enumerate(starts):
        wanted = [_day_of(number, whom, start, size) for number, whom in enumerate(customers)]
        some = Range(warehouse, plan, everybody.slice(start, size), wanted)
        at_once = max(1, MOST_PAIRS // max(1, min(size, len(everybody))))
        for first in range(0, len(ordered), at_once):
            tables: list[pa.Table] = []
            for day in wanted[first : first + at_once]:
                progress(f"features of {ordered[day.number]}", done * len(ordered) + day.number, total)
                tables = tables or some.tables(wanted[first : first + at_once])
                yield ordered[day.number], tables[day.number - first]


def _numbered(spines: Sequence[pa.Table]) -> tuple[pa.Array, list[np.ndarray]]:
    """Everybody whom any day describes, ordered, and the places of each day's customers among them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    named = [spine["customer_id"].cast(pa.string()) for spine in spines]
    found = pc.unique(pa.chunked_array([chunk for ids in named for chunk in ids.chunks], pa.string()))
    everybody = found.take(pc.array_sort_indices(found))
    return everybody, [np.sort(pc.index_in(ids, everybody).to_numpy()) for ids in named]


def _day_of(number: int, customers: np.ndarray, start: int, size: int) -> DayOf:
    first, last = np.searchsorted(customers, [start, start + size])
    return DayOf(number, customers[first:last] - start)
