"""Which servers one machine needs, and how each is started: on loopback, over the workspace's own files.

What the environment says is somewhere else (``PREFECT_API_URL``, ``HOLDBACK_MLFLOW_URL``) is not started here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from flows.servers.deployments import daily_time
from flows.servers.ports import Listening, host_of, listening
from flows.servers.processes import MARK
from holdback.workspace import Workspace

#: Seconds that a server may take to end before it is killed. The worker ends its flows, and says so to Prefect, first.
GRACE_SECONDS = {"worker": 15.0, "portal": 3.0, "mlflow": 7.0, "prefect": 7.0}
#: Set where Prefect is the company's: other machines may run the same deployments.
SHARED = "HOLDBACK_PREFECT_IS_SHARED"
#: The longest that ``down`` can take: the worker ends first, then the others at the same time; then nothing is left.
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Server:
    """One server to be started.

    Attributes:
        name: ``prefect``, ``mlflow``, ``portal`` or ``worker``.
        command: What is run.
        environment: The whole environment it gets.
        address: What to type into a browser.
        health_url: Answers 200 when it is well.
        place: Where it listens.
        needs: Servers that must be up before it is started.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    address: str
    health_url: str
    place: Listening
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The servers of this machine, and what is somewhere else."""

    servers: tuple[Server, ...]
    prefect_api: str
    elsewhere: Mapping[str, str]
    warnings: tuple[str, ...]


def plan(workspace: Workspace, business: Path, mark: str, environment: Mapping[str, str]) -> Plan:
    """Return what is to be started for a business.

    Args:
        workspace: The business' workspace.
        business: Its file.
        mark: What every process carries.
        environment: Where ports, host and servers that are somewhere else are named.

    Raises:
        OperatorError: a port, the host or another variable cannot be used.
    """
    daily_time(environment.get("HOLDBACK_DAILY_AT"))  # the worker reads it, minutes after everything else was started
    elsewhere = {
        name: environment[variable]
        for name, variable in (("prefect", "PREFECT_API_URL"), ("mlflow", "HOLDBACK_MLFLOW_URL"))
        if environment.get(variable)
    }
    places = listening(
        environment, [name for name in ("prefect", "mlflow", "portal", "worker") if name not in elsewhere]
    )
    api = elsewhere["prefect"] if "prefect" in elsewhere else f"http://{places['prefect'].reached_at}/api"
    common = {**environment, **_of_all(workspace, business, api, environment)}
    servers = []
    if "prefect" in places:
        servers.append(_prefect(places["prefect"], common))
    if "mlflow" in places:
        servers.append(_mlflow(places["mlflow"], common, workspace))
    servers.append(_portal(places["portal"], common))
    servers.append(_worker(places["worker"], common, needs=("prefect",) if "prefect" in places else ()))
    servers = [replace(one, environment={**one.environment, MARK: f"{mark}/{one.name}"}) for one in servers]
    return Plan(tuple(servers), api, elsewhere, tuple(_warnings(places)))


def _of_all(workspace: Workspace, business: Path, api: str, environment: Mapping[str, str]) -> dict[str, str]:
    said = {
        "PYTHONUNBUFFERED": "1",
        "HOLDBACK_HOME": str(workspace.root.resolve()),
        "HOLDBACK_BUSINESS": str(business.resolve()),
        "PREFECT_API_URL": api,
        SHARED: "true" if environment.get("PREFECT_API_URL") else "",
    }
    password = environment.get("PREFECT_SERVER_API_AUTH_STRING")
    return (
        {**said, "PREFECT_API_AUTH_STRING": password}
        if password and "PREFECT_API_AUTH_STRING" not in environment
        else said
    )


def _prefect(place: Listening, common: Mapping[str, str]) -> Server:
    address = f"http://{place.reached_at}"
    own_pages = ",".join(dict.fromkeys((address, f"http://localhost:{place.port}")))
    environment = {
        **common,
        # Without these a page on the internet that somebody reads on this machine could start flows here.
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": common.get("PREFECT_SERVER_CORS_ALLOWED_ORIGINS", own_pages),
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_UI_API_URL": common.get("PREFECT_UI_API_URL", f"{address}/api"),
        "PREFECT_SERVER_LOGGING_LEVEL": common.get("PREFECT_SERVER_LOGGING_LEVEL", "WARNING"),
    }
    command = ("-m", "prefect", "--no-prompt", "server", "start", "--host", place.host, "--port", str(place.port))
    return Server("prefect", (sys.executable, *command), environment, address, f"{address}/api/health", place)


def _mlflow(place: Listening, common: Mapping[str, str], workspace: Workspace) -> Server:
    """Serve the store that flows read and write without a server.

    Artifacts are not proxied: an experiment made through a proxy has addresses (``mlflow-artifacts:/``) that only a
    server can read, and flows must go on when this one is away.
    """
    address = f"http://{place.reached_at}"
    command = (
        "-m", "mlflow", "server", "--host", place.host, "--port", str(place.port), "--workers", "1",
        "--backend-store-uri", workspace.mlflow_uri, "--no-serve-artifacts",
        "--default-artifact-root", workspace.mlflow_artifacts.as_uri(),
        "--allowed-hosts", f"{place.reached_at},localhost:{place.port}",
    )  # fmt: skip
    environment = {**common, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # a second process that nobody needs
    return Server("mlflow", (sys.executable, *command), environment, address, f"{address}/health", place)


def _portal(place: Listening, common: Mapping[str, str]) -> Server:
    address = f"http://{place.reached_at}/"
    called = "from flows.cli import main; main()"
    command = (sys.executable, "-c", called, "portal", "serve", "--host", place.host, "--port", str(place.port))
    return Server("portal", command, common, address, address, place)


def _worker(place: Listening, common: Mapping[str, str], *, needs: tuple[str, ...]) -> Server:
    address = f"http://{place.reached_at}/health"
    command = (sys.executable, "-m", "flows.servers.worker", place.host, str(place.port))
    return Server("worker", command, common, address, address, place, needs)


def _warnings(places: Mapping[str, Listening]) -> list[str]:
    host = places["portal"].host
    if host_of({}) == host or host.startswith("127.") or host == "::1":
        return []
    said = [f"HOLDBACK_HOST={host}: other machines can reach this one, and nothing is encrypted (no TLS)."]
    if "prefect" in places:
        said.append(
            "Prefect asks for the name and password of PREFECT_SERVER_API_AUTH_STRING; its pages work elsewhere once "
            "PREFECT_UI_API_URL names this machine as browsers reach it (http://NAME:PORT/api)."
        )
    said.append("The site asks for nothing: everybody who reaches it reads it. It holds aggregates only.")
    said.append(
        "MLflow and the worker still answer this machine alone. docs/in-a-company.md says how to put TLS before."
    )
    return said


def current_environment() -> dict[str, str]:
    """Return the environment that servers are planned from."""
    return dict(os.environ)
