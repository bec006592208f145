"""Accept a batch as a whole: a commit is written down first, then carried out, and carried out again after a crash.

A batch touches several tables, and a Delta table commits alone. So everything that a batch will write lies in one
folder of its own before the first table is touched; the folder's rename is the decision. Whatever happens after it, the
next run carries it out to the end: each append is done once per batch. The feed's own append is what readers see: rows
of ``superseded`` count only once the batch that supersedes them is in its feed (the warehouse sees to that).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdback.sources import disk_errors, sync_folder
from holdback.tables import Table
from holdback.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa

#: Called after each step with its name; tests stop the process there.
Checkpoint = Callable[[str], None]


@dataclass(frozen=True)
class Commit:
    """Everything that one batch writes, in the order in which it is written.

    Args:
        batch_id: Makes each append happen once.
        tables: Table and rows; the feed's own table comes after what describes it, ``batches`` last.
    """

    batch_id: str
    tables: tuple[tuple[str, pa.Table], ...]


def carry_out(warehouse: Warehouse, folder: Path, commit: Commit, checkpoint: Checkpoint) -> None:
    """Decide and carry out a commit.

    Args:
        warehouse: Where it is written.
        folder: Holds decided commits until they are carried out.
        commit: What to write.
        checkpoint: Told of each step.

    Raises:
        OperatorError: the disk refuses. Before the decision nothing was changed; after it, the next run goes on.
    """
    decided = _decide(folder, commit)
    checkpoint("decided")
    _apply(warehouse, decided, commit.batch_id, checkpoint)


def finish_interrupted(warehouse: Warehouse, folder: Path, checkpoint: Checkpoint) -> tuple[str, ...]:
    """Carry out what a killed process had decided, and forget what it had not; return the batches' ids.

    Call it while holding the lock, before anything else is read.
    """
    if not folder.is_dir():
        return ()
    for unfinished in folder.glob(".*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    finished = []
    for decided in sorted(folder.iterdir()):
        batch_id = decided.name.split("-", 1)[1]
        _apply(warehouse, decided, batch_id, checkpoint)
        finished.append(batch_id)
    return tuple(finished)


def rows_of(table: Table, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Make rows of a declared table; columns that a row does not name are null."""
    import pyarrow as pa

    listed = list(rows)
    types = {
        "text": pa.string(), "integer": pa.int64(), "money": pa.int64(), "number": pa.float64(), "flag": pa.bool_(),
        "date": pa.date32(), "instant": pa.timestamp("us"),
    }  # fmt: skip
    columns = [pa.array([row.get(c.name) for row in listed], type=types[c.type]) for c in table.columns]
    return pa.table(columns, names=list(table.column_names))


def _decide(folder: Path, commit: Commit) -> Path:
    import pyarrow as pa

    with disk_errors(folder):
        draft = folder / f".{commit.batch_id}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for position, (table, rows) in enumerate(commit.tables):
            with (draft / f"{position}-{table}.arrow").open("wb") as file:
                with pa.ipc.new_file(file, rows.schema) as writer:
                    writer.write_table(rows)
                file.flush()
                os.fsync(file.fileno())
        waiting = [int(path.name.split("-", 1)[0]) for path in folder.iterdir() if not path.name.startswith(".")]
        decided = folder / f"{max(waiting, default=0) + 1:06d}-{commit.batch_id}"
        draft.rename(decided)
        sync_folder(folder)
    return decided


def _apply(warehouse: Warehouse, decided: Path, batch_id: str, checkpoint: Checkpoint) -> None:
    import pyarrow as pa

    for path in _in_order(decided):
        table = path.stem.split("-", 1)[1]
        with pa.memory_map(str(path)) as file:
            warehouse.append(table, pa.ipc.open_file(file).read_all(), batch=batch_id)
        checkpoint(f"wrote {table}")
    shutil.rmtree(decided)
    checkpoint("done")


def _in_order(decided: Path) -> Sequence[Path]:
    return sorted(decided.glob("*.arrow"), key=lambda path: int(path.stem.split("-", 1)[0]))
