"""A forecast made as on a day of the past, against what came since: the only ground to believe a value.

The model of such a day is learned anew with the same recipe from what lay before it. What is compared is money:
predicted margin of a window that is over, undiscounted, against the margin that it brought.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from holdback.business import Business
from holdback.errors import DataError
from training.snapshot_days import Arrivals
from training.value.figures import Factor, ValueFigures, judge
from training.value.model import ValueModel

Floats = npt.NDArray[np.float64]

SHORTEST_WINDOW_DAYS = 60
MOST_BACKTESTS = 3
MONTH_DAYS = 31


@dataclass(frozen=True)
class Backtest:
    """One forecast that has matured.

    Attributes:
        on: The day it was made as on.
        window_days: The time it was about.
        method: How the forecast was made that counts.
        factor: Its predicted total / actual total; infinite when nothing came.
        figures: Of each forecast, ``method`` and its rivals; empty when what came cannot be ranked.
        customer_count: Customers judged.
    """

    on: date
    window_days: int
    method: str
    factor: float
    figures: Mapping[str, ValueFigures]
    customer_count: int


@dataclass(frozen=True, eq=False)
class Learned:
    """A fitted model, before anybody decided about it.

    Attributes:
        model: The model.
        feed: The feed it learned from.
        factor: What the matured forecasts say about the next one.
        backtests: Forecasts that have matured, oldest first; empty when the history is too short.
        learned_on: Days of the past it learned from, oldest first.
        window_days: Time after those days that it saw, at most.
        row_count: Rows it learned from.
        notes: What a reader must know.
    """

    model: ValueModel
    feed: str
    factor: Factor
    backtests: tuple[Backtest, ...]
    learned_on: tuple[date, ...]
    window_days: int
    row_count: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Reach:
    """The days between which a feed says what happened.

    Attributes:
        first: First day that can be learned from at all.
        last: The data reach the start of this day.
    """

    first: date
    last: date

    @property
    def days(self) -> int:
        """Days of history."""
        return (self.last - self.first).days

    def until(self, day: date) -> Reach:
        """The same as seen on an earlier day."""
        return Reach(self.first, min(self.last, day))


def reach_of(arrivals: Arrivals, as_of: date) -> Reach:
    """Return the history of a feed as seen on a day: until the newest day with an event, which proves it."""
    return Reach(arrivals.first, min(as_of, arrivals.last))


def judged_days(days: Sequence[date], reach: Reach, window_days: int) -> tuple[date, ...]:
    """Return the newest days whose window is over, newest first.

    Args:
        days: Days about a month apart, newest first.
        reach: How far the data reach.
        window_days: Length of the window.

    Examples:
        >>> judged_days([date(2025, 6, 1), date(2025, 5, 1)], Reach(date(2025, 1, 1), date(2025, 7, 1)), 60)
        (datetime.date(2025, 5, 1),)
    """
    over = [day for day in days if day + timedelta(days=window_days) <= reach.last]
    return tuple(over[:MOST_BACKTESTS])


def backtest(
    on: date, window_days: int, forecasts: Mapping[str, Floats], method: str, actual: Floats, *, seed: int = 0
) -> Backtest:
    """Judge the forecasts of one day.

    Args:
        on: The day.
        window_days: What they are about.
        forecasts: Predicted margin of each customer by method, in currency units, shape (n,) each.
        method: The one that counts.
        actual: What came, in currency units, shape (n,).
        seed: Of the bootstrap.
    """
    total = float(actual.sum())
    factor = max(0.0, float(forecasts[method].sum())) / total if total > 0 else math.inf
    try:
        figures = {name: judge(forecast, actual, seed=seed) for name, forecast in forecasts.items()}
    except DataError:  # nobody spent anything, or all the same: there is no order to find
        figures = {}
    return Backtest(on, window_days, method, factor, figures, int(actual.size))


def horizon_note(business: Business, seen_days: int) -> tuple[str, ...]:
    """Say that the horizon is longer than anything that was seen, where it is."""
    horizon = business.value.horizon_days
    if seen_days >= horizon:
        return ()
    return (
        f"the horizon of {horizon} days is longer than the {seen_days} days that were seen after a day of the past: "
        "the rest is carried on, and no figure here tests it",
    )
