"""Ports are asked before anything is started, and nobody listens to other machines unless somebody said so."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from flows.servers.plans import SHARED, plan
from flows.servers.ports import LOOPBACK, PORTS, Listening, host_of, listening, refuse_taken
from flows.servers.processes import MARK
from holdback.business import load_business
from holdback.errors import OperatorError
from holdback.workspace import Workspace
from tests.flows.shop import BUSINESS

ALL = ("prefect", "mlflow", "portal", "worker")


@pytest.fixture
def shop(tmp_path: Path) -> tuple[Workspace, Path]:
    path = tmp_path / "shop.yaml"
    path.write_text(BUSINESS.format(folder=tmp_path))
    return Workspace(tmp_path / "home", load_business(path)), path


def test_everything_listens_to_this_machine_alone() -> None:
    places = listening({}, ALL)
    assert {place.host for place in places.values()} == {LOOPBACK}
    assert {name: place.port for name, place in places.items()} == {name: port for name, (_, port) in PORTS.items()}


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"HOLDBACK_MLFLOW_PORT": "0"}, "HOLDBACK_MLFLOW_PORT: must be a port from 1 to 65535 (got '0')"),
        ({"HOLDBACK_MLFLOW_PORT": "http"}, "got 'http'"),
        ({"HOLDBACK_WORKER_PORT": "4200"}, "4200 is prefect's port too"),
        ({"HOLDBACK_HOST": "example.org"}, "must be an address of this machine"),
        ({"HOLDBACK_HOST": "0.0.0.0"}, "Set PREFECT_SERVER_API_AUTH_STRING=NAME:PASSWORD first"),
    ],
)
def test_what_cannot_be_is_refused(environment: dict[str, str], said: str) -> None:
    with pytest.raises(OperatorError) as refused:
        listening(environment, ALL)
    assert said in str(refused.value)
    assert "Nothing was started." in str(refused.value)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="who listens is read from /proc")
def test_a_port_that_is_taken_is_told_with_who_has_it_and_what_to_do() -> None:
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(OperatorError) as refused:
            refuse_taken([Listening("mlflow", "HOLDBACK_MLFLOW_PORT", LOOPBACK, port)])
    said = str(refused.value)
    assert f"mlflow cannot listen on {LOOPBACK}:{port}: it is taken by process {os.getpid()} (" in said
    assert "Stop that program, or set HOLDBACK_MLFLOW_PORT to a free port." in said
    refuse_taken([Listening("mlflow", "HOLDBACK_MLFLOW_PORT", LOOPBACK, port)])  # it has left


def test_only_prefect_and_the_site_ever_open_and_it_is_said_that_there_is_no_tls(shop: tuple[Workspace, Path]) -> None:
    environment = {"HOLDBACK_HOST": "0.0.0.0", "PREFECT_SERVER_API_AUTH_STRING": "ann:secret"}
    assert host_of(environment) == "0.0.0.0"
    planned = plan(*shop, "mark", environment)
    hosts = {server.name: server.place.host for server in planned.servers}
    assert hosts == {"prefect": "0.0.0.0", "mlflow": LOOPBACK, "portal": "0.0.0.0", "worker": LOOPBACK}
    said = " ".join(planned.warnings)
    assert "no TLS" in said
    assert "PREFECT_SERVER_API_AUTH_STRING" in said
    assert "secret" not in said
    assert "secret" not in repr(planned)


def test_nothing_is_said_and_nothing_is_open_when_nobody_asked_for_it(shop: tuple[Workspace, Path]) -> None:
    hostile = {"PREFECT_SERVER_API_HOST": "0.0.0.0", "MLFLOW_HOST": "0.0.0.0", "UVICORN_HOST": "0.0.0.0"}
    planned = plan(*shop, "mark", hostile)
    assert planned.warnings == ()
    for server in planned.servers:
        assert server.place.host == LOOPBACK
        assert LOOPBACK in server.command, "the command line says it: no variable of the environment is asked"


def test_what_the_environment_says_is_somewhere_else_is_not_started(shop: tuple[Workspace, Path]) -> None:
    company = {
        "PREFECT_API_URL": "https://prefect.example.org/api",
        "HOLDBACK_MLFLOW_URL": "https://mlflow.example.org",
    }
    planned = plan(*shop, "mark", company)
    assert [server.name for server in planned.servers] == ["portal", "worker"]
    assert planned.elsewhere == {"prefect": company["PREFECT_API_URL"], "mlflow": company["HOLDBACK_MLFLOW_URL"]}
    assert planned.prefect_api == company["PREFECT_API_URL"]


def test_an_empty_address_means_a_server_of_our_own_which_nobody_shares(shop: tuple[Workspace, Path]) -> None:
    planned = plan(*shop, "mark", {"PREFECT_API_URL": ""})
    assert [server.name for server in planned.servers] == ["prefect", "mlflow", "portal", "worker"]
    assert {server.environment[SHARED] for server in planned.servers} == {""}


def test_a_time_that_the_worker_could_not_read_is_told_before_anything_is_started(shop: tuple[Workspace, Path]) -> None:
    with pytest.raises(OperatorError, match="HOLDBACK_DAILY_AT: must be a time of day"):
        plan(*shop, "mark", {"HOLDBACK_DAILY_AT": "25:00"})


def test_each_process_carries_its_mark_and_finds_prefect(shop: tuple[Workspace, Path]) -> None:
    for server in plan(*shop, "abc", {}).servers:
        assert server.environment[MARK] == f"abc/{server.name}"
        assert server.environment["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"
