"""A real Prefect server takes our deployments and schedules their runs.

Why this is tested at all: with FastAPI 0.151 or SQLAlchemy 2.1 every package's own metadata is satisfied, the server is
healthy, `prefect deploy` may even succeed, and not one run is ever scheduled. Nothing but a look at the runs shows it.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from datetime import time as time_of_day
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import yaml

from tests.house.tree import ROOT

PREFECT_FILE = ROOT / "infra" / "prefect.yaml"
SLUG = "grocer"
TIME_ZONE = "Pacific/Auckland"  # so far from any machine's that a run planned in the wrong zone is seen
START_SECONDS = 120.0  # seen: 11 s alone, 53 s on two cores with a load of 19
SCHEDULE_SECONDS = 90.0  # the scheduler looks for new deployments every 5 s


def _eventually(look: Callable[[], bool], *, within_seconds: float, what: str) -> None:
    """Look again and again until it is so; fail and say `what` was awaited when it never is."""
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        if look():
            return
        time.sleep(0.25)
    pytest.fail(f"{what}: not within {within_seconds:.0f} s")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Start a Prefect server in a home of its own; give the environment of its clients; end all its processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    api = f"http://127.0.0.1:{port}/api"
    environment = {
        **os.environ,
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_API_URL": api,
        "PREFECT_SERVER_UI_ENABLED": "false",
        "HOLDBACK_ROOT": str(ROOT),
        "HOLDBACK_BUSINESS": "businesses/groceries.yaml",
        "HOLDBACK_SLUG": SLUG,
        "HOLDBACK_TIME_ZONE": TIME_ZONE,
        "HOLDBACK_HOME": str(tmp_path / "holdback"),
    }
    log = (tmp_path / "server.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
        env=environment, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip

    def healthy() -> bool:
        assert process.poll() is None, f"the server ended:\n{(tmp_path / 'server.log').read_text()[-3000:]}"
        try:
            return httpx.get(f"{api}/health", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    try:
        _eventually(healthy, within_seconds=START_SECONDS, what="Prefect's server answers")
        yield environment
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # the whole session: the server starts a child of its own
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=15)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=15)
        log.close()


def _prefect(*arguments: str, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", *arguments],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    assert done.returncode == 0, f"prefect {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"


def _answer(environment: dict[str, str], path: str, **body: Any) -> list[dict[str, Any]]:
    answer = httpx.post(f"{environment['PREFECT_API_URL']}/{path}/filter", json=body, timeout=30)
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()
    return found


@pytest.mark.slow
def test_our_deployments_are_taken_and_their_runs_are_scheduled(server: dict[str, str]) -> None:
    wanted = yaml.safe_load(PREFECT_FILE.read_text(encoding="utf-8"))["deployments"]
    for pool in {deployment["work_pool"]["name"] for deployment in wanted}:
        _prefect("work-pool", "create", pool, "--type", "process", environment=server)

    _prefect("deploy", "--all", "--prefect-file", str(PREFECT_FILE), environment=server)

    found = _answer(server, "deployments")
    deployed = {deployment["entrypoint"]: deployment["id"] for deployment in found}
    assert set(deployed) == {deployment["entrypoint"] for deployment in wanted}
    assert {deployment["name"] for deployment in found} == {SLUG}
    assert all(deployment["tags"] == [f"holdback:{SLUG}"] for deployment in found)
    with_schedule = {deployed[deployment["entrypoint"]] for deployment in wanted if deployment.get("schedules")}
    assert with_schedule, "no deployment has a schedule"

    planned: list[dict[str, Any]] = []

    def all_scheduled() -> bool:
        planned[:] = _answer(server, "flow_runs", flow_runs={"state": {"type": {"any_": ["SCHEDULED"]}}})
        return {run["deployment_id"] for run in planned} >= with_schedule

    _eventually(
        all_scheduled, within_seconds=SCHEDULE_SECONDS, what="a run SCHEDULED for each deployment with a schedule"
    )
    daily = next(deployment for deployment in wanted if deployment["entrypoint"].endswith(":daily"))
    minute, hour, *_ = daily["schedules"][0]["cron"].split()
    starts = {
        datetime.fromisoformat(run["expected_start_time"]).astimezone(ZoneInfo(TIME_ZONE)).time()
        for run in planned
        if run["deployment_id"] == deployed[daily["entrypoint"]]
    }
    assert starts == {time_of_day(int(hour), int(minute))}
