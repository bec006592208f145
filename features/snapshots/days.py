"""The days of a run of snapshots, as instants in microseconds (as ``epoch_us`` counts)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Days:
    """Days of knowledge, oldest first.

    Args:
        days: The days, ascending, each once.
        instant: Start of a day of the business, as naive UTC.
    """

    days: tuple[date, ...]
    instant: Callable[[date], datetime]

    def __len__(self) -> int:
        return len(self.days)

    def begin(self, days_ago: int = 0) -> Integers:
        """Instants at which the days begin that lie a number of days before each, shape (days,)."""
        return np.array([_microseconds(self.instant(day - timedelta(days=days_ago))) for day in self.days], np.int64)

    def first_knowing(self, known_us: npt.NDArray[Any]) -> npt.NDArray[np.int16]:
        """Number of the first day that begins at or after each instant; ``len(self)`` for none."""
        return np.searchsorted(self.begin(), known_us, side="left").astype(np.int16)


def _microseconds(instant: datetime) -> int:
    return (instant.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
