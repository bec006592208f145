"""Whom to follow and to what: the day of knowledge, the days of entry, and how far the data reach."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Final

import pyarrow as pa

from features.clocks import Clock, known_rows
from features.revenue import revenue_feed
from features.steps import select
from holdback.business import Business, Churn, ColumnChurn
from holdback.errors import BusinessFileError
from holdback.warehouse import Warehouse

#: The outcome that every campaign has.
CHURNED: Final = "churned"


@dataclass(frozen=True)
class Following:
    """Customers, each followed from his own day of entry, as known on a day.

    Attributes:
        business: The company.
        churn: The churn definition, as it was fixed.
        horizon_days: Days from a customer's entry to the outcome.
        primary_outcome: ``churned``, or an outcome of the business file: its feed must reach the horizon too.
        as_of: The day of knowledge.
        corrected: Tables with replaced rows.
    """

    business: Business
    churn: Churn
    horizon_days: int
    primary_outcome: str
    as_of: date
    corrected: Collection[str]

    @cached_property
    def clock(self) -> Clock:
        """The day of knowledge as SQL."""
        return Clock.of(self.business, self.as_of)

    @property
    def lead_days(self) -> int:
        """Days from the entry during which nobody can be kept any more."""
        return lead_days_of(self.churn, self.horizon_days)

    @cached_property
    def churn_feed(self) -> str | None:
        """The feed that tells who left; None when a column does."""
        return None if isinstance(self.churn, ColumnChurn) else self.churn.feed

    @cached_property
    def revenue_feed(self) -> str | None:
        """The feed that carries revenue; None when no feed does."""
        try:
            return revenue_feed(self.business)
        except BusinessFileError:
            return None

    @cached_property
    def proving_feeds(self) -> tuple[str, ...]:
        """The feeds that must reach the horizon before a customer is mature: of churn, revenue, the primary outcome."""
        primary = [outcome.feed for outcome in self.business.outcomes if outcome.name == self.primary_outcome]
        named = [self.churn_feed, self.revenue_feed, *(primary if self.primary_outcome != CHURNED else [])]
        return tuple(dict.fromkeys(feed for feed in named if feed is not None))

    def rows(self, feed: str, columns: tuple[str, ...], also: str | None = None) -> str:
        """SQL of a feed's rows, visible by both clocks, with their ``customer_id``; to be joined with ``_entered``."""
        return known_rows(feed, columns, self.clock, corrected=feed in self.corrected, also=also, spine=False)

    def within(self, first: date, last: date, *, before: bool = False) -> str:
        """SQL condition: the event may lie in the horizon of somebody who entered between two days."""
        since = first - timedelta(days=self.horizon_days if before else 0)
        until = last + timedelta(days=self.horizon_days)
        return f"event_at >= {self._at(since)} and event_at < {self._at(until)}"

    def _at(self, day: date) -> str:
        return Clock.of(self.business, day).now


def lead_days_of(churn: Churn, horizon_days: int) -> int:
    """Days from an entry during which nobody can be kept any more; 0 for churn that a column tells."""
    return 0 if isinstance(churn, ColumnChurn) else min(churn.lead_days, horizon_days)


def reaches(warehouse: Warehouse, asked: Following, feeds: Collection[str]) -> dict[str, date | None]:
    """Return up to which day (exclusive) each feed is known; None for an empty one.

    An event at or after the end of a window proves that the data reach it, as for the labels that models learn from.
    """
    if not feeds:
        return {}
    parts = [
        select(
            ["max(event_at) as reached_at", f"{position} as position"],
            f'from "{feed}"\n    where event_at < {asked.clock.now} and loaded_at <= {asked.clock.now}',
        )
        for position, feed in enumerate(feeds)
    ]
    rows = warehouse.query("\n    union all\n    ".join(parts) + "\n    order by position").to_pylist()
    found: list[datetime | None] = [row["reached_at"] for row in rows]
    days = (None if at is None else asked.business.day_of(at) for at in found)
    return dict(zip(feeds, days, strict=True))


def days_frame(asked: Following, first: date, last: date, *, churn_reach: date | None, reach: date | None) -> pa.Table:
    """Return what an entry day fixes for everybody who enters on it, one row per day from ``first`` to ``last``.

    Args:
        asked: The question.
        first: First day of entry.
        last: Last day of entry.
        churn_reach: Up to this day it is known who left.
        reach: Up to this day everything that makes a customer mature is known; None when something is never known.

    Returns:
        ``entered_on, entered_at, before_at`` (as long before the entry as the horizon lies after it), ``lead_at,
        ends_on, ends_at, follow_at`` (until when leaving is known, at most the horizon), ``follow_days, is_mature``.
    """
    instant, horizon, lead = asked.business.instant, timedelta(days=asked.horizon_days), timedelta(days=asked.lead_days)
    days = _days(first, last)
    follows = [day if churn_reach is None else max(day, min(day + horizon, churn_reach)) for day in days]
    instants = pa.timestamp("us")
    return pa.table(
        {
            "entered_on": pa.array(days, pa.date32()),
            "entered_at": pa.array([instant(day) for day in days], instants),
            "before_at": pa.array([instant(day - horizon) for day in days], instants),
            "lead_at": pa.array([instant(day + lead) for day in days], instants),
            "ends_on": pa.array([day + horizon for day in days], pa.date32()),
            "ends_at": pa.array([instant(day + horizon) for day in days], instants),
            "follow_at": pa.array([instant(day) for day in follows], instants),
            "follow_days": pa.array([(end - day).days for day, end in zip(days, follows, strict=True)], pa.int64()),
            "is_mature": pa.array([reach is not None and day + horizon <= reach for day in days], pa.bool_()),
        }
    )


def calendar_frame(business: Business, first: date, last: date) -> pa.Table:
    """Return ``day, starts_at`` of each day of the business from ``first`` to ``last``."""
    days = _days(first, last)
    return pa.table(
        {
            "day": pa.array(days, pa.date32()),
            "starts_at": pa.array([business.instant(day) for day in days], pa.timestamp("us")),
        }
    )


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=count) for count in range((last - first).days + 1)]
