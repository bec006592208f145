"""Learn how long contracts last, and so what their holders are worth.

The past days that are learned from lie months apart between the first contract end on record and a month before the
data's end: old ones show many months ahead, new ones show customers as they are today.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from holdback.errors import DataError, NotKnowableYet
from holdback.progress import Progress
from holdback.workspace import Workspace
from training.rows import hash_share
from training.snapshot_days import Arrivals
from training.value.backtests import (
    MONTH_DAYS,
    Backtest,
    Learned,
    Reach,
    backtest,
    horizon_note,
    judged_days,
    reach_of,
)
from training.value.contracts import Holders, contract_holders, first_ending, left_in, paid_in_months
from training.value.described import days_columns, described_on
from training.value.figures import factor_rule
from training.value.hazard import (
    DAYS_PER_MONTH,
    HazardModel,
    Landmark,
    constant_hazards,
    discounted_survival,
    fit_hazard,
)
from training.value.model import ValueModel, horizon_months

Floats = npt.NDArray[np.float64]

MOST_LANDMARKS = 4
MOST_CUSTOMERS = 10_000
"""Customers of a landmark; above, a share chosen by the hash of their key, leavers and stayers alike."""


def learn_from_contracts(workspace: Workspace, feed: str, as_of: date, *, threads: int, progress: Progress) -> Learned:
    """Fit the model of a day and its backtests.

    Args:
        workspace: The business.
        feed: The feed of contracts.
        as_of: The day of knowledge.
        threads: CPU threads.
        progress: Told about each fit.

    Raises:
        NotKnowableYet: no month after a day that can be learned from is over yet.
        DataError: too few customers were seen to leave, or no open contract has a price.
    """
    school = _School(workspace, feed, as_of, threads)
    progress("values as on a day of the past", 0, 2)
    test = None if school.judge_on is None else school.judged(school.judge_on)
    progress(f"values as of {as_of}", 1, 2)
    hazard = school.fitted(school.reach)
    seen = round(hazard.last_lead * DAYS_PER_MONTH)
    return Learned(
        ValueModel("contracts", "hazard", lasting=hazard),
        feed,
        factor_rule([] if test is None else [test.factor]),
        () if test is None else (test,),
        tuple(sorted(school.learn_on)),
        seen,
        sum(landmark.row_count for landmark in school.landmarks(school.reach)),
        horizon_note(workspace.business, seen),
    )


class _School:
    """What several fits share: the days, and what was read of each of them."""

    def __init__(self, workspace: Workspace, feed: str, as_of: date, threads: int) -> None:
        self.workspace, self.feed, self.as_of, self.threads = workspace, feed, as_of, threads
        self.warehouse, self.business = workspace.warehouse, workspace.business
        arrivals = Arrivals.read(self.warehouse, self.business, feed, as_of)
        first = first_ending(self.warehouse, self.business, feed, as_of)
        self.reach = replace(reach_of(arrivals, as_of), first=first or as_of)
        earliest = self.reach.first + timedelta(days=self.business.training.min_history_days)
        newest = self.reach.last - timedelta(days=MONTH_DAYS)
        if first is None or newest < earliest:
            began = "no contract has ended on record" if first is None else f"the first contract ended on {first}"
            ready = earliest + timedelta(days=MONTH_DAYS + 1)
            raise NotKnowableYet(
                f"{self.business.slug}: feed {feed}: {began}, so that on {as_of} nothing is known about how long "
                f"contracts last. A day to learn from needs {self.business.training.min_history_days} days of history "
                f"and a month after it. Come back on {ready} or later. Nothing was trained."
            )
        days = arrivals.fresh_days(as_of, newest=newest, earliest=earliest)
        self.window_months = max(2, round(_months(days[-1], self.reach) / 3))
        judged = judged_days(days, self.reach, int(np.ceil(self.window_months * DAYS_PER_MONTH)))
        # A model of that day needs a past day of which a month was over by then.
        can_judge = bool(judged) and _months(days[-1], self.reach.until(judged[0])) > 0
        self.judge_on = judged[0] if can_judge else None
        most = min(MOST_LANDMARKS, max(2, self.business.training.snapshots))
        self.learn_on = tuple(sorted({*spread(days, most), *([judged[0]] if can_judge else [])}))
        holders = {day: self._holders(day) for day in self.learn_on}
        frames = described_on(
            self.warehouse, self.business, {day: found.customer_ids for day, found in holders.items()}
        )
        self._landmarks = {day: self._landmark(day, holders[day], frames[day]) for day in self.learn_on}

    def _holders(self, day: date) -> Holders:
        found = contract_holders(self.warehouse, self.business, self.feed, day)
        share = MOST_CUSTOMERS / max(1, len(found))
        kept = hash_share(found.customer_ids, salt=f"value/{day}") < share if share < 1 else np.ones(len(found), bool)
        return Holders(day, found.customer_ids[kept], found.monthly_amounts[kept])

    def _landmark(self, day: date, holders: Holders, frame: pd.DataFrame) -> tuple[Landmark, Floats]:
        """The day as a landmark, and what each of its customers pays a month."""
        months = _months(day, self.reach)
        left = left_in(
            self.warehouse, self.business, self.feed, day, months,
            known_on=self.as_of, customer_ids=holders.customer_ids,
        )  # fmt: skip
        return Landmark(day, frame, holders.customer_ids, left, months), holders.monthly_amounts

    def landmarks(self, reach: Reach) -> list[Landmark]:
        """What could be learned from when the data reached no further: later ends were not known."""
        return [
            landmark.seen_for(_months(day, reach))
            for day, (landmark, _) in self._landmarks.items()
            if _months(day, reach) > 0
        ]

    def fitted(self, reach: Reach) -> HazardModel:
        """Fit the hazard on what lay within a reach."""
        age, commitment = days_columns(self.business, self.feed)
        return fit_hazard(self.landmarks(reach), threads=self.threads, age_column=age, commitment_column=commitment)

    def judged(self, day: date) -> Backtest | None:
        """The forecast made as on a day against what came; None when there was nothing to forecast with."""
        landmark, amounts = self._landmarks[day]
        is_known = ~np.isnan(amounts)
        try:
            hazard = self.fitted(self.reach.until(day))
        except DataError:
            return None
        value = self.business.value
        rate, months = value.margin_rate, min(self.window_months, math.ceil(horizon_months(value.horizon_days)))
        hazards = hazard.hazards(landmark.frame.loc[is_known], months, threads=self.threads)
        paid = paid_in_months(
            self.warehouse, self.business, self.feed, day, months,
            known_on=self.as_of, customer_ids=landmark.customer_ids[is_known],
        )  # fmt: skip
        by_method = {"hazard": hazards, "constant_hazard": constant_hazards(hazards[:, 0], months)}
        forecasts = {
            name: discounted_survival(found, discount_rate=0.0).sum(axis=1) * amounts[is_known] * rate
            for name, found in by_method.items()
        }
        return backtest(day, round(months * DAYS_PER_MONTH), forecasts, "hazard", paid * rate)


def spread(days: Sequence[date], most: int) -> tuple[date, ...]:
    """Choose days evenly, the first and the last among them.

    Examples:
        >>> spread([date(2025, 5, 1), date(2025, 4, 1), date(2025, 3, 1)], 2)
        (datetime.date(2025, 5, 1), datetime.date(2025, 3, 1))
    """
    if len(days) <= most:
        return tuple(days)
    return tuple(days[round(position)] for position in np.linspace(0, len(days) - 1, most))


def _months(day: date, reach: Reach) -> int:
    """Whole months from the start of a day to the start of the last one that the data reach."""
    return max(0, int((reach.last - day).days // DAYS_PER_MONTH))
