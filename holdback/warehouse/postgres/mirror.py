"""The mirror: a machine's own copies of the tables, as files that are never changed. It may be lost at any time.

For each version of a table that was asked for there is a manifest: a list of files. A new version is the files of the
one before and one more with the new rows, so that each row is fetched once per machine. A reader opens the manifest of
exactly the version that it saw in the database, and is not disturbed by who catches up meanwhile.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from holdback.errors import Busy, OperatorError
from holdback.tables import FEATURES_TABLE, Table
from holdback.warehouse.postgres.commits import Newest, days_replaced, is_commit, stored_columns
from holdback.warehouse.postgres.copying import copy_out
from holdback.warehouse.postgres.definitions import COMMIT, quoted
from holdback.warehouse.postgres.folders import Fetching, alone, disk_errors
from holdback.warehouse.postgres.parts import Part, PartsWriter, by_day

if TYPE_CHECKING:
    import pyarrow as pa

    from holdback.warehouse.postgres.connections import Connection

_MANIFESTS_KEPT = 3
_PATIENCE_SECONDS = 60.0


class Overtaken(Exception):
    """The mirror has a later version than the one asked for: look at the database again. Never leaves the package."""


@dataclass(eq=False)
class Copy:
    """One version of a table on this machine."""

    folder: Path
    version: int
    id: str
    epoch: int
    columns: Mapping[str, str]
    is_by_day: bool
    parts: tuple[Part, ...]
    #: Kept by who reads it: its SQL by the shape that was declared, and the replacements of ``superseded``.
    select: tuple[object, str] | None = None
    replacements: tuple[tuple[str, str], ...] | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """The Parquet files that it consists of."""
        return tuple(f"{self.folder}/{part.path}" for part in self.parts)

    @property
    def row_count(self) -> int:
        """Rows in all files."""
        return sum(part.rows for part in self.parts)


@dataclass(eq=False)
class Mirror:
    """The copies of one database's tables of one business.

    Args:
        root: Folder of all mirrors of the business; each database has one of its own below it.
    """

    root: Path
    _known: dict[str, tuple[tuple[int, int], Copy]] = field(default_factory=dict)
    _littered: dict[Path, int] = field(default_factory=dict)
    _foreign: set[Path] = field(default_factory=set)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While it lasts, no file is removed that a manifest named when it began."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self.root / ".readers", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
            yield
        finally:
            os.close(handle)
        if self._littered or self._foreign:
            self.sweep()

    def sweep(self) -> None:
        """Remove files that are needed no more, unless somebody reads or fetches: then a later call does."""
        for folder, epoch in list(self._littered.items()):
            with suppress(Fetching), disk_errors(folder), alone(folder, waits=False):
                if self._sweep(folder, epoch):
                    self._littered.pop(folder, None)
        for database in list(self._foreign):
            with disk_errors(database):
                for folder in [path for path in database.glob("*") if path.is_dir()]:
                    with suppress(Fetching), alone(folder, waits=False), self._nobody_reads() as nobody:
                        if nobody:
                            shutil.rmtree(folder)
                with suppress(FileNotFoundError):
                    if any(database.iterdir()):
                        continue
                    database.rmdir()
            self._foreign.discard(database)

    def wait_for(self, folder: Path) -> None:
        """Wait until nobody fetches a table, as long as that takes; call it outside of any transaction."""
        with disk_errors(folder), alone(folder):
            pass

    def known(self, newest: Newest) -> Copy | None:
        """The copy of exactly this version; None when it has to be fetched."""
        folder = self._folder(newest)
        manifest = folder / _manifest_name(newest.version, newest.id)
        try:
            stat = manifest.stat()
        except FileNotFoundError:
            return None
        seen = (stat.st_ino, stat.st_mtime_ns)
        last = self._known.get(newest.table)
        if last is not None and last[0] == seen and last[1].id == newest.id:
            return last[1]
        copy = _read(folder, manifest)
        if copy is not None:
            self._known[newest.table] = (seen, copy)
        return copy

    def catch_up(
        self, connection: Connection, schema: str, newest: Newest, declared: Table | None, *, is_last_try: bool
    ) -> Copy:
        """Fetch what is missing to have exactly the version that the connection's transaction sees.

        Args:
            connection: In a transaction that sees one moment (``repeatable read``).
            schema: The business' schema.
            newest: Where the table stands at that moment.
            declared: Its declared shape.
            is_last_try: Later versions in the mirror are not believed any more: the database is of an older state.

        Raises:
            Fetching: another process fetches this table now: it may take longer than a transaction may stand idle.
            Overtaken: another process fetched a later version meanwhile; look again.
            OperatorError: the disk refuses, or the database has other rows than its register says.
        """
        folder = self._folder(newest)
        with disk_errors(folder):
            self._foreign.update(database for database in self._databases() if database.name != newest.identity)
            with alone(folder, waits=False):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                copy = self.known(newest)
                if copy is not None:
                    return copy
                if any(version > newest.version for version, _ in _manifests(folder)):
                    if not is_last_try:
                        raise Overtaken
                    for version, path in _manifests(folder):
                        if version > newest.version:
                            path.unlink(missing_ok=True)
                base = self._base(connection, schema, newest)
                for start in (base, None) if base is not None else (None,):
                    copy = _fetched(connection, schema, newest, declared, folder, start)
                    if copy is not None:
                        break
                else:
                    if not is_last_try:
                        raise Overtaken
                    raise OperatorError(
                        f"warehouse {schema}: the table {newest.table} has other rows than its register of commits"
                        f" says ({newest.total_count:,} at version {newest.version}). Somebody changed it by hand, or a"
                        " restore is incomplete: see `holdback warehouse check`, and restore the whole database."
                    )
                _write(copy)
                is_littered = base is None or bool(set(base.parts) - set(copy.parts))
                for _, path in _manifests(folder)[1 if is_littered else _MANIFESTS_KEPT :]:
                    path.unlink(missing_ok=True)
                if is_littered:
                    self._littered[folder] = newest.epoch
                found = self.known(newest)
                assert found is not None
                return found

    def replace(self, newest: Newest, copy: Copy, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None:
        """Put one file with the same rows, in the order given, in the place of a copy's files."""
        folder = self._folder(newest)
        with disk_errors(folder), alone(folder):
            writer = PartsWriter(folder, copy.epoch, copy.version, schema)
            for batch in batches:
                writer.write(batch, None)
            parts = writer.close()
            _write(Copy(folder, copy.version, copy.id, copy.epoch, copy.columns, copy.is_by_day, parts))
            for version, path in _manifests(folder):
                if version != copy.version:
                    path.unlink(missing_ok=True)
            self._littered[folder] = copy.epoch

    def keep_only(self, copy: Copy, *, wait_seconds: float = _PATIENCE_SECONDS) -> None:
        """Remove every file of a table that this copy, or a later one, does not consist of.

        Raises:
            Busy: a query that began before still reads them.
        """
        folder, until = copy.folder, time.monotonic() + wait_seconds
        while True:
            # Held for one look only: a query that we wait for may itself have to fetch something.
            with disk_errors(folder), alone(folder):
                for version, path in _manifests(folder):
                    if version < copy.version:
                        path.unlink(missing_ok=True)
                if self._sweep(folder, copy.epoch):
                    return
            if time.monotonic() > until:
                raise Busy(
                    f"mirror {folder}: a query still reads files with rows that are to be gone. The table itself is"
                    " as it is to be; run the command again to remove them from this machine."
                )
            time.sleep(0.1)

    def forget(self, tables: Iterable[str]) -> None:
        """Drop what there is of some tables; it is fetched anew when it is asked for.

        The files themselves go when nobody reads them any more.
        """
        self._known.clear()
        for database in self._databases():
            for folder in [database / table for table in tables]:
                with disk_errors(folder), alone(folder):
                    for _, path in _manifests(folder):
                        path.unlink(missing_ok=True)
                    self._littered[folder] = self._littered.get(folder, 0)

    def state(self, newest: Newest) -> tuple[int | None, int, int]:
        """The newest version of a table that is here, its files, and their size."""
        folder = self._folder(newest)
        for version, path in _manifests(folder):
            copy = _read(folder, path)
            if copy is not None:
                return version, len(copy.parts), sum(part.bytes for part in copy.parts)
        return None, 0, 0

    def _base(self, connection: Connection, schema: str, newest: Newest) -> Copy | None:
        """The latest copy to build upon: of the same epoch, and of the past of what the connection sees."""
        folder = self._folder(newest)
        for version, path in _manifests(folder):
            copy = _read(folder, path) if version < newest.version else None
            if copy is not None and copy.epoch == newest.epoch:
                if is_commit(connection, schema, newest.table, copy.version, copy.id):
                    return copy
                path.unlink(missing_ok=True)  # the database was brought back from a backup
        return None

    def _sweep(self, folder: Path, epoch: int) -> bool:
        """Remove the files that no manifest names; False when somebody reads. Call it alone with the table."""
        with self._nobody_reads() as nobody:
            if not nobody:
                return False
            for _, path in _manifests(folder):
                if json.loads(path.read_text())["epoch"] < epoch:
                    path.unlink()
            named = {part["path"] for _, path in _manifests(folder) for part in json.loads(path.read_text())["parts"]}
            for file in folder.rglob("*.parquet"):
                if str(file.relative_to(folder)) not in named:
                    file.unlink()
        return True

    @contextmanager
    def _nobody_reads(self) -> Iterator[bool]:
        """True when nobody reads the mirror; then nobody begins to, until the block ends."""
        handle = os.open(self.root / ".readers", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
            else:
                yield True
        finally:
            os.close(handle)

    def _folder(self, newest: Newest) -> Path:
        return self.root / newest.identity / newest.table

    def _databases(self) -> list[Path]:
        if not self.root.is_dir():
            return []
        return [path for path in self.root.iterdir() if path.is_dir() and not path.name.startswith(".")]


def _fetched(
    connection: Connection, schema: str, newest: Newest, declared: Table | None, folder: Path, base: Copy | None
) -> Copy | None:
    """Fetch what a copy lacks; None when the rows are not as many as the register says."""
    columns = stored_columns(connection, schema, newest.table)
    is_by_day = "as_of" in columns and (
        newest.table == FEATURES_TABLE or (declared.is_keyed_by_day if declared is not None else False)
    )
    kept: tuple[Part, ...] = ()
    if base is not None:
        replaced = {day.isoformat() for day in days_replaced(connection, schema, newest.table, base.version,
                                                              newest.version)}  # fmt: skip
        if (replaced and not base.is_by_day) or base.is_by_day != is_by_day:
            return None
        kept = tuple(part for part in base.parts if part.day is None or part.day not in replaced)
    sought = {**columns, COMMIT: "bigint"} if len(columns) == 1 else dict(columns)  # a line is never empty
    listed = ", ".join(quoted(name) for name in sought)
    sql = f"select {listed} from {quoted(schema)}.{quoted(newest.table)}"
    if base is not None:
        connection.execute("set local enable_seqscan = off")  # the few new rows are found by the index
        sql += f" where {COMMIT} > {base.version}"
    writer: PartsWriter | None = None
    for batch in copy_out(connection, sql, sought):
        rows = batch.select(list(columns))
        if writer is None:
            arrow = rows.schema.remove(rows.schema.get_field_index("as_of")) if is_by_day else rows.schema
            writer = PartsWriter(folder, newest.epoch, newest.version, arrow)
        if not is_by_day:
            writer.write(rows, None)
            continue
        for day, part in by_day(rows):
            writer.write(part, day)
    if base is not None:
        connection.execute("set local enable_seqscan = on")
    parts = (*kept, *(writer.close() if writer is not None else ()))
    copy = Copy(folder, newest.version, newest.id, newest.epoch, columns, is_by_day, parts)
    return copy if copy.row_count == newest.total_count else None


def _manifest_name(version: int, commit_id: str) -> str:
    return f"{version:012d}-{commit_id}.json"


def _manifests(folder: Path) -> list[tuple[int, Path]]:
    """The versions that are there, the newest first."""
    found = list(folder.glob("[0-9]*.json"))
    return sorted(((int(path.name.split("-", 1)[0]), path) for path in found), reverse=True)


def _read(folder: Path, manifest: Path) -> Copy | None:
    """Read a manifest; None when it, or a file that it names, is not what it was."""
    try:
        content = json.loads(manifest.read_text())
        parts = tuple(Part(**part) for part in content.pop("parts"))
        if all((folder / part.path).stat().st_size == part.bytes for part in parts):
            return Copy(folder, parts=parts, **content)
    except (OSError, ValueError, TypeError, KeyError):
        pass
    with suppress(OSError):
        manifest.unlink()
    return None


def _write(copy: Copy) -> None:
    content = {
        "version": copy.version, "id": copy.id, "epoch": copy.epoch, "columns": dict(copy.columns),
        "is_by_day": copy.is_by_day, "parts": [vars(part) for part in copy.parts],
    }  # fmt: skip
    path = copy.folder / _manifest_name(copy.version, copy.id)
    draft = path.with_suffix(f".{uuid.uuid4().hex[:8]}.draft")
    draft.write_text(json.dumps(content))
    draft.replace(path)
