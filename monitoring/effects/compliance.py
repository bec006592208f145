"""What the action did to those whom it reached: the effect as assigned, divided by the difference in reach.

The assignment is the instrument. It is random, and it changes the outcome only by changing who is reached, so the ratio
is the effect on those who are reached because they were assigned. Comparing the reached with the not reached instead
(per protocol, as treated) compares people who differ: in simulation its interval covers the truth in 0 to 7 of 100
cases. That comparison is not offered here. The headline stays the effect as assigned.
"""

from __future__ import annotations

from math import inf, sqrt

from scipy.stats import norm

from monitoring.effects.moments import Moments
from monitoring.effects.ratios import arm_of, check_level, contrast, gradient, unit_variance
from monitoring.effects.refusals import NotMeasurable
from monitoring.effects.results import Effect

#: Least F statistic of the first stage (Staiger and Stock 1997): below it the ratio follows no normal law.
LEAST_F = 10.0
#: F from which a 95 % interval keeps its promise whatever the selection (Lee et al. 2022); below it a note says so.
SAFE_F = 104.7


def complier_effect(
    treatment: Moments,
    holdout: Moments,
    numerator: str = "churned",
    *,
    metric: str,
    level: float,
    denominator: str = "known",
    reached: str = "reached",
    reached_denominator: str = "customers",
    is_good_when_lower: bool = False,
    notes: tuple[str, ...] = (),
) -> Effect:
    """Return the effect on those who are reached because they were assigned: Wald's ratio, over units.

    ``b = (y1 - y0) / (d1 - d0)``; ``SE^2 = [var_1(y - b d) / n1 + var_0(y - b d) / n0] / (d1 - d0)^2`` (delta method).

    Args:
        treatment: Moments of the treated units, as assigned.
        holdout: Moments of the units held out, contaminated or not.
        numerator: Total of the outcome.
        metric: Name of the result.
        level: Coverage of the interval, in (0, 1).
        denominator: Total that the outcome is divided by.
        reached: Total of those who were really reached, in either group.
        reached_denominator: Total that it is divided by.
        is_good_when_lower: True for churn.
        notes: Handed on.

    Returns:
        An effect with method ``cace``. The arms are those of the effect as assigned; a note gives the reach of both.

    Raises:
        NotMeasurable: The treated were not reached clearly more often than the holdout; or as :func:`contrast`.
        ValueError: ``level`` is outside (0, 1), or a moment is not finite.

    Source: Angrist, Imbens, Rubin, JASA 91 (1996) 444; equals two-stage least squares with the assignment as the only
    instrument. First stage: Staiger, Stock, Econometrica 65 (1997) 557; Lee, McCrary, Moreira, Porter, AER 112 (2022).

    Examples:
        >>> import numpy as np
        >>> from monitoring.effects.moments import moments_of
        >>> def arm(churned, reached):
        ...     n, i = 1000, np.arange(1000)
        ...     return moments_of({"customers": np.ones(n), "known": np.ones(n), "churned": i < churned,
        ...                        "reached": i >= n - reached})
        >>> found = complier_effect(arm(60, 500), arm(80, 0), metric="churned", level=0.95)
        >>> round(found.estimate, 3)  # 2 points less among all, 4 points less among the half that was reached
        -0.04
    """
    check_level(level, "compliance")
    assigned = contrast(treatment, holdout, numerator, denominator)
    first = contrast(treatment, holdout, reached, reached_denominator)
    reach = [arm_of(moments, reached, reached_denominator).rate or 0.0 for moments in (treatment, holdout)]
    strength = first.estimate**2 / first.variance if first.variance > 0 else inf
    if first.estimate <= 0 or strength < LEAST_F:
        raise NotMeasurable(
            f"compliance: {reach[0]:.1%} of the treated and {reach[1]:.1%} of the holdout were reached "
            f"(F = {strength if first.estimate > 0 else 0.0:.1f}). The effect on the reached needs a treatment that "
            f"reaches clearly more (F of at least {LEAST_F:g}). Read the effect as assigned."
        )
    ratio = assigned.estimate / first.estimate
    variance = 0.0
    for moments in (treatment, holdout):
        slope = gradient(moments, numerator, denominator) - ratio * gradient(moments, reached, reached_denominator)
        variance += unit_variance(moments, slope) / moments.count
    if variance == 0:
        raise NotMeasurable(f"compliance: {numerator!r} does not vary in either group. There is no interval.")
    half = float(norm.isf((1 - level) / 2)) * sqrt(variance) / first.estimate
    if strength < SAFE_F:
        notes = (*notes, f"approximate: the assignment moves the reach only weakly (F = {strength:.0f})")
    return Effect(
        metric,
        ratio,
        ratio - half,
        ratio + half,
        level,
        arm_of(treatment, numerator, denominator),
        arm_of(holdout, numerator, denominator),
        "cace",
        is_good_when_lower,
        (*notes, f"reached: {reach[0]:.1%} of the treated, {reach[1]:.1%} of the holdout"),
    )
