"""A warehouse's tables as Spark sees them, and statements over them."""

from __future__ import annotations

import re
import shutil
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdback.warehouse.snapshots import Snapshot, columns_of, followed
from holdback.warehouse.spark.starting import ROWS_PER_BATCH, spark_errors, started

if TYPE_CHECKING:
    import pyarrow as pa

    from holdback.tables import Table
    from holdback.warehouse.lake import Lake

#: A frame up to this many bytes is sent whole to every executor, instead of being shuffled.
MOST_BROADCAST_BYTES = 64_000_000

_SUPERSEDED = "superseded"
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SQL_TYPES = {
    "text": "string", "integer": "bigint", "money": "bigint", "number": "double", "flag": "boolean", "date": "date",
    "instant": "timestamp_ntz",
}  # fmt: skip
_ARROW_TYPES = {
    "string": "string", "large_string": "string", "int64": "bigint", "int32": "int", "double": "double",
    "bool": "boolean", "date32[day]": "date", "timestamp[us]": "timestamp_ntz",
    "timestamp[us, tz=UTC]": "timestamp_ntz",
}  # fmt: skip


@dataclass(eq=False)
class Spark:
    """A warehouse's tables in Spark.

    Args:
        lake: Whose files are read.
        master: Where Spark computes: ``local[2]``, ``local-cluster[2,1,1024]``, ``spark://host:7077``.
    """

    lake: Lake
    master: str
    _session: Any = field(default=None, repr=False)
    _shown: dict[str, object] = field(default_factory=dict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def scratch(self) -> Path:
        """Folder for what executors hand to the driver; on a cluster it must be the same folder everywhere."""
        return self.lake.root / ".spill" / "spark"

    @property
    def session(self) -> Any:
        """The ``SparkSession``; its views are seen by nobody else.

        Raises:
            OperatorError: Spark or Java is missing, or the master cannot be reached.
        """
        now = started(self.master, self.scratch)
        if self._session is None or self._session.sparkContext is not now.sparkContext:
            self._session, self._shown = now.newSession(), {}
        return self._session

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the views for oneself: another thread waits."""
        with self._lock:
            yield

    def given(self, frames: Mapping[str, Any]) -> dict[str, Any]:
        """Return frames as DataFrames."""
        with spark_errors(self.master):
            return {name: self._frame(rows) for name, rows in frames.items()}

    def relation(self, sql: str, frames: Mapping[str, Any] | None = None) -> Any:
        """Return one SELECT in Spark's SQL as a ``DataFrame``, over the tables as they are now and over frames.

        Args:
            sql: What :func:`features.dialects.render` made of one of our statements.
            frames: Further relations by name: Arrow tables, or DataFrames of this session.
        """
        given = dict(frames or {})
        with spark_errors(self.master):
            self._show(sql, given)
            return self.session.sql(sql)

    def query(self, sql: str, *, frames: Mapping[str, Any] | None = None) -> pa.Table:
        """Run one SELECT and bring its rows to the driver, as :meth:`holdback.warehouse.Warehouse.query` does."""
        with spark_errors(self.master):
            return naive(self.relation(sql, frames).toArrow())

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Lend an empty folder that executors write to and the driver reads from; it is gone afterwards."""
        place = self.scratch / uuid.uuid4().hex
        place.mkdir(parents=True, mode=0o700)
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def kept(self, relation: Any, folder: Path) -> Any:
        """Compute a relation once: the executors write it down as Parquet, and what is returned reads it."""
        with spark_errors(self.master):
            relation.write.mode("overwrite").parquet(_path(folder))
            return self.session.read.schema(relation.schema).parquet(_path(folder))

    def counted(self, relation: Any) -> int:
        """Return how many rows a relation has."""
        with spark_errors(self.master):
            return int(relation.count())

    def mapped(self, folder: Path) -> pa.Table:
        """Return what executors wrote, in the order in which it was written, as a table that lies on the disk.

        The driver needs no memory for it, however many rows there are; it is gone with the folder.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        files = sorted(path for path in folder.iterdir() if path.suffix == ".parquet")
        place = folder / "rows.arrow"
        with pa.OSFile(str(place), "wb") as sink:
            writer = None
            for file in files:
                for batch in pq.ParquetFile(file).iter_batches(ROWS_PER_BATCH):
                    rows = naive(pa.Table.from_batches([batch]))
                    writer = writer or pa.ipc.new_file(sink, rows.schema)
                    writer.write_table(rows)
            if writer is None:
                return naive(pq.read_table(files))
            writer.close()
        return pa.ipc.open_file(pa.memory_map(str(place))).read_all()

    def _show(self, sql: str, frames: Mapping[str, Any]) -> None:
        named = {word.lower() for word in _WORD.findall(sql)}
        names = [name for name in self._names() if name.lower() in named and name not in frames]
        for name, (key, relation) in self._tables(names).items():
            if self._shown.get(name) != key:
                relation().createOrReplaceTempView(name)
                self._shown[name] = key
        for name, rows in frames.items():
            self._shown.pop(name, None)
            self._frame(rows).createOrReplaceTempView(name)

    def _frame(self, rows: Any) -> Any:
        import pyarrow as pa

        if not isinstance(rows, pa.Table):
            return rows
        from pyspark.sql import functions
        from pyspark.sql.pandas.types import from_arrow_schema

        plain = _plain(rows)
        # Instants are naive: without the schema they would become instants of a time zone.
        schema = from_arrow_schema(plain.schema, prefer_timestamp_ntz=True)
        relation = self.session.createDataFrame(plain, schema=schema)
        return functions.broadcast(relation) if plain.nbytes <= MOST_BROADCAST_BYTES else relation

    def _names(self) -> list[str]:
        root = self.lake.root
        found = [path.name for path in root.iterdir() if (path / "_delta_log").is_dir()] if root.is_dir() else []
        return sorted({*self.lake.tables, *found})

    def _tables(self, names: list[str]) -> dict[str, tuple[object, Any]]:
        """Each table's newest version: what tells it from others, and how to open it.

        Feeds are opened before ``superseded``, and a replacement counts only if its batch is in the feed as opened: a
        reader sees the old row or the new one (see :class:`holdback.warehouse.Lake`).
        """
        opened = {name: self._snapshot(name) for name in sorted(names, key=lambda name: name == _SUPERSEDED)}
        found: dict[str, tuple[object, Any]] = {}
        for name, snapshot in opened.items():
            declared = self.lake.tables.get(name)
            undecided: tuple[tuple[str, str], ...] = ()
            if name == _SUPERSEDED and snapshot is not None:
                undecided = tuple(
                    (feed, batch)
                    for feed, batch in _replacements(snapshot)
                    if (of := opened[feed] if feed in opened else self._snapshot(feed)) is None or not of.has(batch)
                )
            key = (snapshot.folder, snapshot.files, undecided) if snapshot is not None else "no rows yet"

            def open_table(s: Snapshot | None = snapshot, d: Table | None = declared, u: Any = undecided) -> Any:
                return _without(_opened(self.session, s, d), u)

            found[name] = (key, open_table)
        return found

    def _snapshot(self, table: str) -> Snapshot | None:
        return followed(self.lake.root / table).snapshot()


def naive(rows: pa.Table) -> pa.Table:
    """Return rows with instants as the warehouse keeps them: UTC, without saying so."""
    import pyarrow as pa

    fields = [pa.timestamp("us") if pa.types.is_timestamp(f.type) else f.type for f in rows.schema]
    return pa.table([c.cast(kind) for c, kind in zip(rows.columns, fields, strict=True)], names=rows.column_names)


def _opened(session: Any, snapshot: Snapshot | None, declared: Table | None) -> Any:
    """One version of a table; declared columns that its files lack are null."""
    columns = {c.name: _SQL_TYPES[c.type] for c in declared.columns} if declared is not None else {}
    if snapshot is None or not snapshot.files:
        nulls = [f"cast(null as {kind}) as `{name}`" for name, kind in (columns or {"nothing": "int"}).items()]
        return session.sql(f"select {', '.join(nulls)} where false")
    for file in snapshot.files:
        for name, kind in columns_of(file):
            columns.setdefault(name, _ARROW_TYPES.get(kind, kind))
    for name in snapshot.partition_columns:
        columns.setdefault(name, "date")
    reader = session.read.schema(_schema(columns)).option("basePath", _path(snapshot.folder))
    relation = reader.parquet(*(_path(file) for file in snapshot.files))
    return relation.select(*(f"`{name}`" for name in columns))


def _path(file: str | Path) -> str:
    """A file as Hadoop names it: its characters as they are, none of them a pattern."""
    return "file:" + re.sub(r"([\\{}\[\]*?])", r"\\\1", str(file))


def _schema(columns: Mapping[str, str]) -> str:
    return ", ".join(f"`{name}` {kind}" for name, kind in columns.items())


def _without(relation: Any, undecided: tuple[tuple[str, str], ...]) -> Any:
    from pyspark.sql import functions

    for feed, batch in undecided:
        relation = relation.where(~((functions.col("feed") == feed) & (functions.col("replaced_by") == batch)))
    return relation


def _replacements(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Every feed and batch that replaced rows, decided or not."""
    import pyarrow.parquet as pq

    found: set[tuple[str, str]] = set()
    for file in snapshot.files:
        rows = pq.read_table(file, columns=["feed", "replaced_by"], partitioning=None)
        found |= set(zip(rows["feed"].to_pylist(), rows["replaced_by"].to_pylist(), strict=True))
    return sorted(found)


def _plain(rows: pa.Table) -> pa.Table:
    """Rows in types that Spark takes: no dictionaries, no columns of nothing but nulls without a type."""
    import pyarrow as pa

    columns = []
    for column in rows.columns:
        kind = column.type
        if pa.types.is_dictionary(kind):
            column = column.cast(kind.value_type)
        elif pa.types.is_null(kind):
            column = column.cast(pa.string())
        elif pa.types.is_timestamp(kind) and kind != pa.timestamp("us"):
            column = column.cast(pa.timestamp("us"))
        columns.append(column)
    return pa.table(columns, names=rows.column_names)
