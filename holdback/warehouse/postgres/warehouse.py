"""The warehouse of a company: tables and commits in PostgreSQL, answers from copies on this machine."""

from __future__ import annotations

import functools
import os
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from holdback.errors import Busy, DataError, OperatorError
from holdback.tables import Table
from holdback.warehouse.postgres import commits
from holdback.warehouse.postgres.commits import Newest, Write
from holdback.warehouse.postgres.connections import Database, database, one_moment
from holdback.warehouse.postgres.folders import Fetching
from holdback.warehouse.postgres.locks import check_held
from holdback.warehouse.postgres.mirror import Copy, Mirror, Overtaken
from holdback.warehouse.sessions import Engine, Session, engine, machine_fault
from holdback.warehouse.shapes import ROWS_PER_GROUP, empty_select, shaped, stored_select

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from holdback.warehouse.postgres.connections import Connection

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TRIES = 5
_SUPERSEDED = "superseded"
_ROW_ORDER = ("event_at", "batch_id", "row_number")


@dataclass(frozen=True)
class PostgresWarehouse:
    """Tables in one schema of a PostgreSQL, which decides what is written; queries read this machine's mirror.

    Every query first asks the database where the tables stand that it names, fetches what is new, and then reads
    exactly these versions: it sees one moment of the database, however many processes and machines write.

    Args:
        url: Connection string; shown nowhere.
        schema: The business' schema.
        root: Folder of the mirror on this machine. It can be removed at any time.
        tables: The declared tables.
        threads: Threads that a query may use.
        memory_limit: What a query may hold in memory before it spills to disk.
    """

    url: str = field(repr=False)
    schema: str
    root: Path
    tables: Mapping[str, Table] = field(default_factory=dict)
    threads: int = 2
    memory_limit: str = "2GB"

    @property
    def address(self) -> str:
        """Where it is, without user and password."""
        return f"postgresql://{self.database.address}?schema={self.schema}"

    def query(self, sql: str, *, frames: Mapping[str, pa.Table] | None = None) -> pa.Table:
        """See :meth:`Warehouse.query`."""
        given = frames or {}
        for is_second_try in (False, True):
            try:
                with self.machine_errors(), self.mirror.reading(), self._engine().session() as session:
                    self._show(session, sql, hidden=given)
                    return session.answer(sql, given)
            except _Damaged:
                if is_second_try:
                    raise
        raise AssertionError

    @contextmanager
    def connection(self, sql: str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """Lend a connection to DuckDB that sees the tables at one moment; see :meth:`Lake.connection`."""
        with self.machine_errors(), self.mirror.reading():
            session = Session(self._engine().connect())
            try:
                self._show(session, sql)
                yield session.connection
            finally:
                session.connection.close()

    def corrected(self) -> frozenset[str]:
        """See :meth:`Warehouse.corrected`."""
        with self.machine_errors(), self.mirror.reading(), self._engine().session() as session:
            copy = self._copies([_SUPERSEDED]).get(_SUPERSEDED)
            if copy is None:
                return frozenset()
            return frozenset(feed for feed, _ in self._replacements(session, copy))

    @contextmanager
    def machine_errors(self) -> Iterator[None]:
        """See :meth:`WholeWarehouse.machine_errors`. A copy that is gone or damaged is dropped, to be fetched anew."""
        import duckdb

        try:
            yield
        except duckdb.OutOfMemoryException as error:
            raise machine_fault(self.root, self.memory_limit, error) from error
        except (FileNotFoundError, duckdb.IOException, duckdb.InvalidInputException) as error:
            damaged = re.search(re.escape(f"{self.root}/") + r"[^/'\"]+/(\w+)/e\d", str(error))
            if damaged is None and isinstance(error, duckdb.InvalidInputException):
                raise
            if damaged is None:
                raise machine_fault(self.root, self.memory_limit, error) from error
            self.mirror.forget([damaged[1]])
            raise _Damaged(
                f"mirror {self.root}: the copy of the table {damaged[1]} on this machine was damaged and is dropped. "
                "Nothing is lost: run the command again, and it is fetched anew. If it happens again, check the disk."
            ) from error

    def append(self, table: str, rows: pa.Table, *, batch: str) -> bool:
        """See :meth:`Warehouse.append`. Rows and batch are written by one transaction."""
        return self._write(Write(table, str(uuid.uuid4()), self._shaped(table, rows), batch=batch))

    def replace_day(self, table: str, as_of: date, rows: pa.Table) -> None:
        """See :meth:`Warehouse.replace_day`."""
        import pyarrow.compute as pc

        if rows.num_rows and not pc.all(pc.equal(rows["as_of"], as_of)).as_py():
            raise DataError(f"warehouse table {table}: rows of another day than {as_of} were given to replace it.")
        self._write(Write(table, str(uuid.uuid4()), self._shaped(table, rows), as_of=as_of))

    def version(self, table: str) -> int | None:
        """See :meth:`Warehouse.version`."""
        found = self._newest([table]).get(table)
        return None if found is None else found.version

    def has_batch(self, table: str, batch: str) -> bool:
        """See :meth:`Warehouse.has_batch`."""

        def work(connection: Connection) -> bool:
            return commits.is_there(connection, self.schema) and commits.has_batch(
                connection, self.schema, table, batch
            )

        return self.database.run(f"table {table}", work)

    def file_count(self, table: str) -> int:
        """See :meth:`WholeWarehouse.file_count`."""
        copy = self._copies([table]).get(table)
        return 0 if copy is None or copy.is_by_day else len(copy.parts)

    def size_bytes(self, table: str) -> int:
        """See :meth:`WholeWarehouse.size_bytes`."""
        copy = self._copies([table]).get(table)
        return 0 if copy is None else sum(part.bytes for part in copy.parts)

    def compact(self, table: str, *, by: str) -> None:
        """See :meth:`WholeWarehouse.compact`: this machine's files; the database's rows stay as they are."""
        found = self._newest([table]).get(table)
        if found is None:
            return
        with self.connection("") as connection:
            copy = self._copies([table])[table]
            if copy.is_by_day or len(copy.parts) < 2 or copy.id != found.id:
                return
            names = list(copy.columns)
            order = ", ".join(f'"{name}"' for name in dict.fromkeys((by, *_ROW_ORDER)) if name in names)
            columns = ", ".join(f'"{name}"' for name in names)
            rows = connection.sql(f"select {columns} from ({self._select(table, copy)}) order by {order or 'all'}")
            reader = rows.to_arrow_reader(ROWS_PER_GROUP)
            self.mirror.replace(found, copy, reader, reader.schema)
        self.mirror.sweep()

    def rewrite(self, table: str, select: str, *, frames: Mapping[str, pa.Table] | None = None) -> None:
        """See :meth:`WholeWarehouse.rewrite`. Only who owns the table may do it.

        Other machines drop their copies with the first query that names the table. The database's own backups keep what
        they keep: let them expire.

        Raises:
            Busy: others kept writing, or a query on this machine still reads what is to be gone.
            DataError: the SELECT has other columns than the table.
            OperatorError: the database refuses.
        """
        for _ in range(_TRIES):
            seen = self._newest([table]).get(table)
            if seen is None:
                return
            if self._rewritten(table, select, frames or {}, seen):
                self.purge(table)
                return
        raise Busy(f"warehouse table {table}: other writers kept committing first. Run the command again.")

    def drop_days(self, table: str, before: date) -> None:
        """See :meth:`WholeWarehouse.drop_days`: the table is rewritten."""
        self.rewrite(table, f"""select * from "{table}" where as_of >= date '{before.isoformat()}'""")

    def purge(self, table: str) -> None:
        """See :meth:`WholeWarehouse.purge`. The database keeps nothing older; this machine's mirror is put in order.

        Raises:
            Busy: a query on this machine still reads what is to be gone.
        """
        copy = self._copies([table]).get(table)
        if copy is not None:
            self.mirror.keep_only(copy)

    def take_over(self, table: str, rows: pa.RecordBatchReader, batches: Sequence[str]) -> bool:
        """Write the rows and the batches of a table that was kept elsewhere, all or none; False when it is not empty.

        Raises:
            OperatorError: the database refuses, or was lost on the way: nothing was written, run it again.
        """
        fields = rows.schema

        def work(connection: Connection) -> bool:
            if not commits.is_there(connection, self.schema):
                commits.make_schema(connection, self.schema)
            declared = self.tables.get(table)
            return commits.take_over(connection, self.schema, declared, table, rows, fields, batches)

        return self.database.run(f"table {table}", work, tries=1)

    def stored(self, table: str) -> str:
        """SQL of all rows of a table as they are stored, for a connection of this warehouse."""
        return self._select(table, self._copies([table]).get(table))

    @property
    def database(self) -> Database:
        """This process' connections to the database."""
        return database(self.url)

    @property
    def mirror(self) -> Mirror:
        """The copies on this machine."""
        return _mirror(os.getpid(), self.root)

    def _engine(self) -> Engine:
        return engine(os.getpid(), self.threads, self.memory_limit, str(self.root / ".spill"))

    def _write(self, wanted: Write) -> bool:
        def work(connection: Connection) -> bool:
            check_held(self.url, self.schema)
            if not commits.is_there(connection, self.schema):
                commits.make_schema(connection, self.schema)
            return commits.write(connection, self.schema, self.tables, wanted)

        return self.database.run(f"table {wanted.table}", work)

    def _rewritten(self, table: str, select: str, frames: Mapping[str, pa.Table], seen: Newest) -> bool:
        commit_id = str(uuid.uuid4())
        with self.connection() as connection:
            for name, rows in frames.items():
                connection.register(name, rows)
            relation = connection.sql(f"select * from ({select})")
            stored = self.database.run(f"table {table}", lambda c: commits.stored_columns(c, self.schema, table))
            if set(relation.columns) != set(stored):
                odd = sorted(set(relation.columns) ^ set(stored))
                raise DataError(f"warehouse table {table}: the rows to be kept differ in the column {odd[0]!r}.")
            listed = ", ".join(f'"{name}"' for name in stored)

            def work(c: Connection) -> bool:
                check_held(self.url, self.schema)
                kept = connection.sql(f"select {listed} from ({select})").to_arrow_reader(ROWS_PER_GROUP)
                return commits.put_in_place(c, self.schema, table, kept, seen, commit_id)

            return self.database.run(f"table {table}", work)

    def _show(self, session: Session, sql: str | None, *, hidden: Iterable[str] = ()) -> None:
        """Make the tables visible that an SQL names, all at one moment, and of ``superseded`` what is decided.

        The rule is that of :meth:`Lake._views`: a replacement counts once its batch is in its feed.
        """
        named = None if sql is None else {word.lower() for word in _WORD.findall(sql)} - set(hidden)
        if named is None:
            wanted = None
        else:
            declared = {name.lower(): name for name in self.tables}
            wanted = sorted({declared.get(word, word) for word in named if not word.startswith("_")})
        undecided: list[tuple[str, str]] = []

        def look(connection: Connection, copies: Mapping[str, Copy]) -> None:
            replaced = copies.get(_SUPERSEDED)
            pairs = self._replacements(session, replaced) if replaced is not None else ()
            undecided[:] = commits.unwritten(connection, self.schema, pairs)

        copies = self._copies(wanted, look=look)
        shown = [name for name in self.tables if (named is None or name.lower() in named) and name not in hidden]
        views = {name: self._select(name, copies.get(name)) for name in {*shown, *copies} - set(hidden)}
        if undecided:
            listed = ", ".join(f"('{feed}', '{batch}')" for feed, batch in undecided)
            views[_SUPERSEDED] = f"select * from ({views[_SUPERSEDED]}) where (feed, replaced_by) not in ({listed})"
        unnamed = {name for name in session.shown if named is not None and name.lower() not in named}
        session.show(views, known=(unnamed | set(views)) - set(hidden))

    def _copies(
        self, tables: Iterable[str] | None, *, look: Callable[[Connection, Mapping[str, Copy]], None] | None = None
    ) -> dict[str, Copy]:
        """The copies of tables as they stand now, all at one moment.

        Args:
            tables: Which; None for all.
            look: Called at the same moment, if ``superseded`` is among them.
        """
        wanted = list(tables) if tables is not None else None
        if wanted is not None and _SUPERSEDED not in wanted:
            newest = self._newest(wanted)
            known = {name: self.mirror.known(one) for name, one in newest.items()}
            if all(copy is not None for copy in known.values()):
                return {name: copy for name, copy in known.items() if copy is not None}

        attempt = 0
        while True:
            try:
                return self.database.run(
                    "the warehouse",
                    functools.partial(self._at_one_moment, wanted, look, is_last_try=attempt == _TRIES - 1),
                )
            except Overtaken:
                attempt += 1
            except Fetching as other:
                self.mirror.wait_for(other.folder)

    def _at_one_moment(
        self,
        wanted: list[str] | None,
        look: Callable[[Connection, Mapping[str, Copy]], None] | None,
        connection: Connection,
        *,
        is_last_try: bool,
    ) -> dict[str, Copy]:
        if not commits.is_there(connection, self.schema):
            return {}
        with one_moment(connection):
            names = wanted if wanted is not None else commits.written_tables(connection, self.schema)
            copies = {
                name: self.mirror.known(one)
                or self.mirror.catch_up(connection, self.schema, one, self.tables.get(name), is_last_try=is_last_try)
                for name, one in commits.newest(connection, self.schema, names).items()
            }
            if look is not None and _SUPERSEDED in copies:
                look(connection, copies)
        return copies

    def _newest(self, tables: list[str]) -> dict[str, Newest]:
        def work(connection: Connection) -> dict[str, Newest]:
            if not commits.is_there(connection, self.schema):
                return {}
            return commits.newest(connection, self.schema, tables)

        return self.database.run("the warehouse", work)

    def _replacements(self, session: Session, replaced: Copy) -> tuple[tuple[str, str], ...]:
        """Every feed and batch that replaced rows, decided or not."""
        if replaced.replacements is None:
            found = session.connection.sql(
                f"select distinct feed, replaced_by from ({self._select(_SUPERSEDED, replaced)}) order by all"
            ).fetchall()
            replaced.replacements = tuple((str(feed), str(batch)) for feed, batch in found)
        return replaced.replacements

    def _select(self, table: str, copy: Copy | None) -> str:
        """SQL that reads one version of a table, or an empty relation of its declared shape."""
        declared = self.tables.get(table)
        if copy is None or not copy.parts:
            return empty_select(declared)
        if copy.select is None or copy.select[0] is not declared:
            partition = ("as_of",) if copy.is_by_day else ()
            copy.select = (declared, stored_select(copy.files, tuple(copy.columns), partition, declared))
        return copy.select[1]

    def _shaped(self, table: str, rows: pa.Table) -> pa.Table:
        return shaped(table, self.tables.get(table), rows)


class _Damaged(OperatorError):
    """A copy of the mirror is not what it was; it was dropped."""


@functools.lru_cache(maxsize=16)
def _mirror(_process: int, root: Path) -> Mirror:
    return Mirror(root)
