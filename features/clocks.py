"""The two clocks, as SQL: what is visible on the day ``as_of``, and where a window begins."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from features.steps import Step, select
from holdback.business import Business
from holdback.sql import literal
from holdback.warehouse.ranges import within

MICROSECONDS_PER_SECOND = 1_000_000
MICROSECONDS_PER_DAY = 86_400 * MICROSECONDS_PER_SECOND

#: What decides which row is newer, down to the last tie: later event, later load, later line.
ORDER = ("event_at", "loaded_at", "batch_id", "row_number")


@dataclass(frozen=True)
class Clock:
    """One day of knowledge.

    Args:
        as_of: The day; its instant is the start of it.
        instant: Start of a day of the business, as naive UTC (:meth:`holdback.business.Business.instant`).
    """

    as_of: date
    instant: Callable[[date], datetime]

    @classmethod
    def of(cls, business: Business, as_of: date) -> Clock:
        """Return the clock of one day of a business."""
        return cls(as_of, business.instant)

    @property
    def now(self) -> str:
        """SQL of the instant of ``as_of``."""
        return timestamp(self.instant(self.as_of))

    def days_ago(self, days: int) -> str:
        """SQL of the instant at which a window of ``days`` days before ``as_of`` begins (negative: days ahead)."""
        return timestamp(self.instant(self.as_of - timedelta(days=days)))

    def full_days_since(self, expression: str) -> str:
        """SQL of the full days (24 hours) between an instant and ``as_of``: whole numbers on every engine."""
        return f"((epoch_us({self.now}) - epoch_us({expression})) // {MICROSECONDS_PER_DAY})"

    def microseconds_later(self, days: str, *, at_most: int) -> str:
        """SQL of when the day begins that lies a number of days after ``as_of``: microseconds, as ``epoch_us`` counts.

        Args:
            days: SQL of the number of days, whole, from 0.
            at_most: No number is larger; clocks that change until then are seen.
        """
        offsets = [self.instant(self.as_of + timedelta(days=d)) - timedelta(days=d) for d in range(at_most + 1)]
        changes = [d for d in range(at_most, 0, -1) if offsets[d] != offsets[d - 1]]
        moved = [(d, (offsets[d] - offsets[0]) // timedelta(microseconds=1)) for d in changes]
        cases = " ".join(f"when {days} >= {d} then {microseconds}" for d, microseconds in moved)
        clocks = f" + case {cases} else 0 end" if cases else ""
        return f"epoch_us({self.now}) + {days} * {MICROSECONDS_PER_DAY}{clocks}"

    @property
    def today(self) -> str:
        """SQL of the day ``as_of``."""
        return f"date '{self.as_of.isoformat()}'"


def timestamp(instant: datetime) -> str:
    """Write a naive UTC instant as an SQL literal.

    Examples:
        >>> timestamp(datetime(2011, 9, 8, 23))
        "timestamp '2011-09-08 23:00:00'"
    """
    return f"timestamp '{instant.isoformat(sep=' ')}'"


def local_day(instant: str, time_zone: str) -> str:
    """SQL of the day of a time zone in which an instant (naive UTC, a column) falls.

    Days between two events are counted in these: between two local midnights lie 23 or 25 hours when clocks change, and
    dates without a time are midnights.

    Examples:
        >>> local_day("event_at", "Europe/Madrid")
        "cast(event_at at time zone 'UTC' at time zone 'Europe/Madrid' as date)"
    """
    return f"cast({instant} at time zone 'UTC' at time zone {literal(time_zone)} as date)"


def known_rows(
    table: str,
    columns: tuple[str, ...],
    clock: Clock,
    *,
    corrected: bool,
    also: str | None = None,
    event_clock: bool = True,
    spine: bool = True,
) -> str:
    """SQL of a table's rows that were visible at ``as_of``.

    Args:
        table: Table of the warehouse.
        columns: Columns or ``expression as name`` to select, besides ``customer_id``.
        clock: The day of knowledge.
        corrected: True when some rows of the table were replaced by later ones, which then have to be left out.
        also: Further condition.
        event_clock: False for a table without ``event_at``, or when ``also`` bounds it.
        spine: True to read only the customers of the relation ``spine``: of files sorted by customer, only their part.
    """
    own = ["customer_id in (select customer_id from spine)", *within("customer_id")] if spine else []
    own += [also] if also else []
    return select(
        ("customer_id", *columns),
        f'from "{table}"\n    {_visible(table, clock, own, corrected=corrected, event_clock=event_clock)}',
    )


def numbered_rows(table: str, columns: tuple[str, ...], clock: Clock, *, corrected: bool) -> str:
    """SQL of the rows of the spine's customers that were visible at ``as_of``, each with its customer's number.

    What follows groups and orders by the number: by the text, that takes a tenth more of all.

    Args:
        table: Table of the warehouse, one with ``event_at``.
        columns: Columns or ``expression as name`` to select, besides ``customer_number``.
        clock: The day of knowledge.
        corrected: True when some rows of the table were replaced by later ones, which then have to be left out.
    """
    source = f'from "{table}"\n    join spine on spine.customer_id = "{table}".customer_id'
    own = within(f'"{table}".customer_id')
    return select(
        ("spine.customer_number", *columns), f"{source}\n    {_visible(table, clock, own, corrected=corrected)}"
    )


def _visible(table: str, clock: Clock, own: list[str], *, corrected: bool, event_clock: bool = True) -> str:
    """SQL of the WHERE clause: what both clocks let through, further conditions, nothing that was replaced."""
    conditions = [f"event_at < {clock.now}"] if event_clock else []
    conditions += [f"loaded_at <= {clock.now}", *own, *([not_replaced(table, clock)] if corrected else [])]
    return "where " + "\n        and ".join(conditions)


def newest_versions(
    clock: Clock, columns: tuple[str, ...], corrected: Collection[str], *, spine: bool = False
) -> list[Step]:
    """Return the steps that end in ``_customers_rows``: the newest version of each customer known at ``as_of``.

    A version whose sign-up lies at or after ``as_of`` tells of an event to come: it is not visible.

    Args:
        clock: The day of knowledge.
        columns: Columns or ``expression as name`` of the customers' table.
        corrected: Tables with replaced rows.
        spine: True to read only the customers of the relation ``spine``.
    """
    newest = "row_number() over (partition by customer_id order by loaded_at desc, batch_id desc, row_number desc)"
    versions = known_rows(
        "customers",
        (*columns, f"{newest} as version_rank"),
        clock,
        corrected="customers" in corrected,
        also=f"(signed_up_at is null or signed_up_at < {clock.now})",
        event_clock=False,
        spine=spine,
    )
    return [
        Step("_customers_known", "versions of each customer known at as_of, from the newest (1) backwards", versions),
        Step(
            "_customers_rows",
            "what was known of each customer",
            "select *\n    from _customers_known\n    where version_rank = 1",
        ),
    ]


def not_replaced(table: str, clock: Clock) -> str:
    """SQL condition: no correction of the row was known at ``as_of``."""
    return (
        "not exists (\n            select 1 from superseded\n"
        f"            where superseded.feed = '{table}' and superseded.batch_id = \"{table}\".batch_id\n"
        f'                and superseded.row_number = "{table}".row_number and superseded.replaced_at <= {clock.now}\n'
        "        )"
    )
