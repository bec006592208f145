"""What the rest of the platform relies on, whatever the warehouse is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
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
