"""The embedded warehouse: Delta tables on a disk, queried with DuckDB in memory. The one door to both."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from holdback.errors import Busy, DataError, OperatorError
from holdback.tables import Table
from holdback.warehouse.sessions import Engine, Session, engine, machine_fault
from holdback.warehouse.shapes import ROWS_PER_GROUP, empty_select, shaped, stored_select
from holdback.warehouse.snapshots import Followed, Snapshot, followed, opened
from holdback.warehouse.turns import turn

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOST = re.compile(r"//(\w+)/(?!_delta_log)([^'\"]+\.parquet)")
_ATTEMPTS = 5
_SUPERSEDED = "superseded"

_ROW_ORDER = ("event_at", "batch_id", "row_number", "customer_id")
#: Of files that a table no longer consists of: who reads an older version, or copies it, has that long.
_KEPT_HOURS = 7 * 24
#: Fewer rows a day than this do not have a folder each: a year of small files costs every query more than its rows do.
_ROWS_OF_A_FOLDER = 100_000
#: Opening a table replays its commits since the last checkpoint; small daily batches make many. What the log would say
#: of the values in each file (DuckDB reads it in the files) is held in memory for every file, and may name somebody.
_CONFIGURATION = {"delta.checkpointInterval": "10", "delta.dataSkippingNumIndexedCols": "0"}


@dataclass(frozen=True)
class Lake:
    """Delta tables under one folder, queried with DuckDB in memory.

    Args:
        root: Folder of the tables, one folder each.
        tables: The declared tables: what an empty one looks like, and which are stored one folder per day.
        threads: Threads that a query may use.
        memory_limit: What a query may hold in memory before it spills to disk, such as ``"2GB"``.
    """

    root: Path
    tables: Mapping[str, Table] = field(default_factory=dict)
    threads: int = 2
    memory_limit: str = "2GB"

    def query(self, sql: str, *, frames: Mapping[str, pa.Table] | None = None) -> pa.Table:
        """See :meth:`Warehouse.query`."""
        import duckdb

        given = frames or {}
        seen: dict[str, str] | None = None
        with self.machine_errors():
            while True:
                views: dict[str, str] = {}
                try:
                    with self._engine().session() as session:
                        names = [name for name in self._names() if name not in given]
                        views = self._views(session, sql, names)
                        session.show(views, known=names)
                        return session.answer(sql, given)
                except (FileNotFoundError, duckdb.IOException) as error:
                    if views == seen or self._lost(error) is None:
                        raise
                    seen = views  # a table was written anew since its files were looked up: they are others now

    @contextmanager
    def connection(self, sql: str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """Lend a connection to DuckDB that sees the warehouse's tables (those that ``sql`` names, if given).

        What is made on it is seen by nobody else as long as it is made temporary: the connections of a process share
        one DuckDB in memory.
        """
        with self.machine_errors():
            with suppress(OSError):  # a reader may have no right to; who needs much memory puts it down there
                self.root.mkdir(parents=True, exist_ok=True)
            session = Session(self._engine().connect())
            try:
                names = self._names()
                session.show(self._views(session, sql, names), known=names)
                yield session.connection
            finally:
                session.connection.close()

    def corrected(self) -> frozenset[str]:
        """See :meth:`Warehouse.corrected`."""
        replaced = self._snapshot(_SUPERSEDED)
        if replaced is None:
            return frozenset()
        with self.machine_errors(), self._engine().session() as session:
            return frozenset(feed for feed, _ in self._replacements(session, replaced))

    def _engine(self) -> Engine:
        return engine(os.getpid(), self.threads, self.memory_limit, str(self.root / ".spill"))

    @contextmanager
    def machine_errors(self) -> Iterator[None]:
        """Turn what DuckDB raises when the machine fails (disk, memory), not the query, into :class:`OperatorError`."""
        import duckdb

        try:
            yield
        except duckdb.OutOfMemoryException as error:
            raise machine_fault(self.root, self.memory_limit, error) from error
        except (FileNotFoundError, duckdb.IOException) as error:
            lost = self._lost(error)
            if lost is not None:
                raise OperatorError(
                    f"warehouse {self.root}: a file of the table {lost[1]} is gone ({lost[2]}). Bring the folder "
                    f"{lost[1]} back from a backup, as a whole; whatever reads the table waits until then."
                ) from error
            raise machine_fault(self.root, self.memory_limit, error) from error

    def _lost(self, error: Exception) -> re.Match[str] | None:
        """The table and the file of it that an error says is not there."""
        return _LOST.search(str(error).replace(f"{self.root}/", "//"))

    def _views(self, session: Session, sql: str | None, names: Iterable[str]) -> dict[str, str]:
        """Return SQL that reads the newest version of each table, and of ``superseded`` only what is decided.

        A correction touches two tables: the replaced row goes into ``superseded`` first, the new one into its feed
        afterwards. So feeds are opened first, and a replacement counts only if its batch is in the feed as opened: a
        reader sees the old row or the new one, never both or neither, whenever the writer was stopped.
        """
        named = {word.lower() for word in _WORD.findall(sql)} if sql is not None else None
        wanted = [name for name in names if named is None or name.lower() in named]
        snapshots = {name: self._snapshot(name) for name in sorted(wanted, key=lambda name: name == _SUPERSEDED)}
        views = {name: self._select(name, found) for name, found in snapshots.items()}
        replaced = snapshots.get(_SUPERSEDED)
        if replaced is None:
            return views
        undecided = []
        for feed, batch in self._replacements(session, replaced):
            if feed not in snapshots:
                snapshots[feed] = self._snapshot(feed)
            snapshot = snapshots[feed]
            if snapshot is None or not snapshot.has(batch):
                undecided.append(f"('{feed}', '{batch}')")
        if undecided:
            views[_SUPERSEDED] = (
                f"select * from ({views[_SUPERSEDED]}) where (feed, replaced_by) not in ({', '.join(undecided)})"
            )
        return views

    def _replacements(self, session: Session, replaced: Snapshot) -> tuple[tuple[str, str], ...]:
        """Every feed and batch that replaced rows, decided or not."""
        if replaced.replacements is None:
            found = session.connection.sql(
                f"select distinct feed, replaced_by from ({self._select(_SUPERSEDED, replaced)}) order by all"
            ).fetchall()
            replaced.replacements = tuple((str(feed), str(batch)) for feed, batch in found)
        return replaced.replacements

    def append(self, table: str, rows: pa.Table, *, batch: str) -> bool:
        """See :meth:`Warehouse.append`. The batch is part of the Delta commit: both are there, or neither."""
        from deltalake import CommitProperties, Transaction, WriterProperties, write_deltalake
        from deltalake.exceptions import CommitFailedError, DeltaError

        for _ in range(_ATTEMPTS):
            existing = None
            try:
                with self._turn(table), self._followed(table).to_write() as existing, self._disk_errors():
                    if existing is not None and existing.transaction_version(batch) is not None:
                        return False
                    write_deltalake(
                        existing if existing is not None else str(self._folder(table)),
                        self._shaped(table, rows),
                        mode="append",
                        schema_mode="merge",
                        partition_by=self._partition(table, rows) if existing is None else None,
                        configuration=_CONFIGURATION if existing is None else None,
                        commit_properties=CommitProperties(app_transactions=[Transaction(batch, 1)]),
                        writer_properties=WriterProperties(max_row_group_size=ROWS_PER_GROUP),
                    )
            except CommitFailedError:
                continue  # somebody else committed first: look again whether it was this batch
            except DeltaError as error:
                if existing is None and self._snapshot(table) is not None:
                    continue  # two first writers: the other one created the table
                raise OperatorError(_not_written(table, error)) from error
            return True
        raise Busy(f"warehouse table {table}: other writers kept committing first. Run the command again.")

    def replace_day(self, table: str, as_of: date, rows: pa.Table) -> None:
        """See :meth:`Warehouse.replace_day`."""
        import pyarrow.compute as pc
        from deltalake import WriterProperties, write_deltalake
        from deltalake.exceptions import CommitFailedError, DeltaError

        if rows.num_rows and not pc.all(pc.equal(rows["as_of"], as_of)).as_py():
            raise DataError(f"warehouse table {table}: rows of another day than {as_of} were given to replace it.")
        for _ in range(_ATTEMPTS):
            try:
                with self._turn(table), self._followed(table).to_write() as existing, self._disk_errors():
                    write_deltalake(
                        existing if existing is not None else str(self._folder(table)),
                        self._shaped(table, rows),
                        mode="overwrite",
                        schema_mode="merge" if existing is not None else None,
                        partition_by=["as_of"],
                        configuration=_CONFIGURATION if existing is None else None,
                        predicate=f"as_of = '{as_of.isoformat()}'" if existing is not None else None,
                        writer_properties=WriterProperties(max_row_group_size=ROWS_PER_GROUP),
                    )
            except CommitFailedError:
                continue
            except DeltaError as error:
                raise OperatorError(_not_written(table, error)) from error
            return
        raise Busy(f"warehouse table {table}: other writers kept committing first. Run the command again.")

    def version(self, table: str) -> int | None:
        """See :meth:`Warehouse.version`."""
        existing = self._snapshot(table)
        return None if existing is None else existing.version

    def has_batch(self, table: str, batch: str) -> bool:
        """See :meth:`Warehouse.has_batch`."""
        existing = self._snapshot(table)
        return existing is not None and existing.has(batch)

    def file_count(self, table: str) -> int:
        """See :meth:`WholeWarehouse.file_count`."""
        existing = self._snapshot(table)
        return 0 if existing is None or existing.partition_columns else len(existing.files)

    def size_bytes(self, table: str) -> int:
        """See :meth:`WholeWarehouse.size_bytes`."""
        existing = self._snapshot(table)
        return 0 if existing is None else sum(Path(file).stat().st_size for file in existing.files)

    def compact(self, table: str, *, by: str) -> None:
        """Rewrite a table as one sorted run: a query on a range of ``by`` then reads little. One stored by day is left.

        The rows and the batches stay the same; who reads an older version keeps its files for a week. A batch that
        comes in between stays beside the run, unsorted.

        Raises:
            Busy: others kept writing.
        """
        from deltalake import WriterProperties, write_deltalake
        from deltalake.exceptions import CommitFailedError, DeltaError

        for _ in range(_ATTEMPTS):
            found = opened(self._folder(table))
            if found is None:
                return
            existing, snapshot = found
            if snapshot.partition_columns:
                return
            columns = ", ".join(f'"{name}"' for name in snapshot.fields)
            order = ", ".join(f'"{name}"' for name in dict.fromkeys((by, *_ROW_ORDER)) if name in snapshot.fields)
            with self._turn(table), self.connection("") as connection, self._disk_errors():
                rows = connection.sql(f"select {columns} from ({self._select(table, snapshot)}) order by {order}")
                try:
                    write_deltalake(
                        existing,
                        rows.to_arrow_reader(ROWS_PER_GROUP),
                        mode="overwrite",
                        writer_properties=WriterProperties(max_row_group_size=ROWS_PER_GROUP),
                    )
                except CommitFailedError:
                    continue
                except DeltaError as error:
                    raise OperatorError(_not_written(table, error)) from error
                with suppress(DeltaError):  # the table is sorted; what cannot go now goes the next time
                    if existing.vacuum(_KEPT_HOURS, enforce_retention_duration=False):
                        existing.vacuum(_KEPT_HOURS, enforce_retention_duration=False, dry_run=False)
            return
        raise Busy(f"warehouse table {table}: other writers kept committing first. Run the command again.")

    def rewrite(self, table: str, select: str, *, frames: Mapping[str, pa.Table] | None = None) -> None:
        """See :meth:`Warehouse.rewrite`."""
        from holdback.warehouse.rewriting import rewrite

        rewrite(self, table, select, frames or {})

    def drop_days(self, table: str, before: date) -> None:
        """See :meth:`Warehouse.drop_days`. Of a table that is stored by day nothing is read and nothing is written."""
        from holdback.warehouse.rewriting import drop_days

        drop_days(self, table, before)

    def purge(self, table: str) -> None:
        """See :meth:`Warehouse.purge`."""
        from holdback.warehouse.rewriting import purge

        purge(self, table)

    def stored_at(self, table: str, snapshot: Snapshot) -> str:
        """SQL of all rows of one version of a table as they are stored."""
        return self._select(table, snapshot)

    def _turn(self, table: str) -> AbstractContextManager[None]:
        return turn(self.root, table, alone=False)

    def _names(self) -> list[str]:
        found: list[str] = []
        if self.root.is_dir():
            with os.scandir(self.root) as entries:
                found = [e.name for e in entries if e.name not in self.tables and Path(e.path, "_delta_log").is_dir()]
        return sorted({*self.tables, *found})

    def _folder(self, table: str) -> Path:
        return self.root / table

    def _followed(self, table: str) -> Followed:
        return followed(self._folder(table))

    def _snapshot(self, table: str) -> Snapshot | None:
        """Return the newest version and what is known of it; it is shared."""
        from deltalake.exceptions import DeltaError

        table_files = self._followed(table)
        for _ in range(_ATTEMPTS):
            with suppress(DeltaError, FileNotFoundError):  # its log was cut while it was read: there is a newer version
                return table_files.snapshot()
        return table_files.snapshot()

    def _partition(self, table: str, rows: pa.Table) -> list[str] | None:
        """How a new table is stored: of a large company each day apart, of a small one as one sorted run."""
        declared = self.tables.get(table)
        is_by_day = declared is not None and declared.is_keyed_by_day and rows.num_rows >= _ROWS_OF_A_FOLDER
        return ["as_of"] if is_by_day else None

    def _select(self, table: str, existing: Snapshot | None) -> str:
        """SQL that reads one version of a table, or an empty relation of its declared shape."""
        declared = self.tables.get(table)
        if existing is None or not existing.files:
            return empty_select(declared)
        if existing.select is None or existing.select[0] is not declared:
            sql = stored_select(existing.files, existing.fields, existing.partition_columns, declared)
            existing.select = (declared, sql)
        return existing.select[1]

    def _shaped(self, table: str, rows: pa.Table) -> pa.Table:
        return shaped(table, self.tables.get(table), rows)

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        from deltalake.exceptions import CommitFailedError

        try:
            yield
        except CommitFailedError:
            raise
        except OSError as error:
            raise OperatorError(
                f"warehouse {self.root}: cannot write ({error}). Nothing was changed. Check free space and permissions."
            ) from error


def _not_written(table: str, error: Exception) -> str:
    return (
        f"warehouse table {table}: the write failed ({error}). Nothing was changed. Check free space and permissions."
    )
