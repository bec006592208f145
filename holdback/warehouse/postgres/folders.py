"""A table's folder in the mirror, as the processes of one machine share it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from holdback.errors import OperatorError


class Fetching(Exception):
    """Another process fetches the same table: wait for it outside of any transaction. Never leaves the package."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder


@contextmanager
def alone(folder: Path, *, waits: bool = True) -> Iterator[None]:
    """Hold a table of the mirror alone: two processes of one machine do not fetch the same rows.

    The lock's file lies outside of the folder, which can be removed.

    Raises:
        Fetching: another process has it, and it is not to be waited for.
    """
    from filelock import FileLock, Timeout

    locks = folder.parent.parent / ".locks"
    locks.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FileLock(locks / f"{folder.parent.name}-{folder.name}.lock", timeout=-1 if waits else 0)
    try:
        lock.acquire()
    except Timeout:
        raise Fetching(folder) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Say what the disk refuses.

    Raises:
        OperatorError: it did.
    """
    try:
        yield
    except OSError as error:
        raise OperatorError(
            f"mirror {folder}: cannot be written ({error.strerror or error}). Check free space and permissions."
        ) from error
