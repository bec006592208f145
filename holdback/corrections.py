"""What a batch changes: which of its rows are new, which are known, and which earlier ones they replace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from holdback.contracts.splitting import JUDGED
from holdback.sources import disk_errors
from holdback.sql import literal
from holdback.tables import LOAD_COLUMNS

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from holdback.mapping import Shape

_LOAD_NAMES = frozenset(column.name for column in LOAD_COLUMNS)

# Names of feeds begin with a letter: these cannot hide one.
_CLEAN, _LIVE, _KNOWN, _NUMBERED, _REPLACED = "_clean", "_live", "_known", "_numbered", "_replaced"

_ROWS_AT_ONCE = 100_000


@dataclass(frozen=True)
class Changes:
    """What is to be written for the clean rows of a batch.

    Args:
        rows: Rows to append to the feed's table, sorted by customer: a range of customers then reads its own part of a
            large delivery only. They lie in a file, not in memory.
        superseded: ``(batch_id, row_number)`` of the stored rows that they replace.
        unchanged: Clean rows that equal what is known, and are not stored again.
        corrected: Clean rows that replace an earlier version.
    """

    rows: pa.Table
    superseded: pa.Table
    unchanged: int
    corrected: int


def settle(
    connection: duckdb.DuckDBPyConnection,
    shape: Shape,
    *,
    batch_id: str,
    loaded_at: datetime,
    replaces: Sequence[str],
    into: Path,
    history_in: str | None = None,
) -> Changes:
    """Compare the clean rows in ``judged`` with what the warehouse knows.

    * With a key, a row whose key is known replaces the known row if any value differs.
    * Without one, rows are only compared with those of ``replaces`` (an earlier reading or delivery of the same file):
      equal rows stay, the others are replaced. As many equal rows are kept as the file has.
    * Customers are versions: a changed customer is a new version, an unchanged one is not stored again.

    Args:
        connection: Sees the warehouse and the table ``judged``.
        shape: The feed.
        batch_id: The batch.
        loaded_at: From when on its rows are known.
        replaces: Earlier batches of the same file.
        into: A file that the rows to append can be put into; it is gone afterwards.
        history_in: For a history, a time zone: take new rows as known from the start of the day after them there,
            instead of from ``loaded_at`` on; what is still to come, where a feed tells that, from ``loaded_at`` on.
    """
    names = [name for name in shape.table.column_names if name not in _LOAD_NAMES]
    mapped = set(shape.column_names)
    types = {column.name: column.sql_type for column in shape.table.columns}
    values = [f'"{n}"' if n in mapped else f'cast(null as {types[n]}) as "{n}"' for n in names]
    ours = ", ".join(f'"{name}"' for name in names)
    live = _live_rows(shape, ours, replaces)
    at = f"timestamp '{loaded_at.isoformat(sep=' ')}'"
    connection.execute(
        f"create or replace temp table {_CLEAN} as select row_number, {', '.join(values)} from {JUDGED} where is_clean"
    )
    if live is None:
        connection.execute(
            f"create or replace temp table {_KNOWN} as select *, false as is_known, false as is_equal from {_CLEAN}"
        )
        connection.execute(
            f"create or replace temp table {_REPLACED} as"
            f" select '' as batch_id, 0 as row_number, {at} as loaded_at where false"
        )
    elif shape.key:
        _match_by_key(connection, shape.key, names, live)
    else:
        _match_by_value(connection, names, live)
    loaded = at
    if history_in is not None and shape.event_column:
        morning = _next_morning(shape.event_column, history_in)
        morning = f"least({morning}, {at})" if shape.is_announcing else morning
        loaded = f"case when is_known then {at} else coalesce({morning}, {at}) end"
    wanted = connection.sql(
        f"select {ours}, {literal(batch_id)} as batch_id, row_number, {loaded} as loaded_at"
        f" from {_KNOWN} where not is_equal order by customer_id, row_number"
    )
    rows = _in_file(wanted.to_arrow_reader(_ROWS_AT_ONCE), into)
    condition = f"where loaded_at >= {at}" if shape.is_customers else ""
    superseded = connection.sql(
        f"select batch_id, row_number from {_REPLACED} {condition} order by all"
    ).to_arrow_table()
    unchanged, corrected = connection.sql(
        f"select count(*) filter (is_equal), count(*) filter (is_known and not is_equal) from {_KNOWN}"
    ).fetchall()[0]
    if not shape.key:
        corrected = min(corrected, superseded.num_rows)
    return Changes(rows, superseded, int(unchanged), int(corrected))


def _in_file(rows: pa.RecordBatchReader, path: Path) -> pa.Table:
    """Put rows into a file and return them as they lie there: those of a large delivery would fill the memory.

    The file has no name any more when this returns, and is gone with the rows.
    """
    import pyarrow as pa

    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with pa.ipc.new_file(str(path), rows.schema) as writer:
                for batch in rows:
                    writer.write_batch(batch)
            with pa.memory_map(str(path)) as file:
                return pa.ipc.open_file(file).read_all()
        finally:
            path.unlink(missing_ok=True)


def _next_morning(instant: str, zone: str) -> str:
    """SQL of the start of the local day after an instant, in UTC.

    Where clocks go back at one in the morning (Havana, the Azores), midnight comes twice: a day begins with the first,
    and DuckDB knows the second.
    """
    local = f"timezone({literal(zone)}, timezone('UTC', {instant}))"
    midnight = f"date_trunc('day', {local}) + interval 1 day"
    start = f"timezone('UTC', timezone({literal(zone)}, {midnight}))"
    earlier = f"{start} - interval 1 hour"
    is_midnight_too = f"timezone({literal(zone)}, timezone('UTC', {earlier})) = {midnight}"
    return f"case when {is_midnight_too} then {earlier} else {start} end"


def _live_rows(shape: Shape, columns: str, replaces: Sequence[str]) -> str | None:
    """SQL of the stored rows that a clean row may equal or replace; None when there cannot be any."""
    if not shape.key and not replaces:
        return None
    conditions = [
        f"not exists (select 1 from superseded s where s.feed = {literal(shape.feed)}"
        " and s.batch_id = t.batch_id and s.row_number = t.row_number)"
    ]
    listed = ", ".join(f'"{name}"' for name in shape.key)
    newest = ""
    if shape.key:
        key = ", ".join(f't."{name}"' for name in shape.key)
        conditions.append(f"({key}) in (select ({listed}) from {_CLEAN})")
        newest = f" qualify row_number() over (partition by {listed} order by loaded_at desc, batch_id) = 1"
    else:
        conditions.append(f"t.batch_id in ({', '.join(literal(batch_id) for batch_id in replaces)})")
    return (
        f'select {columns}, batch_id, row_number, loaded_at from "{shape.feed}" t'
        f" where {' and '.join(conditions)}{newest}"
    )


def _match_by_key(connection: duckdb.DuckDBPyConnection, key: Sequence[str], names: Sequence[str], live: str) -> None:
    on = " and ".join(f'c."{name}" = l."{name}"' for name in key)
    equal = " and ".join(f'c."{name}" is not distinct from l."{name}"' for name in names)
    connection.execute(f"create or replace temp table {_LIVE} as {live}")
    connection.execute(
        f"create or replace temp table {_KNOWN} as select c.*, l.batch_id is not null as is_known,"
        f" l.batch_id is not null and {equal} as is_equal from {_CLEAN} c left join {_LIVE} l on {on}"
    )
    connection.execute(
        f"create or replace temp table {_REPLACED} as select l.batch_id, l.row_number, l.loaded_at from {_LIVE} l"
        f" join {_CLEAN} c on {on} where not ({equal})"
    )


def _match_by_value(connection: duckdb.DuckDBPyConnection, names: Sequence[str], live: str) -> None:
    """Match equal rows one to one, however often they occur on either side."""
    listed = ", ".join(f'"{name}"' for name in names)
    nth = f"row_number() over (partition by {listed} order by {{order}}) as nth"
    on = " and ".join([*(f'c."{name}" is not distinct from l."{name}"' for name in names), "c.nth = l.nth"])
    connection.execute(
        f"create or replace temp table {_LIVE} as select *, {nth.format(order='loaded_at, batch_id, row_number')}"
        f" from ({live})"
    )
    connection.execute(
        f"create or replace temp table {_NUMBERED} as select *, {nth.format(order='row_number')} from {_CLEAN}"
    )
    connection.execute(
        f"create or replace temp table {_REPLACED} as select l.batch_id, l.row_number, l.loaded_at from {_LIVE} l"
        f" where not exists (select 1 from {_NUMBERED} c where {on})"
    )
    connection.execute(
        f"create or replace temp table {_KNOWN} as select c.* exclude (nth),"
        " l.batch_id is not null as is_equal, true as is_known"
        f" from {_NUMBERED} c left join {_LIVE} l on {on}"
    )
