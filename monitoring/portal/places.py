"""Where the points of a chart stand on their own axis: days, numbers, or names in the order in which they are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from math import isfinite
from statistics import median
from typing import Any, Literal

from monitoring.portal.axes import day_of, line_breaks, write_x
from monitoring.portal.parts import Chart, Point
from monitoring.words import Words

#: A line is broken where days are missing: where the step is this many times the usual one.
_BROKEN = 1.6
_WIDE, _NARROW = 26, 13  # letters of a name before its line breaks
_MOST_DAYS, _FEW_DAYS = 10, 4  # names of days below bars
_DAY_MS = 86_400_000
Placed = tuple[str | float, Point]


@dataclass(frozen=True, slots=True)
class Places:
    """The axis of the points.

    Attributes:
        kind: What the points are.
        names: Every point once, in order of appearance.
        marks: What is marked on the axis beside them.
        title: What the points are, in words.
    """

    kind: Literal["days", "numbers", "names"]
    names: tuple[str | float, ...]
    marks: tuple[str, ...]
    title: str

    @classmethod
    def of(cls, chart: Chart, *, always_names: bool = False) -> Places:
        """Return the places of a chart's points; ``always_names`` even where they look like days or numbers."""
        every = tuple(dict.fromkeys(point.x for series in chart.series for point in series.points))
        marked = tuple(x for x, _ in chart.marks)
        kind: Literal["days", "numbers", "names"] = "names"
        if not always_names and all(isinstance(x, int | float) for x in every):
            kind = "numbers"
        elif not always_names and all(day_of(x) for x in (*every, *marked)):
            kind = "days"
        return cls(kind, every, marked, chart.x_title)

    def at(self, x: str | float) -> str | float | None:
        """Return where a point stands; None for a mark that is nowhere on the axis."""
        if self.kind == "days":
            return str(day_of(x))
        if self.kind == "numbers":
            return number_of(x)
        return float(self.names.index(x)) if x in self.names else None

    def axis(self, words: Words, *, is_bar: bool = False) -> dict[str, Any]:
        """Return the axis that runs from left to right."""
        titled = {"title": {"text": line_breaks(self.title, 60), "standoff": 10}}
        if self.kind == "names":
            ticks = [write_x(x, words) for x in self.names]
            return titled | {
                "tickvals": list(range(len(ticks))),
                "ticktext": [line_breaks(text, 12) for text in ticks],
                "range": [-0.6, len(ticks) - 0.4],
            }
        if self.kind == "numbers":
            numbers = [n for x in (*self.names, *self.marks) if (n := number_of(x)) is not None]
            air = (max(numbers) - min(numbers)) * 0.02 or 0.5
            bars = min((b - a for a, b in pairwise(sorted(set(numbers)))), default=1.0) * 0.6 if is_bar else 0.0
            return titled | {"nticks": 9, "range": [min(numbers) - air - bars, max(numbers) + air + bars]}
        return self._days(is_bar=is_bar)

    def _days(self, *, is_bar: bool) -> dict[str, Any]:
        days = sorted({day for x in (*self.names, *self.marks) if (day := day_of(x))})
        spanned = (days[-1] - days[0]).days
        is_by_month = all(len(str(x)) == 7 for x in self.names)
        axis: dict[str, Any] = {"type": "date", "tickformat": "%b %Y" if is_by_month or spanned > 200 else "%-d %b"}
        if is_by_month and spanned < 370:
            axis["dtick"] = "M1"
        elif spanned < 8:  # else Plotly divides days into hours
            axis["dtick"] = _DAY_MS
        shortest = min((b - a for a, b in pairwise(days)), default=timedelta(days=1))
        air = timedelta(days=spanned) * 0.02 + (shortest * 0.6 if is_bar else timedelta(hours=6 if spanned < 8 else 0))
        axis["range"] = [str(_midnight(days[0]) - air), str(_midnight(days[-1]) + air)]
        if is_bar and not is_by_month:  # a day is named where a bar stands, not between two
            axis["tickvals"] = self._some_days(_MOST_DAYS)
        return axis

    def _some_days(self, most: int) -> list[str]:
        days = sorted({str(day) for x in self.names if (day := day_of(x))})
        return days[:: -(-len(days) // most)]

    def narrow(self, words: Words, *, is_bar: bool = False) -> dict[str, Any]:
        """Return what replaces parts of the layout on a telephone, by their path."""
        if self.kind == "names":
            return {"xaxis.ticktext": [line_breaks(write_x(x, words), 8) for x in self.names]}
        if self.kind == "days" and is_bar and all(len(str(x)) == 10 for x in self.names):
            return {"xaxis.tickvals": self._some_days(_FEW_DAYS)}
        if self.kind == "days" and len(self.names) > 4:
            return {"xaxis.dtick": None, "xaxis.nticks": 5}
        return {}

    def rows(self, words: Words) -> dict[str, Any]:
        """Return the axis that runs from top to bottom, a name for every row."""
        return {
            "tickvals": list(range(len(self.names))),
            "ticktext": self.row_names(words),
            "range": [len(self.names) - 0.4, -0.6],
            "showgrid": False,
        }

    def row_names(self, words: Words, *, is_narrow: bool = False) -> list[str]:
        """Return the names of the rows, broken into lines."""
        return [line_breaks(write_x(x, words), _NARROW if is_narrow else _WIDE) for x in self.names]

    def share(self, x: str | float) -> float:
        """Return how far along the axis a place is, from 0 to 1, as far as it can be told."""
        if self.kind == "names":
            return self.names.index(x) / len(self.names) if x in self.names else 0.0
        every = [n for name in (*self.names, *self.marks) if (n := _number(name)) is not None]
        here = _number(x)
        return (here - min(every)) / (max(every) - min(every) or 1.0) if here is not None else 0.0


def runs(points: Sequence[Point], places: Places) -> list[list[Placed]]:
    """Part points where nothing is known between them: a value that is None, or days that are missing."""
    days = [day_of(point.x) for point in points] if places.kind == "days" else []
    steps = [(b - a).days for a, b in pairwise(days) if a and b]
    usual = median(steps) if steps else 0.0
    found: list[list[Placed]] = [[]]
    for i, point in enumerate(points):
        if i and steps and steps[i - 1] > usual * _BROKEN:
            found.append([])
        place = places.at(point.x)
        if point.value is None or not isfinite(point.value) or place is None:
            found.append([])
        else:
            found[-1].append((place, point))
    return [run for run in found if run]


def number_of(x: str | float) -> float | None:
    """Read a number; None where it is none."""
    try:
        return float(x)
    except ValueError:
        return None


def _number(x: str | float) -> float | None:
    day = day_of(x)
    return float(day.toordinal()) if day else number_of(x)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(0))
