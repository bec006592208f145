"""Whether a score says whom to treat: the one Qini coefficient of the project.

At least six definitions are in use, and they differ by a factor of 100 on the same score; none of their numbers may
stand beside ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]

#: Points of the curve that are kept for a chart, zero and one included.
CURVE_POINTS: Final = 101


@dataclass(frozen=True, slots=True)
class QiniPoint:
    """One point of the curve.

    Attributes:
        share: Share of customers treated, best score first, in [0, 1].
        gain: Good outcomes gained per customer of the whole population, g(share).
        at_random: The same when as many are picked at random, share times g(1).
    """

    share: float
    gain: float
    at_random: float


@dataclass(frozen=True, slots=True)
class Qini:
    """The Qini coefficient of a score with its interval.

    Attributes:
        estimate: Area between the curve and the line of picking at random, in good outcomes per customer.
        low: Lower end of the interval.
        high: Upper end.
        standard_error: By the influence function.
        p_value: Two-sided, against zero: a score that orders nobody.
        level: Coverage that the interval promises.
        average_effect: g(1): good outcomes gained per customer when everybody is treated.
        treatment_count: Treated customers.
        holdout_count: Customers held out.
        curve: Points from share 0 to 1.
        method: ``aipw-qini``.
    """

    estimate: float
    low: float
    high: float
    standard_error: float
    p_value: float
    level: float
    average_effect: float
    treatment_count: int
    holdout_count: int
    curve: tuple[QiniPoint, ...]
    method: str = "aipw-qini"

    @property
    def is_better_than_random(self) -> bool:
        """True when the whole interval lies above zero."""
        return self.low > 0


def qini(
    score: npt.ArrayLike,
    treated: npt.ArrayLike,
    outcome_good: npt.ArrayLike,
    propensity: npt.ArrayLike,
    *,
    level: float = 0.95,
    unit: npt.ArrayLike | None = None,
) -> Qini:
    """Return the area between the curve of gains and the line of picking at random: ``Q = int_0^1 g(u) du - g(1) / 2``.

    ``g(u) = (1/n) sum of G_i over the top u``, with the score of inverse probability augmented by each group's mean,
    ``G_i = m1 - m0 + T(Y - m1)/e - (1 - T)(Y - m0)/(1 - e)``: its expectation is the effect, whatever the propensities.
    Customers with equal scores share their places, so the order of the rows says nothing. The integral is by trapezoid:
    a score that orders nobody has exactly zero; ``(1/n) sum_k g(k/n) - g(1)/2`` differs by ``g(1)/2n``.

    The interval comes from the influence function, ``G_i (F(s_i) - 1/2) + g(u_i)`` less its mean: the second term is
    what the ranks owe to customer i. No resampling, so the same data give the same interval.

    Args:
        score: Expected gain of treating, or any score that puts the best to treat first; shape (n,). It must not have
            learned from these customers' outcomes: a score by fold is ranked within its fold.
        treated: True where treated, as assigned; shape (n,).
        outcome_good: Outcome of which more is better, such as 1 for who stayed; shape (n,).
        propensity: Probability of treatment at the drawing, above 0 and below 1; shape (n,).
        level: Coverage of the interval.
        unit: Who was drawn together (households), any labels; shape (n,). None: every row alone.

    Raises:
        ValueError: arrays of different lengths; a value that is missing; a group that is empty; a propensity of 0 or 1;
            a score that is the same for everybody; outcomes that are.

    Source: Radcliffe (2007) for the curve; Robins, Rotnitzky and Zhao, JASA 89 (1994) for G; Hoeffding (1948) for the
        variance of a statistic of ranks.

    Examples:
        >>> round(qini([6, 5, 4, 3, 2, 1], [1, 0, 1, 0, 1, 0], [1, 0, 0, 1, 1, 1], [0.5] * 6).estimate, 6)
        0.111111
    """
    s, y, e = (np.asarray(values, dtype=np.float64) for values in (score, outcome_good, propensity))
    t = np.asarray(treated, dtype=np.float64)
    _check(s, t, y, e, level)
    m1, m0 = float((t * y / e).sum() / (t / e).sum()), float(((1 - t) * y / (1 - e)).sum() / ((1 - t) / (1 - e)).sum())
    gains = m1 - m0 + t * (y - m1) / e - (1 - t) * (y - m0) / (1 - e)
    return _area(s, gains, t, level=level, unit=unit)


def qini_of_gains(
    score: npt.ArrayLike,
    gains: npt.ArrayLike,
    treated: npt.ArrayLike,
    *,
    level: float = 0.95,
    unit: npt.ArrayLike | None = None,
) -> Qini:
    """Return the same coefficient from AIPW scores that are there already, with outcome models in the place of means.

    The definition is that of :func:`qini`: only G comes from models that did not see the customer, instead of from
    each group's mean.

    Args:
        score: Who is treated first, as in :func:`qini`; scores of different folds as ranks within their fold; shape
            (n,).
        gains: AIPW score G of each row, in units of the outcome; shape (n,).
        treated: True where treated, as assigned: it is only counted; shape (n,).
        level: Coverage of the interval.
        unit: Who was drawn together, any labels; shape (n,). None: every row alone.

    Raises:
        ValueError: arrays of different lengths; a value that is missing; a score that is the same for everybody; gains
            that are.

    Examples:
        >>> gains = [2 / 3, 4 / 3, -4 / 3, -2 / 3, 2 / 3, -2 / 3]
        >>> round(qini_of_gains([6, 5, 4, 3, 2, 1], gains, [1, 0, 1, 0, 1, 0]).estimate, 6)
        0.111111
    """
    s, g, t = (np.asarray(values, dtype=np.float64) for values in (score, gains, treated))
    if not (s.ndim == 1 and len(s) and s.shape == g.shape == t.shape):
        raise ValueError(f"qini: needs arrays of one length (got {s.shape}, {g.shape}, {t.shape}).")
    if not (np.isfinite(s) & np.isfinite(g)).all():
        raise ValueError("qini: a score or a gain is missing or infinite. Leave those customers out, and say so.")
    _check_score(s, level)
    return _area(s, g, t, level=level, unit=unit)


def _area(s: Floats, gain: Floats, t: Floats, *, level: float, unit: npt.ArrayLike | None) -> Qini:
    """Return the coefficient of checked arrays, with the interval of its influence function."""
    n = len(s)
    order = np.argsort(-s, kind="stable")
    _, first, place, tied = np.unique(-s[order], return_index=True, return_inverse=True, return_counts=True)
    by_score = np.add.reduceat(gain[order], first)
    above = np.concatenate([[0.0], np.cumsum(by_score)])
    rank, curve = np.empty(n), np.empty(n)  # the middle of those with the same score
    rank[order] = ((first + tied / 2) / n)[place]
    curve[order] = ((above[:-1] + above[1:]) / 2 / n)[place]

    estimate = float((gain * (0.5 - rank)).mean())
    influence = gain * (0.5 - rank) + curve
    influence -= influence.mean()
    if unit is not None:
        labels = np.unique(np.asarray(unit), return_inverse=True)[1]
        influence = np.bincount(labels, weights=influence).astype(np.float64)
    count = len(influence)
    if count < 2:
        raise ValueError("qini: all customers belong to one unit. An interval needs at least 2.")
    error = float(np.sqrt((influence**2).sum() * count / (count - 1))) / n
    if not error > 0:
        raise ValueError("qini: nothing varies between the units, so there is no interval.")
    z = float(stats.norm.isf((1 - level) / 2))
    shares = np.concatenate([[0.0], (first + tied) / n])
    return Qini(
        estimate=estimate,
        low=estimate - z * error,
        high=estimate + z * error,
        standard_error=error,
        p_value=float(2 * stats.norm.sf(abs(estimate) / error)),
        level=level,
        average_effect=float(gain.mean()),
        treatment_count=int(t.sum()),
        holdout_count=int(n - t.sum()),
        curve=_curve(shares, above / n),
    )


def _curve(shares: Floats, gains: Floats) -> tuple[QiniPoint, ...]:
    """Return the curve at equal steps of the share; between customers of one score it is straight."""
    at = np.linspace(0.0, 1.0, CURVE_POINTS)
    rows = zip(at.tolist(), np.interp(at, shares, gains).tolist(), (at * gains[-1]).tolist(), strict=True)
    return tuple(QiniPoint(*row) for row in rows)


def _check(s: Floats, t: Floats, y: Floats, e: Floats, level: float) -> None:
    if not (s.ndim == 1 and len(s) and s.shape == t.shape == y.shape == e.shape):
        raise ValueError(f"qini: needs arrays of one length (got {s.shape}, {t.shape}, {y.shape}, {e.shape}).")
    if not (np.isfinite(s) & np.isfinite(y)).all():
        raise ValueError("qini: a score or an outcome is missing or infinite. Leave those customers out, and say so.")
    if not np.isin(t, (0.0, 1.0)).all() or not 0 < t.sum() < len(t):
        raise ValueError(f"qini: needs treated and untreated customers, as 1 and 0 (got {t.sum():g} of {len(t)}).")
    if not ((e > 0) & (e < 1)).all():
        raise ValueError("qini: a propensity is not strictly between 0 and 1. It must be drawn.")
    if not np.ptp(y) > 0:
        raise ValueError("qini: the outcome is the same for everybody: there is nothing to gain.")
    _check_score(s, level)


def _check_score(s: Floats, level: float) -> None:
    if not np.ptp(s) > 0:
        raise ValueError("qini: the score is the same for everybody: it orders nobody.")
    if not 0 < level < 1:
        raise ValueError(f"qini: level must lie in (0, 1) (got {level!r}).")
