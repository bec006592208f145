"""Flow runs that Prefect believes to be running although their process is dead, told apart from those that live.

Each flow run keeps a file locked while it lives (``<workspace>/flow-runs/MACHINE--ID``); the system gives the lock up
when the process dies, however it dies. So a run whose file can be locked is dead, and no clock has to be asked:
Prefect's own way (no heartbeat for some time) would also end the runs of a laptop that was asleep. A machine is known
by its name, a container that is replaced by ``HOLDBACK_MACHINE``.
"""

from __future__ import annotations

import contextlib
import glob
import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from filelock import FileLock, Timeout

from flows.servers.deployments import tag_of
from flows.servers.plans import SHARED
from holdback.workspace import Workspace

FOLDER = "flow-runs"
MESSAGE = (
    "its process is dead: it ended without a word (killed, or the machine went down). The next run goes on from there."
)

_KEPT_SECONDS = 30 * 86_400.0
_living: dict[UUID, tuple[FileLock, Path]] = {}

logger = logging.getLogger("holdback.zombies")


def stand_in_for(workspace: Workspace, flow_run_id: UUID) -> None:
    """Say that this process runs a flow run, until :func:`leave` is called or the process ends.

    The file is locked before it gets its name, so that nobody finds it unlocked while the run lives.
    """
    if flow_run_id in _living:
        return
    folder = workspace.folder / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    unnamed = folder / f".{flow_run_id}"
    lock = FileLock(unnamed, thread_local=False)
    lock.acquire()
    place = folder / _name(flow_run_id)
    unnamed.replace(place)
    _living[flow_run_id] = (lock, place)


def come(workspace: Workspace, flow_run_id: str | None) -> None:
    """Begin a flow run: tell Prefect of those that died, and stand in for this one.

    Prefect's picture is mended here, not the data: what cannot be mended now is mended by the next run.
    """
    try:
        for said in reap_runs(workspace):
            logger.warning("%s", said)
    except Exception as fault:  # noqa: BLE001 - a server that is away must not stop the day
        logger.warning("dead runs could not be told to Prefect (%s): the next run does it", type(fault).__name__)
    if flow_run_id is not None:
        stand_in_for(workspace, UUID(flow_run_id))


def leave(flow_run_id: UUID) -> None:
    """Say that this process no longer runs a flow run."""
    lock, place = _living.pop(flow_run_id, (None, None))
    if lock is not None and place is not None:
        place.unlink(missing_ok=True)
        lock.release()


def dead_runs(workspace: Workspace) -> list[UUID]:
    """Return the flow runs of this business that were run on this machine and whose process is dead."""
    return [flow_run_id for flow_run_id, is_dead in _seen(workspace) if is_dead]


def living_runs(workspace: Workspace) -> list[UUID]:
    """Return the flow runs of this business that a living process of this machine runs."""
    return [flow_run_id for flow_run_id, is_dead in _seen(workspace) if not is_dead]


def reap_runs(workspace: Workspace) -> list[str]:
    """Tell Prefect of each dead run of this business and machine that it crashed; return what was said.

    Runs that Prefect knows to be over are only forgotten; nothing is done to runs of other machines or businesses.
    """
    dead = dead_runs(workspace)
    if not dead:
        return []
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    said = []
    with get_client(sync_client=True) as client:
        for flow_run_id in dead:
            place = workspace.folder / FOLDER / _name(flow_run_id)
            try:
                run = client.read_flow_run(flow_run_id)
            except ObjectNotFound:  # another server's; it may be asked again for a while
                if time.time() - place.stat().st_mtime > _KEPT_SECONDS:
                    place.unlink(missing_ok=True)
                continue
            if run.state is not None and not run.state.is_final():
                said.append(_crashed(flow_run_id, run.name, run.state.name or "running"))
            place.unlink(missing_ok=True)
    return said


def reap_deployed_runs(workspace: Workspace) -> list[str]:
    """Tell Prefect of every run of this business' deployments that nobody runs that it crashed, and give its slot back.

    Only for the one worker of these deployments, before it starts: then whatever Prefect believes to be submitted,
    pending or running is dead, also what was killed before it could lock a file. With a company's Prefect, where other
    machines may run the same deployments, only this machine's own dead runs are reaped.
    """
    said = reap_runs(workspace)
    if os.environ.get(SHARED):
        return said
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateType,
        FlowRunFilterTags,
    )
    from prefect.client.schemas.objects import StateType

    living = set(living_runs(workspace))
    believed = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                tags=FlowRunFilterTags(all_=[tag_of(workspace.business.slug)]),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=believed)),
            )
        )
    for run in runs:
        if run.id not in living and run.deployment_id is not None:
            said.append(_crashed(run.id, run.name, run.state_name or "running"))
    return said


def _crashed(flow_run_id: UUID, name: str, was: str) -> str:
    from prefect.client.orchestration import get_client
    from prefect.states import Crashed

    with get_client(sync_client=True) as client:
        client.set_flow_run_state(flow_run_id, Crashed(message=f"holdback: {MESSAGE}"), force=True)
    return f"flow run {name.strip()} ({flow_run_id}) was {was}: {MESSAGE}"


def _seen(workspace: Workspace) -> Iterator[tuple[UUID, bool]]:
    folder = workspace.folder / FOLDER
    for place in sorted(folder.glob(f"{glob.escape(_machine())}--*")):
        flow_run_id = UUID(place.name.rpartition("--")[2])
        if flow_run_id in _living:
            yield flow_run_id, False
            continue
        lock = FileLock(place, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield flow_run_id, False
            continue
        with contextlib.suppress(OSError):
            lock.release()
        yield flow_run_id, True


def _name(flow_run_id: UUID) -> str:
    return f"{_machine()}--{flow_run_id}"


def _machine() -> str:
    """Return the name under which runs are found again: of a container that is replaced, ``HOLDBACK_MACHINE`` stays."""
    return (os.environ.get("HOLDBACK_MACHINE") or socket.gethostname()).replace("/", "_")
