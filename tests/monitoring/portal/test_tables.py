"""The points of a chart as a table, and what of a table goes into a CSV file."""

from datetime import date

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
        [(ES.brief_day(date(2026, 1, 31)), ""), (f"50,0{HARD}%", f"40,0{HARD}% a 61,0{HARD}%")],
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


def table_of(*cells, label="Churn"):
    return Table("t", "T", (Column("Name"), Column(label, "", True)), tuple((Cell("a"), cell) for cell in cells))


def files_of(words, *cells):
    grid = grid_of_table(table_of(*cells), words)
    return grid.heads[1].csv, [row[1].csv for row in grid.rows]


def test_a_number_and_its_interval_stand_in_columns_of_their_own():
    names, values = files_of(ES, Cell("12,3 %", "−10,0 % a 15,0 %"), Cell("–"), Cell("< 5"), Cell("1.234"))
    assert names == ("Churn", "Churn, límite inferior", "Churn, límite superior")
    assert values == [(0.123, -0.1, 0.15), (None, None, None), ("< 5", None, None), (1234.0, None, None)]


def test_an_interval_in_brackets_and_a_unit_in_a_word_are_no_hindrance():
    _, values = files_of(EN, Cell("+3.5 (\u22122.7 to +10.3)"), Cell("\u22120.17 points", "\u22121.0 to +2.5 points"))
    assert values == [(3.5, -2.7, 10.3), (-0.17, -1.0, 2.5)]
    assert files_of(ES, Cell("18\u00a0días"))[1] == [(18.0,)]


def test_what_else_stands_in_small_has_a_column_of_its_own():
    names, values = files_of(
        EN, Cell("0.5", "0.4 to 0.6 (interval at 95%)"), Cell("0.7", "too few to tell"), Cell("0.8", "0.7 to 0.9")
    )
    assert names == ("Churn", "Churn, lower bound", "Churn, upper bound", "Churn, detail")
    assert values == [
        (0.5, 0.4, 0.6, "0.4 to 0.6 (interval at 95%)"),
        (0.7, None, None, "too few to tell"),
        (0.8, 0.7, 0.9, None),
    ]


def test_of_how_many_an_interval_is_does_not_hide_its_bounds():
    small = "−10,33 a +2,85 puntos (intervalo al 99\u00a0%) n = 2.436"
    assert files_of(ES, Cell("−1,98 puntos", small))[1] == [
        (-1.98, -10.33, 2.85, "-10,33 a +2,85 puntos (intervalo al 99 %) n = 2.436")
    ]


def test_a_page_that_gives_bare_numbers_is_believed_before_its_text():
    _, values = files_of(EN, Cell("about a third", "some", number=0.3333, low=0.3, high=0.4))
    assert values == [(0.3333, 0.3, 0.4, "some")]


def test_a_day_goes_out_in_iso_8601():
    table = Table("t", "T", (Column("Day"),), ((Cell(ES.brief_day(date(2026, 9, 1))),),))
    assert grid_of_table(table, ES).rows[0][0].csv == ("2026-09-01",)


def test_a_text_goes_out_with_an_ordinary_minus_and_ordinary_spaces():
    table = Table("t", "T", (Column("Name"),), ((Cell("\u22125\u00a0% or less"),), (Cell("–"),)))
    assert [row[0].csv for row in grid_of_table(table, EN).rows] == [("-5 % or less",), (None,)]


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.010282199261669858, 0.0102822), (1234567.0, 1234567.0), (98765.4321, 98765.4), (-0.5, -0.5), (0.0, 0.0)],
)
def test_points_go_out_with_six_digits_and_whole_numbers_whole(value, written):
    (row,) = grid_of_chart(chart(Series("a", (Point("x", value),)), unit="number"), EN, "EUR").rows
    assert row[1].csv == (written,)


def test_rows_with_words_are_stacked_on_a_telephone_and_plain_numbers_are_not():
    def stacked(columns, cells):
        return grid_of_table(Table("t", "T", columns, (cells,)), EN).is_stacked

    words, number = Column("w"), Column("n", "", True)
    assert not stacked((words, *[number] * 5), [Cell("a"), *[Cell("1,234")] * 5])
    assert not stacked((words, words, number), [Cell("a"), Cell("b"), Cell("1")])
    assert stacked((words, words, number, number), [Cell("a"), Cell("b"), Cell("1"), Cell("2")])
    assert stacked(
        (words, number), [Cell("a"), Cell("1", "a sentence about it that needs a little more room than one line has")]
    )
    assert stacked((words, words), [Cell("a"), Cell("some words of a sentence")])
