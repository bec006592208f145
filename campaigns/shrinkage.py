"""Empirical Bayes: what one customer's few events say, seen together with everybody else's.

Two estimators that learn their prior from the customers themselves:

- *gamma-Poisson* for rates: counts are Poisson with a rate of the customer's own, rates are gamma distributed. The
  prior maximises the marginal (negative binomial) likelihood; the posterior is gamma with shape ``a + n`` and rate
  ``b + months``.
- *credibility* for means (Buhlmann and Straub 1970): a customer's mean amount, drawn towards the segment's as far as
  chance between one customer's amounts outweighs the difference between customers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
PriorMethod = Literal["likelihood", "moments", "pooled", "never seen"]

#: Below this shape a prior says "nearly nobody, and those a lot"; above, customers are as good as equal.
_SHAPES = (1e-3, 1e4)
_CELLS_PER_MONTH = 20  # exposures are rounded to 1.5 days while the prior is fitted: a million customers, few cells
_LARGEST_WEIGHT = 1e6  # stands for "all customers have the same mean"


@dataclass(frozen=True)
class GammaPrior:
    """How a monthly rate varies between customers.

    Attributes:
        shape: ``a``; 0 when the event was never seen.
        rate: ``b``, in months.
        method: How the two were found.
        customer_count: Customers it was learned from.
        event_count: Their events.
    """

    shape: float
    rate: float
    method: PriorMethod
    customer_count: int
    event_count: int

    @property
    def mean(self) -> float:
        """Events per customer and month."""
        return self.shape / self.rate


@dataclass(frozen=True)
class MeanPrior:
    """How a mean amount varies between customers.

    Attributes:
        mean: Mean of all amounts.
        weight: Amounts of one customer that count as much as the prior.
        variance: Variance between amounts of one customer.
    """

    mean: float
    weight: float
    variance: float


def gamma_poisson(counts: Integers, months: Floats) -> GammaPrior:
    """Learn how a rate varies between customers.

    By marginal likelihood; by moments when the likelihood has no finite maximum that the optimiser finds.

    Args:
        counts: Events of each customer, shape (n,).
        months: Months in which each was observed, above 0, shape (n,).

    Examples:
        >>> gamma_poisson(np.array([0, 0, 0]), np.array([3.0, 6.0, 2.0])).method
        'never seen'
    """
    events, total = int(counts.sum()), float(months.sum())
    if events == 0:
        return GammaPrior(0.0, max(total, 1.0), "never seen", counts.size, 0)
    steps = np.maximum(np.rint(months * _CELLS_PER_MONTH).astype(np.int64), 1)
    width = int(steps.max()) + 1
    cells, weights = np.unique(counts * width + steps, return_counts=True)
    n, t = (cells // width).astype(np.float64), (cells % width) / _CELLS_PER_MONTH
    mean = events / total
    shape = _shape_by_moments(n, t, weights.astype(np.float64), mean)

    def loss(logs: Floats) -> float:
        a, b = float(np.exp(logs[1])), float(np.exp(logs[1] - logs[0]))
        terms = special.gammaln(a + n) - special.gammaln(a) + a * np.log(b / (b + t)) + n * np.log(t / (b + t))
        return float(-(weights * terms).sum() / counts.size)

    bounds = [(np.log(mean) - 5, np.log(mean) + 5), (np.log(_SHAPES[0]), np.log(_SHAPES[1]))]
    found = optimize.minimize(loss, [np.log(mean), np.log(shape)], method="L-BFGS-B", bounds=bounds)
    if not found.success or not np.isfinite(found.fun):
        return GammaPrior(shape, shape / mean, "moments", counts.size, events)
    shape = float(np.exp(found.x[1]))
    return GammaPrior(shape, float(shape / np.exp(found.x[0])), "likelihood", counts.size, events)


def mean_credibility(counts: Integers, totals: Floats, squares: Floats) -> MeanPrior:
    """Learn how a mean amount varies between customers (Buhlmann and Straub 1970, unbiased moments).

    Args:
        counts: Amounts of each customer, shape (n,).
        totals: Their sums, shape (n,).
        squares: Sums of their squares, shape (n,).
    """
    number = float(counts.sum())
    if number == 0:
        return MeanPrior(0.0, _LARGEST_WEIGHT, 0.0)
    seen = counts > 0
    n, x = counts[seen].astype(np.float64), totals[seen]
    mean = float(x.sum() / number)
    within = max(float((squares[seen] - x**2 / n).sum()) / max(number - n.size, 1.0), 0.0)
    spread = number - float((n**2).sum()) / number
    between = (float((n * (x / n - mean) ** 2).sum()) - (n.size - 1) * within) / spread if spread > 0 else 0.0
    weight = within / between if between > 0 else _LARGEST_WEIGHT
    return MeanPrior(mean, float(np.clip(weight, 0.0, _LARGEST_WEIGHT)), within)


def _shape_by_moments(n: Floats, t: Floats, weights: Floats, mean: float) -> float:
    """Shape from the variance of rates that is left when chance is taken out."""
    excess = float((weights * (n - mean * t) ** 2).sum() - mean * (weights * t).sum()) / float((weights * t**2).sum())
    return float(np.clip(mean**2 / excess, *_SHAPES)) if excess > 0 else _SHAPES[1]
