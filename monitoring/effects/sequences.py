"""The daily page: intervals that may be looked at every day, for ever, without a false alarm more than promised.

An interval for a planned date, read daily for 60 days, calls a third of all campaigns without effect a success or a
failure. A confidence sequence holds on all days at once, at the price of a width 1.55 times that of the planned reading
(at alpha 0.05). The official figure stays the planned reading; alpha is split between the two before the campaign
starts, never here.
"""

from __future__ import annotations

from math import isfinite, log, sqrt

from monitoring.effects.moments import Moments
from monitoring.effects.ratios import arm_of, contrast, rate
from monitoring.effects.refusals import NotMeasurable
from monitoring.effects.results import Effect
from monitoring.effects.shares import design_effect_of

#: Units held out below which sequences of money raise more false alarms than promised, capped or not.
LEAST_UNITS_FOR_MONEY = 250


def half_width(variance: float, *, tuned_at: float, alpha: float) -> float:
    """Return the half width of an asymptotic confidence sequence around an estimate of this variance.

    ``sqrt(V (V + t2) / t2 * (2 ln(1/alpha) + ln((V + t2) / V)))``, ``t2 = V* (a + ln(a + 1))``, ``a = -2 ln alpha``.

    Args:
        variance: V, variance (squared standard error) of today's estimate, above 0.
        tuned_at: V*, the variance expected on the planned date, where the sequence is narrowest for its V; it must be
            fixed before the first look.
        alpha: Probability that the truth lies outside on any day, in (0, 1).

    Raises:
        ValueError: an argument is out of range.

    Source: Johari, Koomen, Pekelis, Walsh, Operations Research 70 (2022) 1806 (mSPRT); Waudby-Smith, Arbour, Sinha,
    Kennedy, Ramdas, Annals of Statistics 52 (2024) 2613 (the same curve as an asymptotic confidence sequence).

    Examples:
        >>> round(half_width(1.0, tuned_at=1.0, alpha=0.05) / 1.959964, 3)  # against the planned reading
        1.549
    """
    if not 0 < alpha < 1:
        raise ValueError(f"sequences: alpha must lie in (0, 1) (got {alpha!r}).")
    if not (variance > 0 and tuned_at > 0 and isfinite(variance) and isfinite(tuned_at)):
        raise ValueError(f"sequences: variances must be above 0 and finite (got {variance!r} and {tuned_at!r}).")
    a = -2 * log(alpha)
    mixture = tuned_at * (a + log(a + 1))
    return sqrt(variance * (variance + mixture) / mixture * (a + log((variance + mixture) / variance)))


def planned_variance(unit_variance: float, *, treatment_count: float, holdout_count: float) -> float:
    """Return V*: the variance that a difference will have on the planned date, for ``tuned_at``.

    Args:
        unit_variance: Variance of one customer's outcome: ``p (1 - p)`` times the design effect for churn at rate p, or
            that of the money before entry.
        treatment_count: Treated customers planned.
        holdout_count: Customers held out as planned.

    Raises:
        ValueError: an argument is not above 0.

    Examples:
        >>> round(planned_variance(0.08 * 0.92, treatment_count=18_000, holdout_count=2_000), 9)
        4.0889e-05
    """
    if not (unit_variance > 0 and treatment_count > 0 and holdout_count > 0):
        raise ValueError(
            "sequences: a planned variance needs numbers above 0 "
            f"(got {unit_variance!r}, {treatment_count!r} and {holdout_count!r})."
        )
    return unit_variance * (1 / treatment_count + 1 / holdout_count)


def daily_shares(
    treatment: Moments,
    holdout: Moments,
    numerator: str = "churned",
    *,
    tuned_at: float,
    alpha: float,
    denominator: str = "known",
    metric: str = "churned",
    is_good_when_lower: bool = True,
    notes: tuple[str, ...] = (),
) -> Effect:
    """Return the difference of two shares with an interval that may be read on every day.

    The sequence says by how many standard errors to go to either side today (:func:`half_width`; the variance of an arm
    is that of ``(x + 1/2) / (n + 1)`` times its design effect, or first looks with nobody churned would have no width).
    Newcombe's interval then goes that far, from Wilson's limits of both arms, instead of in a straight line: shares of
    a small holdout are skew. At alpha 0.01, 60 daily looks and 2 % churn, the straight line raises 4.3 % false alarms
    with 30 customers held out a day, this one 0.2 %; at the planned end it is 0 to 4 % wider.

    Args:
        treatment: Moments of the matured treated units.
        holdout: Moments of the matured units held out.
        numerator: Total of the customers counted, at most one each.
        tuned_at: See :func:`half_width`; :func:`planned_variance` gives it.
        alpha: The part of alpha that the daily page spends.
        denominator: Total of the customers whose outcome is known.
        metric: Name of the result.
        is_good_when_lower: True for churn.
        notes: Handed on.

    Returns:
        An effect with method ``confidence sequence`` at level ``1 - alpha``.

    Raises:
        NotMeasurable: In one group nobody's outcome is known.
        ValueError: As :func:`half_width`.

    Source: As :func:`half_width`; Newcombe, Statistics in Medicine 17 (1998) 873, method 10.
    """
    shares, sizes, variance = [], [], 0.0
    for group, moments in (("treatment", treatment), ("holdout", holdout)):
        share, known = rate(moments, numerator, denominator, group=group), moments.total(denominator)
        size = known / design_effect_of(moments, numerator, denominator)
        smoothed = (share * known + 0.5) / (known + 1)
        variance += smoothed * (1 - smoothed) / size
        shares.append(share)
        sizes.append(size)
    errors = half_width(variance, tuned_at=tuned_at, alpha=alpha) / sqrt(variance)
    (p1, p0), estimate = shares, shares[0] - shares[1]
    (low1, high1), (low0, high0) = (_score_limits(p, n, errors) for p, n in zip(shares, sizes, strict=True))
    return Effect(
        metric,
        estimate,
        estimate - sqrt((p1 - low1) ** 2 + (high0 - p0) ** 2),
        estimate + sqrt((high1 - p1) ** 2 + (p0 - low0) ** 2),
        1 - alpha,
        arm_of(treatment, numerator, denominator),
        arm_of(holdout, numerator, denominator),
        "confidence sequence",
        is_good_when_lower,
        notes,
    )


def daily_means(
    treatment: Moments,
    holdout: Moments,
    numerator: str,
    *,
    metric: str,
    tuned_at: float,
    alpha: float,
    denominator: str = "customers",
    covariate: str | None = None,
    covariate_denominator: str = "customers",
    is_good_when_lower: bool = False,
    notes: tuple[str, ...] = (),
) -> Effect:
    """Return the difference of two means per customer with an interval that may be read on every day.

    For *capped* money only: uncapped amounts of a small holdout raise false alarms in 9 to 19 of 100 campaigns.

    Returns:
        An effect with method ``confidence sequence`` at level ``1 - alpha``.

    Raises:
        NotMeasurable: Fewer than 250 units are held out, or nothing varies; the message is the reason to show.
        ValueError: As :func:`half_width`.

    Source: As :func:`half_width`.
    """
    if holdout.count < LEAST_UNITS_FOR_MONEY:
        raise NotMeasurable(
            f"sequences: {holdout.count:,} units of the holdout can be read. A daily interval of money needs "
            f"{LEAST_UNITS_FOR_MONEY}: with fewer, single large customers look like effects."
        )
    found = contrast(
        treatment,
        holdout,
        numerator,
        denominator,
        covariate=covariate,
        covariate_denominator=covariate_denominator,
    )
    if found.variance == 0:
        raise NotMeasurable(f"sequences: {numerator!r} does not vary in either group. There is no interval.")
    half = half_width(found.variance, tuned_at=tuned_at, alpha=alpha)
    return Effect(
        metric,
        found.estimate,
        found.estimate - half,
        found.estimate + half,
        1 - alpha,
        arm_of(treatment, numerator, denominator),
        arm_of(holdout, numerator, denominator),
        "confidence sequence",
        is_good_when_lower,
        notes,
    )


def _score_limits(share: float, n: float, errors: float) -> tuple[float, float]:
    """Return Wilson's limits that many standard errors away; early looks go further than a level can say."""
    scale = 1 + errors**2 / n
    centre = (share + errors**2 / (2 * n)) / scale
    half = errors * sqrt(share * (1 - share) / n + errors**2 / (4 * n**2)) / scale
    return max(centre - half, 0.0), min(centre + half, 1.0)
