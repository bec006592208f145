"""How good a churn score is: ranking, calibration and what the team's daily capacity is worth. Each with an interval.

The AUC's interval is DeLong's; every other one comes from one bootstrap over customers (all rows of a drawn customer
come along), so the figures of one evaluation belong to the same resamples. Ties never help: where equal scores
straddle a line, the expectation over their random order is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from holdback.errors import DataError
from training.calibration import logistic_line
from training.delong import auc, auc_difference
from training.estimates import CONFIDENCE, Estimate, PairedDifference, normal_difference

__all__ = [
    "Estimate",
    "Evaluation",
    "PairedDifference",
    "ValueAtCapacity",
    "auc",
    "auc_difference",
    "evaluate",
    "log_loss_difference",
    "row_log_loss",
]

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

_EDGE = 1e-6  # probabilities are kept this far from 0 and 1 before a logarithm
_BINS = 10
_RESAMPLES = 500
_BOOTSTRAP_CELLS = 20_000_000  # rows x resamples that one evaluation may cost (about ten CPU-seconds)


@dataclass(frozen=True, slots=True)
class ValueAtCapacity:
    """What the customers above the capacity line were about to take away, per customer reached.

    Attributes:
        capacity: Customers the team can reach in a day.
        meaning: What the estimate counts, in words and with its unit.
        estimate: Mean over the ``capacity`` highest-scored of churned x value.
    """

    capacity: int
    meaning: str
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Every figure of one model on one set of rows whose outcomes are known."""

    n: int
    churner_count: int
    customer_count: int
    auc: Estimate
    pr_auc: Estimate
    log_loss: Estimate
    brier: Estimate
    calibration_error: Estimate
    predicted_over_actual: Estimate
    calibration_slope: Estimate
    top_decile_lift: Estimate
    value_at_capacity: ValueAtCapacity

    def figures(self) -> Iterator[tuple[str, Estimate]]:
        """Yield ``(metric name, estimate)`` in reading order; the names are those of the table ``evaluations``."""
        yield "auc", self.auc
        yield "pr_auc", self.pr_auc
        yield "log_loss", self.log_loss
        yield "brier", self.brier
        yield "calibration_error", self.calibration_error
        yield "predicted_over_actual", self.predicted_over_actual
        yield "calibration_slope", self.calibration_slope
        yield "top_decile_lift", self.top_decile_lift
        yield "value_at_capacity", self.value_at_capacity.estimate


def evaluate(
    churned: Booleans,
    probability: Floats,
    customer_ids: npt.ArrayLike,
    *,
    capacity: int,
    value_amounts: Floats | None = None,
    currency: str = "",
    day_count: int = 1,
    sampled_share: float = 1.0,
    rng: np.random.Generator,
    resamples: int | None = None,
) -> Evaluation:
    """Measure one model's probabilities against known outcomes.

    Args:
        churned: Outcomes, shape (n,).
        probability: Calibrated probabilities in [0, 1], shape (n,).
        customer_ids: Customer of each row, shape (n,); the bootstrap draws customers.
        capacity: Customers the team reaches per day, at least 1.
        value_amounts: Margin of each customer's last 365 days, in currency units, shape (n,); None counts customers.
        currency: ISO code for the wording.
        day_count: Number of as_of days pooled in the rows; each has its own ``capacity``.
        sampled_share: Share of each day's customers that is among the rows, in (0, 1]; the capacity is scaled to it.
        rng: Source of the bootstrap's draws.
        resamples: Bootstrap resamples; by default 500, fewer above 40,000 rows.

    Raises:
        DataError: Only one class is present, or a probability is missing.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> p = rng.uniform(size=400)
        >>> found = evaluate(rng.uniform(size=400) < p, p, np.arange(400), capacity=20, rng=rng)
        >>> found.value_at_capacity.meaning
        'share of the 20 highest-scored customers a day who left'
    """
    churned = np.asarray(churned, dtype=bool)
    probability = np.asarray(probability, dtype=np.float64)
    _, codes = np.unique(np.asarray(customer_ids), return_inverse=True)
    n = churned.size
    ranking = auc(churned, probability, groups=codes)
    curves = _Curves(churned, probability, value_amounts, capacity=max(1, capacity) * day_count * sampled_share)
    draws = resamples or int(np.clip(_BOOTSTRAP_CELLS // max(n, 1), 100, _RESAMPLES))
    point, gaps = curves.measure(np.ones(n))
    sample, noise = curves.bootstrap(codes, rng, draws, point, gaps)
    method = f"customer bootstrap, {draws} resamples"
    found = {
        name: _interval(name, value, sample[:, position], n, method)
        for position, (name, value) in enumerate(zip(_NAMES, point, strict=True))
    }
    found["calibration_error"] = _error_interval(float(point[_ERROR]), noise, n, method)
    meaning = (
        f"share of the {capacity:,} highest-scored customers a day who left"
        if value_amounts is None
        else f"{currency} margin of the last 365 days that left, per customer of the {capacity:,} highest-scored a day"
    ).strip()
    if sampled_share < 1:
        meaning += f" (scaled to the {sampled_share:.0%} of the customers that are held out)"
    return Evaluation(
        n=n,
        churner_count=int(churned.sum()),
        customer_count=int(codes.max()) + 1,
        auc=ranking,
        value_at_capacity=ValueAtCapacity(capacity, meaning, found.pop("value_at_capacity")),
        **found,
    )


def row_log_loss(churned: Booleans, probability: Floats) -> Floats:
    """Log-loss of each row in nats, shape (n,)."""
    p = np.clip(np.asarray(probability, dtype=np.float64), _EDGE, 1 - _EDGE)
    return np.asarray(-np.log(np.where(churned, p, 1 - p)))


def log_loss_difference(
    churned: Booleans, first: Floats, second: Floats, *, groups: npt.ArrayLike | None = None
) -> PairedDifference:
    """Mean log-loss of ``first`` minus that of ``second`` on the same rows; below zero means the first is better.

    The interval is normal with the standard error of the paired differences, summed per customer.

    Raises:
        DataError: There are fewer than two customers.
    """
    churned = np.asarray(churned, dtype=bool)
    gap = row_log_loss(churned, first) - row_log_loss(churned, second)
    estimate = float(gap.mean())
    codes = np.arange(gap.size) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    customers = int(codes.max()) + 1 if gap.size else 0
    if customers < 2:
        raise DataError(f"log-loss difference: {customers} customers. At least two are needed. Score more customers.")
    sums = np.bincount(codes, weights=gap - estimate)
    se = float(np.sqrt(np.square(sums).sum() * customers / (customers - 1)) / gap.size)
    return normal_difference(
        "log_loss",
        estimate,
        se,
        n=int(gap.size),
        churner_count=int(churned.sum()),
        method="paired, normal, by customer",
    )


_NAMES = (
    "pr_auc",
    "log_loss",
    "brier",
    "calibration_error",
    "predicted_over_actual",
    "calibration_slope",
    "top_decile_lift",
    "value_at_capacity",
)
_ERROR = _NAMES.index("calibration_error")
_BOUNDS = {"pr_auc": (0.0, 1.0), "brier": (0.0, 1.0)}


class _Curves:
    """The rows sorted once by score; every figure is then a few cumulative sums under any row weights."""

    def __init__(self, churned: Booleans, probability: Floats, values: Floats | None, *, capacity: float) -> None:
        self.order = np.argsort(-probability, kind="stable")
        self.p = probability[self.order]
        self.y = churned[self.order].astype(np.float64)
        self.gain = self.y if values is None else self.y * np.asarray(values, dtype=np.float64)[self.order]
        self.loss = row_log_loss(churned[self.order], self.p)
        self.square = np.square(self.p - self.y)
        edge = np.clip(self.p, _EDGE, 1 - _EDGE)
        self.logit = np.log(edge / (1 - edge))
        # Tied scores form one block: within it every curve is a straight line, the mean over random orders.
        self.ends = np.flatnonzero(np.r_[np.diff(self.p) != 0, True])
        self.capacity = min(capacity, churned.size)
        self.line = logistic_line(self.logit, self.y)
        fitted = self.line.probability(self.logit)
        residual, curvature = self.y - fitted, fitted * (1 - fitted)
        # Gradient and curvature of the calibration line, per row: a resample's slope is one Newton step away.
        self.newton = np.column_stack(
            [residual, residual * self.logit, curvature, curvature * self.logit, curvature * np.square(self.logit)]
        )

    def measure(self, weights: Floats) -> tuple[Floats, Floats]:
        """Every figure of ``_NAMES`` and the calibration gap of each bin, with the rows (in sorted order) weighted."""
        total = weights.sum()
        actual = weights @ self.y
        mass = np.r_[0.0, np.cumsum(weights)[self.ends]]
        hits = np.r_[0.0, np.cumsum(weights * self.y)[self.ends]]
        promised = np.r_[0.0, np.cumsum(weights * self.p)[self.ends]]
        gained = np.r_[0.0, np.cumsum(weights * self.gain)[self.ends]]
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.where(mass[1:] > 0, hits[1:] / mass[1:], 0.0)
        average_precision = float(np.diff(hits) @ precision / actual)
        edges = np.linspace(0.0, total, _BINS + 1)
        gaps = (np.diff(np.interp(edges, mass, promised)) - np.diff(np.interp(edges, mass, hits))) / total
        decile = max(1.0, float(round(total / 10)))
        figures = np.array(
            [
                average_precision,
                weights @ self.loss / total,
                weights @ self.square / total,
                np.abs(gaps).sum(),
                promised[-1] / actual,
                self._slope(weights),
                np.interp(decile, mass, hits) / decile / (actual / total),
                np.interp(self.capacity, mass, gained) / self.capacity,
            ]
        )
        return figures, gaps

    def bootstrap(
        self, codes: npt.NDArray[np.intp], rng: np.random.Generator, draws: int, point: Floats, gaps: Floats
    ) -> tuple[Floats, Floats]:
        """Figures under ``draws`` resamples of customers, shape (draws, len(_NAMES)), and how far the gaps moved."""
        codes = codes[self.order]
        customers = int(codes.max()) + 1
        sample = np.tile(point, (draws, 1))
        noise = np.zeros(draws)
        for position in range(draws):
            drawn = np.bincount(rng.integers(0, customers, customers), minlength=customers)
            weights = drawn[codes].astype(np.float64)
            churners = weights @ self.y
            # A resample without both classes has no calibration and no lift; it keeps the point estimate.
            if 0 < churners < weights.sum():
                sample[position], moved = self.measure(weights)
                noise[position] = np.abs(moved - gaps).sum()
        return sample, noise

    def _slope(self, weights: Floats) -> float:
        g_0, g_1, h_00, h_01, h_11 = weights @ self.newton
        determinant = h_00 * h_11 - h_01 * h_01
        return self.line.slope + (float((h_00 * g_1 - h_01 * g_0) / determinant) if determinant > 0 else 0.0)


def _interval(name: str, value: float, sample: Floats, n: int, method: str) -> Estimate:
    tail = (1 - CONFIDENCE) / 2
    low, high = (float(q) for q in np.quantile(sample, [tail, 1 - tail]))
    floor, ceiling = _BOUNDS.get(name, (-np.inf, np.inf))
    low, high = max(low, floor), min(high, ceiling)
    return Estimate(float(value), min(low, float(value)), max(high, float(value)), n, method)


def _error_interval(value: float, noise: Floats, n: int, method: str) -> Estimate:
    """The interval of the calibration error, which quantiles of resamples cannot give.

    Noise only ever adds to an absolute gap, once in the sample and again in each resample. But the sum of gaps is
    never further from the truth than the sum of their errors (triangle inequality), and that sum can be drawn.
    """
    reach = float(np.quantile(noise, CONFIDENCE))
    return Estimate(value, max(0.0, value - reach), min(1.0, value + reach), n, f"{method}, sum of the bins' errors")
