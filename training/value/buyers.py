"""Learn what buyers are worth: BG/NBD with gamma-gamma from all purchases, a hurdle model from past days.

The hurdle needs days whose window is over. The window is half of the history, so that the day's customers have as much
past as they had future, and never longer than the horizon. Until two such days, a month apart, exist it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from holdback.errors import DataError
from holdback.progress import Progress
from holdback.workspace import Workspace
from training.rows import hash_share
from training.snapshot_days import Arrivals
from training.value.backtests import (
    MONTH_DAYS,
    SHORTEST_WINDOW_DAYS,
    Backtest,
    Learned,
    Reach,
    backtest,
    horizon_note,
    judged_days,
    reach_of,
)
from training.value.btyd import Purchases, fit_bgnbd, fit_gamma_gamma
from training.value.described import described_on
from training.value.figures import factor_rule
from training.value.histories import Histories, purchase_histories, spent_in_window
from training.value.hurdle import Hurdle, fit_hurdle
from training.value.model import Buying, ValueModel

Floats = npt.NDArray[np.float64]

FEWEST_DAYS, MOST_DAYS = 2, 3
"""Past days that a hurdle learns from."""
MOST_CUSTOMERS = 20_000
"""Customers of a past day that are learned from or judged on; above, a share chosen by the hash of their key."""


def learn_from_purchases(workspace: Workspace, feed: str, as_of: date, *, threads: int, progress: Progress) -> Learned:
    """Fit the model of a day and its backtests.

    Args:
        workspace: The business.
        feed: The feed of purchases.
        as_of: The day of knowledge.
        threads: CPU threads.
        progress: Told about each fit.

    Raises:
        DataError: nobody bought, or neither model can be fitted.
    """
    school = _School(workspace, feed, as_of, threads)
    days = school.backtest_days
    progress(f"values as of {as_of}", 0, len(days) + 1)
    buying, learned_on, row_count, notes = school.fitted(as_of)
    parts = {"btyd": buying.bgnbd, "hurdle": buying.hurdle}
    method = "+".join(name for name, part in parts.items() if part is not None)
    tests: list[Backtest] = []
    for number, day in enumerate(reversed(days), start=1):
        progress(f"values as on {day}", number, len(days) + 1)
        found = school.judged(day, method)
        tests += [found] if found is not None else []
    factors = [test.factor for test in tests]
    others = sorted({test.method for test in tests} - {method})
    if others:
        notes = (*notes, f"some forecasts that have matured were made by {', '.join(others)}, not by {method}")
    # What another method missed again and again says nothing about how to correct this one.
    factor = factor_rule(factors[-1:] if others else factors)
    return Learned(
        ValueModel("purchases", method, buying=buying, factor=factor.applied),
        feed,
        factor,
        tuple(tests),
        learned_on,
        buying.window_days or (school.reach.last - school.reach.first).days,
        row_count,
        (*notes, *(horizon_note(workspace.business, buying.window_days) if buying.window_days else ())),
    )


class _School:
    """What several fits share: the days, and what was read of each of them."""

    def __init__(self, workspace: Workspace, feed: str, as_of: date, threads: int) -> None:
        self.workspace, self.feed, self.as_of, self.threads = workspace, feed, as_of, threads
        self.warehouse, self.business = workspace.warehouse, workspace.business
        self.arrivals = Arrivals.read(self.warehouse, self.business, feed, as_of)
        self.reach = reach_of(self.arrivals, as_of)
        self._histories: dict[date, Histories] = {}
        self._frames: dict[date, pd.DataFrame] = {}

    @cached_property
    def days(self) -> tuple[date, ...]:
        """Days about a month apart, newest first, that the shortest window after them is over for."""
        earliest = self.reach.first + timedelta(days=self.business.training.min_history_days)
        newest = self.reach.last - timedelta(days=SHORTEST_WINDOW_DAYS)
        return () if newest < earliest else self.arrivals.fresh_days(self.as_of, newest=newest, earliest=earliest)

    @property
    def backtest_days(self) -> tuple[date, ...]:
        """Days to judge on, newest first."""
        return judged_days(self.days, self.reach, self._judged_window)

    @property
    def _judged_window(self) -> int:
        return max(SHORTEST_WINDOW_DAYS, min(self.business.value.horizon_days, self.reach.days // 3))

    def _learned_window(self, reach: Reach) -> int:
        """Window of the hurdle on a day; 0 when the history does not hold two days with one."""
        usable = reach.days - self.business.training.min_history_days - MONTH_DAYS
        window = min(self.business.value.horizon_days, reach.days // 2, usable)
        return window if window >= SHORTEST_WINDOW_DAYS else 0

    def histories(self, day: date) -> Histories:
        """Purchases of everybody, as known on a day."""
        if day not in self._histories:
            found = purchase_histories(self.warehouse, self.business, self.feed, day)
            share = MOST_CUSTOMERS / max(1, len(found))
            if share < 1:
                found = found.where(hash_share(found.customer_ids, salt="value") < share)
            self._histories[day] = found
        return self._histories[day]

    def current(self, day: date) -> Histories:
        """Those who were customers on the day."""
        found = self.histories(day)
        return found.where(found.is_current)

    def frames(self, days: Sequence[date]) -> list[pd.DataFrame]:
        """Features of each day's customers."""
        ids = {day: self.current(day).customer_ids for day in days if day not in self._frames}
        self._frames |= described_on(self.warehouse, self.business, ids)
        return [self._frames[day] for day in days]

    def spent(self, day: date, window_days: int) -> Floats:
        """Revenue of the day's customers in the window after it."""
        ids = self.current(day).customer_ids
        return spent_in_window(
            self.warehouse, self.business, self.feed, day, window_days, known_on=self.as_of, customer_ids=ids
        )

    def fitted(self, on: date) -> tuple[Buying, tuple[date, ...], int, tuple[str, ...]]:
        """Fit what can be fitted as on a day: the parts, the days learned from, their rows, and what must be known."""
        everybody = self.histories(on)
        if not len(everybody):
            raise DataError(
                f"{self.business.slug}: feed {self.feed}: nobody has bought before {on}. A value is learned from "
                "purchases. Ingest them first (`holdback ingest`)."
            )
        bgnbd, gamma_gamma = fit_bgnbd(everybody.purchases), fit_gamma_gamma(everybody.purchases)
        notes = []
        if bgnbd.is_degenerate:
            notes.append(f"BG/NBD is left out: {bgnbd.why}")
        elif gamma_gamma.is_degenerate:
            notes.append(f"the gamma-gamma could not be fitted ({gamma_gamma.why}): each customer's own mean stands")
        hurdle, window, learned_on, row_count, why = self._hurdle(on)
        if why is not None:
            notes.append(f"the hurdle model is left out: {why}")
        if bgnbd.is_degenerate and hurdle is None:
            raise DataError(
                f"{self.business.slug}: feed {self.feed}: no value model can be fitted as of {on}: "
                f"{'; '.join(notes)}. Wait for more purchases; until then the bookkeeping's values stand."
            )
        usable = None if bgnbd.is_degenerate else bgnbd
        buying = Buying(usable, None if usable is None else gamma_gamma, hurdle, window)
        return buying, learned_on or (on,), row_count or len(everybody), tuple(notes)

    def _hurdle(self, on: date) -> tuple[Hurdle | None, int, tuple[date, ...], int, str | None]:
        reach = self.reach.until(on)
        window = self._learned_window(reach)
        days = [day for day in self.days if day + timedelta(days=window) <= reach.last][:MOST_DAYS] if window else []
        if len(days) < FEWEST_DAYS:
            return None, 0, (), 0, (
                f"{reach.days} days of history hold fewer than {FEWEST_DAYS} past days whose window of at least "
                f"{SHORTEST_WINDOW_DAYS} days is over"
            )  # fmt: skip
        learned_on = tuple(sorted(days))
        frame = pd.concat(self.frames(learned_on), ignore_index=True)
        spent = np.concatenate([self.spent(day, window) for day in learned_on])
        try:
            # What went back of earlier purchases is no purchase of the window.
            hurdle = fit_hurdle(frame, np.maximum(spent, 0.0), threads=self.threads)
        except DataError as error:
            return None, 0, (), 0, str(error).removeprefix("hurdle model: ").rstrip(".")
        return hurdle, window, learned_on, len(frame), None

    def judged(self, day: date, wanted: str) -> Backtest | None:
        """The forecast made as on a day against what came; None when there was nothing to forecast with.

        By the ``wanted`` method, where it could be fitted by then; else by the one that would have been used.
        """
        try:
            buying, *_ = self.fitted(day)
        except DataError:
            return None
        current, window = self.current(day), self._judged_window
        frames = self.frames([day]) if buying.hurdle is not None else None
        revenues = buying.revenues(
            current.purchases, frames, horizon_days=window, discount_rate=0.0, threads=self.threads
        )
        method = wanted if wanted in revenues else list(revenues)[-1]
        forecasts: Mapping[str, Any] = {method: revenues[method]}
        if day == self.backtest_days[0]:  # rivals are told of the newest day only: an interval of each has its cost
            forecasts = {**revenues, "spend_rate": spend_rate(current.purchases, window)}
        rate = self.business.value.margin_rate
        actual = self.spent(day, window) * rate
        return backtest(day, window, {name: found * rate for name, found in forecasts.items()}, method, actual)


def spend_rate(purchases: Purchases, window_days: int) -> Floats:
    """Return what each customer would spend if everything went on as it was: the rival that a model must beat."""
    weeks = np.maximum(purchases.age, 1.0)
    return np.asarray((purchases.frequency + 1) * purchases.mean_amount / weeks * (window_days / 7))
