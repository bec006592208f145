"""What is written down about the servers that are up: ``.holdback/servers.json``, written whole or not at all."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from flows.servers.processes import Identity

Condition = Literal["starting", "up", "unhealthy", "waiting", "failed", "stopped"]
"""``waiting``: it ended, and is started again after a pause; ``failed``: it ended too often, and is only tried
every ten minutes."""

FILE = "servers.json"


@dataclass(frozen=True)
class ServerState:
    """One server as its supervisor sees it.

    Attributes:
        name: ``prefect``, ``mlflow``, ``portal`` or ``worker``.
        condition: How it is.
        address: What to type into a browser.
        health_url: What is asked to see whether it is well.
        server: Its process.
        keeper: The process that keeps it.
        since: When it was started last, naive UTC.
        restart_count: How often it was started again since ``up``.
        log: Its log.
        why: Why it is not up, in a sentence.
    """

    name: str
    condition: Condition
    address: str
    health_url: str
    server: Identity | None
    keeper: Identity | None
    since: datetime | None
    restart_count: int
    log: str
    why: str = ""


@dataclass(frozen=True)
class UpState:
    """Everything that is up.

    Attributes:
        mark: What all processes carry in their environment; see :mod:`flows.servers.processes`.
        supervisor: The process that watches the servers.
        business: The business file.
        slug: The business.
        time_zone: The business' time zone.
        started_at: When ``up`` was said, naive UTC.
        servers: The servers.
        prefect_api: Where Prefect answers, ours or the company's.
        elsewhere: What is not started here because the environment names a server: name to address.
    """

    mark: str
    supervisor: Identity
    business: str
    slug: str
    time_zone: str
    started_at: datetime
    servers: tuple[ServerState, ...]
    prefect_api: str
    elsewhere: dict[str, str]

    @property
    def is_healthy(self) -> bool:
        """True when every server is up."""
        return all(server.condition == "up" for server in self.servers)


def write_state(home: Path, state: UpState) -> None:
    """Write the state for other processes; it names processes and files, and no secrets."""
    home.mkdir(parents=True, exist_ok=True)
    new = home / f"{FILE}.{os.getpid()}"
    text = json.dumps(dataclasses.asdict(state), default=lambda value: value.isoformat(), indent=1)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(home / FILE)


def read_state(home: Path) -> UpState | None:
    """Return what was written last; None when nothing is there, or nothing that can be read."""
    try:
        read: dict[str, Any] = json.loads((home / FILE).read_text(encoding="utf-8"))
        servers = tuple(_server(one) for one in read.pop("servers"))
        supervisor = Identity(**read.pop("supervisor"))
        started_at = datetime.fromisoformat(read.pop("started_at"))
        return UpState(**read, servers=servers, supervisor=supervisor, started_at=started_at)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def forget_state(home: Path) -> None:
    """Remove what was written: nothing is up."""
    (home / FILE).unlink(missing_ok=True)


def _server(read: dict[str, Any]) -> ServerState:
    for name in ("server", "keeper"):
        read[name] = Identity(**read[name]) if read[name] else None
    since = read.pop("since")
    return ServerState(**read, since=datetime.fromisoformat(since) if since else None)
