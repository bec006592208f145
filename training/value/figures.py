"""How good a forecast of customers' values is: its ranking, its deciles, its total; what to do with two of them.

A value model is never chosen by its mean absolute error: most customers spend nothing, so the best by that measure
forecasts the median, and captured 39 % of CDNOW's total. Every figure carries a bootstrap interval over customers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from holdback.errors import DataError
from training.estimates import CONFIDENCE, Estimate

Floats = npt.NDArray[np.float64]
Method = Literal["btyd+hurdle", "btyd", "hurdle"]

RESAMPLES: Final = 200
TOP_SHARE: Final = 0.1
DECILE_COUNT: Final = 10
LARGEST_MISS: Final = 0.4
"""A forecast whose last matured total was wrong by more is not published."""
FACTORS_THAT_AGREE: Final = 3
"""So many matured forecasts in a row must have missed to the same side before the next one is corrected."""


@dataclass(frozen=True, slots=True)
class ValueFigures:
    """The figures of one forecast against what came, each with its 95 % interval.

    Attributes:
        gini: Ranking by value: 1 is the perfect order, 0 a random one.
        decile_error: Mean absolute error of the deciles' means, as a share of the mean value.
        total_ratio: Predicted total / actual total.
        top_share: Share of the actual total that the 10 % with the highest forecast brought.
        best_top_share: The same for the perfect order: what could be had at most.
        customer_count: Customers judged.
    """

    gini: Estimate
    decile_error: Estimate
    total_ratio: Estimate
    top_share: Estimate
    best_top_share: float
    customer_count: int


@dataclass(frozen=True, slots=True)
class Factor:
    """What the matured forecasts say about the next one.

    Attributes:
        applied: What every value is multiplied by before it is published; 1 unless the last three missed alike.
        is_publishable: False when the last matured total was wrong by more than 40 %.
        sentence: What to print beside the values.
    """

    applied: float
    is_publishable: bool
    sentence: str


def value_gini(predicted: Floats, actual: Floats) -> float:
    """Gini of the actual values in the forecast's order, divided by that in the perfect order.

    Ties count as any order of them on average, so a constant forecast gets exactly 0.

    Args:
        predicted: Forecast per customer, shape (n,).
        actual: What came, shape (n,), with a positive total.

    Raises:
        DataError: shapes differ, a value is missing, nobody spent anything, or all spent alike.
    """
    return _Ranked.of(predicted, actual).gini(np.ones(len(actual)))


def decile_error(predicted: Floats, actual: Floats) -> float:
    """Mean absolute error of the means of the forecast's ten deciles, divided by the mean actual value.

    Args:
        predicted: Forecast per customer, shape (n,).
        actual: What came, shape (n,), with a positive total.

    Raises:
        DataError: as :func:`value_gini`.
    """
    return _Ranked.of(predicted, actual).decile_error(np.ones(len(actual)))


def total_ratio(predicted: Floats, actual: Floats) -> float:
    """Predicted total / actual total; above 1 promises too much.

    Raises:
        DataError: as :func:`value_gini`.
    """
    return _Ranked.of(predicted, actual).total_ratio(np.ones(len(actual)))


def top_share(predicted: Floats, actual: Floats, share: float = TOP_SHARE) -> float:
    """Share of the actual total brought by the customers with the highest forecasts.

    Args:
        predicted: Forecast per customer, shape (n,).
        actual: What came, shape (n,), with a positive total.
        share: How many customers, as a share of all, in (0, 1].

    Raises:
        DataError: as :func:`value_gini`, or the share is outside (0, 1].
    """
    if not 0 < share <= 1:
        raise DataError(f"value figures: top share {share}. It must lie above 0 and be at most 1.")
    return _Ranked.of(predicted, actual).top_share(np.ones(len(actual)), share)


def judge(predicted: Floats, actual: Floats, *, seed: int, resamples: int = RESAMPLES) -> ValueFigures:
    """Compare a forecast with what came.

    Args:
        predicted: Forecast per customer, shape (n,), one row per customer.
        actual: What came, shape (n,), with a positive total.
        seed: Of the bootstrap over customers.
        resamples: Bootstrap samples; intervals are their 2.5 % and 97.5 % quantiles.

    Raises:
        DataError: as :func:`value_gini`.
    """
    ranked = _Ranked.of(predicted, actual)
    rng = np.random.default_rng(seed)
    n = len(actual)
    drawn = []
    for _ in range(resamples):
        # As often as each customer is drawn in a sample of n with replacement: nothing needs sorting again.
        weights = np.bincount(rng.integers(0, n, n), minlength=n).astype(np.float64)
        if ranked.can_judge(weights):
            drawn.append(ranked.all_figures(weights))
    once = ranked.all_figures(np.ones(n))
    if not drawn:
        drawn.append(once)
    estimates = [
        _with_interval(value, np.array([row[place] for row in drawn]), n, is_inflated=place == 1)
        for place, value in enumerate(once)
    ]
    best = top_share(actual, actual)
    return ValueFigures(estimates[0], estimates[1], estimates[2], estimates[3], best, n)


def combine(btyd: Floats | None, hurdle: Floats | None) -> tuple[Floats, Method]:
    """The forecast to use: the mean of both, or the one there is.

    The mean beat both of its parts on CDNOW (ranking, deciles and total) and on Online Retail (ranking); no selection.

    Args:
        btyd: Forecast of BG/NBD with gamma-gamma, shape (n,); None when it degenerated.
        hurdle: Forecast of the hurdle model, shape (n,); None when it could not be trained.

    Returns:
        The values, shape (n,), and how they were made.

    Raises:
        DataError: both are None, or they are not of the same customers.
    """
    if btyd is not None and hurdle is not None:
        if btyd.shape != hurdle.shape:
            raise DataError(f"values: {btyd.shape} and {hurdle.shape} rows. Both must be of the same customers.")
        return (btyd + hurdle) / 2, "btyd+hurdle"
    if btyd is not None:
        return btyd, "btyd"
    if hurdle is not None:
        return hurdle, "hurdle"
    raise DataError("values: neither model could be fitted. Values need 50 customers who came back.")


def factor_rule(factors: Sequence[float]) -> Factor:
    """Decide from matured forecasts whether the next one may be published, and by what it is corrected.

    Args:
        factors: Predicted total / actual total of each matured forecast, uncorrected, oldest first; infinite when
            nothing came. The last one counts for publishing, the last three for the correction.

    Raises:
        DataError: a factor is negative or not a number.

    Examples:
        >>> factor_rule([1.1, 0.9, 1.2]).applied
        1.0
        >>> round(factor_rule([0.8, 0.8, 0.8]).applied, 3)
        1.25
    """
    if any(np.isnan(factor) or factor < 0 for factor in factors):
        raise DataError(f"value factors: {list(factors)}. Each is predicted / actual, 0 or more. Check the totals.")
    if not factors:
        return Factor(1.0, True, "No forecast has matured yet: nothing is known about how far these values are off.")
    last = factors[-1]
    said = f"The last matured forecast promised {last:.2f} times what came"
    if abs(last - 1) > LARGEST_MISS:
        return Factor(1.0, False, f"{said}, which is off by more than {LARGEST_MISS:.0%}: this model may not speak.")
    recent = np.asarray(factors[-FACTORS_THAT_AGREE:], dtype=np.float64)
    agree = bool((recent > 1).all() or (recent < 1).all()) and np.isfinite(recent).all() and (recent > 0).all()
    if len(recent) < FACTORS_THAT_AGREE or not agree:
        return Factor(1.0, True, f"{said}; values are published as forecast.")
    applied = float(1 / np.exp(np.log(recent).mean()))
    side = "much" if last > 1 else "little"
    return Factor(
        applied,
        True,
        f"{said}. The last {FACTORS_THAT_AGREE} all promised too {side}: values are multiplied by {applied:.2f}.",
    )


@dataclass(frozen=True, eq=False)
class _Ranked:
    """A forecast and what came, sorted once; every figure takes how often each customer counts."""

    predicted: Floats
    actual: Floats
    by_forecast: npt.NDArray[np.intp]  # position of each customer's forecast among the distinct ones, ascending
    by_value: npt.NDArray[np.intp]

    @classmethod
    def of(cls, predicted: Floats, actual: Floats) -> _Ranked:
        predicted, actual = np.asarray(predicted, dtype=np.float64), np.asarray(actual, dtype=np.float64)
        if predicted.ndim != 1 or predicted.shape != actual.shape:
            raise DataError(f"value figures: shapes {predicted.shape} and {actual.shape}. One row per customer each.")
        if not (np.isfinite(predicted).all() and np.isfinite(actual).all()):
            raise DataError("value figures: a forecast or an actual value is missing or infinite. Leave the row out.")
        by_forecast = np.unique(predicted, return_inverse=True)[1]
        ranked = cls(predicted, actual, by_forecast, np.unique(actual, return_inverse=True)[1])
        if not len(actual) or not ranked.can_judge(np.ones(len(actual))):
            raise DataError(
                f"value figures: {len(actual)} customers with a total of {actual.sum():,.2f}. Values must add up to "
                "more than 0 and differ. Judge a window in which customers spent."
            )
        return ranked

    def can_judge(self, weights: Floats) -> bool:
        present = self.actual[weights > 0]
        return bool((weights * self.actual).sum() > 0 and present.min() < present.max())

    def all_figures(self, weights: Floats) -> tuple[float, float, float, float]:
        return self.gini(weights), self.decile_error(weights), self.total_ratio(weights), self.top_share(weights)

    def gini(self, weights: Floats) -> float:
        return self._spread(self.by_forecast, weights) / self._spread(self.by_value, weights)

    def decile_error(self, weights: Floats) -> float:
        cuts = np.linspace(0, 1, DECILE_COUNT + 1)
        miss = np.diff(self._captured(self.predicted, weights, cuts) - self._captured(self.actual, weights, cuts))
        return float(np.abs(miss).mean() * DECILE_COUNT / (weights * self.actual).sum())

    def total_ratio(self, weights: Floats) -> float:
        return float((weights * self.predicted).sum() / (weights * self.actual).sum())

    def top_share(self, weights: Floats, share: float = TOP_SHARE) -> float:
        below, total = self._captured(self.actual, weights, np.array([1 - share, 1.0]))
        return float(1 - below / total)

    def _spread(self, groups: npt.NDArray[np.intp], weights: Floats) -> float:
        """Covariance of the actual value with the mid-rank, up to a factor that cancels."""
        sizes = np.bincount(groups, weights)
        middle = np.cumsum(sizes) - sizes / 2 - weights.sum() / 2
        return float((np.bincount(groups, weights * self.actual) * middle).sum())

    def _captured(self, values: Floats, weights: Floats, cuts: Floats) -> Floats:
        """Total of the values of the lowest forecasts, at each share of customers; ties are shared out evenly."""
        sizes = np.concatenate([[0.0], np.cumsum(np.bincount(self.by_forecast, weights))])
        totals = np.concatenate([[0.0], np.cumsum(np.bincount(self.by_forecast, weights * values))])
        return np.asarray(np.interp(cuts * sizes[-1], sizes, totals), dtype=np.float64)


def _with_interval(value: float, drawn: Floats, n: int, *, is_inflated: bool) -> Estimate:
    tail = (1 - CONFIDENCE) / 2
    method = f"bootstrap over customers, {len(drawn)} samples"
    if is_inflated:
        # A mean of absolute errors grows with noise, and a resample has the noise twice: the shift is taken back.
        drawn = np.maximum(drawn - (drawn.mean() - value), 0.0)
        method += ", bias taken back"
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Estimate(value, float(low), float(high), n, method)
