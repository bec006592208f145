"""Which files came in lately and which did not, what waits in quarantine, and what later files corrected.

Rows of a file are counted as they are: a line that cannot be read is no group of customers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from holdback.business import Business
from holdback.warehouse import Warehouse
from monitoring.portal.days import missing_days, usual_step

WINDOW_DAYS: Final = 60
"""Days that pictures and gaps look back."""
MOST_BATCHES: Final = 40
MOST_WAITING: Final = 20
#: Batches of which a newer reading of the same file accounts for all rows, and rows let out of quarantine, count once.
_ONCE: Final = "released_from is null and batch_id not in (select replaces from batches where replaces is not null)"


@dataclass(frozen=True, slots=True)
class Batch:
    """One file that was let in, with what became of its rows.

    Attributes:
        as_of: The day for which it was loaded.
        feed: Its feed.
        source: Its file or query.
        covers_on: The day in its name; None when it names none.
        offered: Its rows.
        clean: Those let in.
        quarantined: Those kept aside.
        unchanged: Those that were known already.
        corrected: Those that replaced an earlier row.
        is_history: True for a first load of a long past.
        is_release: True for rows let out of quarantine.
    """

    as_of: date
    feed: str
    source: str
    covers_on: date | None
    offered: int
    clean: int
    quarantined: int
    unchanged: int
    corrected: int
    is_history: bool
    is_release: bool


@dataclass(frozen=True, slots=True)
class FileDay:
    """The rows of one feed for one day: that in the file's name, else that on which it was loaded."""

    day: date
    offered: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class FeedDays:
    """The days of one feed in the window, oldest first.

    Attributes:
        feed: Its name.
        days: Those with a file; a first load of a long past is left out.
        step_days: Days between one file and the next, usually; None for fewer than three.
        missing: Days on which a file was to be expected, and none is there.
        is_required: False when the business file says that there are days without.
    """

    feed: str
    days: tuple[FileDay, ...]
    step_days: int | None
    missing: tuple[date, ...]
    is_required: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """Rows of one batch that wait in quarantine."""

    batch_id: str
    feed: str
    source: str
    as_of: date
    row_count: int


@dataclass(frozen=True, slots=True)
class Corrected:
    """Rows of one feed that later files replaced, of those that came in the window."""

    feed: str
    row_count: int
    newest_on: date


@dataclass(frozen=True, slots=True)
class Refused:
    """Files of one feed that were refused as a whole today, and the rules for which they were."""

    feed: str
    file_count: int
    rules: tuple[str, ...]


def read_batches(warehouse: Warehouse, as_of: date) -> tuple[Batch, ...]:
    """Return the newest files up to a day, newest first."""
    rows = warehouse.query(
        "select as_of, feed, coalesce(source, '') as source, covers_on, rows_offered as offered, rows_clean as clean, "
        "rows_quarantined as quarantined, coalesce(rows_unchanged, 0) as unchanged, "
        "coalesce(rows_corrected, 0) as corrected, coalesce(is_load_time_assumed, false) as is_history, "
        "released_from is not null as is_release "
        f"from batches where as_of <= date '{as_of}' order by batches.as_of desc, sequence desc, feed "
        f"limit {MOST_BATCHES}"
    ).to_pylist()
    return tuple(Batch(**row) for row in rows)


def read_days(warehouse: Warehouse, business: Business, as_of: date) -> tuple[FeedDays, ...]:
    """Return the days of every feed in the window, customers first."""
    first = as_of - timedelta(days=WINDOW_DAYS)
    rows = warehouse.query(
        "select feed, coalesce(covers_on, as_of) as day, sum(rows_offered)::bigint as offered, "
        f"sum(rows_quarantined)::bigint as quarantined from batches where {_ONCE} "
        f"and as_of <= date '{as_of}' and not coalesce(is_load_time_assumed, false) "
        f"and coalesce(covers_on, as_of) >= date '{first}' group by all order by day"
    ).to_pylist()
    named = _named_days(warehouse, as_of)
    sources = {**({"customers": business.customers} if business.customers else {}), **business.feeds}
    return tuple(
        _feed_days(name, [row for row in rows if row["feed"] == name], source.is_required, as_of, name in named)
        for name, source in sources.items()
    )


def _named_days(warehouse: Warehouse, as_of: date) -> set[str]:
    """Feeds whose files name their day: today's file comes tomorrow, and is not missing yet."""
    rows = warehouse.query(f"select distinct feed from batches where covers_on is not null and as_of <= date '{as_of}'")
    return set(rows["feed"].to_pylist())


def _feed_days(name: str, rows: list[dict[str, Any]], is_required: bool, as_of: date, names_days: bool) -> FeedDays:
    days = tuple(FileDay(row["day"], row["offered"], row["quarantined"]) for row in rows)
    there = [found.day for found in days]
    until = as_of if names_days else as_of + timedelta(days=1)
    return FeedDays(name, days, usual_step(there), missing_days(there, before=until), is_required)


def read_waiting(warehouse: Warehouse, as_of: date) -> tuple[Waiting, ...]:
    """Return the batches with rows in quarantine that nobody let in yet, those with most rows first."""
    rows = warehouse.query(
        "select q.batch_id, q.feed, coalesce(b.source, '') as source, b.as_of, count(*) as row_count "
        "from quarantine q join batches b on b.batch_id = q.batch_id and b.feed = q.feed "
        "left join releases r on r.batch_id = q.batch_id and r.feed = q.feed and r.row_number = q.row_number "
        f"where b.as_of <= date '{as_of}' and r.batch_id is null "
        "and q.batch_id not in (select replaces from batches where replaces is not null) "
        f"group by all order by b.as_of desc, row_count desc, q.feed, q.batch_id limit {MOST_WAITING}"
    ).to_pylist()
    return tuple(Waiting(**row) for row in rows)


def read_corrected(warehouse: Warehouse, as_of: date) -> tuple[Corrected, ...]:
    """Count the rows that files of the window replaced, by feed, most first."""
    rows = warehouse.query(
        "select feed, sum(rows_corrected)::bigint as row_count, max(as_of) as newest_on from batches "
        f"where as_of <= date '{as_of}' and as_of > date '{as_of - timedelta(days=WINDOW_DAYS)}' "
        "and coalesce(rows_corrected, 0) > 0 group by feed order by row_count desc, feed"
    ).to_pylist()
    return tuple(Corrected(**row) for row in rows)


def read_refused(warehouse: Warehouse, as_of: date) -> tuple[Refused, ...]:
    """Return the files that were refused today, by feed."""
    rows = warehouse.query(
        "select feed, count(distinct batch_id) as file_count, "
        "list(distinct rule order by rule) filter (where not is_passed and severity = 'critical') as rules "
        f"from validations where as_of = date '{as_of}' and not is_accepted group by feed order by feed"
    ).to_pylist()
    return tuple(Refused(row["feed"], row["file_count"], tuple(row["rules"] or ())) for row in rows)
