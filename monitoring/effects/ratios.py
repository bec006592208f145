"""Ratios of means over units, and what they vary by: the algebra under every effect that is not a share.

A rate per customer is ``mean(total) / mean(customers)`` over units. To first order it varies as one linear combination
of the totals does, so its variance needs only their covariances (the delta method). Adjusting for a covariate, or
dividing by the share that was reached, only changes the combination.

Source: Deng, Knoblich, Lu, Applying the delta method in metric analytics, KDD 2018, section 2.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np

from monitoring.effects.moments import Floats, Moments
from monitoring.effects.refusals import NotMeasurable
from monitoring.effects.results import Arm

#: Below this part of its terms a variance is what rounding left of zero.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Contrast:
    """Treatment minus holdout, and the variance of each side.

    Attributes:
        estimate: The difference.
        treatment_variance: Variance of the treated's rate (a squared standard error).
        holdout_variance: Variance of the holdout's rate.
    """

    estimate: float
    treatment_variance: float
    holdout_variance: float

    @property
    def variance(self) -> float:
        """Variance of the difference."""
        return self.treatment_variance + self.holdout_variance


def check_level(level: float, where: str) -> None:
    """Raise ``ValueError`` unless ``level`` lies in (0, 1)."""
    if not 0 < level < 1:
        raise ValueError(f"{where}: the level must lie in (0, 1) (got {level!r}).")


def rate(moments: Moments, numerator: str, denominator: str, *, group: str) -> float:
    """Return ``mean(numerator) / mean(denominator)``.

    Raises:
        NotMeasurable: The group is empty, or nobody in it is in the denominator.
        ValueError: One of the two means is not a finite number.
    """
    above, below = float(moments.mean[moments.position(numerator)]), float(moments.mean[moments.position(denominator)])
    if not (isfinite(above) and isfinite(below)):
        raise ValueError(
            f"effects: the mean of {numerator!r} or {denominator!r} in the {group} is no finite number "
            f"({above}, {below}). Moments are taken over known totals."
        )
    if moments.count < 1 or below <= 0:
        raise NotMeasurable(
            f"effects: the {group} has nobody to compute {numerator!r} from ({moments.count} units, "
            f"{max(moments.total(denominator), 0.0):g} {denominator}). An effect compares two groups."
        )
    return above / below


def gradient(moments: Moments, numerator: str, denominator: str) -> Floats:
    """Return by how much the ratio moves with each total's mean, shape (k,); the denominator's mean must not be 0."""
    slope = np.zeros(len(moments.names))
    above, below = moments.position(numerator), moments.position(denominator)
    slope[above] += 1 / moments.mean[below]
    slope[below] -= moments.mean[above] / moments.mean[below] ** 2
    return slope


def unit_variance(moments: Moments, slope: Floats) -> float:
    """Return the variance over units of the combination ``slope`` of the totals; 0 when only rounding is left."""
    variance = unit_covariance(moments, slope, slope)
    used = np.flatnonzero(slope)
    terms = float(np.sum(slope[used] ** 2 * np.diag(moments.covariance)[used]))
    size = float(np.sum((slope[used] * moments.mean[used]) ** 2))
    return 0.0 if variance <= _ROUNDING * terms or variance <= _ROUNDING**2 * size else variance


def unit_covariance(moments: Moments, first: Floats, second: Floats) -> float:
    """Return the covariance over units of two linear combinations of the totals.

    Only the totals that take part are looked at: another outcome that nobody answered spoils nothing.

    Raises:
        ValueError: A covariance that is needed is not a finite number.
    """
    rows, columns = np.flatnonzero(first), np.flatnonzero(second)
    found = float(first[rows] @ moments.covariance[np.ix_(rows, columns)] @ second[columns])
    if not isfinite(found):
        names = ", ".join(moments.names[i] for i in np.union1d(rows, columns))
        raise ValueError(
            f"effects: the covariance of {names} is no finite number. Moments are taken over known totals."
        )
    return found


def pooled(first: Moments, second: Moments) -> Moments:
    """Return the moments of both groups' units together.

    Examples:
        >>> from monitoring.effects.moments import moments_of
        >>> both = pooled(moments_of({"churned": [0, 1]}), moments_of({"churned": [1, 1]}))
        >>> both.count, float(both.mean[0]), float(both.covariance[0, 0])
        (4, 0.75, 0.25)
    """
    if first.names != second.names:
        raise ValueError(f"effects: the groups carry different totals ({first.names} and {second.names}).")
    count, gap = first.count + second.count, first.mean - second.mean
    if count < 2:
        return first if first.count else second
    scatter = (
        first.covariance * max(first.count - 1, 0)
        + second.covariance * max(second.count - 1, 0)
        + np.outer(gap, gap) * (first.count * second.count / count)
    )
    mean = (first.mean * first.count + second.mean * second.count) / count
    return Moments(first.names, count, mean, scatter / (count - 1))


def contrast(
    treatment: Moments,
    holdout: Moments,
    numerator: str,
    denominator: str,
    *,
    covariate: str | None = None,
    covariate_denominator: str = "customers",
) -> Contrast:
    """Return the difference of two ratios of means, adjusted for a covariate when one is named.

    With a covariate x the combination is ``y - theta x`` with theta pooled over both groups (CUPED); a covariate that
    does not vary changes nothing.

    Args:
        treatment: Moments of the treated units.
        holdout: Moments of the units held out, with the same totals.
        numerator: Total of the outcome.
        denominator: Total that it is divided by.
        covariate: Total known before the assignment.
        covariate_denominator: Total that the covariate is divided by.

    Raises:
        NotMeasurable: A group has fewer than two units, or nobody in the denominator.

    Source: Deng et al., Improving the sensitivity of online controlled experiments, WSDM 2013; the pooled theta of
    ratios is that of tea-tasting's ``RatioOfMeans``.
    """
    groups = (("treatment", treatment), ("holdout", holdout))
    rates = [rate(moments, numerator, denominator, group=group) for group, moments in groups]
    for group, moments in groups:
        if moments.count < 2:
            raise NotMeasurable(
                f"effects: the {group} has {moments.count} unit. A spread needs at least two units in each group."
            )
    slopes = [gradient(moments, numerator, denominator) for _, moments in groups]
    estimate = rates[0] - rates[1]
    if covariate is not None:
        before = [rate(moments, covariate, covariate_denominator, group=group) for group, moments in groups]
        theta = _theta(pooled(treatment, holdout), (numerator, denominator), (covariate, covariate_denominator))
        estimate -= theta * (before[0] - before[1])
        slopes = [
            slope - theta * gradient(moments, covariate, covariate_denominator)
            for slope, (_, moments) in zip(slopes, groups, strict=True)
        ]
    variances = [
        unit_variance(moments, slope) / moments.count for slope, (_, moments) in zip(slopes, groups, strict=True)
    ]
    return Contrast(estimate, *variances)


def arm_of(moments: Moments, numerator: str, denominator: str) -> Arm:
    """Return one group as it was analysed, with its unadjusted rate."""
    below = float(moments.mean[moments.position(denominator)])
    raw = float(moments.mean[moments.position(numerator)]) / below if moments.count and below > 0 else None
    return Arm(round(moments.total(denominator)), moments.count, raw)


def _theta(both: Moments, outcome: tuple[str, str], covariate: tuple[str, str]) -> float:
    towards = gradient(both, *covariate)
    variance = unit_variance(both, towards)
    return unit_covariance(both, gradient(both, *outcome), towards) / variance if variance > 0 else 0.0
