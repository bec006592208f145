"""The gain of each customer by doubly robust scores: what uplift is learned from, and what it is judged by."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from training.estimates import CONFIDENCE, Estimate

Floats = npt.NDArray[np.float64]


def aipw_scores(
    good: npt.ArrayLike, treated: npt.ArrayLike, propensity: npt.ArrayLike, m1: npt.ArrayLike, m0: npt.ArrayLike
) -> Floats:
    """Return ``G = m1 - m0 + T(Y - m1)/e - (1 - T)(Y - m0)/(1 - e)``, whose expectation is the effect, shape (n,).

    With the logged propensity that holds whatever ``m1`` and ``m0`` are, as long as they did not learn from the row.

    Args:
        good: Outcome of which more is better, shape (n,).
        treated: True where treated, as drawn, shape (n,).
        propensity: Probability of treatment at the drawing, in (0, 1), shape (n,).
        m1: Expected outcome with the action, shape (n,) or one number.
        m0: The same without, shape (n,) or one number.

    Raises:
        ValueError: a propensity is not strictly between 0 and 1.

    Source: Robins, Rotnitzky and Zhao, JASA 89 (1994).

    Examples:
        >>> aipw_scores([1, 0], [True, False], [0.5, 0.5], 0.6, 0.4)
        array([1., 1.])
    """
    y, e, one, none = (np.asarray(values, dtype=np.float64) for values in (good, propensity, m1, m0))
    t = np.asarray(treated, dtype=bool)
    if not ((e > 0) & (e < 1)).all():
        raise ValueError("aipw_scores: a propensity is not strictly between 0 and 1. It must be drawn.")
    return np.asarray(one - none + np.where(t, (y - one) / e, -(y - none) / (1 - e)))


def average_effect(gains: npt.ArrayLike, groups: npt.NDArray[Any] | None = None) -> Estimate:
    """Return the average effect of treating everybody, with its 95 % interval.

    Args:
        gains: AIPW scores, shape (n,).
        groups: Customer (or household) of each row, any labels, shape (n,): rows of one are not independent. None:
            every row stands alone.

    Raises:
        ValueError: fewer than two rows, or than two groups.

    Examples:
        >>> print(average_effect([0.1, 0.3, 0.2, 0.2]))
        0.200 (0.120 to 0.280, n = 4)
    """
    g = np.asarray(gains, dtype=np.float64)
    mean = float(g.mean()) if len(g) else float("nan")
    parts = g - mean
    if groups is not None:
        labels = np.unique(np.asarray(groups), return_inverse=True)[1]
        parts = np.bincount(labels, weights=parts).astype(np.float64)
    count = len(parts)
    if count < 2:
        raise ValueError(f"average_effect: {count} customers. An interval needs at least 2.")
    error = float(np.sqrt((parts**2).sum() * count / (count - 1))) / len(g)
    half = float(stats.norm.ppf(0.5 + CONFIDENCE / 2)) * error
    return Estimate(mean, mean - half, mean + half, len(g), "AIPW, standard error by customer")
