"""One version of a table: opened once, asked often; and the table that is followed from version to version."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deltalake import DeltaTable

#: Commits that a table is followed before it is opened anew: what it holds of each in memory is let go only then.
_FOLLOWED_COMMITS = 10

#: Name, inode and time of a commit's file: what tells one commit from another of the same number.
_CommitFile = tuple[str, int, int]


@dataclass(eq=False)
class Snapshot:
    """One version of a table. What is found out about it is kept, because a version never changes.

    Args:
        folder: Where the table is.
        version: The number of its newest commit.
        files: The Parquet files that it consists of.
        fields: The names of its columns.
        partition_columns: Those among them that are not in the files.
    """

    folder: str
    version: int
    files: tuple[str, ...]
    fields: tuple[str, ...]
    partition_columns: tuple[str, ...]
    _table: DeltaTable
    _batches: dict[str, bool] = field(default_factory=dict)
    #: Kept by who reads it: its SQL by the shape that was declared, and the replacements of ``superseded``.
    select: tuple[object, str] | None = None
    replacements: tuple[tuple[str, str], ...] | None = None

    def has(self, batch: str) -> bool:
        """True when ``batch`` was appended to the table."""
        from deltalake import DeltaTable

        if batch not in self._batches:
            found = self._table.transaction_version(batch)
            if self._table.version() != self.version:  # it was followed further: what it says may be of a later one
                self._table = DeltaTable(self.folder, version=self.version)
                found = self._table.transaction_version(batch)
            self._batches[batch] = found is not None
        return self._batches[batch]


@dataclass(eq=False)
class Followed:
    """A table that is followed from commit to commit: to open one anew takes ten times as long as to catch up.

    Its lock is held while it is written or catches up, never while its files are read.
    """

    folder: str
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _table: DeltaTable | None = None
    _newest: _CommitFile | None = None
    _opened_at: int = 0
    _last: tuple[_CommitFile, Snapshot] | None = None

    def snapshot(self) -> Snapshot | None:
        """The newest version; None when there is no table."""
        newest = self._newest_commit()
        if newest is None:
            return None
        last = self._last  # without the lock: who reads does not wait for who writes
        if last is None or last[0] != newest:
            with self._lock:
                last = self._last = (newest, _snapshot_of(self.folder, self._caught_up(newest)))
        return last[1]

    @contextmanager
    def to_write(self) -> Iterator[DeltaTable | None]:
        """Lend the newest version to write with, alone; None when there is no table."""
        with self._lock:
            newest = self._newest_commit()
            try:
                yield None if newest is None else self._caught_up(newest)
            except BaseException:
                self._table = self._newest = None  # who knows what it holds now
                raise

    def _caught_up(self, newest: _CommitFile) -> DeltaTable:
        from deltalake import DeltaTable

        if self._table is None or self._is_left(self._table, newest):
            self._table = None  # let go first: two of them would be held
            self._table = DeltaTable(self.folder)
            self._opened_at = self._table.version()
        elif newest != self._newest:
            self._table.update_incremental()
        self._newest = newest
        return self._table

    def _is_left(self, table: DeltaTable, newest: _CommitFile) -> bool:
        """True when the table as it was opened is not followed further."""
        is_the_same = self._newest is not None and self._is_still(self._newest) and newest >= self._newest
        return not is_the_same or table.version() - self._opened_at >= _FOLLOWED_COMMITS

    def _is_still(self, commit: _CommitFile) -> bool:
        """A table brought back from a backup may have a commit of the same number that says something else."""
        return self._commit_file(commit[0]) == commit

    def _newest_commit(self) -> _CommitFile | None:
        try:
            with os.scandir(f"{self.folder}/_delta_log") as entries:
                newest = max((entry.name for entry in entries if entry.name.endswith(".json")), default=None)
        except FileNotFoundError:
            return None
        return None if newest is None else self._commit_file(newest)

    def _commit_file(self, name: str) -> _CommitFile | None:
        try:
            stat = Path(self.folder, "_delta_log", name).stat()
        except FileNotFoundError:
            return None
        return name, stat.st_ino, stat.st_mtime_ns


def opened(folder: Path) -> tuple[DeltaTable, Snapshot] | None:
    """Open a table for oneself, at its newest version; None when there is none."""
    from deltalake import DeltaTable

    if not DeltaTable.is_deltatable(str(folder)):
        return None
    table = DeltaTable(str(folder))
    return table, _snapshot_of(str(folder), table)


def _snapshot_of(folder: str, table: DeltaTable) -> Snapshot:
    return Snapshot(
        folder,
        table.version(),
        tuple(_path_of(folder, uri) for uri in table.file_uris()),
        tuple(field.name for field in table.schema().fields),
        tuple(table.metadata().partition_columns),
        table,
    )


def _path_of(folder: str, uri: str) -> str:
    """The file that Delta means: it writes the folder's blanks as ``%20``, and the files' own names as they are."""
    if uri.startswith(f"{folder}/"):
        return uri
    return "/".join([folder, *uri.split("/")[len(folder.split("/")) :]])


@functools.lru_cache(maxsize=256)
def followed(folder: Path) -> Followed:
    """The table of a folder, the same for everybody in the process."""
    return Followed(str(folder))


@functools.lru_cache(maxsize=65_536)
def columns_of(file: str) -> tuple[tuple[str, str], ...]:
    """The columns of a file and their types; files are never changed."""
    import pyarrow.parquet as pq

    return _once(tuple((field.name, str(field.type)) for field in pq.read_schema(file)))


@functools.lru_cache(maxsize=4_096)
def _once(columns: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The same object for equal columns: a year of days has thousands of files of a few shapes."""
    return columns
