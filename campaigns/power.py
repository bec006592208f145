"""How many customers a comparison needs, and which effect a given number can show.

Two proportions are compared: churn in the holdout (``base``) and churn among the treated. The formula is the plain
normal one with each arm's own variance; the ready-made ones understate the holdout of unequal arms by 5 to 9 %
(arcsine) or fail for a ratio of 2 and more. Everything is a pure function of numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil, inf, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import norm

#: Alpha is split: the official reading on the planned date gets this part, the page that is looked at daily the rest.
READING_SHARE_OF_ALPHA = 0.8

_LEAST_EFFECT = 1e-9


@dataclass(frozen=True, slots=True)
class Sample:
    """Customers that a comparison needs, by arm."""

    holdout: int
    treatment: int

    @property
    def total(self) -> int:
        """Both arms together."""
        return self.holdout + self.treatment


def reading_alpha(alpha: float) -> float:
    """Return the part of ``alpha`` that is spent on the planned date; the daily page spends the rest.

    Examples:
        >>> reading_alpha(0.05)
        0.04
    """
    return round(alpha * READING_SHARE_OF_ALPHA, 12)


def holdout_needed(
    base: float,
    treated: float,
    *,
    ratio: float = 1.0,
    alpha: float = 0.05,
    power: float = 0.8,
    design_effect: float = 1.0,
    correlation: float = 0.0,
) -> float:
    """Return how many customers the holdout needs to tell two churn rates apart; not rounded.

    ``n0 = (z(1 - alpha/2) + z(power))^2 * (p1 q1 / ratio + p0 q0) / (p1 - p0)^2``

    Args:
        base: Churn rate of the holdout, in [0, 1].
        treated: Churn rate of the treated, in [0, 1].
        ratio: Treated customers per customer held out, above 0.
        alpha: Two-sided error, in (0, 1).
        power: Probability to find the difference, in (0, 1).
        design_effect: By how much the variance grows because customers of one household are alike
            (:func:`design_effect`); at least some customers, so above 0.
        correlation: Correlation of the outcome with a covariate that was frozen before the assignment (CUPAC); the
            variance shrinks by ``1 - correlation^2``.

    Returns:
        Customers of the holdout; infinite when the rates are equal.

    Raises:
        ValueError: an argument lies outside its range.

    Source: Chow, Shao, Wang, Lokhnygina, Sample Size Calculations in Clinical Research, section 4.2; the factor for a
    covariate is Deng et al., WSDM 2013.

    Examples:
        >>> round(holdout_needed(0.65, 0.85), 2)
        69.66
    """
    if not (0 <= base <= 1 and 0 <= treated <= 1):
        raise ValueError(f"power: rates must lie in [0, 1] (got {base!r} and {treated!r}).")
    if not (ratio > 0 and design_effect > 0 and -1 < correlation < 1):
        raise ValueError(
            "power: ratio and design_effect must be above 0 and correlation within (-1, 1) "
            f"(got {ratio!r}, {design_effect!r} and {correlation!r})."
        )
    if base == treated:
        return inf
    variance = treated * (1 - treated) / ratio + base * (1 - base)
    return _quantiles(alpha, power) ** 2 * variance / (treated - base) ** 2 * design_effect * (1 - correlation**2)


def sample_needed(
    base: float,
    treated: float,
    *,
    holdout_share: float,
    alpha: float = 0.05,
    power: float = 0.8,
    design_effect: float = 1.0,
    correlation: float = 0.0,
) -> Sample | None:
    """Return both arms' sizes when ``holdout_share`` of the customers is held out.

    Returns:
        Whole customers; None when no number is enough: nobody is held out, nobody is treated, or the rates are equal.

    Raises:
        ValueError: As :func:`holdout_needed`.

    Examples:
        >>> sample_needed(0.08, 0.07, holdout_share=0.1).total
        63446
    """
    if not 0 < holdout_share < 1 or base == treated:
        return None
    ratio = (1 - holdout_share) / holdout_share
    holdout = holdout_needed(
        base, treated, ratio=ratio, alpha=alpha, power=power, design_effect=design_effect, correlation=correlation
    )
    return Sample(ceil(holdout), ceil(holdout * ratio))


def power_of(
    base: float,
    treated: float,
    *,
    customer_count: float,
    holdout_share: float,
    alpha: float = 0.05,
    design_effect: float = 1.0,
    correlation: float = 0.0,
) -> float:
    """Return the probability to find the difference between two rates with so many customers in both arms.

    The far tail (a significant difference of the wrong sign) is left out, as in :func:`holdout_needed`.

    Examples:
        >>> round(power_of(0.65, 0.85, customer_count=2 * 69.66, holdout_share=0.5), 3)
        0.8
    """
    if not 0 < holdout_share < 1 or customer_count <= 0 or base == treated:
        return 0.0
    holdout, treatment = customer_count * holdout_share, customer_count * (1 - holdout_share)
    variance = treated * (1 - treated) / treatment + base * (1 - base) / holdout
    variance *= design_effect * (1 - correlation**2)
    if variance == 0:
        return 1.0
    return float(norm.cdf(abs(treated - base) / sqrt(variance) - norm.isf(alpha / 2)))


def detectable_effect(
    base: float,
    *,
    customer_count: float,
    holdout_share: float,
    alpha: float = 0.05,
    power: float = 0.8,
    design_effect: float = 1.0,
    correlation: float = 0.0,
) -> float | None:
    """Return the smallest fall of the churn rate that so many customers show with the wanted power.

    The inverse of :func:`sample_needed`, found as a root.

    Args:
        base: Churn rate of the holdout, in (0, 1].
        customer_count: Customers in both arms.
        holdout_share: Share of them that is held out, in (0, 1).
        alpha: Two-sided error.
        power: Probability to find the effect.
        design_effect: See :func:`holdout_needed`.
        correlation: See :func:`holdout_needed`.

    Returns:
        A positive difference of rates (0.01 is one point); None when not even keeping everybody would be seen.

    Examples:
        >>> round(detectable_effect(0.08, customer_count=63_445, holdout_share=0.1), 4)
        0.01
    """
    if not 0 < holdout_share < 1 or not 0 < base <= 1:
        return None
    ratio, available = (1 - holdout_share) / holdout_share, customer_count * holdout_share

    def lacking(effect: float) -> float:
        needed = holdout_needed(
            base,
            max(base - effect, 0.0),
            ratio=ratio,
            alpha=alpha,
            power=power,
            design_effect=design_effect,
            correlation=correlation,
        )
        return needed - available

    if lacking(base) > 0:
        return None
    if lacking(_LEAST_EFFECT) <= 0:
        return _LEAST_EFFECT
    return float(brentq(lacking, _LEAST_EFFECT, base, xtol=1e-12))


def design_effect(churned: Sequence[float] | npt.NDArray[np.float64], units: Sequence[str] | npt.NDArray[Any]) -> float:
    """Return by how much the variance of a churn rate grows because units of several customers are alike.

    The variance of the ratio churned/customers over units (as the effect is analysed), divided by the variance that
    independent customers would have. 1 when every unit has one customer, up to the number's noise.

    Args:
        churned: 1 or 0 by customer, shape (n,).
        units: The unit of each customer, shape (n,).

    Returns:
        A factor of at least 1: what chance makes smaller is not promised to stay so. 1 when nothing can be told.

    Source: Cochran, Sampling Techniques, section 9A (ratio to size); Kish's design effect.

    Examples:
        >>> round(design_effect([1, 1, 0, 0] * 50, [f"{i // 2}" for i in range(200)]), 2)  # couples decide together
        2.02
    """
    outcome = np.asarray(churned, dtype=np.float64)
    names, unit = np.unique(np.asarray(units, dtype=str), return_inverse=True)
    rate = float(outcome.mean()) if outcome.size else 0.0
    if names.size < 2 or names.size == outcome.size or rate in (0.0, 1.0):
        return 1.0
    residual = np.bincount(unit, weights=outcome - rate)
    clustered = names.size / (names.size - 1) * float(residual @ residual) / outcome.size**2
    return max(1.0, clustered / (rate * (1 - rate) / outcome.size))


@cache
def _quantiles(alpha: float, power: float) -> float:
    if not (0 < alpha < 1 and 0 < power < 1):
        raise ValueError(f"power: alpha and power must lie in (0, 1) (got {alpha!r} and {power!r}).")
    return float(norm.isf(alpha / 2) + norm.ppf(power))
