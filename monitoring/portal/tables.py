"""Tables as they are drawn and downloaded: what is read, and beside it the bare number for the CSV file."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Literal

from monitoring.portal.axes import write_x, writer
from monitoring.portal.parts import Cell, Chart, Point, State, Table
from monitoring.portal.traces import bounds, finite
from monitoring.words import Words

_MINUS = "\u2212"
_NUMBER = re.compile(r"[+\-]?\d+(\.\d+)?")
#: What is counted may follow it in one word: ``−0,17 puntos``, ``18 days``; ``mil`` and ``M`` would change the number.
_UNIT = re.compile(r"(?<=\d)\s[^\W\d_]{4,}$")
_ASIDE = re.compile(r"\s*\([^()]*\)$")
_COUNTED = re.compile(r",?\s*n = [\d.,]+$")  # of how many it is
_DIGITS = 6  # of a number in a file of a chart
#: What may stand around a number: spaces of all kinds, and the sign of a currency.
_AROUND = re.compile(r"\s|[A-Z]{0,3}[$£¥\u20a0-\u20cf]|(?<![A-Za-z])[A-Z]{3}(?![A-Za-z])")


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a column.

    Attributes:
        label: What stands in it.
        definition: What it is; empty where its label says so.
        is_number: Whether its cells stand to the right.
        csv: The names of its columns in the file: itself, then bounds, then what else stands in small.
        width: ``mid`` or ``wide`` where sentences stand in it: they are not squeezed on a telephone.
    """

    label: str
    definition: str
    is_number: bool
    csv: tuple[str, ...]
    width: Literal["", "mid", "wide"] = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """One cell: what is read, and per column of the CSV file what is written (None: nothing).

    A bare number in ``csv`` is written as it is; every other text is protected from being taken for a formula.
    """

    text: str
    small: str
    state: State
    csv: tuple[str | float | None, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """Heads and rows; the first cell of each row is its head."""

    heads: tuple[Head, ...]
    rows: tuple[tuple[Shown, ...], ...]

    @property
    def is_stacked(self) -> bool:
        """Whether its rows become cards on a telephone: where sentences or many words stand, but not plain numbers."""
        words = [head for head in self.heads[1:] if not head.is_number]
        has_sentences = any(head.width == "wide" for head in self.heads) or any(head.width for head in words)
        return has_sentences or (len(self.heads) > 3 and bool(words))


def grid_of_chart(chart: Chart, words: Words, currency: str) -> Grid:
    """Return the points of a chart as a table: one row per x, one column per series.

    A point whose value is None reads as not shown; where a series has no point at all, nothing stands.
    """
    values = [finite(n) for s in chart.series for p in s.points for n in (p.value, p.low, p.high)]
    known = [value for value in values if value is not None]
    write = writer(known, chart.unit, words, currency)
    write_place = writer([float(x) for x in _places(chart)], "share", words, currency) if _is_of_shares(chart) else None
    bounded = [any(bounds(point) for point in series.points) for series in chart.series]
    heads = [Head(chart.x_title, "", False, (chart.x_title,))]
    for series, has_bounds in zip(chart.series, bounded, strict=True):
        label = chart.y_title if len(chart.series) == 1 else series.label
        names = (label, words("site_csv_low", label=label), words("site_csv_high", label=label))
        heads.append(Head(label, "", True, names if has_bounds else names[:1]))
    at = [{point.x: point for point in series.points} for series in chart.series]
    rows = []
    for x in _places(chart):
        text = write_place(float(x)) if write_place else write_x(x, words)
        cells = [Shown(text, "", "none", (x if isinstance(x, str) else _short(x),))]
        for points, has_bounds in zip(at, bounded, strict=True):
            cells.append(_point(points.get(x), words, write, 3 if has_bounds else 1))
        rows.append(tuple(cells))
    return Grid(tuple(heads), tuple(rows))


def grid_of_table(table: Table, words: Words) -> Grid:
    """Return a table as it is drawn; numbers of number columns go into the CSV file bare.

    Raises:
        ValueError: a row has another number of cells than there are columns.
    """
    for row in table.rows:
        if len(row) != len(table.columns):
            raise ValueError(f"table {table.name}: a row has {len(row)} cells for {len(table.columns)} columns.")
    found = [[_found(cell, words, is_number=c.is_number) for cell, c in zip(row, table.columns, strict=True)]
             for row in table.rows]  # fmt: skip
    extra = [_Extra.of([row[i] for row in found]) for i in range(len(table.columns))]
    heads = tuple(
        Head(
            column.label,
            column.definition,
            column.is_number,
            extra[i].names(column.label, words),
            _width([row[i] for row in table.rows]),
        )
        for i, column in enumerate(table.columns)
    )
    rows = tuple(
        tuple(
            Shown(cell.text, cell.small, cell.state, more.csv(what))
            for cell, what, more in zip(row, told, extra, strict=True)
        )
        for row, told in zip(table.rows, found, strict=True)
    )
    return Grid(heads, rows)


@dataclass(frozen=True, slots=True)
class _Found:
    """What a cell says, for the file."""

    value: str | float | None
    low: float | None
    high: float | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class _Extra:
    """Which columns of the file a column of the table has beside its own."""

    has_bounds: bool
    has_detail: bool

    @classmethod
    def of(cls, found: Sequence[_Found]) -> _Extra:
        return cls(any(one.low is not None for one in found), any(one.detail for one in found))

    def names(self, label: str, words: Words) -> tuple[str, ...]:
        bounds = (words("site_csv_low", label=label), words("site_csv_high", label=label)) if self.has_bounds else ()
        return (label, *bounds, *((words("site_csv_detail", label=label),) if self.has_detail else ()))

    def csv(self, found: _Found) -> tuple[str | float | None, ...]:
        bounds = (found.low, found.high) if self.has_bounds else ()
        return (found.value, *bounds, *((found.detail,) if self.has_detail else ()))


def bare_number(text: str, words: Words) -> float | None:
    """Read a number back that :class:`Words` wrote; a percentage as a share. None where it is none.

    Examples:
        >>> bare_number("1.234,5", Words("es")), bare_number("12.3%", Words("en")), bare_number("< 5", Words("en"))
        (1234.5, 0.123, None)
    """
    is_share = text.rstrip().endswith("%")
    bare = _AROUND.sub("", _UNIT.sub("", text.strip()).replace(_MINUS, "-").replace("%", ""))
    bare = bare.replace(".", "").replace(",", ".") if words.language == "es" else bare.replace(",", "")
    if not _NUMBER.fullmatch(bare):
        return None
    return round(float(bare) / 100, 10) if is_share else float(bare)


def _width(cells: Sequence[Cell]) -> Literal["", "mid", "wide"]:
    longest = max((len(text) for cell in cells for text in (cell.text, cell.small)), default=0)
    return "wide" if longest > 60 else "mid" if longest > 18 else ""


def _found(cell: Cell, words: Words, *, is_number: bool) -> _Found:
    """Read what a cell says: the page's own bare numbers where it gave them, else what is written."""
    value: str | float | None = cell.number
    low, high, detail = cell.low, cell.high, _plain(cell.small, words)
    if is_number and (between := _bounds(cell.small, words)):
        if low is None or high is None:
            low, high = between
        detail = detail if _alone(cell.small) != cell.small else None
    if is_number and value is None:
        value = bare_number(cell.text, words)
    if is_number and value is None and (inside := _ASIDE.search(cell.text)):  # ``+3,5 (−2,7 a +10,3)``
        between = _bounds(inside.group().strip()[1:-1], words)
        alone = bare_number(cell.text[: inside.start()], words)
        if between and alone is not None:
            value, (low, high) = alone, between
    return _Found(_plain(cell.text, words) if value is None else value, low, high, detail)


def _bounds(text: str, words: Words) -> tuple[float, float] | None:
    """Read the bounds back that ``interval`` wrote; None where there are none."""
    between = words("interval", low="", high="")
    first, found, second = _alone(text).partition(between)
    low, high = bare_number(first, words), bare_number(second, words)
    if not found or low is None or high is None:
        return None
    return low, high


def _alone(text: str) -> str:
    """Return an interval without what is said beside it: of how many per cent it is, and of how many customers."""
    return _ASIDE.sub("", _COUNTED.sub("", text))


def _plain(text: str, words: Words) -> str | None:
    """Write a text for a file that programs read: ordinary minus and spaces, days in ISO 8601, nothing for nothing."""
    if day := words.day_of(text):
        return day.isoformat()
    plain = text.replace(_MINUS, "-").replace("\u00a0", " ").strip()
    return None if plain in ("", words("nothing")) else plain


def _short(value: float) -> float:
    """Round a value to six digits, and never a whole number.

    Examples:
        >>> _short(0.010282199261669858), _short(1234567.25), _short(1234567.0)
        (0.0102822, 1234567.0, 1234567.0)
    """
    if not value or value == int(value):
        return value
    return round(value, max(0, _DIGITS - 1 - floor(log10(abs(value)))))


def _point(point: Point | None, words: Words, write: Callable[[float], str], width: int) -> Shown:
    if point is None:
        return Shown(words("nothing"), "", "none", (None,) * width)
    value, bounded = finite(point.value), bounds(point)
    if value is None:
        return Shown(words("not_shown"), "", "none", (words("not_shown"), None, None)[:width])
    if bounded is None:
        return Shown(write(value), "", "none", (_short(value), None, None)[:width])
    limits = words("interval", low=write(bounded[1]), high=write(bounded[2]))
    return Shown(write(value), limits, "none", tuple(_short(one) for one in bounded))


def _is_of_shares(chart: Chart) -> bool:
    return chart.kind == "reliability" and chart.unit == "share"


def _places(chart: Chart) -> Sequence[str | float]:
    every = list(dict.fromkeys(point.x for series in chart.series for point in series.points))
    return sorted(every, key=float) if chart.kind == "reliability" else every
