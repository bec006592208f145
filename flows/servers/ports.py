"""Where the servers listen, asked before anything is started: a port that is taken is told with who has it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from holdback.errors import OperatorError

LOOPBACK: Final = "127.0.0.1"

#: The port of each server: its variable, and what holds when nobody says otherwise.
PORTS: Final = {
    "prefect": ("HOLDBACK_PREFECT_PORT", 4200),
    "mlflow": ("HOLDBACK_MLFLOW_PORT", 5000),
    "portal": ("HOLDBACK_PORTAL_PORT", 8080),
    "worker": ("HOLDBACK_WORKER_PORT", 4210),
}


@dataclass(frozen=True)
class Listening:
    """Where one server listens, and which variable says so."""

    server: str
    variable: str
    host: str
    port: int

    @property
    def reached_at(self) -> str:
        """Host and port at which this machine reaches it."""
        host = self.host if not ip_address(self.host).is_unspecified else LOOPBACK
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


def host_of(environment: Mapping[str, str]) -> str:
    """Return the address on which the site and Prefect listen: loopback, unless ``HOLDBACK_HOST`` says otherwise.

    Raises:
        OperatorError: it is no address, or it would open Prefect to whoever reaches this machine.
    """
    host = environment.get("HOLDBACK_HOST", LOOPBACK)
    try:
        is_loopback = ip_address(host).is_loopback
    except ValueError as error:
        raise OperatorError(
            f"HOLDBACK_HOST: must be an address of this machine, such as 0.0.0.0 or 192.0.2.7 (got {host!r}). "
            "Nothing was started."
        ) from error
    if not is_loopback and not environment.get("PREFECT_SERVER_API_AUTH_STRING"):
        raise OperatorError(
            f"HOLDBACK_HOST: {host} opens Prefect to other machines, and whoever reaches it could start anything here. "
            "Set PREFECT_SERVER_API_AUTH_STRING=NAME:PASSWORD first, or leave HOLDBACK_HOST out. Nothing was started."
        )
    return host


def listening(environment: Mapping[str, str], servers: Iterable[str]) -> dict[str, Listening]:
    """Return where each server listens.

    MLflow and the worker never listen to other machines, whatever ``HOLDBACK_HOST`` says: neither has a password here.

    Raises:
        OperatorError: a port is no port, or two servers have the same.
    """
    host = host_of(environment)
    found: dict[str, Listening] = {}
    for server in servers:
        variable, default = PORTS[server]
        said = environment.get(variable, str(default))
        if not said.isdigit() or not 1 <= int(said) <= 65_535:
            raise OperatorError(f"{variable}: must be a port from 1 to 65535 (got {said!r}). Nothing was started.")
        place = Listening(server, variable, host if server in ("prefect", "portal") else LOOPBACK, int(said))
        same = next((other for other in found.values() if other.port == place.port), None)
        if same is not None:
            raise OperatorError(
                f"{variable}: {place.port} is {same.server}'s port too. Give each server its own. Nothing was started."
            )
        found[server] = place
    return found


def refuse_taken(places: Iterable[Listening]) -> None:
    """Check that nobody listens there yet.

    Raises:
        OperatorError: somebody does; the message says who, as far as this account may know, and what to do.
    """
    said = [_taken(place) for place in places]
    faults = [fault for fault in said if fault]
    if faults:
        raise OperatorError("\n".join([*faults, "Nothing was started."]))


def _taken(place: Listening) -> str:
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do: who left does not count
        try:
            probe.bind((place.host, place.port))
        except PermissionError:
            return f"{place.variable}: this account may not listen on port {place.port}. Choose one above 1023."
        except OSError as error:
            who = holder(place.port)
            if who is None and "address" in str(error) and "assign" in str(error):
                return f"HOLDBACK_HOST: this machine has no address {place.host}. Name one that it has."
            by = who or f"another program (`lsof -i :{place.port}` names it)"
            return (
                f"{place.variable}: {place.server} cannot listen on {place.host}:{place.port}: it is taken by {by}. "
                f"Stop that program, or set {place.variable} to a free port."
            )
    return ""


def holder(port: int) -> str | None:
    """Return who listens on a port, as ``process 12 (python -m http.server)``; None where it cannot be seen."""
    sockets = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:  # 0A: it listens
                    sockets.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").glob("[0-9]*") if sockets else ():
        with contextlib.suppress(OSError):
            if any(str(descriptor.readlink()) in sockets for descriptor in (process / "fd").iterdir()):
                words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                return f"process {process.name} ({words[:80]})"
    return None
