"""Commands about this machine's servers: ``up``, ``down``, ``status``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import AsJson, BusinessFile, bold, print_json, show, table_of, workspace_of

if TYPE_CHECKING:
    from flows.servers.looking import Status
    from flows.servers.states import UpState

_UP_EXAMPLES = """\b
Examples:
  holdback up                                   until Ctrl-C
  holdback up --detach --json                   in the background; `holdback down` ends it
  HOLDBACK_PREFECT_PORT=4300 holdback up        on another port
\b
Ports: HOLDBACK_PREFECT_PORT 4200, HOLDBACK_MLFLOW_PORT 5000, HOLDBACK_PORTAL_PORT 8080, HOLDBACK_WORKER_PORT 4210.
All listen to this machine alone (HOLDBACK_HOST 127.0.0.1). HOLDBACK_DAILY_AT 05:15, the business' local time.
"""
_DOWN_EXAMPLES = "\b\nExamples:\n  holdback down\n  holdback down --json"
_STATUS_EXAMPLES = "\b\nExamples:\n  holdback status\n  holdback status --json || echo 'call somebody'"

_WAIT_SECONDS = 300.0
_FIRST_WORD_SECONDS = 15.0
_NOT_WELL = 6


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command(epilog=_UP_EXAMPLES)(up)
    app.command(epilog=_DOWN_EXAMPLES)(down)
    app.command(epilog=_STATUS_EXAMPLES)(status)


def up(
    business: BusinessFile = None,
    detach: Annotated[bool, typer.Option("--detach", help="Go to the background once everything is up.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start Prefect, MLflow, the site and a worker on this machine, and keep them up.

    Flows run by themselves: daily in the business' local time, triggers each hour. A server that ends is started again.
    Said twice it changes nothing: it says how everything is (exit code 6 when not all is well).
    """
    from filelock import FileLock, Timeout

    from flows import settings

    workspace_of(business)  # a faulty business file is told before anything is started
    home = settings.home()
    lock = FileLock(home / "servers.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _already(business or settings.business_path(), detach=detach, as_json=as_json)
        return
    if detach:
        lock.release()
        _detached(business, as_json=as_json)
        return
    try:
        _watch(business, as_json=as_json)
    finally:
        lock.release()


def _already(business: Path, *, detach: bool, as_json: bool) -> None:
    """Say how it is, once it is known for which business it is up; with ``detach``, once everything is well.

    Raises:
        Busy: it is up for another business, or does not say for which.
        OperatorError: it ended, failed, or does not become well in time.
    """
    from flows import settings
    from flows.servers.processes import is_alive
    from flows.servers.waiting import as_it_is, living_state, wait_until_well

    home = settings.home()
    state = living_state(home, seconds=_FIRST_WORD_SECONDS)
    _refuse_another(state, business)
    if detach:
        supervisor = state.supervisor
        state = wait_until_well(
            home,
            lambda found: found.supervisor == supervisor,
            lambda: "" if is_alive(supervisor) else "what was up has ended meanwhile. Say it again.",
            seconds=_WAIT_SECONDS,
        )
    state = as_it_is(state)
    _tell_addresses(state, is_new=False, as_json=as_json)
    if not state.is_healthy:
        raise typer.Exit(_NOT_WELL)


def _refuse_another(state: UpState, business: Path) -> None:
    """Check that what is up is up for this business.

    Raises:
        Busy: it is up for another one.
    """
    from holdback.errors import Busy

    if state.business != str(business.resolve()):
        raise Busy(
            f"up: it is up for {state.slug} ({state.business}). End that with `holdback down`, or give this business a "
            "folder (HOLDBACK_HOME) and ports of its own. Nothing was changed."
        )


def _watch(business: Path | None, *, as_json: bool) -> None:
    """Be the supervisor, until somebody ends it.

    Raises:
        OperatorError: a variable of ours cannot be read, or a port is taken.
    """
    import secrets

    from flows import settings
    from flows.diagnosis import faults_of_settings
    from flows.servers.plans import current_environment, plan
    from flows.servers.ports import refuse_taken
    from flows.servers.states import read_state
    from flows.servers.supervision import Supervisor, first_state, take_down
    from holdback.errors import OperatorError

    workspace = workspace_of(business)
    faults = list(faults_of_settings(os.environ))  # most are read by a server only, minutes later, or at night
    if faults:
        raise OperatorError("\n".join([*faults, "Nothing was started."]))
    home, path = settings.home(), business or settings.business_path()
    left = read_state(home)
    if left is not None:
        ended = take_down(home, left)  # its supervisor is dead: nobody else could hold the lock
        if ended:
            typer.echo(f"ended {len(ended)} processes that a dead supervisor had left", err=True)
    mark = secrets.token_hex(16)
    planned = plan(workspace, path, mark, current_environment())
    refuse_taken(server.place for server in planned.servers)
    for warning in planned.warnings:
        typer.echo(f"warning: {warning}", err=True)
    (workspace.root / "mlflow").mkdir(parents=True, exist_ok=True)
    state = first_state(
        home, planned, mark=mark, business=path, slug=workspace.business.slug, time_zone=workspace.business.time_zone
    )

    def tell(said: str) -> None:
        typer.echo(said, err=True)

    typer.echo("starting; the first time takes a minute", err=True)
    Supervisor(home, planned, state, tell).run(
        when_up=lambda found: _tell_addresses(found, is_new=True, as_json=as_json)
    )
    typer.echo("everything is down", err=True)


def _detached(business: Path | None, *, as_json: bool) -> None:
    """Start a supervisor of its own, and wait until everything is up.

    Raises:
        OperatorError: it ended, a server failed, or not everything is up in time.
    """
    from flows import settings
    from flows.servers.looking import last_lines
    from flows.servers.processes import is_alive
    from flows.servers.states import read_state
    from flows.servers.waiting import wait_until_well
    from holdback.errors import OperatorError

    log = settings.home() / "logs" / "up.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-c",
        "from flows.cli import main; main()",
        "up",
        *(["--business", str(business)] if business else []),
    ]
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as said:
        supervisor = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
        )

    def has_ended() -> str:
        if supervisor.poll() is None:
            return ""
        lines = "\n".join(last_lines(log, 12, width=None))
        return f"the supervisor ended (exit code {supervisor.returncode}). It said:\n{lines}"

    home = settings.home()
    try:
        state = wait_until_well(
            home, lambda found: found.supervisor.pid == supervisor.pid, has_ended, seconds=_WAIT_SECONDS
        )
    except OperatorError:
        other = read_state(home)
        if other is None or other.supervisor.pid == supervisor.pid or not is_alive(other.supervisor):
            raise
        _already(business or settings.business_path(), detach=True, as_json=as_json)  # it was said twice at once
        return
    _tell_addresses(state, is_new=True, as_json=as_json)


def _tell_addresses(state: UpState, *, is_new: bool, as_json: bool) -> None:
    servers: list[dict[str, Any]] = [
        {
            "name": one.name, "condition": one.condition, "address": one.address,
            "pid": one.server.pid if one.server else None, "why": one.why,
        }
        for one in state.servers
    ]  # fmt: skip
    if as_json:
        print_json(
            {
                "was_up_already": not is_new, "is_healthy": state.is_healthy, "servers": servers,
                "elsewhere": state.elsewhere,
            }
        )  # fmt: skip
        return
    how = "" if is_new else (" already" if state.is_healthy else " already, and not everything is well")
    table = table_of(f"{state.slug} is up{how}", "server", "state", "address", "what")
    for one in state.servers:
        table.add_row(one.name, one.condition, one.address, _WHAT[one.name])
    for name, address in state.elsewhere.items():
        table.add_row(name, "elsewhere", address, "not started here: the environment names it")
    show(table, "`holdback status` says how they are, `holdback down` ends them.")


_WHAT = {
    "prefect": "runs and schedules",
    "mlflow": "models",
    "portal": "the site that people read",
    "worker": "runs the flows (its health)",
}


def down(as_json: AsJson = False) -> None:
    """End everything that `holdback up` started on this machine. Within 30 seconds nothing of it is left.

    Flows that run are ended too; the next daily run goes on from there.
    """
    from flows import settings
    from flows.servers.processes import is_alive
    from flows.servers.states import read_state
    from flows.servers.supervision import take_down

    state = read_state(settings.home())
    if state is None:
        ended, was_up = 0, False
    else:
        was_up = is_alive(state.supervisor)
        ended = len(take_down(settings.home(), state))
    if as_json:
        print_json({"was_up": was_up, "left_behind_count": ended})
        return
    if state is None:
        typer.echo("nothing was up")
        return
    typer.echo("everything is down" + (f"; {ended} processes had been left behind and were ended" if ended else ""))


def status(as_json: AsJson = False) -> None:
    """Say how this machine's servers are, what runs next and how the last daily run ended.

    Exit code 6 when not all is well.
    """
    from flows import settings
    from flows.servers.looking import look

    settings.prepare_vendors()
    found = look(settings.home())
    if as_json:
        print_json(found)
    else:
        _tell_status(found)
    if not found.is_healthy:
        raise typer.Exit(_NOT_WELL)


def _tell_status(found: Status) -> None:
    if found.servers:
        table = table_of("Servers", "server", "state", "address", "#pid", "#up for", "answers", "#restarts")
        for one in found.servers:
            uptime = "" if one.uptime_seconds is None else _spoken(one.uptime_seconds)
            answered = "yes" if one.is_well else "no"
            table.add_row(
                one.name, one.condition, one.address, str(one.pid or ""), uptime, answered, str(one.restart_count)
            )
        for name, address in found.elsewhere.items():
            table.add_row(name, "elsewhere", address, "", "", "", "")
        show(table)
    for one in found.servers:
        if one.why or not one.is_well:
            show(bold(f"{one.name}: {one.why or 'it does not answer'} ({one.log})"))
            show(*(f"  {line}" for line in one.log_lines))
    if found.coming:
        table = table_of(f"Next runs ({found.time_zone})", "flow", "starts")
        for run in found.coming:
            table.add_row(run.flow, f"{run.starts_at:%Y-%m-%d %H:%M %z}")
        show(table)
    if found.last_daily is not None:
        last = found.last_daily
        why = f": {last.message}" if last.message else ""
        show(f"last daily run: {last.started_at:%Y-%m-%d %H:%M}, {last.state}{why}")
    elif found.prefect_fault:
        show(bold(found.prefect_fault))
    elif found.is_up:
        show("last daily run: none that Prefect knows of")
    if found.note:
        show(found.note)


def _spoken(seconds: int) -> str:
    """Write a length of time.

    Examples:
        >>> _spoken(59), _spoken(3_700), _spoken(200_000)
        ('59 s', '1 h 1 min', '2 d 7 h')
    """
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds} s"
