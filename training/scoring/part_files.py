"""The files of a plan: put in place as a whole, read where they lie, readable by their owner only."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from holdback.errors import OperatorError

if TYPE_CHECKING:
    import pyarrow as pa


@contextmanager
def laid_out(folder: Path) -> Iterator[Path]:
    """Lend a folder that takes its place as a whole, readable by its owner only: it holds what customers wrote."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        place = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            yield place
            place.rename(folder)
        finally:
            shutil.rmtree(place, ignore_errors=True)
    except OSError as error:
        raise OperatorError(
            f"{folder.parent}: cannot write ({error.strerror}). Check free space and permissions. Nothing was written."
        ) from error


@contextmanager
def disk_errors(folder: str) -> Iterator[None]:
    """Say of a disk that fails what a part needs.

    Raises:
        OperatorError: it failed.
    """
    try:
        yield
    except OSError as error:
        raise OperatorError(
            f"{folder}: cannot read or write ({error.strerror or error}). Check the disk; every worker must see "
            "this folder under the same path. No score was written."
        ) from error


def write(path: Path, rows: pa.Table) -> None:
    """Put a table in place as a whole: uncompressed, so that it is read where it lies."""
    import pyarrow as pa

    draft = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as sink:
            with pa.ipc.new_file(sink, rows.schema) as writer:
                writer.write_table(rows)
            sink.flush()
            os.fsync(sink.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def stored(path: Path) -> pa.Table | None:
    """What a part left, or None when it is not there or not whole."""
    import pyarrow as pa

    try:
        return read(path)
    except (FileNotFoundError, pa.ArrowInvalid):
        return None


def read(path: Path) -> pa.Table:
    """Return a table that lies on the disk, and comes to memory only where it is looked at."""
    import pyarrow as pa

    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
