"""What the rest of the platform relies on, whatever the warehouse is."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


class Warehouse(Protocol):
    """What every warehouse promises."""

    def query(self, sql: str, *, frames: Mapping[str, pa.Table] | None = None) -> pa.Table:
        """Run one SELECT (DuckDB SQL) and return its rows.

        Any table of the warehouse can be named, and any of ``frames``; a declared table that has no rows yet reads as
        empty. All tables are read as they were when the query began.
        """
        ...

    def append(self, table: str, rows: pa.Table, *, batch: str) -> bool:
        """Add rows, all or none, once per ``batch``.

        Returns:
            True when the rows were written, False when this batch had been written before (nothing changes).
        """
        ...

    def replace_day(self, table: str, as_of: date, rows: pa.Table) -> None:
        """Put ``rows`` in the place of all rows of ``as_of``, all or none; other days are not touched."""
        ...

    def version(self, table: str) -> int | None:
        """Return the number of the table's newest commit, or None when nothing was ever written."""
        ...

    def has_batch(self, table: str, batch: str) -> bool:
        """True when ``batch`` was appended to the table."""
        ...

    def corrected(self) -> frozenset[str]:
        """Return the tables with at least one row that a later batch replaced or is about to replace."""
        ...


class WholeWarehouse(Warehouse, Protocol):
    """A warehouse as a workspace has it: it is also maintained, and lends the connection that answers."""

    @property
    def root(self) -> Path:
        """Folder on this machine with the files that queries read."""
        ...

    def connection(self, sql: str | None = None) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """Lend a connection to DuckDB that sees the tables at one moment (those that ``sql`` names, if given)."""
        ...

    def machine_errors(self) -> AbstractContextManager[None]:
        """Turn what DuckDB raises when the machine fails (disk, memory), not the query, into an OperatorError."""
        ...

    def file_count(self, table: str) -> int:
        """Return how many files :meth:`compact` would put into one: none of a table that is stored by day."""
        ...

    def size_bytes(self, table: str) -> int:
        """Return how large the files that a query of the table reads are together."""
        ...

    def compact(self, table: str, *, by: str) -> None:
        """Put the files that queries read into one, sorted, unless they are stored by day; rows stay the same."""
        ...

    def rewrite(self, table: str, select: str, *, frames: Mapping[str, pa.Table] | None = None) -> None:
        """Put the rows of a SELECT in the place of a table's rows, all or none, and purge the table.

        The SELECT sees the tables as they are, and ``frames`` besides. The batches of the table stay known, its version
        grows. For the right to be forgotten and for retention periods only.
        """
        ...

    def drop_days(self, table: str, before: date) -> None:
        """Take the rows of the days before one (column ``as_of``) out of a table, all or none, and purge the table."""
        ...

    def purge(self, table: str) -> None:
        """Leave of a table its newest version only: no file and no older version keeps what is not in it.

        Changes no row; a table that is in order is left alone. Rows that a killed call of :meth:`rewrite` had taken out
        are gone for good afterwards.
        """
        ...
