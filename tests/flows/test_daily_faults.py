"""Whatever stops a day stands in the journal, in `runs show` and among the alerts, also where no step was at work."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows import pipelines, settings
from flows.cli.runs import lines_of
from flows.observing.days import tell_day
from flows.runs import kept, once, works_again
from holdback.errors import BusinessFileError, ContractBroken, DataError, HoldbackError, OperatorError
from holdback.workspace import Workspace
from monitoring.alerts import read_alerts
from tests.flows.shop import LAST_DAY_OF_HISTORY, write_shop

TODAY = LAST_DAY_OF_HISTORY + timedelta(days=1)
MORNING = datetime(TODAY.year, TODAY.month, TODAY.day, 6)
CHANNEL = "channels: [{name: here, kind: file}]\n"


@pytest.fixture
def business(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HOLDBACK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(settings, "now", lambda: MORNING)
    path = write_shop(tmp_path, customers=40, days_after=0)
    path.write_text(path.read_text().replace("min_history_days: 60", "min_history_days: 400") + CHANNEL)
    return str(path)


def states(workspace: Workspace, flow: str) -> list[str]:
    return [run.state for run in reversed(workspace.journal.runs()) if run.flow == flow]


def alerts(workspace: Workspace) -> dict[str, str]:
    return {alert.about: alert.state for alert in read_alerts(workspace.warehouse) if alert.rule == "step_failed"}


def shown(workspace: Workspace, day: date = TODAY) -> tuple[str, str]:
    story = tell_day(workspace, day, now=settings.now())
    return story.state, " ".join(" ".join(lines_of(story)).split())


def test_what_stops_a_flow_outside_of_its_steps_is_kept_once_and_ends(business: str) -> None:
    workspace = settings.open_workspace(business)
    fault = OperatorError("HOLDBACK_CATCH_UP_DAYS: must be a whole number.")
    assert kept("daily", workspace, TODAY, fault) is fault
    assert kept("daily", workspace, TODAY, fault) is fault
    assert states(workspace, "daily") == ["failed"]
    state, text = shown(workspace)
    assert (state, "HOLDBACK_CATCH_UP_DAYS: must be a whole number" in text) == ("failed", True)

    once("record_daily", workspace, TODAY, dict)
    assert shown(workspace)[0] == "done", "what was done afterwards says that it was mended"
    works_again("daily", workspace, TODAY)
    works_again("daily", workspace, TODAY)
    assert states(workspace, "daily") == ["failed", "done"]
    assert [step.step for step in tell_day(workspace, TODAY, now=MORNING).steps] == ["record_daily"]


def test_what_a_step_raised_is_not_kept_again(business: str) -> None:
    workspace = settings.open_workspace(business)

    def broken() -> dict[str, Any]:
        raise DataError("tills: column 'paid' is missing.")

    with pytest.raises(DataError) as raised:
        once("ingest_daily", workspace, TODAY, broken)
    kept("daily", workspace, TODAY, raised.value)
    assert [run.flow for run in workspace.journal.runs()] == ["ingest_daily"]


def test_what_nobody_foresaw_is_kept_without_a_word_of_its_own(business: str) -> None:
    workspace = settings.open_workspace(business)
    told = kept("daily", workspace, TODAY, ValueError("could not convert 'Ana Garcia'"))
    assert isinstance(told, HoldbackError)
    [run] = workspace.journal.runs()
    assert "Ana" not in str(run.error)
    assert "stopped by a ValueError" in str(run.error)


@pytest.mark.slow
def test_a_setting_that_cannot_be_read_is_told_and_is_over_when_it_is_mended(
    business: str, prefect_harness: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = settings.open_workspace(business)
    monkeypatch.setenv("HOLDBACK_CATCH_UP_DAYS", "-1")
    with pytest.raises(OperatorError, match="must be a whole number of days"):
        pipelines.daily(business=business)
    assert alerts(workspace)["daily"] == "open"
    assert "must be a whole number" in (workspace.folder / "alerts.jsonl").read_text()
    state, text = shown(workspace)
    assert state == "failed"
    assert "daily: OperatorError, exit code 6: HOLDBACK_CATCH_UP_DAYS" in text
    monkeypatch.delenv("HOLDBACK_CATCH_UP_DAYS")
    pipelines.daily(business=business)
    assert alerts(workspace)["daily"] == "over"
    assert "HOLDBACK_CATCH_UP_DAYS" not in shown(workspace)[1]


@pytest.mark.slow
def test_a_file_without_its_header_reaches_the_file_channel(business: str, prefect_harness: None) -> None:
    workspace = settings.open_workspace(business)
    pipelines.daily(business=business)
    (Path(business).parent / "landing" / f"{TODAY}.csv").write_text("c-00001,2025-10-02 10:00:00,3.00\n")
    tomorrow = MORNING + timedelta(days=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "now", lambda: tomorrow)
        with pytest.raises(ContractBroken):
            pipelines.daily(business=business)
    assert alerts(workspace)["ingest_daily"] == "open"
    assert '"step_failed"' in (workspace.folder / "alerts.jsonl").read_text()
    assert states(workspace, "retention") == ["done", "done"], "what is too old goes on a day that failed as well"


@pytest.mark.slow
def test_retention_that_fails_is_told_and_a_day_done_twice_does_it_once(
    business: str, prefect_harness: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.forgetting import retention

    def broken(*_: object, **__: object) -> None:
        raise OperatorError("landing: cannot be removed (Permission denied). Check permissions.")

    workspace = settings.open_workspace(business)
    with monkeypatch.context() as patch:
        patch.setattr(retention, "apply_retention", broken)
        with pytest.raises(OperatorError, match="cannot be removed"):
            pipelines.daily(business=business)
    assert alerts(workspace)["retention"] == "open"
    assert shown(workspace)[0] == "failed"
    assert [pipelines.daily(business=business)[-1].was_done_already for _ in range(2)] == [False, True]
    assert states(workspace, "retention")[-1] == "done"
    assert states(workspace, "daily") == []


@pytest.mark.slow
def test_what_is_refused_before_anything_is_decided_is_in_the_journal(
    business: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from campaigns import messages
    from flows.steps import decide_step

    def refuse(*_: object) -> None:
        raise BusinessFileError("actions[0].message: names a field that nobody delivers.")

    monkeypatch.setattr(messages, "refuse_faulty_messages", refuse)
    workspace = settings.open_workspace(business)
    with pytest.raises(BusinessFileError):
        decide_step(workspace, TODAY)
    assert states(workspace, "decide_daily") == ["failed"]
