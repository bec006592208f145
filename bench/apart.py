"""Run a command and take what it used, free of what the caller holds.

The system counts as a process' peak memory also what it shared with its parent between fork and exec: the child of a
bench that holds a company of a million seemed to need gigabytes. So a small process stands between the two.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Used:
    """CPU seconds of a command (user and system, its ended children included), its largest process, how it ended."""

    cpu_seconds: float
    peak_megabytes: float
    exit_code: int


def run_apart(command: Sequence[str], **options: Any) -> Used:
    """Run a command to its end; ``options`` are those of :class:`subprocess.Popen`.

    A command of which nothing was learned, since the process between was killed with it, has the exit code of that one.
    """
    reading, writing = os.pipe()
    between = [sys.executable, "-I", "-S", __file__, str(writing), *command]
    with os.fdopen(reading, "rb") as told:
        try:
            process = subprocess.Popen(between, pass_fds=(writing,), **options)
        finally:
            os.close(writing)
        code = process.wait()
        if options.get("start_new_session"):
            _end(process.pid)
        answer = told.read().split()
    if len(answer) != 3:
        return Used(0.0, 0.0, code or 1)
    return Used(float(answer[0]), float(answer[1]) / 1024, int(answer[2]))


def _end(session: int) -> None:
    """Kill what a command left behind in its session: it would hold memory, and our pipe."""
    with suppress(ProcessLookupError):
        os.killpg(session, signal.SIGKILL)


def main() -> None:
    """Run the command behind the first argument, and write what it used to the pipe of that number."""
    writing = int(sys.argv[1])
    os.set_inheritable(writing, False)
    code = subprocess.run(sys.argv[2:], check=False).returncode
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    os.write(writing, f"{used.ru_utime + used.ru_stime} {used.ru_maxrss} {code}".encode())


if __name__ == "__main__":
    main()
