"""The chart shows every line, whole, in the table's order."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from bench.chart import draw_chart
from bench.reporting import Line

LONG = (
    "140 features of 1,000,000 customers, 94.2 M events, one day of knowledge, against the same features written by "
    "hand & read in <one> pass of DuckDB over the very same files (imports and loading left out)"
)
GROUPS = {
    "Starting": [Line("holdback --help (an empty Python)", "0.12 s of CPU (0.02 s)", "at most 0.4 s", 0.3)],
    "Features": [
        Line(LONG, "8.7 x (5.0 s / 0.6 s)", "at most 5 x", 1.74),
        Line("a peer", "a quick run builds no peers", "at least 4 x less", None),
        Line("peak memory of the same", "1 MB", "at most 400 MB", 0.0025),
    ],
}
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def chart() -> ElementTree.Element:
    return ElementTree.fromstring(draw_chart(GROUPS))


def lines_of(text: ElementTree.Element) -> list[str]:
    return [part.text or "" for part in text.findall(f"{SVG}tspan")]


def test_labels_are_whole_and_in_the_tables_order(chart: ElementTree.Element) -> None:
    labels = [" ".join(lines_of(text)) for text in chart.findall(f"{SVG}text") if lines_of(text)]
    assert labels == [line.what for lines in GROUPS.values() for line in lines]
    assert all(len(one) <= 62 for text in chart.findall(f"{SVG}text") for one in lines_of(text))


def test_a_bar_is_as_long_as_its_share_up_to_the_cut(chart: ElementTree.Element) -> None:
    background, *bars = chart.findall(f"{SVG}rect")
    assert background.get("fill") == "#ffffff"
    limit = float(chart.find(f"{SVG}line").get("x1")) - float(bars[0].get("x"))
    assert [round(float(bar.get("width")) / limit, 2) for bar in bars] == [0.3, 1.25, 0.0]
    assert [bar.get("fill") == "#c92a2a" for bar in bars] == [False, True, False]


def test_what_is_cut_or_not_measured_says_so(chart: ElementTree.Element) -> None:
    said = [text.text for text in chart.findall(f"{SVG}text") if text.text]
    assert said[1:] == ["Starting", "30 %", "Features", "174 % →", "not measured", "0.2 %"]


def test_nothing_lies_outside_and_rows_do_not_touch(chart: ElementTree.Element) -> None:
    width, height = (float(chart.get(name)) for name in ("width", "height"))
    ys = [float(part.get("y")) for part in chart.iter(f"{SVG}tspan")]
    assert ys == sorted(ys)
    assert min(b - a for a, b in pairwise(ys)) >= 17
    assert max(ys) < height
    ends = [
        float(text.get("x")) + 8 * len(text.text) for text in chart.findall(f"{SVG}text") if "%" in (text.text or "")
    ]
    assert width == 960
    assert max(ends[1:]) < width
    assert re.search(r"viewBox=\"0 0 960 \d+\"", draw_chart(GROUPS))
