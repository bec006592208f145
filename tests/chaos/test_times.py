"""Clocks that jump, nights that are crossed, two runs at once, rows that come late: a decided day stays what it is."""

from __future__ import annotations

import csv
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from tests.chaos.lives import DAY
from tests.chaos.states import broken_invariants, tables_of
from tests.chaos.world import LAST, TWIN, World

pytestmark = pytest.mark.slow

#: The steps whose results must not be otherwise; pages are drawn anew from them.
UNTIL_DELIVERY, UNTIL_ALERTS = DAY[: DAY.index("record")], DAY[: DAY.index("report")]
_DAY, _HOUR = 86_400.0, 3_600.0


def called(world: World, who: str) -> set[str]:
    return {key for key in world.receiver.of(who) if key.startswith("/contacts/")}


@pytest.mark.parametrize(
    ("what", "offsets"),
    [
        ("back a day in the middle", [0.0] * 9 + [-_DAY]),
        ("forward a month in the middle", [0.0] * 9 + [31 * _DAY]),
        ("to and fro at each look", [0.0, -_DAY, 31 * _DAY]),
        ("past midnight before the delivery", [0.0] * 12 + [14 * _HOUR + 1]),
    ],
)
def test_a_clock_that_jumps_inside_a_day_changes_no_decision_and_the_next_run_sends_what_waits(
    world: World, what: str, offsets: list[float]
) -> None:
    who = what.replace(" ", "-")
    world.bring_back(DAY[0])
    world.nursery.live_to_the_end(LAST, UNTIL_DELIVERY, who=who, clock=offsets)
    told = called(world, who)
    if len(offsets) > 3:  # the clock stays wrong: it is not between nine in the morning and nine at night of the day
        assert told == set()
    assert told <= called(world, f"{TWIN}-deliver")
    world.nursery.live_to_the_end(LAST, UNTIL_DELIVERY, who=who)
    assert world.complaints(who, until=UNTIL_DELIVERY[-1]) == []
    assert called(world, who) == called(world, f"{TWIN}-deliver")


def test_a_clock_that_is_a_day_behind_does_yesterday_again_and_changes_nothing(world: World) -> None:
    world.bring_back("end")
    world.nursery.live_to_the_end(LAST - timedelta(days=1), UNTIL_DELIVERY, who="behind")
    assert called(world, "behind") == set()
    wanted = {name: rows for name, rows in world.states[DAY[-1]].items() if name.startswith("table ")}
    assert {f"table {name}": rows for name, rows in tables_of(world.workspace).items()} == wanted


def test_two_runs_of_one_day_at_once_do_it_once(world: World) -> None:
    world.bring_back(DAY[0])
    order = world.nursery.order(LAST, UNTIL_ALERTS, who="two")
    ends = world.nursery.lives(order, order)
    assert [end.how for end in ends] == ["finished", "finished"], [end.words for end in ends]
    assert world.complaints("two", until=UNTIL_ALERTS[-1]) == []
    assert all(len(bodies) == 1 for key, bodies in world.receiver.of("two").items() if key.startswith("/contacts/"))


def test_a_run_that_waits_takes_over_when_the_other_is_killed(world: World) -> None:
    world.bring_back(DAY[0])
    work = sum(world.works[name] for name in UNTIL_ALERTS)
    first = world.nursery.order(LAST, UNTIL_ALERTS, who="heirs", cpu_seconds=0.5 * work)
    second = world.nursery.order(LAST, UNTIL_ALERTS, who="heirs")
    ends = world.nursery.lives(first, second)
    assert [end.how for end in ends] in (["killed", "finished"], ["finished", "finished"]), [end.words for end in ends]
    assert world.complaints("heirs", until=UNTIL_ALERTS[-1]) == []


def test_a_day_a_backfill_of_the_days_before_and_hours_at_once_disturb_each_other_in_nothing(world: World) -> None:
    world.bring_back(DAY[0])
    nursery = world.nursery
    past = nursery.order(LAST - timedelta(days=1), UNTIL_ALERTS, who="many")
    ends = nursery.lives(nursery.order(LAST, UNTIL_ALERTS, who="many"), past)
    assert [end.how for end in ends] == ["finished"] * 2, [end.words for end in ends]
    assert world.complaints("many", until=UNTIL_ALERTS[-1]) == []

    world.bring_back(DAY[0])
    hourly = [nursery.order(LAST, ["hourly"], who="hours"), nursery.order(LAST, ["hourly"], who="hours")]
    ends = nursery.lives(nursery.order(LAST, UNTIL_DELIVERY, who="hours"), *hourly)
    assert [end.how for end in ends] == ["finished"] * 3, [end.words for end in ends]
    calls = {**world.receiver.of(TWIN), **world.receiver.of("hours")}
    assert broken_invariants(world.workspace, calls) == []


def test_what_comes_late_changes_no_score_and_no_decision_of_its_day_and_the_next_day_knows_it(world: World) -> None:
    """A cancellation of two days ago comes after the day was scored and decided, in a corrected file."""
    world.bring_back("end")
    workspace = world.workspace
    chosen = workspace.warehouse.query(
        f"select customer_id from ledger where as_of = date '{LAST}' and kind = 'decided' and action <> 'none'"
        " order by customer_id limit 1"
    )["customer_id"][0].as_py()
    late = world.house.files / "contracts" / f"{LAST - timedelta(days=2)}.csv"
    kept = world.base / "contracts.csv"
    shutil.copy(late, kept)
    before = tables_of(workspace)
    try:
        _cancel(late, chosen)
        world.nursery.live_to_the_end(LAST, UNTIL_DELIVERY, who="late")
        after = tables_of(workspace)
        for name in ("scores", "ledger", "fit", "features", "daily_metrics"):
            assert after[name] == before[name], name
        assert called(world, "late") == set()
        tomorrow = LAST + timedelta(days=1)
        world.nursery.live_to_the_end(tomorrow, UNTIL_DELIVERY, who="late")
    finally:
        shutil.copy(kept, late)
    scored = workspace.warehouse.query(f"select as_of from scores where customer_id = '{chosen}' order by as_of")
    days = scored["as_of"].to_pylist()
    assert LAST in days
    assert tomorrow not in days
    again = tables_of(workspace)
    for name in ("scores", "ledger", "fit"):
        assert before[name] <= again[name], f"{name}: a row was rewritten"
    assert broken_invariants(workspace, {**world.receiver.of(TWIN), **world.receiver.of("late")}) == []


def _cancel(path: Path, customer: str) -> None:
    with path.open(newline="", encoding="utf-8") as file:
        names = next(csv.reader(file))
    row = {"customer": customer, "contract": customer, "at": f"{path.stem} 10:00:00", "kind": "cancel"}
    with path.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerow([row.get(name, "") for name in names])
