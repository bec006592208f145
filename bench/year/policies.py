"""The policies that the platform is compared with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.year.arms import CAMPAIGN, Arm
from bench.year.oracle import HORIZON_DAYS, know
from bench.year.plan import Floats, Integers, value_amounts
from bench.year.watching import Watched
from campaigns.allocation import NONE, allocate
from campaigns.holdout import draw
from training.encoding import Encoding, learn_encoding
from training.uplift.learners import Recipe, boost, pool_of

_MOST_ROWS = 30_000


class Nobody:
    """Leaves everybody alone."""

    def choose(self, arm: Arm, week: int, who: Integers) -> Integers:  # noqa: ARG002
        """Choose nobody."""
        return who[:0]


class Everybody:
    """Contacts all who are looked at, whatever it costs: the only policy without a capacity."""

    def choose(self, arm: Arm, week: int, who: Integers) -> Integers:  # noqa: ARG002
        """Choose all."""
        return who


class Lottery:
    """Contacts at random, as many as can be."""

    def choose(self, arm: Arm, week: int, who: Integers) -> Integers:
        """Draw by keyed hash."""
        return highest(draw(arm.ids(who), salt=f"{CAMPAIGN}/lottery/{week}"), who, arm.capacity(who))


class Oracle:
    """Knows each customer's true effect, value and cost, and contacts where it pays, the best first."""

    def choose(self, arm: Arm, week: int, who: Integers) -> Integers:
        """Choose by the truth."""
        true = know(arm.company, who)
        kept, cost = true.kept[arm.plan.action], true.cost_amounts[arm.plan.action]
        return best(arm, week, who, kept * value_amounts(arm.prices[who]), cost)


@dataclass
class Forecast:
    """Who will leave: a boosted model of the files' features, from customers whose outcome is known."""

    entries: list[tuple[int, Integers, pd.DataFrame]] = field(default_factory=list)
    model: tuple[Encoding, Any] | None = None

    def remember(self, watched: Watched, who: Integers) -> pd.DataFrame:
        """Keep the features of some customers as of today, to learn from what becomes of them."""
        frame = watched.frame(who)
        self.entries.append((watched.day + 1, who, frame))
        return frame

    def learn(self, watched: Watched) -> None:
        """Fit the latest customers whose outcome is known."""
        known = [entry for entry in self.entries if entry[0] + HORIZON_DAYS <= watched.day + 1]
        frame = pd.concat([frame for _, _, frame in known], ignore_index=True).tail(_MOST_ROWS)
        left = np.concatenate([watched.left_within(who, since, HORIZON_DAYS) for since, who, _ in known])
        target, (encoding, _), recipe = left[-_MOST_ROWS:].astype(np.float64), learn_encoding(frame), Recipe()
        pool = pool_of(encoding.apply(frame), target, encoding, recipe, threads=1, is_binary=True)
        self.model = encoding, boost(pool, np.arange(len(frame)), recipe, seed=0, threads=1, is_binary=True)

    def risk(self, frame: pd.DataFrame) -> Floats:
        """Return the probability of leaving, shape (n,)."""
        assert self.model is not None
        encoding, booster = self.model
        raw = booster.predict(encoding.apply(frame), prediction_type="RawFormulaVal", thread_count=1)
        return np.asarray(1.0 / (1.0 + np.exp(-raw)))


@dataclass
class ByRisk:
    """Contacts those who will most probably leave, by a forecast that is learned anew each month.

    It has the same files, features and capacity as the platform, and learns from the history before the first decision.
    """

    forecast: Forecast = field(default_factory=Forecast)

    def choose(self, arm: Arm, week: int, who: Integers) -> Integers:
        """Rank by the probability of leaving."""
        assert arm.watched is not None
        if week == 0 or week in arm.plan.learning_weeks:
            self.forecast.learn(arm.watched)
        return highest(self.forecast.risk(self.forecast.remember(arm.watched, who)), who, arm.capacity(who))


def highest(score: Floats, who: Integers, count: int) -> Integers:
    """Return the customers with the highest scores, in the order given."""
    return who[np.sort(np.argsort(-score, kind="stable")[:count])]


def best(arm: Arm, week: int, who: Integers, gross_amounts: Floats, cost_amounts: Floats) -> Integers:
    """Return whom the allocation chooses under the capacity: gains above their cost, the largest first."""
    return who[chosen(arm, week, who, gross_amounts, cost_amounts, arm.capacity(who))]


def chosen(
    arm: Arm, week: int, who: Integers, gross_amounts: Floats, cost_amounts: Floats, capacity: int
) -> npt.NDArray[np.bool_]:
    """Return who is chosen by the platform's own allocation, shape (n,)."""
    if not len(who):
        return np.zeros(0, np.bool_)
    gains = 100.0 * (gross_amounts - cost_amounts)
    found = allocate(
        gains[:, None],
        np.rint(100.0 * cost_amounts)[:, None],
        keys=arm.ids(who).to_pylist(),
        capacities=[capacity],
        salt=f"{CAMPAIGN}/{week}",
    )
    return np.asarray(found.choice != NONE)
