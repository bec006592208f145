"""Money, feeling and adjusted churn: differences of means per customer, analysed over the units that were drawn.

The covariate must have been known before the assignment: money of the same length of time before entry (CUPED), or the
model's probability frozen at the assignment (CUPAC). One that moved after contact destroys the comparison. Expect 4 to
12 per cent narrower intervals, no miracle.
"""

from __future__ import annotations

from math import sqrt

from scipy.stats import t as student

from monitoring.effects.moments import Moments
from monitoring.effects.ratios import arm_of, check_level, contrast
from monitoring.effects.refusals import NotMeasurable
from monitoring.effects.results import Effect

#: The name of the method by covariate: a frozen prediction of the outcome, or (every other) an amount measured before.
_METHODS: dict[str | None, str] = {None: "difference of means", "risk": "cupac"}

#: Units per squared skewness from which the normal interval of a mean can be taken at its word.
UNITS_PER_SQUARED_SKEWNESS = 355


def mean_effect(
    treatment: Moments,
    holdout: Moments,
    numerator: str,
    *,
    metric: str,
    level: float,
    denominator: str = "customers",
    covariate: str | None = None,
    covariate_denominator: str = "customers",
    is_good_when_lower: bool = False,
    holdout_skewness: float | None = None,
    notes: tuple[str, ...] = (),
) -> Effect:
    """Return the difference of two means per customer, with the delta method over units.

    Quantiles are Student's, with Welch's degrees of freedom over units. The result equals tea-tasting's ``Mean`` and
    ``RatioOfMeans`` (defaults), except that the arms carry raw rates, not adjusted ones.

    Args:
        treatment: Moments of the treated units, as assigned.
        holdout: Moments of the units held out, with the same totals.
        numerator: Total of the outcome, such as ``margin_cents``.
        metric: Name of the result.
        level: Coverage of the interval, in (0, 1).
        denominator: Total that the outcome is divided by; ``answered`` for feeling among those who answered.
        covariate: Total known before the assignment; None for the plain difference.
        covariate_denominator: Total that the covariate is divided by.
        is_good_when_lower: True for churn.
        holdout_skewness: Skewness of the outcome over the holdout's units; when given, the result says whether the
            holdout is too small for it.
        notes: Handed on.

    Returns:
        An effect in the outcome's own unit; method ``difference of means``, ``cupac`` (covariate ``risk``) or
        ``cuped``.

    Raises:
        NotMeasurable: A group has fewer than two units or nobody in the denominator, or nothing varies in either.
        ValueError: ``level`` is outside (0, 1), or a moment is not finite.

    Source: Welch, Biometrika 34 (1947) 28; Deng et al., WSDM 2013 (CUPED); Kohavi, Deng, Longbotham, Xu, KDD 2014, rule
    7 (355 times the squared skewness).

    Examples:
        >>> from monitoring.effects.moments import moments_of
        >>> treated = moments_of({"customers": [1, 1, 1, 1], "margin_cents": [900, 1100, 1000, 1200]})
        >>> kept_out = moments_of({"customers": [1, 1, 1, 1], "margin_cents": [800, 1000, 900, 1100]})
        >>> found = mean_effect(treated, kept_out, "margin_cents", metric="margin", level=0.95)
        >>> round(found.estimate), round(found.low), round(found.high)
        (100, -123, 323)
    """
    check_level(level, "means")
    found = contrast(
        treatment,
        holdout,
        numerator,
        denominator,
        covariate=covariate,
        covariate_denominator=covariate_denominator,
    )
    if found.variance == 0:
        raise NotMeasurable(
            f"means: {numerator!r} does not vary in either group. Without spread there is no interval, and without "
            "an interval no effect is shown."
        )
    freedom = found.variance**2 / (
        found.treatment_variance**2 / (treatment.count - 1) + found.holdout_variance**2 / (holdout.count - 1)
    )
    half = float(student.ppf((1 + level) / 2, freedom)) * sqrt(found.variance)
    return Effect(
        metric,
        found.estimate,
        found.estimate - half,
        found.estimate + half,
        level,
        arm_of(treatment, numerator, denominator),
        arm_of(holdout, numerator, denominator),
        _METHODS.get(covariate, "cuped"),
        is_good_when_lower,
        (*notes, *_warnings(holdout.count, holdout_skewness)),
    )


def _warnings(units: int, skewness: float | None) -> tuple[str, ...]:
    if skewness is None or units >= UNITS_PER_SQUARED_SKEWNESS * skewness**2:
        return ()
    return (
        f"approximate: {units:,} units held out, skewness {skewness:.1f}; the interval is exact from "
        f"{UNITS_PER_SQUARED_SKEWNESS * skewness**2:,.0f}",
    )
