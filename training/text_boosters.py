"""Learn what words tell of churn: per text feature one small CatBoost booster for each fold of customers.

CatBoost cannot add up models with text features, and the sum of the churn model's seeds must stay exact. So texts have
boosters of their own (``text_features``, bags of words), and what they say of customers whom they never saw becomes one
number of the churn model.

Only words that at least twenty customers use are learned: a name, an address or any other word of few customers is not
in the file. Counting occurrences would not do: one customer's remark stands in the rows of many days. Statistics of
the outcome per word (CatBoost's NaiveBayes, BM25) are not used for that reason too: they would meet the same customer's
remark, and outcome, again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from holdback.progress import Progress, silent
from training.rows import Rows, folds_by_customer
from training.texts import COLUMN, TextReader, file_of, reader_of, words_of

FEWEST_WHO_LEFT = 50
"""Fewer customers who wrote and left (or wrote and stayed) teach nothing: the text is left out."""


@dataclass(frozen=True)
class TextRecipe:
    """How texts are read; part of the model's recipe wherever there are texts."""

    fewest_customers: int = 20
    most_words: int = 5_000
    trees: int = 100
    depth: int = 3
    learning_rate: float = 0.1
    l2_leaf_reg: float = 10.0
    fold_count: int = 5

    def as_dict(self) -> dict[str, float]:
        """Plain JSON content."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class ReadTexts:
    """Texts as numbers.

    Attributes:
        scores: One column per text that could be learned from: logits by boosters that did not see the row's customer,
            NaN where nothing was written; n rows.
        readers: What reads new texts, by name of the feature; texts without any word have none.
        notes: Why a text was left out, in sentences.
    """

    scores: pd.DataFrame
    readers: dict[str, TextReader] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_texts(
    rows: Rows, *, threads: int, seed: int = 0, recipe: TextRecipe | None = None, progress: Progress = silent
) -> ReadTexts | None:
    """Learn to read every text feature of training rows; None when they have none.

    Args:
        rows: Training rows.
        threads: CPU threads.
        seed: Of the boosters.
        recipe: How.
        progress: Told about each text.
    """
    if rows.texts is None or rows.texts.empty:
        return None
    recipe = recipe or TextRecipe()
    folds = folds_by_customer(rows, fold_count=recipe.fold_count)
    scores: dict[str, npt.NDArray[np.float64]] = {}
    readers: dict[str, TextReader] = {}
    notes: list[str] = []
    names = [str(name) for name in rows.texts.columns]
    for position, name in enumerate(names):
        progress(f"reading {name}", position, len(names))
        column = rows.texts[name]
        written = column.notna().to_numpy()
        left, stayed = (_customers(rows, written & (rows.churned == outcome)) for outcome in (True, False))
        if not written.any():
            scores[name] = np.full(len(rows), np.nan)  # like any feature that is null in every row
        elif min(left, stayed) < FEWEST_WHO_LEFT:
            notes.append(
                f"{name} is not read: {left:,} customers wrote and left, {stayed:,} wrote and stayed, and at least "
                f"{FEWEST_WHO_LEFT} of each are needed"
            )
        else:
            said = learned_words(column[written], rows.customer_ids[written], recipe)
            if not said.any():
                notes.append(f"{name} is not read: no word is used by {recipe.fewest_customers} customers")
                continue
            churned, own = rows.churned[written].astype(int), folds[written]
            found = np.empty(said.size)
            files = []
            for fold in range(recipe.fold_count):
                booster = _boost(said[own != fold], churned[own != fold], recipe, seed=seed + fold, threads=threads)
                frame = pd.DataFrame({COLUMN: said[own == fold]}, dtype=object)
                found[own == fold] = booster.predict(frame, prediction_type="RawFormulaVal", thread_count=1)
                files.append(file_of(booster))
            scores[name] = np.full(len(rows), np.nan)
            scores[name][written] = found
            readers[name] = reader_of(files)
    return ReadTexts(pd.DataFrame(scores, index=rows.frame.index), readers, tuple(notes))


def learned_words(
    column: pd.Series[Any], customer_ids: npt.NDArray[Any], recipe: TextRecipe
) -> npt.NDArray[np.object_]:
    """Reduce each text to the words that enough customers use, in their order, shape (n,)."""
    codes, texts = pd.factorize(column.astype(str))
    split = [words_of(text) for text in texts]
    users: Counter[str] = Counter()
    pairs = pd.DataFrame({"customer": customer_ids, "text": codes}).drop_duplicates()
    for _, own in pairs.groupby("customer", sort=False)["text"]:
        users.update({word for code in own for word in split[code]})
    # Ties are broken by the word, so that the choice does not depend on the order of the rows.
    common = sorted((w for w, n in users.items() if n >= recipe.fewest_customers), key=lambda w: (-users[w], w))
    kept = frozenset(common[: recipe.most_words])
    reduced = np.array([" ".join(word for word in words if word in kept) for words in split], dtype=object)
    return np.asarray(reduced[codes], dtype=object)


def _customers(rows: Rows, mask: npt.NDArray[np.bool_]) -> int:
    return int(np.unique(rows.customer_ids[mask]).size)


def _boost(
    said: npt.NDArray[np.object_], churned: npt.NDArray[np.int_], recipe: TextRecipe, *, seed: int, threads: int
) -> Any:
    from catboost import CatBoostClassifier

    booster = CatBoostClassifier(
        loss_function="Logloss",
        iterations=recipe.trees,
        depth=recipe.depth,
        learning_rate=recipe.learning_rate,
        l2_leaf_reg=recipe.l2_leaf_reg,
        random_seed=seed,
        thread_count=threads,
        text_features=(COLUMN,),
        # The words were chosen above, by the number of customers who use them: here every one counts.
        text_processing={
            "tokenizers": [{"tokenizer_id": "Blanks", "delimiter": " "}],
            "dictionaries": [{"dictionary_id": "Words", "gram_order": "1", "occurrence_lower_bound": "1"}],
            "feature_processing": {
                "default": [
                    {"tokenizers_names": ["Blanks"], "dictionaries_names": ["Words"], "feature_calcers": ["BoW"]}
                ]
            },
        },
        allow_writing_files=False,
        verbose=False,
    )
    booster.fit(pd.DataFrame({COLUMN: said}, dtype=object), churned)
    return booster
