"""On which past days a trigger is replayed, and for whom it fires there: once per cooldown, as its condition begins."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

from features.clocks import Clock
from holdback.business import Business, ColumnChurn
from holdback.business.triggers import Trigger
from holdback.errors import NotKnowableYet
from holdback.sql import literal
from holdback.warehouse import Warehouse
from monitoring.triggers.leaving import Judgement

if TYPE_CHECKING:
    import pyarrow as pa

#: A trigger is replayed on at most this many days before the last one that can be judged.
REPLAYED_DAYS = 364


@dataclass
class Edges:
    """For whom a condition begins to hold, or goes on after its cooldown.

    Args:
        cooldown_days: Days before it can fire again for the same customer; 0: only when it begins anew.
    """

    cooldown_days: int
    _held: frozenset[str] = frozenset()
    _fired_on: dict[str, date] = field(default_factory=dict)

    def fire(self, day: date, holds_for: list[str]) -> frozenset[str]:
        """Return for whom it fires on a day, given for whom its condition holds; days come in order."""
        fired = set()
        for customer in holds_for:
            last = self._fired_on.get(customer)
            is_over = last is None or (day - last).days >= self.cooldown_days
            begins = customer not in self._held
            if is_over and (begins or (self.cooldown_days > 0 and last is not None)):
                fired.add(customer)
                self._fired_on[customer] = day
        self._held = frozenset(holds_for)
        return frozenset(fired)


def replayed_days(
    warehouse: Warehouse,
    business: Business,
    trigger: Trigger,
    judgement: Judgement,
    as_of: date,
    *,
    since: date | None,
    every_days: int,
) -> tuple[date, ...]:
    """Return the days to replay, oldest first: all whose outcomes are known on ``as_of``, within a year.

    Raises:
        NotKnowableYet: no day can be judged yet; says when the first one can.
    """
    churn = judgement.churn
    if isinstance(churn, ColumnChurn):
        return (as_of,)
    wait = timedelta(days=judgement.known_after_days)
    feeds = {churn.feed, *(feed for feed in (_feed_of(trigger),) if feed is not None)}
    begins, reach = _known_span(warehouse, business, feeds, churn.feed, as_of)
    where = f"{business.slug}: trigger {trigger.name}"
    if begins is None or reach is None:
        raise NotKnowableYet(
            f"{where}: nothing was loaded by {as_of} (feeds {', '.join(sorted(feeds))}). A trigger is judged on the "
            f"company's own history. Load some, and ask again {judgement.known_after_days + 1} days after its start."
        )
    first = begins + timedelta(days=1)
    last = min(as_of, reach) - wait
    if since is not None:
        first = max(first, since)
    first = max(first, last - timedelta(days=REPLAYED_DAYS))
    days = _days_between(first, last, every_days)
    if getattr(trigger, "churn", None) is not None:
        days = _scored(warehouse, trigger, first, last, every_days)
    if not days:
        raise NotKnowableYet(
            f"{where}: no firing can be judged on {as_of} (records reach from {begins} to {reach}). Who left is known "
            f"{judgement.known_after_days} days after a firing. Ask again on {first + wait + timedelta(days=1)}, or "
            "give the trigger fewer judged_days."
        )
    return days


def _days_between(first: date, last: date, every_days: int) -> tuple[date, ...]:
    """Return days, oldest first, counted back from the last one.

    Examples:
        >>> [day.day for day in _days_between(date(2026, 1, 1), date(2026, 1, 17), 7)]
        [3, 10, 17]
    """
    count = (last - first).days // every_days + 1 if last >= first else 0
    return tuple(last - timedelta(days=every_days * back) for back in range(count - 1, -1, -1))


def _feed_of(trigger: Trigger) -> str | None:
    feed: str | None = getattr(trigger, "feed", None)
    return feed


def _known_span(
    warehouse: Warehouse, business: Business, feeds: set[str], churn_feed: str, as_of: date
) -> tuple[date | None, date | None]:
    """Return the day on which the youngest of the feeds begins, and the day that the feed of churn reaches."""
    now = Clock.of(business, as_of).now
    begins: list[date] = []
    reach = None
    for feed in sorted(feeds):
        asked = f'select min(event_at) as first, max(event_at) as last from "{feed}"'
        [row] = warehouse.query(f"{asked} where event_at < {now} and loaded_at <= {now}").to_pylist()
        if row["first"] is None:
            return None, None
        begins.append(business.day_of(row["first"]))
        if feed == churn_feed:
            reach = business.day_of(row["last"])
    return max(begins), reach


@dataclass(frozen=True)
class Pace:
    """How far apart the replayed days really lie: scores may be kept seldomer than a replay wants to look.

    Args:
        before: The day before the first replayed one on which the condition could be asked; None when there is none, so
            that what holds on the first day may have held for long.
        span_days: Days in which the firings after ``before`` (or after the first day) fell; 0 when there are none.
        step_days: Days from one asking to the next, on average.
    """

    before: date | None
    span_days: int
    step_days: float


def pace_of(warehouse: Warehouse, trigger: Trigger, days: tuple[date, ...], every_days: int) -> Pace:
    """Return how far apart replayed days lie: a condition on scores can be asked on scored days alone."""
    before: date | None = days[0] - timedelta(days=every_days)
    churn = getattr(trigger, "churn", None)
    if churn is not None:
        found = warehouse.query(
            f"select max(as_of) as before from scores where churn = {literal(churn)} and as_of < date '{days[0]}'"
        )
        before = found["before"][0].as_py()
    span = (days[-1] - (before or days[0])).days
    steps = len(days) if before else len(days) - 1
    return Pace(before, span, span / steps if steps else float(every_days))


def _scored(warehouse: Warehouse, trigger: Trigger, first: date, last: date, every_days: int) -> tuple[date, ...]:
    """Return the days of which scores were kept, thinned out."""
    churn = literal(str(getattr(trigger, "churn", "")))
    asked = (
        f"select distinct as_of from scores where churn = {churn} and as_of between date '{first}' and date '{last}' "
        "order by as_of"
    )
    kept: list[date] = []
    for day in warehouse.query(asked)["as_of"].to_pylist() if last >= first else []:
        if not kept or (day - kept[-1]).days >= every_days:
            kept.append(day)
    return tuple(kept)


def firings_of(evaluated: pa.Table, fired: frozenset[str]) -> dict[str, tuple[int | None, str | None]]:
    """Return branch and action of those for whom it fired, by customer."""
    columns = (evaluated[name].to_pylist() for name in ("customer_id", "branch", "action"))
    return {
        who: (branch, action) for who, branch, action in zip(*columns, strict=True) if who in fired
    }  # fmt: skip
