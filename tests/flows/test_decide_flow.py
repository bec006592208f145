"""A day's decisions as a flow does them: in order, once, by one process, and whole whenever the process is killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from campaigns.decisions import decide
from campaigns.ledger import verify
from flows.steps import decide_step, deliver_step, reconcile_step
from holdback.errors import Busy, OperatorError
from holdback.workspace import Workspace
from tests.campaigns.decisions.world import ledger
from tests.flows.killed_decider import TODAY, YESTERDAY, business, live_today, open_company

KILLS = 32
PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def this_morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The company's folder as it stands this morning; copy it before you live in it."""
    root = tmp_path_factory.mktemp("morning") / "root"
    open_company(root)
    return root


@pytest.fixture(scope="module")
def undisturbed(this_morning: Path) -> dict[str, Any]:
    """What an undisturbed day leaves."""
    return found_in(lived(this_morning, this_morning.with_name("undisturbed")))


def lived(morning: Path, folder: Path) -> Workspace:
    shutil.copytree(morning, folder)
    live_today(folder)
    return Workspace(folder, business(), threads=1)


def found_in(workspace: Workspace) -> dict[str, Any]:
    """All that a day leaves: the ledger, the classes, and every file of the outbox."""
    fit = workspace.warehouse.query("select * from fit order by fit.as_of, customer_id").to_pylist()
    outbox = {
        str(path.relative_to(workspace.outbox)): path.read_bytes()
        for path in sorted(workspace.outbox.rglob("*"))
        if path.is_file()
    }
    return {"ledger": ledger(workspace), "fit": fit, "outbox": outbox}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.flows.killed_decider", *arguments],
        capture_output=True, text=True, check=False, cwd=PROJECT, env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip


def test_a_day_reconciles_decides_and_delivers(undisturbed: dict[str, Any]) -> None:
    kinds = {row["kind"] for row in undisturbed["ledger"] if row["as_of"] == TODAY}
    assert {"sent", "delivered", "opted_out", "bounced", "assigned", "decided"} <= kinds
    contacts = [row for row in undisturbed["ledger"] if row["kind"] == "decided" and row["action"] != "none"]
    listed = b"".join(content for name, content in undisturbed["outbox"].items() if name.endswith(".csv")).decode()
    assert {row["as_of"] for row in contacts} == {YESTERDAY, TODAY}
    assert all(row["entry_id"] in listed for row in contacts)
    assert f"{TODAY}/manifest.json" in undisturbed["outbox"]


def test_each_step_says_whether_it_was_done_before(this_morning: Path, tmp_path: Path) -> None:
    workspace = lived(this_morning, tmp_path / "root")
    before = found_in(workspace)
    again = [step(workspace, TODAY) for step in (reconcile_step, decide_step, deliver_step)]
    assert again[1].was_done_already
    assert again[1].receipt["was_decided_already"] is True
    assert again[0].receipt["recorded"] == {}
    assert found_in(workspace) == before


def test_the_past_is_not_decided_but_read(this_morning: Path, tmp_path: Path) -> None:
    workspace = lived(this_morning, tmp_path / "root")
    before = found_in(workspace)
    never = YESTERDAY - timedelta(days=1)
    for step in (reconcile_step, decide_step):
        outcome = step(workspace, never)
        assert outcome.was_done_already
        assert "nobody can be contacted in the past" in outcome.receipt["waits"]
    read = decide_step(workspace, YESTERDAY)
    assert read.was_done_already
    assert read.receipt["customer_count"] == 150
    assert found_in(workspace)["ledger"] == before["ledger"]


def test_two_processes_that_decide_the_same_day_agree(
    this_morning: Path, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    folder = tmp_path / "root"
    shutil.copytree(this_morning, folder)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: run(f"never:{folder}"), range(2)))
    assert [done.returncode for done in both] == [0, 0], both[0].stderr[-2000:] + both[1].stderr[-2000:]
    workspace = Workspace(folder, business(), threads=1)
    assert found_in(workspace) == undisturbed
    assert verify(workspace).is_whole


def test_who_does_not_want_to_wait_is_told_that_another_decides(this_morning: Path, tmp_path: Path) -> None:
    folder = tmp_path / "root"
    shutil.copytree(this_morning, folder)
    workspace = Workspace(folder, business(), threads=1)
    before = ledger(workspace)
    with workspace.lock("decide_daily"), pytest.raises(Busy):
        decide_step(Workspace(folder, business(), threads=1), TODAY)
    with workspace.lock("decide"), pytest.raises(Busy):
        decide(Workspace(folder, business(), threads=1), TODAY)
    assert ledger(workspace) == before


@pytest.mark.slow
def test_a_day_killed_at_any_moment_ends_as_an_undisturbed_one(
    this_morning: Path, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    """Each time from the same morning, killed once at a moment that moves through the day, then run to its end."""
    for name in ("warm", "timed"):
        shutil.copytree(this_morning, tmp_path / name)
    timed = run(f"never:{tmp_path / 'warm'}", f"never:{tmp_path / 'timed'}")
    assert timed.returncode == 0, timed.stderr[-2000:]
    seconds = float(timed.stdout.split()[-1])

    moments = {tmp_path / f"killed-{n}": 0.95 * seconds * (n + 0.5) / KILLS for n in range(KILLS)}
    for folder in moments:
        shutil.copytree(this_morning, folder)
    done = run(*(f"{moment:.3f}cpu:{folder}" for folder, moment in moments.items()))
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("killed") >= 25
    ended = run(*(f"never:{folder}" for folder in moments))
    assert ended.returncode == 0, ended.stderr[-2000:]

    for folder, moment in moments.items():
        workspace = Workspace(folder, business(), threads=1)
        assert found_in(workspace) == undisturbed, f"killed after {moment:.3f} of {seconds:.3f} s of work"
        assert verify(workspace).is_whole
        assert "running" not in {run.state for run in workspace.journal.runs()}


@pytest.mark.slow
def test_a_day_killed_again_and_again_ends_as_an_undisturbed_one(
    this_morning: Path, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    folder = tmp_path / "root"
    shutil.copytree(this_morning, folder)
    moments = [f"{0.1 * n:.2f}s:{folder}" for n in range(1, 13)]
    done = run(*moments, f"never:{folder}")
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("killed") >= 5
    workspace = Workspace(folder, business(), threads=1)
    assert found_in(workspace) == undisturbed
    assert verify(workspace).is_whole


@pytest.mark.slow
def test_a_day_on_a_full_disk_decides_nothing_or_everything(
    this_morning: Path, tmp_path: Path, small_disk: Callable[[str], None], undisturbed: dict[str, Any]
) -> None:
    folder = tmp_path / "work" / "root"
    shutil.copytree(this_morning, folder)
    workspace = Workspace(folder, business(), threads=1)
    yesterday = ledger(workspace)
    refusals = 0
    for room in range(8, 400, 24):
        small_disk(f"size={-(-shutil.disk_usage(folder).used // 1024) + room}k")
        try:
            live_today(folder)
            break
        except OperatorError:
            refusals += 1
        small_disk("size=64m")
        seen = ledger(workspace)
        assert seen[: len(yesterday)] == yesterday
        assert verify(workspace).is_whole
        decided = [row["customer_id"] for row in seen if row["kind"] == "decided" and row["as_of"] == TODAY]
        wanted = [r["customer_id"] for r in undisturbed["ledger"] if r["kind"] == "decided" and r["as_of"] == TODAY]
        assert decided in ([], wanted)
    assert refusals >= 3
    small_disk("size=64m")
    live_today(folder)
    assert found_in(workspace) == undisturbed


def test_the_flow_does_its_steps_in_order_and_a_second_run_changes_nothing(
    this_morning: Path, tmp_path: Path, prefect_harness: None, undisturbed: dict[str, Any]
) -> None:
    from flows import pipelines

    folder = tmp_path / "root"
    shutil.copytree(this_morning, folder)
    file = tmp_path / "acme.yaml"
    file.write_text(yaml.safe_dump(business().model_dump(mode="json", exclude_unset=True)), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLDBACK_HOME", str(folder))
        [refused] = pipelines.decide_daily(business=str(file), as_of=TODAY)
        first = pipelines.decide_daily(business=str(file), as_of=TODAY, past=True)
        again = pipelines.decide_daily(business=str(file), as_of=TODAY, past=True)
    assert "has passed" in refused.receipt["waits"]
    assert [outcome.flow for outcome in first] == ["reconcile", "measure", "decide_daily", "deliver"]
    assert first[2].receipt["spent_cents"] == sum(campaign["spent_cents"] for campaign in first[2].receipt["campaigns"])
    assert all(outcome.was_done_already for outcome in again[1:3])
    assert found_in(Workspace(folder, business(), threads=1)) == undisturbed
