"""The hurdle model of value: will he buy at all in the window, and if so, for how much.

Two small boosters on the feature frame. A value is their product, so most customers' near-certain nothing does not
drown the amounts of the few who buy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from holdback.errors import DataError, OperatorError
from training.encoding import MOST_LEVELS, Encoding, encoding_from, learn_encoding

Floats = npt.NDArray[np.float64]

FEWEST_OF_A_SIDE: Final = 50
"""Fewer buyers, or fewer who bought nothing, cannot be learned from."""

_FACTS: Final = "hurdle.json"
_BUYS: Final = "buys.cbm"
_AMOUNT: Final = "amount.cbm"


@dataclass(frozen=True, eq=False)
class Hurdle:
    """Both boosters and how their product becomes an amount.

    Attributes:
        buys: Booster of whether anything is spent.
        amount: Booster of how much, given that something is.
        encoding: Columns, order and categories of both.
        information: What the files say about themselves: scale, rows, buyers, seed.
    """

    buys: Any  # catboost.CatBoostClassifier, which has no types
    amount: Any  # catboost.CatBoostRegressor
    encoding: Encoding
    information: Mapping[str, Any]

    def expected(self, frame: pd.DataFrame, *, threads: int = 1) -> Floats:
        """Expected spend of each row in a window as long as the trained one, in currency units, shape (n,).

        Args:
            frame: Features, n rows; extra columns are ignored.
            threads: CPU threads; the result does not depend on them.

        Raises:
            DataError: a column of the model is missing.
        """
        if frame.empty:
            return np.empty(0)
        try:
            encoded = self.encoding.apply(frame)
        except KeyError as error:
            raise DataError(f"hurdle model: {error.args[0]}. Build the model's features.") from error
        probability = np.asarray(self.buys.predict_proba(encoded, thread_count=threads)[:, 1], dtype=np.float64)
        amount = self.amount.predict(encoded, prediction_type="Exponent", thread_count=threads)
        return probability * np.asarray(amount, dtype=np.float64) * float(self.information["scale"])

    def save(self, folder: Path) -> None:
        """Write two .cbm files and one of JSON into a folder, which is made when it is not there."""
        folder.mkdir(parents=True, exist_ok=True)
        self.buys.save_model(str(folder / _BUYS))
        self.amount.save_model(str(folder / _AMOUNT))
        facts = {"encoding": self.encoding.as_dict(), "information": dict(self.information)}
        (folder / _FACTS).write_text(json.dumps(facts, sort_keys=True, indent=1), encoding="utf-8")


def fit_hurdle(frame: pd.DataFrame, target_amounts: Floats, *, threads: int, seed: int = 0) -> Hurdle:
    """Train on rows whose window is over.

    Args:
        frame: Features, one row per customer and as_of, n rows.
        target_amounts: Spend in the window in currency units, shape (n,); 0 for who bought nothing.
        threads: CPU threads.
        seed: Of both boosters.

    Raises:
        DataError: fewer than 50 buyers or non-buyers, an amount is missing or negative, or every feature is null.
    """
    amounts = np.asarray(target_amounts, dtype=np.float64)
    if amounts.shape != (len(frame),):
        raise DataError(f"hurdle model: {len(frame)} rows, amounts of shape {amounts.shape}. One amount per row.")
    if not np.isfinite(amounts).all() or (amounts < 0).any():
        raise DataError("hurdle model: an amount is missing, infinite or negative. Net returns off, at 0 the lowest.")
    bought = amounts > 0
    if min(bought.sum(), (~bought).sum()) < FEWEST_OF_A_SIDE:
        raise DataError(
            f"hurdle model: {bought.sum()} rows with spend and {(~bought).sum()} without. Both need at least "
            f"{FEWEST_OF_A_SIDE}. Wait for more days, or use a longer window."
        )
    encoding, _ = learn_encoding(frame)
    if not encoding.names:
        raise DataError("hurdle model: every feature is null in every row. Nothing can be learned. Check the feeds.")
    encoded = encoding.apply(frame)
    scale = float(amounts[bought].mean())
    buys = _boost(encoded, bought.astype(int), "Logloss", encoding, threads, seed)
    amount = _boost(encoded.loc[bought], amounts[bought] / scale, "Poisson", encoding, threads, seed)
    facts = {"scale": scale, "row_count": len(frame), "buyer_count": int(bought.sum()), "seed": seed}
    return Hurdle(buys, amount, encoding, facts)


def load(folder: Path) -> Hurdle:
    """Read what :meth:`Hurdle.save` wrote.

    Raises:
        OperatorError: a file is missing or damaged.
    """
    from catboost import CatBoostClassifier, CatBoostError, CatBoostRegressor

    try:
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        buys = CatBoostClassifier().load_model(str(folder / _BUYS))
        amount = CatBoostRegressor().load_model(str(folder / _AMOUNT))
        return Hurdle(buys, amount, encoding_from(facts["encoding"]), facts["information"])
    except (CatBoostError, KeyError, OSError, ValueError) as error:
        raise OperatorError(
            f"hurdle model {folder}: cannot be read ({type(error).__name__}). It must be a folder written by Holdback. "
            "Restore it from the registry, or train again."
        ) from error


def _boost(
    frame: pd.DataFrame, target: npt.NDArray[Any], loss: str, encoding: Encoding, threads: int, seed: int
) -> Any:
    from catboost import CatBoostClassifier, CatBoostRegressor

    kind = CatBoostClassifier if loss == "Logloss" else CatBoostRegressor
    booster = kind(
        loss_function=loss,
        iterations=200,
        depth=4,
        learning_rate=0.05,
        l2_leaf_reg=5.0,
        rsm=0.8,
        border_count=128,
        one_hot_max_size=MOST_LEVELS + 1,
        max_ctr_complexity=1,
        random_seed=seed,
        thread_count=threads,
        cat_features=encoding.categories,  # a tuple: a list breaks sklearn.clone (catboost issue 3078)
        allow_writing_files=False,
        verbose=False,
    )
    booster.fit(frame, target)
    return booster
