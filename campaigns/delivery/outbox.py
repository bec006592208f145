"""Files for their owner's eyes only, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from holdback.errors import OperatorError
from holdback.sources import sync_folder

FOLDER_MODE = 0o700
FILE_MODE = 0o600
_DRAFT = ".draft-"


def open_folder(folder: Path) -> None:
    """Make a folder (and its parents) that only its owner can enter, and remove drafts that a killed run left there.

    Call it while holding the lock of the delivery.

    Raises:
        OperatorError: it cannot be made or protected.
    """
    with outbox_errors(folder):
        folder.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        folder.parent.chmod(FOLDER_MODE)
        folder.chmod(FOLDER_MODE)
        for draft in folder.glob(f"{_DRAFT}*"):
            draft.unlink(missing_ok=True)


def write_file(path: Path, content: bytes) -> None:
    """Put ``content`` in the place of a file; whoever opens it meanwhile sees the old one or the new one.

    Raises:
        OperatorError: the disk is full or refuses; the old file stands as it was.
    """
    draft = path.with_name(f"{_DRAFT}{path.name}")
    with outbox_errors(path):
        try:
            draft.unlink(missing_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
            sync_folder(path.parent)
        except OSError:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise


def append_line(path: Path, line: str) -> None:
    """Add one line to a file; when it returns, the line is on the disk for good.

    A line that a killed process left without its end is ended first, so that it spoils nothing but itself.

    Raises:
        OperatorError: the disk is full or refuses.
    """
    with outbox_errors(path), os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, FILE_MODE), "r+b") as file:
        is_new = file.seek(0, os.SEEK_END) == 0
        torn = False
        if not is_new:
            file.seek(-1, os.SEEK_END)
            torn = file.read(1) != b"\n"
        file.write((b"\n" if torn else b"") + line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
        if is_new:
            sync_folder(path.parent)


@contextmanager
def outbox_errors(place: Path) -> Iterator[None]:
    """Turn what the disk refuses into an error for the operator."""
    try:
        yield
    except OSError as error:
        raise OperatorError(
            f"{place}: cannot be written ({error.strerror or type(error).__name__}). Nothing half-written was left."
            " Check free space and permissions, then run this again."
        ) from error
