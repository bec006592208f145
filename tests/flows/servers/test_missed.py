"""Days on which the machine was off are made good in order, and end as if it had never been off."""

from __future__ import annotations

import shutil
import threading
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from flows import settings, steps
from flows.cli.answers import tell_catch_up
from flows.missed import FLOW, MOST_DAYS, caught_up, missed_days, most_days, newest_lived_day
from flows.runs import Outcome
from holdback.business import load_business
from holdback.errors import Busy, ContractBroken, OperatorError
from holdback.workspace import Workspace
from tests.flows.shop import BUSINESS, LAST_DAY_OF_HISTORY, write_shop

DAY = date(2026, 3, 10)


def test_a_new_business_and_one_that_was_lived_yesterday_missed_nothing() -> None:
    for lived_before in ([], [DAY - timedelta(days=1)]):
        missed = missed_days(lived_before, DAY, at_most=14)
        assert (missed.days, missed.left_out_count) == ((), 0)


@pytest.mark.parametrize(
    ("at_most", "days", "left_out"), [(14, [7, 8, 9], 0), (3, [7, 8, 9], 0), (2, [8, 9], 1), (0, [], 3)]
)
def test_the_last_days_are_made_good_oldest_first(at_most: int, days: list[int], left_out: int) -> None:
    missed = missed_days([date(2026, 3, 6)], DAY, at_most=at_most)
    assert [day.day for day in missed.days] == days
    assert missed.left_out_count == left_out


def test_days_between_lived_ones_are_missed_as_well_and_those_that_lie_too_far_back_are_past() -> None:
    lived_before = [date(2026, 3, day) for day in (1, 3, 6, 7, 9)]
    missed = missed_days(lived_before, DAY, at_most=5)
    assert ([day.day for day in missed.days], missed.left_out_count) == ([5, 8], 0)
    assert missed.since == date(2026, 3, 3)


def test_how_many_days_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOLDBACK_CATCH_UP_DAYS", raising=False)
    assert most_days() == MOST_DAYS
    monkeypatch.setenv("HOLDBACK_CATCH_UP_DAYS", "3")
    assert most_days() == 3
    monkeypatch.setenv("HOLDBACK_CATCH_UP_DAYS", "-1")
    with pytest.raises(OperatorError, match="must be a whole number of days"):
        most_days()


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    path = tmp_path / "shop.yaml"
    path.write_text(BUSINESS.format(folder=tmp_path))
    return Workspace(tmp_path / "home", load_business(path), threads=1)


def live_on(workspace: Workspace, day: date) -> list[Outcome]:
    """Leave what a lived day leaves: its figures."""
    from monitoring.history import record_day

    record_day(workspace, day)
    return [Outcome("record_daily", "shop", day, {}, was_done_already=False)]


def states(workspace: Workspace) -> list[str]:
    return [run.state for run in reversed(workspace.journal.runs()) if run.flow == FLOW]


@pytest.mark.parametrize(
    "fault",
    [ContractBroken("tills: the file of the 8th is broken."), ConnectionError("away"), TimeoutError(), ValueError("x")],
)
def test_a_day_that_cannot_be_made_good_stops_no_other_is_told_and_is_tried_again(
    shop: Workspace, fault: Exception
) -> None:
    live_on(shop, date(2026, 3, 6))
    is_mended = False

    def live(day: date) -> list[Outcome]:
        if day.day == 8 and not is_mended:
            raise fault
        return live_on(shop, day)

    said = str(fault) if isinstance(fault, ContractBroken) else type(fault).__name__
    outcomes = caught_up(shop, DAY, live, at_most=14)
    assert [(one.flow, one.as_of.day) for one in outcomes] == [("record_daily", 7), ("record_daily", 9), (FLOW, 10)]
    receipt = outcomes[-1].receipt
    assert receipt["days"] == ["2026-03-07", "2026-03-08", "2026-03-09"]
    assert receipt["not_done"] == {"2026-03-08": said}
    told = [str(line) for line in tell_catch_up(receipt)]
    assert "nobody worked after 2026-03-06" in told[0]
    assert "2026-03-07, 2026-03-09" in told[0]
    assert f"2026-03-08 could not be made good: {said}" in told[1]
    assert newest_lived_day(shop, DAY) == date(2026, 3, 9)
    assert states(shop) == ["failed"]

    [again] = caught_up(shop, DAY, live, at_most=14)
    assert again.receipt["days"] == ["2026-03-08"], "a hole is made good as long as it is not too far back"
    is_mended = True
    live_on(shop, DAY)
    made_good, done = caught_up(shop, DAY + timedelta(days=1), live, at_most=14)
    assert (made_good.as_of.day, done.receipt["not_done"]) == (8, {})
    assert states(shop) == ["failed", "failed", "done"]
    assert caught_up(shop, DAY + timedelta(days=1), live, at_most=14) == []


def test_days_that_were_left_out_and_those_not_made_good_are_alerts_until_they_are_not_missing(shop: Workspace) -> None:
    from monitoring.alerts import raise_alerts, read_alerts

    def alerts() -> dict[str, tuple[str, str]]:
        return {one.about: (one.state, one.newest.severity) for one in read_alerts(shop.warehouse)}

    live_on(shop, date(2026, 3, 1))
    caught_up(shop, DAY, lambda day: live_on(shop, day), at_most=2)
    raise_alerts(shop, DAY, now=datetime(2026, 3, 10, 6), environment={})
    assert alerts() == {FLOW: ("open", "warning")}
    [alert] = read_alerts(shop.warehouse)
    assert "missed days: 6 after 2026-03-01 lie more than HOLDBACK_CATCH_UP_DAYS back" in alert.newest.message
    live_on(shop, DAY)
    caught_up(shop, date(2026, 3, 11), lambda day: live_on(shop, day), at_most=2)
    raise_alerts(shop, date(2026, 3, 11), now=datetime(2026, 3, 11, 6), environment={})
    assert alerts() == {FLOW: ("over", "warning")}


def at(monkeypatch: pytest.MonkeyPatch, day: date) -> None:
    instant = datetime(day.year, day.month, day.day, 6)
    monkeypatch.setattr(settings, "now", lambda: instant)


def lived(workspace: Workspace, day: date) -> list[Outcome]:
    """Do what a missed day is made good with."""
    steps_of_the_day = (steps.ingest_step, steps.first_model_step, steps.score_step, steps.record_step)
    done = [step(workspace, day) for step in steps_of_the_day]
    return [outcome for outcome in done if outcome is not None]


@pytest.mark.slow
def test_after_three_days_off_everything_is_as_if_the_machine_had_been_on(tmp_path: Path) -> None:
    first = LAST_DAY_OF_HISTORY + timedelta(days=1)
    days = [first + timedelta(days=n) for n in range(5)]
    business = load_business(write_shop(tmp_path, customers=400, days_after=4))
    twin = Workspace(tmp_path / "always on", business)
    steps.ingest_step(twin, first, history=True)
    lived(twin, first)
    shutil.copytree(twin.root, tmp_path / "off for three days")
    late = Workspace(tmp_path / "off for three days", business)
    for day in days[1:]:
        lived(twin, day)

    told = caught_up(late, days[4], partial(lived, late), at_most=14)
    lived(late, days[4])

    assert told[-1].receipt == {
        "days": [str(day) for day in days[1:4]], "not_done": {}, "left_out_count": 0, "since": str(first)
    }  # fmt: skip
    assert [outcome.as_of for outcome in told if outcome.flow == "score_daily"] == days[1:4], "oldest first"
    for sql in (
        "select * from scores order by as_of, customer_id",
        "select customer_id, event_at, amount_cents, row_number, loaded_at from tills order by all",
        "select distinct as_of from daily_metrics order by as_of",
    ):
        assert late.warehouse.query(sql).equals(twin.warehouse.query(sql)), sql


@pytest.mark.slow
def test_the_daily_flow_makes_a_missed_day_good_and_reports_today_alone(
    tmp_path: Path, prefect_harness: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import pipelines

    monkeypatch.setenv("HOLDBACK_HOME", str(tmp_path / "home"))
    business = write_shop(tmp_path, customers=150, days_after=2)
    business.write_text(business.read_text().replace("min_history_days: 60", "min_history_days: 400"))
    days = [LAST_DAY_OF_HISTORY + timedelta(days=n) for n in (1, 2, 3)]
    workspace = settings.open_workspace(business)
    steps.ingest_step(workspace, days[0], history=True)
    steps.record_step(workspace, days[0])
    at(monkeypatch, days[2])

    told = pipelines.daily(business=str(business), as_of=days[2])  # today's date is no other day than none
    assert [outcome.as_of for outcome in told if outcome.flow == "ingest_daily"] == days[1:]
    [receipt] = [outcome.receipt for outcome in told if outcome.flow == FLOW]
    assert (receipt["days"], receipt["not_done"]) == ([str(days[1])], {})
    assert {outcome.as_of for outcome in told if outcome.flow in ("report", "portal", "alerts")} == {days[2]}
    assert {outcome.as_of for outcome in told if outcome.flow == "decide_daily"} <= {days[2]}
    assert list((workspace.folder / "flow-runs").iterdir()) == [], "a run that ended stands in for nothing"


@pytest.mark.slow
def test_a_second_daily_run_at_the_same_time_says_that_it_is_busy(
    tmp_path: Path, prefect_harness: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import pipelines

    monkeypatch.setenv("HOLDBACK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(pipelines, "WAIT_SECONDS", 1)
    business = str(write_shop(tmp_path, customers=30, days_after=0))
    workspace = settings.open_workspace(business)
    is_held, may_leave = threading.Event(), threading.Event()

    def hold() -> None:
        with workspace.lock("daily"):
            is_held.set()
            may_leave.wait(60)

    other = threading.Thread(target=hold)
    other.start()
    try:
        assert is_held.wait(30)
        with pytest.raises(Busy, match="another process is busy with 'daily'"):
            pipelines.daily(business=business)
    finally:
        may_leave.set()
        other.join()
    stopped, *alerts = reversed(workspace.journal.runs())
    assert (stopped.flow, stopped.state, {run.flow for run in alerts}) == ("daily", "failed", {"alerts"})
    assert "another process is busy with 'daily'" in str(stopped.error)
