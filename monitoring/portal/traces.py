"""The points of a chart as Plotly's traces: lines with bands, bars and dots with whiskers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isfinite
from typing import Any

from monitoring.portal.parts import Point, Series
from monitoring.portal.places import Placed

_COLOURS = 5
_QUIET = 6  # the colour of the one series that the main one is compared with
_DASHES = ("solid", "dot", "dash", "dashdot", "longdash", "longdashdot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")
#: Longer lines are drawn without a symbol on every point.
_MOST_SYMBOLS = 40
Trace = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Style:
    """How a series is told from the others, in the picture and in its legend."""

    colour: int
    dash: str
    symbol: str
    is_main: bool

    @property
    def ink(self) -> str:
        """The variable of the style sheet that colours it."""
        return f"var(--plot-{self.colour})"


def styles(series: Sequence[Series]) -> tuple[Style, ...]:
    """Return how each series looks: never told by colour alone, and the main one first in colour and weight."""
    order = sorted(range(len(series)), key=lambda i: not series[i].is_main)
    place = {which: i for i, which in enumerate(order)}
    is_compared = len(series) == 2 and any(one.is_main for one in series)
    return tuple(
        Style(
            colour=_QUIET if is_compared and place[i] == 1 else place[i] % _COLOURS + 1,
            dash=_DASHES[place[i] % len(_DASHES)],
            symbol=_SYMBOLS[place[i] % len(_SYMBOLS)],
            is_main=one.is_main or len(series) == 1,
        )
        for i, one in enumerate(series)
    )


def bands(parts: Iterable[Sequence[Placed]], style: Style) -> list[Trace]:
    """Return the band between the bounds of a line, one for every part of it that has bounds on both sides."""
    bounded = [
        list(found)
        for part in parts
        for is_bounded, found in groupby(part, key=lambda placed: bounds(placed[1]) is not None)
        if is_bounded
    ]
    return [_band(run, style) for run in bounded if len(run) > 1]


def line(parts: Sequence[Sequence[Placed]], hints: dict[Point, str], style: Style) -> Trace:
    """Return a line that is broken between its parts; a point that stands alone shows as a dot with a whisker."""
    # A band needs two points. Plotly breaks a line at a point without a value, hence one after every part.
    flat: list[tuple[Placed, bool] | None] = []
    for part in parts:
        flat += [*((placed, len(part) == 1) for placed in part), None]
    is_few = sum(len(part) for part in parts) <= _MOST_SYMBOLS
    alone = [bounds(item[0][1]) if item and item[1] else None for item in flat]
    trace: Trace = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [item[0][0] if item else None for item in flat],
        "y": [item[0][1].value if item else None for item in flat],
        "line": {"color": style.ink, "width": 2.5 if style.is_main else 1.8, "dash": style.dash},
        "marker": {
            "size": [7 if item and (is_few or item[1]) else 0 for item in flat],
            "color": style.ink,
            "symbol": style.symbol,
        },
        "hovertext": [hints[item[0][1]] if item else "" for item in flat],
        "hoverinfo": "text",
        "connectgaps": False,
    }
    if any(alone):
        trace["error_y"] = _error(alone, style.ink, is_main=True)
    return trace


def bars(series: Series, at: Sequence[object], hints: Sequence[str], style: Style, *, is_upright: bool) -> Trace:
    """Return bars with their whiskers."""
    values = [finite(point.value) for point in series.points]
    across, along = ("x", "y") if is_upright else ("y", "x")
    return {
        "type": "bar",
        "orientation": "v" if is_upright else "h",
        across: list(at),
        along: values,
        f"error_{along}": whiskers(series.points, "var(--ink)", is_main=False),
        "marker": {"color": style.ink, "opacity": 1 if style.is_main or style.colour != _QUIET else 0.75},
        "hovertext": list(hints),
        "hoverinfo": "text",
        "textposition": "none",
    }


def dots(
    series: Series, at: Sequence[object], hints: Sequence[str], style: Style, *, is_upright: bool, mode: str = "markers"
) -> Trace:
    """Return dots with their whiskers; ``mode`` joins them."""
    values = [finite(point.value) for point in series.points]
    across, along = ("x", "y") if is_upright else ("y", "x")
    return {
        "type": "scatter",
        "mode": mode,
        across: list(at),
        along: values,
        f"error_{along}": whiskers(series.points, style.ink, is_main=True),
        "line": {"color": style.ink, "width": 1.5, "dash": style.dash},
        "marker": {"size": 10 if style.is_main else 9, "color": style.ink, "symbol": style.symbol},
        "hovertext": list(hints),
        "hoverinfo": "text",
        "connectgaps": False,
    }


def whiskers(points: Sequence[Point], ink: str, *, is_main: bool) -> Trace:
    """Return the intervals of points; none at all where no point has one."""
    known = [bounds(point) for point in points]
    return _error(known, ink, is_main=is_main) if any(known) else {"visible": False}


def bounds(point: Point) -> tuple[float, float, float] | None:
    """Return ``(value, low, high)`` of a point that has all three; else None."""
    value, low, high = finite(point.value), finite(point.low), finite(point.high)
    return (value, low, high) if value is not None and low is not None and high is not None else None


def finite(value: float | None) -> float | None:
    """Return a value that can be drawn, or None."""
    return value if value is not None and isfinite(value) else None


def _band(run: Sequence[Placed], style: Style) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [x for x, _ in run] + [x for x, _ in reversed(run)],
        "y": [point.high for _, point in run] + [point.low for _, point in reversed(run)],
        "fill": "toself",
        "fillcolor": style.ink.replace(")", "-soft)"),
        "line": {"width": 0},
        "hoverinfo": "skip",
    }


def _error(known: Sequence[tuple[float, float, float] | None], ink: str, *, is_main: bool) -> Trace:
    return {
        "type": "data",
        "symmetric": False,
        "array": [max(one[2] - one[0], 0) if one else 0 for one in known],
        "arrayminus": [max(one[0] - one[1], 0) if one else 0 for one in known],
        "color": ink,
        "thickness": 2.2 if is_main else 1.6,
        "width": 0 if is_main else 3,
    }
