"""The uplift model: what it says of customers, who decides in it, and its file."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from holdback.errors import DataError, OperatorError
from training.encoding import Encoding, encoding_from
from training.uplift.frozen import COLUMN, Floats, Frozen, read, write

#: Competitors whose score is one basis.
BASIS_OF: Mapping[str, str] = {
    "risk": "risk",
    "response": "response",
    "s_learner": "s_difference",
    "t_learner": "t_difference",
}
STACK = "dr_stack"
EVERYBODY = "value"


@dataclass(frozen=True, eq=False)
class UpliftModel:
    """Expected gain by one action, as learned from a trial; one file without a pickle.

    Attributes:
        frozen: All its parts.
        cbms: Its boosters in CatBoost's own format, by part.
    """

    frozen: Frozen
    cbms: Mapping[str, bytes]

    @property
    def information(self) -> Mapping[str, Any]:
        """What the file says about itself: action, as_of, decided_by, rows, recipe digest, seed, stack, null shares."""
        return self.frozen.information

    @property
    def encoding(self) -> Encoding:
        """Columns, order and categories."""
        encoding: Encoding = self.frozen.encoding
        return encoding

    @property
    def average(self) -> float:
        """Average effect, in units of the outcome."""
        return self.frozen.average

    @property
    def weights(self) -> Mapping[str, float]:
        """Weight of each basis in the uplift; bases that weigh nothing are not named."""
        return self.frozen.weights

    def uplift(self, frame: pd.DataFrame, *, threads: int = 1) -> Floats:
        """Return the expected gain in the outcome by the action, shape (n,). Extra columns are ignored.

        Args:
            frame: Features, n rows: numbers as float64, categories as text (None = absent).
            threads: CPU threads; the result does not depend on them.

        Raises:
            DataError: a column of the model is missing.
        """
        try:
            return self.frozen.uplift(frame, threads=threads)
        except KeyError as error:
            raise _missing(error) from error

    def bases(self, frame: pd.DataFrame, names: Iterable[str] | None = None, *, threads: int = 1) -> dict[str, Floats]:
        """Return what each part says of each row, by basis, each of shape (n,).

        Args:
            frame: Features, n rows.
            names: Which bases; None: all that this model has.
            threads: CPU threads.

        Raises:
            DataError: a column of the model is missing.
        """
        if frame.empty:
            raise DataError("uplift model: no customer was offered. Offer at least one row of features.")
        try:
            return self.frozen.bases(frame, self.frozen.names if names is None else names, threads=threads)
        except KeyError as error:
            raise _missing(error) from error

    def decided_by(self, name: str, line: tuple[float, float] = (0.0, 1.0)) -> UpliftModel:
        """Return the model in which one competitor's score decides: ``uplift = intercept + slope * score``.

        The other parts stay in the file, so that any competitor can take over later.

        Args:
            name: ``dr_stack``, ``t_learner``, ``s_learner`` (when it was fitted), ``risk``, ``response``,
                ``column:NAME`` for a feature as it stands, or ``value``: everybody gets the average effect.
            line: Intercept and slope that turn the score into an effect.

        Raises:
            ValueError: there is no such competitor in this model.
        """
        stack = self.information["stack"]
        intercept, slope = (float(part) for part in line)
        average, weights, means = float(stack["average"]), dict(stack["weights"]), dict(stack["means"])
        if name == EVERYBODY:
            weights, means = {}, {}
        elif name in BASIS_OF and BASIS_OF[name] in self.frozen.names:
            basis = BASIS_OF[name]
            average = float(self.information["basis_means"][basis])
            weights, means = {basis: 1.0}, {basis: average}
        elif name.removeprefix(COLUMN) in self.information["column_means"] and name.startswith(COLUMN):
            average = float(self.information["column_means"][name.removeprefix(COLUMN)])
            weights, means = {name: 1.0}, {name: average}
        elif name != STACK:
            known = [STACK, EVERYBODY, *(known for known, basis in BASIS_OF.items() if basis in self.frozen.names)]
            raise ValueError(f"uplift model: {name!r} cannot decide. It must be one of {', '.join(known)}.")
        weights = {basis: slope * weight for basis, weight in weights.items() if slope * weight != 0}
        frozen = replace(
            self.frozen,
            average=intercept + slope * average,
            weights=weights,
            means={basis: means[basis] for basis in weights},
            information={**self.information, "decided_by": name, "line": [intercept, slope]},
        )
        return replace(self, frozen=frozen)

    def told(self, **facts: Any) -> UpliftModel:
        """Return the same model with more facts in its information; they must be JSON values."""
        json.dumps(facts)
        return replace(self, frozen=replace(self.frozen, information={**self.information, **facts}))

    def save(self, path: Path) -> None:
        """Write the one file of this model. Equal models give equal bytes."""
        write(self.frozen, self.cbms, path)


def load(path: Path) -> UpliftModel:
    """Read a model file written by :meth:`UpliftModel.save`.

    Raises:
        OperatorError: the file is missing, damaged, or was not written by Holdback.
    """
    from catboost import CatBoostError

    try:
        frozen, cbms = read(path, encoding_from)
    except (CatBoostError, KeyError, OSError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise OperatorError(
            f"uplift model file {path}: cannot be read ({type(error).__name__}). It must be a file written by "
            "Holdback. Restore it from the registry, or roll back with `holdback models rollback`."
        ) from error
    return UpliftModel(frozen, cbms)


def _missing(error: KeyError) -> DataError:
    return DataError(f"uplift model: {error.args[0]}. Build the features of the model's feature set.")
