"""The save rate: which share of those who would leave an action keeps. It is what decisions reckon with (ADR 0011)."""

from __future__ import annotations

from monitoring.effects.moments import Moments
from monitoring.effects.ratios import arm_of, check_level
from monitoring.effects.refusals import NotMeasurable
from monitoring.effects.results import Effect
from monitoring.effects.shares import independent
from monitoring.proportions import ratio_of, wilson


def save_rate_effect(
    treatment: Moments,
    holdout: Moments,
    *,
    level: float,
    numerator: str = "churned",
    denominator: str = "known",
    notes: tuple[str, ...] = (),
) -> Effect:
    """Return ``1 - p1 / p0``: what part of the holdout's churn the treated did not have.

    Args:
        treatment: Moments of the treated units, as assigned.
        holdout: Moments of the units held out.
        level: Coverage of the interval, in (0, 1).
        numerator: Total of the customers who left.
        denominator: Total of the customers whose outcome is known.
        notes: Handed on.

    Returns:
        An effect with method ``ratio of shares``, 1 when everybody was kept, below 0 when the action drives customers
        away; its arms are the raw churn rates.

    Raises:
        NotMeasurable: Nobody's outcome is known in one group, or nobody held out left: there was nothing to save.
        ValueError: ``level`` is outside (0, 1), or a moment is not finite.

    Source: Donner, Zou, Statistical Methods in Medical Research 21 (2012) 347, equation 9, from Wilson's limits.

    Examples:
        >>> import numpy as np
        >>> from monitoring.effects.moments import moments_of
        >>> def arm(churned, n):
        ...     return moments_of({"known": np.ones(n), "churned": np.arange(n) < churned})
        >>> found = save_rate_effect(arm(650, 10_000), arm(80, 1_000), level=0.95)
        >>> round(found.estimate, 4), round(found.low, 3), round(found.high, 3)
        (0.1875, -0.016, 0.349)
    """
    check_level(level, "saving")
    treated = wilson(*independent(treatment, numerator, denominator, group="treatment"), level=level)
    kept_out = wilson(*independent(holdout, numerator, denominator, group="holdout"), level=level)
    if kept_out.share == 0 or kept_out.low == 0:
        raise NotMeasurable("saving: nobody held out has left yet: there was nothing to save, so no rate of it.")
    ratio, lowest, highest = ratio_of(treated, kept_out)
    return Effect(
        "save_rate",
        1 - ratio,
        1 - highest,
        1 - lowest,
        level,
        arm_of(treatment, numerator, denominator),
        arm_of(holdout, numerator, denominator),
        "ratio of shares",
        notes=notes,
    )
