"""How the page about models writes estimates: value and limits in as many digits as they can carry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from monitoring.portal.parts import Cell, Point, Stat, State
from monitoring.proportions import Share
from monitoring.words import Words
from training.estimates import Estimate


@dataclass(frozen=True, slots=True)
class Written:
    """An estimate in words: ``value``, ``limits`` and both together."""

    value: str
    limits: str
    both: str

    @property
    def cell(self) -> Cell:
        """As a table shows it."""
        return Cell(self.value, self.limits)

    def stat(self, label: str, definition: str, *, note: str = "", state: State = "none") -> Stat:
        """As a number of the page."""
        return Stat(label, self.value, definition, self.limits, note, state)


def written(words: Words, found: Estimate | Share, show: Callable[[float], str]) -> Written:
    """Write an estimate, every number as ``show`` writes it."""
    w = words
    value = show(found.share if isinstance(found, Share) else found.estimate)
    low, high = show(found.low), show(found.high)
    return Written(value, w("interval", low=low, high=high), w.interval(value, low, high))


def point(x: str | float, found: Estimate | None) -> Point:
    """Draw an estimate; a gap where there is none."""
    return Point(x, None) if found is None else Point(x, found.estimate, found.low, found.high)
