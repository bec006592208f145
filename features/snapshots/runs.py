"""The measures of many customers on several days, from the runs of rows of a history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from features.measures import PLACES, YEAR_ONE, Measure
from features.snapshots.days import Integers
from features.snapshots.history import EVENT, Flags, History
from features.snapshots.spoken import After, Limit, NewestOf, column_of

_LEAST, _MOST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Found:
    """A measure's values, shape (pairs,); those that are not ``known`` are null."""

    values: Integers
    known: Flags


@dataclass(frozen=True, eq=False)
class Run:
    """Rows ``[low, high)`` of each pair of day and owner, those of them that meet a condition."""

    low: Integers
    high: Integers
    condition: str | None


@dataclass(eq=False)
class Runs:
    """The measures of pairs of day and owner.

    Args:
        history: The rows.
        pairs: Day number times owners plus owner, shape (pairs,).
        limits: Conditions that hang on a row's place among the others.
    """

    history: History
    pairs: npt.NDArray[Any]
    limits: Mapping[str, Limit]
    _ends: dict[int | None, Integers] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._begin = self.history.begins()[self.pairs % max(1, self.history.owner_count)]
        self.is_present: Flags = self._end(None) > self._begin

    def found(self, measure: Measure) -> Found:
        """Compute one measure."""
        run, column = self._run(measure), column_of(measure)
        match measure.operation:
            case "rows" | "known":
                return Found(self._count(run, column), self.is_present)
            case "sum" | "squares":
                assert column is not None
                totals = self.history.sums_before(run.condition, column, squared=measure.operation == "squares")
                return Found(totals[run.high] - totals[run.low], self._count(run, column) > 0)
            case "min" | "max" if column == EVENT:
                return self._at(*(self._newest if measure.operation == "max" else self._oldest)(run, column), EVENT)
            case "newest":
                assert column is not None
                position, known = self._newest(run, column)
                largest = self.history.largest_of_instant(run.condition, column)
                return Found(_taken(largest, position), known)
            case "newest_of":
                assert column is not None
                position, known = self._newest(run, column)
                place = _taken(self.history.largest_of_instant(run.condition, column), position)
                return Found((_taken(self.history.event_us, position) + YEAR_ONE) * PLACES + place, known)
            case "max":
                return self._reduced(run, column, np.maximum, _LEAST)
            case "min":
                return self._reduced(run, column, np.minimum, _MOST)
            case "bits":
                return self._reduced(run, column, np.bitwise_or, 0)
        raise AssertionError(measure)

    def _end(self, days_ago: int | None) -> Integers:
        if days_ago not in self._ends:
            ends = self.history.visible_ends() if days_ago is None else self.history.ends_before(days_ago)
            self._ends[days_ago] = ends.reshape(-1)[self.pairs]
        return self._ends[days_ago]

    def _run(self, measure: Measure) -> Run:
        low = self._begin if measure.since_days is None else self._end(measure.since_days)
        high = self._end(measure.until_days)
        limit = self.limits.get(measure.filter) if measure.filter else None
        match limit:
            case NewestOf(condition, rank):
                position, known = self._ranked(condition, rank)
                inside = known & (position >= low) & (position < high)
                return Run(np.where(inside, position, low), np.where(inside, position + 1, low), None)
            case After(condition, newest):
                position, known = self._newest(Run(self._begin, self._end(None), newest), None)
                return Run(np.minimum(np.where(known, np.maximum(low, position + 1), low), high), high, condition)
        return Run(low, high, measure.filter)

    def _ranked(self, condition: str, rank: int) -> tuple[Integers, Flags]:
        """Position of the newest visible row but ``rank - 1`` that meets a condition, and whether there is one."""
        numbered = self.history.numbered(condition)
        run = Run(self._begin, self._end(None), condition)
        place = self._before(run.high, condition, None) - rank
        known = self._count(run, None) >= rank
        return _taken(numbered, np.where(known, place, 0)), known

    def _before(self, position: Integers, condition: str | None, column: str | None) -> Integers:
        counts = self.history.counts_before(condition, column)
        return position if counts is None else counts[position].astype(np.int64)

    def _count(self, run: Run, column: str | None) -> Integers:
        return self._before(run.high, run.condition, column) - self._before(run.low, run.condition, column)

    def _newest(self, run: Run, column: str | None) -> tuple[Integers, Flags]:
        position = self.history.newest_before(run.condition, column)[run.high]
        return position, position >= run.low

    def _oldest(self, run: Run, column: str | None) -> tuple[Integers, Flags]:
        position = self.history.oldest_from(run.condition, column)[run.low]
        return position, position < run.high

    def _at(self, position: Integers, known: Flags, column: str) -> Found:
        return Found(_taken(self.history.values(column), position), known)

    def _reduced(self, run: Run, column: str | None, operation: np.ufunc, nothing: int) -> Found:
        """Reduce each run; the rows between one run and the next are reduced, too, and left out."""
        assert column is not None
        known = self._count(run, column) > 0
        if not known.any():
            return Found(np.zeros(len(known), np.int64), known)
        flags, values = self.history.mask(run.condition, column), np.full(len(self.history) + 1, nothing, np.int64)
        np.copyto(values[:-1], self.history.values(column), where=True if flags is None else flags)
        edges = np.empty(2 * len(known), np.int64)
        edges[::2], edges[1::2] = run.low, run.high
        return Found(operation.reduceat(values, edges)[::2], known)


def _taken(values: Integers, position: Integers) -> Integers:
    """Values at positions; any value where the position is outside."""
    if not len(values):
        return np.zeros(len(position), np.int64)
    return values.take(position, mode="clip")
