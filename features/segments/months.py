"""Calendar months of a company, each with the instant at which it starts."""

from __future__ import annotations

from datetime import date
from typing import Final

import pyarrow as pa

from holdback.business import Business

_FIRST_YEAR: Final = 1900


def month_frame(business: Business, until: date) -> pa.Table:
    """Return ``month`` (2026-03), ``number`` (months since year 0) and ``starts_at``, up to the year of ``until``."""
    days = [date(year, month, 1) for year in range(_FIRST_YEAR, until.year + 1) for month in range(1, 13)]
    return pa.table(
        {
            "month": pa.array([f"{day:%Y-%m}" for day in days], pa.string()),
            "number": pa.array([month_number(day) for day in days], pa.int64()),
            "starts_at": pa.array([business.instant(day) for day in days], pa.timestamp("us")),
        }
    )


def month_number(day: date) -> int:
    """Return a day's month, counted from year 0.

    Examples:
        >>> month_number(date(2026, 3, 14)) - month_number(date(2025, 12, 31))
        3
    """
    return day.year * 12 + day.month - 1
