"""Something happens too often, or is known to come."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from tests.features.triggers.world import AS_OF, company, held, instant, row, trigger
from tests.features.world import Row

COUNT = trigger(kind="count_over", feed="tickets", at_least=3, where={"topic": "complaint"})


def tickets(customer: str, *days: float, topic: str = "complaint", **more: Any) -> list[Row]:
    return [row(customer, day, topic=topic, **more) for day in days]


def test_as_often_as_asked_within_the_days() -> None:
    rows = [*tickets("ann", -1.1, -2.1, -29.9), *tickets("bob", -1.1, -2.1, -30.1), *tickets("cy", -1.1, -2.1)]
    found = held(COUNT, {"tickets": [*rows, *tickets("cy", -3.1, topic="bill")]})
    assert {name: one["size"] for name, one in found.items()} == {"ann": 3.0}
    assert found["ann"]["detail"] == {"count": 3, "last_on": "2025-05-30"}
    assert held(COUNT, {}) == {}


def test_what_was_told_twice_happened_once() -> None:
    rows = tickets("ann", -1.1, -2.1)
    assert held(COUNT, {"tickets": [*rows, *({**one, "batch_id": "again"} for one in rows)]}) == {}


TWICE = {**COUNT, "at_least": 2}


@pytest.mark.parametrize(
    "zone", ["Europe/Madrid", "Asia/Kolkata", "Asia/Kathmandu", "Pacific/Auckland", "America/St_Johns", "UTC"]
)
def test_two_equal_dates_of_one_file_are_two_events_and_two_equal_instants_are_one(zone: str) -> None:
    def complaints(at: datetime, *batches: str) -> dict[str, list[Row]]:
        told = {"customer_id": "ann", "event_at": at, "topic": "complaint"}
        return {"tickets": [{**told, "batch_id": batch, "row_number": line} for line, batch in enumerate(batches)]}

    midnight = company((), time_zone=zone).instant(date(2025, 5, 20))
    assert held(TWICE, complaints(midnight, "a", "a"), time_zone=zone)["ann"]["size"] == 2.0
    assert held(TWICE, complaints(midnight, "a", "a", "b"), time_zone=zone)["ann"]["size"] == 2.0
    assert held(TWICE, complaints(midnight, "a", "b"), time_zone=zone) == {}
    for minutes in (1, 60, 14 * 60 + 30):
        assert held(TWICE, complaints(midnight + timedelta(minutes=minutes), "a", "a"), time_zone=zone) == {}


def test_a_date_is_one_of_the_time_zone_of_its_feed() -> None:
    feeds = {"tickets": {"role": "interactions", "columns": {"customer_id": "who", "event_at": "at", "topic": "t"},
                         "time_zone": "Asia/Kolkata"}}  # fmt: skip
    midnight = datetime(2025, 5, 19, 18, 30)
    rows = {"tickets": [{"customer_id": "ann", "event_at": midnight, "topic": "complaint"}] * 2}
    assert held(TWICE, rows, feeds=feeds)["ann"]["size"] == 2.0
    assert held(TWICE, rows) == {}


def test_of_transactions_payments_count_and_refunds_do_not() -> None:
    count = trigger(kind="count_over", feed="visits", at_least=2, over_days=5)
    rows = [row("ann", -1.1, amount_cents=1), row("ann", -2.1, amount_cents=0), row("bob", -1.1, amount_cents=1)]
    assert list(held(count, {"visits": [*rows, row("bob", -1.2, amount_cents=-1)]})) == ["ann"]


ENDING = trigger(kind="announced", feed="cars", ahead_days=30)


def contract(customer: str, days: float, ends_in: int | None, **more: Any) -> Row:
    ends_on = None if ends_in is None else AS_OF + timedelta(days=ends_in)
    return row(customer, days, **{"kind": "start", "subscription_id": customer, "ends_on": ends_on, **more})


@pytest.mark.parametrize(("ends_in", "is_found"), [(-1, False), (0, True), (30, True), (31, False)])
def test_an_open_contract_that_can_end_soon_is_found(ends_in: int, is_found: bool) -> None:
    found = held(ENDING, {"cars": [contract("ann", -300, ends_in)]})
    assert bool(found) == is_found
    if is_found:
        assert found["ann"]["size"] == ends_in
        assert found["ann"]["detail"] == {"days_left": ends_in, "on": str(AS_OF + timedelta(days=ends_in))}


def test_the_newest_word_counts_and_what_is_closed_does_not_end() -> None:
    renewed = [contract("ann", -300, 5), contract("ann", -10, 400, kind="renew")]
    closed = [contract("bob", -300, 5), contract("bob", -10, None, kind="cancel")]
    changed = [contract("cy", -300, 5), contract("cy", -10, None, kind="change", plan="plus")]
    assert list(held(ENDING, {"cars": [*renewed, *closed, *changed]})) == ["cy"]
    assert held(ENDING, {}) == {}


def test_a_contract_that_starts_again_has_left_its_old_commitment() -> None:
    gone = [contract("ann", -300, 5), contract("ann", -60, None, kind="cancel")]
    back = contract("ann", -30, None)
    assert held(ENDING, {"cars": [*gone, back]}) == {}, "nobody promised to stay this time"
    assert held(ENDING, {"cars": [contract("ann", -300, 5), back]}) == {}, "nor where the cancellation was not told"
    promised = contract("ann", -10, 9, kind="change")
    assert held(ENDING, {"cars": [*gone, back, promised]})["ann"]["size"] == 9.0
    other = [contract("ann", -300, 7, subscription_id="other")]
    assert held(ENDING, {"cars": [*gone, back, *other]})["ann"]["size"] == 7.0, "each contract by itself"
    taken_over = [contract("bob", -20, 3, kind="renew")]
    assert list(held(ENDING, {"cars": taken_over})) == ["bob"], "the start may lie before the records"


def test_the_first_of_several_contracts_counts() -> None:
    rows = [contract("ann", -300, 20, subscription_id="a"), contract("ann", -300, 7, subscription_id="b")]
    assert held(ENDING, {"cars": rows})["ann"]["size"] == 7.0


def test_where_asks_for_the_newest_state() -> None:
    rows = [contract("ann", -300, 20, plan="basic"), contract("ann", -10, 20, plan="plus", kind="change")]
    assert held({**ENDING, "where": {"plan": "basic"}}, {"cars": rows}) == {}
    assert list(held({**ENDING, "where": {"plan": "plus"}}, {"cars": rows})) == ["ann"]
    assert list(held({**ENDING, "where": {"subscription_id": "ann"}}, {"cars": rows})) == ["ann"]
    assert held({**ENDING, "where": {"kind": "start"}}, {"cars": rows}) == {}


BOOKED = trigger(kind="announced", feed="visits", on="event_at", ahead_days=14)


def test_an_event_of_the_future_is_announced_once_it_was_loaded() -> None:
    known = {"loaded_at": instant(-3), "amount_cents": 100}
    rows = [row("ann", 3.5, **known), row("bob", 15.1, **known), row("past", -1, **known)]
    rows += [row("unknown", 3.5, loaded_at=instant(0.2), amount_cents=100)]
    found = held(BOOKED, {"visits": rows})
    assert {name: one["size"] for name, one in found.items()} == {"ann": 3.0}
    assert sorted(held(BOOKED, {"visits": rows}, seen_at=instant(0.3))) == ["ann", "unknown"]


@pytest.mark.parametrize(
    ("zone", "as_of"),
    [
        ("Europe/Madrid", date(2025, 10, 20)),
        ("Europe/Madrid", date(2025, 3, 24)),
        ("Pacific/Auckland", date(2025, 9, 22)),
        ("Pacific/Auckland", date(2025, 4, 1)),
        ("Asia/Kolkata", date(2025, 10, 20)),
    ],
)
def test_the_day_of_what_comes_is_its_own_when_the_clocks_change(zone: str, as_of: date) -> None:
    starts, day = company((), time_zone=zone).instant, as_of + timedelta(days=10)
    for clock in (timedelta(0), timedelta(hours=23, minutes=40)):
        booked = row("ann", 0, event_at=starts(day) + clock, loaded_at=starts(as_of), amount_cents=100)
        found = held(BOOKED, {"visits": [booked]}, as_of, time_zone=zone)
        assert found["ann"]["detail"] == {"days_left": 10, "on": str(day)}


def test_an_announced_event_that_was_corrected_away_does_not_come() -> None:
    booked = row("ann", 3.5, loaded_at=instant(-3), amount_cents=100, batch_id="old", row_number=1)
    gone = {"feed": "visits", "batch_id": "old", "row_number": 1, "replaced_at": instant(-1), "replaced_by": "new"}
    assert held(BOOKED, {"visits": [booked], "superseded": [gone]}) == {}
