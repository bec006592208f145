"""How the servers are, asked from outside: for ``holdback status``, also when the supervisor is dead."""

from __future__ import annotations

import base64
import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from flows import settings
from flows.servers.deployments import tag_of
from flows.servers.processes import is_alive
from flows.servers.states import ServerState, UpState, read_state
from flows.servers.supervision import answers, remains_of

_ANSWER_SECONDS = 10.0
_LOG_LINES = 5
_LINE_WIDTH = 200
_LOOKED_AT = 200


@dataclass(frozen=True)
class Seen:
    """One server as it is now.

    Attributes:
        name: Which.
        condition: ``up``, or what it is instead; ``down`` when its process is gone and nobody starts it again.
        address: What to type into a browser.
        pid: Its process; None when it has none.
        uptime_seconds: Since it was started last.
        is_well: True when it answered just now.
        restart_count: How often it was started again.
        why: Why it is not up.
        log: Where its log is.
        log_lines: The log's last lines, when it is not up.
    """

    name: str
    condition: str
    address: str
    pid: int | None
    uptime_seconds: int | None
    is_well: bool
    restart_count: int
    why: str
    log: str
    log_lines: tuple[str, ...]


@dataclass(frozen=True)
class Coming:
    """A run that Prefect has planned; ``starts_at`` is the business' local time with its offset."""

    flow: str
    starts_at: datetime


@dataclass(frozen=True)
class LastDaily:
    """The newest daily run that Prefect knows: when it started, by the business' clock, and its state."""

    started_at: datetime
    state: str
    message: str


@dataclass(frozen=True)
class Status:
    """Everything that ``holdback status`` tells.

    Attributes:
        is_up: True while the supervisor lives.
        is_healthy: True when every server is up and answers.
        business: The business' file; None when nothing is up.
        time_zone: Of the business.
        servers: Each server.
        elsewhere: Servers that the environment names, and that are not started here.
        coming: The next planned runs, in the business' local time.
        last_daily: The newest daily run; None when there was none, or Prefect could not be asked.
        prefect_fault: Why Prefect could not be asked what comes and what was, and what to do; empty when it could.
        remains: Processes that a dead supervisor left behind.
        note: What to do about it, in a sentence.
    """

    is_up: bool
    is_healthy: bool
    business: str | None
    time_zone: str | None
    servers: tuple[Seen, ...]
    elsewhere: dict[str, str]
    coming: tuple[Coming, ...]
    last_daily: LastDaily | None
    prefect_fault: str
    remains: tuple[int, ...]
    note: str


def look(home: Path) -> Status:
    """Return how everything is, now."""
    state = read_state(home)
    if state is None:
        return Status(False, False, None, None, (), {}, (), None, "", (), "Nothing is up. Start it with `holdback up`.")
    is_up = is_alive(state.supervisor)
    servers = tuple(_seen(one, is_up=is_up) for one in state.servers)
    remains = () if is_up else tuple(one.pid for one in remains_of(state))
    is_healthy = is_up and all(one.is_well and one.condition == "up" for one in servers)
    coming, last, fault = _asked(state) if is_up else ((), None, "")
    note = ""
    if not is_up:
        left = f"{len(remains)} of its processes live on. " if remains else ""
        note = f"The supervisor is gone without a word. {left}`holdback up` clears what is left and starts anew."
    elif not is_healthy:
        note = "Not everything is well: the logs say why. `holdback down`, then `holdback up` starts anew."
    return Status(
        is_up, is_healthy, state.business, state.time_zone, servers, dict(state.elsewhere), coming, last, fault,
        remains, note,
    )  # fmt: skip


def _seen(one: ServerState, *, is_up: bool) -> Seen:
    is_running = is_alive(one.server)
    is_well = is_running and answers(one.health_url)
    condition: str = one.condition if is_up else ("left behind" if is_running else "down")
    uptime = int((settings.now() - one.since).total_seconds()) if is_running and one.since is not None else None
    pid = one.server.pid if is_running and one.server is not None else None
    return Seen(
        name=one.name, condition=condition, address=one.address, pid=pid,
        uptime_seconds=uptime, is_well=is_well, restart_count=one.restart_count, why=one.why, log=one.log,
        log_lines=() if is_well else last_lines(Path(one.log)),
    )  # fmt: skip


def last_lines(log: Path, count: int = _LOG_LINES, *, width: int | None = _LINE_WIDTH) -> tuple[str, ...]:
    """Return the last lines of a log, cut at a width unless it is None; none when it cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 20_000))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ()
    return tuple(line[:width] for line in lines if line.strip())[-count:]


def _asked(state: UpState) -> tuple[tuple[Coming, ...], LastDaily | None, str]:
    """Ask Prefect what comes next and how the last daily run ended; or why it could not be asked."""
    zone = ZoneInfo(state.time_zone)
    tags = {"all_": [tag_of(state.slug)]}
    try:
        flows = {one["id"]: one["name"] for one in _prefect(state, "flows", limit=_LOOKED_AT)}
        planned = _prefect(
            state, "flow_runs", flow_runs={"state": {"type": {"any_": ["SCHEDULED"]}}, "tags": tags},
            sort="EXPECTED_START_TIME_ASC", limit=_LOOKED_AT,
        )  # fmt: skip
        daily = _prefect(
            state, "flow_runs", flows={"name": {"any_": ["daily"]}},
            flow_runs={"start_time": {"is_null_": False}, "tags": tags}, sort="START_TIME_DESC", limit=1,
        )  # fmt: skip
    except (OSError, ValueError, KeyError) as fault:
        return (), None, _why_not_asked(fault)
    first = {one["flow_id"]: one for one in reversed(planned)}  # the next one of each flow
    coming = tuple(
        Coming(flows.get(one["flow_id"], "?"), _instant(one["expected_start_time"]).astimezone(zone))
        for one in sorted(first.values(), key=lambda one: str(one["expected_start_time"]))
    )
    last = None
    if daily:
        was = daily[0]["state"] or {}
        last = LastDaily(
            _instant(daily[0]["start_time"]).astimezone(zone), was.get("name") or "?", (was.get("message") or "")[:300]
        )
    return coming, last, ""


def _why_not_asked(fault: Exception) -> str:
    if isinstance(fault, urllib.error.HTTPError):
        if fault.code in (401, 403):
            return (
                f"Prefect could not be asked ({fault.code}): it wants a name and a password. Set "
                "PREFECT_API_AUTH_STRING=NAME:PASSWORD here, the one that `holdback up` was started with."
            )
        return f"Prefect could not be asked ({fault.code}). Its log says why."
    return f"Prefect could not be asked ({type(fault).__name__}). Try again in a minute; its log says why."


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)


def _prefect(state: UpState, what: str, **body: Any) -> list[dict[str, Any]]:
    """Ask Prefect without loading it: two seconds are long for somebody who wants to know whether all is well."""
    headers = {"Content-Type": "application/json"}
    password = os.environ.get("PREFECT_API_AUTH_STRING") or os.environ.get("PREFECT_SERVER_API_AUTH_STRING")
    if password:
        headers["Authorization"] = f"Basic {base64.b64encode(password.encode()).decode()}"
    headers.update(_csrf(state, headers))
    request = urllib.request.Request(f"{state.prefect_api}/{what}/filter", json.dumps(body).encode(), headers)
    with _opener().open(request, timeout=_ANSWER_SECONDS) as answer:
        found: list[dict[str, Any]] = json.load(answer)
    return found


def _csrf(state: UpState, headers: dict[str, str]) -> dict[str, str]:
    client = "holdback-status"
    request = urllib.request.Request(f"{state.prefect_api}/csrf-token?client={client}", headers=headers)
    try:
        with _opener().open(request, timeout=_ANSWER_SECONDS) as answer:
            return {"Prefect-Csrf-Token": json.load(answer)["token"], "Prefect-Csrf-Client": client}
    except urllib.error.HTTPError:  # it asks for none
        return {}


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))
