"""The register of commits: what was written, in which order; and the writes themselves, each one transaction.

Writers of one table take turns (an advisory lock that ends with the transaction), so numbers are given in the order in
which commits become visible: who has seen number n has seen all before it. That a batch is written once is decided by
the register's unique constraint, whatever else happens.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from holdback.errors import OperatorError
from holdback.tables import Table
from holdback.warehouse.postgres.copying import copy_in, storable
from holdback.warehouse.postgres.definitions import (
    column_type,
    declared_columns,
    described,
    lock_key,
    quoted,
    schema_sql,
    table_sql,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from holdback.warehouse.postgres.connections import Connection


@dataclass(frozen=True)
class Newest:
    """Where a table stands.

    Args:
        table: Its name.
        version: The number of its newest commit.
        id: That commit's id: a number alone may mean another commit in a database brought back from a backup.
        epoch: The commit that last put all rows in place anew; what was there before must be kept nowhere.
        total_count: Its rows.
        identity: Of the schema; another database has another one.
    """

    table: str
    version: int
    id: str
    epoch: int
    total_count: int
    identity: str


@dataclass(frozen=True)
class Write:
    """One commit to be.

    Args:
        table: The table.
        id: Chosen before the first try, so that a try whose answer got lost is known again.
        rows: What to write, in the declared shape.
        batch: The batch, or None.
        as_of: The day that it replaces, or None.
    """

    table: str
    id: str
    rows: pa.Table
    batch: str | None = None
    as_of: date | None = None


def is_there(connection: Connection, schema: str) -> bool:
    """True when the schema and its register were made.

    The catalogue itself is read: ``to_regclass`` answers from a cache that does not hear, while a lock is waited for,
    of what whoever held it has just made.
    """
    found = connection.execute(
        "select exists (select 1 from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n"
        " on n.oid = c.relnamespace where n.nspname = %s and c.relname = '_commits')",
        [schema],
    ).fetchone()
    return found is not None and bool(found[0])


def make_schema(connection: Connection, schema: str) -> None:
    """Make the schema and its register, whoever else does the same."""
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [lock_key(schema)])
        if not is_there(connection, schema):
            for statement in schema_sql(schema):
                connection.execute(statement)


def newest(connection: Connection, schema: str, tables: Iterable[str]) -> dict[str, Newest]:
    """Where each of the tables stands; those to which nothing was ever written are not in it."""
    s = quoted(schema)
    rows = connection.execute(
        f"select n.name, c.version, c.id::text, c.epoch, c.total_count, (select id::text from {s}._identity)"
        f" from unnest(%s::text[]) as n (name) cross join lateral (select * from {s}._commits"
        " where table_name = n.name order by version desc limit 1) as c",
        [list(tables)],
    ).fetchall()
    return {row[0]: Newest(*row) for row in rows}


def written_tables(connection: Connection, schema: str) -> list[str]:
    """Every table to which something was written."""
    s = quoted(schema)
    rows = connection.execute(
        "select c.relname from pg_class c where c.relnamespace = to_regnamespace(%s) and c.relkind = 'r'"
        f" and c.relname not like '\\_%%' and exists (select from {s}._commits where table_name = c.relname)"
        " order by 1",
        [s],
    ).fetchall()
    return [row[0] for row in rows]


def has_batch(connection: Connection, schema: str, table: str, batch: str) -> bool:
    """True when a batch was written to a table."""
    sql = f"select exists (select from {quoted(schema)}._commits where table_name = %s and batch = %s)"
    found = connection.execute(sql, [table, batch]).fetchone()
    return found is not None and bool(found[0])


def unwritten(connection: Connection, schema: str, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those of the pairs of table and batch of which the batch was not written to the table."""
    listed = list(pairs)
    if not listed:
        return []
    rows = connection.execute(
        "select p.t, p.b from unnest(%s::text[], %s::text[]) as p (t, b)"
        f" where not exists (select from {quoted(schema)}._commits where table_name = p.t and batch = p.b)",
        [[table for table, _ in listed], [batch for _, batch in listed]],
    ).fetchall()
    return [(row[0], row[1]) for row in rows]


def is_commit(connection: Connection, schema: str, table: str, version: int, commit_id: str) -> bool:
    """True when the table's commit of this number is the one with this id."""
    found = connection.execute(
        f"select exists (select from {quoted(schema)}._commits where table_name = %s and version = %s and id = %s)",
        [table, version, commit_id],
    ).fetchone()
    return found is not None and bool(found[0])


def days_replaced(connection: Connection, schema: str, table: str, after: int, until: int) -> list[date]:
    """The days of a table whose rows were put in place anew by the commits of a range."""
    rows = connection.execute(
        f"select distinct as_of from {quoted(schema)}._commits"
        " where table_name = %s and version > %s and version <= %s and kind = 'day'",
        [table, after, until],
    ).fetchall()
    return [row[0] for row in rows]


def stored_columns(connection: Connection, schema: str, table: str) -> dict[str, str]:
    """Name and type of a table's own columns, in their order; empty when there is no table."""
    rows = connection.execute(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute"
        " where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped order by attnum",
        [f"{quoted(schema)}.{quoted(table)}"],
    ).fetchall()
    return described((str(row[0]), str(row[1])) for row in rows)


def write(connection: Connection, schema: str, declared: Mapping[str, Table], wanted: Write) -> bool:
    """Carry out a commit, as one transaction; False when its batch had been written by another one."""
    s, t = quoted(schema), quoted(wanted.table)
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [lock_key(schema, wanted.table)])
        last = connection.execute(
            "select c.version, c.epoch, c.total_count,"
            f" (select id::text from {s}._commits where table_name = n.name and (batch = %s or id = %s))"
            f" from (select %s::text as name) as n left join lateral (select * from {s}._commits"
            " where table_name = n.name order by version desc limit 1) as c on true",
            [wanted.batch, wanted.id, wanted.table],
        ).fetchone()
        assert last is not None
        version, epoch, total, known = last
        if known is not None:
            return bool(known == wanted.id)
        columns = _fitting(connection, schema, declared.get(wanted.table), wanted)
        rows = storable(wanted.table, wanted.rows, columns)
        number = 0 if version is None else int(version) + 1
        gone = 0
        if wanted.as_of is not None:
            gone = connection.execute(f"delete from {s}.{t} where as_of = %s", [wanted.as_of]).rowcount
        if rows.num_rows:
            copy_in(connection, f"{s}.{t}", rows, number)
        connection.execute(
            f"insert into {s}._commits (table_name, version, id, kind, batch, as_of, row_count, total_count, epoch)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                wanted.table, number, wanted.id, "append" if wanted.as_of is None else "day", wanted.batch,
                wanted.as_of, rows.num_rows, (total or 0) - gone + rows.num_rows, epoch or 0,
            ],
        )  # fmt: skip
    return True


def put_in_place(
    connection: Connection, schema: str, table: str, rows: Iterable[pa.RecordBatch], seen: Newest, commit_id: str
) -> bool:
    """Put rows in the place of all rows of a table, as one transaction; False when the table is not as it was seen.

    ``truncate`` drops the table's files when the transaction is committed: nothing of the old rows is left in them.
    """
    import pyarrow as pa

    s, t = quoted(schema), quoted(table)
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [lock_key(schema, table)])
        found = newest(connection, schema, [table]).get(table)
        if found is not None and found.id == commit_id:
            return True
        if found is None or found.id != seen.id:
            return False
        columns, count = stored_columns(connection, schema, table), 0
        connection.execute(f"truncate {s}.{t}")
        for batch in rows:
            stored = storable(table, pa.Table.from_batches([batch]), columns)
            copy_in(connection, f"{s}.{t}", stored, seen.version + 1)
            count += stored.num_rows
        connection.execute(
            f"insert into {s}._commits (table_name, version, id, kind, row_count, total_count, epoch)"
            " values (%s, %s, %s, 'rewrite', %s, %s, %s)",
            [table, seen.version + 1, commit_id, count, count, seen.version + 1],
        )
    return True


def take_over(
    connection: Connection,
    schema: str,
    declared: Table | None,
    table: str,
    rows: Iterable[pa.RecordBatch],
    fields: pa.Schema,
    batches: Sequence[str],
) -> bool:
    """Write the rows and the batches of a table that was kept elsewhere; False when the table is not empty."""
    import pyarrow as pa

    s = quoted(schema)
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [lock_key(schema, table)])
        if newest(connection, schema, [table]):
            return False
        shape = Write(table, str(uuid.uuid4()), fields.empty_table())
        columns, count = _fitting(connection, schema, declared, shape), 0
        number = len(batches)
        for batch in rows:
            stored = storable(table, pa.Table.from_batches([batch]), columns)
            copy_in(connection, f"{s}.{quoted(table)}", stored, number)
            count += stored.num_rows
        insert = (
            f"insert into {s}._commits (table_name, version, id, kind, batch, row_count, total_count, epoch)"
            " values (%s, %s, gen_random_uuid(), 'append', %s, %s, %s, 0)"
        )
        connection.cursor().executemany(insert, [[table, place, batch, 0, 0] for place, batch in enumerate(batches)])
        connection.execute(insert, [table, number, None, count, count])
    return True


def counted(connection: Connection, schema: str, table: str) -> int:
    """Rows that are in a table now, counted one by one."""
    found = connection.execute(f"select count(*) from {quoted(schema)}.{quoted(table)}").fetchone()
    return int(found[0]) if found is not None else 0


def _fitting(connection: Connection, schema: str, declared: Table | None, wanted: Write) -> dict[str, str]:
    """Make the table if there is none, and add the columns that it lacks; return all of them."""
    given = {field.name: column_type(field.type) for field in wanted.rows.schema}
    wished = {**given, **(declared_columns(declared) if declared is not None else {})}
    columns = stored_columns(connection, schema, wanted.table)
    if not columns:
        for statement in table_sql(schema, wanted.table, wished):
            _allowed(connection, schema, wanted.table, statement)
        return wished
    for name in [name for name in wished if name not in columns]:
        quoted(name)
        connection.execute(f"select {quoted(schema)}._widen(%s, %s, %s)", [wanted.table, name, wished[name]])
        columns[name] = wished[name]
    return columns


def _allowed(connection: Connection, schema: str, table: str, statement: str) -> Any:
    import psycopg

    try:
        return connection.execute(statement)
    except psycopg.errors.InsufficientPrivilege:
        raise OperatorError(
            f"warehouse {schema}: the table {table} is not there yet, and this role may not make it. Run `holdback "
            "warehouse setup` as a member of holdback_admin. Nothing was written."
        ) from None
