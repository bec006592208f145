"""The leak guard: which columns know the outcome because they were written after it.

Three statistics and one fact. A column is named when it alone ranks with an AUC of .90, when the model loses .10 of AUC
without it, when it carries 70 % of the model, or when the business file shows that its value was observed inside the
time that the label describes. On eight honest data sets the statistics were silent; they caught five real leaks of six,
and the sixth kind (a date that exists only afterwards) is what the fact is for.

Leaks also come as families: no single one of four ``current_...`` balances stands out, all four together do. So columns
of the customers' table that share their first word and state no ``observed_on`` are also left out together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np

from features.declarations import Feature
from training.baselines import single_feature_auc
from training.churn import quick_out_of_fold
from training.delong import auc_influence
from training.guards import Guard
from training.rows import Rows, hash_share, is_number

HIGHEST_SINGLE_AUC = 0.90
HIGHEST_DROP_LOSS = 0.10
HIGHEST_IMPORTANCE = 0.70
HIGHEST_FAMILY_LOSS = 0.05
"""AUC lost without a family of undeclared columns: honest families lost at most .013, the savings bank's .086."""

_ATTRIBUTES = "attributes"  # family of the customers table's own columns: no compiler saw to their point in time
_WORTH_DROPPING = 0.10  # importance below which a column cannot lose .10 of AUC: the rest is not tried
_MOST_ROWS = 20_000
_SCREEN_BINS = 64
_SCREEN_SLACK = 0.05

Kind = Literal["single", "drop", "importance", "family", "observed"]


@dataclass(frozen=True)
class Suspicion:
    """One reason to believe that columns know the outcome.

    Attributes:
        kind: Which rule found it.
        columns: The column, or the family.
        reason: What was seen, in words.
        figure: The statistic; None for facts.
    """

    kind: Kind
    columns: tuple[str, ...]
    reason: str
    figure: float | None = None


def leak_guard(
    rows: Rows,
    importance: Mapping[str, float],
    features: Iterable[Feature],
    *,
    outcome_starts_on: date | None,
    threads: int,
) -> Guard:
    """Look for columns that know the outcome, and name them.

    Args:
        rows: Training rows; above 20,000 a sample by customer is used.
        importance: Share of the model carried by each feature, summing to 1.
        features: Declarations of the features.
        outcome_starts_on: First day of the time that the label describes: the earliest training as_of, or what the
            business file states for a snapshot; None when a snapshot states nothing.
        threads: CPU threads.
    """
    if len(rows) > _MOST_ROWS:
        rows = rows.where(hash_share(rows.customer_ids, salt="leaks") < _MOST_ROWS / len(rows))
    known = {feature.name: feature for feature in features if feature.name in rows.frame.columns}
    found = [
        *_observed_late(known.values(), outcome_starts_on),
        *_single(rows),
        *_importance(importance),
    ]
    named = {column for suspicion in found for column in suspicion.columns}
    found += _dropped(rows, importance, known, named, threads=threads)
    figures = {
        "suspicions": [{"kind": s.kind, "columns": list(s.columns), "figure": s.figure} for s in found],
        "outcome_starts_on": outcome_starts_on,
        "rows": len(rows),
    }
    if not found:
        return Guard("leak", "pass", "no column knows the outcome beforehand, as far as can be seen.", (), figures)
    columns = tuple(dict.fromkeys(column for s in found for column in s.columns))
    reasons = "; ".join(s.reason for s in found)
    reason = (
        f"{reasons}. A column written after the outcome must not predict it: leave it out of the business file, or "
        "state the day it describes under observed_on."
    )
    return Guard("leak", "block", reason, columns, figures)


def availability_guard(features: Iterable[Feature], *, outcome_starts_on: date | None) -> Guard:
    """Say which facts about customers state no day of observation although the outcome has one.

    Only for a snapshot whose outcome is dated: there nothing else proves that a column was known beforehand. A
    warning, because a birth year needs no date; a family of such columns that carries the model blocks as a leak.
    """
    undated = (
        ()
        if outcome_starts_on is None
        else tuple(f.name for f in features if f.family == _ATTRIBUTES and f.observed_on is None)
    )
    if not undated:
        return Guard("availability", "pass", "every column's time of availability is known, or the outcome has none.")
    return Guard(
        "availability",
        "warn",
        f"the outcome begins on {outcome_starts_on}, and {', '.join(undated)} do not say which day they describe. "
        "State observed_on for each in the business file.",
        undated,
    )


def _observed_late(features: Iterable[Feature], outcome_starts_on: date | None) -> list[Suspicion]:
    if outcome_starts_on is None:
        return []
    late = tuple(f.name for f in features if f.observed_on is not None and f.observed_on >= outcome_starts_on)
    if not late:
        return []
    text = f"{', '.join(late)} describe a day on or after {outcome_starts_on}, when the outcome's time begins"
    return [Suspicion("observed", late, text)]


def _single(rows: Rows) -> list[Suspicion]:
    found = []
    for name in map(str, rows.frame.columns):
        # The best AUC that any cut of the column could have is cheap to bound; only what comes close is fitted.
        if _screened_auc(rows, name) < HIGHEST_SINGLE_AUC - _SCREEN_SLACK:
            continue
        value = single_feature_auc(rows, name)
        if value >= HIGHEST_SINGLE_AUC:
            found.append(
                Suspicion("single", (name,), f"{name} alone ranks the outcome with an AUC of {value:.3f}", value)
            )
    return found


def _importance(importance: Mapping[str, float]) -> list[Suspicion]:
    return [
        Suspicion("importance", (name,), f"{name} carries {value:.0%} of the model", value)
        for name, value in importance.items()
        if value >= HIGHEST_IMPORTANCE
    ]


def _dropped(
    rows: Rows, importance: Mapping[str, float], known: Mapping[str, Feature], named: set[str], *, threads: int
) -> list[Suspicion]:
    """What the AUC loses without a column or a family; those already ``named`` need no more proof."""
    candidates: list[tuple[Kind, tuple[str, ...], float]] = [
        ("drop", (name,), HIGHEST_DROP_LOSS)
        for name, value in importance.items()
        if value >= _WORTH_DROPPING and name not in named
    ]
    for family in _undeclared_families(known.values()):
        if sum(importance.get(name, 0.0) for name in family) >= _WORTH_DROPPING and not named.issuperset(family):
            candidates.append(("family", family, HIGHEST_FAMILY_LOSS))
    if not candidates:
        return []
    whole, _ = auc_influence(rows.churned, quick_out_of_fold(rows, threads=threads))
    found = []
    for kind, columns, limit in candidates:
        rest, _ = auc_influence(rows.churned, quick_out_of_fold(rows.without(list(columns)), threads=threads))
        if whole - rest >= limit:
            text = f"without {', '.join(columns)} the AUC falls from {whole:.3f} to {rest:.3f}"
            found.append(Suspicion(kind, columns, text, whole - rest))
    return found


def _undeclared_families(features: Iterable[Feature]) -> list[tuple[str, ...]]:
    """Attributes of the customers' table without ``observed_on`` whose names begin with the same word."""
    families: dict[str, list[str]] = defaultdict(list)
    for feature in features:
        if feature.family == _ATTRIBUTES and feature.observed_on is None:
            families[feature.name.split("_")[0]].append(feature.name)
    return [tuple(names) for names in families.values() if len(names) > 1]


def _screened_auc(rows: Rows, name: str) -> float:
    """AUC of ranking by the churn rate of each value (numbers: of 64 bins), in sample: an upper bound, cheaply."""
    column = rows.frame[name]
    if is_number(column):
        values = column.to_numpy(dtype=np.float64)
        present = values[~np.isnan(values)]
        if not present.size:
            return 0.5
        edges = np.unique(np.quantile(present, np.linspace(0, 1, _SCREEN_BINS + 1)[1:-1]))
        codes = np.where(np.isnan(values), edges.size + 1, np.searchsorted(edges, values, side="right"))
    else:
        codes = np.unique(column.astype("str").fillna("(missing)").to_numpy(), return_inverse=True)[1]
    counts = np.bincount(codes)
    rates = np.bincount(codes, weights=rows.churned) / np.maximum(counts, 1)
    return auc_influence(rows.churned, rates[codes])[0]
