"""How a feature row becomes what the booster was trained on. Travels inside the model: needs only numpy and pandas.

A booster refuses an empty category and silently takes a category it never saw, so both are settled here, the same way
in training and in scoring. Categories with more than 64 levels keep their 32 most frequent ones: target statistics
(CTR) were not better, cost twice the time and would make the sum of several models inexact. The names of the kept
levels stand in the model's file, so a level of a few customers is never kept: it may be somebody's name or address.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import pandas as pd

MISSING = "(missing)"
OTHER = "(other)"
MOST_LEVELS = 64
KEPT_LEVELS = 32
FEWEST_CUSTOMERS = 5
"""Of whom a level that is kept by its name must be true; as on a page."""


class Reader(Protocol):
    """Turns texts into numbers (:class:`training.texts.TextReader`)."""

    def read(self, column: pd.Series[Any]) -> Any:
        """One number per text, NaN where nothing was written."""
        ...


@dataclass(frozen=True)
class Encoding:
    """The frozen column order, which columns are categories, and the levels kept of those that have too many.

    Attributes:
        names: Every feature of the model, in its order.
        categories: Those that are categories.
        kept: Levels kept per folded category; other levels become ``(other)``. Absent: every level stands for itself.
        texts: What reads each text feature; the booster sees only the number that it gives. They are stored apart.
    """

    names: tuple[str, ...]
    categories: tuple[str, ...]
    kept: Mapping[str, tuple[str, ...]]
    texts: Mapping[str, Reader] = field(default_factory=dict)

    def apply(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the model's columns in the model's order: numbers as float64, categories as text without gaps.

        A text becomes the number that its reader makes of it.

        Raises:
            KeyError: a column of the model is missing; the message names it.
        """
        absent = [name for name in self.names if name not in frame.columns]
        if absent:
            raise KeyError(f"the model needs the columns {', '.join(absent)}, which are missing")
        columns: dict[str, Any] = {}
        for name in self.names:
            column = frame[name]
            if name in self.texts:
                columns[name] = self.texts[name].read(column)
            else:
                columns[name] = self._level(name, column) if name in self.categories else column.astype("float64")
        return pd.DataFrame(columns, index=frame.index)

    def _level(self, name: str, column: pd.Series[Any]) -> pd.Series[Any]:
        text = column.astype("str").fillna(MISSING)
        if name in self.kept:
            text = text.where(text.isin([*self.kept[name], MISSING]), OTHER)
        return text

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON content, for the model's own metadata."""
        kept = {name: list(levels) for name, levels in self.kept.items()}
        return {"names": list(self.names), "categories": list(self.categories), "kept": kept}


def encoding_from(content: Mapping[str, Any]) -> Encoding:
    """Read back what :meth:`Encoding.as_dict` wrote."""
    kept = {name: tuple(levels) for name, levels in content["kept"].items()}
    return Encoding(tuple(content["names"]), tuple(content["categories"]), kept)


def learn_encoding(frame: pd.DataFrame, customer_ids: Any = None) -> tuple[Encoding, tuple[str, ...]]:
    """Decide the encoding from training features.

    Args:
        frame: The features, n rows.
        customer_ids: Key of each row's customer, shape (n,); each row is another customer's by default.

    Returns:
        The encoding, and the names of the features that were left out because they are null in every row.
    """
    empty = tuple(str(name) for name in frame.columns if frame[name].isna().all())
    names = tuple(str(name) for name in frame.columns if name not in empty)
    categories = tuple(name for name in names if not pd.api.types.is_numeric_dtype(frame[name].dtype))
    kept: dict[str, tuple[str, ...]] = {}
    for name in categories:
        levels = frame[name].dropna().astype(str).value_counts()
        if len(levels) > MOST_LEVELS:
            # Ties are broken by name, so that the kept levels do not depend on the order of the rows.
            ranked = sorted(levels.items(), key=lambda item: (-item[1], str(item[0])))
            common = _of_enough_customers(frame[name], customer_ids)
            kept[name] = tuple(str(level) for level, _ in ranked if str(level) in common)[:KEPT_LEVELS]
    return Encoding(names, categories, kept), empty


def _of_enough_customers(column: pd.Series[Any], customer_ids: Any) -> set[str]:
    """Return the levels that are true of so many customers that they point at none."""
    who = pd.Series(range(len(column)) if customer_ids is None else customer_ids, index=column.index)
    borne_by = who[column.notna()].groupby(column.dropna().astype(str)).nunique()
    return {str(level) for level in borne_by.index[borne_by >= FEWEST_CUSTOMERS]}
