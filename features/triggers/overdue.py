"""Triggers of kind ``overdue``: nothing came although the customer's rhythm, or the calendar, says that it should have.

An event is a day with a purchase; a day on which everything was given back again is none. Days are those of the
calendar: a rhythm knows no change of clocks.

``by: rhythm``: the usual gap is the median of the gaps between one event and the next; who has fewer than
``least_events`` events has no rhythm. The line is ``times`` usual gaps after the last event; it holds from the first
day beyond the line, for less than ``only_open_days`` days.

``by: calendar``: every past event is looked at as an anniversary: so many days before or after today, whichever year it
was in (years of 365.25 days, so that the new year is a day like any other). Events within 60 days of each other's
anniversaries are one season; of the seasons whose date lies in the time that is open, the one with most years counts.
Each earlier year has one date, the median of its events in the season; the usual date is the median of the years'. It
holds when

- at least ``least_events`` earlier years have an event within 60 days of the usual date, last year among them;
- nothing came from 60 days before this year's usual date until now;
- the usual date was more than ``grace_days`` ago, and not ``only_open_days`` beyond that (at most
  :data:`MOST_OPEN_DAYS`: then the next season begins).
"""

from __future__ import annotations

from decimal import Decimal

from features.steps import Step, select
from features.triggers.asking import HELD, Asked, Held
from holdback.business import OverdueTrigger

#: How far from the usual date an event may lie and still be of the season.
SEASON_DAYS = 60

_YEAR = "365.25e0"

#: Whoever has not come by then is of the next season: a year less what belongs to this one, before and after.
MOST_OPEN_DAYS = 365 - 2 * SEASON_DAYS


def overdue(asked: Asked, trigger: OverdueTrigger) -> Held:
    """Return who is overdue; ``size`` is by how many days: beyond the usual gap, or the usual date."""
    steps = [
        Step(
            "_bought",
            "purchases and refunds that were visible",
            asked.rows(
                trigger.feed,
                (f"{asked.days_ago()} as days_ago", "amount_cents"),
                asked.allowed(trigger.feed, trigger.where),
            ),
        ),
        Step(
            "_events",
            "days on which something was bought and kept",
            select(
                ["customer_id", "days_ago"],
                "from _bought\n    group by customer_id, days_ago\n"
                "    having max(amount_cents) >= 0 and (sum(amount_cents) > 0 or min(amount_cents) >= 0)",
            ),
        ),
    ]
    return _rhythm(asked, trigger, steps) if trigger.by == "rhythm" else _calendar(asked, trigger, steps)


def _rhythm(asked: Asked, trigger: OverdueTrigger, steps: list[Step]) -> Held:
    times, per = Decimal(str(trigger.times)).as_integer_ratio()
    gap = "lag(days_ago) over (partition by customer_id order by days_ago desc) - days_ago"
    usual = ["customer_id", "min(days_ago) as since_days", "median(gap_days) as usual_gap_days"]
    beyond = f"since_days * {per} - usual_gap_days * {times}"
    steps += [
        Step(
            "_silent",
            "who has bought nothing for longer than the shortest gap times the line: the others are not overdue",
            select(
                ["customer_id"],
                "from _events\n    group by customer_id\n"
                f"    having count(*) >= {trigger.least_events} and min(days_ago) * {per} > {times}",
            ),
        ),
        Step(
            "_gaps",
            "days from one event to the next; the first has none",
            select(
                ["customer_id", "days_ago", f"{gap} as gap_days"], "from _events semi join _silent using (customer_id)"
            ),
        ),
        Step(
            "_rhythms",
            "how long ago the last event was, and the usual gap",
            select(usual, "from _gaps\n    group by customer_id"),
        ),
        Step(
            HELD,
            "who is beyond the line, and not for too long",
            select(
                ["*", "since_days - usual_gap_days as size"],
                f"from _rhythms\n    where {beyond} > 0 and {beyond} < {trigger.only_open_days * per}",
            ),
        ),
    ]
    detail = {"usual_gap_days": "usual_gap_days", "days_since": "since_days", "last_on": asked.day("since_days")}
    return Held(steps, detail)


def _calendar(asked: Asked, trigger: OverdueTrigger, steps: list[Step]) -> Held:
    opens, shuts = trigger.grace_days, trigger.grace_days + min(trigger.only_open_days, MOST_OPEN_DAYS)
    first = opens - SEASON_DAYS
    year = f"cast(floor((days_ago - {first}) / {_YEAR}) as bigint)"
    near = f"abs(anniversary - center) <= {SEASON_DAYS}"
    steps += [
        Step(
            "_silent",
            "who has not come since the season of the first date that is open",
            select(
                ["customer_id", "min(days_ago) as since_days"],
                f"from _events\n    group by customer_id\n    having min(days_ago) > {opens + SEASON_DAYS}",
            ),
        ),
        Step(
            "_years",
            "events by how many years ago they were",
            select(
                ["customer_id", "since_days", "days_ago", f"{year} as years_ago"],
                "from _events inner join _silent using (customer_id)",
            ),
        ),
        Step(
            "_anniversaries",
            "days since the anniversary of each event of earlier years, around the time that is open",
            select(
                [
                    *("customer_id", "since_days", "years_ago"),
                    f"days_ago - cast(floor(years_ago * {_YEAR} + 0.5e0) as bigint) as anniversary",
                ],
                f"from _years\n    where years_ago >= 1\n"
                f"        and days_ago - years_ago * {_YEAR} <= {shuts + SEASON_DAYS + 1}",
            ),
        ),
        Step(
            "_seasons",
            "in how many years somebody came at this time of the year",
            select(
                ["own.customer_id", "own.years_ago", "own.anniversary", "count(distinct other.years_ago) as years"],
                "from _anniversaries as own\n    inner join _anniversaries as other\n"
                "        on other.customer_id = own.customer_id\n"
                f"        and abs(other.anniversary - own.anniversary) <= {SEASON_DAYS}\n"
                f"    where own.anniversary between {opens} and {shuts}\n"
                "    group by own.customer_id, own.years_ago, own.anniversary",
            ),
        ),
        Step(
            "_centers",
            "the time of the year with most years, of those that are open",
            select(
                ["customer_id", "first(anniversary order by years desc, years_ago, anniversary) as center"],
                "from _seasons\n    group by customer_id",
            ),
        ),
        Step(
            "_dates",
            "one date for each year",
            select(
                ["customer_id", "since_days", "years_ago", "median(anniversary) as anniversary"],
                f"from _anniversaries inner join _centers using (customer_id)\n    where {near}\n"
                "    group by customer_id, since_days, years_ago",
            ),
        ),
        Step(
            "_usual",
            "the usual date: so many days ago",
            select(
                ["customer_id", "cast(floor(median(anniversary) + 0.5e0) as bigint) as usual_days"],
                "from _dates\n    group by customer_id",
            ),
        ),
        Step(
            "_regulars",
            "years that fit the usual date",
            select(
                ["customer_id", "usual_days", "since_days", "count(*) as years", "min(years_ago) as newest_year"],
                f"from _dates inner join _usual using (customer_id)\n"
                f"    where abs(anniversary - usual_days) <= {SEASON_DAYS}\n"
                "    group by customer_id, usual_days, since_days",
            ),
        ),
        Step(
            HELD,
            "regulars who did not come this year",
            select(
                ["*", "cast(usual_days as double) as size"],
                f"from _regulars\n    where years >= {trigger.least_events} and newest_year = 1\n"
                f"        and since_days > usual_days + {SEASON_DAYS}\n"
                f"        and usual_days > {opens} and usual_days < {shuts}",
            ),
        ),
    ]
    return Held(steps, {"usual_on": asked.day("usual_days"), "years": "years", "last_on": asked.day("since_days")})
