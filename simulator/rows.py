"""What leaves the company: rows of its feeds, held back until the file that brings them is due."""

from __future__ import annotations

import calendar
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulator.people import People

Rows = Mapping[str, npt.NDArray[Any]]

EPOCH = date(1970, 1, 1).toordinal()
DAY_SECONDS = 86_400
#: Stands for "not known" among instants, dates and codes.
UNKNOWN = -1


@dataclass(frozen=True)
class FileColumn:
    """One column of a file.

    ``kind`` says what the rows hold: ``customer`` positions; ``instant`` seconds since 1970, local time; ``day``
    ordinals; ``word`` codes into ``words``; ``money`` cents; ``number``; ``count``; ``flag``; ``text`` as it is.
    Negative instants, days and words are empty cells.
    """

    name: str
    kind: Literal["customer", "instant", "day", "word", "money", "number", "count", "flag", "text"]
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class FeedFile:
    """How often a feed's file comes, and what stands in it; ``key`` names the columns that identify a row."""

    comes: Literal["daily", "weekly"]
    columns: tuple[FileColumn, ...]
    key: tuple[str, ...] = ()

    def is_due(self, day: date) -> bool:
        """True when a file is named by this day: weekly ones by Sundays."""
        return self.comes == "daily" or day.weekday() == calendar.SUNDAY


def instants(day: int, seconds: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return seconds since 1970 (local time) of seconds within a day (an ordinal)."""
    return (day - EPOCH) * DAY_SECONDS + np.asarray(seconds).astype(np.int64)


@dataclass
class Outgoing:
    """Rows that wait for their file.

    Args:
        files: The feeds' files.
        is_open: False in a forked world that nobody reads: rows are dropped.
    """

    files: Mapping[str, FeedFile]
    is_open: bool = True
    _waiting: dict[str, dict[int, list[Rows]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))

    def __deepcopy__(self, memo: object) -> Outgoing:
        return Outgoing(self.files, is_open=False)

    def add(self, feed: str, due: int, rows: Rows) -> None:
        """Hand in rows (columns of equal length) that the first file from day ``due`` (an ordinal) on brings."""
        if self.is_open and len(next(iter(rows.values()))):
            self._waiting[feed][due].append(rows)

    def collect(self, day: date) -> dict[str, list[Rows]]:
        """Take the rows of the files that are due on a day."""
        taken: dict[str, list[Rows]] = {}
        for feed, by_day in self._waiting.items():
            if self.files[feed].is_due(day):
                due = sorted(at for at in by_day if at <= day.toordinal())
                rows = [part for at in due for part in by_day.pop(at)]
                if rows:
                    taken[feed] = rows
        return taken


def as_table(file: FeedFile, parts: list[Rows], people: People) -> pa.Table:
    """Turn rows into a table; of rows with the same key the last one stays, where it stands last."""
    joined = {column.name: np.concatenate([np.asarray(part[column.name]) for part in parts]) for column in file.columns}
    if file.key:
        keys = np.rec.fromarrays([joined[name] for name in file.key])[::-1]
        _, newest = np.unique(keys, return_index=True)
        kept = np.sort(len(keys) - 1 - newest)
        joined = {name: values[kept] for name, values in joined.items()}
    arrays = {column.name: _as_array(column, joined[column.name], people) for column in file.columns}
    return pa.table(arrays)


def _as_array(column: FileColumn, values: npt.NDArray[Any], people: People) -> pa.Array:
    if column.kind == "customer":
        return people.ids.take(pa.array(values))
    if column.kind == "money":
        return pa.array(np.round(values / 100.0, 2))
    if column.kind == "text":
        return pa.array(values.tolist(), pa.string())
    if column.kind in ("number", "count", "flag"):
        return pa.array(values, mask=np.isnan(values)) if column.kind == "number" else pa.array(values)
    unknown = values < 0
    if column.kind == "word":
        return pa.array(column.words).take(pa.array(values, mask=unknown))
    if column.kind == "instant":
        return pa.array(values.astype("datetime64[s]"), mask=unknown)
    days = (values - EPOCH).astype("datetime64[D]")
    return pa.array(days, pa.date32(), mask=unknown)
