"""The shape that rows have where they are stored, and SQL that gives stored files a table's declared shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from holdback.errors import DataError
from holdback.tables import Table
from holdback.warehouse.snapshots import columns_of

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows of a group in a file at most: few enough that a range of customers skips most groups of what is sorted by them.
ROWS_PER_GROUP = 122_880


def shaped(table: str, declared: Table | None, rows: pa.Table) -> pa.Table:
    """Cast rows to the declared columns, in their order; columns that are not declared follow as they are.

    Raises:
        DataError: a required column is missing.
    """
    import pyarrow as pa

    if declared is None:
        return rows
    names = [name for name in declared.column_names if name in rows.column_names]
    missing = [c.name for c in declared.columns if c.required and c.name not in rows.column_names]
    if missing:
        raise DataError(f"warehouse table {table}: column {missing[0]!r} is missing from the rows to be written.")
    columns = [rows[name].cast(arrow_type(declared.column(name).type)) for name in names]
    extra = [name for name in rows.column_names if name not in names]
    return pa.table([*columns, *(rows[name] for name in extra)], names=[*names, *extra])


def empty_select(declared: Table | None) -> str:
    """SQL of a relation without rows, in the declared shape if there is one."""
    return declared.empty_select() if declared is not None else "select 1 as nothing where false"


def stored_select(
    files: Sequence[str], fields: Sequence[str], partition_columns: Sequence[str], declared: Table | None
) -> str:
    """SQL that reads the Parquet files of a table in its declared shape; further columns follow.

    Args:
        files: The files, at least one.
        fields: The names of the table's columns.
        partition_columns: Those among them that are in the files' paths instead of in the files.
        declared: The declared shape.
    """
    listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    days = (
        "hive_partitioning = true, hive_types = {'as_of': date}"
        if "as_of" in partition_columns
        else "hive_partitioning = false"
    )
    # By name costs a look at every file for each query; most tables never got another column.
    shapes = {columns_of(file) for file in files}
    by_name = "true" if len(shapes) > 1 else "false"
    stored = f"read_parquet([{listed}], union_by_name = {by_name}, {days})"
    if declared is None:
        return f"select * from {stored}"
    # The table may have a column that no file has yet: a commit without rows brought it.
    in_files = {name for shape in shapes for name, _ in shape} | set(partition_columns)
    present = [name for name in fields if name in in_files]
    shape = [
        f'"{c.name}"' if c.name in present else f'cast(null as {c.sql_type}) as "{c.name}"' for c in declared.columns
    ]
    extra = [f'"{name}"' for name in present if name not in declared.column_names]
    return f"select {', '.join([*shape, *extra])} from {stored}"


def arrow_type(column_type: str) -> Any:
    """The Arrow type of a declared column."""
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
