"""How what a customer wrote becomes a number. Travels inside the model: needs only catboost, numpy and pandas.

Every booster of a text feature was trained on other customers' words (:mod:`training.text_boosters`); what they say of
a text is averaged. Words are what is written between blanks, in any alphabet; digits are none, emoji are.
"""

from __future__ import annotations

import base64
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

COLUMN = "words"
"""Name of the one column that the boosters of a text see."""

METADATA_KEY = "holdback_texts"
"""Under which a model's file carries its text boosters."""

MOST_WORDS = 400

# Chinese, Japanese, Korean and Thai put no blanks between words: there every character and the next are a word.
_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_UNSPACED}]+|[^\W\d_{_UNSPACED}]+|[\u2600-\u27bf\U0001f300-\U0001faff]")
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}]")


def words_of(text: str) -> list[str]:
    """Split a text into lower-case words, the first 400 of them.

    Examples:
        >>> words_of("Muy caro: 3 llamadas 😡")
        ['muy', 'caro', 'llamadas', '😡']
        >>> words_of("服务差")
        ['服务', '务差']
    """
    found: list[str] = []
    for word in _WORD.findall(text.lower()):
        if _IS_UNSPACED.match(word) and len(word) > 1:
            found += [word[at : at + 2] for at in range(len(word) - 1)]
        else:
            found.append(word)
        if len(found) >= MOST_WORDS:
            break
    return found[:MOST_WORDS]


@dataclass(frozen=True, eq=False)
class TextReader:
    """Says how much a text resembles what those who left had written.

    Attributes:
        boosters: CatBoost models with one text column, each in its file's bytes and ready to be asked.
    """

    boosters: Sequence[tuple[bytes, Any]]  # catboost.CatBoostClassifier has no types

    def read(self, column: pd.Series[Any]) -> npt.NDArray[np.float64]:
        """Mean of the boosters' logits of each text, shape (n,); NaN where nothing was written."""
        scores = np.full(len(column), np.nan)
        written = column.notna().to_numpy()
        if not written.any():
            return scores
        # Many customers say the same ("all fine"): each text is read once.
        codes, texts = pd.factorize(column[written].astype(str))
        frame = pd.DataFrame({COLUMN: [" ".join(words_of(text)) for text in texts]}, dtype=object)
        found = [b.predict(frame, prediction_type="RawFormulaVal", thread_count=1) for _, b in self.boosters]
        scores[written] = np.mean(found, axis=0)[codes]
        return scores


def reader_of(files: Sequence[bytes]) -> TextReader:
    """Make a reader of the files of its boosters."""
    from catboost import CatBoostClassifier

    return TextReader([(file, CatBoostClassifier().load_model(blob=file)) for file in files])


def file_of(booster: Any) -> bytes:
    """The bytes of a booster without what its training left in them: dates, parameters, figures."""
    facts = booster.get_metadata()
    for key in [key for key in facts.keys() if key != "class_params"]:  # noqa: SIM118 - no mapping of Python's
        del facts[key]
    with tempfile.TemporaryDirectory(prefix="holdback-text-") as folder:
        path = Path(folder) / "text.cbm"
        booster.save_model(str(path))
        return path.read_bytes()


def to_text(readers: Mapping[str, TextReader]) -> str:
    """Write readers for a model's metadata, by name of their feature."""
    files = {name: [base64.b64encode(file).decode() for file, _ in reader.boosters] for name, reader in readers.items()}
    return json.dumps(files, sort_keys=True)


def from_metadata(metadata: Mapping[str, str]) -> dict[str, TextReader]:
    """Read the text boosters that a model's file carries; none in a file without texts."""
    content = json.loads(metadata.get(METADATA_KEY, "{}"))
    return {name: reader_of([base64.b64decode(file) for file in files]) for name, files in content.items()}
