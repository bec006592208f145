"""Triggers fire on edges, mind their cooldown, and are written down once for each instant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from features.triggers import FiredDay, FiredTrigger, fire, fired, is_flooded
from holdback.business import Business
from holdback.errors import BusinessFileError
from holdback.warehouse import Lake
from tests.features.triggers.world import AS_OF, company, instant, lake, row, trigger
from tests.features.world import Row, arrow

COMPLAINTS = trigger(kind="count_over", feed="tickets", at_least=1, over_days=3, cooldown_days=10)


def complaints(*days: float, customer: str = "ann") -> list[Row]:
    return [row(customer, day, topic="complaint") for day in days]


def opened(tmp_path: Path, rows: list[Row], **changes: Any) -> tuple[Lake, Business]:
    business = company([{**COMPLAINTS, **changes}])
    return lake(tmp_path, business, {"tickets": rows}), business


def days_of_firing(warehouse: Lake, business: Business, count: int) -> list[int]:
    """On which of the days from AS_OF on the trigger fires, when it is asked each day."""
    fires = []
    for day in range(count):
        if fire(warehouse, business, AS_OF + timedelta(days=day)).fired_count:
            fires.append(day)
    return fires


def only(day: FiredDay) -> FiredTrigger:
    (found,) = day.triggers
    return found


def test_a_condition_that_stays_true_fires_once_and_again_after_the_cooldown(tmp_path: Path) -> None:
    warehouse, business = opened(tmp_path, complaints(*(day + 0.5 for day in range(-1, 20))))
    assert days_of_firing(warehouse, business, 21) == [0, 10, 20]


def test_a_new_edge_within_the_cooldown_waits(tmp_path: Path) -> None:
    warehouse, business = opened(tmp_path, complaints(-0.5, 6.5, 12.5))
    assert days_of_firing(warehouse, business, 16) == [0, 13]


def test_without_a_cooldown_each_edge_fires_and_nothing_else(tmp_path: Path) -> None:
    # Each complaint holds for three days: those of days 0 to 2, 7 to 9, and two that overlap.
    warehouse, business = opened(tmp_path, complaints(-0.5, 6.5, 12.5, 14.5), cooldown_days=0)
    assert days_of_firing(warehouse, business, 20) == [0, 7, 13]


def test_what_happened_is_counted(tmp_path: Path) -> None:
    warehouse, business = opened(tmp_path, [*complaints(-0.5), *complaints(0.5, customer="bob")], expected_per_day=2)
    first, second = (only(fire(warehouse, business, AS_OF + timedelta(days=day))) for day in (0, 1))
    assert first == FiredTrigger("it", holding=1, fired=1, cooling=0, expected=6.0, is_flooded=False)
    assert second == FiredTrigger("it", holding=2, fired=1, cooling=1, expected=2.0, is_flooded=False)


def test_an_instant_is_written_once_and_says_the_same_again(tmp_path: Path) -> None:
    warehouse, business = opened(tmp_path, complaints(-0.5))
    first = fire(warehouse, business, AS_OF)
    version = warehouse.version("firings")
    again = fire(warehouse, business, AS_OF)
    assert (first.was_fired_already, again.was_fired_already) == (False, True)
    assert again.triggers == first.triggers
    assert warehouse.version("firings") == version
    assert warehouse.query("select * from firings").num_rows == 1


def test_a_day_on_which_nobody_is_found_was_evaluated_too(tmp_path: Path) -> None:
    warehouse, business = opened(tmp_path, complaints(8.5), expected_per_day=1)
    assert fire(warehouse, business, AS_OF).fired_count == 0
    assert fire(warehouse, business, AS_OF).was_fired_already
    assert only(fire(warehouse, business, AS_OF + timedelta(days=4))).expected == 4.0
    assert only(fire(warehouse, business, AS_OF + timedelta(days=9))).expected == 9.0


def test_a_day_that_is_evaluated_late_does_not_call_again_who_was_called_since(tmp_path: Path) -> None:
    warehouse, business = opened(tmp_path, complaints(-0.5, 3.5))
    assert fire(warehouse, business, AS_OF + timedelta(days=4)).fired_count == 1
    assert only(fire(warehouse, business, AS_OF)).cooling == 1


def test_what_nobody_acts_on_starts_no_cooldown(tmp_path: Path) -> None:
    many = [row for number in range(60) for row in complaints(-0.5, 8.5, customer=f"c{number}")]
    warehouse, business = opened(tmp_path, many, expected_per_day=0.1)
    flood = only(fire(warehouse, business, AS_OF))
    assert (flood.is_flooded, flood.fired) == (True, 60)
    assert fired(warehouse, business, "it", AS_OF, 1).num_rows == 0
    assert fired(warehouse, business, "it", AS_OF, 1, with_floods=True).num_rows == 60
    assert only(fire(warehouse, business, AS_OF + timedelta(days=9))).cooling == 0


def test_the_morning_asks_anew_what_the_night_has_asked(tmp_path: Path) -> None:
    warehouse, business = opened(tmp_path, [*complaints(-0.5), *complaints(0.3, customer="bob")])
    assert fire(warehouse, business, AS_OF, seen_at=instant(0.5)).fired_count == 2
    morning = fire(warehouse, business, AS_OF)
    assert (morning.was_fired_already, morning.fired_count) == (False, 0), "it was asked, and all are cooling"
    assert fire(warehouse, business, AS_OF).was_fired_already
    next_day = fired(warehouse, business, "it", AS_OF + timedelta(days=1), 1)
    assert next_day.num_rows == 2, "what fires in the afternoon is there on the next morning"


def test_from_hour_to_hour_only_what_is_new_fires(tmp_path: Path) -> None:
    warehouse, business = opened(tmp_path, [*complaints(-0.5), *complaints(0.3, customer="bob")])
    hours = [fire(warehouse, business, AS_OF, seen_at=instant(hour / 24)).fired_count for hour in (1, 6, 9, 12)]
    assert hours == [1, 0, 1, 0]
    rows = fired(warehouse, business, "it", AS_OF, 1).to_pylist()
    assert [(one["customer_id"], one["seen_at"]) for one in rows] == [
        ("ann", instant(1 / 24)),
        ("bob", instant(9 / 24)),
    ]


def test_the_newest_firing_of_each_customer_of_the_last_days_is_read_back(tmp_path: Path) -> None:
    warehouse, business = opened(tmp_path, complaints(*(day + 0.5 for day in range(-1, 20))), cooldown_days=2)
    days_of_firing(warehouse, business, 6)
    (newest,) = fired(warehouse, business, "it", AS_OF + timedelta(days=5), 7).to_pylist()
    assert newest["as_of"] == AS_OF + timedelta(days=4)
    assert (newest["size"], newest["branch"], newest["action"]) == (3.0, None, None)
    assert json.loads(newest["detail"])["count"] == 3
    assert fired(warehouse, business, "it", AS_OF + timedelta(days=5), 1).num_rows == 0
    assert fired(warehouse, business, "it", AS_OF + timedelta(days=5), 2).num_rows == 1
    assert fired(warehouse, business, "it", AS_OF - timedelta(days=1), 30).num_rows == 0
    with pytest.raises(BusinessFileError, match="trigger 'else' does not exist"):
        fired(warehouse, business, "else", AS_OF, 1)


def test_triggers_do_not_cool_each_other(tmp_path: Path) -> None:
    business = company([COMPLAINTS, {**COMPLAINTS, "name": "other"}])
    warehouse = lake(tmp_path, business, {"tickets": complaints(-0.5)})
    assert [one.fired for one in fire(warehouse, business, AS_OF).triggers] == [1, 1]


def test_each_step_is_told(tmp_path: Path) -> None:
    warehouse, business = opened(tmp_path, complaints(-0.5))
    told: list[tuple[str, int, int]] = []
    fire(warehouse, business, AS_OF, progress=lambda *step: told.append(step))
    assert told == [("trigger it", 0, 1), ("writing 1 firings", 1, 1)]


def test_a_business_without_triggers_writes_nothing(tmp_path: Path) -> None:
    business = company([])
    day = fire(lake(tmp_path, business, {}), business, AS_OF)
    assert (day.triggers, day.fired_count, day.was_fired_already) == ((), 0, False)


def test_what_is_not_known_yet_is_noted(tmp_path: Path) -> None:
    business = company([trigger(kind="due", feed="cars")])
    (found,) = fire(lake(tmp_path, business, {}), business, AS_OF).triggers
    assert found.note == "no usual age is known yet (nothing was ever owned)"


def test_a_feed_without_a_table_finds_nobody_and_is_no_error(tmp_path: Path) -> None:
    business = company()
    day = fire(lake(tmp_path, business, {}), business, AS_OF)
    assert [one.holding for one in day.triggers] == [0] * len(business.triggers)


def test_a_change_of_the_currency_is_a_flood_and_not_a_fall_of_everybody(tmp_path: Path) -> None:
    # 166.386 pesetas are a euro: every balance falls to its 166th part from one day to the next.
    def balances(day: float, factor: float) -> list[Row]:
        return [
            row(f"c{number}", day, account_kind="savings", balance_cents=round(1_000_000 * factor) + number)
            for number in range(60)
        ]

    fall = trigger(kind="drop", feed="levels", at_least_share=0.5, expected_per_day=0.5, over_days=7)
    business = company([fall])
    warehouse = lake(tmp_path, business, {"levels": [*balances(-30, 166.386), *balances(-0.5, 1)]})
    assert only(fire(warehouse, business, AS_OF - timedelta(days=1))).fired == 0
    found = only(fire(warehouse, business, AS_OF))
    assert (found.fired, found.expected, found.is_flooded) == (60, 0.5, True)


def test_a_day_s_file_that_comes_in_one_hour_is_held_against_the_day(tmp_path: Path) -> None:
    rows = [one for number in range(6) for one in complaints(0.2, customer=f"c{number}")]
    warehouse, business = opened(tmp_path, rows, expected_per_day=4)
    hours = [only(fire(warehouse, business, AS_OF, seen_at=instant(hour / 24))) for hour in (0, 4, 5, 6)]
    assert [(one.fired, one.is_flooded) for one in hours] == [(0, False), (0, False), (6, False), (0, False)]
    # Floods that come drop by drop are floods.
    warehouse.append("tickets", arrow(business.tables["tickets"], [
        one for number in range(40) for one in complaints(0.22 + number // 10 / 24, customer=f"d{number}")
    ]), batch="tickets/2")  # fmt: skip
    hours = [only(fire(warehouse, business, AS_OF, seen_at=instant(hour / 24))) for hour in (7, 8, 9, 10)]
    assert [one.is_flooded for one in hours][-1]


@pytest.mark.parametrize(
    ("expected", "count", "days", "flooded"),
    [
        (10, 30, 1, False),
        (10, 31, 1, True),
        (10, 60, 2, False),
        (0.2, 2, 1, False),  # over three times as many, but one day in fifty is like this
        (0.2, 4, 1, True),
        (0, 1, 1, True),
        (0, 0, 1, False),
        (None, 10**6, 1, False),
        (1000, 3_000, 1, False),
        (1000, 3_001, 1, True),
    ],
)
def test_three_times_the_expected_volume_is_too_much_unless_chance_explains_it(
    expected: float | None, count: int, days: float, flooded: bool
) -> None:
    (asked,) = company([{**COMPLAINTS, "expected_per_day": expected}]).triggers
    assert is_flooded(asked, count, days) == flooded


def test_firings_know_the_branch_and_what_was_seen(tmp_path: Path) -> None:
    fall = trigger(kind="drop", feed="levels", at_least=100, then=[{"action": "call"}])
    business = company([fall])
    rows: Mapping[str, list[Row]] = {"levels": [row("ann", -30, balance_cents=90_000), row("ann", -1, balance_cents=0)]}
    warehouse = lake(tmp_path, business, rows)
    fire(warehouse, business, AS_OF)
    (one,) = fired(warehouse, business, "it", AS_OF, 1).to_pylist()
    assert one == {
        "customer_id": "ann",
        "as_of": date(2025, 6, 1),
        "seen_at": instant(),
        "size": 900.0,
        "branch": 0,
        "action": "call",
        "detail": '{"before":900.0,"after":0.0}',
    }


def test_the_hours_after_a_week_s_file_belong_to_its_week(tmp_path: Path) -> None:
    def week(day: float, letter: str) -> list[Row]:
        return [one for number in range(28) for one in complaints(day, customer=f"{letter}{number}")]

    warehouse, business = opened(tmp_path, [*week(-0.5, "a"), *week(6.5, "b")], expected_per_day=4)
    first = [only(fire(warehouse, business, AS_OF, seen_at=instant(hour / 24))) for hour in (0, 1, 5)]
    assert [(one.fired, one.is_flooded) for one in first] == [(28, False), (0, False), (0, False)]
    monday = AS_OF + timedelta(days=7)
    later = [only(fire(warehouse, business, monday, seen_at=instant(7 + hour / 24))) for hour in (0, 1, 5)]
    assert [(one.fired, one.is_flooded) for one in later] == [(28, False), (0, False), (0, False)]
