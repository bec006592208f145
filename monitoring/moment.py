"""The warehouse at one moment: a report's questions are all answered by the same state, on one connection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

from holdback.errors import OperatorError
from holdback.warehouse import WholeWarehouse

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Moment:
    """A :class:`holdback.warehouse.Warehouse` that is only read: what is written meanwhile is not seen.

    Opening each table once instead of once per question also halves what a report costs.
    """

    whole: WholeWarehouse
    connection: Any  # DuckDB's, which the warehouse lends; the vendor is known there only

    def query(self, sql: str, *, frames: Mapping[str, pa.Table] | None = None) -> pa.Table:
        """See :meth:`holdback.warehouse.Warehouse.query`."""
        for name, rows in (frames or {}).items():
            self.connection.register(name, rows)
        try:
            with self.whole.machine_errors():
                return self.connection.sql(sql).to_arrow_table()
        finally:
            for name in frames or {}:
                self.connection.unregister(name)

    def version(self, table: str) -> int | None:
        """See :meth:`holdback.warehouse.Warehouse.version`."""
        return self.whole.version(table)

    def has_batch(self, table: str, batch: str) -> bool:
        """See :meth:`holdback.warehouse.Warehouse.has_batch`."""
        return self.whole.has_batch(table, batch)

    def corrected(self) -> frozenset[str]:
        """See :meth:`holdback.warehouse.Warehouse.corrected`."""
        return self._corrected

    @cached_property
    def _corrected(self) -> frozenset[str]:
        """Asked once: every question about a feed needs it, and a moment does not change."""
        return frozenset(self.query("select distinct feed from superseded")["feed"].to_pylist())

    def append(self, table: str, rows: pa.Table, *, batch: str) -> bool:
        """Refuse: a moment is over when it is looked at."""
        raise OperatorError(f"warehouse table {table}: batch {batch} of {rows.num_rows} rows: a report writes nothing.")

    def replace_day(self, table: str, as_of: date, rows: pa.Table) -> None:
        """Refuse: a moment is over when it is looked at."""
        raise OperatorError(f"warehouse table {table}: {rows.num_rows} rows of {as_of}: a report writes nothing.")


@contextmanager
def one_moment(warehouse: WholeWarehouse) -> Iterator[Moment]:
    """Lend the warehouse as it is now."""
    with warehouse.connection() as connection:
        yield Moment(warehouse, connection)
