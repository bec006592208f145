"""The DuckDB of a process, and the sessions in it that queries take turns to use."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdback.errors import OperatorError
from holdback.warehouse.ranges import RANGE, with_ends

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb
    import pyarrow as pa

_IDLE = 4  # sessions that wait for the next query, at most
_MOST_ENGINES = 4
_MOST_LENT = 5_000


@dataclass(eq=False)
class Session:
    """A connection whose views stay: to make a view opens its files, and most tables are the same as a moment ago."""

    connection: duckdb.DuckDBPyConnection
    _views: dict[str, str] = field(default_factory=dict)
    _keeps_footers: bool = False

    @property
    def shown(self) -> frozenset[str]:
        """The names under which something is visible."""
        return frozenset(self._views)

    def show(self, views: Mapping[str, str], *, known: Collection[str]) -> None:
        """Make relations visible under their names, each as the SQL that reads it; what is not ``known`` is hidden."""
        for name in [name for name in self._views if name not in known]:
            self.connection.execute(f'drop view "{name}"')
            del self._views[name]
        for name, sql in views.items():
            if self._views.get(name) != sql:
                self.connection.execute(f'create or replace temp view "{name}" as {sql}')
                self._views[name] = sql

    def answer(self, sql: str, frames: Mapping[str, pa.Table]) -> pa.Table:
        """Run one SELECT over what is shown and ``frames``, which are forgotten again."""
        self._keep_footers(is_kept=RANGE in frames)
        sql = with_ends(sql, frames[RANGE]) if RANGE in frames else sql
        for name, rows in frames.items():
            self.connection.register(name, rows)
        found = self.connection.sql(sql).to_arrow_table()
        for name in frames:
            self.connection.unregister(name)
        return found

    def _keep_footers(self, *, is_kept: bool) -> None:
        """Keep the footers of the files that a range of customers is read from: the next range reads them again.

        Those of large files take a while to read. DuckDB lets them go only with the engine.
        """
        if is_kept != self._keeps_footers:
            self.connection.execute(f"set parquet_metadata_cache = {str(is_kept).lower()}")
            self._keeps_footers = is_kept


@dataclass(eq=False)
class Engine:
    """One DuckDB in memory, shared by the connections of a process."""

    database: duckdb.DuckDBPyConnection
    _idle: list[Session] = field(default_factory=list)
    _lent: int = 0

    @property
    def is_worn(self) -> bool:
        """True when it answered so much that what it keeps of files, many of which are gone, is better let go."""
        return self._lent >= _MOST_LENT

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Open a connection; what is made on it is seen by nobody else as long as it is made temporary."""
        connection = self.database.cursor()
        connection.execute("set timezone = 'UTC'; set enable_progress_bar = false")
        return connection

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Lend a session; one whose query failed is not used again."""
        self._lent += 1
        try:
            session = self._idle.pop()
        except IndexError:
            session = Session(self.connect())
        try:
            yield session
        except BaseException:
            session.connection.close()
            raise
        if len(self._idle) < _IDLE:
            self._idle.append(session)
        else:
            session.connection.close()


_engines: dict[tuple[int, int, str, str], Engine] = {}


def engine(process: int, threads: int, memory_limit: str, spill: str) -> Engine:
    """The DuckDB of a process: to start one takes longer than most of our queries.

    Args:
        process: Its number: a forked child must not use its parent's.
        threads: Threads that a query may use.
        memory_limit: What all queries together may hold before they spill.
        spill: The folder to which they spill.
    """
    key = (process, threads, memory_limit, spill)
    found = _engines.pop(key, None)  # two threads at once may start two: no lock, for a child may be forked meanwhile
    if found is None or found.is_worn:
        found = _started(threads, memory_limit, spill)
    _engines[key] = found  # the newest is the last
    for oldest in list(_engines)[:-_MOST_ENGINES]:
        _engines.pop(oldest, None)  # who uses it goes on; it ends with the last of them
    return found


def _started(threads: int, memory_limit: str, spill: str) -> Engine:
    import duckdb

    return Engine(
        duckdb.connect(
            config={
                "threads": threads,
                "memory_limit": memory_limit,
                "temp_directory": spill,
                "preserve_insertion_order": True,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "enable_external_file_cache": False,  # it would hold on to what was read, up to the memory limit
            }
        )
    )


def machine_fault(root: Path, memory_limit: str, error: Exception) -> OperatorError:
    """Say what failed of the machine under a query: its memory, or else its disk.

    Args:
        root: Where the warehouse, or this machine's copy of it, lies.
        memory_limit: What a query may hold, such as ``"2GB"``.
        error: What DuckDB or the system raised.
    """
    import duckdb

    if isinstance(error, duckdb.OutOfMemoryException):
        return OperatorError(
            f"warehouse {root}: a query needed more than {memory_limit} of memory and could not spill ({error}). Free "
            "the disk or give more memory."
        )
    return OperatorError(f"warehouse {root}: cannot read or write ({error}). Check the disk.")
