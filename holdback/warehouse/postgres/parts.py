"""The files of a copy: written once, one per day where a table lies by day, never changed."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdback.warehouse.shapes import ROWS_PER_GROUP

if TYPE_CHECKING:
    import pyarrow as pa

_OPEN_DAYS = 16
_NO_DAY = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class Part:
    """One file of a copy: its path below the table's folder, its rows, its size, and the day that it holds, if one."""

    path: str
    rows: int
    bytes: int
    day: str | None = None


def by_day(rows: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Part rows by their day, which is then no longer in them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    days = rows["as_of"]
    others = rows.select([name for name in rows.schema.names if name != "as_of"])
    for day in pc.unique(days):
        same = pc.is_null(days) if not day.is_valid else pc.fill_null(pc.equal(days, day), pa.scalar(False))
        yield str(day.as_py()) if day.is_valid else _NO_DAY, others.filter(same)


class PartsWriter:
    """Files with new rows, one per day where the table lies by day; few of them are open at a time."""

    def __init__(self, folder: Path, epoch: int, version: int, schema: pa.Schema) -> None:
        self._folder, self._schema = folder, schema
        self._stem = f"e{epoch}/{{day}}{version}-{uuid.uuid4().hex[:12]}"
        self._open: dict[str | None, tuple[str, Any, list[pa.RecordBatch], list[int]]] = {}
        self._parts: list[Part] = []

    def write(self, batch: pa.RecordBatch, day: str | None) -> None:
        """Add rows, of one day where the table lies by day."""
        import pyarrow.parquet as pq

        if day not in self._open:
            if len(self._open) >= _OPEN_DAYS:
                self._finish(next(iter(self._open)))
            place = f"as_of={day}/" if day is not None else ""
            path = f"{self._stem.format(day=place)}-{len(self._parts) + len(self._open)}.parquet"
            (self._folder / path).parent.mkdir(parents=True, exist_ok=True)
            self._open[day] = (path, pq.ParquetWriter(self._folder / path, self._schema), [], [0])
        _, _, waiting, count = self._open[day]
        waiting.append(batch)
        count[0] += batch.num_rows
        if sum(part.num_rows for part in waiting) >= ROWS_PER_GROUP:
            self._flush(day)

    def close(self) -> tuple[Part, ...]:
        """Finish the files, and name them."""
        for day in list(self._open):
            self._finish(day)
        return tuple(self._parts)

    def _flush(self, day: str | None) -> None:
        import pyarrow as pa

        _, writer, waiting, _ = self._open[day]
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting, self._schema), row_group_size=ROWS_PER_GROUP)
            waiting.clear()

    def _finish(self, day: str | None) -> None:
        self._flush(day)
        path, writer, _, count = self._open.pop(day)
        writer.close()
        self._parts.append(Part(path, count[0], (self._folder / path).stat().st_size, day))
