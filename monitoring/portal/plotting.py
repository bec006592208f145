"""Plotly's description of a chart, as plain data: made here, so that both languages write every number as they do.

The page's script draws it. Everything that a reader reads is written already: ticks, hints, legends. Colours are
names of the style sheet's variables, so that the same description serves the light and the dark page.
Plotly reads a little HTML in texts; every text is escaped, so a segment named ``<b>`` is read as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from monitoring.portal.axes import Scale, day_of, scale_of, write_x
from monitoring.portal.layout import draw_marks, draw_reference, empty_layout, name_level, set_axis
from monitoring.portal.parts import Chart, Point, Series
from monitoring.portal.places import Places, runs
from monitoring.portal.traces import Style, Trace, bands, bars, dots, finite, line, styles
from monitoring.words import Words

_HEIGHT, _EDGES, _BAR, _DOT = 320, 72, 20, 16  # pixels


@dataclass(frozen=True, slots=True)
class Plot:
    """What Plotly draws; ``narrow`` replaces parts of the layout on a telephone, by their path."""

    data: list[Trace]
    layout: dict[str, Any]
    narrow: dict[str, Any]


def plot(chart: Chart, words: Words, currency: str) -> Plot:
    """Return what Plotly draws of a chart.

    Raises:
        ValueError: the chart has no point at all; whoever makes a page says that in a sentence.
    """
    if not any(series.points for series in chart.series):
        raise ValueError(f"chart {chart.name}: has no points. An empty chart must be a sentence.")
    values = [n for s in chart.series for p in s.points for n in (p.value, p.low, p.high)]
    known = [n for n in (*values, chart.reference) if finite(n) is not None and n is not None]
    places = Places.of(chart, always_names=chart.kind == "dots")
    if chart.kind == "reliability":
        known += [float(p.x) for s in chart.series for p in s.points]
        scale = scale_of(known, chart.unit, words, currency, with_zero=min(known) >= 0)
        return _reliability(chart, scale, words)
    scale = scale_of(known, chart.unit, words, currency, with_zero=chart.kind == "bars")
    if chart.kind == "history":
        return _history(chart, places, scale, words)
    if chart.kind == "bars" and places.kind != "names":
        return _columns(chart, places, scale, words)
    return _rows(chart, places, scale, words)


def _history(chart: Chart, places: Places, scale: Scale, words: Words) -> Plot:
    data: list[Trace] = []
    for series, style in _styled(chart):
        parts = runs(series.points, places)
        hints = dict(zip(series.points, _hints(chart, series, scale, words), strict=True))
        data += [*bands(parts, style), line(parts, hints, style)]
    plotted = _upright(chart, places, scale, words, data)
    name_level(plotted.layout, chart, places)
    return plotted


def _columns(chart: Chart, places: Places, scale: Scale, words: Words) -> Plot:
    data = [
        bars(
            series, [places.at(p.x) for p in series.points], _hints(chart, series, scale, words), style, is_upright=True
        )
        for series, style in _styled(chart)
    ]
    return _upright(chart, places, scale, words, data)


def _upright(chart: Chart, places: Places, scale: Scale, words: Words, data: list[Trace]) -> Plot:
    layout = empty_layout(_HEIGHT) | {"bargap": 0.3, "bargroupgap": 0.08}
    set_axis(layout, "xaxis", places.axis(words, is_bar=chart.kind == "bars"))
    set_axis(layout, "yaxis", scale.axis() | {"zeroline": chart.kind == "bars"})
    draw_reference(layout, chart, "y")
    draw_marks(layout, chart, places, "x")
    return Plot(data, layout, places.narrow(words, is_bar=chart.kind == "bars"))


def _rows(chart: Chart, places: Places, scale: Scale, words: Words) -> Plot:
    """Bars or dots that lie: a row for each name, because names are long and telephones narrow."""
    data: list[Trace] = []
    for i, (series, style) in enumerate(_styled(chart)):
        at = [float(places.at(p.x) or 0.0) for p in series.points]
        hints = _hints(chart, series, scale, words)
        if chart.kind == "bars":
            data.append(bars(series, at, hints, style, is_upright=False))
            continue
        apart = (i - (len(chart.series) - 1) / 2) * 0.6 / len(chart.series)  # several series: one below the other
        data.append(dots(series, [place + apart for place in at], hints, style, is_upright=False))
    each = 14 + _BAR * len(chart.series) if chart.kind == "bars" else 20 + _DOT * len(chart.series)
    layout = empty_layout(_EDGES + len(places.names) * each) | {"bargap": 0.35, "bargroupgap": 0.1}
    set_axis(layout, "xaxis", scale.axis() | {"zeroline": chart.kind == "bars"})
    set_axis(layout, "yaxis", places.rows(words))
    draw_reference(layout, chart, "x")
    draw_marks(layout, chart, places, "y")
    narrow = {"yaxis.ticktext": places.row_names(words, is_narrow=True), **scale.narrow("xaxis")}
    return Plot(data, layout, narrow)


def _reliability(chart: Chart, scale: Scale, words: Words) -> Plot:
    ends = [scale.low, scale.high]
    diagonal = {"color": "var(--plot-quiet)", "width": 1.5, "dash": "dash"}
    data: list[Trace] = [
        {"type": "scatter", "mode": "lines", "x": ends, "y": ends, "line": diagonal, "hoverinfo": "skip"}
    ]
    for series, style in _styled(chart):
        points = tuple(sorted(series.points, key=lambda p: float(p.x)))
        ordered = Series(series.label, points, series.is_main)
        hints = _hints(chart, ordered, scale, words)
        data.append(dots(ordered, [float(p.x) for p in points], hints, style, is_upright=True, mode="lines+markers"))
    layout = empty_layout(440)
    set_axis(layout, "xaxis", scale.axis() | {"title": {"text": escape(chart.x_title), "standoff": 12}})
    set_axis(layout, "yaxis", scale.axis() | {"title": {"text": escape(chart.y_title), "standoff": 12}})
    return Plot(data, layout, {"height": 360, **scale.narrow("xaxis")})


def _styled(chart: Chart) -> Sequence[tuple[Series, Style]]:
    return list(zip(chart.series, styles(chart.series), strict=True))


def _hints(chart: Chart, series: Series, scale: Scale, words: Words) -> list[str]:
    """What is read when a point is pointed at: where, of which series, the value and its interval."""
    return [
        "<br>".join(
            [
                f"<b>{escape(_place(p, chart, scale, words))}</b>",
                *([escape(series.label)] if len(chart.series) > 1 else []),
                escape(_written(p, scale, words)),
            ]
        )
        for p in series.points
    ]


def _place(point: Point, chart: Chart, scale: Scale, words: Words) -> str:
    if chart.kind == "reliability":
        return scale.write(float(point.x))
    day = day_of(point.x)
    return words.day(day) if day and len(str(point.x)) == 10 else write_x(point.x, words)


def _written(point: Point, scale: Scale, words: Words) -> str:
    value, low, high = finite(point.value), finite(point.low), finite(point.high)
    if value is None:
        return words("not_shown")
    if low is None or high is None:
        return scale.write(value)
    return words.interval(scale.write(value), scale.write(low), scale.write(high))


def as_data(plotted: Plot) -> Mapping[str, Any]:
    """Return a plot as the page's script reads it."""
    return {"data": plotted.data, "layout": plotted.layout, "narrow": plotted.narrow}
