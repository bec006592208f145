"""What each action was expected to bring each customer, by models that saw neither him nor his household.

They only make the intervals of AIPW narrower: with logged probabilities its estimate is right whatever they say. So
they are plain: a regularised regression per action, the mean where an action has few customers.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from monitoring.policies.policies import folds_of
from training.uplift.experience import Logged

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

#: An action with fewer customers, or fewer of the rarer outcome, is expected to bring everybody its mean.
FEWEST_ROWS: Final = 200
FEWEST_PER_OUTCOME: Final = 20
_MOST_LEVELS: Final = 20
_STRENGTH: Final = 0.1


def expected_rewards(logged: Logged) -> Floats:
    """Return the expected reward of none and of each action, shape (n, 1 + k).

    Args:
        logged: Customers, what was done with them and what it brought.
    """
    n, width = logged.probability.shape
    features, fold = _features(logged), folds_of(logged)
    good = np.zeros((n, width))
    for own in np.unique(fold):
        inside, others = fold == own, fold != own
        if not others.any():  # all belong to one unit: nothing else to learn from
            continue
        centre, scale = features[others].mean(axis=0), features[others].std(axis=0)
        scaled = np.clip((features - centre) / np.where(scale > 0, scale, 1.0), -5.0, 5.0)
        for column in range(width):
            rows = others & (logged.chosen == column)
            good[inside, column] = _expected(scaled, logged.good, rows, inside, others)
    costs = np.concatenate([[0.0], logged.costs])
    expected: Floats = logged.value_amounts[:, None] * good - costs
    return expected


def _expected(scaled: Floats, good: Floats, rows: Booleans, inside: Booleans, others: Booleans) -> Floats:
    """Expected outcome of the rows inside, learned from ``rows``; their mean, or that of all, where they are few."""
    from sklearn.linear_model import LogisticRegression, Ridge

    known = good[rows]
    mean = float(known.mean()) if known.size else float(good[others].mean())
    is_binary = bool(np.isin(good, (0.0, 1.0)).all())
    rarer = min(known.sum(), known.size - known.sum()) if is_binary else known.size
    if known.size < FEWEST_ROWS or rarer < FEWEST_PER_OUTCOME:
        return np.full(int(inside.sum()), mean)
    if is_binary:
        model = LogisticRegression(C=_STRENGTH, solver="newton-cholesky", max_iter=100)
        found: Floats = model.fit(scaled[rows], known.astype(int)).predict_proba(scaled[inside])[:, 1]
        return found
    predicted: Floats = Ridge(alpha=1.0 / _STRENGTH).fit(scaled[rows], known).predict(scaled[inside])
    return predicted


def _features(logged: Logged) -> Floats:
    """Numbers with their gaps filled and flagged, the commonest levels of categories, risk and value; shape (n, m)."""
    columns: list[Floats] = [logged.value_amounts, np.nan_to_num(logged.risk, nan=0.0)]
    for name in logged.frame.columns:
        told = logged.frame[name]
        if pd.api.types.is_numeric_dtype(told):
            values = told.to_numpy(dtype=np.float64)
            values = np.where(np.isfinite(values), values, np.nan)
            gaps = np.isnan(values)
            if gaps.all():
                continue
            columns.append(np.where(gaps, np.nanmedian(values), values))
            columns += [gaps.astype(np.float64)] if gaps.any() else []
        else:
            levels = told.value_counts().index[:_MOST_LEVELS]
            columns += [(told == level).fillna(False).to_numpy(dtype=np.float64) for level in levels]
    return np.column_stack(columns)
