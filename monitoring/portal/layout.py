"""What stands around the points of a chart: grid, lines to compare with, marks; as Plotly's layout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from monitoring.portal.axes import line_breaks
from monitoring.portal.parts import Chart
from monitoring.portal.places import Places

#: Marks closer together than this share of the axis are named at two heights.
_CLOSE = 0.25
#: A label ends at its mark, or begins there, when less than this share of the axis is left beside it.
_EDGE = 0.2
_DASHES = "\u2013 \u2013"  # how the line to compare with looks, where its word stands apart from it
_SMALL = {"size": 13, "color": "var(--muted)"}


def empty_layout(height: int) -> dict[str, Any]:
    """Return a layout with nothing in it yet: calm, without Plotly's own buttons and colours."""
    return {
        "height": height,
        "margin": {"l": 8, "r": 12, "t": 22, "b": 36, "pad": 4},
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
        "xaxis": _axis(),
        "yaxis": _axis(),
        "shapes": [],
        "annotations": [],
    }


def set_axis(layout: dict[str, Any], name: Literal["xaxis", "yaxis"], axis: Mapping[str, Any]) -> None:
    """Put an axis into a layout; its title keeps the look of all titles."""
    title = layout[name]["title"] | axis.get("title", {})
    layout[name] |= {**axis, "title": title}


def draw_reference(layout: dict[str, Any], chart: Chart, axis: Literal["x", "y"]) -> None:
    """Draw the value to compare with, on the axis of the values, with its word; a word over bars could not be read."""
    if chart.reference is None:
        return
    is_level = axis == "y"
    along = {"x0": 0, "x1": 1, "xref": "paper"} if is_level else {"y0": 0, "y1": 1, "yref": "paper"}
    place = {f"{axis}0": chart.reference, f"{axis}1": chart.reference, f"{axis}ref": axis}
    layout["shapes"].append(_line(along | place, "var(--plot-quiet)", "longdash"))
    if not chart.reference_label:
        return
    above = {"y": 1, "yref": "paper", "yanchor": "bottom"}
    if not is_level:
        low, high = layout["xaxis"]["range"]
        where = {"x": chart.reference, "xref": "x", "xanchor": _anchor((chart.reference - low) / (high - low))} | above
        layout["annotations"].append(_note(chart.reference_label, where))
    elif chart.kind == "bars":
        corner = {"x": 1, "xref": "paper", "xanchor": "right", "yshift": 18 if chart.marks else 0} | above
        layout["annotations"].append(_note(f"{_DASHES} {chart.reference_label}", corner))
        if chart.marks:
            layout["margin"]["t"] = 42
    else:
        beside = {"x": 1, "xref": "paper", "xanchor": "right", "y": chart.reference, "yref": "y", "yanchor": "bottom"}
        layout["annotations"].append(_note(chart.reference_label, beside))


def name_level(layout: dict[str, Any], chart: Chart, places: Places) -> None:
    """Name a line that stays at one value, where the line to compare with could be taken for it: on the other side."""
    if chart.reference is None:
        return
    for series in chart.series:
        values = {point.value for point in series.points}
        level = next(iter(values))
        if series.is_main or len(values) != 1 or level is None:
            continue
        at, side = places.at(series.points[0].x), "top" if level <= chart.reference else "bottom"
        where = {"x": at, "xref": "x", "xanchor": "left", "y": level, "yref": "y", "yanchor": side}
        layout["annotations"].append(_note(series.label, where))


def draw_marks(layout: dict[str, Any], chart: Chart, places: Places, axis: Literal["x", "y"] = "x") -> None:
    """Draw the marks on the axis of the points, each with its word; a mark that is nowhere on it is left out."""
    before, is_raised, any_raised = -1.0, False, False
    for x, text in sorted(chart.marks, key=lambda mark: places.share(mark[0])):
        at = places.at(x)
        if at is None:
            continue
        along = {"y0": 0, "y1": 1, "yref": "paper"} if axis == "x" else {"x0": 0, "x1": 1, "xref": "paper"}
        layout["shapes"].append(
            _line(along | {f"{axis}0": at, f"{axis}1": at, f"{axis}ref": axis}, "var(--plot-mark)", "dot")
        )
        is_raised = places.share(x) - before < _CLOSE and not is_raised
        before, any_raised = places.share(x), any_raised or is_raised
        where = (
            {"x": at, "xref": "x", "xanchor": _anchor(places.share(x)), "y": 1, "yref": "paper", "yanchor": "bottom"}
            | {"yshift": 18 if is_raised else 0}
            if axis == "x"
            else {"x": 1, "xref": "paper", "xanchor": "right", "y": at, "yref": "y", "yanchor": "bottom"}
        )
        layout["annotations"].append(_note(text, where))
    if axis == "x" and any_raised:
        layout["margin"]["t"] = 42


def _anchor(share: float) -> str:
    """Return which end of a label stands at its place, so that it stays inside: Plotly centres it whatever is cut."""
    return "left" if share < _EDGE else "right" if share > 1 - _EDGE else "center"


def _line(where: Mapping[str, Any], colour: str, dash: str) -> dict[str, Any]:
    return {"type": "line", **where, "line": {"color": colour, "width": 1.5, "dash": dash}}


def _note(text: str, where: Mapping[str, Any]) -> dict[str, Any]:
    look = {"showarrow": False, "font": {"size": 12, "color": "var(--muted)"}, "bgcolor": "var(--card)", "borderpad": 1}
    return {**where, **look, "text": line_breaks(text, 40, lines=1)}


def _axis() -> dict[str, Any]:
    return {
        "fixedrange": True,
        "automargin": True,
        "showgrid": False,
        "gridcolor": "var(--line)",
        "zeroline": False,
        "zerolinecolor": "var(--edge)",
        "zerolinewidth": 1.5,
        "ticks": "",
        "tickfont": dict(_SMALL),
        "title": {"font": dict(_SMALL)},
    }
