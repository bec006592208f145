"""What a rule would have earned, from what another rule did with logged probabilities. Pure functions of numbers.

Of n customers with features x, action a was drawn with probability p(a|x) and earned r. A rule that gives action a with
probability pi(a|x) would have earned, per customer, the mean of one of

- IPW: ``w r`` with ``w = pi(a|x) / p(a|x)``: unbiased, wide;
- SNIPW: ``sum w r / sum w``: hardly biased, as narrow as the rule is alike;
- AIPW: ``sum over b of pi(b|x) q(b, x) + w (r - q(a, x))``: unbiased whatever q, which only makes it narrow.

Intervals come from the influence functions, summed up by unit: rows of one household or customer are not independent.

Source: Horvitz and Thompson, JASA 47 (1952); Swaminathan and Joachims, NeurIPS 28 (2015); Dudik, Langford and Li,
ICML 28 (2011); Robins, Rotnitzky and Zhao, JASA 89 (1994).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from monitoring.effects import NotMeasurable

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

#: Below this effective number of customers the interval promises more than it holds.
FEWEST_EFFECTIVE: Final = 50
#: Share of a rule's choices that may fall on what nobody could have got; they are told nothing about.
MOST_UNTRIED: Final = 0.001


@dataclass(frozen=True, eq=False)
class PolicyValue:
    """What a rule would have earned per customer, with its interval.

    Attributes:
        estimate: Mean earned per customer, in the unit of the rewards.
        low: Lower end of the interval.
        high: Upper end.
        standard_error: By unit.
        level: Coverage that the interval promises.
        n: Customers behind it.
        unit_count: Units (households) behind it.
        effective_count: As many customers would say as much if the rule itself had been followed: (sum w)^2 / sum w^2.
        method: ``ipw``, ``snipw`` or ``aipw``.
        influence: What each unit adds to the error, shape (units,); two rules are compared with it.
    """

    estimate: float
    low: float
    high: float
    standard_error: float
    level: float
    n: int
    unit_count: int
    effective_count: float
    method: str
    influence: Floats


@dataclass(frozen=True, slots=True)
class Difference:
    """What one rule would have earned more than another, on the same customers.

    Attributes:
        estimate: First minus second, per customer.
        low: Lower end of the interval.
        high: Upper end.
        standard_error: Paired: what both rules do alike adds nothing.
        p_value: Two-sided, against no difference.
        level: Coverage that the interval promises.
        n: Customers behind it.
    """

    estimate: float
    low: float
    high: float
    standard_error: float
    p_value: float
    level: float
    n: int


def ipw(
    target: npt.ArrayLike,
    chosen: npt.ArrayLike,
    probability: npt.ArrayLike,
    reward: npt.ArrayLike,
    *,
    unit: npt.ArrayLike | None = None,
    level: float = 0.95,
) -> PolicyValue:
    """Return what a rule would have earned, by inverse probability weighting.

    Args:
        target: pi(b|x) of each of m actions (none is one of them), rows add up to 1, shape (n, m).
        chosen: Which action was done, shape (n,).
        probability: p(b|x), as logged, rows add up to 1, shape (n, m).
        reward: What was earned, shape (n,).
        unit: Who was drawn together, any labels, shape (n,); None: every row alone.
        level: Coverage of the interval.

    Raises:
        NotMeasurable: the rule would do what nobody could have got, or hardly anybody got.
        ValueError: shapes that do not fit, probabilities that are none, or a reward that is missing.

    Examples:
        >>> half = [[0.5, 0.5]] * 4
        >>> ipw([[0.0, 1.0]] * 4, [0, 1, 0, 1], half, [1.0, 3.0, 1.0, 5.0]).estimate  # 2 (3 + 5) / 4
        4.0
    """
    _, w, r = _weights(target, chosen, probability, reward)
    return _value("ipw", w * r, w, unit, level)


def snipw(
    target: npt.ArrayLike,
    chosen: npt.ArrayLike,
    probability: npt.ArrayLike,
    reward: npt.ArrayLike,
    *,
    unit: npt.ArrayLike | None = None,
    level: float = 0.95,
) -> PolicyValue:
    """Return the same, with weights that are made to add up to n.

    Args and errors: as :func:`ipw`. A rule that is the logged one earns exactly what was earned.

    Examples:
        >>> half = [[0.5, 0.5]] * 4
        >>> snipw(half, [0, 1, 0, 1], half, [1.0, 3.0, 1.0, 5.0]).estimate
        2.5
    """
    _, w, r = _weights(target, chosen, probability, reward)
    total = float(w.sum())
    mean = float((w * r).sum()) / total
    return _value("snipw", mean + w * (r - mean) * (len(r) / total), w, unit, level)


def aipw(
    target: npt.ArrayLike,
    chosen: npt.ArrayLike,
    probability: npt.ArrayLike,
    reward: npt.ArrayLike,
    expected: npt.ArrayLike,
    *,
    unit: npt.ArrayLike | None = None,
    level: float = 0.95,
) -> PolicyValue:
    """Return the same, with what outcome models expect, corrected by what happened.

    Args:
        target: As :func:`ipw`.
        chosen: As :func:`ipw`.
        probability: As :func:`ipw`.
        reward: As :func:`ipw`.
        expected: q(b, x): expected reward of each action, by models that did not learn from the row's unit, (n, m).
        unit: As :func:`ipw`.
        level: Coverage of the interval.

    Raises:
        NotMeasurable, ValueError: as :func:`ipw`.

    Examples:
        >>> half, nothing = [[0.5, 0.5]] * 4, [[0.0, 0.0]] * 4
        >>> aipw([[0.0, 1.0]] * 4, [0, 1, 0, 1], half, [1.0, 3.0, 1.0, 5.0], nothing).estimate  # that of IPW
        4.0
    """
    pi, w, r = _weights(target, chosen, probability, reward)
    q = np.asarray(expected, dtype=np.float64)
    if q.shape != pi.shape or not np.isfinite(q[pi > 0]).all():
        raise ValueError(f"aipw: expected rewards of shape {q.shape} for {pi.shape}, or some are missing.")
    done = np.asarray(chosen, dtype=np.int64)
    correction = np.where(w > 0, w * (r - q[np.arange(len(r)), done]), 0.0)
    return _value("aipw", np.where(pi > 0, pi * q, 0.0).sum(axis=1) + correction, w, unit, level)


def difference(first: PolicyValue, second: PolicyValue) -> Difference:
    """Return what the first rule would have earned more than the second, on the same customers.

    Raises:
        ValueError: they were not computed from the same customers by the same method.

    Examples:
        >>> half, paid = [[0.5, 0.5]] * 4, [1.0, 3.0, 1.0, 5.0]
        >>> everybody, nobody = (ipw([row] * 4, [0, 1, 0, 1], half, paid) for row in ([0.0, 1.0], [1.0, 0.0]))
        >>> difference(everybody, nobody).estimate  # 4 less 1
        3.0
    """
    if (first.method, first.n, first.unit_count, first.level) != (
        second.method, second.n, second.unit_count, second.level
    ):  # fmt: skip
        raise ValueError("difference: two rules are compared on the same customers, by the same method and level.")
    influence = first.influence - second.influence
    estimate, error = first.estimate - second.estimate, _error(influence, first.n)
    half = float(stats.norm.isf((1 - first.level) / 2)) * error
    # Rules that do the same everywhere differ by nothing, with certainty.
    p_value = float(2 * stats.norm.sf(abs(estimate) / error)) if error > 0 else 1.0
    return Difference(estimate, estimate - half, estimate + half, error, p_value, first.level, first.n)


def _weights(
    target: npt.ArrayLike, chosen: npt.ArrayLike, probability: npt.ArrayLike, reward: npt.ArrayLike
) -> tuple[Floats, Floats, Floats]:
    """Check everything; return pi, the weights and the rewards."""
    pi, p = np.asarray(target, dtype=np.float64), np.asarray(probability, dtype=np.float64)
    done, r = np.asarray(chosen, dtype=np.int64), np.asarray(reward, dtype=np.float64)
    if pi.ndim != 2 or pi.shape != p.shape or done.shape != r.shape or done.shape != (len(pi),) or not len(pi):
        raise ValueError(f"policy value: shapes do not fit ({pi.shape}, {done.shape}, {p.shape}, {r.shape}).")
    for name, values in (("target", pi), ("logged", p)):
        if not ((values >= -1e-9).all() and np.allclose(values.sum(axis=1), 1.0, atol=1e-6)):
            raise ValueError(f"policy value: {name} probabilities must be at least 0 and add up to 1 in each row.")
    if not np.isfinite(r).all():
        raise ValueError("policy value: a reward is missing. Leave those customers out, and say so.")
    own = p[np.arange(len(r)), done]
    if not (own > 0).all():
        raise ValueError("policy value: an action was done that had no chance to be drawn. The log is wrong.")
    untried = float(np.where(p > 0, 0.0, pi).sum(axis=1).mean())
    if untried > MOST_UNTRIED:
        raise NotMeasurable(
            f"the rule would do what nobody like them could have got, for {untried:.1%} of the customers: what that "
            "earns is not known. Explore with these actions first."
        )
    w = pi[np.arange(len(r)), done] / own
    effective = _effective(w)
    if effective < FEWEST_EFFECTIVE:
        raise NotMeasurable(
            f"what the rule would do was hardly ever done: {len(r):,} customers say as much as {effective:.0f}, and it "
            f"takes {FEWEST_EFFECTIVE}. Explore more, or wait for more outcomes."
        )
    return pi, w, r


def _effective(w: Floats) -> float:
    squares = float((w**2).sum())
    return float(w.sum()) ** 2 / squares if squares > 0 else 0.0


def _value(method: str, scores: Floats, w: Floats, unit: npt.ArrayLike | None, level: float) -> PolicyValue:
    """Turn scores, whose mean is the estimate, into the estimate with its interval."""
    if not 0 < level < 1:
        raise ValueError(f"policy value: level must lie in (0, 1) (got {level!r}).")
    estimate = float(scores.mean())
    influence = scores - estimate
    if unit is not None:
        labels: npt.NDArray[Any] = np.unique(np.asarray(unit).astype(str), return_inverse=True)[1]
        influence = np.bincount(labels, weights=influence).astype(np.float64)
    if len(influence) < 2:
        raise NotMeasurable("all customers belong to one unit: an interval needs at least 2.")
    error = _error(influence, len(scores))
    half = float(stats.norm.isf((1 - level) / 2)) * error
    return PolicyValue(
        estimate, estimate - half, estimate + half, error, level, len(scores), len(influence), _effective(w), method,
        influence,
    )  # fmt: skip


def _error(influence: Floats, n: int) -> float:
    count = len(influence)
    return float(np.sqrt((influence**2).sum() * count / (count - 1))) / n
