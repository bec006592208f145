"""From a laptop's tables to the company's database: rows, batches and both clocks, and proof that they are equal.

A table is moved by one transaction: its rows, and the names of its batches, so that no batch is ever loaded twice.
Afterwards both are compared as a whole: the count, and a sum over the hashes of all rows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from holdback.errors import OperatorError
from holdback.progress import Progress, silent
from holdback.warehouse.lake import Lake
from holdback.warehouse.postgres.warehouse import PostgresWarehouse
from holdback.warehouse.shapes import empty_select, stored_select
from holdback.warehouse.snapshots import followed

if TYPE_CHECKING:
    import duckdb

_ROWS_AT_ONCE = 50_000


@dataclass(frozen=True)
class MovedTable:
    """What became of one table.

    Args:
        table: Its name.
        row_count: Its rows, in both places.
        batch_count: The batches that are known of it.
        fingerprint: A sum over the hashes of all rows, the same in both places.
        was_there: True when an earlier run had moved it.
    """

    table: str
    row_count: int
    batch_count: int
    fingerprint: str
    was_there: bool


def move(lake: Lake, warehouse: PostgresWarehouse, *, progress: Progress = silent) -> tuple[MovedTable, ...]:
    """Copy every table of a business into an empty schema of the company's database.

    Stopped at any point, the next run goes on. Nothing else may write meanwhile.

    Raises:
        OperatorError: the database has other rows than the files: it was not empty, or somebody wrote. The table is
            named; the files are not touched.
    """
    tables = _tables_of(lake)
    moved = []
    for position, table in enumerate(tables):
        progress(f"copying {table}", position, len(tables))
        batches = batches_of(lake.root / table)
        was_there = warehouse.version(table) is not None
        with lake.connection("") as connection:
            stored = _stored(lake, table)
            if not was_there:
                reader = connection.sql(stored).to_arrow_reader(_ROWS_AT_ONCE)
                warehouse.take_over(table, reader, batches)
            ours = fingerprint(connection, stored)
        with warehouse.connection("") as connection:
            theirs = fingerprint(connection, warehouse.stored(table))
        if ours != theirs:
            raise OperatorError(
                f"warehouse table {table}: {ours[0]:,} rows in the files, {theirs[0]:,} in the database, or others. "
                "Copy into a schema that nobody wrote to, while nothing runs; the files are as they were."
            )
        moved.append(MovedTable(table, ours[0], len(batches), ours[1], was_there))
    progress("done", len(tables), len(tables))
    return tuple(moved)


def fingerprint(connection: duckdb.DuckDBPyConnection, select: str) -> tuple[int, str]:
    """The number of rows of a SELECT, and a sum over their hashes: the same whatever their order."""
    columns = connection.sql(f"select * from ({select}) limit 0")
    # The character 0 has no place in PostgreSQL.
    listed = ", ".join(
        f'replace("{name}", chr(0), chr(65533))' if str(kind) == "VARCHAR" else f'"{name}"'
        for name, kind in sorted(zip(columns.columns, columns.types, strict=True), key=lambda column: column[0])
    )
    count, total = connection.sql(
        f"select count(*), coalesce(sum(hash({listed})::hugeint), 0)::varchar from ({select})"
    ).fetchall()[0]
    return int(count), str(total)


def batches_of(folder: Path) -> tuple[str, ...]:
    """The batches that a Delta table knows: of its newest checkpoint and of the commits that are there."""
    import pyarrow.parquet as pq

    log, found = folder / "_delta_log", []
    for path in sorted(log.glob("*.checkpoint.parquet"))[-1:]:
        transactions = pq.read_table(path, columns=["txn"])["txn"].to_pylist()
        found += [one["appId"] for one in transactions if one is not None and one["appId"] is not None]
    for path in sorted(log.glob("*.json")):
        lines = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line)
        found += [line["txn"]["appId"] for line in lines if "txn" in line]
    return tuple(dict.fromkeys(found))


def _tables_of(lake: Lake) -> list[str]:
    if not lake.root.is_dir():
        return []
    return sorted(path.parent.name for path in lake.root.glob("*/_delta_log"))


def _stored(lake: Lake, table: str) -> str:
    """SQL of all rows of a table as they are stored, undecided replacements too."""
    snapshot, declared = followed(lake.root / table).snapshot(), lake.tables.get(table)
    if snapshot is None or not snapshot.files:
        return empty_select(declared)
    return stored_select(snapshot.files, snapshot.fields, snapshot.partition_columns, declared)
