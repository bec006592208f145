"""The churn model: CatBoost with its size and its calibration learned out of fold, in one file without a pickle.

The recipe was measured on ten public data sets (2026-11). Five folds grouped by customer give the number of trees and
out-of-fold scores; Platt's line is fitted on those; three seeds are refitted on all rows with 1.1 x the mean number of
trees and summed into one booster; the line becomes the booster's own scale and bias. No class weights (they ruin the
probabilities and rank no better), no search. This module is the only door to CatBoost.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from holdback.errors import DataError, OperatorError
from holdback.progress import Progress, silent
from training.calibration import Line, fit_platt
from training.encoding import MOST_LEVELS, Encoding, encoding_from, learn_encoding
from training.rows import Rows, folds_by_customer, hash_share
from training.text_boosters import TextRecipe, read_texts
from training.texts import METADATA_KEY as TEXTS_KEY
from training.texts import TextReader, from_metadata, to_text

Floats = npt.NDArray[np.float64]

METADATA_KEY = "holdback"
FEWEST_OF_A_CLASS = 10
"""Fewer churners (or stayers) than this cannot fill five folds; the model is refused."""
_NEAR_CAP = 0.95


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what is learned from given rows; two equal recipes are a refresh of one another."""

    depth: int = 5
    learning_rate: float = 0.05
    l2_leaf_reg: float = 5.0
    rsm: float = 0.8
    random_strength: float = 1.0
    border_count: int = 128
    one_hot_max_size: int = MOST_LEVELS + 1  # with (missing): always one-hot, so that the sum of models is exact
    most_trees: int = 4000
    patience: int = 80
    fold_count: int = 5
    seed_count: int = 3
    growth: float = 1.1
    most_rows_in_folds: int = 200_000

    def digest(self, names: tuple[str, ...], texts: tuple[str, ...] = ()) -> str:
        """Name this recipe and these features: two models with equal digests differ only in their data."""
        read = {"texts": list(texts), "text_recipe": TextRecipe().as_dict()} if texts else {}
        content = json.dumps({"recipe": asdict(self), "features": list(names), **read}, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class ChurnModel:
    """A calibrated booster as it stands in its file.

    Attributes:
        booster: The CatBoost model; its scale and bias are the calibration.
        encoding: Columns, order and categories, and what reads the texts.
        line: The calibration that is folded into the booster.
        information: What else the file says about itself (recipe digest, trees, dates, null shares, ...).
    """

    booster: Any  # catboost.CatBoostClassifier, which has no types
    encoding: Encoding
    line: Line
    information: Mapping[str, Any]

    def probability(self, frame: pd.DataFrame, *, threads: int = 1) -> Floats:
        """Calibrated probability of churn for each row, shape (n,). Extra columns are ignored.

        Args:
            frame: Features, n rows.
            threads: CPU threads; the result does not depend on them.

        Raises:
            DataError: a column of the model is missing.
        """
        if frame.empty:
            return np.empty(0)
        found = self.booster.predict_proba(self._encoded(frame), thread_count=threads)
        return np.asarray(found[:, 1], dtype=np.float64)

    def contributions(self, frame: pd.DataFrame, *, threads: int) -> tuple[Floats, float]:
        """Exact SHAP values on the logit of the calibrated probability.

        Args:
            frame: Features, n rows.
            threads: CPU threads.

        Returns:
            Contributions of shape (n, number of features) in the order of ``encoding.names``, and the base value;
            ``sigmoid(base + row sum)`` is the calibrated probability.
        """
        from catboost import Pool

        # CatBoost refuses SHAP on a scaled model: explain an unscaled copy and apply the line to the result.
        plain = self.booster.copy()
        plain.set_scale_and_bias(1.0, 0.0)
        pool = Pool(self._encoded(frame), cat_features=list(self.encoding.categories))
        raw = np.asarray(plain.get_feature_importance(pool, type="ShapValues", thread_count=threads))
        return raw[:, :-1] * self.line.slope, float(raw[0, -1] * self.line.slope + self.line.intercept)

    def importance(self) -> dict[str, float]:
        """Share of the model's decisions that each feature carries (prediction value change); sums to 1."""
        plain = self.booster.copy()
        plain.set_scale_and_bias(1.0, 0.0)
        values = np.asarray(plain.get_feature_importance(type="PredictionValuesChange"), dtype=np.float64)
        total = values.sum() or 1.0
        return {name: float(value / total) for name, value in zip(self.encoding.names, values, strict=True)}

    def save(self, path: Path) -> None:
        """Write the one file of this model. Readable by any CatBoost; our own facts stand under ``holdback``.

        Raises:
            OperatorError: the disk is full or refuses.
        """
        from catboost import CatBoostError

        try:
            self.booster.save_model(str(path))
        except CatBoostError as error:  # what it says of a full disk is a line of its own source
            raise OperatorError(
                f"{path}: the model cannot be written. Check free space and permissions, then run this again."
            ) from error

    def _encoded(self, frame: pd.DataFrame) -> pd.DataFrame:
        try:
            return self.encoding.apply(frame)
        except KeyError as error:
            raise DataError(f"model: {error.args[0]}. Build the features of the model's feature set.") from error


@dataclass(frozen=True, eq=False)
class Fit:
    """A freshly trained model and how it came about.

    Attributes:
        model: The calibrated model.
        out_of_fold: Calibrated probability of each training row by models that did not see its customer, shape (n,);
            NaN for rows that were never held out (only above ``most_rows_in_folds``).
        tree_count: Trees per seed.
        validation: How the number of trees and the calibration were found, in words.
        dropped: Features left out because they are null in every training row.
        warnings: What a person should know before trusting it.
        text_scores: The numbers that the training rows' texts became, by boosters that did not see the customer.
    """

    model: ChurnModel
    out_of_fold: Floats
    tree_count: int
    validation: str
    dropped: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())
    text_scores: pd.DataFrame | None = None


def fit(
    rows: Rows,
    *,
    threads: int,
    seed: int = 0,
    recipe: Recipe | None = None,
    outcome_days: int = 0,
    information: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> Fit:
    """Train the calibrated churn model on rows whose outcomes are known.

    The same rows, recipe and seed give the same predictions to the last bit, with one thread or two.

    Args:
        rows: Training rows.
        threads: CPU threads CatBoost may use (what the process is allowed, not what the machine has).
        seed: First of the seeds.
        recipe: What to do; the default is the measured one.
        outcome_days: Lead plus outcome window; keeps the validation day of very large data apart from its training.
        information: Facts to store in the file beside our own.
        progress: Told about each booster.

    Raises:
        DataError: one class is (almost) absent, or every feature is null.
    """
    recipe = recipe or Recipe()
    rows.require_both_classes("training", at_least=FEWEST_OF_A_CLASS)
    read = read_texts(rows, threads=threads, seed=seed, progress=progress)
    learned = rows.with_numbers(read.scores if read else None)
    encoding, dropped = learn_encoding(learned.frame, rows.customer_ids)
    if not encoding.names:
        raise DataError("training: every feature is null in every row. Nothing can be learned. Check the feeds.")
    frame = encoding.apply(learned.frame)
    splits, validation = _splits(rows, recipe, outcome_days)
    scores = np.full(len(rows), np.nan)
    counts: list[int] = []
    steps = len(splits) + recipe.seed_count
    for number, (learn, judge) in enumerate(splits):
        progress("finding the number of trees", number, steps)
        booster = _boost(frame, rows, learn, recipe, encoding, seed=seed, threads=threads, judge=judge)
        scores[judge] = booster.predict(frame.loc[judge], prediction_type="RawFormulaVal")
        counts.append(int(booster.tree_count_))
    held_out = ~np.isnan(scores)
    line = fit_platt(scores[held_out], rows.churned[held_out])
    tree_count = max(1, int(np.mean(counts) * recipe.growth))
    everything = np.ones(len(rows), dtype=bool)
    boosters = []
    for step in range(recipe.seed_count):
        progress(f"{tree_count} trees on {len(rows):,} rows", len(splits) + step, steps)
        boosters.append(
            _boost(frame, rows, everything, recipe, encoding, seed=seed + step, threads=threads, trees=tree_count)
        )
    warnings = list(read.notes) if read else []
    if max(counts) > _NEAR_CAP * recipe.most_trees:
        warnings.append(
            f"a validation model stopped at {max(counts):,} trees, close to the cap of {recipe.most_trees:,}: "
            "more trees may help; raise the cap or the learning rate"
        )
    facts = {
        "recipe": recipe.digest(tuple(map(str, rows.frame.columns)), rows.text_names),
        **(information or {}),
        "encoding": encoding.as_dict(),
        "platt": [line.slope, line.intercept],
        "tree_count": tree_count,
        "seed": seed,
        "validation": validation,
        "dropped": list(dropped),
        "row_count": len(rows),
        "base_rate": rows.churner_count / len(rows),
        "null_shares": {name: float(learned.frame[name].isna().mean()) for name in encoding.names},
    }
    readers = read.readers if read else {}
    merged = merge(boosters, frame, line, facts, readers)
    model = ChurnModel(merged, replace(encoding, texts=readers), line, facts)
    out_of_fold = np.where(held_out, line.probability(np.nan_to_num(scores)), np.nan)
    return Fit(model, out_of_fold, tree_count, validation, dropped, tuple(warnings), read.scores if read else None)


def load(path: Path) -> ChurnModel:
    """Read a model file written by :meth:`ChurnModel.save`.

    Raises:
        OperatorError: the file is missing, damaged, or was not written by Holdback.
    """
    from catboost import CatBoostClassifier, CatBoostError

    try:
        booster = CatBoostClassifier().load_model(str(path))
        metadata = dict(booster.get_metadata().items())
        facts = json.loads(metadata[METADATA_KEY])
        encoding = replace(encoding_from(facts["encoding"]), texts=from_metadata(metadata))
    except (CatBoostError, KeyError, OSError, ValueError) as error:
        raise OperatorError(
            f"model file {path}: cannot be read ({type(error).__name__}). It must be a .cbm written by Holdback. "
            "Restore it from the registry, or roll back with `holdback models rollback`."
        ) from error
    return ChurnModel(booster, encoding, Line(*facts["platt"]), facts)


def quick_out_of_fold(rows: Rows, *, threads: int, seed: int = 0, fold_count: int = 3) -> Floats:
    """Raw out-of-fold scores of a coarse, cheap booster: enough to see what a column is worth, not to be used.

    Used by the leak guard, which compares AUCs with and without columns that might hold the outcome.

    Returns:
        Scores in logits, shape (n,).
    """
    recipe = Recipe(learning_rate=0.15, border_count=32, most_trees=300, patience=20)
    encoding, _ = learn_encoding(rows.frame, rows.customer_ids)
    if not encoding.names:
        return np.zeros(len(rows))
    frame = encoding.apply(rows.frame)
    folds = folds_by_customer(rows, fold_count=fold_count)
    scores = np.empty(len(rows))
    for fold in range(fold_count):
        judge = folds == fold
        booster = _boost(frame, rows, ~judge, recipe, encoding, seed=seed, threads=threads, judge=judge)
        scores[judge] = booster.predict(frame.loc[judge], prediction_type="RawFormulaVal")
    return scores


def _splits(
    rows: Rows, recipe: Recipe, outcome_days: int
) -> tuple[list[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]], str]:
    """Pairs of (learn, judge) masks, and the scheme in words."""
    if len(rows) <= recipe.most_rows_in_folds:
        folds = folds_by_customer(rows, fold_count=recipe.fold_count)
        pairs = [(folds != fold, folds == fold) for fold in range(recipe.fold_count)]
        return pairs, f"{recipe.fold_count} folds grouped by customer"
    newest = rows.as_ofs.max()
    judge = rows.as_ofs == newest
    # The outcomes of what is learned from must be over when the validation day begins.
    learn = rows.as_ofs <= newest - np.timedelta64(outcome_days, "D")
    learn &= ~judge
    if learn.any() and 0 < rows.churned[learn].mean() < 1 and 0 < rows.churned[judge].mean() < 1:
        return [(learn, judge)], f"one validation day, {newest}, apart from its training by {outcome_days} days"
    judge = hash_share(rows.customer_ids, salt="validation") < 1 / recipe.fold_count
    return [(~judge, judge)], f"one fifth of the customers (by hash), as the {rows.day_count} days leave no time split"


def _boost(
    frame: pd.DataFrame,
    rows: Rows,
    learn: npt.NDArray[np.bool_],
    recipe: Recipe,
    encoding: Encoding,
    *,
    seed: int,
    threads: int,
    judge: npt.NDArray[np.bool_] | None = None,
    trees: int | None = None,
) -> Any:
    from catboost import CatBoostClassifier

    booster = CatBoostClassifier(
        loss_function="Logloss",
        iterations=trees or recipe.most_trees,
        depth=recipe.depth,
        learning_rate=recipe.learning_rate,
        l2_leaf_reg=recipe.l2_leaf_reg,
        rsm=recipe.rsm,
        random_strength=recipe.random_strength,
        border_count=recipe.border_count,
        one_hot_max_size=recipe.one_hot_max_size,
        max_ctr_complexity=1,
        random_seed=seed,
        thread_count=threads,
        cat_features=encoding.categories,  # a tuple: a list breaks sklearn.clone (catboost issue 3078)
        allow_writing_files=False,
        verbose=False,
    )
    held_out = None if judge is None else (frame.loc[judge], rows.churned[judge].astype(int))
    booster.fit(
        frame.loc[learn],
        rows.churned[learn].astype(int),
        eval_set=held_out,
        early_stopping_rounds=None if held_out is None else recipe.patience,
        use_best_model=held_out is not None,
    )
    return booster


def merge(
    boosters: list[Any],
    frame: pd.DataFrame,
    line: Line,
    facts: Mapping[str, Any],
    readers: Mapping[str, TextReader] = MappingProxyType({}),
) -> Any:
    """Average boosters into one, prove the average exact, fold in the calibration, read it back as a classifier.

    Args:
        boosters: CatBoost classifiers trained on the same columns.
        frame: Encoded features; the first 2,000 rows are the proof.
        line: The calibration to fold in.
        facts: What the file says about itself, under ``holdback``.
        readers: What reads its texts; a file without texts carries nothing of them.

    Raises:
        OperatorError: the sum is not exact (a category used target statistics), or the file differs from the model.
    """
    from catboost import CatBoostClassifier, sum_models

    merged = sum_models(boosters, weights=[1 / len(boosters)] * len(boosters))
    sample = frame.iloc[: min(len(frame), 2000)]
    mean = np.mean([b.predict(sample, prediction_type="RawFormulaVal") for b in boosters], axis=0)
    error = float(np.abs(merged.predict(sample, prediction_type="RawFormulaVal") - mean).max())
    if error > 1e-9:
        raise OperatorError(
            f"training: the sum of {len(boosters)} boosters differs from their mean by {error:.2g} logits. It must be "
            "exact (no category may use target statistics). Report this with the feature set."
        )
    merged.set_scale_and_bias(float(line.slope), float(line.intercept))
    # A sum has no parameters of its own; without any, every later reader of the file is warned of invalid ones.
    merged.get_metadata()["params"] = boosters[0].get_metadata()["params"]
    merged.get_metadata()[METADATA_KEY] = json.dumps(facts, sort_keys=True)
    if readers:
        merged.get_metadata()[TEXTS_KEY] = to_text(readers)
    with tempfile.TemporaryDirectory(prefix="holdback-model-") as folder:
        path = str(Path(folder) / "model.cbm")
        merged.save_model(path)
        booster = CatBoostClassifier().load_model(path)
    calibrated = np.asarray(booster.predict_proba(sample)[:, 1])
    drift = float(np.abs(calibrated - special.expit(line.slope * mean + line.intercept)).max())
    if drift > 1e-12:
        raise OperatorError(f"training: the saved model differs from the trained one by {drift:.2g}. It must not.")
    return booster
