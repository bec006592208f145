"""The rhythm of a customer: the usual gap between two days with a purchase, and how long a silence is still usual."""

from __future__ import annotations

from decimal import Decimal

from features.clocks import local_day
from features.steps import Step, select
from holdback.business import RhythmChurn

#: Where :func:`rhythm_steps` end.
RHYTHMS = "_rhythms"


def days_before(day: str, time_zone: str) -> str:
    """SQL of how many days before a day an event's day lies; 1 is the day before.

    Days are those of the calendar: 24 hours would make one more of a midnight in summer that is seen from winter.

    Args:
        day: SQL of the day.
        time_zone: Whose days.
    """
    return f"date_diff('day', {local_day('event_at', time_zone)}, {day})"


def rhythm_steps(churn: RhythmChurn, days: str, *, key: str, most_days: int) -> list[Step]:
    """Return the steps that end in :data:`RHYTHMS`: ``key, silent_days, window_days``; who has no rhythm is absent.

    Args:
        churn: The churn definition; its ``times`` gaps, at least ``least_days`` of them, are the window.
        days: SELECT of each purchase as ``key, days_ago`` (:func:`days_before` of the day that is asked about).
        key: Who is meant: a customer, or a customer's entry.
        most_days: Nobody's window is longer.
    """
    times, per = Decimal(str(churn.times)).as_integer_ratio()
    gap = f"lag(days_ago) over (partition by {key} order by days_ago desc) - days_ago"
    # The two middle gaps (of an odd number, the same one twice): their sum is twice the median, a whole number.
    middle = " + ".join(f"min(gap_days) filter (where 2 * gap_rank {at} gap_count)" for at in (">=", ">"))
    usual = f"(({middle}) * {times} + {per}) // {2 * per}"
    return [
        Step("_purchase_days", "two purchases on one day are one", f"select distinct {key}, days_ago from ({days})"),
        Step(
            "_purchase_gaps",
            "days from one day with a purchase to the next",
            select([key, "days_ago", f"{gap} as gap_days"], "from _purchase_days"),
        ),
        Step(
            "_ranked_gaps",
            "from the shortest (1) to the longest; the first purchase has none",
            select(
                [
                    *(key, "days_ago", "gap_days"),
                    f"row_number() over (partition by {key} order by gap_days nulls last) as gap_rank",
                    f"count(gap_days) over (partition by {key}) as gap_count",
                ],
                "from _purchase_gaps",
            ),
        ),
        Step(
            RHYTHMS,
            "how long ago the last purchase was, and how long a silence is still usual",
            select(
                [
                    key,
                    "min(days_ago) as silent_days",
                    f"least(greatest({usual}, {churn.least_days}), {most_days}) as window_days",
                ],
                f"from _ranked_gaps\n    group by {key}\n    having count(*) >= {churn.least_purchases}",
            ),
        ),
    ]
