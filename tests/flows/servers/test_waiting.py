"""Who waits for `up` is told how it is: never that all is well when it is not, and not after minutes that it failed."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
import typer
from filelock import FileLock
from typer.testing import CliRunner, Result

from flows.cli.servers import _detached, add_to
from flows.servers.looking import last_lines
from flows.servers.processes import Identity, identify
from flows.servers.states import Condition, ServerState, UpState, write_state
from flows.servers.waiting import as_it_is, living_state, wait_until_well
from holdback.errors import Busy, OperatorError
from tests.flows.shop import BUSINESS
from tests.servers import free_port

GONE = Identity(2**22 + 1, "never/0")


def me() -> Identity:
    found = identify(os.getpid())
    assert found is not None
    return found


def server(name: str, condition: Condition, process: Identity | None, log: str = "/log", why: str = "") -> ServerState:
    address = f"http://127.0.0.1:{free_port()}/"  # nobody answers there
    return ServerState(name, condition, address, address, process, process, datetime(2026, 3, 1), 0, log, why)


def state(business: Path, *servers: ServerState, supervisor: Identity | None = None) -> UpState:
    return UpState(
        "mark", supervisor or me(), str(business), "shop", "Europe/Madrid", datetime(2026, 3, 1), servers,
        "http://127.0.0.1:9/api", {},
    )  # fmt: skip


@pytest.fixture
def business(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(BUSINESS.format(folder=tmp_path))
    monkeypatch.setenv("HOLDBACK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOLDBACK_BUSINESS", str(path))
    (tmp_path / "home").mkdir()
    return path


def up(home: Path, *arguments: str) -> Result:
    app = typer.Typer()
    add_to(app)
    with FileLock(home / "servers.lock"):  # as the supervisor that is up holds it
        return CliRunner().invoke(app, ["up", *arguments])


def test_what_was_written_is_made_true() -> None:
    written = state(
        Path("/shop.yaml"), server("mlflow", "up", me()), server("portal", "up", GONE), server("worker", "failed", None)
    )
    assert written.servers[0].condition == "up"
    seen = {one.name: (one.condition, one.server, one.why) for one in as_it_is(written).servers}
    assert seen == {
        "mlflow": ("unhealthy", me(), "it does not answer"),
        "portal": ("waiting", None, "its process is gone"),
        "worker": ("failed", None, ""),
    }


def test_up_said_twice_does_not_call_well_what_was_killed(business: Path, tmp_path: Path) -> None:
    write_state(tmp_path / "home", state(business, server("portal", "up", GONE), server("worker", "up", GONE)))
    done = up(tmp_path / "home", "--json")
    assert done.exit_code == 6
    said = json.loads(done.stdout)
    assert (said["was_up_already"], said["is_healthy"]) == (True, False)
    assert [(one["condition"], one["pid"]) for one in said["servers"]] == [("waiting", None), ("waiting", None)]
    shown = up(tmp_path / "home")
    assert shown.exit_code == 6
    assert "shop is up already, and not everything is well" in shown.output


def test_up_said_twice_with_detach_tells_what_failed_and_does_not_wait(business: Path, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    advice = "Set it to a time of day " + "x" * 300 + " such as 05:15"
    log.write_text(f"{advice}\n")
    failed = server("worker", "failed", None, str(log), "ended with exit code 1, 6 times")
    write_state(tmp_path / "home", state(business, failed))
    error = up(tmp_path / "home", "--detach").exception
    assert isinstance(error, OperatorError)
    assert "worker failed: ended with exit code 1, 6 times" in str(error)
    assert advice in str(error), "the advice at the end of a line is not cut"
    assert last_lines(log) == (advice[:200],)


def test_up_for_another_business_is_refused(business: Path, tmp_path: Path) -> None:
    write_state(tmp_path / "home", state(tmp_path / "kiosk.yaml", server("portal", "up", GONE)))
    assert isinstance(up(tmp_path / "home", "--json").exception, Busy)


def test_a_supervisor_that_has_not_said_yet_what_it_starts_is_no_success(tmp_path: Path) -> None:
    with pytest.raises(Busy, match="has not said yet what it starts"):
        living_state(tmp_path, seconds=0)
    write_state(tmp_path, state(tmp_path / "shop.yaml", supervisor=GONE))  # of the one before it
    with pytest.raises(Busy):
        living_state(tmp_path, seconds=0)


def test_the_wait_ends_when_what_is_waited_for_ends(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"up: the supervisor ended \(exit code 6\)"):
        wait_until_well(tmp_path, lambda _: True, lambda: "the supervisor ended (exit code 6)", seconds=60)
    write_state(tmp_path, replace(state(tmp_path / "shop.yaml"), servers=(server("mlflow", "up", me()),)))
    with pytest.raises(OperatorError, match="not everything is up after 0 s"):
        wait_until_well(tmp_path, lambda _: True, lambda: "", seconds=0.01)


@pytest.mark.parametrize(
    ("variable", "value"), [("HOLDBACK_DAILY_AT", "25:00"), ("HOLDBACK_CATCH_UP_DAYS", "-1"), ("HOLDBACK_HOST", "x")]
)
def test_a_variable_that_nobody_can_read_is_told_before_anything_is_started(
    business: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    app = typer.Typer()
    add_to(app)
    error = CliRunner().invoke(app, ["up"]).exception
    assert isinstance(error, OperatorError)
    assert str(error).startswith(f"{variable}: must be")
    assert str(error).endswith("Nothing was started.")
    assert not (tmp_path / "home" / "servers.json").exists()


def test_of_two_ups_said_at_once_the_slower_waits_for_the_faster(business: Path, tmp_path: Path) -> None:
    write_state(tmp_path / "home", state(business, server("portal", "up", GONE), server("worker", "failed", None)))
    with FileLock(tmp_path / "home" / "servers.lock"), pytest.raises(OperatorError, match="worker failed"):
        _detached(business, as_json=True)
