"""The headline: what share left within the horizon, treated against held out, with Newcombe's interval.

Newcombe's interval keeps its promise where the usual one (estimate and standard error) does not: a holdout of a few
hundred and churn of a few per cent. Customers of one household are alike, so each arm counts as many independent
customers as its variance says: its number divided by its design effect.
"""

from __future__ import annotations

from math import isclose

from monitoring.effects.moments import Moments
from monitoring.effects.ratios import arm_of, check_level, gradient, rate, unit_variance
from monitoring.effects.results import Effect
from monitoring.proportions import newcombe


def share_effect(
    treatment: Moments,
    holdout: Moments,
    numerator: str = "churned",
    *,
    level: float,
    denominator: str = "known",
    metric: str = "churned",
    is_good_when_lower: bool = True,
    notes: tuple[str, ...] = (),
) -> Effect:
    """Return the difference of two shares of customers at the fixed horizon, with Newcombe's interval.

    Args:
        treatment: Moments of the treated units, as assigned.
        holdout: Moments of the units held out.
        numerator: Total of the customers counted, at most one each.
        level: Coverage of the interval, in (0, 1): 0.96 where the daily page has spent a hundredth.
        denominator: Total of the customers whose outcome is known.
        metric: Name of the result.
        is_good_when_lower: True for churn.
        notes: Handed on.

    Returns:
        An effect with method ``newcombe`` and the arms' raw shares. Where households matter, a note tells by how much
        each arm was reduced.

    Raises:
        NotMeasurable: In one group nobody's outcome is known.
        ValueError: ``level`` is outside (0, 1), or a moment is not finite.

    Source: Newcombe, Statistics in Medicine 17 (1998) 873, method 10; the effective size is Kish, Survey Sampling
    (1965), section 8.2, as Rao and Scott, Biometrics 48 (1992) 577, use it for clustered binary data.

    Examples:
        >>> import numpy as np
        >>> from monitoring.effects.moments import moments_of
        >>> def arm(churned, n):
        ...     return moments_of({"known": np.ones(n), "churned": np.arange(n) < churned})
        >>> found = share_effect(arm(56, 70), arm(48, 80), level=0.95)
        >>> round(found.low, 4), round(found.high, 4)
        (0.0524, 0.3339)
    """
    check_level(level, "shares")
    groups = {"treatment": treatment, "holdout": holdout}
    sizes = [independent(moments, numerator, denominator, group=group) for group, moments in groups.items()]
    factors = [design_effect_of(moments, numerator, denominator) for moments in groups.values()]
    gap = newcombe(sizes[1], sizes[0], level=level)
    if max(factors) >= 1.005:
        notes = (
            *notes,
            f"households: variance {factors[0]:.2f} times that of independent customers in treatment, "
            f"{factors[1]:.2f} times in holdout",
        )
    return Effect(
        metric,
        gap.difference,
        gap.low,
        gap.high,
        level,
        arm_of(treatment, numerator, denominator),
        arm_of(holdout, numerator, denominator),
        "newcombe",
        is_good_when_lower,
        notes,
    )


def independent(
    moments: Moments, numerator: str = "churned", denominator: str = "known", *, group: str
) -> tuple[float, float]:
    """Return the counted and all customers of a group as if they were independent: divided by the design effect.

    Raises:
        NotMeasurable: Nobody in the group is in the denominator.
    """
    rate(moments, numerator, denominator, group=group)
    factor, n = design_effect_of(moments, numerator, denominator), moments.total(denominator)
    return _within(moments.total(numerator), n) / factor, n / factor


def design_effect_of(moments: Moments, numerator: str = "churned", denominator: str = "known") -> float:
    """Return by how much the variance of a share grows because customers are drawn in units.

    The variance of the ratio over units, divided by the variance that as many independent customers would have.

    Returns:
        A factor of at least 1, since what chance makes smaller is not promised to stay so; exactly 1 when no unit has
        two customers. Where the data cannot tell (one unit, or all or none counted), the worst case: that all customers
        of a unit do the same.

    Examples:
        >>> from monitoring.effects.moments import moments_of
        >>> couples = moments_of({"known": [2.0] * 100, "churned": [2.0, 0.0] * 50})  # they decide together
        >>> round(design_effect_of(couples), 2)
        2.02
    """
    count, size = moments.count, float(moments.mean[moments.position(denominator)])
    if count < 1 or size <= 0:
        return 1.0
    at = moments.position(denominator)
    mean_square = float(moments.covariance[at, at]) * (count - 1) / count + size**2
    if isclose(mean_square, size, rel_tol=1e-9):
        return 1.0
    share = float(moments.mean[moments.position(numerator)]) / size
    if count < 2 or not 0 < share < 1:
        return max(1.0, mean_square / size)
    variance = unit_variance(moments, gradient(moments, numerator, denominator))
    return max(1.0, variance * size / (share * (1 - share)))


def _within(count: float, n: float) -> float:
    """Take away what rounding put outside: totals come back from means."""
    nearest = round(count)
    return min(max(float(nearest) if isclose(count, nearest, abs_tol=1e-6) else count, 0.0), n)
