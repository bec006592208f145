"""The doctor finds what would be noticed at night: a variable that nobody can read, a server that is gone."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest

from flows.diagnosis import Finding, examine, faults_of_settings
from flows.servers.processes import Identity, identify
from flows.servers.states import UpState, write_state
from tests.servers import free_port


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("HOLDBACK_")] + ["PREFECT_API_URL"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOLDBACK_HOME", str(tmp_path))
    return tmp_path


def found(what: str) -> Finding:
    return next(one for one in examine(None) if one.what == what)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HOLDBACK_TASK_RUNNER", "foo"), ("HOLDBACK_CATCH_UP_DAYS", "-1"), ("HOLDBACK_DAILY_AT", "25:00"),
        ("HOLDBACK_THREADS", "many"), ("HOLDBACK_WORKER_PORT", "x"), ("HOLDBACK_HOST", "example.org"),
        ("HOLDBACK_LOG_FORMAT", "yaml"), ("HOLDBACK_DATABASE_URL", "mysql://u:hunter2@db/x"),
        ("HOLDBACK_SPARK_MASTER", "http://x"), ("HOLDBACK_DATABASE_URL", ""),
    ],
)  # fmt: skip
def test_a_variable_that_nobody_can_read_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    [fault] = faults_of_settings(os.environ)
    assert fault.startswith(f"{variable}: must ")
    assert "hunter2" not in fault


def test_the_doctor_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found("settings").is_ok
    monkeypatch.setenv("HOLDBACK_CATCH_UP_DAYS", "-1")
    finding = found("settings")
    assert not finding.is_ok
    assert finding.found.startswith("HOLDBACK_CATCH_UP_DAYS: must be a whole number of days")
    assert finding.remedy


def up(home: Path, supervisor: Identity | None, api: str) -> None:
    assert supervisor is not None
    write_state(
        home, UpState("m", supervisor, "/shop.yaml", "shop", "Europe/Madrid", datetime(2026, 3, 1), (), api, {})
    )


def test_the_server_of_up_is_asked(home: Path) -> None:
    assert "none configured" in found("Prefect server").found
    port = free_port()
    up(home, identify(os.getpid()), f"http://127.0.0.1:{port}/api")
    finding = found("Prefect server")
    assert not finding.is_ok
    assert f"http://127.0.0.1:{port}/api" in finding.found
    assert "holdback status" in finding.remedy


def test_a_supervisor_that_is_gone_is_told(home: Path) -> None:
    up(home, Identity(2**22 + 1, "never/0"), "http://127.0.0.1:9/api")
    finding = found("Prefect server")
    assert not finding.is_ok
    assert "`holdback up`" in finding.remedy
