"""How what a customer wrote becomes a number. Travels inside the model: needs only catboost, numpy and pandas.

Every booster of a text feature was trained on other customers' words (:mod:`training.text_boosters`); what they say of
a text is averaged. Words are letters and their marks, in any script; digits are none, emoji are.
"""

from __future__ import annotations

import base64
import json
import re
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
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

# Chinese, Japanese, Korean, Thai, Lao, Burmese and Khmer put no blanks between words, or not between all of them: there
# every character and the next are a word.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U000323af"
)


def _marks() -> str:
    """The marks that stand on or beside a letter (vowel signs, accents), as ranges of a pattern's class."""
    ranges: list[list[int]] = []
    for code in range(0x300, 0x1F000):
        if unicodedata.category(chr(code)) in ("Mn", "Mc") and not 0xFE00 <= code <= 0xFE0F:  # those choose emoji
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


# A letter, then letters and marks; parts of a word are joined by an apostrophe or by the sign that keeps letters apart.
_PART = rf"[^\W\d_{_UNSPACED}](?:[^\W\d_{_UNSPACED}]|[{_marks()}])*"
_WORD = re.compile(
    rf"(?P<unspaced>(?:(?!\d)[{_UNSPACED}])+)|{_PART}(?:['’\u200c\u200d]{_PART})*|[\u2600-\u27bf\U0001f300-\U0001faff]"
)


def split_words(text: str) -> Iterator[tuple[str, int]]:
    """Yield the words of a text as they are written, each with where it begins: the one way to split what was said.

    Where a script has no blanks between words, every character with the next is a word.

    Args:
        text: In Unicode's composed form (NFC), in which an accent is no character of its own.

    Examples:
        >>> list(split_words("Don't: सेवा 差评了"))
        [("Don't", 0), ('सेवा', 7), ('差评', 12), ('评了', 13)]
    """
    for match in _WORD.finditer(text):
        start, end = match.span()
        if match["unspaced"] and end - start > 1:
            yield from ((text[at : at + 2], at) for at in range(start, end - 1))
        else:
            yield match[0], start


def is_unspaced(word: str) -> bool:
    """True for a piece of a text without blanks between words."""
    match = _WORD.match(word)
    return match is not None and match["unspaced"] is not None


def words_of(text: str) -> list[str]:
    """Split a text into lower-case words, the first 400 of them.

    Examples:
        >>> words_of("Muy caro: 3 llamadas 😡")
        ['muy', 'caro', 'llamadas', '😡']
        >>> words_of("服务差")
        ['服务', '务差']
    """
    composed = unicodedata.normalize("NFC", text.lower().replace("’", "'"))
    return [word for word, _ in islice(split_words(composed), MOST_WORDS)]


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
