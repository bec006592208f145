"""Wait until what was started is well, and no longer than there is hope: for ``holdback up --detach``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from flows.servers.looking import last_lines
from flows.servers.processes import is_alive
from flows.servers.states import ServerState, UpState, read_state
from flows.servers.supervision import answers
from holdback.errors import Busy, OperatorError

_LOOK_SECONDS = 0.2
_LINES = 12


def as_it_is(state: UpState) -> UpState:
    """Return what was written down, made true: each process and each address is asked now."""
    return replace(state, servers=tuple(map(_asked, state.servers)))


def _asked(one: ServerState) -> ServerState:
    if not is_alive(one.server):
        is_news = one.condition in ("up", "unhealthy")
        return replace(
            one, server=None, condition="waiting" if is_news else one.condition,
            why="its process is gone" if is_news else one.why,
        )  # fmt: skip
    if one.condition == "up" and not answers(one.health_url):
        return replace(one, condition="unhealthy", why="it does not answer")
    return one


def living_state(home: Path, *, seconds: float) -> UpState:
    """Return what a supervisor that lives has written down; it may have begun a moment ago.

    Raises:
        Busy: nothing was written for so long.
    """
    deadline = time.monotonic() + seconds
    while True:
        state = read_state(home)
        if state is not None and is_alive(state.supervisor):
            return state
        if time.monotonic() >= deadline:
            raise Busy(
                f"up: another `holdback up` holds {home / 'servers.lock'} and has not said yet what it starts. Wait a "
                "minute, then ask `holdback status`. Nothing was changed."
            )
        time.sleep(_LOOK_SECONDS)


def wait_until_well(
    home: Path, is_mine: Callable[[UpState], bool], has_ended: Callable[[], str], *, seconds: float
) -> UpState:
    """Return the state once every server is up and answers.

    Args:
        home: Holdback's folder.
        is_mine: True of a state that the supervisor wrote that is waited for.
        has_ended: Says why it has ended, in a sentence; nothing while it lives.
        seconds: The longest to wait.

    Raises:
        OperatorError: it ended, a server failed, or not everything is up in time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        state = read_state(home)
        if state is not None and is_mine(state):
            failed = [one for one in state.servers if one.condition == "failed"]
            if failed:
                raise OperatorError(
                    "\n".join(map(_failure, failed)) + "\nMend it, then `holdback down` and `holdback up`."
                )
            if state.is_healthy and as_it_is(state).is_healthy:
                return state
        ended = has_ended()
        if ended:
            raise OperatorError(f"up: {ended}")
        time.sleep(_LOOK_SECONDS)
    raise OperatorError(
        f"up: not everything is up after {seconds:.0f} s. `holdback status` says what is not; `holdback down` ends it."
    )


def _failure(one: ServerState) -> str:
    lines = "\n".join(last_lines(Path(one.log), _LINES, width=None))
    return f"up: {one.name} failed: {one.why}. It said:\n{lines}"
