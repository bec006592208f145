"""Kept figures are read back day by day: nothing later, nothing invented."""

from datetime import timedelta

import pytest

from holdback.commits import rows_of
from holdback.tables import TABLES
from monitoring.history import DayValue, histories, metric_history, newest, subjects
from tests.monitoring.history.shop import DAY, shop


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    """Two figures on days 0, 1 and 3; one more is not known on day 3."""
    lake = shop(tmp_path_factory.mktemp("shop")).warehouse
    for offset, value in ((0, 1.0), (1, 2.0), (3, 4.0)):
        day = DAY + timedelta(days=offset)
        rows = [
            {"as_of": day, "metric": "auc", "about": "", "value": value / 10, "low": 0.0, "high": 1.0, "n": 9},
            {"as_of": day, "metric": "offered_rows", "about": "it's", "value": value},
            {"as_of": day, "metric": "nps", "about": "survey", "value": None, "reason": "nobody answered"}
            if offset == 3
            else {"as_of": day, "metric": "nps", "about": "survey", "value": value},
        ]
        lake.append("daily_metrics", rows_of(TABLES["daily_metrics"], rows), batch=f"daily_metrics/{day}")
    return lake


def test_a_history_is_in_the_order_of_days_without_those_that_were_not_recorded(warehouse):
    found = metric_history(warehouse, "offered_rows", DAY + timedelta(days=9), about="it's")
    assert [(value.as_of, value.value) for value in found] == [
        (DAY, 1.0), (DAY + timedelta(days=1), 2.0), (DAY + timedelta(days=3), 4.0)
    ]  # fmt: skip
    assert metric_history(warehouse, "offered_rows", DAY + timedelta(days=9)) == ()


def test_only_the_days_that_are_asked_for_are_told(warehouse):
    last = DAY + timedelta(days=3)
    assert [value.value for value in metric_history(warehouse, "auc", last, days=3)] == [0.2, 0.4]
    assert [value.value for value in metric_history(warehouse, "auc", DAY)] == [0.1]
    assert len(metric_history(warehouse, "auc", last, days=10**9)) == 3
    with pytest.raises(ValueError, match="at least 1"):
        metric_history(warehouse, "auc", last, days=0)


def test_an_estimate_keeps_its_interval_and_what_it_rests_on(warehouse):
    assert metric_history(warehouse, "auc", DAY) == (DayValue(DAY, 0.1, 0.0, 1.0, 9),)


def test_the_newest_record_counts_even_when_it_says_that_nothing_is_known(warehouse):
    found = newest(warehouse, DAY + timedelta(days=9))
    assert found["nps", "survey"] == DayValue(DAY + timedelta(days=3), None, reason="nobody answered")
    assert newest(warehouse, DAY + timedelta(days=2))["nps", "survey"].value == 2.0
    assert newest(warehouse, DAY - timedelta(days=1)) == {}


def test_all_histories_are_read_at_once(warehouse):
    last = DAY + timedelta(days=3)
    found = histories(warehouse, last, days=3)
    assert list(found) == [("auc", ""), ("nps", "survey"), ("offered_rows", "it's")]
    assert all(found[name] == metric_history(warehouse, name[0], last, about=name[1], days=3) for name in found)


def test_what_a_figure_is_about_can_be_listed(warehouse):
    assert subjects(warehouse, "nps", DAY) == ("survey",)
    assert subjects(warehouse, "nps", DAY - timedelta(days=1)) == ()


def test_a_company_that_never_recorded_has_no_history(tmp_path):
    lake = shop(tmp_path).warehouse
    assert (metric_history(lake, "auc", DAY), newest(lake, DAY), histories(lake, DAY)) == ((), {}, {})
