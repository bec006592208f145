"""An uplift model as it stands in its file, and how it answers. Travels inside the model, beside ``encoding.py``.

The uplift is a linear combination of named bases, each an expected gain or a ranking::

    uplift = average + sum over j of weight_j * (basis_j - mean_j)

    t_difference         m1 - m0: expected outcome with the action less that without, by boosters
    shift_difference     the same where the booster of the treated says only how they differ from the untreated
    logistic_difference  the same by logistic regressions (ridge regressions where the outcome is an amount)
    ridge, boosted       regressions of the gain itself
    risk, response       -m0 and m1: worst off untreated first, best outcome when treated first
    s_difference         one booster that knows the treatment, asked twice
    column:NAME          a feature as it stands; a company's own score comes in so

The file is a zip without compression: ``model.json`` and one ``.cbm`` per booster; nothing is pickled. Needs catboost,
numpy and pandas, and nothing of Holdback.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]

FORMAT = 1
CONTENT = "model.json"
TREATMENT = "(treated)"
"""Column that tells the booster of ``s_difference`` who is treated: the last one."""
NEEDED: Mapping[str, tuple[str, ...]] = {
    "t_difference": ("treated", "untreated"),
    "shift_difference": ("shift", "untreated"),
    "logistic_difference": ("line_treated", "line_untreated"),
    "ridge": ("line_effect",),
    "boosted": ("effect",),
    "risk": ("untreated",),
    "response": ("treated",),
    "s_difference": ("both",),
}
"""Parts that each basis is made of: boosters, and lines (coefficients on the design, the constant first)."""
COLUMN = "column:"
"""Before the name of a feature that is a basis as it stands; where it is missing it says nothing (its mean)."""
_ARRAYS = ("low", "high", "fill", "centre", "scale")


@dataclass(frozen=True, eq=False)
class Design:
    """Columns of the linear parts: numbers made comparable, flags of missing ones, one column per level of a category.

    Attributes:
        numbers: Features that are numbers.
        low: Smaller values count as this (a thousandth of the training rows lie below), shape (number of numbers,).
        high: Larger values count as this.
        fill: What a missing number counts as: the median.
        centre: Subtracted then.
        scale: Divided by then.
        flagged: Numbers with a column that is 1 where they are missing.
        levels: Levels with a column, by category.
    """

    numbers: tuple[str, ...]
    low: Floats
    high: Floats
    fill: Floats
    centre: Floats
    scale: Floats
    flagged: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]

    def matrix(self, encoded: pd.DataFrame) -> Floats:
        """Return the columns for encoded features, shape (n, width)."""
        raw = encoded[list(self.numbers)].to_numpy(dtype=np.float64)
        numbers = np.where(np.isnan(raw), self.fill, np.clip(raw, self.low, self.high))
        parts = [(numbers - self.centre) / self.scale]
        parts += [np.isnan(encoded[[name]].to_numpy(dtype=np.float64)).astype(np.float64) for name in self.flagged]
        for name, levels in self.levels.items():
            parts.append((encoded[name].to_numpy(dtype=object)[:, None] == np.array(levels, dtype=object)) * 1.0)
        return np.hstack(parts)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON content."""
        arrays = {name: getattr(self, name).tolist() for name in _ARRAYS}
        levels = {name: list(values) for name, values in self.levels.items()}
        return {"numbers": list(self.numbers), **arrays, "flagged": list(self.flagged), "levels": levels}


def design_from(content: Mapping[str, Any]) -> Design:
    """Read back what :meth:`Design.as_dict` wrote."""
    low, high, fill, centre, scale = (np.array(content[name], dtype=np.float64) for name in _ARRAYS)
    levels = {name: tuple(values) for name, values in content["levels"].items()}
    return Design(tuple(content["numbers"]), low, high, fill, centre, scale, tuple(content["flagged"]), levels)


@dataclass(frozen=True, eq=False)
class Frozen:
    """All parts of an uplift model.

    Attributes:
        encoding: An ``Encoding``: columns, order and categories.
        design: Columns of the linear parts.
        boosters: CatBoost models by part.
        lines: Coefficients on the design by part, the constant first.
        is_binary: True where the outcome is yes or no, so that boosters and lines speak in logits.
        average: Average effect, in units of the outcome.
        weights: By basis; absent ones weigh nothing.
        means: Mean of each basis of ``weights`` over the training rows.
        information: What else the file says about itself.
    """

    encoding: Any
    design: Design
    boosters: Mapping[str, Any]
    lines: Mapping[str, Floats]
    is_binary: bool
    average: float
    weights: Mapping[str, float]
    means: Mapping[str, float]
    information: Mapping[str, Any]

    @property
    def names(self) -> tuple[str, ...]:
        """Bases that this model can compute."""
        parts = self.boosters.keys() | self.lines.keys()
        own = (name for name in self.weights if name.startswith(COLUMN))
        return (*(name for name, needed in NEEDED.items() if parts.issuperset(needed)), *own)

    def bases(self, frame: pd.DataFrame, names: Iterable[str], *, threads: int = 1) -> dict[str, Floats]:
        """Return the named bases for each row, each of shape (n,).

        Raises:
            KeyError: a column is missing, or the model has no such basis.
        """
        wanted = tuple(names)
        encoded = self.encoding.apply(frame)
        raw = {part: self._ask(part, encoded, threads) for part in _parts(wanted) if part != "both"}
        if "shift" in raw:
            raw["shift"] += raw["untreated"]
        said = {part: self._told(part, values) for part, values in raw.items()}
        found: dict[str, Floats] = {}
        for name in wanted:
            if name.startswith(COLUMN):
                column = encoded[name.removeprefix(COLUMN)].to_numpy(dtype=np.float64)
                found[name] = np.where(np.isnan(column), self.means.get(name, 0.0), column)
            elif name == "s_difference":
                one, none = (self._ask("both", encoded.assign(**{TREATMENT: given}), threads) for given in (1.0, 0.0))
                found[name] = self._told("both", one) - self._told("both", none)
            else:
                first, *second = (said[part] for part in NEEDED[name])
                found[name] = -first if name == "risk" else first - second[0] if second else first
        return found

    def uplift(self, frame: pd.DataFrame, *, threads: int = 1) -> Floats:
        """Return the rise of the outcome by the action, shape (n,); of a probability within -1 to 1."""
        if not len(frame) or not self.weights:
            return np.full(len(frame), self.average)
        return self.combined(self.bases(frame, self.weights, threads=threads))

    def combined(self, bases: Mapping[str, Floats]) -> Floats:
        """Return the uplift of rows whose bases (all of ``weights``, or more) are known, shape (n,)."""
        uplift = np.full(len(next(iter(bases.values()))), self.average)
        for name in sorted(self.weights, key=_place):  # always in one order: sums in another differ in the last bit
            uplift += self.weights[name] * (bases[name] - self.means[name])
        return np.clip(uplift, -1.0, 1.0) if self.is_binary else uplift

    def _ask(self, part: str, encoded: pd.DataFrame, threads: int) -> Floats:
        if part.startswith("line"):
            line = self.lines[part]
            return np.asarray(self.design.matrix(encoded) @ line[1:] + line[0])
        raw = self.boosters[part].predict(encoded, prediction_type="RawFormulaVal", thread_count=threads)
        return np.asarray(raw, dtype=np.float64)

    def _told(self, part: str, raw: Floats) -> Floats:
        is_probability = self.is_binary and not part.endswith("effect")
        return sigmoid(raw) if is_probability else raw


def sigmoid(logits: Floats) -> Floats:
    """Return probabilities of logits, without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * np.asarray(logits, dtype=np.float64))))


def write(model: Frozen, cbms: Mapping[str, bytes], path: Path) -> None:
    """Write the one file. Equal models give equal bytes.

    Args:
        model: What to write.
        cbms: Each booster of the model in CatBoost's own format.
        path: The file; replaced if there.
    """
    content = {
        "format": FORMAT,
        "encoding": model.encoding.as_dict(),
        "design": model.design.as_dict(),
        "lines": {part: line.tolist() for part, line in model.lines.items()},
        "boosters": sorted(cbms),
        "is_binary": model.is_binary,
        "average": model.average,
        "weights": dict(model.weights),
        "means": dict(model.means),
        "information": dict(model.information),
    }
    members = {CONTENT: json.dumps(content, sort_keys=True, indent=1).encode()}
    members |= {f"{part}.cbm": cbms[part] for part in sorted(cbms)}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), data)


def read(path: Path, encoding_from: Callable[[Mapping[str, Any]], Any]) -> tuple[Frozen, dict[str, bytes]]:
    """Read the one file.

    Args:
        path: A file written by :func:`write`.
        encoding_from: Of ``encoding.py``, which stands beside this file.

    Returns:
        The model, and its boosters as bytes.

    Raises:
        OSError, ValueError, KeyError, zipfile.BadZipFile, catboost.CatBoostError: the file is missing or damaged.
    """
    from catboost import CatBoost

    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}  # checks each member's sum
    content = json.loads(members.pop(CONTENT))
    if content["format"] != FORMAT:
        raise ValueError(f"format {content['format']!r} instead of {FORMAT}")
    cbms = {part: members[f"{part}.cbm"] for part in content["boosters"]}
    model = Frozen(
        encoding_from(content["encoding"]),
        design_from(content["design"]),
        {part: CatBoost().load_model(blob=data) for part, data in cbms.items()},
        {part: np.array(line, dtype=np.float64) for part, line in content["lines"].items()},
        bool(content["is_binary"]),
        float(content["average"]),
        content["weights"],
        content["means"],
        content["information"],
    )
    absent = [name for name in model.weights if name not in model.names]
    if absent:
        raise ValueError(f"the parts of {', '.join(absent)} are missing")
    return model, cbms


def _parts(names: Iterable[str]) -> tuple[str, ...]:
    """Every part that the bases need, each once."""
    return tuple(dict.fromkeys(part for name in names for part in NEEDED.get(name, ())))


def _place(name: str) -> tuple[int, str]:
    return (tuple(NEEDED).index(name) if name in NEEDED else len(NEEDED)), name
