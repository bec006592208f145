"""What stands in the log of a step, and what never does."""

from __future__ import annotations

import json
import logging
import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.observing.logs import EVENTS, FIELDS, counts_of, log_folder, read_lines
from flows.runs import once
from holdback.errors import Busy, DataError, NotKnowableYet, Unforeseen
from holdback.workspace import Workspace
from tests.training.companies import shop

DAY = date(2026, 11, 1)
CANARY = "Ana García 612345678"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return shop(tmp_path / "home")


def lines_of(workspace: Workspace) -> list[dict[str, Any]]:
    return read_lines(workspace, since=datetime(2000, 1, 1))


def test_a_step_leaves_a_line_when_it_starts_and_one_with_its_numbers_when_it_ends(workspace: Workspace) -> None:
    once("score_daily", workspace, DAY, lambda: {"customer_count": 3, "who": [CANARY]}, subject="lapsed")
    started, finished = lines_of(workspace)
    assert (started["event"], finished["event"]) == ("step_started", "step_finished")
    [run] = workspace.journal.runs()
    assert {line["run_id"] for line in (started, finished)} == {run.run_id}
    assert finished["counts"] == {"customer_count": 3}
    told = {name: finished[name] for name in ("business", "as_of", "flow", "step", "subject", "level")}
    assert told == {"business": "shop", "as_of": "2026-11-01", "flow": "score_daily", "step": "score_daily",
                    "subject": "lapsed", "level": "info"}  # fmt: skip
    assert finished["duration_seconds"] >= 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}", finished["at"])


def test_every_key_and_event_is_one_that_is_declared_and_documented(workspace: Workspace, project_root: Path) -> None:
    _fail_in_all_ways(workspace)
    lines = lines_of(workspace)
    assert {key for line in lines for key in line} <= set(FIELDS)
    assert {line["event"] for line in lines} <= set(EVENTS)
    page = (project_root / "docs" / "observing.md").read_text()
    for names in (FIELDS, EVENTS):
        for name, meaning in names.items():
            assert f"| `{name}` | {meaning} |" in page


def test_no_line_repeats_what_an_error_or_a_vendor_says(workspace: Workspace) -> None:
    _fail_in_all_ways(workspace)

    def warned() -> dict[str, int]:
        logging.getLogger("mlflow").setLevel(logging.WARNING)  # whoever silenced it before, in this process
        logging.getLogger("mlflow.converting").warning("could not convert %r", CANARY)
        return {}

    once("report", workspace, DAY, warned)
    text = "".join(path.read_text() for path in log_folder(workspace).iterdir())
    assert "Ana" not in text
    [warning] = [line for line in lines_of(workspace) if line["event"] == "vendor_warning"]
    assert (warning["logger"], warning["place"].split(":")[0]) == ("mlflow.converting", Path(__file__).name)


def test_each_way_of_ending_has_its_event_class_and_code(workspace: Workspace) -> None:
    _fail_in_all_ways(workspace)
    ended = {line["step"]: line for line in lines_of(workspace) if line["event"] != "step_started"}
    assert {step: (line["event"], line.get("error_class"), line.get("exit_code")) for step, line in ended.items()} == {
        "ingest_daily": ("step_failed", "DataError", 3),
        "score_daily": ("step_failed", "Unforeseen", 1),
        "retrain": ("step_waits", "NotKnowableYet", 4),
        "measure": ("step_busy", "Busy", 5),
        "report": ("step_stands", None, None),
    }
    failed = {run.flow: run for run in workspace.journal.runs() if run.state == "failed"}
    assert failed["ingest_daily"].receipt == {"error_class": "DataError", "exit_code": 3}


def test_lines_are_readable_by_their_owner_only_and_old_files_go(workspace: Workspace) -> None:
    folder = log_folder(workspace)
    folder.mkdir(parents=True)
    old, recent = (folder / f"{date.today() - timedelta(days=back)}.jsonl" for back in (100, 20))  # noqa: DTZ011
    for path in (old, recent):
        path.write_text("{}\n")
    once("report", workspace, DAY, dict)
    assert (old.exists(), recent.exists()) == (False, True)
    [written] = [path for path in folder.iterdir() if path != recent]
    assert written.stat().st_mode & 0o777 == 0o600


def test_a_line_that_a_kill_cut_off_hides_no_other(workspace: Workspace) -> None:
    once("report", workspace, DAY, dict)
    [path] = log_folder(workspace).iterdir()
    path.write_text(path.read_text() + '{"at": "2026-')
    assert len(lines_of(workspace)) == 2


def test_a_log_that_cannot_be_written_stops_nothing_and_is_told_once(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    log_folder(workspace).parent.mkdir(parents=True)
    log_folder(workspace).write_text("a file where a folder should be")
    assert once("report", workspace, DAY, lambda: {"n": 1}).receipt == {"n": 1}
    assert capsys.readouterr().err.count("the log cannot be written") == 1


def test_the_output_has_the_same_lines_where_it_is_asked_for(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    once("report", workspace, DAY, dict)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("HOLDBACK_LOG_FORMAT", "json")
    once("portal", workspace, DAY, dict)
    out, err = capsys.readouterr()
    assert out == ""  # the command line's stdout is its answer
    assert [json.loads(line)["event"] for line in err.splitlines()] == ["step_started", "step_finished"]
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "a-worker")
    once("measure", workspace, DAY, dict)
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_numbers_are_taken_without_texts_lists_or_flags() -> None:
    receipt = {
        "offered": 3, "was_there": True, "name": CANARY, "ids": [1], "batches": [
            {"offered": 5, "clean": 4, "quarantined": 1, "was_known_already": False},
            {"offered": 9, "clean": 9, "quarantined": 0, "was_known_already": True},
        ], "contacts": {"phone": 2, "email": 3},
    }  # fmt: skip
    assert counts_of(receipt) == {
        "offered": 3, "rows_offered": 5, "rows_clean": 4, "rows_quarantined": 1, "contacts": 5
    }  # fmt: skip


def _fail_in_all_ways(workspace: Workspace) -> None:
    def raises(error: Exception) -> Any:
        def work() -> dict[str, int]:
            raise error

        return work

    with pytest.raises(DataError):
        once("ingest_daily", workspace, DAY, raises(DataError(f"row 3: {CANARY} is no amount.")))
    with pytest.raises(Unforeseen):
        once("score_daily", workspace, DAY, raises(ValueError(f"could not convert {CANARY}")))
    with pytest.raises(NotKnowableYet):
        once("retrain", workspace, DAY, raises(NotKnowableYet("no outcome is known before 2026-12-01.")))
    with workspace.lock("measure"), pytest.raises(Busy):
        once("measure", workspace, DAY, dict)
    once("report", workspace, DAY, dict, key=lambda: "k")
    once("report", workspace, DAY, dict, key=lambda: "k")
