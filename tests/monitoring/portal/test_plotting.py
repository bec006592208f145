"""What Plotly is told: gaps stay gaps, every text is written in the page's language."""

import json
from datetime import date, timedelta
from itertools import pairwise

import pytest

from monitoring.portal.axes import line_breaks, scale_of
from monitoring.portal.drawing import as_script_data
from monitoring.portal.parts import Chart, Point, Series
from monitoring.portal.plotting import as_data, plot
from monitoring.portal.traces import styles
from monitoring.words import LANGUAGES, Words

EN, ES = Words("en"), Words("es")


def chart(points, kind="history", unit="share", **more):
    series = points if points and isinstance(points[0], Series) else (Series("s", tuple(points), True),)
    return Chart("c", "C", "D", kind, tuple(series), unit, "X", "Y", **more)


def days(count, leave_out=(), **bounds):
    return [
        Point((date(2026, 1, 1) + timedelta(days=i)).isoformat(), 0.1 + i / 100, **bounds)
        for i in range(count)
        if i not in leave_out
    ]


def line_of(plotted):
    (line,) = [trace for trace in plotted.data if trace["mode"] == "lines+markers"]
    return line


def test_a_missing_day_breaks_the_line_and_the_band():
    plotted = plot(chart(days(9, leave_out=(4,), low=0.0, high=0.5)), EN, "EUR")
    assert line_of(plotted)["y"].index(None) == 4
    bands = [trace for trace in plotted.data if trace.get("fill") == "toself"]
    assert [len(band["x"]) for band in bands] == [8, 8]
    assert max(bands[0]["x"]) == "2026-01-04"
    assert min(bands[1]["x"]) == "2026-01-06"


def test_a_suppressed_value_leaves_no_trace_of_itself():
    points = [Point("2026-01-01", 0.1, 0.05, 0.2), Point("2026-01-02", None, 0.111, 0.222), Point("2026-01-03", 0.3)]
    for kind in ("history", "bars", "dots"):
        written = json.dumps(as_data(plot(chart(points, kind), EN, "EUR")))
        assert "0.111" not in written
        assert "0.222" not in written


def test_a_day_that_stands_alone_is_a_dot_with_a_whisker():
    plotted = plot(chart([Point("2026-01-01", 0.2, 0.1, 0.4)]), EN, "EUR")
    line = line_of(plotted)
    assert line["marker"]["size"][0] > 5
    assert line["error_y"]["array"][0] == pytest.approx(0.2)
    assert line["error_y"]["arrayminus"][0] == pytest.approx(0.1)


def test_hints_are_written_in_the_language_with_interval_and_series():
    two = [Series("a", tuple(days(2, low=0.05, high=0.3)), True), Series("b", tuple(days(2)))]
    first = plot(chart(two), ES, "EUR").data[1]["hovertext"][0].replace("\u00a0", " ")
    assert first == "<b>1 de enero de 2026</b><br>a<br>10,0 % (5,0 % a 30,0 %)"


@pytest.mark.parametrize("kind", ["history", "bars", "dots"])
@pytest.mark.parametrize("unit", ["share", "count", "number", "money", "days"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_and_unit_can_be_drawn_of_one_point(kind, unit, language):
    for value in (0.0, 1.0, -3.0, 1e9, None):
        for x in ("2026-01-01", "2026-01", "name", 3.0):
            plotted = plot(chart([Point(x, value)], kind, unit), Words(language), "XTS")
            json.loads(as_script_data(as_data(plotted)))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("kind", ["history", "bars", "dots", "reliability"])
def test_what_is_no_number_is_a_gap(kind, value):
    points = [Point(0.1, value, 0.0, 1.0), Point(0.2, 0.2, value, 0.3), Point(0.3, 0.3, 0.2, 0.4)]
    json.loads(as_script_data(as_data(plot(chart(points, kind), EN, "EUR"))))


def test_bars_stand_on_zero_and_names_keep_their_order():
    plotted = plot(chart([Point("b", 0.2), Point("a", 0.3)], "bars"), EN, "EUR")
    assert plotted.layout["xaxis"]["range"][0] == 0.0
    assert plotted.layout["yaxis"]["ticktext"] == ["b", "a"]
    first, last = plotted.layout["yaxis"]["range"]
    assert first > last  # the first is on top


def test_several_estimates_of_one_name_stand_below_each_other():
    two = [Series("a", (Point("x", 0.1),)), Series("b", (Point("x", 0.2),))]
    one, other = plot(chart(two, "dots"), EN, "EUR").data
    assert one["y"] < other["y"]


def test_a_mark_in_the_future_is_on_the_axis():
    plotted = plot(chart(days(10), marks=(("2026-03-01", "reading"),)), EN, "EUR")
    assert plotted.layout["xaxis"]["range"][1] > "2026-03-01"
    assert plotted.layout["annotations"][0]["text"] == "reading"


def test_a_mark_that_is_nowhere_on_the_axis_is_left_out():
    assert plot(chart([Point("a", 0.1)], marks=(("z", "gone"),)), EN, "EUR").layout["shapes"] == []


def test_close_marks_are_named_at_two_heights():
    plotted = plot(chart(days(60), marks=(("2026-01-20", "one"), ("2026-01-22", "two"))), EN, "EUR")
    assert [note["yshift"] for note in plotted.layout["annotations"]] == [0, 18]


def test_the_diagonal_runs_from_end_to_end_of_both_axes():
    plotted = plot(chart([Point(0.1, 0.2, 0.1, 0.3), Point(0.6, 0.5)], "reliability"), EN, "EUR")
    assert plotted.data[0]["x"] == plotted.data[0]["y"] == plotted.layout["xaxis"]["range"]
    assert plotted.layout["xaxis"]["range"] == plotted.layout["yaxis"]["range"]


def test_no_two_series_look_alike():
    many = [Series(str(i), (Point("a", 1.0),), i == 2) for i in range(8)]
    looks = styles(many)
    assert len({(look.colour, look.dash, look.symbol) for look in looks}) == 8
    assert looks[2].colour == 1
    assert looks[2].is_main


@pytest.mark.parametrize(
    ("low", "high", "unit", "named"),
    [
        (0.0, 0.5, "share", ["0 %", "10 %", "20 %", "30 %", "40 %", "50 %"]),
        (0.0, 0.02, "share", ["0,0 %", "0,5 %", "1,0 %", "1,5 %", "2,0 %"]),
        (0.0, 2_000_000.0, "money", ["0 €", "500 mil €", "1 M€", "1,5 M€", "2 M€"]),
        (-200.0, 100.0, "money", ["−200 €", "−100 €", "0 €", "100 €"]),
        (0.0, 5000.0, "count", ["0", "1.000", "2.000", "3.000", "4.000", "5.000"]),
    ],
)
def test_steps_of_an_axis_are_round_and_written_in_the_language(low, high, unit, named):
    scale = scale_of([low, high], unit, ES, "EUR", with_zero=True)
    assert [name.replace("\u00a0", " ") for name in scale.names] == named


@pytest.mark.parametrize("values", [[], [0.0], [5.0, 5.0], [-1e-9, 1e-9], [1e15, -1e15]])
def test_an_axis_always_has_a_length_and_different_names(values):
    scale = scale_of(values, "number", EN, "EUR")
    assert scale.low < scale.high
    assert all(scale.low <= value <= scale.high for value in values)
    assert all(a < b for a, b in pairwise(scale.steps))


def test_names_are_cut_and_escaped():
    assert line_breaks("a <b> c", 20) == "a &lt;b&gt; c"
    assert line_breaks("one two three four five", 9) == "one two<br>three fo…"
    assert line_breaks("", 9) == ""


@pytest.mark.parametrize(("on", "end"), [("2026-01-01", "left"), ("2026-01-10", "center"), ("2026-01-20", "right")])
def test_the_word_of_a_mark_stays_inside_the_picture(on, end):
    (note,) = plot(chart(days(20), marks=((on, "planned reading"),)), EN, "EUR").layout["annotations"]
    assert (note["x"], note["xanchor"]) == (on, end)


def test_the_planned_line_is_told_from_the_line_to_compare_with():
    ends = (Point("2026-01-01", -0.01), Point("2026-01-09", -0.01))
    two = [Series("found", tuple(days(9)), True), Series("planned", ends)]
    plotted = plot(chart(two, reference=0.0, reference_label="no difference"), EN, "EUR")
    reference, planned = plotted.layout["annotations"]
    assert (reference["text"], reference["yanchor"]) == ("no difference", "bottom")
    assert (planned["text"], planned["yanchor"], planned["y"]) == ("planned", "top", -0.01)
    assert plotted.layout["shapes"][0]["line"]["dash"] != plotted.data[1]["line"]["dash"]


def test_the_word_of_a_line_across_bars_stands_above_them():
    plotted = plot(chart(days(3), "bars", reference=0.1, reference_label="expected"), EN, "EUR")
    (note,) = plotted.layout["annotations"]
    assert (note["yref"], note["y"], note["yanchor"]) == ("paper", 1, "bottom")
    assert note["text"].endswith("expected")


def test_bars_of_days_are_named_where_they_stand():
    weekly = [Point((date(2026, 1, 5) + timedelta(days=7 * i)).isoformat(), 1.0) for i in range(3)]
    plotted = plot(chart(weekly, "bars"), EN, "EUR")
    assert plotted.layout["xaxis"]["tickvals"] == ["2026-01-05", "2026-01-12", "2026-01-19"]
    many = plot(chart(days(60), "bars"), EN, "EUR")
    assert len(many.layout["xaxis"]["tickvals"]) <= 10
    assert len(many.narrow["xaxis.tickvals"]) <= 4
