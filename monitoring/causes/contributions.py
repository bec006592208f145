"""What each family of features contributes to each customer's probability, and figures of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from features.declarations import Feature
from monitoring.causes.results import Course, Figure, Level
from monitoring.cells import MINIMUM_CELL
from training.churn import ChurnModel
from training.reasons import family_of, points_of

Floats = npt.NDArray[np.float64]

RESAMPLES = 500
FEWEST_FOR_AN_INTERVAL = 30
"""Customers below which a bootstrap promises more than it keeps."""
FEWEST_FOR_A_COURSE = 10
_MIXED_BELOW = 0.2  # a rank correlation this small names no direction
_FLAT = 1e-9
_BLOCK = 50  # resamples multiplied at once


@dataclass(frozen=True, eq=False)
class Contributions:
    """A model's contributions for some customers.

    Attributes:
        customer_ids: Whose, shape (n,).
        frame: The features as the model saw them (rare categories folded, texts as numbers), n rows.
        logits: What each shown feature adds to the logit (its SHAP value), each of shape (n,).
        by_feature: Percentage points of probability that it adds.
        by_family: The same of each family, taken together.
        declared: The shown features by name.
    """

    customer_ids: npt.NDArray[Any]
    frame: pd.DataFrame
    logits: Mapping[str, Floats]
    by_feature: Mapping[str, Floats]
    by_family: Mapping[str, Floats]
    declared: Mapping[str, Feature]

    def where(self, mask: npt.NDArray[np.bool_]) -> Contributions:
        """Return the part of some customers."""
        return Contributions(
            self.customer_ids[mask],
            self.frame.loc[mask],
            {name: added[mask] for name, added in self.logits.items()},
            {name: points[mask] for name, points in self.by_feature.items()},
            {name: points[mask] for name, points in self.by_family.items()},
            self.declared,
        )

    def features_of(self, family: str) -> tuple[Feature, ...]:
        """Return the shown features of a family."""
        return tuple(feature for feature in self.declared.values() if family_of(feature) == family)


def contributions_of(
    model: ChurnModel, frame: pd.DataFrame, customer_ids: npt.NDArray[Any], declared: Iterable[Feature], *, threads: int
) -> Contributions:
    """Ask a model what each family contributes to each customer's probability.

    Exact SHAP values on the calibrated logit, added up by family, in points: how much lower the probability would be
    without them. Features that are protected are left out, whatever an old model may have seen.

    Args:
        model: The calibrated model.
        frame: Features, n rows, n at least 1.
        customer_ids: Whose, shape (n,).
        declared: Declarations of the features.
        threads: CPU threads.

    Raises:
        DataError: a column of the model is missing.
    """
    raw, base = model.contributions(frame, threads=threads)
    logit = np.asarray(base + raw.sum(axis=1))
    names = model.encoding.names
    shown = {feature.name: feature for feature in declared if not feature.protected and feature.name in names}
    for name, feature in shown.items():
        if feature.kind == "text":
            # Who wrote nothing said nothing, whatever the model makes of the silence.
            raw[frame[name].isna().to_numpy(), names.index(name)] = 0.0
    position = {name: names.index(name) for name in shown}
    families: dict[str, list[int]] = {}
    for name, feature in shown.items():
        families.setdefault(family_of(feature), []).append(position[name])
    return Contributions(
        customer_ids,
        model.encoding.apply(frame),
        {name: raw[:, at] for name, at in position.items()},
        {name: points_of(logit, raw[:, at]) for name, at in position.items()},
        {family: points_of(logit, raw[:, at].sum(axis=1)) for family, at in families.items()},
        shown,
    )


def drawn_again(n: int, *, resamples: int, seed: int) -> Iterator[Floats]:
    """Yield how often each of n customers is drawn, one row per resample, shape (at most _BLOCK, n)."""
    rng = np.random.default_rng(seed)
    for begin in range(0, resamples, _BLOCK):
        rows = min(_BLOCK, resamples - begin)
        yield np.array([np.bincount(rng.integers(0, n, n), minlength=n) for _ in range(rows)], dtype=np.float64)


def sizes(found: Contributions, *, seed: int = 0) -> dict[str, tuple[Figure, Figure]]:
    """Return each family's mean size in points and its share of all, with intervals by bootstrap over customers.

    The intervals say how much the figures would differ with other customers of the same kind, not with another model.

    Args:
        found: Contributions of the sample.
        seed: Of the resamples.
    """
    families = list(found.by_family)
    absolute = np.abs(np.column_stack([found.by_family[family] for family in families]))
    means = absolute.mean(axis=0)
    shares = means / (means.sum() or 1.0)
    if len(absolute) < FEWEST_FOR_AN_INTERVAL:
        pairs = zip(families, means, shares, strict=True)
        return {f: (Figure(float(m), None, None), Figure(float(s), None, None)) for f, m, s in pairs}
    n = len(absolute)
    drawn = np.vstack([weights @ absolute / n for weights in drawn_again(n, resamples=RESAMPLES, seed=seed)])
    drawn_shares = drawn / np.where(drawn.sum(axis=1) > 0, drawn.sum(axis=1), 1.0)[:, None]
    return {
        family: (_figure(means[at], drawn[:, at]), _figure(shares[at], drawn_shares[:, at]))
        for at, family in enumerate(families)
    }


def changes(old: Contributions, new: Contributions, *, seed: int = 0, resamples: int = RESAMPLES) -> dict[str, Figure]:
    """Return how much each family's mean size changed, in points, with intervals that hold together at 95 %.

    Customers of both days are drawn together: who stands in both is no independent witness. The intervals are those
    of the largest standardised deviation over all families (max-t).

    Args:
        old: Contributions on the older day.
        new: Contributions on the newer day.
        seed: Of the resamples.
        resamples: How many.
    """
    families = [family for family in new.by_family if family in old.by_family]
    if not families:
        return {}
    everybody, codes = np.unique(np.concatenate([old.customer_ids, new.customer_ids]), return_inverse=True)
    split = old.customer_ids.size
    before = np.abs(np.column_stack([old.by_family[family] for family in families]))
    after = np.abs(np.column_stack([new.by_family[family] for family in families]))
    estimate = after.mean(axis=0) - before.mean(axis=0)
    if min(len(before), len(after)) < FEWEST_FOR_AN_INTERVAL:
        return {family: Figure(float(value), None, None) for family, value in zip(families, estimate, strict=True)}
    parts = []
    for weights in drawn_again(everybody.size, resamples=resamples, seed=seed):
        first, second = np.split(weights[:, codes], [split], axis=1)
        parts.append(second @ after / _total(second) - first @ before / _total(first))
    drawn = np.vstack(parts)
    error = drawn.std(axis=0, ddof=1)
    scaled = np.abs(drawn - estimate) / np.where(error > 0, error, np.inf)
    reach = float(np.quantile(scaled.max(axis=1), 0.95)) * error
    return {
        family: Figure(float(estimate[at]), float(estimate[at] - reach[at]), float(estimate[at] + reach[at]))
        for at, family in enumerate(families)
    }


def rank_correlation(values: Floats, contribution: Floats) -> float | None:
    """Spearman's correlation of a number with its SHAP value; None when either is flat or few are known.

    Examples:
        >>> rank_correlation(np.arange(20.0), -np.arange(20.0) ** 3)
        -1.0
    """
    known = np.isfinite(values)
    seen, added = values[known], contribution[known]
    if seen.size < FEWEST_FOR_A_COURSE or np.ptp(seen) == 0 or np.ptp(added) < _FLAT:
        return None
    ranks = stats.rankdata(seen), stats.rankdata(added)
    return float(round(np.corrcoef(*ranks)[0, 1], 12))


def course_of(correlation: float | None) -> Course | None:
    """Say a rank correlation in a word."""
    if correlation is None:
        return None
    if abs(correlation) < _MIXED_BELOW:
        return "mixed"
    return "higher" if correlation > 0 else "lower"


def extremes(values: pd.Series[Any], points: Floats) -> tuple[Level, Level] | None:
    """Return the riskiest and the safest level of a category; None when flat.

    Levels of fewer than five customers stand for nobody's.
    """
    grouped = pd.DataFrame({"value": values.to_numpy(), "points": points}).groupby("value", sort=True)["points"]
    told = grouped.agg(["mean", "size"])
    told = told[told["size"] >= MINIMUM_CELL]
    if len(told) < 2 or np.ptp(told["mean"].to_numpy()) < _FLAT:
        return None
    riskiest, safest = told["mean"].idxmax(), told["mean"].idxmin()
    return _level(told, riskiest), _level(told, safest)


def _level(told: pd.DataFrame, value: Any) -> Level:
    row = told.loc[value]
    return Level(str(value), float(row["mean"]), int(row["size"]))


def _total(weights: Floats) -> Floats:
    """How many are drawn in each resample, as a column; at least 1."""
    return np.asarray(np.maximum(weights.sum(axis=1, keepdims=True), 1.0))


def _figure(estimate: float, drawn: Floats) -> Figure:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Figure(float(estimate), float(low), float(high))
