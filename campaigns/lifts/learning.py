"""From an assumption and measurements to one lift: nobody is believed more than his evidence allows.

Measurements of the same action and the assumption are united as campaigns that differ in truth as well as by chance
(:mod:`campaigns.pooling`).

How sure an assumption is taken to be, as a standard deviation: *half of its value, at least five points*. So a 20 %
is believed to lie between nothing and twice as much, 19 times out of 20. Not less, because who writes an assumption
has seen campaigns that were told about because they went well, and those overstate 1.6 times (statistics.md 3i): the
truth is then three quarters of such a standard deviation away. Not more, because a single small campaign, which is
easily 10 points off, would be believed to the letter. An action without an assumption is measured against 0 with ten
points: nothing is known of it, and most actions keep few.

A prior that the measurements contradict gives way: where they lie farther from it than both uncertainties explain,
its variance is widened by what is missing, ``max(sd^2, (y - m)^2 - v)``, the value that makes the contradiction most
likely (type-II maximum likelihood; Morris 1983). Then a figure that rests on much data stays as it was measured.

How much campaigns with the same action differ in truth is believed to be about five points (half-normal), a third of a
common save rate of 15 %: other offers, other months. It keeps the interval of one large campaign from promising what
the next will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import sqrt
from typing import Final

import numpy as np
from scipy.special import ndtri

from campaigns.lifts.lift import LEVEL
from campaigns.pooling import Floats, pooled

PRIOR_SD_SHARE: Final = 0.5
LEAST_PRIOR_SD: Final = 0.05
BETWEEN_SD: Final = 0.05
UNASSUMED_PRIOR_SD: Final = 0.10


@dataclass(frozen=True, slots=True)
class Measurement:
    """The official reading of one campaign about one action.

    Attributes:
        action: Name of the action.
        campaign: The campaign's name and version, such as ``spring/1``.
        measured_on: Day of the reading.
        estimate: Save rate found.
        low: Lower end of its interval, below ``high``.
        high: Upper end.
        level: Coverage that the interval promises, in (0, 1).
    """

    action: str
    campaign: str
    measured_on: date
    estimate: float
    low: float
    high: float
    level: float

    @property
    def variance(self) -> float:
        """Variance by chance: of the normal distribution whose interval of this level is as wide."""
        deviations = 2 * float(ndtri((1 + self.level) / 2))
        return ((self.high - self.low) / deviations) ** 2


@dataclass(frozen=True, slots=True)
class Learned:
    """What an action is believed to save once it has been measured.

    Attributes:
        save_rate: In [-1, 1].
        low: Lower end of the 95 % interval of what another campaign with it would save.
        high: Upper end.
        measured: Precision-weighted mean of the measurements alone, before it was drawn towards the prior.
        prior_share: Weight of the prior in ``save_rate``.
    """

    save_rate: float
    low: float
    high: float
    measured: float
    prior_share: float


def learn(assumed: float | None, measurements: Sequence[Measurement]) -> Learned:
    """Unite an assumption and at least one measurement.

    Args:
        assumed: Save rate of the business file; None when it has none.
        measurements: Official readings about one action.

    Examples:
        >>> once = Measurement("call", "spring/1", date(2026, 10, 1), 0.30, 0.104, 0.496, 0.95)
        >>> round(learn(0.20, [once]).save_rate, 3)  # both alone have a standard deviation of 0.10
        0.245
    """
    estimates, variances = [m.estimate for m in measurements], [m.variance for m in measurements]
    precision = sum(1.0 / variance for variance in variances)
    measured = sum(y / v for y, v in zip(estimates, variances, strict=True)) / precision
    prior = 0.0 if assumed is None else assumed
    found = pooled(
        estimates,
        variances,
        prior_mean=prior,
        prior_variance=max(prior_sd(assumed) ** 2, (measured - prior) ** 2 - 1.0 / precision),
        between=_half_normal,
        between_most=6 * BETWEEN_SD,
    )
    half = float(ndtri((1 + LEVEL) / 2)) * sqrt(found.variance + found.between_variance)
    ends = _possible(found.mean - half), _possible(found.mean + half)
    return Learned(_possible(found.mean), *ends, measured, found.prior_share)


def prior_sd(assumed: float | None) -> float:
    """Return the standard deviation that an assumption is taken to have.

    Examples:
        >>> prior_sd(0.3), prior_sd(-0.02), prior_sd(None)
        (0.15, 0.05, 0.1)
    """
    return UNASSUMED_PRIOR_SD if assumed is None else max(PRIOR_SD_SHARE * abs(assumed), LEAST_PRIOR_SD)


def _half_normal(tau: Floats) -> Floats:
    return np.asarray(np.exp(-0.5 * (tau / BETWEEN_SD) ** 2))


def _possible(save_rate: float) -> float:
    """Nobody can keep more than all who would leave; and worse than driving as many away again is only called so."""
    return min(max(save_rate, -1.0), 1.0)
