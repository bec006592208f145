"""The files as they arrive: CSV, each with the few spoiled lines that real ones have."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from simulator.chance import Chance

#: One line in this many is spoiled, on average; no more than one in ten of a small file.
_LINES_PER_FAULT = 400
_MOST_FAULTS = 50


def write_csv(table: pa.Table, path: Path) -> None:
    """Write a table under a temporary name first: a file that is there is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    pa_csv.write_csv(table, unfinished, pa_csv.WriteOptions(quoting_style="needed"))
    unfinished.replace(path)


def append_dirt(path: Path, chance: Chance, feed: str, day: date, table: pa.Table) -> int:
    """Append spoiled copies of some lines: no customer, an unreadable instant, a broken line, a date far ahead.

    Returns:
        How many.
    """
    rows = np.arange(table.num_rows, dtype=np.int64)
    drawn = chance.uniform(f"dirt/{feed}", day.toordinal(), rows)
    chosen = np.flatnonzero(drawn < 1 / _LINES_PER_FAULT)[: min(_MOST_FAULTS, table.num_rows // 10)]
    if not len(chosen):
        return 0
    with path.open("a", encoding="utf-8") as file:
        for number, row in enumerate(chosen.tolist()):
            file.write(_spoiled(table, row, number % 4) + "\n")
    return len(chosen)


def _spoiled(table: pa.Table, row: int, how: int) -> str:
    cells = [_cell(column[row].as_py()) for column in table.columns]
    when = next(position for position, field in enumerate(table.schema) if pa.types.is_timestamp(field.type))
    # Nobody's id, so that the line spoils itself and not, by having the same key, the good line that it copies.
    cells[0] = f"X{row:07d}"
    if how == 0:
        cells[0] = ""
    elif how == 1:
        cells[when] = "31/02/20xx"
    elif how == 2:
        return ",".join(cells[:2])
    else:
        cells[when] = "2199-01-01 00:00:00"
    return ",".join(cells)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace('"', '""') + '"'
    return str(value)
