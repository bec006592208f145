"""A level fell: by how much, and where the money went."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.features.triggers.world import AS_OF, held, instant, row, trigger
from tests.features.world import Row

FALL = trigger(kind="drop", feed="levels", at_least=100)
THEN = [
    {"when": {"destination": "own"}, "action": "offer"},
    {"when": {"destination": "wire", "segment": "gold"}, "action": "call"},
    {"when": {"destination": ["wire"]}, "action": "none"},
]
WENT = trigger(kind="drop", feed="levels", at_least=100, went="moves", then=THEN)


def level(customer: str, days: float, amount: float, kind: str = "savings", **more: Any) -> Row:
    return row(customer, days, account_kind=kind, balance_cents=round(amount * 100), **more)


def move(customer: str, days: float, amount: float, destination: str | None = "wire", **more: Any) -> Row:
    values = {"direction": "out", "destination": destination, "amount_cents": round(amount * 100), **more}
    return row(customer, days, **values)


def test_a_fall_of_exactly_the_amount_is_found_and_one_of_a_cent_less_is_not() -> None:
    rows = [level("ann", -30, 500), level("ann", -1, 400), level("bob", -30, 500), level("bob", -1, 400.01)]
    found = held(FALL, {"levels": rows})
    assert list(found) == ["ann"]
    assert found["ann"]["size"] == 100.0
    assert found["ann"]["detail"] == {"before": 500.0, "after": 400.0}


def test_the_level_of_a_day_is_its_latest_balance_whatever_the_order_of_rows() -> None:
    evening, noon = level("ann", -1.1, 100), level("ann", -1.5, 900)
    for rows in ([evening, noon], [noon, evening]):
        assert held(FALL, {"levels": [level("ann", -30, 900), *rows]})["ann"]["size"] == 800.0
    # What fell at noon and was back in the evening did not fall.
    back = [level("ann", -30, 900), level("ann", -1.5, 100), level("ann", -1.1, 900)]
    assert held(FALL, {"levels": back}) == {}


def test_two_balances_at_one_instant_say_nothing_of_their_order_so_the_higher_one_counts() -> None:
    before, low, high = level("ann", -30, 900), level("ann", -1, 100), level("ann", -1, 850)
    assert held(FALL, {"levels": [before, high, low]}) == held(FALL, {"levels": [before, low, high]}) == {}


def test_accounts_are_added_up_so_that_money_moved_between_them_has_not_fallen() -> None:
    rows = [
        *(level("ann", -30, 900), level("ann", -1, 100)),
        *(level("ann", -30, 50, "checking"), level("ann", -1, 850, "checking")),
        *(level("bob", -30, 900), level("bob", -1, 100), level("bob", -1, 800, "new")),
    ]
    assert held(FALL, {"levels": rows}) == {}
    savings = {**FALL, "where": {"account_kind": "savings"}}
    assert {name: one["size"] for name, one in held(savings, {"levels": rows}).items()} == {"ann": 800.0, "bob": 800.0}


def test_an_account_that_was_not_reported_since_holds_what_it_held() -> None:
    rows = [level("ann", -30, 900), level("ann", -1, 100), level("ann", -400, 5_000, "checking")]
    assert held(FALL, {"levels": rows})["ann"]["detail"] == {"before": 5_900.0, "after": 5_100.0}
    share = trigger(kind="drop", feed="levels", at_least_share=0.5)
    assert held(share, {"levels": rows}) == {}
    assert list(held(share, {"levels": rows[:2]})) == ["ann"]


def test_a_level_that_was_last_told_long_ago_is_still_known() -> None:
    rows = [level("ann", -900, 900), level("ann", -1, 100)]
    assert held(FALL, {"levels": rows})["ann"]["size"] == 800.0


def test_a_customer_without_a_balance_before_has_no_level_and_one_without_any_is_no_error() -> None:
    rows = [level("new", -1, -5_000), level("old", -30, 900)]
    assert held(FALL, {"levels": rows}) == {}
    assert held(FALL, {}) == {}


def test_a_share_is_asked_exactly_and_of_something() -> None:
    share = trigger(kind="drop", feed="levels", at_least_share=0.29)
    rows = [
        *(level("ann", -30, 1.00), level("ann", -1, 0.71)),
        *(level("bob", -30, 1.00), level("bob", -1, 0.72)),
        *(level("debtor", -30, -100), level("debtor", -1, -900)),
    ]
    assert list(held(share, {"levels": rows})) == ["ann"]
    assert held({**share, "at_least": 0.30}, {"levels": rows}) == {}, "both must hold when both are asked"


def test_the_window_begins_so_many_days_before_the_instant() -> None:
    for days, is_found in ((-7, True), (-7.0001, False)):
        rows = [level("ann", -30, 900), level("ann", days, 100)]
        assert bool(held(FALL, {"levels": rows})) == is_found


def test_an_instant_inside_the_day_sees_the_day_until_then() -> None:
    rows = [level("ann", -30, 900), level("ann", 0.4, 100)]
    assert held(FALL, {"levels": rows}) == {}
    assert held(FALL, {"levels": rows}, seen_at=instant(0.4)) == {}
    assert list(held(FALL, {"levels": rows}, seen_at=instant(0.4) + timedelta(microseconds=1))) == ["ann"]
    with pytest.raises(ValueError, match="does not lie in 2025-06-01"):
        held(FALL, {"levels": rows}, seen_at=instant(1))


def test_a_balance_counts_until_its_correction_is_known() -> None:
    wrong = level("ann", -2, 100, batch_id="wrong", row_number=1)
    right = level("ann", -2, 900, batch_id="right", row_number=1, loaded_at=instant(0.5))
    replaced = {
        "feed": "levels",
        "batch_id": "wrong",
        "row_number": 1,
        "replaced_at": instant(0.5),
        "replaced_by": "right",
    }
    rows = {"levels": [level("ann", -30, 900), wrong, right], "superseded": [replaced]}
    assert list(held(FALL, rows)) == ["ann"]
    assert held(FALL, rows, AS_OF + timedelta(days=1)) == {}


@pytest.mark.parametrize(
    ("moves", "branch", "action", "shares"),
    [
        ([move("ann", -1, 700), move("ann", -1.2, 300, "own")], 1, "call", {"own": 0.3, "wire": 0.7}),
        ([move("ann", -1, 300), move("ann", -1.2, 700, "own")], 0, "offer", {"own": 0.7, "wire": 0.3}),
        ([move("ann", -1, 900, "shop")], None, None, {"shop": 1.0}),
        ([move("ann", -1, 900, None)], None, None, {"unknown": 1.0}),
        ([move("ann", -9, 900)], None, None, None),
        ([], None, None, None),
    ],
    ids=["wire", "own", "elsewhere", "untold", "too long ago", "nothing"],
)
def test_the_first_branch_that_holds_says_what_to_do(
    moves: list[Row], branch: int | None, action: str | None, shares: dict[str, float] | None
) -> None:
    rows = {
        "levels": [level("ann", -30, 1_000), level("ann", -1, 0)],
        "moves": moves,
        "customers": [{"customer_id": "ann", "segment": "gold"}],
    }
    found = held(WENT, rows)["ann"]
    assert (found["branch"], found["action"], found["detail"]["went"]["destination"]) == (branch, action, shares)


def test_a_branch_may_ask_who_the_customer_is_and_leave_him_alone() -> None:
    for segment, expected in (("gold", (1, "call")), ("basic", (2, "none")), (None, (2, "none"))):
        rows = {
            "levels": [level("ann", -30, 1_000), level("ann", -1, 0)],
            "moves": [move("ann", -1, 1_000)],
            "customers": [{"customer_id": "ann", "segment": segment}],
        }
        assert (held(WENT, rows)["ann"]["branch"], held(WENT, rows)["ann"]["action"]) == expected


def test_a_branch_may_ask_for_a_flag_or_another_column_of_the_transfers() -> None:
    then = [{"when": {"vip": "true"}, "action": "call"}, {"when": {"channel": "app"}, "action": "offer"}]
    declared = {**WENT, "then": then}
    rows = {
        "levels": [level("ann", -30, 1_000), level("ann", -1, 0)],
        "moves": [move("ann", -1, 1_000, channel="app")],
        "customers": [{"customer_id": "ann", "vip": False}],
    }
    assert held(declared, rows)["ann"]["action"] == "offer"
    assert held(declared, {**rows, "customers": [{"customer_id": "ann", "vip": True}]})["ann"]["action"] == "call"


def test_a_transfer_that_was_told_twice_went_once() -> None:
    twice = [move("ann", -1.01, 600, "own"), move("ann", -1.01, 600, "own", batch_id="again")]
    rows = {"levels": [level("ann", -30, 1_000), level("ann", -1, 0)], "moves": [*twice, move("ann", -1, 700)]}
    assert held(WENT, rows)["ann"]["detail"]["went"]["destination"] == {"own": 0.4615, "wire": 0.5385}


def test_what_was_sent_back_did_not_go() -> None:
    sent = [move("ann", -2.1, 800, "own"), move("ann", -1.1, 700)]
    for back in (move("ann", -2.05, 800, "own", direction="in"), move("ann", -2.05, -800, "own")):
        rows = {"levels": [level("ann", -30, 1_000), level("ann", -1, 0)], "moves": [*sent, back]}
        assert held(WENT, rows)["ann"]["detail"]["went"]["destination"] == {"wire": 1.0}


def test_what_came_in_besides_does_not_hide_where_money_went() -> None:
    moves = [
        move("ann", -1.1, 700, "own"),
        move("ann", -2.1, 650, "wire"),
        move("ann", -3, 1_500, "own", direction="in"),
    ]
    rows = {"levels": [level("ann", -30, 1_000), level("ann", -1, 0)], "moves": moves}
    assert held(WENT, rows)["ann"]["action"] == "offer"


OUTFLOW = trigger(kind="drop", feed="moves", at_least=100)


def test_from_transfers_the_fall_is_what_left_minus_what_came() -> None:
    moves = [move("ann", -3.1, 150), move("ann", -2.1, 49.99, direction="in"), move("bob", -3.1, 150)]
    moves += [move("bob", -2.1, 50.01, direction="in"), move("old", -7.1, 900)]
    assert {name: one["size"] for name, one in held(OUTFLOW, {"moves": moves}).items()} == {"ann": 100.01}


@pytest.mark.parametrize("back", [{"direction": "in", "amount": 150.0}, {"direction": "out", "amount": -150.0}])
def test_a_reversal_takes_back_what_it_reverses(back: dict[str, Any]) -> None:
    moves = [move("ann", -3.1, 150), move("ann", -2.1, back["amount"], direction=back["direction"])]
    assert held(OUTFLOW, {"moves": moves}) == {}


def test_a_transfer_told_twice_falls_once_but_equal_ones_of_a_day_are_two() -> None:
    told_twice = [move("ann", -1.01, 60), move("ann", -1.01, 60), move("ann", -1.01, 60, batch_id="again")]
    two_of_a_day = [move("bob", -1, 60), move("bob", -1, 60)]
    again = [{**one, "batch_id": "again"} for one in two_of_a_day]
    found = held(OUTFLOW, {"moves": [*told_twice, *two_of_a_day, *again]})
    assert {name: one["size"] for name, one in found.items()} == {"bob": 120.0}


def test_without_a_direction_the_sign_says_which_way() -> None:
    feeds = {"moves": {"role": "transactions", "columns": {"customer_id": "w", "event_at": "t", "amount": "a"}}}
    moves = [row("ann", -1, amount_cents=-15_000), row("bob", -1, amount_cents=15_000)]
    assert list(held(OUTFLOW, {"moves": moves}, feeds=feeds)) == ["ann"]


def test_a_share_of_transfers_is_of_what_was_known_to_be_there() -> None:
    share = trigger(kind="drop", feed="moves", at_least_share=0.5)
    came = [move("ann", -90, 1_000, direction="in"), move("bob", -90, 1_000, direction="in")]
    left = [move("ann", -1, 500), move("bob", -1, 499), move("cy", -1, 500)]
    found = held(share, {"moves": [*came, *left]})
    assert list(found) == ["ann"]
    assert found["ann"]["detail"] | {"went": None} == {"before": 1_000.0, "after": 500.0, "went": None}


def test_two_attributes_tell_the_level_before_and_now() -> None:
    told = trigger(
        kind="drop", before="was", after="is", at_least=10_000, then=[{"when": {"segment": "gold"}, "action": "call"}]
    )
    people: list[Row] = [
        {"customer_id": "ann", "was": 28_000.0, "is": 18_000.0, "segment": "gold"},
        {"customer_id": "bob", "was": 28_000.0, "is": 18_000.01},
        {"customer_id": "cy", "was": None, "is": 0.0},
        {"customer_id": "dee", "was": float("nan"), "is": 0.0},
        {"customer_id": "eve", "was": 20_000.0, "is": 0.0, "segment": "basic"},
    ]
    found = held(told, {"customers": people})
    assert {name: (one["size"], one["action"]) for name, one in found.items()} == {
        "ann": (10_000.0, "call"),
        "eve": (20_000.0, None),
    }
    newer = {"customer_id": "ann", "was": 28_000.0, "is": 27_000.0, "loaded_at": instant(-1)}
    assert "ann" not in held(told, {"customers": [*people, newer]})
