"""Each piece of work is done once per business and day, by one process at a time, and every run is recorded."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from flows.runs import inputs_key, once
from holdback.business import load_business
from holdback.errors import Busy, DataError
from holdback.workspace import Workspace

DAY = date(2026, 11, 1)
BUSINESS = """
slug: shop
name: Shop
currency: EUR
time_zone: Europe/Madrid
feeds:
  purchases: {role: transactions, source: "{date}.csv", columns: {customer_id: c, event_at: d, amount: a}}
churn: [{name: lapsed, kind: inactivity, feed: purchases, outcome_days: 30}]
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    path = tmp_path / "shop.yaml"
    path.write_text(BUSINESS)
    return Workspace(tmp_path / "home", load_business(path))


def test_the_same_work_is_not_done_twice(workspace: Workspace) -> None:
    calls: list[int] = []

    def work() -> dict[str, int]:
        calls.append(1)
        return {"rows": 3}

    first = once("score_daily", workspace, DAY, work, key=lambda: "k")
    again = once("score_daily", workspace, DAY, work, key=lambda: "k")
    assert (first.was_done_already, again.was_done_already, len(calls)) == (False, True, 1)
    assert again.receipt == {"rows": 3}


def test_other_inputs_are_other_work(workspace: Workspace) -> None:
    once("retrain", workspace, DAY, lambda: {"n": 1}, key=lambda: "a")
    assert not once("retrain", workspace, DAY, lambda: {"n": 2}, key=lambda: "b").was_done_already


def test_the_key_follows_the_business_file_and_the_tables(workspace: Workspace, tmp_path: Path) -> None:
    import pyarrow as pa

    before = inputs_key(workspace, tables=("marks",))
    workspace.warehouse.append("marks", pa.table({"n": [1]}), batch="one")
    after = inputs_key(workspace, tables=("marks",))
    path = tmp_path / "changed.yaml"
    path.write_text(BUSINESS.replace("outcome_days: 30", "outcome_days: 31"))
    changed = Workspace(workspace.root, load_business(path))
    assert len({before, after, inputs_key(changed, tables=("marks",))}) == 3


def test_work_whose_result_is_gone_is_done_again(workspace: Workspace) -> None:
    once("report", workspace, DAY, lambda: {"path": "a.html"}, key=lambda: "k")
    again = once("report", workspace, DAY, lambda: {"path": "a.html"}, key=lambda: "k", stands=lambda _: False)
    assert not again.was_done_already


def test_a_failed_run_is_recorded_with_its_words_and_can_be_run_again(workspace: Workspace) -> None:
    def broken() -> dict[str, int]:
        raise DataError("purchases: column 'total' is missing.")

    with pytest.raises(DataError):
        once("ingest_daily", workspace, DAY, broken, key=lambda: "k")
    [run] = workspace.journal.runs()
    assert (run.state, run.error) == ("failed", "purchases: column 'total' is missing.")
    assert not once("ingest_daily", workspace, DAY, dict, key=lambda: "k").was_done_already


def test_a_second_run_at_the_same_time_is_told_to_wait(workspace: Workspace) -> None:
    def nested() -> dict[str, int]:
        with pytest.raises(Busy, match="another process is busy with 'daily'"):
            once("daily", workspace, DAY, dict)
        return {}

    once("daily", workspace, DAY, nested)


def test_a_killed_run_is_reaped_by_the_next_one(workspace: Workspace, tmp_path: Path) -> None:
    code = f"""
import os, signal
from datetime import date
from pathlib import Path
from flows.runs import once
from holdback.business import load_business
from holdback.workspace import Workspace
workspace = Workspace(Path({str(workspace.root)!r}), load_business({str(tmp_path / "shop.yaml")!r}))
once("daily", workspace, date(2026, 11, 1), lambda: os.kill(os.getpid(), signal.SIGKILL), key=lambda: "k")
"""
    killed = subprocess.run([sys.executable, "-c", code], check=False, cwd=Path.cwd())
    assert killed.returncode == -signal.SIGKILL
    assert [run.state for run in workspace.journal.runs()] == ["running"]
    outcome = once("daily", workspace, DAY, lambda: {"rows": 1}, key=lambda: "k")
    assert not outcome.was_done_already
    assert sorted(run.state for run in workspace.journal.runs()) == ["done", "failed"]
