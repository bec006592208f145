"""Whose run it was does not matter: who holds the flow's lock lives, and what others left running has failed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from flows.runs import once, reap_the_dead
from holdback.errors import Busy
from holdback.workspace import Workspace
from tests.holdback.shop import AS_OF, make_workspace

NOW = datetime(2026, 3, 2, 9)


def left_running(workspace: Workspace, flow: str, owner: str) -> None:
    workspace.journal.start_run(
        f"{flow}-{owner}", flow=flow, business="shop", as_of=AS_OF, inputs_key="", owner=owner, now=NOW
    )


def states(workspace: Workspace) -> dict[str, str]:
    return {run.run_id: run.state for run in workspace.journal.runs()}


def test_a_run_of_a_dead_process_of_another_host_is_reaped_by_the_next_run_of_its_flow(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    left_running(workspace, "score_daily", "elsewhere:1")
    assert not once("score_daily", workspace, AS_OF, lambda: {"n": 1}).was_done_already
    assert states(workspace)["score_daily-elsewhere:1"] == "failed"


def test_runs_whose_flow_is_locked_live_wherever_they_are_and_the_others_are_dead(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    left_running(workspace, "score_daily", "elsewhere:1")
    left_running(workspace, "report", "elsewhere:2")
    other = Workspace(workspace.root, workspace.business)
    with other.lock("report"):
        reap_the_dead(workspace)
        with pytest.raises(Busy):
            once("report", workspace, AS_OF, dict)
    assert states(workspace) == {"score_daily-elsewhere:1": "failed", "report-elsewhere:2": "running"}
    reap_the_dead(workspace)
    assert states(workspace)["report-elsewhere:2"] == "failed"
