"""Churn before everybody is mature: Kaplan-Meier from counts by day since entry.

Dividing churned by all assigned while some are still in their window shows half of the effect. Kaplan and Meier's
estimate uses every day that each customer has been watched and takes a third off the standard deviation of waiting for
the matured. It rests on one assumption: that those who entered late would behave as those who entered early.

Day d is the d-th day since entry, from 0. Survival after day d is the share that is still there when day d is over: a
horizon of 60 days reads days 0 to 59.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from monitoring.effects.moments import Floats
from monitoring.effects.ratios import check_level
from monitoring.effects.refusals import NotMeasurable
from monitoring.effects.results import Arm, Effect
from monitoring.proportions import newcombe

#: Customers still watched on the last day of the horizon, in each group: with fewer the curve's end is an anecdote.
LEAST_AT_RISK = 20


@dataclass(frozen=True, eq=False)
class Watched:
    """Customers of one group by day since entry, all assigned, censored where knowledge ends.

    Attributes:
        at_risk: Customers watched when the day begins, shape (days,), day 0 first.
        churned: Of these, those who left on the day, shape (days,).
        design_effect: By how much households widen the variance, at least 1.
    """

    at_risk: Floats
    churned: Floats
    design_effect: float = 1.0


@dataclass(frozen=True, eq=False)
class Curve:
    """A survival curve by day since entry.

    Attributes:
        survival: Share still there after each day, shape (days,).
        hazard_variance: Greenwood's sum ``churned / (at_risk (at_risk - churned))`` of each day alone, shape (days,).
    """

    survival: Floats
    hazard_variance: Floats

    @property
    def error(self) -> Floats:
        """Greenwood's standard error of the survival after each day, shape (days,); 0 where nobody is left."""
        return np.asarray(self.survival * np.sqrt(np.cumsum(self.hazard_variance)))


def watched(at_risk: npt.ArrayLike, churned: npt.ArrayLike, *, design_effect: float = 1.0) -> Watched:
    """Return the counts of one group, checked.

    Raises:
        ValueError: The counts are of different length, not finite, negative, or more left than were watched; or
            ``design_effect`` is below 1.
    """
    risk, left = np.asarray(at_risk, dtype=np.float64), np.asarray(churned, dtype=np.float64)
    if risk.shape != left.shape or risk.ndim != 1:
        raise ValueError(f"survival: at_risk and churned must be two rows of days (got {risk.shape} and {left.shape}).")
    if not (np.isfinite(risk).all() and np.isfinite(left).all() and (left >= 0).all() and (left <= risk).all()):
        raise ValueError("survival: on some day more churned than were at risk, or a count is negative or missing.")
    if not (np.isfinite(design_effect) and design_effect >= 1):
        raise ValueError(f"survival: a design effect is at least 1 (got {design_effect!r}).")
    return Watched(risk, left, design_effect)


def kaplan_meier(group: Watched) -> Curve:
    """Return Kaplan and Meier's estimate with Greenwood's variance.

    Source: Kaplan, Meier, JASA 53 (1958) 457; Greenwood (1926).

    Examples:
        >>> curve = kaplan_meier(watched([10, 8, 5], [1, 0, 1]))
        >>> [round(float(share), 3) for share in curve.survival]
        [0.9, 0.9, 0.72]
    """
    risk, left = group.at_risk, group.churned
    staying = np.divide(risk - left, risk, out=np.ones_like(risk), where=risk > 0)
    terms = np.divide(left, risk * (risk - left), out=np.zeros_like(risk), where=risk > left)
    return Curve(np.asarray(np.cumprod(staying), dtype=np.float64), terms * group.design_effect)


def longest_horizon(treatment: Watched, holdout: Watched, *, least_at_risk: int = LEAST_AT_RISK) -> int:
    """Return the longest horizon, in days, that both groups have been watched for by enough customers; 0 when none."""
    return min(_reach(group, least_at_risk) for group in (treatment, holdout))


def survival_effect(
    treatment: Watched,
    holdout: Watched,
    *,
    horizon_days: int,
    level: float,
    metric: str = "churned",
    least_at_risk: int = LEAST_AT_RISK,
    notes: tuple[str, ...] = (),
) -> Effect:
    """Return the difference of the shares that have left within the horizon, from everybody assigned so far.

    Greenwood's variance says how many customers, all watched to the end, would tell as much (``S (1 - S) / variance``;
    where nobody has left, those still watched on the last day). The interval is Newcombe's for that many, so on the day
    on which everybody is mature it is the headline's. The straight one, ``sqrt(se1^2 + se0^2)``, covers only 88 to 93
    of 100 truths with 100 to 500 held out, this one 94 to 96.

    Args:
        treatment: The treated by day since entry.
        holdout: Those held out.
        horizon_days: Days of the horizon, at most :func:`longest_horizon`.
        level: Coverage of the interval, in (0, 1).
        metric: Name of the result.
        least_at_risk: Customers that must still be watched on the horizon's last day, in each group.
        notes: Handed on.

    Returns:
        An effect with method ``kaplan-meier``; the arms' rates are one minus the survival, their counts (customers, and
        units as far as counts of customers can tell) everybody assigned.

    Raises:
        NotMeasurable: The horizon is longer than anybody was watched (the message names the longest), or a whole group
            has left.
        ValueError: ``level`` or ``horizon_days`` is out of range.

    Source: Rothman, Journal of Chronic Diseases 31 (1978) 557 (effective numbers); Newcombe, Statistics in Medicine 17
    (1998) 873, method 10.

    Examples:
        >>> treated = watched([1000, 990, 980], [10, 10, 10])
        >>> kept_out = watched([1000, 980, 960], [20, 20, 20])
        >>> found = survival_effect(treated, kept_out, horizon_days=3, level=0.95)
        >>> round(found.estimate, 3), round(found.low, 3), round(found.high, 3)
        (-0.03, -0.049, -0.012)
    """
    _check(treatment, holdout, horizon_days, level, least_at_risk)
    (x1, n1), (x0, n0) = (_as_complete(group, horizon_days - 1) for group in (treatment, holdout))
    gap = newcombe((x0, n0), (x1, n1), level=level)
    arms = _arm(treatment, gap.second.share), _arm(holdout, gap.first.share)
    return Effect(metric, gap.difference, gap.low, gap.high, level, *arms, "kaplan-meier", True, notes)


def days_kept_effect(
    treatment: Watched,
    holdout: Watched,
    *,
    horizon_days: int,
    level: float,
    metric: str = "days_kept",
    least_at_risk: int = LEAST_AT_RISK,
    notes: tuple[str, ...] = (),
) -> Effect:
    """Return the difference of restricted mean survival times: days that a customer stays within the horizon.

    ``days = sum of S(d) for d < W``; variance ``sum of A(d)^2 churned / (at_risk (at_risk - churned))`` with ``A(d)``
    the part of the sum from day d on. Unlike the share at the horizon it sees *when* somebody left, and needs no
    proportional hazards.

    Returns:
        An effect in days, more is better, with method ``restricted mean``.

    Raises:
        NotMeasurable: As :func:`survival_effect`; or nobody has left in either group.
        ValueError: As :func:`survival_effect`.

    Source: Irwin, Journal of Hygiene 47 (1949); Royston, Parmar, BMC Medical Research Methodology 13 (2013) 152.
    """
    _check(treatment, holdout, horizon_days, level, least_at_risk)
    means, variance = [], 0.0
    for group in (treatment, holdout):
        curve = kaplan_meier(group)
        kept = curve.survival[:horizon_days]
        remaining = np.cumsum(kept[::-1])[::-1]
        means.append(float(kept.sum()))
        variance += float(np.sum(remaining**2 * curve.hazard_variance[:horizon_days]))
    if variance == 0:
        raise NotMeasurable(f"survival: nobody has left within {horizon_days} days in either group.")
    half = float(norm.isf((1 - level) / 2)) * sqrt(variance)
    estimate = means[0] - means[1]
    arms = _arm(treatment, means[0]), _arm(holdout, means[1])
    return Effect(metric, estimate, estimate - half, estimate + half, level, *arms, "restricted mean", False, notes)


def _reach(group: Watched, least_at_risk: int) -> int:
    thin = np.flatnonzero(group.at_risk < max(least_at_risk, 1))
    return int(thin[0]) if thin.size else len(group.at_risk)


def _check(treatment: Watched, holdout: Watched, horizon_days: int, level: float, least_at_risk: int) -> None:
    check_level(level, "survival")
    if horizon_days < 1:
        raise ValueError(f"survival: a horizon has at least one day (got {horizon_days!r}).")
    longest = longest_horizon(treatment, holdout, least_at_risk=least_at_risk)
    if horizon_days > longest:
        raise NotMeasurable(
            f"survival: nothing can be said about {horizon_days} days yet. The longest horizon on whose every day at "
            f"least {least_at_risk} customers of each group were watched is {longest} days."
        )
    for group, counts in (("treatment", treatment), ("holdout", holdout)):
        if (counts.churned[:horizon_days] == counts.at_risk[:horizon_days]).any():
            raise NotMeasurable(f"survival: everybody in the {group} who was still watched has left; no interval.")


def _as_complete(group: Watched, last: int) -> tuple[float, float]:
    """Return how many of how many customers, watched to the end and independent, would tell as much: (left, all)."""
    curve = kaplan_meier(group)
    staying, error = float(curve.survival[last]), float(curve.error[last])
    n = staying * (1 - staying) / error**2 if error > 0 else float(group.at_risk[last]) / group.design_effect
    return (1 - staying) * n, n


def _arm(group: Watched, found: float) -> Arm:
    entered = round(float(group.at_risk[0]))
    return Arm(entered, entered, found)
