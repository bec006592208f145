"""Area under the ROC curve with exact variance (DeLong), also when a customer stands in several rows.

Source: DeLong, DeLong & Clarke-Pearson 1988; ranks as in Sun & Xu 2014; clusters as in Obuchowski 1997. Two models are
always compared on the same rows: the paired standard error is about a quarter of the unpaired one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from holdback.errors import DataError
from training.estimates import CONFIDENCE, Estimate, PairedDifference, normal_difference

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Groups = npt.NDArray[Any]

_Z = float(stats.norm.ppf(0.5 + CONFIDENCE / 2))


def auc(churned: Booleans, scores: Floats, *, groups: Groups | None = None) -> Estimate:
    """Probability that a random churner is scored above a random stayer (ties count half), with DeLong's interval.

    Args:
        churned: True for churners, shape (n,).
        scores: Any score that grows with risk, shape (n,).
        groups: Customer of each row, shape (n,); rows of one customer are not independent. None: all rows differ.

    Raises:
        DataError: Only one class is present, or a score is not a number.

    Examples:
        >>> auc(np.array([True, True, False, False]), np.array([0.9, 0.4, 0.5, 0.1])).estimate
        0.75
    """
    value, influence = auc_influence(churned, scores)
    se = _clustered_error(influence, groups)
    churner_count = int(churned.sum())
    if se == 0.0:
        # Perfect (or perfectly wrong) ranking: DeLong's variance is zero, which nobody should read as certainty.
        # The rule of three on the rarer class bounds what such a sample can tell.
        slack = min(1.0, 3.0 / min(churner_count, churned.size - churner_count))
        low, high, method = max(0.0, value - slack), min(1.0, value + slack), "rule of three (DeLong variance is zero)"
    else:
        low, high, method = max(0.0, value - _Z * se), min(1.0, value + _Z * se), "DeLong"
    return Estimate(value, low, high, int(churned.size), method)


def auc_difference(
    churned: Booleans, first: Floats, second: Floats, *, groups: Groups | None = None
) -> PairedDifference:
    """AUC of ``first`` minus AUC of ``second`` on the same rows, with the paired DeLong interval.

    Args:
        churned: True for churners, shape (n,).
        first: Scores of the first model, shape (n,).
        second: Scores of the second model, shape (n,).
        groups: Customer of each row, or None when every row is another customer.

    Raises:
        DataError: Only one class is present, or a score is not a number.
    """
    value_first, influence_first = auc_influence(churned, first)
    value_second, influence_second = auc_influence(churned, second)
    return normal_difference(
        "auc",
        value_first - value_second,
        _clustered_error(influence_first - influence_second, groups),
        n=int(churned.size),
        churner_count=int(churned.sum()),
        method="paired DeLong",
    )


def auc_influence(churned: Booleans, scores: Floats) -> tuple[float, Floats]:
    """The AUC and each row's share in its error: the squared row (or customer) sums add up to DeLong's variance.

    Returns:
        The AUC, and an array of shape (n,).

    Raises:
        DataError: Only one class is present, or a score is not a number.
    """
    churned = np.asarray(churned, dtype=bool)
    scores = np.asarray(scores, dtype=np.float64)
    m, n = int(churned.sum()), int((~churned).sum())
    if m == 0 or n == 0:
        raise DataError(
            f"auc: {m} churners and {n} others. Both classes must be present. Score rows whose outcomes differ."
        )
    if np.isnan(scores).any():
        raise DataError(f"auc: {int(np.isnan(scores).sum())} scores are missing. Every row needs one. Score them all.")
    among_all = stats.rankdata(scores)
    churner_places = (among_all[churned] - stats.rankdata(scores[churned])) / n
    other_places = 1.0 - (among_all[~churned] - stats.rankdata(scores[~churned])) / m
    value = float(churner_places.mean())
    influence = np.empty(churned.size)
    # The roots turn the sums of squares into DeLong's unbiased variances (divisor m - 1 and n - 1).
    influence[churned] = (churner_places - value) / m * np.sqrt(m / max(m - 1, 1))
    influence[~churned] = (other_places - value) / n * np.sqrt(n / max(n - 1, 1))
    return value, influence


def standard_error(churned: Booleans, scores: Floats, *, groups: Groups | None = None) -> float:
    """DeLong's standard error of the AUC, in the units of the AUC."""
    return _clustered_error(auc_influence(churned, scores)[1], groups)


def _clustered_error(influence: Floats, groups: Groups | None) -> float:
    if groups is not None:
        _, codes = np.unique(groups, return_inverse=True)
        influence = np.bincount(codes, weights=influence).astype(np.float64)
    return float(np.sqrt(np.square(influence).sum()))
