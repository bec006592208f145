"""Plotly's description of a chart, as plain data: made here, so that both languages write every number as they do.

The page's script draws it. Everything that a reader reads is written already: ticks, hints, legends. Colours are
names of the style sheet's variables, so that the same description serves the light and the dark page.
Plotly reads a little HTML in texts; every text is escaped, so a segment named ``<b>`` is read as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from math import isfinite
from statistics import median
from typing import Any, Literal

from monitoring.portal.axes import Scale, day_of, line_breaks, scale_of, write_x
from monitoring.portal.parts import Chart, Point, Series
from monitoring.words import Words

_COLOURS = 6
_DASHES = ("solid", "dot", "dash", "dashdot", "longdash", "longdashdot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")
#: A line is broken where days are missing: where the step is this many times the usual one.
_BROKEN = 1.6
_MOST_MARKERS = 40
Trace = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Style:
    """How a series is told from the others, in the picture and in its legend."""

    colour: int
    dash: str
    symbol: str
    is_main: bool


def styles(series: Sequence[Series]) -> tuple[Style, ...]:
    """Return how each series looks: never by colour alone, and the main one first in colour and weight."""
    order = sorted(range(len(series)), key=lambda i: not series[i].is_main)
    place = {which: i for i, which in enumerate(order)}
    return tuple(
        Style(
            colour=place[i] % _COLOURS + 1,
            dash=_DASHES[place[i] % len(_DASHES)],
            symbol=_SYMBOLS[place[i] % len(_SYMBOLS)],
            is_main=one.is_main or len(series) == 1,
        )
        for i, one in enumerate(series)
    )


def plot(chart: Chart, words: Words, currency: str) -> Mapping[str, Any]:
    """Return what Plotly draws: ``{"data": ..., "layout": ..., "narrow": ...}``; ``narrow`` replaces on a telephone.

    Raises:
        ValueError: the chart has no point at all; whoever makes a page says that in a sentence.
    """
    if not any(series.points for series in chart.series):
        raise ValueError(f"chart {chart.name}: has no points. An empty chart must be a sentence.")
    return _KINDS[chart.kind](chart, words, currency)


def _history(chart: Chart, words: Words, currency: str) -> Mapping[str, Any]:
    scale = _value_scale(chart, words, currency)
    places = _Places.of(chart)
    data: list[Trace] = []
    for series, style in zip(chart.series, styles(chart.series), strict=True):
        runs = _runs([(places.at(point.x), point) for point in series.points], places.kind)
        data += _bands(runs, style)
        data.append(_line(series, runs, style, _hints(chart, series, words, scale)))
    layout = _layout(320)
    layout["xaxis"] |= places.axis(words)
    layout["yaxis"] |= scale.axis() | {"title": {"text": ""}}
    _draw_reference(layout, chart, "y")
    _draw_marks(layout, chart, places, words)
    return {"data": data, "layout": layout, "narrow": places.narrow(words)}


def _bars(chart: Chart, words: Words, currency: str) -> Mapping[str, Any]:
    scale = _value_scale(chart, words, currency, with_zero=True)
    places = _Places.of(chart)
    if places.kind != "names":
        return _columns(chart, words, scale, places)
    data = []
    for series, style in zip(chart.series, styles(chart.series), strict=True):
        trace = _bar(series, style, _hints(chart, series, words, scale))
        trace |= {"orientation": "h", "y": [places.at(p.x) for p in series.points], "x": trace.pop("value")}
        trace["error_x"] = trace.pop("error")
        data.append(trace)
    rows = len(places.names)
    layout = _layout(70 + rows * (14 + 20 * len(chart.series)))
    layout |= {"bargap": 0.35, "bargroupgap": 0.1}
    layout["xaxis"] |= scale.axis()
    layout["yaxis"] |= places.rows(words, 26)
    _draw_reference(layout, chart, "x")
    _draw_marks(layout, chart, places, words, axis="y")
    return {"data": data, "layout": layout, "narrow": {"yaxis.ticktext": places.rows(words, 13)["ticktext"]}}


def _columns(chart: Chart, words: Words, scale: Scale, places: _Places) -> Mapping[str, Any]:
    data = []
    for series, style in zip(chart.series, styles(chart.series), strict=True):
        trace = _bar(series, style, _hints(chart, series, words, scale))
        trace |= {"x": [places.at(p.x) for p in series.points], "y": trace.pop("value")}
        trace["error_y"] = trace.pop("error")
        data.append(trace)
    layout = _layout(320)
    layout |= {"bargap": 0.25, "bargroupgap": 0.08}
    layout["xaxis"] |= places.axis(words, is_bar=True)
    layout["yaxis"] |= scale.axis()
    _draw_reference(layout, chart, "y")
    _draw_marks(layout, chart, places, words)
    return {"data": data, "layout": layout, "narrow": places.narrow(words)}


def _dots(chart: Chart, words: Words, currency: str) -> Mapping[str, Any]:
    scale = _value_scale(chart, words, currency)
    places = _Places.of(chart, always_names=True)
    data = []
    for i, (series, style) in enumerate(zip(chart.series, styles(chart.series), strict=True)):
        apart = (i - (len(chart.series) - 1) / 2) * 0.6 / len(chart.series)  # several series: one below the other
        points = series.points
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [_finite(p.value) for p in points],
                "y": [float(places.at(p.x)) + apart for p in points],
                "error_x": _whiskers(points, style),
                "marker": {"size": 11 if style.is_main else 9, "color": _ink(style), "symbol": style.symbol},
                "hovertext": _hints(chart, series, words, scale),
                "hoverinfo": "text",
            }
        )
    layout = _layout(70 + len(places.names) * (20 + 16 * len(chart.series)))
    layout["xaxis"] |= scale.axis()
    layout["yaxis"] |= places.rows(words, 26)
    _draw_reference(layout, chart, "x")
    _draw_marks(layout, chart, places, words, axis="y")
    return {"data": data, "layout": layout, "narrow": {"yaxis.ticktext": places.rows(words, 13)["ticktext"]}}


def _reliability(chart: Chart, words: Words, currency: str) -> Mapping[str, Any]:
    numbers = [float(p.x) for s in chart.series for p in s.points]
    numbers += [n for s in chart.series for p in s.points for n in (p.value, p.low, p.high) if _finite(n) is not None]
    scale = scale_of(numbers, chart.unit, words, currency, with_zero=min(numbers) >= 0)
    low, high = scale.low, scale.high
    data: list[Trace] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": [low, high],
            "y": [low, high],
            "line": {"color": "var(--plot-quiet)", "width": 1.5, "dash": "dash"},
            "hoverinfo": "skip",
        }
    ]
    for series, style in zip(chart.series, styles(chart.series), strict=True):
        points = tuple(sorted(series.points, key=lambda p: float(p.x)))
        ordered = Series(series.label, points, series.is_main)
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": [float(p.x) for p in points],
                "y": [_finite(p.value) for p in points],
                "error_y": _whiskers(points, style),
                "line": {"color": _ink(style), "width": 1.5, "dash": style.dash},
                "marker": {"size": 9, "color": _ink(style), "symbol": style.symbol},
                "hovertext": _hints(chart, ordered, words, scale),
                "hoverinfo": "text",
            }
        )
    layout = _layout(440)
    layout["xaxis"] |= scale.axis() | {"title": {"text": escape(chart.x_title), "standoff": 12}}
    layout["yaxis"] |= scale.axis() | {"title": {"text": escape(chart.y_title), "standoff": 12}}
    return {"data": data, "layout": layout, "narrow": {"height": 380}}


_KINDS = {"history": _history, "bars": _bars, "dots": _dots, "reliability": _reliability}


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the points stand on their own axis: days, numbers, or names in the order in which they are given."""

    kind: Literal["days", "numbers", "names"]
    names: tuple[str | float, ...]

    @classmethod
    def of(cls, chart: Chart, *, always_names: bool = False) -> _Places:
        every = tuple(dict.fromkeys(point.x for series in chart.series for point in series.points))
        marked = tuple(x for x, _ in chart.marks)
        if not always_names and all(isinstance(x, int | float) for x in every):
            return cls("numbers", every)
        if not always_names and all(day_of(x) for x in (*every, *marked)):
            return cls("days", every)
        return cls("names", every)

    def at(self, x: str | float) -> str | float:
        if self.kind == "days":
            return str(day_of(x))
        if self.kind == "numbers":
            return float(x)
        return float(self.names.index(x)) if x in self.names else -1.0

    def axis(self, words: Words, *, is_bar: bool = False) -> dict[str, Any]:
        if self.kind == "names":
            ticks = [write_x(x, words) for x in self.names]
            return {
                "tickvals": list(range(len(ticks))),
                "ticktext": [line_breaks(text, 12) for text in ticks],
                "range": [-0.5, len(ticks) - 0.5],
            }
        if self.kind == "numbers":
            return {"hoverformat": "", "nticks": 8} | ({} if len(self.names) > 1 else {"dtick": 1})
        days = sorted(day for x in self.names if (day := day_of(x)))
        axis: dict[str, Any] = {"type": "date"}
        spanned = (days[-1] - days[0]).days
        if spanned < 8:  # else Plotly divides days into hours
            axis |= {"dtick": 86_400_000, "tickformat": "%-d %b"}
        else:
            axis |= {"tickformat": "%b %Y" if spanned > 200 else "%-d %b"}
        if not spanned and not is_bar:
            axis["range"] = [f"{days[0]}T00:00:00.000"[:10], str(days[0])]
            del axis["range"]
        return axis

    def narrow(self, words: Words) -> dict[str, Any]:
        if self.kind == "names":
            return {"xaxis.ticktext": [line_breaks(write_x(x, words), 8) for x in self.names]}
        return {"xaxis.nticks": 5}

    def rows(self, words: Words, width: int) -> dict[str, Any]:
        return {
            "tickvals": list(range(len(self.names))),
            "ticktext": [line_breaks(write_x(x, words), width) for x in self.names],
            "range": [len(self.names) - 0.4, -0.6],
            "showgrid": False,
            "ticklabelstandoff": 6,
        }


def _runs(placed: Sequence[tuple[str | float, Point]], kind: str) -> list[list[tuple[str | float, Point]]]:
    """Part the points where nothing is known between them: a value that is None, or days that are missing."""
    steps = [_step(a, b) for (a, _), (b, _) in pairwise(placed)] if kind == "days" else []
    usual = median(steps) if steps else 0.0
    runs: list[list[tuple[str | float, Point]]] = [[]]
    for i, (place, point) in enumerate(placed):
        if i and steps and steps[i - 1] > usual * _BROKEN:
            runs.append([])
        if _finite(point.value) is None:
            runs.append([])
        else:
            runs[-1].append((place, point))
    return [run for run in runs if run]


def _step(a: str | float, b: str | float) -> float:
    first, second = day_of(a), day_of(b)
    return float((second - first).days) if first and second else 1.0


def _bands(runs: Sequence[Sequence[tuple[str | float, Point]]], style: Style) -> list[Trace]:
    bands = []
    for run in runs:
        bound = [(x, p.low, p.high) for x, p in run if _finite(p.low) is not None and _finite(p.high) is not None]
        if len(bound) < 2:
            continue
        bands.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": [x for x, _, _ in bound] + [x for x, _, _ in reversed(bound)],
                "y": [high for _, _, high in bound] + [low for _, low, _ in reversed(bound)],
                "fill": "toself",
                "fillcolor": f"var(--plot-{style.colour}-soft)",
                "line": {"width": 0},
                "hoverinfo": "skip",
            }
        )
    return bands


def _line(
    series: Series, runs: Sequence[Sequence[tuple[str | float, Point]]], style: Style, hints: Sequence[str]
) -> Trace:
    hint = dict(zip(series.points, hints, strict=True))
    x: list[str | float | None] = []
    y: list[float | None] = []
    texts: list[str] = []
    sizes: list[float] = []
    lows: list[float] = []
    highs: list[float] = []
    few = len(series.points) <= _MOST_MARKERS
    for run in runs:
        for place, point in run:
            x.append(place)
            y.append(point.value)
            texts.append(hint[point])
            sizes.append(7 if few or len(run) == 1 else 0.1)
            alone = len(run) == 1  # a band needs two days: a day that stands alone has a whisker
            lows.append((point.value or 0) - point.low if alone and point.low is not None else 0)
            highs.append(point.high - (point.value or 0) if alone and point.high is not None else 0)
        x.append(run[-1][0])
        y.append(None)
        texts.append("")
        sizes.append(0.1)
        lows.append(0)
        highs.append(0)
    trace: Trace = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": x,
        "y": y,
        "line": {"color": _ink(style), "width": 2.5 if style.is_main else 1.8, "dash": style.dash},
        "marker": {"size": sizes, "color": _ink(style), "symbol": style.symbol, "opacity": 1},
        "hovertext": texts,
        "hoverinfo": "text",
        "connectgaps": False,
    }
    if any(lows) or any(highs):
        trace["error_y"] = _error(highs, lows, style)
    return trace


def _bar(series: Series, style: Style, hints: Sequence[str]) -> Trace:
    return {
        "type": "bar",
        "value": [_finite(p.value) for p in series.points],
        "error": _whiskers(series.points, style, ink="var(--ink)"),
        "marker": {"color": _ink(style), "line": {"width": 0}},
        "hovertext": list(hints),
        "textposition": "none",
        "hoverinfo": "text",
    }


def _whiskers(points: Sequence[Point], style: Style, *, ink: str = "") -> dict[str, Any]:
    known = [
        (p.value, p.low, p.high)
        if p.value is not None and p.low is not None and p.high is not None and isfinite(p.low) and isfinite(p.high)
        else None
        for p in points
    ]
    if not any(known):
        return {"visible": False}
    return _error([k[2] - k[0] if k else 0 for k in known], [k[0] - k[1] if k else 0 for k in known], style, ink=ink)


def _error(plus: Sequence[float], minus: Sequence[float], style: Style, *, ink: str = "") -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [max(n, 0) for n in plus],
        "arrayminus": [max(n, 0) for n in minus],
        "color": ink or _ink(style),
        "thickness": 1.6 if ink else 2.2,
        "width": 3 if ink else 0,
    }


def _hints(chart: Chart, series: Series, words: Words, scale: Scale) -> list[str]:
    """What is read when a point is pointed at: where, of which series, the value and its interval."""
    hints = []
    for point in series.points:
        at = scale.write(float(point.x)) if chart.kind == "reliability" else write_x(point.x, words)
        value = words("not_shown") if _finite(point.value) is None else scale.write(point.value or 0.0)
        if _finite(point.low) is not None and _finite(point.high) is not None and point.value is not None:
            value = words.interval(value, scale.write(point.low or 0.0), scale.write(point.high or 0.0))
        lines = [f"<b>{escape(at)}</b>"]
        if len(chart.series) > 1:
            lines.append(escape(series.label))
        hints.append("<br>".join([*lines, escape(value)]))
    return hints


def _value_scale(chart: Chart, words: Words, currency: str, *, with_zero: bool = False) -> Scale:
    every = [n for s in chart.series for p in s.points for n in (p.value, p.low, p.high)]
    known = [n for n in (*every, chart.reference) if n is not None and isfinite(n)]
    return scale_of(known, chart.unit, words, currency, with_zero=with_zero)


def _draw_reference(layout: dict[str, Any], chart: Chart, axis: Literal["x", "y"]) -> None:
    if chart.reference is None:
        return
    across = axis == "y"
    along = {"x0": 0, "x1": 1, "xref": "paper"} if across else {"y0": 0, "y1": 1, "yref": "paper"}
    place = {f"{axis}0": chart.reference, f"{axis}1": chart.reference, f"{axis}ref": axis}
    layout["shapes"].append(
        {"type": "line", **along, **place, "line": {"color": "var(--plot-quiet)", "width": 1.5, "dash": "dash"}}
    )
    if chart.reference_label:
        where = (
            {"x": 1, "xref": "paper", "xanchor": "right", "y": chart.reference, "yref": "y", "yanchor": "bottom"}
            if across
            else {"x": chart.reference, "xref": "x", "xanchor": "center", "y": 1, "yref": "paper", "yanchor": "bottom"}
        )
        layout["annotations"].append(_note(chart.reference_label, where))


def _draw_marks(
    layout: dict[str, Any], chart: Chart, places: _Places, words: Words, *, axis: Literal["x", "y"] = "x"
) -> None:
    for i, (x, text) in enumerate(chart.marks):
        at = places.at(_as_number(x) if places.kind == "numbers" else x)
        if places.kind == "names" and at == -1.0:
            continue
        along = {"y0": 0, "y1": 1, "yref": "paper"} if axis == "x" else {"x0": 0, "x1": 1, "xref": "paper"}
        place = {f"{axis}0": at, f"{axis}1": at, f"{axis}ref": axis}
        layout["shapes"].append(
            {"type": "line", **along, **place, "line": {"color": "var(--plot-mark)", "width": 1.5, "dash": "dot"}}
        )
        where = (
            {
                "x": at,
                "xref": "x",
                "xanchor": "auto",
                "y": 1,
                "yref": "paper",
                "yanchor": "bottom",
                "yshift": 18 * (i % 2),
            }
            if axis == "x"
            else {"x": 1, "xref": "paper", "xanchor": "right", "y": at, "yref": "y", "yanchor": "bottom"}
        )
        layout["annotations"].append(_note(text, where))
    if axis == "x" and chart.marks:
        layout["margin"]["t"] = 44 if len(chart.marks) > 1 else 28


def _note(text: str, where: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **where,
        "text": line_breaks(text, 40),
        "showarrow": False,
        "font": {"size": 12, "color": "var(--muted)"},
        "bgcolor": "var(--card)",
        "borderpad": 1,
    }


def _layout(height: int) -> dict[str, Any]:
    axis = {
        "fixedrange": True,
        "automargin": True,
        "gridcolor": "var(--line)",
        "linecolor": "var(--line)",
        "zeroline": False,
        "ticks": "",
        "tickfont": {"size": 13, "color": "var(--muted)"},
        "title": {"font": {"size": 13, "color": "var(--muted)"}},
    }
    return {
        "height": height,
        "margin": {"l": 8, "r": 12, "t": 24, "b": 36, "pad": 4},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": False,
        "hovermode": "closest",
        "hoverdistance": 40,
        "dragmode": False,
        "barmode": "group",
        "hoverlabel": {
            "bgcolor": "var(--tip)",
            "bordercolor": "var(--tip)",
            "font": {"size": 13, "color": "var(--tip-ink)"},
            "align": "left",
        },
        "xaxis": {**axis, "showgrid": False} | {},
        "yaxis": dict(axis),
        "shapes": [],
        "annotations": [],
    }


def _ink(style: Style) -> str:
    return f"var(--plot-{style.colour})"


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _as_number(x: str) -> float:
    try:
        return float(x)
    except ValueError:
        return -1.0
