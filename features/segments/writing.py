"""Write the groups of a day, once and for ever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import pyarrow as pa

from features.segments.statement import build_segments
from features.spine import build_spine
from holdback.business import Business
from holdback.progress import Progress, silent
from holdback.sql import literal
from holdback.warehouse import Warehouse

#: What customers are counted under of whom nothing says the stage.
NO_STAGE: Final = "not known"
#: Name of a churn definition and its counted stages.
_Counted = tuple[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class ChurnSegments:
    """The groups of one churn definition's customers, in numbers.

    Attributes:
        churn: Name of the definition.
        customer_count: Customers described.
        stage_counts: Customers by stage, the commonest first; those without one under :data:`NO_STAGE`.
        rfm_count: Customers with a recency, frequency and money.
        valued_count: Customers with a tenth by value.
    """

    churn: str
    customer_count: int
    stage_counts: Mapping[str, int]
    rfm_count: int
    valued_count: int


@dataclass(frozen=True)
class SegmentedDay:
    """The groups of a day, in numbers.

    Attributes:
        as_of: The day.
        churns: One entry per churn definition that describes somebody.
        was_written_already: True when the rows had been written before and were only read.
    """

    as_of: date
    churns: tuple[ChurnSegments, ...]
    was_written_already: bool

    @property
    def customer_count(self) -> int:
        """Rows of the day: customers, each counted once per churn definition."""
        return sum(churn.customer_count for churn in self.churns)


def batch_of(as_of: date) -> str:
    """Return the name of the one batch that holds a day's groups."""
    return f"segments/{as_of.isoformat()}"


def write_segments(
    warehouse: Warehouse, business: Business, as_of: date, *, progress: Progress = silent
) -> SegmentedDay:
    """Put every described customer of a day into his groups, or answer with the rows that stand already.

    One commit holds the rows of all churn definitions. A day that describes nobody writes nothing, so that it can be
    asked again when data have come.

    Args:
        warehouse: Where the feeds are, and where table ``segments`` is written.
        business: The company.
        as_of: The day; nothing later is visible.
        progress: Told about each churn definition.
    """
    if warehouse.has_batch("segments", batch_of(as_of)):
        return _told(as_of, _stored(warehouse, business, as_of), was_written_already=True)
    parts: list[pa.Table] = []
    for done, churn in enumerate(business.churn):
        progress(f"segments of {churn.name}", done, len(business.churn))
        spine = build_spine(warehouse, business, churn, as_of)
        if spine.num_rows:
            parts.append(build_segments(warehouse, business, churn, as_of, spine=spine))
    if not parts:
        return SegmentedDay(as_of, (), was_written_already=False)
    written = warehouse.append("segments", pa.concat_tables(parts), batch=batch_of(as_of))
    # Whether this process wrote the rows or another was faster: what stands is what counts.
    return _told(as_of, _stored(warehouse, business, as_of), was_written_already=not written)


def stored_segments(warehouse: Warehouse, churn_name: str, as_of: date) -> pa.Table:
    """Return a day's rows of one churn definition as they were written, ordered by customer; empty when none were."""
    return warehouse.query(
        "select as_of, customer_id, churn, stage, rfm, rfm_group, cohort, value_decile, revenue_cents from segments "
        f"where as_of = date '{as_of.isoformat()}' and churn = {literal(churn_name)} order by customer_id"
    )


def _stored(warehouse: Warehouse, business: Business, as_of: date) -> Iterator[_Counted]:
    counted = warehouse.query(
        f"select churn, coalesce(stage, {literal(NO_STAGE)}) as stage, "
        "count(*) as customer_count, count(rfm) as rfm_count, count(value_decile) as valued_count "
        f"from segments where as_of = date '{as_of.isoformat()}' group by all "
        "order by customer_count desc, stage"
    )
    for churn in business.churn:
        yield churn.name, [row for row in counted.to_pylist() if row["churn"] == churn.name]


def _told(as_of: date, counted: Iterable[_Counted], *, was_written_already: bool) -> SegmentedDay:
    churns = []
    for name, rows in counted:
        stages: Counter[str] = Counter({row["stage"]: row["customer_count"] for row in rows})
        if stages:
            sums = (sum(row[part] for row in rows) for part in ("rfm_count", "valued_count"))
            churns.append(ChurnSegments(name, stages.total(), dict(stages.most_common()), *sums))
    return SegmentedDay(as_of, tuple(churns), was_written_already)
