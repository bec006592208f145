"""`holdback up` with real servers: started, seen, killed, made good and ended, and nothing is left of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped]  # ships no types
import pytest

from flows.servers.plans import STOP_SECONDS
from flows.servers.processes import marked
from flows.servers.states import UpState, read_state
from holdback.business import load_business
from holdback.workspace import Workspace
from tests.flows.shop import write_shop
from tests.servers import free_port

pytestmark = pytest.mark.slow  # real servers: a minute each time they start

PATIENCE_SECONDS = 240.0
PORTS = ("HOLDBACK_PREFECT_PORT", "HOLDBACK_MLFLOW_PORT", "HOLDBACK_PORTAL_PORT", "HOLDBACK_WORKER_PORT")


@dataclass
class Machine:
    """A machine of its own: a shop, a folder, free ports."""

    folder: Path
    business: Path
    environment: dict[str, str]

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.home, load_business(self.business), threads=1)

    @property
    def state(self) -> UpState:
        state = read_state(self.home)
        assert state is not None
        return state

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line."""
        return subprocess.run(
            [sys.executable, "-c", "from flows.cli import main; main()", *arguments],
            env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=330, check=False,
        )  # fmt: skip

    def asked(self, *arguments: str, code: int = 0) -> Any:
        """Run the command line for JSON."""
        done = self.run(*arguments, "--json")
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}\n{self.logs()}"
        return json.loads(done.stdout)

    def logs(self) -> str:
        """The end of every log."""
        found = sorted((self.home / "logs").glob("*.log"))
        return "\n".join(f"== {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in found)

    def prefect(self, path: str, **body: Any) -> Any:
        """Ask Prefect as the library does: with a token against forged requests."""
        api = self.state.prefect_api
        token = httpx.get(f"{api}/csrf-token", params={"client": "test"}, timeout=30).json()["token"]
        headers = {"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": "test"}
        answer = httpx.post(f"{api}/{path}", json=body, headers=headers, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def deployment(self, flow: str) -> dict[str, Any]:
        """A deployment, as Prefect knows it."""
        found: dict[str, Any] = httpx.get(f"{self.state.prefect_api}/deployments/name/{flow}/shop", timeout=30).json()
        return found

    def flow_run(self, flow_run_id: str) -> dict[str, Any]:
        """A flow run, as Prefect knows it."""
        found: dict[str, Any] = httpx.get(f"{self.state.prefect_api}/flow_runs/{flow_run_id}", timeout=30).json()
        return found

    def started_daily(self) -> str:
        """Start the daily flow through Prefect, and wait until a process of the worker runs it."""
        run = self.prefect(f"deployments/{self.deployment('daily')['id']}/create_flow_run", state={"type": "SCHEDULED"})
        flow_runs = self.workspace.folder / "flow-runs"
        eventually(lambda: bool(list(flow_runs.glob(f"*--{run['id']}"))), "the worker runs the daily flow", self.logs)
        return str(run["id"])


def eventually(look: Callable[[], bool], what: str, logs: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if look():
            return
        time.sleep(0.25)
    pytest.fail(f"{what}: not within {PATIENCE_SECONDS:.0f} s\n{logs()}")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    business = write_shop(tmp_path, customers=40, days_after=0)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_"))},
        **{name: str(free_port()) for name in PORTS},
        "HOLDBACK_HOME": str(tmp_path / "home"),
        "HOLDBACK_BUSINESS": str(business),
        "HOLDBACK_THREADS": "1",
    }
    made = Machine(tmp_path, business, environment)
    try:
        yield made
    finally:
        state = read_state(made.home)
        for process in [] if state is None else [state.supervisor, *marked(state.mark)]:
            if psutil.pid_exists(process.pid):
                os.kill(process.pid, signal.SIGKILL)


def family_of(state: UpState) -> list[psutil.Process]:
    """The supervisor and everything below it."""
    supervisor = psutil.Process(state.supervisor.pid)
    return [supervisor, *supervisor.children(recursive=True)]


def test_up_is_seen_survives_kills_and_leaves_nothing(machine: Machine) -> None:
    first = machine.asked("up", "--detach")
    assert not first["was_up_already"]
    assert [server["name"] for server in first["servers"]] == ["prefect", "mlflow", "portal", "worker"]

    # Everything listens to this machine alone, and does what it is for.
    listening = {
        connection.laddr.ip
        for process in family_of(machine.state)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}
    addresses = {server["name"]: server["address"] for server in first["servers"]}
    assert "There is no site yet" in httpx.get(addresses["portal"], timeout=30).text
    assert httpx.get(addresses["mlflow"], timeout=30).status_code == 200
    forged = httpx.post(f"{machine.state.prefect_api}/flow_runs/filter", json={}, timeout=30)
    assert forged.status_code == 403, "a page on the internet that knows no token can do nothing"

    # Nothing had to be done by hand: the schedules are there, in the business' time zone.
    def planned() -> bool:
        return {run["flow"] for run in machine.asked("status")["coming"]} == {"daily", "triggers", "retrain"}

    eventually(planned, "Prefect plans the next run of each schedule", machine.logs)
    status = machine.asked("status")
    assert status["is_healthy"]
    coming = {run["flow"]: datetime.fromisoformat(run["starts_at"]) for run in status["coming"]}
    assert (coming["daily"].hour, coming["daily"].minute) == (5, 15)
    assert coming["daily"].utcoffset() in (timedelta(hours=1), timedelta(hours=2))
    assert status["last_daily"] is None

    # Said twice, it changes nothing.
    again = machine.asked("up")
    assert again == {**first, "was_up_already": True}
    assert again["is_healthy"]
    assert machine.asked("up", "--detach") == again

    kiosk = machine.folder / "kiosk.yaml"
    kiosk.write_text(machine.business.read_text().replace("slug: shop", "slug: kiosk"))
    other = machine.run("up", "--business", str(kiosk))
    assert other.returncode == 5
    assert "it is up for shop" in other.stderr

    # A flow and its worker die as in a crash: the worker is back, the run is told, its slot is free.
    with machine.workspace.lock("daily"):
        killed = machine.started_daily()
        before = {one.name: one for one in machine.state.servers}
        worker = before["worker"]
        assert worker.keeper is not None
        for process in [*psutil.Process(worker.keeper.pid).children(recursive=True), psutil.Process(worker.keeper.pid)]:
            process.kill()
        eventually(lambda: machine.flow_run(killed)["state_name"] == "Crashed", "the run is reaped", machine.logs)
        assert "its process is dead" in machine.flow_run(killed)["state"]["message"]
        eventually(lambda: machine.state.is_healthy, "the worker is up again", machine.logs)
        after = {one.name: one for one in machine.state.servers}
        assert after["worker"].restart_count == 1
        assert {name: after[name].server for name in ("prefect", "mlflow", "portal")} == {
            name: before[name].server for name in ("prefect", "mlflow", "portal")
        }
        assert "worker is waiting: ended with exit code" in (machine.home / "logs" / "supervisor.log").read_text()
        limit = f"deployment:{machine.deployment('daily')['id']}"
        slot = httpx.get(f"{machine.state.prefect_api}/v2/concurrency_limits/{limit}", timeout=30).json()
        assert slot["active_slots"] == 0

        # The supervisor is killed while another run is under way: nothing of it lives on.
        running = machine.started_daily()
        state = machine.state
        family = family_of(state)
        family[0].kill()
        _, alive = psutil.wait_procs(family, timeout=STOP_SECONDS)
        assert alive == []
        assert marked(state.mark) == []
    gone = machine.asked("status", code=6)
    assert not gone["is_up"]
    assert "The supervisor is gone" in gone["note"]

    # Up again: schedules stayed on, what died is told, and SIGTERM ends it all, with a flow under way.
    machine.asked("up", "--detach")
    assert not machine.deployment("daily")["paused"], "Prefect's default would pause it for good"
    assert machine.flow_run(running)["state_type"] in ("CRASHED", "CANCELLED")
    with machine.workspace.lock("daily"):
        ended = machine.started_daily()
        state = machine.state
        family = family_of(state)
        family[0].terminate()
        _, alive = psutil.wait_procs(family, timeout=STOP_SECONDS + 10)
        assert alive == [], machine.logs()
        assert marked(state.mark) == []
    assert ended
    assert read_state(machine.home) is None
    assert machine.asked("down") == {"was_up": False, "left_behind_count": 0}
    assert machine.asked("status", code=6)["note"] == "Nothing is up. Start it with `holdback up`."


def test_a_port_that_is_taken_is_told_before_anything_is_started(machine: Machine) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", int(machine.environment["HOLDBACK_MLFLOW_PORT"])))
        other.listen()
        done = machine.run("up", "--detach")
    assert done.returncode == 6
    assert "HOLDBACK_MLFLOW_PORT: mlflow cannot listen on 127.0.0.1" in done.stderr
    assert f"process {os.getpid()}" in done.stderr
    assert "Nothing was started." in done.stderr
    assert read_state(machine.home) is None
