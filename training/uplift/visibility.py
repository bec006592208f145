"""Could a trial show a good ranking at all? Asked before anybody's ranking is looked at.

Where the answer is no, a ranking that seems to win has won by luck: what is too small to be seen can only be "seen"
when noise makes it several times as large.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from training.uplift.diagnosis import within_folds
from training.uplift.gain import WINSORISED_AT, margins
from training.uplift.trial import OutOfFold, Trial

Floats = npt.NDArray[np.float64]

#: Chance with which a good list must be told from a lottery before a trial counts as able to show it.
POWER: Final = 0.8
#: Effects that vary by this share of their average count as a good reason for a ranking.
VARIATION: Final = 0.5


@dataclass(frozen=True, slots=True)
class Visibility:
    """What a good ranking would be worth here, and what this trial could see.

    Attributes:
        worth: Gain per customer over a lottery of the same size, in currency units, if effects differed between
            customers as much as their untreated outcome is foreseen to (as if everybody were kept who leaves for
            reasons that are known), or by half of the average effect, whichever is more.
        visible: Smallest gain over a lottery that has a chance of ``POWER`` to be told from zero, with intervals that
            hold for all competitors at once.
    """

    worth: float
    visible: float

    @property
    def is_blind(self) -> bool:
        """True when even that ranking would probably not be seen."""
        return self.worth < self.visible


def visibility_of(
    trial: Trial, out_of_fold: OutOfFold, *, capacity_share: float, competitor_count: int, level: float = 0.95
) -> Visibility:
    """Return what a good ranking would be worth, and what can be seen; neither looks at anybody's ranking.

    The spread of the untreated outcome counts as far as its forecast comes true among who was not treated: a forecast
    may vary by noise alone. What can be seen follows from the noise of the margins, ``sqrt(c (1 - c) sum m^2) / n`` for
    a list of the share c.

    Args:
        trial: Whose outcomes; n rows.
        out_of_fold: AIPW gains and expected untreated outcomes of the same rows.
        capacity_share: Share of the population that can be treated, in (0, 1].
        competitor_count: How many lists are told from a lottery at once.
        level: Coverage of their intervals.
    """
    n, c = len(trial), capacity_share
    value = np.minimum(trial.value_amounts, np.quantile(trial.value_amounts, WINSORISED_AT))
    expected = within_folds(out_of_fold.untreated, out_of_fold.fold)
    weight = ~trial.treated / (1 - trial.propensity)
    square = float((weight * expected) @ expected)
    came_true = float((weight * expected) @ within_folds(trial.good, out_of_fold.fold)) / square if square > 0 else 0.0
    amount = np.sort(min(max(came_true, 0.0), 1.0) * expected * value)
    amount -= amount.mean()
    count = min(n, max(1, round(c * n)))
    foreseen = max(float(amount[n - count :].sum()), -float(amount[:count].sum())) / n
    height = float(stats.norm.pdf(stats.norm.isf(c))) if c < 1 else 0.0  # mean of the top c of a normal, times c
    varied = height * VARIATION * abs(float((value * out_of_fold.gains).mean()))
    critical = float(stats.norm.isf((1 - level ** (1 / max(competitor_count, 1))) / 2))
    margin = margins(trial, out_of_fold.gains)
    error = float(np.sqrt(c * (1 - c) * (margin @ margin))) / n
    return Visibility(max(foreseen, varied), (critical + float(stats.norm.ppf(POWER))) * error)
