"""Days that are missing in a row of days, going by its own rhythm: daily, weekly, monthly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from statistics import median_low

_FEWEST = 3
"""Days from which a rhythm can be told."""
_TOO_LONG = 1.5
"""A gap of more than so many usual steps leaves out a day."""


def usual_step(days: Sequence[date]) -> int | None:
    """Return how many days usually lie between one day and the next; None for fewer than three days.

    Examples:
        >>> usual_step([date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 6)])
        1
    """
    ordered = sorted(set(days))
    if len(ordered) < _FEWEST:
        return None
    return median_low([(later - earlier).days for earlier, later in pairwise(ordered)])


def missing_days(days: Sequence[date], *, before: date | None = None) -> tuple[date, ...]:
    """Return the days that the rhythm of the others asks for and that are not there, oldest first.

    Args:
        days: Those that are there, in any order.
        before: Also those after the last one are asked for, up to the day before this one.

    Examples:
        >>> [day.day for day in missing_days([date(2026, 3, d) for d in (1, 2, 3, 6)])]
        [4, 5]
        >>> missing_days([date(2026, 3, d) for d in (1, 8, 15, 22)])
        ()
    """
    step = usual_step(days)
    if step is None:
        return ()
    ordered = sorted(set(days))
    stretches = list(pairwise(ordered))
    if before is not None and before > ordered[-1]:
        stretches.append((ordered[-1], before))
    return tuple(
        found
        for earlier, later in stretches
        if (later - earlier).days > _TOO_LONG * step
        for found in _between(earlier, later, step)
    )


def with_missing_days(days: Sequence[date]) -> tuple[date, ...]:
    """Return the days and those missing among them, oldest first: a line over them has a gap where one is missing."""
    return tuple(sorted({*days, *missing_days(days)}))


def _between(earlier: date, later: date, step: int) -> list[date]:
    """Return the days one step apart that lie between two days, and not right before the later one."""
    found = []
    day = earlier + timedelta(days=step)
    while day < later and (later - day).days * 2 >= step:
        found.append(day)
        day += timedelta(days=step)
    return found
