"""Tables as they are drawn and downloaded: what is read, and beside it the bare number for the CSV file."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from monitoring.portal.axes import write_x, writer
from monitoring.portal.parts import Cell, Chart, Point, State, Table
from monitoring.portal.traces import bounds, finite
from monitoring.words import Words

_MINUS = "\u2212"
_NUMBER = re.compile(r"[+\-]?\d+(\.\d+)?")
#: What may stand around a number: spaces of all kinds, and the sign of a currency.
_AROUND = re.compile(r"\s|[A-Z]{0,3}[$£¥\u20a0-\u20cf]|(?<![A-Za-z])[A-Z]{3}(?![A-Za-z])")


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a column.

    Attributes:
        label: What stands in it.
        definition: What it is; empty where its label says so.
        is_number: Whether its cells stand to the right.
        csv: The names of its columns in the file: itself, then bounds or what stands in small.
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
        cells = [Shown(text, "", "none", (x,))]
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
    has_small = [any(row[i].small for row in table.rows) for i in range(len(table.columns))]
    heads = tuple(
        Head(
            column.label,
            column.definition,
            column.is_number,
            _names(column.label, words, has_detail=detailed),
            _width([row[i] for row in table.rows]),
        )
        for i, (column, detailed) in enumerate(zip(table.columns, has_small, strict=True))
    )
    rows = tuple(
        tuple(
            Shown(cell.text, cell.small, cell.state, _csv(cell, words, is_number=column.is_number, has_detail=detailed))
            for cell, column, detailed in zip(row, table.columns, has_small, strict=True)
        )
        for row in table.rows
    )
    return Grid(heads, rows)


def bare_number(text: str, words: Words) -> float | None:
    """Read a number back that :class:`Words` wrote; a percentage as a share. None where it is none.

    Examples:
        >>> bare_number("1.234,5", Words("es")), bare_number("12.3%", Words("en")), bare_number("< 5", Words("en"))
        (1234.5, 0.123, None)
    """
    is_share = text.rstrip().endswith("%")
    bare = _AROUND.sub("", text.replace(_MINUS, "-").replace("%", ""))
    bare = bare.replace(".", "").replace(",", ".") if words.language == "es" else bare.replace(",", "")
    if not _NUMBER.fullmatch(bare):
        return None
    return round(float(bare) / 100, 10) if is_share else float(bare)


def _width(cells: Sequence[Cell]) -> Literal["", "mid", "wide"]:
    longest = max((len(text) for cell in cells for text in (cell.text, cell.small)), default=0)
    return "wide" if longest > 60 else "mid" if longest > 18 else ""


def _names(label: str, words: Words, *, has_detail: bool) -> tuple[str, ...]:
    return (label, words("site_csv_detail", label=label)) if has_detail else (label,)


def _csv(cell: Cell, words: Words, *, is_number: bool, has_detail: bool) -> tuple[str | float | None, ...]:
    number = bare_number(cell.text, words) if is_number else None
    day = words.day_of(cell.text)
    first = number if number is not None else cell.text if day is None else day.isoformat()
    return (first, cell.small or None) if has_detail else (first,)


def _point(point: Point | None, words: Words, write: Callable[[float], str], width: int) -> Shown:
    if point is None:
        return Shown(words("nothing"), "", "none", (None,) * width)
    value, bounded = finite(point.value), bounds(point)
    if value is None:
        return Shown(words("not_shown"), "", "none", (words("not_shown"), None, None)[:width])
    if bounded is None:
        return Shown(write(value), "", "none", (value, None, None)[:width])
    return Shown(write(value), words("interval", low=write(bounded[1]), high=write(bounded[2])), "none", bounded)


def _is_of_shares(chart: Chart) -> bool:
    return chart.kind == "reliability" and chart.unit == "share"


def _places(chart: Chart) -> Sequence[str | float]:
    every = list(dict.fromkeys(point.x for series in chart.series for point in series.points))
    return sorted(every, key=float) if chart.kind == "reliability" else every
