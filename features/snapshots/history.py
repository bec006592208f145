"""The rows of a feed, sorted by owner and time, and what any run of them adds up to.

An *owner* is a customer, or one account of a customer. ``before[i]`` arrays hold what is true of the rows before
position ``i``, so that a run ``[low, high)`` is answered by two look-ups.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from features.snapshots.days import Days, Integers

Flags = npt.NDArray[np.bool_]
T = TypeVar("T")
EVENT = "event_at"


@dataclass(frozen=True, eq=False)
class Column:
    """Values of an expression over the rows, shape (n,): ``known`` is None where all are; unknown ones are 0."""

    values: Integers
    known: Flags | None = None


@dataclass(eq=False)
class History:
    """Rows of a feed in the order of owner, event and knowledge.

    Args:
        days: The days that are asked about.
        owner_count: Owners; some may have no row.
        owner: Whose row it is, 0 to ``owner_count`` - 1, ascending, shape (n,).
        event_us: When it happened, ascending for each owner, shape (n,).
        seen_from: Number of the first day on which it is visible in its final form, shape (n,).
        columns: Values by SQL expression.
        conditions: Flags by SQL condition, shape (n,) each.
    """

    days: Days
    owner_count: int
    owner: npt.NDArray[np.int32]
    event_us: Integers
    seen_from: npt.NDArray[np.int16]
    columns: Mapping[str, Column]
    conditions: Mapping[str, Flags]
    _kept: dict[Any, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.owner)

    def begins(self) -> Integers:
        """Position of each owner's first row, shape (owners + 1,)."""
        return self._once("begins", lambda: np.searchsorted(self.owner, np.arange(self.owner_count + 1)))

    def visible_ends(self) -> Integers:
        """Position after each owner's visible rows, where these are the first ones, shape (days, owners)."""
        return self._once("visible", lambda: self._ends(self.seen_from))

    def ends_before(self, days_ago: int) -> Integers:
        """Position after the rows before the beginning of the day so many days ago, shape (days, owners).

        Only visible rows are counted: a run that begins and ends with these positions lies within them.
        """

        def found() -> Integers:
            reached = np.searchsorted(self.days.begin(days_ago), self.event_us, side="right").astype(np.int16)
            return np.minimum(self._ends(reached), self.visible_ends())

        return self._once(("ends", days_ago), found)

    def _ends(self, counted_from: npt.NDArray[np.int16]) -> Integers:
        cell = counted_from * np.int64(self.owner_count)
        cell += self.owner
        shape = (len(self.days) + 1, self.owner_count)
        counts = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)[:-1]
        return np.cumsum(counts, axis=0) + self.begins()[:-1]

    def mask(self, condition: str | None, column: str | None = None) -> Flags | None:
        """Rows that meet a condition and whose column is known, shape (n,); None for all."""

        def found() -> Flags | None:
            flags = None if condition is None else self.conditions[condition]
            known = None if column in (None, EVENT) else self.columns[str(column)].known
            if flags is not None and known is not None:
                flags = flags & known
            elif flags is None:
                flags = known
            return None if flags is None or flags.all() else flags

        return self._once(("mask", condition, column), found)

    def values(self, column: str) -> Integers:
        """Values of a column, shape (n,); events as microseconds."""
        return self.event_us if column == EVENT else self.columns[column].values

    def counts_before(self, condition: str | None, column: str | None) -> Integers | None:
        """Masked rows before each position, shape (n + 1,); None where all rows are: the position itself."""

        def found() -> Integers | None:
            flags = self.mask(condition, column)
            return None if flags is None else _running(flags, np.int32)

        return self._once(("counts", condition, column), found)

    def sums_before(self, condition: str | None, column: str, *, squared: bool = False) -> Integers:
        """Sum of a column (or its squares) over the masked rows before each position, shape (n + 1,).

        It may run over: what counts is the difference of two of them, which is right when itself fits.
        """

        def found() -> Integers:
            values, flags = self.values(column), self.mask(condition, column)
            if squared:
                values = values * values
            return _running(values if flags is None else values * flags, np.int64)

        return self._once(("sums", condition, column, squared), found)

    def newest_before(self, condition: str | None, column: str | None) -> Integers:
        """Position of the newest masked row before each position, whoever's it is; -1 for none, shape (n + 1,)."""

        def found() -> Integers:
            flags = self.mask(condition, column)
            position = np.full(len(self) + 1, -1, np.int32)
            places = np.arange(len(self), dtype=np.int32)
            position[1:] = places if flags is None else np.maximum.accumulate(np.where(flags, places, -1))
            return position  # type: ignore[return-value]

        return self._once(("newest", condition, column), found)

    def oldest_from(self, condition: str | None, column: str | None) -> Integers:
        """Position of the first masked row at or after each position, whoever's it is; n for none, shape (n + 1,)."""

        def found() -> Integers:
            flags = self.mask(condition, column)
            places = np.arange(len(self) + 1, dtype=np.int32)
            if flags is not None:
                places[:-1][~flags] = len(self)
                places = np.minimum.accumulate(places[::-1])[::-1]
            return places  # type: ignore[return-value]

        return self._once(("oldest", condition, column), found)

    def numbered(self, condition: str) -> Integers:
        """Positions of the masked rows, in their order."""
        flags = self.mask(condition)
        return self._once(
            ("numbered", condition), lambda: np.arange(len(self)) if flags is None else np.flatnonzero(flags)
        )

    def largest_of_instant(self, condition: str | None, column: str) -> Integers:
        """The largest value among the masked rows of the same instant up to each row, shape (n,)."""

        def found() -> Integers:
            values, flags = self.values(column), self.mask(condition, column)
            if not len(self):
                return values
            begins = np.r_[True, (self.owner[1:] != self.owner[:-1]) | (self.event_us[1:] != self.event_us[:-1])]
            shared = np.flatnonzero(~(begins & np.r_[begins[1:], True]))
            if not len(shared):
                return values
            largest = values.copy()
            levels, level = np.unique(values[shared], return_inverse=True)
            level = level + 1 if flags is None else (level + 1) * flags[shared]  # what does not count is below all
            group = np.cumsum(begins[shared]) * (len(levels) + 1)
            highest = np.maximum.accumulate(group + level) - group
            largest[shared] = levels[np.maximum(highest, 1) - 1]
            return largest

        return self._once(("largest", condition, column), found)

    def _once(self, key: Any, compute: Callable[[], T]) -> T:
        if key not in self._kept:
            self._kept[key] = compute()
        return cast(T, self._kept[key])


def _running(values: npt.NDArray[Any], dtype: type[np.signedinteger[Any]]) -> Integers:
    totals: Integers = np.zeros(len(values) + 1, dtype)
    np.cumsum(values, out=totals[1:], dtype=dtype)
    return totals
