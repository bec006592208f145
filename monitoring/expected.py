"""How good today's scores will turn out to be, said before any outcome is known: from the probabilities alone.

If a customer's probability is what it says, outcomes can only fall in certain ways, and so can the AUC, the number of
churners and the share that leaves above the capacity line. Every figure here is an estimate that holds **only if the
calibration still holds**: a model that has lost it looks here as good as ever. Whether it has is seen in matured
outcomes only (:mod:`monitoring.performance`).

Source: confidence-based performance estimation (NannyML's CBPE); the closed form of the AUC and its error are derived
in :func:`expected_performance`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from math import ceil, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from holdback.business import Churn
from holdback.sql import literal
from holdback.warehouse import Warehouse
from training.estimates import CONFIDENCE, Estimate

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

FEWEST_OF_A_CLASS: Final = 10
"""Expected churners, and stayers, below which no AUC is expected: its error is not normal any more."""
_TWO_SIDED: Final = float(stats.norm.ppf(0.5 + CONFIDENCE / 2))
_AUC_METHOD: Final = "expected if the probabilities are right; delta method over the outcomes"
_COUNT_METHOD: Final = "expected if the probabilities are right; Poisson-binomial, normal with skewness"


@dataclass(frozen=True, slots=True)
class Expected:
    """What will be found once the outcomes are known, if the probabilities are right. Never a measurement.

    Attributes:
        customer_count: Customers scored.
        churners: Customers who will leave.
        auc: The AUC that will be measured; None when fewer than ten are expected to leave, or to stay.
        line_count: Customers above the capacity line.
        precision: Share of those who will leave; None when nobody is above the line.
        holds_if: What all of it hangs on.
    """

    customer_count: int
    churners: Estimate
    auc: Estimate | None
    line_count: int
    precision: Estimate | None
    holds_if: str = "calibration"

    @property
    def lift(self) -> float | None:
        """How many times more often those above the line will leave than everybody; None when nobody leaves."""
        if self.precision is None or self.churners.estimate <= 0:
            return None
        return self.precision.estimate * self.customer_count / self.churners.estimate


def expected_performance(probabilities: Floats, is_above_line: Booleans) -> Expected:
    """Return what calibrated probabilities promise about their own performance, each figure with a 95 % interval.

    The AUC is N / D: N counts pairs of a churner and a stayer ranked rightly (ties half), D all such pairs. With
    independent outcomes both have closed expectations over the pairs i != j, ``sum p_i (1 - p_j) s_ij`` and
    ``sum p_i (1 - p_j)``; their ratio is the expected AUC up to terms of order 1/n. Its variance over the outcomes is
    ``sum p_i (1 - p_i) h_i^2`` with ``h_i`` the derivative of the ratio by ``p_i``. After one sort everything is a
    running sum: O(n log n).

    Args:
        probabilities: In [0, 1], shape (n,).
        is_above_line: Who is above the capacity line, shape (n,).

    Raises:
        ValueError: a probability is missing or outside [0, 1]; nobody was scored; shapes differ.

    Examples:
        >>> found = expected_performance(np.array([0.5] * 40), np.array([True] * 4 + [False] * 36))
        >>> found.auc.estimate, found.churners.estimate, found.precision.estimate
        (0.5, 20.0, 0.5)
    """
    p = np.asarray(probabilities, dtype=np.float64)
    above = np.asarray(is_above_line, dtype=bool)
    if p.size == 0 or p.shape != above.shape or not bool(((p >= 0) & (p <= 1)).all()):
        raise ValueError(
            f"expected performance: {p.size} probabilities for {above.size} customers. Each customer needs one, in "
            "[0, 1]. Score the day."
        )
    chosen = p[above]
    return Expected(
        customer_count=int(p.size),
        churners=expected_count(p),
        auc=_auc(p) if min(p.sum(), p.size - p.sum()) >= FEWEST_OF_A_CLASS else None,
        line_count=int(chosen.size),
        precision=_shared(expected_count(chosen)) if chosen.size else None,
    )


def expected_count(probabilities: Floats) -> Estimate:
    """Return how many of independent events happen, with the 95 % interval of their number (whole numbers).

    Source: A. Y. Volkova, A refinement of the central limit theorem for sums of independent random indicators, Theory
    of Probability and its Applications 40 (1996): normal quantiles corrected for skewness and for being whole.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    variance = float((p * (1 - p)).sum())
    mean = float(p.sum())
    if variance == 0:
        return Estimate(mean, mean, mean, int(p.size), _COUNT_METHOD)
    skewness = float((p * (1 - p) * (1 - 2 * p)).sum()) / variance**1.5

    def quantile(z: float) -> float:
        found = ceil(mean + sqrt(variance) * (z + skewness * (z * z - 1) / 6) - 0.5)
        return float(min(max(found, 0), p.size))

    return Estimate(mean, min(quantile(-_TWO_SIDED), mean), max(quantile(_TWO_SIDED), mean), int(p.size), _COUNT_METHOD)


def expected_of_day(warehouse: Warehouse, churn: Churn, as_of: date) -> Expected | None:
    """Return what the scores of a day promise about themselves; None when the day was not scored.

    Only the probabilities leave the warehouse, without the customers they belong to.
    """
    found = warehouse.query(
        f"select probability, is_above_capacity_line from scores where churn = {literal(churn.name)} "
        f"and as_of = date '{as_of}' order by probability, is_above_capacity_line"
    )
    if found.num_rows == 0:
        return None
    return expected_performance(
        found["probability"].to_numpy().astype(np.float64), found["is_above_capacity_line"].to_numpy().astype(bool)
    )


def _auc(p: Floats) -> Estimate:
    """The expected AUC and its error, from sums over ranks."""
    order = np.argsort(p, kind="stable")
    q = p[order]
    # Customers with the same probability rank alike: sums below and within each group of equal ones.
    _, start, size = np.unique(q, return_index=True, return_counts=True)
    running = np.concatenate([[0.0], np.cumsum(q)])
    below_sum = np.repeat(running[start], size)
    tied_sum = np.repeat(running[start + size] - running[start], size) - q
    below_count = np.repeat(start.astype(np.float64), size)
    tied_count = np.repeat(size.astype(np.float64), size) - 1
    total, n = float(running[-1]), float(q.size)
    others = total - q
    # Stayers whom a customer would outrank as a churner; churners who would outrank him as a stayer.
    beaten = (below_count - below_sum) + (tied_count - tied_sum) / 2
    beaten_by = (others - below_sum - tied_sum) + tied_sum / 2
    rightly, pairs = float(q @ beaten), float(q @ (n - 1 - others))
    value = rightly / pairs
    slope = ((beaten - beaten_by) - value * ((n - 1 - others) - others)) / pairs
    half = _TWO_SIDED * sqrt(float((q * (1 - q)) @ np.square(slope)))
    return Estimate(value, max(value - half, 0.0), min(value + half, 1.0), int(n), _AUC_METHOD)


def _shared(count: Estimate) -> Estimate:
    return Estimate(count.estimate / count.n, count.low / count.n, count.high / count.n, count.n, count.method)
