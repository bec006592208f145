"""The embedded warehouse: Delta tables on a disk, queried with DuckDB in memory. The one door to both."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdback.errors import Busy, DataError, OperatorError
from holdback.tables import Table
from holdback.warehouse.snapshots import Snapshot, columns_of, fields_of, opened

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from deltalake import DeltaTable

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ATTEMPTS = 5
_SUPERSEDED = "superseded"

_ROW_ORDER = ("event_at", "batch_id", "row_number")
_ROWS_PER_GROUP = 122_880  # small enough that a range of customers skips most groups
#: Opening a table replays its commits since the last checkpoint; small daily batches make many.
_CONFIGURATION = {"delta.checkpointInterval": "10"}


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
        with self.connection(sql, frames=frames) as connection:
            return connection.sql(sql).to_arrow_table()

    @contextmanager
    def connection(
        self, sql: str | None = None, *, frames: Mapping[str, pa.Table] | None = None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """Lend a connection to DuckDB that sees the warehouse's tables (those that ``sql`` names, if given).

        What is made on it is seen by nobody else as long as it is made temporary: the connections of a process share
        one DuckDB in memory.
        """
        import duckdb

        spill = str(self.root / ".spill")
        connection = _engine(os.getpid(), self.threads, self.memory_limit, spill).cursor()
        try:
            connection.execute("set timezone = 'UTC'; set enable_progress_bar = false")
            named = set(_WORD.findall(sql)) if sql is not None else None
            given = dict(frames or {})
            wanted = [name for name in self._names() if name not in given and (named is None or name in named)]
            self._create_views(connection, wanted)
            for name, rows in given.items():
                connection.register(name, rows)
            yield connection
        except duckdb.OutOfMemoryException as error:
            raise OperatorError(
                f"warehouse {self.root}: a query needed more than {self.memory_limit} of memory and could not spill "
                f"({error}). Free the disk or give more memory."
            ) from error
        except duckdb.IOException as error:
            raise OperatorError(f"warehouse {self.root}: cannot read or write ({error}). Check the disk.") from error
        finally:
            connection.close()

    def _create_views(self, connection: duckdb.DuckDBPyConnection, names: list[str]) -> None:
        """Make the newest version of each table visible, and of ``superseded`` only what is decided.

        A correction touches two tables: the replaced row goes into ``superseded`` first, the new one into its feed
        afterwards. So feeds are opened first, and a replacement counts only if its batch is in the feed as opened: a
        reader sees the old row or the new one, never both or neither, whenever the writer was stopped.
        """
        snapshots: dict[str, Snapshot | None] = {}
        for name in sorted(names, key=lambda name: name == _SUPERSEDED):
            found = snapshots[name] = self._snapshot(name)
            connection.execute(f'create temp view "{name}" as {self._select(name, found.table if found else None)}')
        replaced = snapshots.get(_SUPERSEDED)
        if replaced is None:
            return
        undecided = []
        for feed, batch in connection.sql(f"select distinct feed, replaced_by from {_SUPERSEDED}").fetchall():
            if feed not in snapshots:
                snapshots[feed] = self._snapshot(feed)
            snapshot = snapshots[feed]
            if snapshot is None or not snapshot.has(batch):
                undecided.append(f"('{feed}', '{batch}')")
        if undecided:
            stored = self._select(_SUPERSEDED, replaced.table)
            connection.execute(
                f"create or replace temp view {_SUPERSEDED} as select * from ({stored})"
                f" where (feed, replaced_by) not in ({', '.join(undecided)})"
            )

    def append(self, table: str, rows: pa.Table, *, batch: str) -> bool:
        """See :meth:`Warehouse.append`. The batch is part of the Delta commit: both are there, or neither."""
        from deltalake import CommitProperties, Transaction, write_deltalake
        from deltalake.exceptions import CommitFailedError, DeltaError

        for _ in range(_ATTEMPTS):
            existing = self._open(table)
            if existing is not None and existing.transaction_version(batch) is not None:
                return False
            try:
                with self._disk_errors():
                    write_deltalake(
                        existing if existing is not None else str(self._folder(table)),
                        self._shaped(table, rows),
                        mode="append",
                        schema_mode="merge",
                        partition_by=self._partition(table),
                        configuration=_CONFIGURATION if existing is None else None,
                        commit_properties=CommitProperties(app_transactions=[Transaction(batch, 1)]),
                    )
            except CommitFailedError:
                continue  # somebody else committed first: look again whether it was this batch
            except DeltaError as error:
                if existing is None and self._open(table) is not None:
                    continue  # two first writers: the other one created the table
                raise OperatorError(f"warehouse table {table}: the write failed ({error}).") from error
            return True
        raise Busy(f"warehouse table {table}: other writers kept committing first. Run the command again.")

    def replace_day(self, table: str, as_of: date, rows: pa.Table) -> None:
        """See :meth:`Warehouse.replace_day`."""
        import pyarrow.compute as pc
        from deltalake import write_deltalake
        from deltalake.exceptions import CommitFailedError

        if rows.num_rows and not pc.all(pc.equal(rows["as_of"], as_of)).as_py():
            raise DataError(f"warehouse table {table}: rows of another day than {as_of} were given to replace it.")
        for _ in range(_ATTEMPTS):
            existing = self._open(table)
            try:
                with self._disk_errors():
                    write_deltalake(
                        existing if existing is not None else str(self._folder(table)),
                        self._shaped(table, rows),
                        mode="overwrite",
                        schema_mode="merge" if existing is not None else None,
                        partition_by=["as_of"],
                        configuration=_CONFIGURATION if existing is None else None,
                        predicate=f"as_of = '{as_of.isoformat()}'" if existing is not None else None,
                    )
            except CommitFailedError:
                continue
            return
        raise Busy(f"warehouse table {table}: other writers kept committing first. Run the command again.")

    def version(self, table: str) -> int | None:
        """See :meth:`Warehouse.version`."""
        existing = self._read(table)
        return None if existing is None else existing.version()

    def has_batch(self, table: str, batch: str) -> bool:
        """See :meth:`Warehouse.has_batch`."""
        existing = self._read(table)
        return existing is not None and existing.transaction_version(batch) is not None

    def file_count(self, table: str) -> int:
        """Return how many files the table's newest version consists of."""
        existing = self._read(table)
        return 0 if existing is None else len(existing.file_uris())

    def size_bytes(self, table: str) -> int:
        """Return how large the files of the table's newest version are together."""
        existing = self._read(table)
        return 0 if existing is None else sum(Path(file).stat().st_size for file in existing.file_uris())

    def compact(self, table: str, *, by: str) -> None:
        """Rewrite a table (not one stored by day) as one sorted run: a query on a range of ``by`` then reads little.

        The rows and the batches stay the same; who reads an older version keeps its files. Do it while no loader is at
        work: a batch that comes in between makes it give up and start again.

        Raises:
            Busy: others kept writing.
        """
        from deltalake import WriterProperties, write_deltalake
        from deltalake.exceptions import CommitFailedError

        for _ in range(_ATTEMPTS):
            existing = self._open(table)
            if existing is None:
                return
            columns = ", ".join(f'"{name}"' for name in fields_of(existing))
            order = ", ".join(f'"{name}"' for name in dict.fromkeys((by, *_ROW_ORDER)) if name in fields_of(existing))
            with self.connection("") as connection, self._disk_errors():
                rows = connection.sql(f"select {columns} from ({self._select(table, existing)}) order by {order}")
                try:
                    write_deltalake(
                        existing,
                        rows.to_arrow_reader(_ROWS_PER_GROUP),
                        mode="overwrite",
                        writer_properties=WriterProperties(max_row_group_size=_ROWS_PER_GROUP),
                    )
                except CommitFailedError:
                    continue
            return
        raise Busy(f"warehouse table {table}: other writers kept committing first. Run the command again.")

    def _names(self) -> list[str]:
        found = (
            {path.name for path in self.root.iterdir() if (path / "_delta_log").is_dir()} if self.root.is_dir() else ()
        )
        return sorted({*self.tables, *found})

    def _folder(self, table: str) -> Path:
        return self.root / table

    def _open(self, table: str) -> DeltaTable | None:
        from deltalake import DeltaTable

        folder = str(self._folder(table))
        return DeltaTable(folder) if DeltaTable.is_deltatable(folder) else None

    def _read(self, table: str) -> DeltaTable | None:
        """Open the newest version to read; it is shared, so nobody writes with it."""
        found = self._snapshot(table)
        return None if found is None else found.table

    def _snapshot(self, table: str) -> Snapshot | None:
        """Return the newest version and what is known of it; both are shared."""
        log = self._folder(table) / "_delta_log"
        try:
            newest = max((path for path in log.iterdir() if path.suffix == ".json"), default=None)
            stat = newest.stat() if newest is not None else None
        except FileNotFoundError:
            return None
        if newest is None or stat is None:
            return None
        # A table brought back from a backup may have a commit of the same number that says something else.
        return opened(str(self._folder(table)), (newest.name, stat.st_ino, stat.st_mtime_ns))

    def _partition(self, table: str) -> list[str] | None:
        declared = self.tables.get(table)
        return ["as_of"] if declared is not None and declared.is_keyed_by_day else None

    def _select(self, table: str, existing: DeltaTable | None) -> str:
        """SQL that reads one version of a table, or an empty relation of its declared shape."""
        declared = self.tables.get(table)
        files = existing.file_uris() if existing is not None else []
        if not files:
            return declared.empty_select() if declared is not None else "select 1 as nothing where false"
        listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
        days = (
            "hive_partitioning = true, hive_types = {'as_of': date}"
            if "as_of=" in files[0]
            else "hive_partitioning = false"
        )
        # By name costs a look at every file for each query; most tables never got another column.
        shapes = {columns_of(file) for file in files}
        by_name = "true" if len(shapes) > 1 else "false"
        stored = f"read_parquet([{listed}], union_by_name = {by_name}, {days})"
        if declared is None or existing is None:
            return f"select * from {stored}"
        # The table may have a column that no file has yet: a commit without rows brought it.
        in_files = {name for shape in shapes for name, _ in shape} | set(existing.metadata().partition_columns)
        present = [name for name in fields_of(existing) if name in in_files]
        shape = [
            f'"{c.name}"' if c.name in present else f'cast(null as {c.sql_type}) as "{c.name}"'
            for c in declared.columns
        ]
        extra = [f'"{name}"' for name in present if name not in declared.column_names]
        return f"select {', '.join([*shape, *extra])} from {stored}"

    def _shaped(self, table: str, rows: pa.Table) -> pa.Table:
        """Cast rows to the declared columns, in their order; columns that are not declared follow as they are."""
        import pyarrow as pa

        declared = self.tables.get(table)
        if declared is None:
            return rows
        names = [name for name in declared.column_names if name in rows.column_names]
        missing = [c.name for c in declared.columns if c.required and c.name not in rows.column_names]
        if missing:
            raise DataError(f"warehouse table {table}: column {missing[0]!r} is missing from the rows to be written.")
        columns = [rows[name].cast(_arrow_type(declared.column(name).type)) for name in names]
        extra = [name for name in rows.column_names if name not in names]
        return pa.table([*columns, *(rows[name] for name in extra)], names=[*names, *extra])

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


@functools.lru_cache(maxsize=4)
def _engine(_process: int, threads: int, memory_limit: str, spill: str) -> duckdb.DuckDBPyConnection:
    """Start the DuckDB of a process; to start one takes longer than most of our queries.

    The process is part of the key because a forked child must not use its parent's.
    """
    import duckdb

    return duckdb.connect(
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


def _arrow_type(column_type: str) -> Any:
    import pyarrow as pa

    return {
        "text": pa.string(),
        "integer": pa.int64(),
        "money": pa.int64(),
        "number": pa.float64(),
        "flag": pa.bool_(),
        "date": pa.date32(),
        "instant": pa.timestamp("us"),
    }[column_type]
