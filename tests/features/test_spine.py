"""Whom a day describes."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from features.spine import build_spine
from tests.features.world import AS_OF, Memory, Row, company, instant


def described(churn: str, rows: dict[str, list[Row]], *, without: tuple[str, ...] = ()) -> list[str]:
    business = company(without=without)
    spine = build_spine(Memory(business, rows), business, business.churn_named(churn), AS_OF)
    assert set(spine["as_of"].to_pylist()) <= {AS_OF}
    return list(spine["customer_id"].to_pylist())


def test_inactivity_describes_who_bought_within_the_active_days() -> None:
    # lapse: active_days 90; 2025-03-03 is 90 local days before 2025-06-01, on the other side of the change of clocks.
    start = company().instant(AS_OF.replace(month=3, day=3))
    rows = [
        {"customer_id": "at_start", "event_at": start, "amount_cents": 0},
        {"customer_id": "too_long_ago", "event_at": start.replace(hour=22), "amount_cents": 1},
        {"customer_id": "money_back", "event_at": instant(days=-5), "amount_cents": -1},
        {"customer_id": "today", "event_at": instant(), "amount_cents": 1},
        *({"customer_id": "often", "event_at": instant(days=-d), "amount_cents": 1} for d in (1, 2, 3)),
    ]
    assert described("lapse", {"tills": rows}) == ["at_start", "often"]


def test_cancellation_describes_who_has_an_open_contract() -> None:
    at = instant(days=-50)
    rows = [
        {"customer_id": "open", "event_at": at, "kind": "start"},
        {"customer_id": "paused", "event_at": at, "kind": "pause"},
        {"customer_id": "closed", "event_at": at, "kind": "cancel"},
        *({"customer_id": "one_left", "event_at": at, "kind": "start", "subscription_id": key} for key in "ab"),
        {"customer_id": "one_left", "event_at": instant(days=-3), "kind": "cancel", "subscription_id": "a"},
        {"customer_id": "closes_today", "event_at": at, "kind": "start"},
        {"customer_id": "closes_today", "event_at": instant(), "kind": "cancel"},
    ]
    assert described("leave", {"deals": rows}) == ["closes_today", "one_left", "open", "paused"]


def test_of_two_events_at_the_same_instant_the_later_line_counts() -> None:
    at = instant(days=-50)
    rows = [
        {"customer_id": "swapped", "event_at": at, "kind": "cancel", "row_number": 1},
        {"customer_id": "swapped", "event_at": at, "kind": "start", "row_number": 2},
        {"customer_id": "undone", "event_at": at, "kind": "start", "row_number": 3},
        {"customer_id": "undone", "event_at": at, "kind": "cancel", "row_number": 4},
    ]
    assert described("leave", {"deals": rows}) == ["swapped"]


def test_without_a_contract_column_the_customer_is_the_contract() -> None:
    rows = [
        {"customer_id": "a", "event_at": instant(days=-9), "kind": "start", "subscription_id": "ignored"},
        {"customer_id": "a", "event_at": instant(days=-8), "kind": "cancel"},
    ]
    assert described("leave", {"deals": rows}, without=("deals.subscription_id",)) == []


def test_a_customer_known_only_from_a_feed_is_described() -> None:
    rows: dict[str, list[Row]] = {
        "tills": [{"customer_id": "guest", "event_at": instant(days=-1), "amount_cents": 1}],
        "customers": [{"customer_id": "member", "signed_up_at": instant(days=-9)}],
    }
    assert described("lapse", rows) == ["guest"]
    assert described("said", rows) == ["member"]


def test_a_rhythm_describes_who_has_one_and_is_not_overdue() -> None:
    # habit: four days with a purchase or more; twice the usual gap of 7 days is 14.
    def weekly(name: str, last: float, times: int = 4, **row: object) -> list[Row]:
        return [
            {"customer_id": name, "event_at": instant(days=last - 7 * week), "amount_cents": 100, **row}
            for week in range(times)
        ]

    rows = [
        *weekly("punctual", -1),
        *weekly("just_in_time", -14),
        *weekly("overdue", -14.001),
        *weekly("too_few", -1, 3),
        *weekly("one_day", -1, 1) * 4,
        *weekly("refunds", -1, amount_cents=-1),
        *weekly("comes_back", -50, 3),
        *weekly("comes_back", -1, 1),
    ]
    assert described("habit", {"tills": rows}) == ["comes_back", "just_in_time", "punctual"]


@pytest.mark.parametrize("clock", [timedelta(0), timedelta(minutes=20), timedelta(hours=23, minutes=40)])
@pytest.mark.parametrize(
    ("zone", "last_on"),
    [
        ("Europe/Madrid", date(2025, 10, 25)),
        ("Europe/Madrid", date(2025, 3, 29)),
        ("Pacific/Auckland", date(2025, 4, 5)),
        ("Pacific/Auckland", date(2025, 9, 27)),
        ("Asia/Kolkata", date(2025, 10, 25)),
    ],
)
def test_a_rhythm_is_one_of_days_of_the_calendar_when_the_clocks_change(
    zone: str, last_on: date, clock: timedelta
) -> None:
    # The last purchase is on the last day before the change; whoever comes every 7 days is overdue after 14.
    business = company(time_zone=zone)
    days = [last_on - timedelta(days=7 * week) for week in range(4)]
    rows = [{"customer_id": "ann", "event_at": business.instant(day) + clock, "amount_cents": 100} for day in days]
    memory, habit = Memory(business, {"tills": rows}), business.churn_named("habit")
    for since, is_punctual in ((13, True), (14, True), (15, False)):
        spine = build_spine(memory, business, habit, last_on + timedelta(days=since))
        assert (spine.num_rows == 1) == is_punctual, since


def test_a_drop_of_the_balance_describes_who_holds_enough_over_all_accounts() -> None:
    def level(name: str, days: float, cents: int, account: str = "savings") -> Row:
        return {"customer_id": name, "event_at": instant(days=days), "account_kind": account, "balance_cents": cents}

    rows = [
        level("enough", -20, 40_000),
        level("too_little", -20, 39_999),
        *(level("together", -20, 20_000, account) for account in ("savings", "checking")),
        *(level("was_rich", day, cents) for day, cents in ((-20, 90_000), (-1, 10))),
        *(level("same_instant", -5, cents) for cents in (10, 50_000, 20)),
        level("to_come", 0, 90_000),
    ]
    assert described("drain", {"levels": rows}) == ["enough", "same_instant", "together"]
    without = ("levels.account_kind",)
    assert described("drain", {"levels": rows}, without=without) == ["enough", "same_instant"]
    business = company()
    lately = business.churn_named("drain").model_copy(update={"active_days": 6})
    spine = build_spine(Memory(business, {"levels": rows}), business, lately, AS_OF)
    assert spine["customer_id"].to_pylist() == ["same_instant"]
