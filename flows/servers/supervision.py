"""Start the servers, see that they are well, start those again that ended, and end them all when asked."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import FrameType

from flows import settings
from flows.servers.keeper import LOG_BYTES, LOG_COUNT
from flows.servers.plans import GRACE_SECONDS, STOP_SECONDS, Plan, Server
from flows.servers.processes import Identity, end, identify, is_alive, marked
from flows.servers.restarts import SLOW_PAUSE_SECONDS, pause_before_restart
from flows.servers.states import Condition, ServerState, UpState, forget_state, write_state

_TICK_SECONDS = 0.25
_HEALTH_SECONDS = {"starting": 0.5, "up": 3.0, "unhealthy": 1.0}
_ANSWER_SECONDS = 3.0
_START_SECONDS = 240.0  # seen: 11 s alone, 53 s for Prefect on two cores with a load of 19
_UNHEALTHY_SECONDS = 60.0
_REMAINS_SECONDS = 3.0

logger = logging.getLogger("holdback.servers")


@dataclass
class _Child:
    """One server under way."""

    server: Server
    keeper: subprocess.Popen[str] | None = None
    state: ServerState = field(init=False)
    ended_at: list[float] = field(default_factory=list)
    start_at: float = 0.0
    started_at: float = 0.0
    asked_at: float = 0.0
    well_at: float = 0.0


class Supervisor:
    """Watches the servers of a plan from the process that made it.

    Args:
        home: Holdback's folder; logs and the state lie there.
        plan: The servers.
        state: What is known of them before any was started.
        tell: Is given a sentence about each thing that happens.
    """

    def __init__(self, home: Path, plan: Plan, state: UpState, tell: Callable[[str], None]) -> None:
        self._home, self._tell = home, tell
        self._state = state
        self._children = [_Child(server) for server in plan.servers]
        for child, stated in zip(self._children, state.servers, strict=True):
            child.state = stated
        self._is_asked_to_stop = False

    def run(self, when_up: Callable[[UpState], None]) -> None:
        """Watch until this process is asked to stop (SIGTERM, SIGINT, SIGHUP); then end everything.

        Args:
            when_up: Is called once, when all servers are up for the first time.
        """
        before = {number: signal.signal(number, self._stop) for number in _STOPPING}
        was_up = False
        try:
            with _own_log(self._home):
                self._write()
                while not self._is_asked_to_stop:
                    for child in self._children:
                        self._look_after(child)
                    if not was_up and self._state.is_healthy:
                        was_up = True
                        when_up(self._state)
                    time.sleep(_TICK_SECONDS)
                self.stop()
        finally:
            self._end_what_is_left()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._is_asked_to_stop = True

    def _look_after(self, child: _Child) -> None:
        now = time.monotonic()
        if child.keeper is None:
            if (
                child.state.condition in ("starting", "waiting", "failed")
                and now >= child.start_at
                and self._may_start(child)
            ):
                self._start(child)
            return
        code = child.keeper.poll()
        if code is not None:
            self._ended(child, f"ended with exit code {code}")
            return
        if now - child.asked_at < _HEALTH_SECONDS[child.state.condition]:
            return
        child.asked_at = now
        if answers(child.server.health_url):
            child.well_at = time.monotonic()
            self._now(child, "up")
        elif child.state.condition == "up":
            self._now(child, "unhealthy", why="it does not answer")
        elif child.state.condition == "unhealthy" and now - child.well_at > _UNHEALTHY_SECONDS:
            self._end_child(child)
            self._ended(child, f"did not answer for {_UNHEALTHY_SECONDS:.0f} s")
        elif child.state.condition == "starting" and now - child.started_at > _START_SECONDS:
            self._end_child(child)
            self._ended(child, f"did not answer within {_START_SECONDS:.0f} s of its start")

    def _may_start(self, child: _Child) -> bool:
        return all(other.state.condition == "up" for other in self._children if other.server.name in child.server.needs)

    def _start(self, child: _Child) -> None:
        server = child.server
        grace = str(GRACE_SECONDS[server.name])
        child.keeper = subprocess.Popen(
            [sys.executable, "-m", "flows.servers.keeper", child.state.log, grace, *server.command],
            env=dict(server.environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        assert child.keeper.stdout is not None
        said = child.keeper.stdout.readline().strip()
        child.started_at, child.asked_at = time.monotonic(), 0.0
        child.state = replace(
            child.state, server=identify(int(said)) if said.isdigit() else None, keeper=identify(child.keeper.pid),
            since=settings.now(),
        )  # fmt: skip
        self._now(child, "starting")

    def _ended(self, child: _Child, why: str) -> None:
        """Clear what it left, and say when it is started again."""
        self._end_remains(child)
        child.keeper = None
        child.ended_at.append(time.monotonic())
        pause = pause_before_restart(child.ended_at, time.monotonic())
        child.state = replace(child.state, server=None, keeper=None)
        child.start_at = time.monotonic() + pause
        child.state = replace(child.state, restart_count=child.state.restart_count + 1)
        if pause >= SLOW_PAUSE_SECONDS:
            self._now(
                child, "failed",
                why=f"{why}, {len(child.ended_at)} times; tried again in {pause / 60:.0f} min: see {child.state.log}",
            )  # fmt: skip
            return
        self._now(child, "waiting", why=f"{why}; started again in {pause:.0f} s")

    def _now(self, child: _Child, condition: Condition, why: str = "") -> None:
        if condition != child.state.condition or why != child.state.why:
            is_news = condition != "starting" or bool(why)
            child.state = replace(child.state, condition=condition, why=why)
            level = logging.INFO if condition in ("starting", "up", "stopped") else logging.WARNING
            logger.log(level, "%s is %s%s", child.server.name, condition, f": {why}" if why else "")
            if is_news:
                self._tell(f"{child.server.name} is {condition}{f': {why}' if why else ''}")
        self._write()

    def _write(self) -> None:
        self._state = replace(self._state, servers=tuple(child.state for child in self._children))
        with contextlib.suppress(OSError):  # a full disk must not end what is up
            write_state(self._home, self._state)

    def stop(self) -> None:
        """End every server: the worker first, while Prefect can still be told, then the others at the same time."""
        logger.info("stopping")
        for names in (("worker",), ("portal", "mlflow", "prefect")):
            chosen = [child for child in self._children if child.server.name in names]
            for child in chosen:
                if child.keeper is not None:
                    child.keeper.terminate()
            for child in chosen:
                self._end_child(child)
                child.state = replace(child.state, server=None, keeper=None)
                self._now(child, "stopped")

    def _end_child(self, child: _Child) -> None:
        if child.keeper is None:
            return
        child.keeper.terminate()
        try:
            child.keeper.wait(GRACE_SECONDS[child.server.name] + 2)
        except subprocess.TimeoutExpired:
            logger.warning("%s: its keeper did not end and is killed", child.server.name)
            child.keeper.kill()
            child.keeper.wait()

    def _end_remains(self, child: _Child) -> None:
        """End what a server or its keeper left: flows that it had started, a server whose keeper was killed."""
        if child.keeper is not None and child.keeper.stdin is not None and child.keeper.stdout is not None:
            child.keeper.stdin.close()
            child.keeper.stdout.close()
        end(marked(self._state.mark, child.server.name), grace_seconds=_REMAINS_SECONDS)

    def _end_what_is_left(self) -> None:
        end(marked(self._state.mark), grace_seconds=_REMAINS_SECONDS)
        forget_state(self._home)


_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def answers(url: str) -> bool:
    """True when a server says that it is well."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback is never asked through a proxy
    try:
        with opener.open(url, timeout=_ANSWER_SECONDS) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


@contextmanager
def _own_log(home: Path) -> Iterator[None]:
    """Write what the supervisor does into a log of its own."""
    (home / "logs").mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(
        home / "logs" / "supervisor.log", maxBytes=LOG_BYTES, backupCount=LOG_COUNT, encoding="utf-8"
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        handler.close()


def first_state(
    home: Path, plan: Plan, *, mark: str, business: Path, slug: str, time_zone: str
) -> UpState:  # fmt: skip
    """Return the state before anything was started."""
    supervisor = identify(os.getpid())
    assert supervisor is not None
    servers = tuple(
        ServerState(
            name=server.name, condition="starting", address=server.address, health_url=server.health_url, server=None,
            keeper=None, since=None, restart_count=0, log=str(home / "logs" / f"{server.name}.log"),
        )
        for server in plan.servers
    )  # fmt: skip
    return UpState(
        mark=mark, supervisor=supervisor, business=str(business.resolve()), slug=slug, time_zone=time_zone,
        started_at=settings.now(), servers=servers, prefect_api=plan.prefect_api, elsewhere=dict(plan.elsewhere),
    )  # fmt: skip


def remains_of(state: UpState) -> list[Identity]:
    """Return what lives of servers whose supervisor may be gone: by their mark, or by the numbers written down."""
    noted = [one for server in state.servers for one in (server.keeper, server.server) if one is not None]
    return list(dict.fromkeys([*marked(state.mark), *(one for one in noted if is_alive(one))]))


def take_down(home: Path, state: UpState) -> list[Identity]:
    """End everything that is up, and what a dead supervisor left; return what had to be ended here.

    The supervisor gets :data:`~flows.servers.plans.STOP_SECONDS` to end its servers in order.
    """
    end([state.supervisor], grace_seconds=STOP_SECONDS + 5)
    ended = end(remains_of(state), grace_seconds=_REMAINS_SECONDS)
    forget_state(home)
    return ended
