"""The plain models that are always trained beside CatBoost: if it does not beat them, the report says so.

- The **rule**: with a recency feature, "who was silent longest leaves first"; without one (a snapshot has no last
  event) the best rule on one feature: at most eight leaves, the feature chosen by its out-of-fold AUC.
- The **spline logistic regression**: five quantile knots per number, one-hot categories, missing indicators. A linear
  one would be too easy to beat (it lost .10 AUC on three of eight data sets); this one beats CatBoost on some.
- The **RFM logistic regression** on recency, frequency and amount alone, for businesses with transactions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, SplineTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from training.calibration import fit_platt
from training.delong import auc_influence
from training.encoding import Encoding, learn_encoding
from training.rows import Rows, folds_by_customer, hash_share

Floats = npt.NDArray[np.float64]

_KNOTS = 5
_MOST_ROWS = 50_000
"""A regression with a few hundred parameters learns nothing more from the rows above this; memory would."""


@dataclass(frozen=True, eq=False)
class Baseline:
    """A plain model that can be asked for probabilities.

    Attributes:
        name: ``rule``, ``spline_logistic`` or ``rfm_logistic``.
        meaning: What it does, in words for the report.
        columns: Features it reads.
    """

    name: str
    meaning: str
    columns: tuple[str, ...]
    _predict: Callable[[pd.DataFrame], Floats]

    def probability(self, frame: pd.DataFrame) -> Floats:
        """Probability of churn for each row, shape (n,)."""
        return self._predict(frame)


def recency_rule(rows: Rows, column: str) -> Baseline:
    """Rank by days since the last event: the longest silence first, no event at all before everything.

    The probability is Platt's line on ``log(1 + days)``; it never turns the order round.

    Args:
        rows: Training rows.
        column: The feature that holds the days since the last event.
    """
    longest = rows.frame[column].max()
    never = 2 * float(longest) + 1 if np.isfinite(longest) else 1.0

    def silence(frame: pd.DataFrame) -> Floats:
        return np.log1p(frame[column].astype("float64").fillna(never).clip(lower=0).to_numpy())

    line = fit_platt(silence(rows.frame), rows.churned)
    return Baseline(
        "rule", f"the longer since the last one, the likelier to leave ({column})", (column,),
        lambda frame: line.probability(silence(frame)),
    )  # fmt: skip


def best_single_rule(rows: Rows) -> Baseline:
    """The best rule on one feature: a tree of at most eight leaves, chosen by out-of-fold AUC.

    For businesses without events, where no recency exists. Leaves hold at least 1 % of the rows.
    """
    found = {str(name): single_feature_auc(rows, str(name)) for name in rows.frame.columns}
    # Ties are broken by name, so that the rule does not depend on the order of the features.
    column = min(found, key=lambda name: (-found[name], name))
    encode, tree = _single_tree(rows.frame[column], rows.churned)
    return Baseline(
        "rule",
        f"the best rule on one feature ({column}), at most eight leaves",
        (column,),
        lambda frame: np.asarray(tree.predict_proba(encode(frame[column]))[:, 1]),
    )


def single_feature_auc(rows: Rows, column: str, *, fold_count: int = 5) -> float:
    """Out-of-fold AUC of a depth-3 tree on one feature; folds are grouped by customer.

    Also what the leak guard reads: an honest feature stayed below .86 on eight data sets, a leaked one reached .94.
    """
    folds = folds_by_customer(rows, fold_count=fold_count)
    scores = np.full(len(rows), rows.churned.mean())
    for fold in range(fold_count):
        judge = folds == fold
        learn = ~judge
        if 0 < rows.churned[learn].mean() < 1:
            encode, tree = _single_tree(rows.frame[column][learn], rows.churned[learn])
            scores[judge] = tree.predict_proba(encode(rows.frame[column][judge]))[:, 1]
    return auc_influence(rows.churned, scores)[0]


def spline_logistic(rows: Rows) -> Baseline:
    """Logistic regression on quantile splines (five knots, C = 0.1), one-hot categories and missing indicators."""
    encoding, _ = learn_encoding(rows.frame)
    model = _fitted(_spline_columns(encoding, rows.frame), rows, encoding, c=0.1)
    return Baseline(
        "spline_logistic",
        f"logistic regression on quantile splines of all {len(encoding.names)} features",
        encoding.names,
        lambda frame: np.asarray(model.predict_proba(encoding.apply(frame))[:, 1]),
    )


def linear_logistic(rows: Rows, columns: tuple[str, ...] | None = None, *, name: str = "linear_logistic") -> Baseline:
    """Logistic regression, linear in the standardised features (amounts and counts are log-scaled by the caller)."""
    chosen = rows.frame if columns is None else rows.frame[list(columns)]
    encoding, _ = learn_encoding(chosen)
    numbers = [column for column in encoding.names if column not in encoding.categories]
    scaled = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    parts: list[tuple[str, Any, list[str]]] = [("numbers", scaled, numbers)] if numbers else []
    model = _fitted([*parts, *_one_hot(encoding)], rows, encoding, c=1.0)
    return Baseline(
        name,
        f"logistic regression on {len(encoding.names)} features",
        encoding.names,
        lambda frame: np.asarray(model.predict_proba(encoding.apply(frame))[:, 1]),
    )


def rfm_logistic(rows: Rows, *, recency: str, frequency: str, amount: str) -> Baseline:
    """Logistic regression on ``log(1 + x)`` of recency, frequency and amount: the classic of a retail analyst.

    Args:
        rows: Training rows.
        recency: Feature with the days since the last order.
        frequency: Feature with the number of orders.
        amount: Feature with the amount spent.
    """
    columns = (recency, frequency, amount)

    def logged(frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({name: _signed_log(frame[name]) for name in columns})

    from dataclasses import replace

    inner = linear_logistic(replace(rows, frame=logged(rows.frame)))
    return Baseline(
        "rfm_logistic",
        f"logistic regression on recency, frequency and amount ({', '.join(columns)})",
        columns,
        lambda frame: inner.probability(logged(frame)),
    )


def _signed_log(column: pd.Series[Any]) -> Floats:
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)))


def _spline_columns(encoding: Encoding, frame: pd.DataFrame) -> list[tuple[str, Any, list[str]]]:
    parts: list[tuple[str, Any, list[str]]] = []
    for name in encoding.names:
        if name in encoding.categories:
            continue
        values = frame[name].dropna().to_numpy(dtype=np.float64)
        knots = np.unique(np.quantile(values, np.linspace(0, 1, _KNOTS)))
        # Heavily tied numbers (counts that are mostly zero) have fewer different quantiles than knots.
        shape: Any = (
            SplineTransformer(degree=min(3, knots.size - 1), knots=knots[:, None], extrapolation="constant")
            if knots.size >= 3
            else MinMaxScaler(clip=True)
        )
        imputed = SimpleImputer(strategy="median", add_indicator=True)
        inner = ColumnTransformer([("value", shape, [0])], remainder="passthrough")
        parts.append((name, Pipeline([("impute", imputed), ("shape", inner)]), [name]))
    return [*parts, *_one_hot(encoding)]


def _one_hot(encoding: Encoding) -> list[tuple[str, Any, list[str]]]:
    if not encoding.categories:
        return []
    return [("categories", OneHotEncoder(handle_unknown="ignore", sparse_output=False), list(encoding.categories))]


def _fitted(parts: list[tuple[str, Any, list[str]]], rows: Rows, encoding: Encoding, *, c: float) -> Pipeline:
    if len(rows) > _MOST_ROWS:
        rows = rows.where(hash_share(rows.customer_ids, salt="baseline") < _MOST_ROWS / len(rows))
    model = Pipeline(
        [
            ("columns", ColumnTransformer(parts)),
            # Newton's method on the normal equations: exact in a few steps where lbfgs needs thousands.
            ("regression", LogisticRegression(C=c, solver="newton-cholesky", max_iter=200)),
        ]
    )
    model.fit(encoding.apply(rows.frame), rows.churned.astype(int))
    return model


def _single_tree(
    column: pd.Series[Any], churned: npt.NDArray[np.bool_]
) -> tuple[Callable[[pd.Series[Any]], Floats], DecisionTreeClassifier]:
    """A depth-3 tree on one column, and how the column becomes its input (categories by their churn rate)."""
    encode = _number_or_rate(column, churned)
    tree = DecisionTreeClassifier(max_depth=3, min_samples_leaf=max(1, churned.size // 100), random_state=0)
    tree.fit(encode(column), churned.astype(int))
    return encode, tree


def _number_or_rate(column: pd.Series[Any], churned: npt.NDArray[np.bool_]) -> Callable[[pd.Series[Any]], Floats]:
    if pd.api.types.is_numeric_dtype(column.dtype):
        return lambda values: values.to_numpy(dtype=np.float64, na_value=np.nan)[:, None]
    base = float(churned.mean())
    text = column.astype("str").fillna("(missing)")
    table = pd.DataFrame({"level": text.to_numpy(), "churned": churned.astype(float)}).groupby("level")["churned"]
    # Rates are drawn to the base rate by ten rows, so that a level with one customer says nothing.
    rates: Mapping[Any, float] = ((table.sum() + 10 * base) / (table.count() + 10)).to_dict()

    def rate(values: pd.Series[Any]) -> Floats:
        levels = values.astype("str").fillna("(missing)")
        return np.array([rates.get(level, base) for level in levels])[:, None]

    return rate
