"""V, C, R and what follows from them.

All money is cents over the horizon. ``V = A m``, ``C = A c`` with ``A`` the discounted months that the customer is
expected to stay (:func:`campaigns.margins.survived_months`), ``m`` the margin and ``c`` the cost to serve of a month;
``R`` is one planned contact with its incentive.

``FIT = 50 + 50 (V - C - R) / (V + C + R)``: 50 is break-even, whatever the currency.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]

#: Between the 10th and the 90th percentile.
CONFIDENCE = 0.8
_TAIL = (1 - CONFIDENCE) / 2
_NORMAL = float(special.ndtri(1 - _TAIL))

#: How far a customer's logit of leaving may lie off (one standard deviation). An assumption: a calibrated score is
#: right on average, not for each customer. 0.3 trusts a 10 % to lie between 7 % and 14 % four times out of five.
LOGIT_SD = 0.3


@dataclass(frozen=True)
class Interval:
    """Ends of the 80 % intervals, each of shape (n,)."""

    low: Floats
    high: Floats


def fit_score(value: Floats, cost: Floats, retention: Floats) -> Floats:
    """Return FIT in [0, 100]; a customer who brings a loss has 0, one of whom nothing is expected 50.

    Args:
        value: V, shape (n,).
        cost: C, not negative, shape (n,).
        retention: R, not negative, shape (n,).

    Examples:
        >>> fit_score(np.array([300.0]), np.array([80.0]), np.array([20.0])).tolist()
        [75.0]
        >>> fit_score(np.array([100.0]), np.array([80.0]), np.array([20.0])).tolist()  # break-even
        [50.0]
    """
    size = np.abs(value) + cost + retention
    net = value - cost - retention
    return np.asarray(np.where(size > 0, 50 + 50 * net / np.where(size > 0, size, 1.0), 50.0))


def shifted(probability: Floats, deviations: float) -> Floats:
    """Return a probability whose logit lies ``deviations`` standard deviations higher.

    Examples:
        >>> shifted(np.array([0.0, 0.1, 1.0]), 1.2816).round(2).tolist()
        [0.0, 0.14, 1.0]
    """
    edge = np.clip(probability, 1e-12, 1 - 1e-12)
    moved = special.expit(special.logit(edge) + deviations * LOGIT_SD)
    return np.asarray(np.where((probability > 0) & (probability < 1), moved, probability))


def likely_range(probability: Floats) -> tuple[Floats, Floats]:
    """Return the ends of the 80 % interval of a customer's probability of leaving."""
    return shifted(probability, -_NORMAL), shifted(probability, _NORMAL)


def cost_interval(mean: Floats, variance: Floats) -> Interval:
    """Return the 80 % interval of a month's cost: a sum of scaled gammas, as the gamma with its mean and variance.

    One channel is exact; for several it is Welch's and Satterthwaite's approximation.

    Args:
        mean: Expected cost, shape (n,).
        variance: Its variance, shape (n,).
    """
    is_sure = (variance <= 0) | (mean <= 0)
    shape = np.where(is_sure, 1.0, mean**2 / np.where(is_sure, 1.0, variance))
    scale = np.where(is_sure, 0.0, variance / np.where(is_sure, 1.0, mean))
    shapes, own = np.unique(shape, return_inverse=True)  # few: whose contacts are as many over as long are alike
    low, high = (np.where(is_sure, mean, special.gammaincinv(shapes, q)[own] * scale) for q in (_TAIL, 1 - _TAIL))
    return Interval(np.asarray(low), np.asarray(high))


def net_interval(
    monthly_margin: Floats,
    margin_sd: Floats,
    monthly_cost: Floats,
    cost_variance: Floats,
    months: Floats,
    months_range: tuple[Floats, Floats],
) -> Interval:
    """Return the 80 % interval of ``V - C``, from those of its three parts.

    Each end combines the parts' own distances to that end (Zou and Donner 2008, MOVER), which keeps the skewness of
    rates learned from few contacts. Subtract R, which is planned and not estimated, for the interval of ``V - C - R``.

    Args:
        monthly_margin: m, shape (n,).
        margin_sd: Its standard deviation, shape (n,).
        monthly_cost: c, shape (n,).
        cost_variance: Its variance, shape (n,).
        months: A, shape (n,).
        months_range: Fewest and most of A, each of shape (n,).
    """
    cost = cost_interval(monthly_cost, cost_variance)
    net = monthly_margin - monthly_cost
    margin_part = _NORMAL * margin_sd
    down = np.hypot(margin_part, cost.high - monthly_cost) * months
    up = np.hypot(margin_part, monthly_cost - cost.low) * months
    fewest, most = months_range
    longer, shorter = (most - months) * np.abs(net), (months - fewest) * np.abs(net)
    # Who costs more than he brings, brings a smaller loss when he leaves sooner.
    gains, losses = np.where(net >= 0, longer, shorter), np.where(net >= 0, shorter, longer)
    return Interval(np.asarray(months * net - np.hypot(down, losses)), np.asarray(months * net + np.hypot(up, gains)))
