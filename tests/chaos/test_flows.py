"""A flow under a real Prefect server is killed twice in the middle of its work; the third run ends as the twin did."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.chaos.company import workspace_in
from tests.chaos.lives import DAY
from tests.chaos.states import broken_invariants, tables_of
from tests.chaos.world import LAST, TWIN, World
from tests.house.test_prefect_server import server  # noqa: F401 -- a fixture: a real server in a home of its own

pytestmark = pytest.mark.slow

_PATIENCE_SECONDS = 300.0
#: The flow asks the machine's clock, which is long after the day: what tells of now is another than the twin's.
_NOW = ("alerts", "alert_messages")


def start(world: World, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    told = workspace_in(world.house, world.root, receiver=world.receiver.url, who="flow").environment
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", "from flows.cli.main import main; main()",
         "daily", "--as-of", LAST.isoformat(), "--past", "--json"],
        env={**environment, **told, "HOLDBACK_HOME": str(world.root), "HOLDBACK_BUSINESS": str(world.house.business)},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def test_a_flow_that_is_killed_twice_under_a_real_server_ends_as_the_undisturbed_day(
    world: World,
    server: dict[str, str],  # noqa: F811
) -> None:
    world.bring_back(DAY[0])
    environment = {**os.environ, **server}
    journal = world.workspace.journal
    for flow in ("decide_daily", "record_daily"):
        process = start(world, environment)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not any(run.flow == flow and run.as_of == LAST for run in journal.runs()):
            assert process.poll() is None, (process.stderr.read() if process.stderr else b"")[-3000:].decode()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    last = start(world, environment)
    _, said = last.communicate(timeout=_PATIENCE_SECONDS)
    assert last.returncode == 0, said[-3000:].decode()

    found, wanted = tables_of(world.workspace), world.states[DAY[-1]]
    for name, rows in found.items():
        assert name in _NOW or rows == wanted[f"table {name}"], name
    assert broken_invariants(world.workspace, {**world.receiver.of(TWIN), **world.receiver.of("flow")}) == []
    assert {run.state for run in journal.runs(limit=1000)} <= {"done", "failed", "waits"}
    assert not [key for key in world.receiver.of("flow") if key.startswith("/contacts/")]  # the day's hours are over
