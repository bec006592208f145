"""What the action did to those whom a score puts first, second, ..., last: effects of groups, never of one customer.

An interval for one customer's effect would cover the truth 77 times in 100 instead of 95; a fifth of all customers has
an interval that holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from training.estimates import Estimate
from training.uplift.trial import OutOfFold, Trial

Floats = npt.NDArray[np.float64]

GROUP_COUNT: Final = 5
#: Treated, and untreated, rows that a group needs before its effect is shown.
FEWEST_OF_AN_ARM: Final = 50


@dataclass(frozen=True, slots=True)
class Quintile:
    """One fifth of the customers, as the score orders them.

    Attributes:
        rank: 1 = the score would treat them first.
        treated_count: Rows treated; rows that tie over a border count in part.
        untreated_count: Rows not treated.
        predicted: Mean score; an expected effect only if the score is one.
        effect: Measured mean effect in units of ``good`` with its interval; None when the group is too small.
    """

    rank: int
    treated_count: float
    untreated_count: float
    predicted: float
    effect: Estimate | None


@dataclass(frozen=True, slots=True)
class Quintiles:
    """Effects by fifths of a score.

    Attributes:
        competitor: Whose score.
        groups: Five groups, who would be treated first comes first.
        first_minus_last: Effect of the first group less the last's; None when one of them is too small.
        sentence: In words.
    """

    competitor: str
    groups: tuple[Quintile, ...]
    first_minus_last: Estimate | None
    sentence: str

    @property
    def is_monotonic(self) -> bool | None:
        """True when no group's measured effect is above that of a group before it; None when a group is too small."""
        effects = [group.effect.estimate for group in self.groups if group.effect is not None]
        return None if len(effects) < GROUP_COUNT else all(a >= b for a, b in pairwise(effects))


def quintiles_of(trial: Trial, out_of_fold: OutOfFold, competitor: str, *, level: float = 0.95) -> Quintiles:
    """Return the measured effect of each fifth of the customers, ranked within their folds by a competitor's score.

    A group's effect is the mean of its AIPW scores, its error by customer. Rows with equal scores belong to the groups
    they span in equal parts, so the order of the rows says nothing and a constant score shows the average five times.

    Args:
        trial: Whose outcomes; n rows.
        out_of_fold: Scores and AIPW gains of the same rows.
        competitor: Whose score.
        level: Coverage of the intervals.

    Raises:
        KeyError: no competitor of that name.
    """
    score, gains = out_of_fold.scores[competitor], out_of_fold.gains
    unit = np.unique(trial.customer_ids, return_inverse=True)[1]
    z = float(stats.norm.isf((1 - level) / 2))
    member = membership(score, out_of_fold.fold)
    treated = trial.treated.astype(np.float64) @ member
    size = member.sum(axis=0)
    mean = np.divide(gains @ member, size, out=np.zeros(GROUP_COUNT), where=size > 0)
    influence = member * (gains[:, None] - mean) / np.maximum(size, 1e-12)
    influence = np.column_stack([np.bincount(unit, weights=column) for column in influence.T])
    count = len(influence)

    def interval(estimate: float, owed: Floats, rows: float) -> Estimate:
        half = z * float(np.sqrt((owed**2).sum() * count / max(count - 1, 1)))
        return Estimate(estimate, estimate - half, estimate + half, round(rows), "AIPW mean, errors by customer")

    groups = tuple(
        Quintile(
            k + 1, float(treated[k]), float(size[k] - treated[k]), float(score @ member[:, k] / max(size[k], 1e-12)),
            interval(float(mean[k]), influence[:, k], float(size[k]))
            if min(treated[k], size[k] - treated[k]) >= FEWEST_OF_AN_ARM else None,
        )
        for k in range(GROUP_COUNT)
    )  # fmt: skip
    difference = None
    if groups[0].effect is not None and groups[-1].effect is not None:
        owed = influence[:, 0] - influence[:, -1]
        apart = float(mean[0] - mean[-1])
        if np.allclose(member[:, 0], member[:, -1]):  # everybody ties: the same group, but for rounding
            owed, apart = np.zeros(count), 0.0
        difference = interval(apart, owed, float(size[0] + size[-1]))
    return Quintiles(competitor, groups, difference, _sentence(competitor, groups, difference))


def membership(score: Floats, fold: npt.NDArray[np.intp]) -> Floats:
    """Return how much of each row belongs to each fifth, best first: shape (n, 5), rows sum to 1.

    Ranked within the fold. A block of equal scores is spread evenly over the places that it takes.
    """
    member = np.zeros((len(score), GROUP_COUNT))
    borders = np.arange(GROUP_COUNT + 1) / GROUP_COUNT
    for each in np.unique(fold).tolist():
        rows = np.flatnonzero(fold == each)
        _, place, tied = np.unique(-score[rows], return_inverse=True, return_counts=True)
        end = np.cumsum(tied)
        low, high = (end - tied)[:, None] / len(rows), end[:, None] / len(rows)
        overlap = np.clip(np.minimum(high, borders[1:]) - np.maximum(low, borders[:-1]), 0.0, None)
        member[rows] = (overlap / (high - low))[place]
    return member


def _sentence(competitor: str, groups: tuple[Quintile, ...], difference: Estimate | None) -> str:
    small = sum(group.effect is None for group in groups)
    if difference is None:
        return (
            f"{small} of {GROUP_COUNT} groups have fewer than {FEWEST_OF_AN_ARM} treated or untreated rows: their "
            "effects are not shown."
        )
    seen = f"{difference.estimate:.3g} ({difference.low:.3g} to {difference.high:.3g})"
    if difference.low > 0:
        return f"Those whom {competitor} puts first gain more than those it puts last, by {seen}."
    if difference.high < 0:
        return f"{competitor} is upside down: those it puts last gain more (first minus last {seen})."
    return f"The first and the last fifth of {competitor} cannot be told apart: {seen}."
