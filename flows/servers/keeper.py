"""Keep one server: write its log, pass on what it is asked, and leave nothing of it behind.

``python -m flows.servers.keeper LOG GRACE_SECONDS COMMAND...``: standard input is a pipe that the supervisor holds open
and never writes to. When it closes, the supervisor is gone (also by ``kill -9``), and the server is ended. The first
line of standard output is the server's process number; the exit code is the server's.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

LOG_BYTES = 5_000_000
LOG_COUNT = 3

_LOOK_SECONDS = 0.2


class RotatingLog:
    """A log file that starts anew when it has grown large; the last few are kept as ``.1``, ``.2``, ...

    Args:
        path: The newest file; only its owner may read it.
        most_bytes: Size at which a new one is begun.
        count: Files that are kept beside the newest.
    """

    def __init__(self, path: Path, *, most_bytes: int = LOG_BYTES, count: int = LOG_COUNT) -> None:
        self._path, self._most_bytes, self._count = path, most_bytes, count
        self._file = self._opened()

    def _opened(self) -> BinaryIO:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab", buffering=0)

    def write(self, said: bytes) -> None:
        """Append; a full disk or a folder that was closed loses what is said at most, and stops nobody."""
        with contextlib.suppress(OSError, ValueError):
            if self._file.tell() + len(said) > self._most_bytes and self._file.tell() > 0:
                with contextlib.suppress(OSError):  # a file that cannot be begun anew grows
                    self._turn()
            self._file.write(said)

    def _turn(self) -> None:
        if self._path.exists():  # not so after a turn that got half way
            for number in range(self._count, 0, -1):
                older = self._numbered(number - 1)
                if older.exists():
                    older.replace(self._numbered(number))
        older_file, self._file = self._file, self._opened()
        older_file.close()

    def _numbered(self, number: int) -> Path:
        return self._path if number == 0 else self._path.with_name(f"{self._path.name}.{number}")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def keep(log: RotatingLog, command: list[str], *, grace_seconds: float) -> int:
    """Run a command until it ends, until this process is asked to end, or until standard input closes.

    Returns:
        The command's exit code; 128 and the signal's number when a signal ended it.
    """
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: asked.append(number))
    server = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    assert server.stdout is not None
    sys.stdout.write(f"{server.pid}\n")
    sys.stdout.flush()
    os.set_blocking(server.stdout.fileno(), False)
    kill_at: float | None = None
    with selectors.DefaultSelector() as selector:
        selector.register(server.stdout, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        while not _has_ended(server):
            for key, _ in selector.select(_LOOK_SECONDS):
                said = os.read(key.fd, 65_536)
                if key.fileobj is server.stdout:
                    log.write(said)
                elif not said:
                    asked.append(signal.SIGTERM)
                if not said:
                    selector.unregister(key.fileobj)
            if asked and kill_at is None:
                kill_at = time.monotonic() + grace_seconds
                server.send_signal(signal.SIGTERM)
            if kill_at is not None and time.monotonic() > kill_at:
                log.write(f"keeper: not ended after {grace_seconds:.0f} s: killed\n".encode())
                _kill_group(server.pid)
        _kill_group(server.pid)  # what it started must not live longer than it
        with contextlib.suppress(OSError, ValueError):
            while said := os.read(server.stdout.fileno(), 65_536):
                log.write(said)
    code = server.wait()
    return code if code >= 0 else 128 - code


def _has_ended(server: subprocess.Popen[bytes]) -> bool:
    """True when it has ended; its number stays taken, so that its group can be killed and no stranger's."""
    if not hasattr(os, "waitid"):
        return server.poll() is not None
    return os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def main() -> None:
    """Read the command line and keep."""
    place, grace_seconds, *command = sys.argv[1:]
    log = RotatingLog(Path(place))
    try:
        sys.exit(keep(log, command, grace_seconds=float(grace_seconds)))
    finally:
        log.close()


if __name__ == "__main__":
    main()
