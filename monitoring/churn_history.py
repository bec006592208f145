"""The churn rate of past months: of the customers described on each month's first day, how many left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from features.labels import build_labels, knowable_on
from features.spine import build_spine
from holdback.business import Business, Churn, ColumnChurn
from holdback.errors import NotKnowableYet
from holdback.warehouse import Warehouse
from monitoring.churn_records import first_cancellation_on, is_on_record
from monitoring.proportions import Share, wilson

if TYPE_CHECKING:
    import pyarrow as pa

MONTHS = 12


@dataclass(frozen=True, slots=True)
class MonthlyChurn:
    """One month.

    Attributes:
        as_of: Its first day (for kind ``column``, the day of the report).
        customer_count: Customers described on that day.
        left: Share of those with a known outcome that left; None when none is known.
        knowable_on: First day on which the outcomes of an open month can be known; None when they can be.
    """

    as_of: date
    customer_count: int
    left: Share | None
    knowable_on: date | None = None


def churn_history(warehouse: Warehouse, business: Business, churn: Churn, as_of: date) -> tuple[MonthlyChurn, ...]:
    """Return the churn rate of up to :data:`MONTHS` months whose outcomes are over by ``as_of``, oldest first.

    Months before the first data are left out, and of contracts those before the first cancellation on record (all, when
    there is none): what ended then is missing, so nobody would seem to have left. Months whose outcome window is still
    open follow at the end without a rate, with the day on which it can be known. A churn definition of kind ``column``
    has one entry: the day itself.
    """
    if isinstance(churn, ColumnChurn):
        spine = build_spine(warehouse, business, churn, as_of)
        return (_month(warehouse, business, churn, as_of, as_of, spine),) if spine.num_rows else ()
    first = first_event_on(warehouse, business, churn)
    if first is None:
        return ()
    try:
        cancelled = first_cancellation_on(warehouse, business, churn, as_of)
    except NotKnowableYet:
        return ()
    found: list[MonthlyChurn] = []
    for day in month_starts(as_of):
        if day <= first or not is_on_record(churn, day, cancelled):
            break
        if sum(month.knowable_on is None for month in found) == MONTHS:
            break
        spine = build_spine(warehouse, business, churn, day)
        if spine.num_rows:
            found.append(_month(warehouse, business, churn, day, as_of, spine))
    return tuple(reversed(found))


def month_starts(as_of: date) -> list[date]:
    """Return the first days of the 60 months up to ``as_of``, newest first.

    Examples:
        >>> month_starts(date(2026, 3, 1))[:3]
        [datetime.date(2026, 3, 1), datetime.date(2026, 2, 1), datetime.date(2026, 1, 1)]
    """
    months = as_of.year * 12 + as_of.month - 1
    return [date((months - back) // 12, (months - back) % 12 + 1, 1) for back in range(60)]


def first_event_on(warehouse: Warehouse, business: Business, churn: Churn) -> date | None:
    """Return the day of the first event of the feed that churn is defined on; None without events or without a feed."""
    if isinstance(churn, ColumnChurn):
        return None
    first = warehouse.query(f'select min(event_at) as first from "{churn.feed}"')["first"][0].as_py()
    return None if first is None else business.day_of(first)


def _month(
    warehouse: Warehouse, business: Business, churn: Churn, day: date, as_of: date, spine: pa.Table
) -> MonthlyChurn:
    known_from = knowable_on(churn, day)
    if known_from > as_of:
        return MonthlyChurn(day, spine.num_rows, None, known_from)
    known = build_labels(warehouse, business, churn, day, known_on=as_of, spine=spine)["churned"].drop_null()
    if len(known) == 0:
        return MonthlyChurn(day, spine.num_rows, None)
    return MonthlyChurn(day, spine.num_rows, wilson(pc.sum(known).as_py(), len(known)))
