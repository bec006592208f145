"""How tables stand in PostgreSQL: names, types, and the SQL that makes a business' schema.

One schema per business. Each table has real columns of real types, and ``_commit``: the number of the commit that
brought the row. ``_commits`` is the register of commits: rows are only ever added to it, and a batch can stand in it
once per table. What begins with an underscore is ours; names of feeds begin with a letter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from holdback.errors import DataError
from holdback.tables import FEATURES_TABLE, Table

if TYPE_CHECKING:
    import pyarrow as pa

COMMIT = "_commit"
_LONGEST = 63  # bytes of a name; PostgreSQL would cut off the rest

#: PostgreSQL's type of each declared type.
_DECLARED: Mapping[str, str] = {
    "text": "text",
    "integer": "bigint",
    "money": "bigint",
    "number": "double precision",
    "flag": "boolean",
    "date": "date",
    "instant": "timestamp without time zone",
}
_TYPES = ("text", "boolean", "smallint", "integer", "bigint", "real", "double precision", "date",
          "timestamp without time zone")  # fmt: skip


def schema_of(slug: str) -> str:
    """The schema of a business' tables."""
    return f"holdback_{slug}"


def journal_schema_of(slug: str) -> str:
    """The schema of a business' journal."""
    return f"holdback_{slug}_journal"


def quoted(name: str) -> str:
    """Write a name as SQL identifier.

    Raises:
        DataError: PostgreSQL cannot keep it whole.
    """
    if not name or len(name.encode()) > _LONGEST or "\0" in name:
        raise DataError(
            f"name {name!r}: has {len(name.encode())} bytes; PostgreSQL keeps 1 to {_LONGEST}. Choose a shorter name."
        )
    return '"' + name.replace('"', '""') + '"'


def lock_key(*parts: str) -> int:
    """The number by which PostgreSQL knows one of our locks: the same everywhere, another for each name."""
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def column_type(kind: pa.DataType) -> str:
    """PostgreSQL's type of an Arrow type.

    Raises:
        DataError: it has none here.
    """
    import pyarrow as pa

    named = {
        "string": "text", "large_string": "text", "string_view": "text", "null": "text", "bool": "boolean",
        "int8": "smallint", "int16": "smallint", "int32": "integer", "int64": "bigint", "uint8": "smallint",
        "uint16": "integer", "uint32": "bigint", "float": "real", "double": "double precision", "date32[day]": "date",
    }.get(str(kind))  # fmt: skip
    if named is None and pa.types.is_timestamp(kind) and kind.tz is None:
        named = "timestamp without time zone"
    if named is None:
        raise DataError(f"a column of type {kind}: PostgreSQL is given text, numbers, flags, days and instants only.")
    return named


def arrow_type_of(stored: str) -> Any:
    """The Arrow type of a column of PostgreSQL."""
    import pyarrow as pa

    return {
        "text": pa.string(), "boolean": pa.bool_(), "smallint": pa.int16(), "integer": pa.int32(), "bigint": pa.int64(),
        "real": pa.float32(), "double precision": pa.float64(), "date": pa.date32(),
        "timestamp without time zone": pa.timestamp("us"),
    }[stored]  # fmt: skip


def declared_columns(table: Table) -> dict[str, str]:
    """Name and type of each declared column."""
    return {column.name: _DECLARED[column.type] for column in table.columns}


def schema_sql(schema: str) -> list[str]:
    """Statements that make a schema with its register, each of them harmless when it was done before."""
    s = quoted(schema)
    kinds = ", ".join(f"'{kind}'" for kind in _TYPES)
    return [
        f"create schema if not exists {s}",
        f"create table if not exists {s}._identity (id uuid not null)",
        f"insert into {s}._identity select gen_random_uuid() where not exists (select 1 from {s}._identity)",
        f"""create table if not exists {s}._commits (
    table_name text not null, version bigint not null, id uuid not null,
    kind text not null check (kind in ('append', 'day', 'rewrite')), batch text, as_of date,
    row_count bigint not null, total_count bigint not null, epoch bigint not null,
    committed_at timestamptz not null default clock_timestamp(), committed_by text not null default session_user,
    primary key (table_name, version), unique (table_name, batch))""",
        f"create table if not exists {s}._locks (name text primary key, generation bigint not null)",
        # Only who owns a table may add a column; a new feature must not need an administrator.
        f"""create or replace function {s}._widen(wanted text, column_name text, kind text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if kind not in ({kinds}) or wanted like '\\_%' or column_name like '\\_%' then
        raise insufficient_privilege using message = 'this column cannot be added';
    end if;
    execute format('alter table %I.%I add column if not exists %I %s', '{schema}', wanted, column_name, kind);
end $$""",
        f"revoke all on function {s}._widen(text, text, text) from public",
    ]


def table_sql(schema: str, table: str, columns: Mapping[str, str]) -> list[str]:
    """Statements that make a table, harmless when it is there."""
    name = f"{quoted(schema)}.{quoted(table)}"
    listed = "".join(f"{quoted(column)} {kind}, " for column, kind in columns.items())
    days = ", as_of" if "as_of" in columns else ""
    made = [
        f"create table if not exists {name} ({listed}{COMMIT} bigint not null)",
        # What is new is what was written last: a block range index is a few pages, whatever the table's size.
        f"create index if not exists {quoted('_order_' + table)} on {name}"
        f" using brin ({COMMIT}{days}) with (pages_per_range = 32, autosummarize = on)",
    ]
    if table == "ledger":
        # Two writers that both believe to be alone cannot fork the chain.
        made.append(f"create unique index if not exists _ledger_place on {name} (as_of, sequence)")
    return made


def tables_sql(schema: str, tables: Mapping[str, Table]) -> list[str]:
    """Statements that make every declared table, and the features' table, which grows by columns."""
    made: list[str] = []
    for name, table in sorted(tables.items()):
        made += table_sql(schema, name, declared_columns(table))
    return made + table_sql(schema, FEATURES_TABLE, {"customer_id": "text", "as_of": "date"})


def described(rows: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Name and type of a stored table's own columns, in their order."""
    return {name: kind for name, kind in rows if name != COMMIT}
