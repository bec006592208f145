"""From which stage to which customers went between two days, and who has gone."""

from __future__ import annotations

from datetime import date
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from features.spine import build_spine
from holdback.business import Business, Churn, ColumnChurn
from holdback.days import months_before
from holdback.errors import BusinessFileError, DataError, NotKnowableYet
from holdback.warehouse import Warehouse
from monitoring.cells import hidden_grid
from monitoring.churn_records import first_cancellation_on
from monitoring.kpis.groups import grouped, in_order, segments_of
from monitoring.kpis.results import Move, Transitions
from monitoring.outcomes.found import UNKNOWN
from monitoring.proportions import wilson

ARRIVED: Final = "arrived"
GONE: Final = "gone"


def transitions(
    warehouse: Warehouse,
    business: Business,
    churn: Churn,
    as_of: date,
    *,
    since: date | None = None,
    by: str = "stage",
) -> Transitions:
    """Return how many customers went from each group to each other between two days.

    Groups are those of the table ``segments`` where they were written on the day, else computed as they were known on
    it. Counts too small to be shown are withheld, and so are those that would give them away beside the totals.

    Args:
        warehouse: Where the feeds are.
        business: The company.
        churn: Whose customers.
        as_of: The second day.
        since: The first day; a month before by default.
        by: ``stage``, or another name of :func:`monitoring.kpis.groups.group_names`.

    Raises:
        BusinessFileError: customers cannot be divided so, or churn is of kind ``column``: there is no time in it.
        DataError: ``since`` is not before ``as_of``, or nobody is described on either day.
    """
    if isinstance(churn, ColumnChurn):
        raise BusinessFileError(
            f"{business.slug}: churn {churn.name}: kind column says once who left, not when. Moves between two days "
            "need a churn definition with a feed. Name another one with --churn."
        )
    first = since if since is not None else months_before(as_of, 1)
    if first >= as_of:
        raise DataError(
            f"{business.slug}: transitions since {first}: not before {as_of}. Two days are compared. Name an "
            "earlier one."
        )
    frames = {}
    stored = {}
    for name, day in (("before", first), ("after", as_of)):
        spine = build_spine(warehouse, business, churn, day)
        if by == "stage":
            segments, stored[day] = segments_of(warehouse, business, churn, day, spine=spine)
            stages = pc.fill_null(segments["stage"], UNKNOWN)
            frames[name] = pa.table({"customer_id": segments["customer_id"], "value": stages})
        else:
            frames[name] = grouped(warehouse, business, churn, day, by, spine=spine)
    if not any(frame.num_rows for frame in frames.values()):
        raise DataError(
            f"{business.slug}: churn {churn.name}: nobody is described on {first} or on {as_of}. Check that the data "
            "of these days are loaded."
        )
    counted = warehouse.query(
        f"select coalesce(before.value, '{ARRIVED}') as came_from, coalesce(after.value, '{GONE}') as went_to, "
        "count(*) as n from before full join after using (customer_id) group by all",
        frames=frames,
    ).to_pylist()
    counts = {(row["came_from"], row["went_to"]): int(row["n"]) for row in counted}
    seen = {name for pair in counts for name in pair} - {ARRIVED, GONE}
    groups = in_order(by, sorted(seen))
    rows, columns = [*groups, ARRIVED], [*groups, GONE]
    grid: list[list[int]] = [[counts.get((row, column), 0) for column in columns] for row in rows]
    marks = hidden_grid(grid)
    moves = []
    for row, line, hides in zip(rows, grid, marks, strict=True):
        total = sum(line)
        for column, count, is_hidden in zip(columns, line, hides, strict=True):
            if (row, column) == (ARRIVED, GONE):
                continue  # who came and went between the two days was seen on neither
            share = wilson(count, total) if not is_hidden and total else None
            moves.append(Move(row, column, None if is_hidden else count, share))
    notes = [
        f"the segments of {day} were not written on it: computed as they were known then"
        for day, was_stored in stored.items()
        if not was_stored
    ]
    notes += _unrecorded(warehouse, business, churn, first, as_of)
    return Transitions(churn.name, by, first, as_of, tuple(groups), tuple(moves), tuple(notes))


def _unrecorded(warehouse: Warehouse, business: Business, churn: Churn, since: date, as_of: date) -> list[str]:
    """Say that ``gone`` is too small, where cancellations were not on record all the time."""
    try:
        cancelled = first_cancellation_on(warehouse, business, churn, as_of)
    except NotKnowableYet:
        return ["no cancellation is on record: who has gone is not known"]
    if cancelled is None or since >= cancelled.replace(day=1):
        return []
    return [f"the first cancellation on record is of {cancelled}: who had gone before is not known"]
