"""Take rows out of a table for good: of the newest version, of the older ones, and of every file on the disk.

A Delta table keeps what it was: older versions, the files they consist of, and a log that names for each file the
smallest and largest value of each column, ids and texts among them. So a row is gone only when the table was written
anew, the log before it is replaced by a checkpoint, and every file that the newest version does not consist of is
removed. Each of these steps can be repeated: killed anywhere, the next call finishes.

For the right to be forgotten and for retention periods only. Nobody writes the table meanwhile
(:mod:`holdback.warehouse.turns`); a query that finds a file gone looks again, and whoever reads through a lent
connection may be told so, and asks again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdback.errors import Busy, DataError, OperatorError
from holdback.warehouse.shapes import ROWS_PER_GROUP
from holdback.warehouse.snapshots import opened
from holdback.warehouse.turns import turn

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

    from holdback.warehouse.lake import Lake

_ATTEMPTS = 5
_LOG = "_delta_log"


def rewrite(lake: Lake, table: str, select: str, frames: Mapping[str, pa.Table]) -> None:
    """Put the rows of a SELECT in the place of a table's rows; see :meth:`Lake.rewrite`.

    Raises:
        Busy: others kept writing.
        DataError: the SELECT has other columns than the table.
        OperatorError: the disk refuses. The rows are as they were, or as they are to be.
    """
    from deltalake import WriterProperties, write_deltalake
    from deltalake.exceptions import CommitFailedError

    with turn(lake.root, table, alone=True):
        for _ in range(_ATTEMPTS):
            found = opened(lake.root / table)
            if found is None:
                return
            existing, snapshot = found
            with lake.connection(select) as connection, _disk_errors(lake):
                # Of the table itself what was opened is read: that, and nothing newer, is what the write removes.
                connection.execute(f'create or replace temp view "{table}" as {lake.stored_at(table, snapshot)}')
                for name, rows in frames.items():
                    connection.register(name, rows)
                relation = connection.sql(f"select * from ({select})")
                lost = sorted(set(snapshot.fields) - set(relation.columns))
                if lost:
                    raise DataError(f"warehouse table {table}: the rows to be kept lack the column {lost[0]!r}.")
                wanted = relation.to_arrow_reader(ROWS_PER_GROUP)
                try:
                    write_deltalake(
                        existing,
                        _typed(wanted, existing),
                        mode="overwrite",
                        schema_mode="merge",
                        writer_properties=WriterProperties(max_row_group_size=ROWS_PER_GROUP),
                    )
                except CommitFailedError:
                    continue
            # To Delta rows that were added in between are no conflict: they stand beside those that were to be kept.
            if existing.version() == snapshot.version + 1:
                _purge(lake, table)
                return
    raise Busy(f"warehouse table {table}: other writers kept committing first. Run the command again.")


def drop_days(lake: Lake, table: str, before: date) -> None:
    """Take out the days before one; see :meth:`Lake.drop_days`.

    Raises:
        Busy: others kept writing.
        OperatorError: the disk refuses. Every day is as it was, or gone.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import CommitFailedError

    found = opened(lake.root / table)
    if found is None:
        return
    if "as_of" not in found[1].partition_columns:
        rewrite(lake, table, f"""select * from "{table}" where as_of >= date '{before.isoformat()}'""", {})
        return
    with turn(lake.root, table, alone=True):
        for _ in range(_ATTEMPTS):
            try:
                with _disk_errors(lake):
                    DeltaTable(found[1].folder).delete(f"as_of < '{before.isoformat()}'")  # whole files: none is read
            except CommitFailedError:
                continue
            _purge(lake, table)
            return
    raise Busy(f"warehouse table {table}: other writers kept committing first. Run the command again.")


def purge(lake: Lake, table: str) -> None:
    """Leave of a table its newest version only; see :meth:`Lake.purge`.

    Raises:
        Busy: somebody kept writing.
        OperatorError: the disk refuses. Nothing that the newest version consists of was touched.
    """
    if lake.version(table) is not None:
        with turn(lake.root, table, alone=True):
            _purge(lake, table)


def _purge(lake: Lake, table: str) -> None:
    folder = lake.root / table
    with _disk_errors(lake):
        found = opened(folder)
        if found is None or _is_pure(folder, found[1].version, found[1].files):
            return
        existing, snapshot = found
        existing.create_checkpoint()
        _keep_of_log(folder / _LOG, snapshot.version)
        kept = {Path(file).resolve() for file in snapshot.files}
        for path in _data_files(folder):
            if path.resolve() not in kept:
                path.unlink(missing_ok=True)


def _typed(rows: pa.RecordBatchReader, existing: DeltaTable) -> Any:
    """Give the rows the types of the table: a query may answer in narrower ones."""
    import pyarrow as pa

    stored = pa.schema(existing.schema().to_arrow())
    schema = pa.schema([stored.field(f.name) if f.name in stored.names else f for f in rows.schema])
    return pa.RecordBatchReader.from_batches(schema, (batch.cast(schema) for batch in rows))


def _is_pure(folder: Path, version: int, files: tuple[str, ...]) -> bool:
    """True when neither the log nor the folder holds anything of an older version."""
    commits = {path.name for path in (folder / _LOG).glob("*.json")}
    if commits != {_commit_name(version)} or _has_stale_checkpoint(folder / _LOG, version):
        return False
    if version > 0 and not (folder / _LOG / f"{version:020d}.checkpoint.parquet").exists():
        return False
    return {path.resolve() for path in _data_files(folder)} == {Path(file).resolve() for file in files}


def _has_stale_checkpoint(log: Path, version: int) -> bool:
    return any(not path.name.startswith(f"{version:020d}.") for path in log.glob("*.parquet"))


def _keep_of_log(log: Path, version: int) -> None:
    """Remove commits and checkpoints of older versions: they name the smallest and largest values of each file."""
    for path in sorted(log.iterdir()):
        if path.is_file() and path.name[:20].isdigit() and int(path.name[:20]) < version:
            path.unlink(missing_ok=True)


def _commit_name(version: int) -> str:
    return f"{version:020d}.json"


def _data_files(folder: Path) -> Iterator[Path]:
    """Every file of a table that is not its log: also those that a killed writer left."""
    for path in folder.rglob("*"):
        if path.is_file() and _LOG not in path.relative_to(folder).parts:
            yield path


@contextmanager
def _disk_errors(lake: Lake) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OperatorError(
            f"warehouse {lake.root}: cannot be rewritten ({error}). What was to be removed may still be on the disk."
            " Check free space and permissions, then run this again."
        ) from error
