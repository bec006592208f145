"""Whom a day describes."""

from __future__ import annotations

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
