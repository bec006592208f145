"""Arithmetic on days that the standard library leaves out."""

from __future__ import annotations

import calendar
from datetime import date


def months_before(day: date, months: int) -> date:
    """Return the same day of the month ``months`` earlier (the month's last day when it has no such day).

    Examples:
        >>> months_before(date(2011, 3, 31), 1)
        datetime.date(2011, 2, 28)
    """
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
