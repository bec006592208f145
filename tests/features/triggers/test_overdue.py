"""Nothing came although it should have."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from tests.features.triggers.world import AS_OF, company, held, instant, trigger
from tests.features.world import Row

RHYTHM = trigger(kind="overdue", feed="visits", times=2, least_events=3, only_open_days=30)


def visits(customer: str, *days: float, cents: int = 1_000) -> list[Row]:
    """Return purchases so many days of the calendar ago, and parts of a day earlier."""
    instants = [instant(int(one) - one, AS_OF - timedelta(days=int(one))) for one in days]
    return [{"customer_id": customer, "event_at": at, "amount_cents": cents} for at in instants]


def on(customer: str, *days: date) -> list[Row]:
    start = company(()).instant
    return [
        {"customer_id": customer, "event_at": start(day) + timedelta(hours=15), "amount_cents": 9_000} for day in days
    ]


@pytest.mark.parametrize(("since", "is_overdue"), [(20, False), (21, True), (49, True), (50, False)])
def test_the_line_is_so_many_usual_gaps_after_the_last_event_and_open_for_some_days(
    since: int, is_overdue: bool
) -> None:
    found = held(RHYTHM, {"visits": visits("ann", *(since + day for day in (0, 10, 20, 30, 60)))})
    assert bool(found) == is_overdue
    if is_overdue:
        assert found["ann"]["size"] == since - 10
        last_on = str(AS_OF - timedelta(days=since))
        assert found["ann"]["detail"] == {"usual_gap_days": 10.0, "days_since": since, "last_on": last_on}


def test_the_usual_gap_is_the_median_between_days_and_two_purchases_of_a_day_are_one() -> None:
    # Gaps of 2, 10, 12 and 100 days: their median is 11.
    days = [25, 27, 37, 49, 149]
    assert held(RHYTHM, {"visits": visits("ann", *days, *(day - 0.3 for day in days))})["ann"]["size"] == 25 - 11


#: The last day before the clocks change: Madrid and Auckland to winter and to summer; India has no change.
CHANGES = [
    ("Europe/Madrid", date(2025, 10, 25)),
    ("Europe/Madrid", date(2025, 3, 29)),
    ("Pacific/Auckland", date(2025, 4, 5)),
    ("Pacific/Auckland", date(2025, 9, 27)),
    ("Asia/Kolkata", date(2025, 10, 25)),
    ("UTC", date(2025, 10, 25)),
]


@pytest.mark.parametrize("clock", [timedelta(0), timedelta(minutes=20), timedelta(hours=23, minutes=40)])
@pytest.mark.parametrize(("zone", "last_on"), CHANGES)
def test_a_rhythm_is_one_of_days_of_the_calendar_when_the_clocks_change(
    zone: str, last_on: date, clock: timedelta
) -> None:
    starts = company((), time_zone=zone).instant
    days = [last_on - timedelta(days=10 * visit) for visit in range(4)]
    rows = {"visits": [{"customer_id": "ann", "event_at": starts(day) + clock, "amount_cents": 1_000} for day in days]}
    assert held(RHYTHM, rows, last_on + timedelta(days=20), time_zone=zone) == {}
    found = held(RHYTHM, rows, last_on + timedelta(days=21), time_zone=zone)
    assert found["ann"]["detail"] == {"usual_gap_days": 10.0, "days_since": 21, "last_on": str(last_on)}
    evening = starts(last_on + timedelta(days=21)) + timedelta(hours=20)
    assert held(RHYTHM, rows, last_on + timedelta(days=21), seen_at=evening, time_zone=zone) == found
    assert list(held(RHYTHM, rows, last_on + timedelta(days=39), time_zone=zone)) == ["ann"]
    assert held(RHYTHM, rows, last_on + timedelta(days=50), time_zone=zone) == {}


def test_too_few_events_are_no_rhythm() -> None:
    assert held(RHYTHM, {"visits": visits("ann", 25, 35)}) == {}
    assert list(held(RHYTHM, {"visits": visits("ann", 25, 35, 45)})) == ["ann"]
    assert held(RHYTHM, {}) == {}


def test_what_was_given_back_on_its_day_and_refunds_are_no_events() -> None:
    rows = visits("ann", 25, 35, 45)
    reversed_visit = [*visits("ann", 3), *visits("ann", 2.9, cents=-1_000)]
    assert list(held(RHYTHM, {"visits": [*rows, *reversed_visit]})) == ["ann"]
    assert list(held(RHYTHM, {"visits": [*rows, *visits("ann", 3, cents=-500)]})) == ["ann"]
    assert held(RHYTHM, {"visits": [*rows, *visits("ann", 3), *visits("ann", 2.9, cents=-400)]}) == {}


def test_only_the_rows_that_where_allows_are_events() -> None:
    rows = [*visits("ann", 25, 35, 45), {**visits("ann", 3)[0], "category": "bar"}]
    assert held(RHYTHM, {"visits": rows}) == {}
    rows = [{"category": "room", **one} for one in rows]
    assert list(held({**RHYTHM, "where": {"category": "room"}}, {"visits": rows})) == ["ann"]


def test_whoever_comes_today_is_not_overdue_from_then_on() -> None:
    rows = {"visits": [*visits("ann", 25, 35, 45), *visits("ann", -0.5)]}
    assert list(held(RHYTHM, rows)) == ["ann"]
    assert held(RHYTHM, rows, seen_at=datetime(2025, 6, 1, 20)) == {}


CALENDAR = trigger(kind="overdue", feed="visits", by="calendar", least_events=2)
USUAL = [date(2023, 5, 8), date(2024, 5, 12)]


@pytest.mark.parametrize(
    ("as_of", "is_missing"),
    [
        (date(2025, 5, 24), False),  # the usual date is 10 May, grace lasts 14 days
        (date(2025, 5, 25), True),
        (date(2025, 8, 21), True),
        (date(2025, 8, 22), False),  # 90 days later nobody asks any more
    ],
)
def test_a_guest_of_may_is_missed_after_the_grace_of_the_usual_date(as_of: date, is_missing: bool) -> None:
    found = held(CALENDAR, {"visits": on("ann", *USUAL)}, as_of)
    assert bool(found) == is_missing
    if is_missing:
        assert found["ann"]["detail"] == {"usual_on": "2025-05-10", "years": 2, "last_on": "2024-05-12"}
        assert found["ann"]["size"] == (as_of - date(2025, 5, 10)).days


@pytest.mark.parametrize(
    ("came", "is_missing"),
    [
        ([date(2025, 3, 12)], False),  # 59 days before the usual date: this year's visit, early
        ([date(2025, 3, 8)], True),  # 63 days before: another visit
        ([date(2025, 5, 30)], False),  # late, but here
        ([date(2024, 11, 1)], True),
    ],
)
def test_whoever_came_around_the_usual_date_is_not_missed(came: list[date], is_missing: bool) -> None:
    assert bool(held(CALENDAR, {"visits": on("ann", *USUAL, *came)}, date(2025, 6, 10))) == is_missing


def test_the_new_year_is_a_day_like_any_other() -> None:
    winters = on("ann", date(2021, 12, 30), date(2023, 1, 4), date(2023, 12, 28), date(2025, 1, 2))
    found = held(CALENDAR, {"visits": winters}, date(2026, 1, 25))
    assert found["ann"]["detail"]["years"] == 4
    # Anniversaries 30 and 28 December, 4 and 2 January: their median is the turn of the year.
    assert found["ann"]["detail"]["usual_on"] in {"2025-12-31", "2026-01-01"}
    assert held(CALENDAR, {"visits": winters}, date(2025, 12, 20)) == {}


def test_one_season_of_two_is_asked_by_itself() -> None:
    twice = on("ann", *(date(year, *day) for year in (2022, 2023, 2024) for day in ((4, 10), (8, 12))))
    this_easter = on("ann", date(2025, 4, 9))
    found = held(CALENDAR, {"visits": [*twice, *this_easter]}, date(2025, 9, 1))
    assert found["ann"]["detail"] == {"usual_on": "2025-08-12", "years": 3, "last_on": "2025-04-09"}


def test_enough_years_are_asked_and_last_year_must_be_one() -> None:
    for years, is_missing in (
        ((2024,), False),
        ((2023, 2024), True),
        ((2021, 2022, 2023), False),
        ((2020, 2024), True),
    ):
        rows = on("ann", *(date(year, 5, 10) for year in years))
        assert bool(held(CALENDAR, {"visits": rows}, date(2025, 6, 1))) == is_missing
    assert held({**CALENDAR, "least_events": 3}, {"visits": on("ann", *USUAL)}, date(2025, 6, 1)) == {}


def test_several_visits_of_a_year_are_one_date() -> None:
    rows = on("ann", date(2023, 5, 10), date(2024, 5, 8), date(2024, 5, 9), date(2024, 5, 11), date(2024, 5, 12))
    assert held(CALENDAR, {"visits": rows}, date(2025, 6, 1))["ann"]["detail"]["usual_on"] == "2025-05-10"


def test_visits_of_different_seasons_are_no_calendar() -> None:
    assert held(CALENDAR, {"visits": on("ann", date(2022, 9, 1), date(2023, 1, 10), date(2024, 5, 10))}, AS_OF) == {}
