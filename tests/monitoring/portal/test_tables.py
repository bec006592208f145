"""The points of a chart as a table, and what of a table goes into a CSV file."""

import pytest

from monitoring.portal.parts import Cell, Chart, Column, Point, Series, Table
from monitoring.portal.tables import bare_number, grid_of_chart, grid_of_table
from monitoring.words import LANGUAGES, Words

EN, ES = Words("en"), Words("es")
HARD = "\u00a0"


def chart(*series, unit="share", kind="history", y_title="Churn"):
    return Chart("c", "C", "D", kind, series, unit, "Day", y_title)


def shown(grid):
    return [[(cell.text, cell.small) for cell in row] for row in grid.rows]


def test_a_chart_reads_as_a_row_per_point_with_its_interval():
    grid = grid_of_chart(chart(Series("s", (Point("2026-01-31", 0.5, 0.4, 0.61), Point("2026-02", 0.25)))), ES, "EUR")
    assert [head.csv for head in grid.heads] == [
        ("Day",), ("Churn", "Churn, límite inferior", "Churn, límite superior"),
    ]  # fmt: skip
    assert shown(grid) == [
        [("2026-01-31", ""), (f"50,0{HARD}%", f"40,0{HARD}% a 61,0{HARD}%")],
        [(f"feb{HARD}2026", ""), (f"25,0{HARD}%", "")],
    ]
    assert [cell.csv for row in grid.rows for cell in row] == [
        ("2026-01-31",), (0.5, 0.4, 0.61), ("2026-02",), (0.25, None, None),
    ]  # fmt: skip


def test_what_is_suppressed_is_not_shown_and_what_is_not_there_is_nothing():
    grid = grid_of_chart(
        chart(Series("a", (Point("x", None, 0.1, 0.2), Point("y", 0.2))), Series("b", (Point("x", 0.1),))), EN, "EUR"
    )
    assert shown(grid) == [
        [("x", ""), ("not shown", ""), ("10.0%", "")],
        [("y", ""), ("20.0%", ""), ("–", "")],
    ]
    assert grid.rows[0][1].csv == ("not shown",)  # the bounds of what is suppressed are suppressed with it
    assert grid.rows[1][2].csv == (None,)
    assert [head.label for head in grid.heads] == ["Day", "a", "b"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_not_shown(value):
    grid = grid_of_chart(chart(Series("a", (Point("x", value),))), EN, "EUR")
    assert grid.rows[0][1].text == "not shown"


@pytest.mark.parametrize(
    ("unit", "value", "currency", "written"),
    [("money", 12.5, "EUR", f"12,50{HARD}€"), ("money", 1200.4, "EUR", f"1.200{HARD}€"),
     ("money", 12.0, "JPY", f"12{HARD}JPY"),
     ("count", 1234.0, "EUR", "1.234"), ("days", 3.5, "EUR", "3,5"), ("share", 0.0123, "EUR", f"1,23{HARD}%"),
     ("number", 0.7123, "EUR", "0,712"), ("number", 3.0, "EUR", "3")],
)  # fmt: skip
def test_values_are_written_in_their_unit(unit, value, currency, written):
    (row,) = grid_of_chart(chart(Series("a", (Point("x", value),)), unit=unit), ES, currency).rows
    assert row[1].text == written
    assert row[1].csv == (value,)


def test_predicted_shares_are_written_as_shares_and_stand_in_order():
    grid = grid_of_chart(chart(Series("m", (Point(0.5, 0.4), Point(0.1, 0.2))), kind="reliability"), EN, "EUR")
    assert [row[0].text for row in grid.rows] == ["10.0%", "50.0%"]
    assert [row[0].csv for row in grid.rows] == [(0.1,), (0.5,)]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("value", [0.0, 1234567.89, -0.5, 12.0, -98765.25])
def test_a_number_is_read_back_as_it_was_written(language, value):
    w = Words(language)
    assert bare_number(w.number(value, 2), w) == value
    assert bare_number(w.money(value, "EUR"), w) == value
    assert bare_number(w.money(value, "USD"), w) == value
    assert bare_number(w.share(value / 100, 2), w) == pytest.approx(value / 100)
    assert bare_number(w.signed(value, 2), w) == value


@pytest.mark.parametrize("text", ["< 5", "–", "not shown", "3 of 12", "", "1 to 2", "2026-01-01", "12.3% (10 to 15)"])
def test_what_is_no_single_number_stays_text(text):
    assert bare_number(text, EN) is None


def test_numbers_of_a_table_go_out_bare_and_what_stands_in_small_beside_them():
    table = Table(
        "t",
        "T",
        (Column("Name"), Column("Churn", "", True)),
        ((Cell("12"), Cell("12.3%", "10% to 15%")), (Cell("b"), Cell("< 5"))),
    )
    grid = grid_of_table(table, EN)
    assert [head.csv for head in grid.heads] == [("Name",), ("Churn", "Churn, detail")]
    assert [cell.csv for row in grid.rows for cell in row] == [("12",), (0.123, "10% to 15%"), ("b",), ("< 5", None)]
