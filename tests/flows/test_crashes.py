"""A process killed at any step of a day leaves yesterday or today; the next run ends where an undisturbed one does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from holdback.business import load_business
from holdback.workspace import Workspace
from tests.flows.shop import LAST_DAY_OF_HISTORY, write_shop

TODAY = LAST_DAY_OF_HISTORY + timedelta(days=2)

#: Runs the steps of two days and kills itself when it is told of a step for the Nth time (never, when N is 0).
DAY = """
import os, signal, sys
from datetime import date
from pathlib import Path
import flows.watching
from flows.steps import first_model_step, ingest_step, report_step, score_step
from holdback.business import load_business
from holdback.workspace import Workspace

home, business, kill_at, as_of = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), date.fromisoformat(sys.argv[4])
seen = 0

def deadly(step, done, total):
    global seen
    seen += 1
    if seen == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)

flows.watching._current.set(deadly)
workspace = Workspace(home, load_business(business), threads=2)
ingest_step(workspace, as_of, history=True)
first_model_step(workspace, as_of)
score_step(workspace, as_of)
report_step(workspace, as_of)
print(seen)
"""

#: A retrain that was killed after registering leaves a version that nobody uses: the next one has another number.
SCORES = "select * exclude (model_version) from scores order by as_of, customer_id"
MOST_KILLS = 9
ROWS = "select customer_id, event_at, amount_cents, batch_id, row_number, loaded_at from tills order by all"


def live(home: Path, business: Path, *, kill_at: int = 0) -> subprocess.CompletedProcess[str]:
    arguments = [str(home), str(business), str(kill_at), TODAY.isoformat()]
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", DAY, *arguments], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip


@pytest.mark.slow
def test_a_day_killed_at_any_step_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    business = write_shop(tmp_path, customers=400, days_after=1)
    twin = Workspace(tmp_path / "twin", load_business(business))
    undisturbed = live(twin.root, business)
    assert undisturbed.returncode == 0, undisturbed.stderr[-2000:]
    step_count = int(undisturbed.stdout.split()[-1])

    disturbed = Workspace(tmp_path / "disturbed", load_business(business))
    kills = 0
    for kill_at in range(1, step_count + 1, -(-step_count // MOST_KILLS)):
        done = live(disturbed.root, business, kill_at=kill_at)
        if done.returncode == 0:
            break  # what earlier runs finished is not repeated, so that fewer steps are left than at the start
        assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
        kills += 1
    last = live(disturbed.root, business)

    assert last.returncode == 0, last.stderr[-2000:]
    assert kills >= 5
    for sql in (SCORES, ROWS):
        assert disturbed.warehouse.query(sql).equals(twin.warehouse.query(sql))
    assert {run.state for run in disturbed.journal.runs()} == {"done", "failed"}  # nobody is left running
    day = date.isoformat(TODAY)
    assert (disturbed.reports / day / "lapsed.html").exists()
