"""Processes of this machine, told apart for certain: a number that the system used again is never mistaken.

A process is known by its number *and* when it was started. What a supervisor started carries a mark in its environment,
as does everything that was started from there, so that nothing of it can be lost: no group, session or parent has to be
known. Marks can be read on Linux; elsewhere only the processes whose numbers were written down are found.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

#: Environment variable that carries the mark.
MARK = "HOLDBACK_UP"

_PROC = Path("/proc")
_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Identity:
    """One process.

    Attributes:
        pid: Its number.
        started: When it was started, as the system says it: text that is compared and never read.
    """

    pid: int
    started: str


def identify(pid: int) -> Identity | None:
    """Return the process that has a number now; None when there is none, or it has ended and only waits to be asked."""
    started = _started_on_linux(pid) if _PROC.joinpath("self", "stat").exists() else _started_elsewhere(pid)
    return None if started is None else Identity(pid, started)


def is_alive(process: Identity | None) -> bool:
    """True while exactly this process runs; a later one with its number is another one."""
    return process is not None and identify(process.pid) == process


def _started_on_linux(pid: int) -> str | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
    if fields[0] in "ZX":
        return None
    boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}/{fields[19]}"


def _started_elsewhere(pid: int) -> str | None:
    found = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = found.stdout.strip().partition(" ")
    return None if found.returncode != 0 or state.startswith("Z") else started.strip()


def marked(mark: str, server: str = "") -> list[Identity]:
    """Return the living processes that carry a mark, of one server or of all, on Linux; never this one."""
    wanted = f"{MARK}={mark}/{server}".encode()
    found = []
    for place in _PROC.glob("[0-9]*"):
        if int(place.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # another account's, or gone meanwhile
            carried = (place / "environ").read_bytes().split(b"\0")
            if any(one == wanted or (not server and one.startswith(wanted)) for one in carried):
                process = identify(int(place.name))
                if process is not None:
                    found.append(process)
    return found


def end(processes: Iterable[Identity], *, grace_seconds: float) -> list[Identity]:
    """Ask processes to end, wait, and end those that did not; return the ones that lived.

    Args:
        processes: Whom to end; who has ended already is left alone.
        grace_seconds: How long they may take before they are killed.
    """
    living = [process for process in processes if is_alive(process)]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in living:
            if is_alive(process):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, number)
        if wait_for_end(living, seconds=grace_seconds):
            break
    return living


def wait_for_end(processes: Iterable[Identity], *, seconds: float) -> bool:
    """Wait until all have ended; False when some live on after so many seconds."""
    left = list(processes)
    deadline = time.monotonic() + seconds
    while left := [process for process in left if is_alive(process)]:
        if time.monotonic() >= deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True
