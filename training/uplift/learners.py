"""The learners an uplift model is made of: boosters of outcomes and gains, and linear ones beside them.

Nothing is tuned to a company: the sizes were measured on four real trials and in simulations (2026-11), where bigger
boosters and searches were not better. Borders of the numbers are found once and shared by every booster of a fit.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from holdback.errors import DataError, OperatorError
from training.encoding import MOST_LEVELS, Encoding
from training.uplift.frozen import Design

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]

#: What a booster says: an outcome, by how much one outcome differs from another, or a gain.
Role = Literal["outcome", "shift", "effect"]

_EDGE = 0.001
_FEWEST_OF_A_LEVEL = 10
_PROOF_ROWS = 2000


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what is learned from given rows.

    Attributes:
        fold_count: Folds of cross-fitting, grouped by customer.
        outcome_trees: Trees of each outcome booster.
        outcome_depth: Their depth.
        shift_trees: Trees of the booster of how the treated differ from the untreated.
        shift_depth: Their depth: an effect is simpler than what it changes.
        effect_trees: Trees of the booster of the gains.
        effect_depth: Their depth.
        learning_rate: Of all boosters.
        outcome_subsample: Share of the rows that each tree of these boosters sees.
        effect_subsample: The same for the gains, which are mostly noise: half was as cheap as it was better.
        border_count: Borders per number.
        one_hot_max_size: Above every possible number of levels, so that the sum of boosters is exact.
    """

    fold_count: int = 3
    outcome_trees: int = 200
    outcome_depth: int = 4
    shift_trees: int = 100
    shift_depth: int = 2
    effect_trees: int = 120
    effect_depth: int = 3
    learning_rate: float = 0.05
    outcome_subsample: float = 0.8
    effect_subsample: float = 0.5
    border_count: int = 64
    one_hot_max_size: int = MOST_LEVELS + 2

    def size_of(self, role: Role) -> tuple[int, int, float]:
        """Return trees, depth and the share of the rows that each tree sees."""
        return {
            "outcome": (self.outcome_trees, self.outcome_depth, self.outcome_subsample),
            "shift": (self.shift_trees, self.shift_depth, self.outcome_subsample),
            "effect": (self.effect_trees, self.effect_depth, self.effect_subsample),
        }[role]

    def digest(self, names: tuple[str, ...]) -> str:
        """Name this recipe and these features: two models with equal digests differ only in their data."""
        content = json.dumps({"recipe": asdict(self), "features": list(names)}, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]


def learn_design(encoded: pd.DataFrame, encoding: Encoding) -> Design:
    """Decide the columns of the linear parts from encoded training features.

    Heavy tails are cut at a thousandth on either side: one customer with an absurd amount may not tilt a line. A level
    of fewer than 10 rows has no column: it counts as the average customer.
    """
    numbers = tuple(name for name in encoding.names if name not in encoding.categories)
    raw = encoded[list(numbers)].to_numpy(dtype=np.float64)
    raw = np.where(np.isfinite(raw).any(axis=0), np.where(np.isinf(raw), np.nan, raw), 0.0)
    missing = np.isnan(raw)
    low, fill, high = (np.nanquantile(raw, share, axis=0) for share in (_EDGE, 0.5, 1 - _EDGE))
    filled = np.where(missing, fill, np.clip(raw, low, high))
    scale = filled.std(axis=0)
    levels = {}
    for name in encoding.categories:
        counts = encoded[name].value_counts()
        levels[name] = tuple(sorted(str(level) for level, count in counts.items() if count >= _FEWEST_OF_A_LEVEL))
    flagged = tuple(name for name, gaps in zip(numbers, missing.mean(axis=0), strict=True) if gaps > 0)
    return Design(numbers, low, high, fill, filled.mean(axis=0), np.where(scale > 0, scale, 1.0), flagged, levels)


def pool_of(
    encoded: pd.DataFrame,
    target: Floats,
    encoding: Encoding,
    recipe: Recipe,
    *,
    threads: int,
    is_binary: bool = False,
    weights: Floats | None = None,
) -> Any:
    """Return a CatBoost pool whose borders are found, to be sliced by every fold.

    ``weights``: how much each row counts, with a mean of 1, shape (n,); None: all alike.

    Raises:
        DataError: every feature is the same in every row.
    """
    from catboost import CatBoostError, Pool

    label = target.astype(np.int64) if is_binary else target
    pool = Pool(encoded, label, cat_features=list(encoding.categories), weight=weights, thread_count=threads)
    try:
        pool.quantize(border_count=recipe.border_count)
    except CatBoostError as error:
        raise _nothing_to_learn(error) from error
    return pool


def boost(
    pool: Any,
    rows: Integers,
    recipe: Recipe,
    *,
    seed: int,
    threads: int,
    is_binary: bool,
    role: Role = "outcome",
    baseline: Floats | None = None,
) -> Any:
    """Fit one booster on some rows of a pool.

    Args:
        pool: Of all rows, by :func:`pool_of`.
        rows: Positions to learn from.
        recipe: What to do.
        seed: Of the rows that each tree sees.
        threads: CPU threads.
        is_binary: True where the target is yes or no.
        role: What the booster says, which decides its size.
        baseline: Where the booster starts from for each of ``rows``, in units of what boosters say (logits of a
            probability); it then says only what is to be added.

    Raises:
        DataError: CatBoost finds nothing that varies among the rows.
    """
    from catboost import CatBoost, CatBoostError

    trees, depth, subsample = recipe.size_of(role)
    settings = {
        "loss_function": "Logloss" if is_binary else "RMSE",
        "iterations": trees,
        "depth": depth,
        "learning_rate": recipe.learning_rate,
        "leaf_estimation_iterations": 1,
        "bootstrap_type": "Bernoulli",
        "subsample": subsample,
        "one_hot_max_size": recipe.one_hot_max_size,
        "random_seed": seed,
        "thread_count": threads,
        "allow_writing_files": False,
        "verbose": False,
    }
    try:
        part = pool.slice(rows)
        if baseline is not None:
            part.set_baseline(baseline)
        return CatBoost(settings).fit(part)
    except CatBoostError as error:
        raise _nothing_to_learn(error) from error


def asked_of(encoded: pd.DataFrame, encoding: Encoding, *, threads: int) -> Any:
    """Return a CatBoost pool of rows to be asked about by several boosters.

    Its borders stay unfound: CatBoost 1.2.10 learns from a pool whose borders are found, but cannot answer for one in
    which it packed the categories of two levels ("Should be IDynamicBlockIteratorPtr").
    """
    from catboost import Pool

    return Pool(encoded, cat_features=list(encoding.categories), thread_count=threads)


def ask(booster: Any, pool: Any, *, threads: int) -> Floats:
    """Return what a booster says of the rows of a pool, in logits where its target is yes or no, shape (n,)."""
    return np.asarray(booster.predict(pool, prediction_type="RawFormulaVal", thread_count=threads), dtype=np.float64)


def along(matrix: Floats, line: Floats) -> Floats:
    """Return what a line says of each row of a design, in logits where its target is yes or no, shape (n,)."""
    return np.asarray(matrix @ line[1:] + line[0])


def merge(boosters: Sequence[Any], encoded: pd.DataFrame) -> tuple[Any, bytes]:
    """Average boosters into one, prove the average exact, and strip what differs from run to run.

    Args:
        boosters: CatBoost models trained on the same columns.
        encoded: Features; the first 2,000 rows are the proof.

    Returns:
        The model, and the bytes of its ``.cbm``: equal boosters give equal bytes.

    Raises:
        OperatorError: the sum is not exact (a category used target statistics).
    """
    from catboost import CatBoost, sum_models

    merged = sum_models(list(boosters), weights=[1 / len(boosters)] * len(boosters))
    facts = merged.get_metadata()
    for key in list(facts.keys()):  # when and by which process each was trained
        del facts[key]
    # Without any parameters, every later reader of the file is warned of invalid ones.
    facts["params"] = boosters[0].get_metadata()["params"]
    with tempfile.TemporaryDirectory(prefix="holdback-uplift-") as folder:
        path = Path(folder) / "part.cbm"
        merged.save_model(str(path))
        content = path.read_bytes()
    booster = CatBoost().load_model(blob=content)
    sample = encoded.iloc[:_PROOF_ROWS]
    mean = np.mean([b.predict(sample, prediction_type="RawFormulaVal") for b in boosters], axis=0)
    error = float(np.abs(booster.predict(sample, prediction_type="RawFormulaVal") - mean).max())
    if error > 1e-9 * max(1.0, float(np.abs(mean).max())):
        raise OperatorError(
            f"uplift: the sum of {len(boosters)} boosters differs from their mean by {error:.2g}. It must be exact "
            "(no category may use target statistics). Report this with the feature set."
        )
    return booster, content


def _nothing_to_learn(error: Exception) -> DataError:
    reason = str(error).rsplit(": ", maxsplit=1)[-1]
    return DataError(
        f"uplift: CatBoost finds nothing to learn from ({reason}). Some feature and the outcome must vary among the "
        "treated and among the untreated. Check the features of this day."
    )
