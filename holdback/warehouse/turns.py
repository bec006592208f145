"""Whose turn it is to write a table of the lake: many who add to it at once, or one who takes out of it, alone.

Who takes rows out for good removes every file that the newest version does not consist of. A writer has files on the
disk before it commits them, so nobody may be writing meanwhile; Delta itself tells neither of the other. The system
ends a turn when its process dies.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from holdback.errors import Busy, OperatorError

#: To write a table anew takes minutes at most.
PATIENCE_SECONDS = 300.0
_FOLDER = ".turns"
_PAUSE_SECONDS = 0.02


@contextmanager
def turn(root: Path, table: str, *, alone: bool, wait_seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Have a turn at a table: beside others who add to it, or alone.

    Args:
        root: Folder of the tables.
        table: The table.
        alone: True for who removes files.
        wait_seconds: How long to wait for the others.

    Raises:
        Busy: the others took longer.
        OperatorError: the disk refuses.
    """
    path = root / _FOLDER / table
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise OperatorError(
            f"{path}: cannot be written ({error}). Nothing was changed. Check free space and permissions."
        ) from error
    try:
        _wait(handle, fcntl.LOCK_EX if alone else fcntl.LOCK_SH, table, wait_seconds)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)  # a process forked meanwhile has the handle too
    finally:
        os.close(handle)


def _wait(handle: int, kind: int, table: str, wait_seconds: float) -> None:
    until = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() >= until:
                raise Busy(
                    f"warehouse table {table}: another process writes it or takes rows out of it. Wait for it, then run"
                    " this again."
                ) from error
            time.sleep(_PAUSE_SECONDS)
