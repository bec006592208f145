"""A missing day is one that the rhythm of the others asks for."""

from datetime import date, timedelta

from monitoring.portal.days import missing_days, usual_step, with_missing_days

FIRST = date(2026, 3, 1)


def days(*offsets):
    return [FIRST + timedelta(days=offset) for offset in offsets]


def test_a_day_that_is_missing_in_a_daily_row_is_found():
    assert missing_days(days(0, 1, 2, 5, 6)) == tuple(days(3, 4))
    assert with_missing_days(days(0, 1, 3)) == tuple(days(0, 1, 2, 3))


def test_weekly_files_are_not_missing_on_the_other_days():
    assert missing_days(days(0, 7, 14, 21)) == ()
    assert missing_days(days(0, 7, 14, 28)) == tuple(days(21))


def test_a_file_that_comes_a_day_late_is_not_missing():
    assert missing_days(days(0, 7, 14, 22, 28)) == ()
    assert missing_days(days(0, 7, 14, 29, 35)) == tuple(days(21))


def test_days_are_missing_at_the_end_too_when_it_is_said_where_the_end_is():
    assert missing_days(days(0, 1, 2)) == ()
    assert missing_days(days(0, 1, 2), before=days(5)[0]) == tuple(days(3, 4))
    assert missing_days(days(0, 1, 2), before=days(3)[0]) == ()


def test_two_days_have_no_rhythm():
    assert usual_step(days(0, 9)) is None
    assert missing_days(days(0, 9), before=days(90)[0]) == ()
