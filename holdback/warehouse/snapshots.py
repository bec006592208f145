"""One version of a table: opened once, asked often."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deltalake import DeltaTable


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One version of a table, and the batches that it was asked about: corrections ask about the same ones again."""

    table: DeltaTable
    batches: dict[str, bool] = field(default_factory=dict)

    def has(self, batch: str) -> bool:
        """True when ``batch`` was appended to the table."""
        if batch not in self.batches:
            self.batches[batch] = self.table.transaction_version(batch) is not None
        return self.batches[batch]


@functools.lru_cache(maxsize=256)
def opened(folder: str, _newest: tuple[str, int, int]) -> Snapshot:
    """Open a table at its newest commit; to open one takes longer than to list its commits."""
    from deltalake import DeltaTable

    return Snapshot(DeltaTable(folder))


@functools.lru_cache(maxsize=65_536)
def columns_of(file: str) -> tuple[tuple[str, str], ...]:
    """The columns of a file and their types; files are never changed."""
    import pyarrow.parquet as pq

    return tuple((field.name, str(field.type)) for field in pq.read_schema(file))


def fields_of(table: DeltaTable) -> list[str]:
    """The names of a table's columns."""
    return [field.name for field in table.schema().fields]
