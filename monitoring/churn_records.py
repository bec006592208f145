"""Since when it is on record who left.

Contracts are often loaded with those that began years ago, cancellations only from the day on which somebody began to
keep them: what ended before is missing altogether. Of such a time only the survivors are known, and every rate would be
0 with a narrow interval. Purchases and balances say themselves who stopped: there, records begin with the first event.
"""

from __future__ import annotations

from datetime import date, timedelta

from features.clocks import Clock, not_replaced
from features.corrections import corrected_tables
from holdback.business import Business, Churn, ColumnChurn
from holdback.errors import NotKnowableYet
from holdback.warehouse import Warehouse


def known_events(warehouse: Warehouse, business: Business, feed: str, as_of: date) -> str:
    """SQL condition: the events of a feed that had happened and were known at ``as_of``."""
    clock = Clock.of(business, as_of)
    known = f"event_at < {clock.now} and loaded_at <= {clock.now}"
    return f"{known} and {not_replaced(feed, clock)}" if feed in corrected_tables(warehouse) else known


def first_cancellation_on(warehouse: Warehouse, business: Business, churn: Churn, as_of: date) -> date | None:
    """Return the day of the first cancellation on record, as known at ``as_of``.

    Returns:
        None for churn that is not read from contracts, and while the feed has no event at all.

    Raises:
        NotKnowableYet: there are contracts, and not one cancellation.
    """
    if isinstance(churn, ColumnChurn) or business.feeds[churn.feed].role != "subscriptions":
        return None
    [row] = warehouse.query(
        "select count(*) as events, min(event_at) filter (where kind = 'cancel') as first_at "
        f'from "{churn.feed}" where {known_events(warehouse, business, churn.feed, as_of)}'
    ).to_pylist()
    if row["first_at"] is not None:
        return business.day_of(row["first_at"])
    if row["events"] == 0:
        return None
    raise NotKnowableYet(
        f"{business.slug}: churn {churn.name}: the feed {churn.feed!r} has no cancellation up to {as_of}. Whether "
        "nobody left or nobody wrote it down cannot be told apart. Load the cancellations, or ask again after the "
        "first one."
    )


def is_on_record(churn: Churn, day: date, first_cancellation: date | None) -> bool:
    """Say whether the outcome window of a day begins in the month of the first cancellation, or later.

    Examples:
        >>> from holdback.business import CancellationChurn
        >>> churn = CancellationChurn(name="left", kind="cancellation", feed="deals", outcome_days=30)
        >>> [is_on_record(churn, date(2025, month, 1), date(2025, 5, 7)) for month in (4, 5)]
        [False, True]
        >>> is_on_record(churn, date(2025, 4, 1), None)
        True
    """
    if first_cancellation is None:
        return True
    return day + timedelta(days=churn.lead_days) >= first_cancellation.replace(day=1)
