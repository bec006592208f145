"""Charts: every value is drawn, escaped, and told to those who cannot see."""

from xml.etree import ElementTree

import pytest

from monitoring import charts

HOSTILE = '</svg><script>alert("1")</script>'


def drawn(markup):
    return ElementTree.fromstring(str(markup))


def every_chart():
    show = "{:.2f}".format
    return {
        "dots": charts.dots(
            "a", HOSTILE, [charts.Dot(HOSTILE, 0.7, 0.6, 0.8, True), charts.Dot("b", 0.5, 0.4, 0.6)], show=show
        ),
        "pairs": charts.pairs("b", HOSTILE, [HOSTILE, "y"], [0.5, 0.5], [0.2, 0.8], show=show),
        "reliability": charts.reliability(
            "c", HOSTILE, [(0.1, 0.12, 0.05, 0.2), (0.5, 0.4, 0.3, 0.5)], show=show, axes=(HOSTILE, "y")
        ),
        "history": charts.history(
            "d", HOSTILE, [(HOSTILE, 0.4, 0.3, 0.5), ("b", 0.3, 0.2, 0.4)], show=show, reference=0.5
        ),
        "split": charts.split(
            "e", HOSTILE, [charts.Part(HOSTILE, 0.3, "high"), charts.Part("b", 0.7, "low")], show=show
        ),
        "columns": charts.columns("f", HOSTILE, [(HOSTILE, 10, 2), ("b", 0, 0)], show=show),
    }


@pytest.mark.parametrize("name", ["dots", "pairs", "reliability", "history", "split", "columns"])
def test_a_chart_is_well_formed_and_described_and_lets_nothing_out(name):
    chart = drawn(every_chart()[name])
    space = "{http://www.w3.org/2000/svg}"
    assert chart.get("role") == "img"
    named = chart.get("aria-labelledby").split()
    assert [chart.find(f"{space}title").get("id"), chart.find(f"{space}desc").get("id")] == named
    assert chart.find(f"{space}title").text == HOSTILE
    assert chart.find(f"{space}desc").text
    assert chart.find(f".//{space}script") is None


@pytest.mark.parametrize(
    "markup",
    [
        charts.dots("a", "t", [charts.Dot("one", 0.5, 0.5, 0.5)], show=str),
        charts.pairs("b", "t", ["x"], [0.0], [0.0], show=str),
        charts.reliability("c", "t", [(0.0, 0.0, 0.0, 0.0)], show=str, axes=("x", "y")),
        charts.history("d", "t", [("x", 0.0, 0.0, 0.0)], show=str),
        charts.split("e", "t", [], show=str),
        charts.columns("f", "t", [], show=str),
    ],
)
def test_one_value_or_none_at_all_still_draws(markup):
    assert "nan" not in str(drawn(markup).attrib)
    assert "NaN" not in str(markup)
    assert "inf" not in str(markup)


def test_places_are_proportional():
    # Known answer: in a chart of two parts of .25 and .75 the first rectangle is a quarter of 360 wide, less the gap.
    first = drawn(charts.split("e", "t", [charts.Part("a", 0.25, "high"), charts.Part("b", 0.75, "low")], show=str))[2]
    assert float(first.get("width")) == 360 * 0.25 - 1.5


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.55, 0.78, [0.55, 0.6, 0.65, 0.7, 0.75]),
        (3, 3, [3]),
        (0, 40, [0, 10, 20, 30, 40]),
    ],
)
def test_ticks_are_round_and_inside(low, high, expected):
    assert charts.ticks(low, high) == pytest.approx(expected)
