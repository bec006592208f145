"""A loader that is killed at any step leaves yesterday or today, and the next run makes it today."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from holdback.quarantine import list_quarantine
from tests.holdback.killed_loader import KEYED, SCENARIOS, prepare
from tests.holdback.shop import AS_OF, contents, make_workspace

STEPS = {
    "load": [
        "staged", "judged", "landed", "decided", "wrote quarantine", "wrote superseded", "wrote validations",
        "wrote profiles", "wrote orders", "wrote batches", "done", "finished",
    ],
    "release": [
        "staged", "judged", "landed", "decided", "wrote releases", "wrote validations", "wrote orders",
        "wrote batches", "done", "finished",
    ],
}  # fmt: skip


def visible(folder: Path) -> Any:
    """What a reader of the corrected feed, and of the accounts, sees."""
    workspace = make_workspace(folder, **KEYED)
    orders = workspace.warehouse.query(
        "select order_id, amount_cents from orders where not exists (select 1 from superseded s where s.feed = 'orders'"
        " and s.batch_id = orders.batch_id and s.row_number = orders.row_number) order by order_id"
    ).to_pylist()
    return [tuple(row.values()) for row in orders]


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["load", "release"])
def test_a_killed_run_leaves_yesterday_or_today_and_a_rerun_makes_it_today(
    tmp_path: Path, project_root: Path, scenario: str
) -> None:
    prepare(tmp_path / "before")
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(tmp_path / "before", undisturbed)
    run: Callable[..., None] = SCENARIOS[scenario]
    run(undisturbed, lambda _step: None)
    yesterday, today = visible(tmp_path / "before"), visible(undisturbed)
    wanted = contents(make_workspace(undisturbed, **KEYED))
    assert yesterday != today

    folders = [tmp_path / f"killed-{i}" for i in range(len(STEPS[scenario]))]
    for folder in folders:
        shutil.copytree(tmp_path / "before", folder)
    killed = subprocess.run(
        [sys.executable, "-m", "tests.holdback.killed_loader", scenario, *map(str, folders)],
        cwd=project_root, capture_output=True, text=True, timeout=240, check=True,
    )  # fmt: skip
    assert killed.stdout.split("\n")[:-1] == STEPS[scenario]

    for step, folder in zip(STEPS[scenario], folders, strict=True):
        seen = visible(folder)
        assert seen == (today if STEPS[scenario].index(step) >= STEPS[scenario].index("wrote orders") else yesterday)
        if step == "finished":
            assert contents(make_workspace(folder, **KEYED)) == wanted
            continue
        run(folder, lambda _step: None)
        assert contents(make_workspace(folder, **KEYED)) == wanted, step
        assert visible(folder) == today, step
        leftovers = [*(folder / "work" / "shop").glob("staging-*"), *(folder / "work" / "shop" / "landing").glob(".*")]
        assert leftovers == [], step
        assert list((folder / "work" / "shop" / "commits").iterdir()) == [], step


@pytest.mark.slow
def test_a_batch_that_was_decided_is_loaded_as_of_its_own_day_by_a_later_run(
    tmp_path: Path, project_root: Path
) -> None:
    """The run that was killed had decided: what it knew, and from when on, does not depend on who finishes it."""
    prepare(tmp_path / "before")
    folders = [tmp_path / f"killed-{i}" for i in range(5)]
    for folder in folders:
        shutil.copytree(tmp_path / "before", folder)
    subprocess.run(
        [sys.executable, "-m", "tests.holdback.killed_loader", "load", *map(str, folders)],
        cwd=project_root, capture_output=True, timeout=240, check=True,
    )  # fmt: skip
    from holdback.ingest import ingest

    late = ingest(make_workspace(folders[4], **KEYED), AS_OF + timedelta(days=9))
    assert late.is_unchanged
    assert "was interrupted earlier and is now loaded" in late.notes[0]
    workspace = make_workspace(folders[4], **KEYED)
    days = workspace.warehouse.query("select as_of from batches order by sequence")["as_of"].to_pylist()
    assert days == [AS_OF, AS_OF + timedelta(days=1)]
    assert sum(batch.open for batch in list_quarantine(workspace)) == 4
