"""The hourly flow: it loads and asks, contacts nobody, and leaves the morning's own instant to the morning."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows import pipelines, settings, steps
from tests.flows.shop import LAST_DAY_OF_HISTORY, write_shop

HISTORY_DAY = LAST_DAY_OF_HISTORY + timedelta(days=1)

TRIGGER = """
triggers:
  - {name: pause, kind: overdue, feed: tills, times: 2, least_events: 3, only_open_days: 60}
"""


@pytest.fixture
def business(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HOLDBACK_HOME", str(tmp_path / "home"))
    path = Path(write_shop(tmp_path, customers=40, days_after=0))
    path.write_text(path.read_text() + TRIGGER)
    return str(path)


def at(monkeypatch: pytest.MonkeyPatch, instant: datetime) -> None:
    monkeypatch.setattr(settings, "now", lambda: instant)


def test_each_hour_asks_anew_and_never_at_the_days_start(business: str, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = settings.open_workspace(business)
    starts = workspace.business.instant(HISTORY_DAY)
    seen = []
    for minutes in (0, 40, 100):
        at(monkeypatch, starts + timedelta(minutes=minutes))
        [loaded, fired] = pipelines.triggers(business=business, as_of=HISTORY_DAY)
        assert loaded.flow == "ingest_daily"
        seen.append(fired.receipt["seen_at"])
    assert seen == [str(starts + timedelta(minutes=minutes)) for minutes in (1, 40, 100)]
    morning = steps.fire_step(workspace, HISTORY_DAY)
    assert morning is not None
    assert not morning.was_done_already
    assert workspace.warehouse.query("select count(*) as n from ledger")["n"][0].as_py() == 0


def test_of_runs_that_are_late_only_the_first_has_something_to_do(
    business: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = settings.open_workspace(business)
    starts = workspace.business.instant(HISTORY_DAY)
    hours = [(starts + timedelta(hours=n)).replace(tzinfo=UTC) for n in (3, 4, 5, 6)]
    at(monkeypatch, starts + timedelta(hours=5, minutes=20))
    assert not any(pipelines.is_overtaken(workspace, HISTORY_DAY, hour) for hour in hours)
    steps.ingest_step(workspace, HISTORY_DAY)
    assert not any(pipelines.is_overtaken(workspace, HISTORY_DAY, hour) for hour in hours), "no trigger was asked"
    steps.fire_step(workspace, HISTORY_DAY)
    assert [pipelines.is_overtaken(workspace, HISTORY_DAY, hour) for hour in hours] == [True, True, True, False]
    assert not pipelines.is_overtaken(workspace, HISTORY_DAY + timedelta(days=1), hours[0])


def test_a_file_that_is_not_there_yet_stops_no_trigger(business: str, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = settings.open_workspace(business)
    later = HISTORY_DAY + timedelta(days=30)  # no file of the day before has come
    at(monkeypatch, workspace.business.instant(later) + timedelta(hours=1))
    [loaded, fired] = pipelines.triggers(business=business, as_of=later)
    assert loaded.flow == "ingest_daily"
    assert fired.receipt["triggers"][0]["trigger"] == "pause"


def test_what_comes_after_the_day_was_scored_is_known_from_its_hour_on(
    business: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = settings.open_workspace(business)
    monkeypatch.setattr(steps, "_was_scored", lambda *_: True)
    noon = workspace.business.instant(HISTORY_DAY) + timedelta(hours=12)
    steps.ingest_step(workspace, HISTORY_DAY, seen_at=noon)
    loads = workspace.warehouse.query("select distinct loaded_at from batches")["loaded_at"].to_pylist()
    assert loads == [noon]
