"""The three engines as warehouses that answer the same questions over the same rows."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from features.dialects import render
from holdback.business import Business
from holdback.tables import Table
from holdback.warehouse import Lake
from tests.features.world import Rows, arrow

_TYPES = {
    "text": "text", "integer": "bigint", "money": "bigint", "number": "double precision", "flag": "boolean",
    "date": "date", "instant": "timestamp",
}  # fmt: skip
_ARROW = {
    pa.string(): "text", pa.int64(): "bigint", pa.int32(): "bigint", pa.float64(): "double precision",
    pa.bool_(): "boolean", pa.date32(): "date", pa.timestamp("us"): "timestamp",
}  # fmt: skip
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def lake_of(folder: Path, business: Business, rows: Rows) -> Lake:
    """Write rows into Delta tables as the loader does: a commit for each batch, also for one that only corrects."""
    lake = Lake(folder, business.tables, threads=1)
    tables = {name: arrow(business.tables[name], list(table)) for name, table in rows.items() if table}
    replacing = {(row["feed"], row["replaced_by"]) for row in rows.get("superseded", ())}
    for name, table in tables.items():
        known = table["batch_id"].unique().to_pylist() if "batch_id" in table.column_names else [None]
        for batch in known:
            mask = pa.compute.equal(table["batch_id"], batch) if batch is not None else None
            lake.append(name, table if mask is None else table.filter(mask), batch=str(batch or name))
        for feed, batch in sorted(replacing):
            if feed == name:
                lake.append(name, table.slice(0, 0), batch=str(batch))
    return lake


@dataclass(frozen=True)
class OnPostgres:
    """The rows of a lake in a schema of their own in PostgreSQL, asked with the rendered statements."""

    connection: Any
    lake: Lake
    schema: str
    loaded: set[str]

    @classmethod
    def of(cls, connection: Any, lake: Lake) -> OnPostgres:
        schema = f"w{uuid.uuid4().hex}"
        connection.execute(f'create schema "{schema}"')
        return cls(connection, lake, schema, set())

    def query(self, sql: str, *, frames: Mapping[str, pa.Table] | None = None) -> pa.Table:
        given = frames or {}
        named = {word.lower() for word in _WORD.findall(sql)}
        with self.connection.transaction(force_rollback=True):
            self.connection.execute("set local time zone 'UTC'")
            for name in set(self.lake.tables) & named - set(given):
                self._load(name)
            self.connection.execute(f'set local search_path to "{self.schema}"')
            for name, rows in given.items():
                columns = ", ".join(f'"{field.name}" {_ARROW[field.type]}' for field in rows.schema)
                self.connection.execute(f'create temporary table "{name}" ({columns}) on commit drop')
                self._copy(f'"{name}"', rows)
            cursor = self.connection.execute(render(sql, "postgres"))
            return table_of(cursor)

    def _load(self, name: str) -> None:
        declared: Table = self.lake.tables[name]
        columns = ", ".join(f'"{column.name}" {_TYPES[column.type]}' for column in declared.columns)
        self.connection.execute(f'create table "{self.schema}"."{name}" ({columns})')
        self._copy(f'"{self.schema}"."{name}"', self.lake.query(f'select * from "{name}"'))

    def _copy(self, table: str, rows: pa.Table) -> None:
        listed = ", ".join(f'"{name}"' for name in rows.column_names)
        with self.connection.cursor() as cursor, cursor.copy(f"copy {table} ({listed}) from stdin") as copy:
            for row in zip(*(column.to_pylist() for column in rows.columns), strict=True):
                copy.write_row(row)

    def append(self, table: str, rows: pa.Table, *, batch: str) -> bool:
        raise AssertionError("the suite only reads")

    def replace_day(self, table: str, as_of: date, rows: pa.Table) -> None:
        raise AssertionError("the suite only reads")

    def version(self, table: str) -> int | None:
        return self.lake.version(table)

    def has_batch(self, table: str, batch: str) -> bool:
        return self.lake.has_batch(table, batch)

    def corrected(self) -> frozenset[str]:
        return self.lake.corrected()


def table_of(cursor: Any) -> pa.Table:
    rows = cursor.fetchall()
    names = [column.name for column in cursor.description]
    return pa.table({name: _column([row[at] for row in rows]) for at, name in enumerate(names)})


def _column(values: list[Any]) -> pa.Array:
    from decimal import Decimal

    return pa.array([int(v) if isinstance(v, Decimal) and v == v.to_integral_value() else
                     float(v) if isinstance(v, Decimal) else v for v in values])  # fmt: skip


@contextmanager
def connected(url: str) -> Iterator[Any]:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        yield connection
