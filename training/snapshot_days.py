"""Which days of the past can be learned from: their outcome is known, and their data were as fresh as today's.

A company that delivers its data once a month scores on the morning after a delivery. A snapshot taken two weeks later
would describe customers by data two weeks old, and a model trained on it would read "last order 14 days ago" where
today's data say "yesterday". So a snapshot is moved back to the newest day on which the feed was as fresh as it is on
the day of knowledge; for daily deliveries nothing moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from holdback.business import Business, Churn, ColumnChurn
from holdback.days import months_before
from holdback.errors import DataError, NotKnowableYet
from holdback.warehouse import Warehouse

_ONE_DAY = timedelta(days=1)


def matured_days(warehouse: Warehouse, business: Business, churn: Churn, as_of: date) -> tuple[date, ...]:
    """Days whose outcome is known on ``as_of``, about a calendar month apart, newest first.

    Raises:
        NotKnowableYet: there is none; the message says when the first one matures.
        DataError: the feed holds no event yet.
    """
    if isinstance(churn, ColumnChurn):
        return (as_of,)
    arrivals = Arrivals.read(warehouse, business, churn.feed, as_of)
    horizon = timedelta(days=churn.lead_days + churn.outcome_days)
    earliest = arrivals.first + timedelta(days=business.training.min_history_days)
    newest = min(as_of, arrivals.last) - horizon
    if newest < earliest:
        # One day more: a label also needs an event at or after the end of its window, to prove the data reach it.
        ready = earliest + horizon + _ONE_DAY
        raise NotKnowableYet(
            f"{business.slug}: churn {churn.name}: no outcome is known on {as_of}. The data begin on {arrivals.first}; "
            f"a snapshot needs {business.training.min_history_days} days of history, its outcome {horizon.days} more. "
            f"Come back on {ready} (data until {ready - _ONE_DAY} loaded). Nothing was trained."
        )
    return arrivals.fresh_days(as_of, newest=newest, earliest=earliest)


def purged(days: tuple[date, ...], holdout: date, horizon_days: int) -> tuple[date, ...]:
    """Days of which every outcome was over when the holdout began.

    Examples:
        >>> purged((date(2011, 6, 9), date(2011, 8, 9)), date(2011, 9, 9), 91)
        (datetime.date(2011, 6, 9),)
    """
    return tuple(day for day in days if day + timedelta(days=horizon_days) <= holdout)


@dataclass(frozen=True, eq=False)
class Arrivals:
    """When the days of a feed became known.

    Attributes:
        event_on: Days with events, shape (n,).
        known_on: First business day on which the events of that load were visible, shape (n,).
    """

    event_on: npt.NDArray[np.datetime64]
    known_on: npt.NDArray[np.datetime64]

    @classmethod
    def read(cls, warehouse: Warehouse, business: Business, feed: str, as_of: date) -> Arrivals:
        """Read what was known on ``as_of``."""
        now = business.instant(as_of).isoformat(sep=" ")
        rows: list[dict[str, Any]] = warehouse.query(
            f"""
            select date_trunc('day', event_at) as event_on, loaded_at, min(event_at) as first_at,
                   max(event_at) as last_at
            from "{feed}"
            where event_at < timestamp '{now}' and loaded_at <= timestamp '{now}'
            group by all
            """
        ).to_pylist()
        if not rows:
            raise DataError(
                f"{business.slug}: feed {feed}: no event is known on {as_of}. Nothing can be learned from an empty "
                "feed. Ingest its data first (`holdback ingest`)."
            )
        known = {at: _first_day_after(business, at) for at in {row["loaded_at"] for row in rows}}
        pairs = {
            (business.day_of(row[end]), known[row["loaded_at"]]) for row in rows for end in ("first_at", "last_at")
        }
        ordered = sorted(pairs)
        return cls(
            np.array([event for event, _ in ordered], dtype="datetime64[D]"),
            np.array([day for _, day in ordered], dtype="datetime64[D]"),
        )

    @property
    def first(self) -> date:
        """Day of the earliest event."""
        return self.event_on.min().astype(object)  # type: ignore[no-any-return]

    @property
    def last(self) -> date:
        """Day of the latest event."""
        return self.event_on.max().astype(object)  # type: ignore[no-any-return]

    def staleness(self, day: date) -> timedelta:
        """How old the newest event was that was known at the start of ``day``."""
        at = np.datetime64(day)
        seen = self.event_on[(self.event_on < at) & (self.known_on <= at)]
        return timedelta.max if not seen.size else day - seen.max().astype(object)

    def fresh_days(self, as_of: date, *, newest: date, earliest: date) -> tuple[date, ...]:
        """Return days about a month apart, newest first, on which the feed was as fresh as it is on ``as_of``.

        Args:
            as_of: The day of knowledge.
            newest: No day is newer; not before ``earliest``.
            earliest: No day is older.
        """
        usual = self.staleness(as_of)
        anchor = self.newest_fresh_day(newest, max(earliest, months_before(newest, 1) + _ONE_DAY), usual)
        days = [anchor]
        while (target := months_before(anchor, len(days))) >= earliest:
            oldest = max(earliest, months_before(anchor, len(days) + 1) + _ONE_DAY)
            days.append(self.newest_fresh_day(target, oldest, usual))
        return tuple(days)

    def newest_fresh_day(self, newest: date, oldest: date, most: timedelta) -> date:
        """Return the newest day from ``newest`` back to ``oldest`` on which the feed was fresh; else ``newest``."""
        day = newest
        while day >= oldest:
            if self.staleness(day) <= most:
                return day
            day -= _ONE_DAY
        return newest


def _first_day_after(business: Business, instant: Any) -> date:
    """Return the first day whose start is not before ``instant``."""
    day = business.day_of(instant)
    return day if business.instant(day) >= instant else day + _ONE_DAY
