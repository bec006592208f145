"""What came in: rows offered, let in and kept aside with their reasons; how fresh, how empty, how often twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from holdback.business import Business
from holdback.warehouse import Warehouse
from monitoring.proportions import Share, wilson

RECENT_BATCHES = 14
"""Batches per feed that a trend shows."""
EARLIER_BATCHES = 10
"""Batches before the newest one whose median null share is what is usual."""
NULLS_MATTER = 0.05
"""Change of a column's null share from which it is pointed out."""


@dataclass(frozen=True, slots=True)
class RowCount:
    """Rows of one batch, or of all batches of one day, and what became of them."""

    as_of: date
    offered: int
    clean: int
    quarantined: int
    unchanged: int
    corrected: int


@dataclass(frozen=True, slots=True)
class Reason:
    """Why rows of a feed are in quarantine. A row that broke two rules counts under both."""

    feed: str
    rule: str
    row_count: int


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """A rule that did not hold for batches of the day; those were let in all the same, or refused if it is critical.

    Attributes:
        feed: The feed.
        rule: Name of the rule.
        severity: ``critical``, ``warning`` or ``info``.
        expected: What the rule asks, in words.
        batch_count: Batches that broke it.
        row_count: Rows that broke it, over those batches; None for rules on a whole batch.
        observed: What was seen in one of them (rules on a whole batch).
    """

    feed: str
    rule: str
    severity: str
    expected: str
    batch_count: int
    row_count: int | None
    observed: str | None


@dataclass(frozen=True, slots=True)
class NullShare:
    """How empty a column is in its feed's newest batch, beside what is usual for it."""

    feed: str
    column: str
    share: float
    usual: float | None
    row_count: int

    @property
    def is_unusual(self) -> bool:
        """True when the share moved by at least :data:`NULLS_MATTER`."""
        return self.usual is not None and abs(self.share - self.usual) >= NULLS_MATTER


@dataclass(frozen=True, slots=True)
class FeedQuality:
    """One feed on one day.

    Attributes:
        feed: Its name.
        newest: All its batches of the newest day, up to the report's, on which any came; None when none ever did.
        came_today: True when that day is the report's own.
        quarantined_today: Rows kept aside today, as a share of those offered; None when nothing came.
        last_event_on: Day of the newest event known by the day; None for the customers' table.
        days_since_last_event: Full days between that and the day.
        limit_days: What the business file allows, if it says so.
        quarantined_limit: Largest share of rows that may be kept aside, as the business file says.
        recent: Its newest batches, oldest first.
    """

    feed: str
    newest: RowCount | None
    came_today: bool
    quarantined_today: Share | None
    last_event_on: date | None
    days_since_last_event: int | None
    limit_days: int | None
    quarantined_limit: float
    recent: tuple[RowCount, ...]

    @property
    def rows_today(self) -> int:
        """Rows offered today."""
        return self.newest.offered if self.newest is not None and self.came_today else 0

    @property
    def is_stale(self) -> bool:
        """True when the newest event is older than the business file allows."""
        return (
            self.limit_days is not None
            and self.days_since_last_event is not None
            and self.days_since_last_event > self.limit_days
        )


@dataclass(frozen=True, slots=True)
class Quality:
    """Everything that came in up to one day.

    Attributes:
        feeds: One entry per feed, in the business file's order; customers first.
        reasons: Rows of today's batches in quarantine, by rule; most rows first.
        broken: Rules that did not hold for the batches of the day.
        nulls: Columns whose null share is unusual, then the emptiest; of each feed's newest batch.
        offered: Rows offered, all batches up to the day.
        clean: Rows let in.
        quarantined: Rows kept aside.
        released: Rows that were kept aside and let in later.
    """

    feeds: tuple[FeedQuality, ...]
    reasons: tuple[Reason, ...]
    broken: tuple[BrokenRule, ...]
    nulls: tuple[NullShare, ...]
    offered: int
    clean: int
    quarantined: int
    released: int

    @property
    def rows_today(self) -> int:
        """Rows offered today, over all feeds."""
        return sum(feed.rows_today for feed in self.feeds)

    @property
    def stale_feeds(self) -> tuple[FeedQuality, ...]:
        """Feeds whose newest event is older than allowed."""
        return tuple(feed for feed in self.feeds if feed.is_stale)


def data_quality(warehouse: Warehouse, business: Business, as_of: date) -> Quality:
    """Return what came in up to ``as_of``; a day on which nothing came is a result, not an error."""
    found = _rows(
        warehouse, f"select * from batches where as_of <= date '{as_of}' order by as_of, last_event_at, batch_id"
    )
    names = [*(["customers"] if business.customers is not None else []), *business.feeds]
    batches = {name: [_counts(row) for row in found if row["feed"] == name] for name in names}
    feeds = tuple(_feed(warehouse, business, name, batches[name], as_of) for name in names)
    counts = _rows(
        warehouse,
        "select coalesce(sum(rows_offered), 0)::bigint as offered, coalesce(sum(rows_clean), 0)::bigint as clean, "
        f"coalesce(sum(rows_quarantined), 0)::bigint as quarantined from batches where as_of <= date '{as_of}'",
    )[0]
    released = _rows(
        warehouse,
        "select count(*) as n from releases r join batches b on b.batch_id = r.released_batch_id "
        f"where b.as_of <= date '{as_of}'",
    )[0]["n"]
    return Quality(
        feeds,
        _reasons(warehouse, as_of),
        _broken(warehouse, as_of),
        _nulls(warehouse, as_of),
        counts["offered"],
        counts["clean"],
        counts["quarantined"],
        released,
    )


def quarantine_reasons(warehouse: Warehouse, condition: str) -> tuple[Reason, ...]:
    """Count rows in quarantine by feed and rule, most first.

    ``condition`` is SQL over quarantine ``q`` and batches ``b``.
    """
    found = _rows(
        warehouse,
        "with broken as (select q.feed, unnest(from_json(q.failed_rules, '[\"varchar\"]')) as rule from quarantine q "
        f"join batches b on b.batch_id = q.batch_id and b.feed = q.feed where {condition}) "
        "select feed, rule, count(*) as n from broken group by all order by n desc, feed, rule",
    )
    return tuple(Reason(row["feed"], row["rule"], row["n"]) for row in found)


def _feed(warehouse: Warehouse, business: Business, name: str, batches: list[RowCount], as_of: date) -> FeedQuality:
    newest = _together([batch for batch in batches if batch.as_of == batches[-1].as_of]) if batches else None
    came_today = newest is not None and newest.as_of == as_of
    source = business.feeds.get(name) or business.customers
    last_on = _last_event_on(warehouse, business, name, as_of) if name in business.feeds else None
    return FeedQuality(
        feed=name,
        newest=newest,
        came_today=came_today,
        quarantined_today=wilson(newest.quarantined, newest.offered)
        if newest is not None and came_today and newest.offered
        else None,
        last_event_on=last_on,
        days_since_last_event=(as_of - last_on).days if last_on is not None else None,
        limit_days=source.expects.fresh_within_days if source is not None else None,
        quarantined_limit=source.expects.quarantined_share if source is not None else 1.0,
        recent=tuple(batches[-RECENT_BATCHES:]),
    )


def _last_event_on(warehouse: Warehouse, business: Business, feed: str, as_of: date) -> date | None:
    known = f"timestamp '{business.instant(as_of)}'"
    last = _rows(
        warehouse, f'select max(event_at) as last from "{feed}" where event_at < {known} and loaded_at <= {known}'
    )[0]["last"]
    return None if last is None else business.day_of(last)


def _reasons(warehouse: Warehouse, as_of: date) -> tuple[Reason, ...]:
    return quarantine_reasons(warehouse, f"b.as_of = date '{as_of}'")


def _broken(warehouse: Warehouse, as_of: date) -> tuple[BrokenRule, ...]:
    found = _rows(
        warehouse,
        "select feed, rule, severity, min(expected) as expected, count(distinct batch_id) as batches, "
        "sum(unexpected_count)::bigint as broken, max(observed) as observed "
        f"from validations where as_of = date '{as_of}' and not is_passed group by feed, rule, severity "
        "order by case severity when 'critical' then 0 when 'warning' then 1 else 2 end, feed, rule",
    )
    return tuple(
        BrokenRule(
            row["feed"], row["rule"], row["severity"], row["expected"], row["batches"], row["broken"], row["observed"]
        )
        for row in found
    )


def _nulls(warehouse: Warehouse, as_of: date) -> tuple[NullShare, ...]:
    found = _rows(
        warehouse,
        "with ranked as (select feed, column_name, value, row_count, "
        "row_number() over (partition by feed, column_name order by as_of desc, batch_id) as age "
        f"from profiles where statistic = 'null_share' and as_of <= date '{as_of}') "
        "select feed, column_name, max(value) filter (where age = 1) as share, "
        f"median(value) filter (where age between 2 and {EARLIER_BATCHES + 1}) as usual, "
        "max(row_count) filter (where age = 1) as row_count "
        "from ranked group by all order by feed, column_name",
    )
    shares = [NullShare(row["feed"], row["column_name"], row["share"], row["usual"], row["row_count"]) for row in found]
    shares = [share for share in shares if share.share > 0 or share.is_unusual]
    shares.sort(key=lambda s: (not s.is_unusual, -s.share, s.feed, s.column))
    return tuple(shares)


def _counts(row: Mapping[str, Any]) -> RowCount:
    return RowCount(
        row["as_of"], row["rows_offered"], row["rows_clean"], row["rows_quarantined"], row["rows_unchanged"] or 0,
        row["rows_corrected"] or 0,
    )  # fmt: skip


def _together(batches: list[RowCount]) -> RowCount:
    names = ("offered", "clean", "quarantined", "unchanged", "corrected")
    return RowCount(batches[0].as_of, *(sum(getattr(batch, name) for batch in batches) for name in names))


def _rows(warehouse: Warehouse, sql: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = warehouse.query(sql).to_pylist()
    return rows
