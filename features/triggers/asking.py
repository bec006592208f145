"""One trigger asked about one instant: the clock, the rows that count, and what a row means for a level."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from features.clocks import MICROSECONDS_PER_SECOND, Clock, known_rows, local_day
from features.steps import Step, select
from holdback.business import Business
from holdback.sql import literal

#: Where the steps of every kind end: ``customer_id, size`` and the columns that the detail is made of.
HELD = "_held"

CENTS = 100


@dataclass(frozen=True)
class Held:
    """For whom a condition holds, as SQL.

    Args:
        steps: End in the relation :data:`HELD`, one row per customer.
        detail: What the condition was seen in: SQL over :data:`HELD` by key of the JSON.
    """

    steps: list[Step]
    detail: Mapping[str, str]


@dataclass(frozen=True)
class Asked:
    """The instant of knowledge, and how rows of the business' feeds are read then.

    Args:
        business: The company.
        as_of: The day in which the instant lies.
        clock: Its instants are shifted by the time since the start of the day.
        corrected: Tables with replaced rows.
    """

    business: Business
    as_of: date
    clock: Clock
    corrected: Collection[str] = field(default=())

    @classmethod
    def at(cls, business: Business, as_of: date, seen_at: datetime | None, corrected: Collection[str]) -> Asked:
        """Return the question as of an instant inside a day (its start, when None).

        Raises:
            ValueError: ``seen_at`` does not lie in the day.
        """
        starts = business.instant(as_of)
        now = starts if seen_at is None else seen_at
        if business.day_of(now) != as_of:
            raise ValueError(f"triggers: seen_at ({now}) does not lie in {as_of}, a day of {business.slug}.")
        return cls(business, as_of, Clock(as_of, lambda day: business.instant(day) + (now - starts)), corrected)

    @property
    def now(self) -> datetime:
        """The instant of knowledge."""
        return self.clock.instant(self.as_of)

    def rows(self, feed: str, columns: Sequence[str], *conditions: str | None, event_clock: bool = True) -> str:
        """SQL of a feed's rows, visible by both clocks, that meet all conditions (None is none)."""
        also = " and ".join(condition for condition in conditions if condition) or None
        return known_rows(
            feed,
            tuple(columns),
            self.clock,
            corrected=feed in self.corrected,
            also=also,
            event_clock=event_clock,
            spine=False,
        )

    def within(self, days: int) -> str:
        """SQL condition: the event lies in the last ``days`` days."""
        return f"event_at >= {self.clock.days_ago(days)}"

    def allowed(self, feed: str, where: Mapping[str, Sequence[str]]) -> str | None:
        """SQL condition on the rows of a feed that a trigger's ``where`` lets through; None when it lets all."""
        names = {column.key: column.name for column in self.business.feeds[feed].mapped_columns}
        return " and ".join(one_of(f'"{names[key]}"', values) for key, values in where.items()) or None

    def days_ago(self, instant: str = "event_at") -> str:
        """SQL of how many days of the calendar ago something was: 0 on the day itself, 1 on the day before."""
        return f"date_diff('day', {local_day(instant, self.business.time_zone)}, {self.clock.today})"

    def day(self, days_ago: str) -> str:
        """SQL of the day that lies a (whole) number of days before, as text."""
        return f"cast({self.clock.today} - cast({days_ago} as integer) as varchar)"

    def told_once(self, feed: str, *conditions: str | None, name: str = "_told") -> list[Step]:
        """Return the steps that end in ``name``: a feed's rows, and in ``copies`` how often each really happened.

        A transfer that stands twice in a file, or in two files, happened once: rows that are equal in every mapped
        column are one. Only where the instant is the start of a day (so that it may be a mere date) can equal rows be
        several events; then those of the batch that has most of them count.
        """
        section = self.business.feeds[feed]
        columns = [f'"{column.name}"' for column in section.mapped_columns][1:]
        by_batch = ["customer_id", *columns]
        is_date = starts_day("event_at", section.time_zone or self.business.time_zone)
        at_once = f"case when {is_date} then max(copies) else 1 end as copies"
        return [
            Step(f"{name}_rows", "rows that were visible", self.rows(feed, (*columns, "batch_id"), *conditions)),
            Step(
                f"{name}_by_batch",
                "equal rows of one batch",
                select(
                    [*by_batch, "count(*) as copies"],
                    f"from {name}_rows\n    group by {', '.join(by_batch)}, batch_id",
                ),
            ),
            Step(
                name,
                "each event once, whoever told it twice",
                select([*by_batch, at_once], f"from {name}_by_batch\n    group by {', '.join(by_batch)}"),
            ),
        ]

    def signed(self, feed: str) -> str:
        """SQL of what a transaction adds to the level of the account, in cents: by its direction, or by its sign."""
        if not self.business.feeds[feed].has("direction"):
            return "amount_cents"
        return "case direction when 'in' then amount_cents when 'out' then -amount_cents else 0 end"


def starts_day(instant: str, time_zone: str) -> str:
    """SQL condition: an instant is what a date without a time is stored as in a time zone, the start of its day."""
    day = f"cast({local_day(instant, time_zone)} as timestamp)"
    starts = f"{instant} = {day} at time zone {literal(time_zone)} at time zone 'UTC'"
    # Days start on a whole minute in every zone since 1972; asking that first spares the calendar most instants.
    return f"(epoch_us({instant}) % {60 * MICROSECONDS_PER_SECOND} = 0 and {starts})"


def one_of(column: str, values: Sequence[str]) -> str:
    """SQL condition: the column holds one of some texts.

    Examples:
        >>> one_of("channel", ("web", "app"))
        "channel in ('web', 'app')"
        >>> one_of("channel", ())
        'false'
    """
    return f"{column} in ({', '.join(map(literal, values))})" if values else "false"


def cents(amount: float) -> int:
    """Return an amount of the business' currency in cents.

    Examples:
        >>> cents(0.29)
        29
    """
    return round(amount * CENTS)
