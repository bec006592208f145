"""Where the rows come from: find what is offered, and land it untouched.

A source is a path, a glob, a path with ``{date}``, or a PostgreSQL query. What is found is copied to the landing folder
under a name made of its content, before anything else happens to it; the copy is never changed or deleted.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from holdback.errors import BusinessFileError, DataError, OperatorError

if TYPE_CHECKING:
    from holdback.mapping import Shape

_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_DATE = "{date}"
_ISO_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CHUNK = 1 << 20
_CONNECT_SECONDS = 30
#: A query's answer must be whole after so long; whoever waits behind a server that trickles must hear of it.
QUERY_SECONDS = 3600.0


@dataclass(frozen=True)
class Offer:
    """One file or query that a source offers.

    Args:
        feed: The feed it is for.
        name: What it is called in messages and in ``batches``: its path below the source's folder, never a secret.
        path: The file; None for a query.
        covers_on: The day that ``{date}`` stands for in its name.
    """

    feed: str
    name: str
    path: Path | None
    covers_on: date | None = None
    connection: str | None = field(default=None, repr=False)
    query: str | None = None


@dataclass(frozen=True)
class Landed:
    """A copy of what was offered, and the SHA-256 of its bytes."""

    offer: Offer
    path: Path
    content: str


def find_offers(
    shape: Shape, *, folder: Path, environment: Mapping[str, str], as_of: date
) -> tuple[tuple[Offer, ...], str]:
    """Return what the source of a feed offers on a day, oldest first, and where it was looked for.

    Of a source with ``{date}`` only the days before ``as_of`` count: the file of the day itself is not complete.

    Raises:
        BusinessFileError: the source names an environment variable that is not set.
    """
    source = shape.source
    if source.query is not None:
        name = source.source
        variable = name.removeprefix("postgresql://")
        offer = Offer(shape.feed, name, None, connection=_expand(variable, shape.feed, environment), query=source.query)
        return (offer,), name
    written = _expand(source.source, shape.feed, environment)
    pattern = str(folder / written)
    day = re.compile(_as_expression(pattern)) if _DATE in pattern else None
    root = _fixed_part(pattern)
    offers = []
    for path in _matching(pattern.replace(_DATE, "????-??-??"), root):
        covers_on = None
        if day is not None:
            found = day.fullmatch(str(path))
            covers_on = _as_date(found["date"]) if found else None
            if covers_on is None or covers_on >= as_of:
                continue
        offers.append(Offer(shape.feed, str(path.relative_to(root)), path, covers_on))
    return tuple(sorted(offers, key=lambda offer: (offer.covers_on or date.min, offer.name))), pattern


def _expand(text: str, feed: str, environment: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if not environment.get(name):
            raise BusinessFileError(
                f"{feed}: source: the environment variable {name} is not set. Set it, or write the path itself."
            )
        return environment[name]

    return _VARIABLE.sub(value, text)


def _as_expression(pattern: str) -> str:
    """Turn a path pattern into a regular expression in which ``{date}`` is captured once."""
    pieces = pattern.split(_DATE)
    written = [_glob_expression(pieces[0])]
    for position, piece in enumerate(pieces[1:]):
        written.append(f"(?P<date>{_ISO_DATE})" if position == 0 else "(?P=date)")
        written.append(_glob_expression(piece))
    return "".join(written)


def _glob_expression(piece: str) -> str:
    return "".join({"*": "[^/]*", "?": "[^/]"}.get(character, re.escape(character)) for character in piece)


def _fixed_part(pattern: str) -> Path:
    """Return the deepest folder of a pattern that holds neither a wildcard nor ``{date}``."""
    parts = Path(pattern).parts
    for position, part in enumerate(parts):
        if any(mark in part for mark in ("*", "?", _DATE)):
            return Path(*parts[:position])
    return Path(pattern).parent


def _matching(pattern: str, root: Path) -> Iterator[Path]:
    relative = str(Path(pattern).relative_to(root))
    if not root.is_dir():
        return
    for path in root.glob(relative):
        if path.is_file() and not path.name.startswith("."):
            yield path


def _as_date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


@dataclass
class SeenFiles:
    """Remembers the content of files that did not change since, so that a history is not read again every day.

    A cache beside the landing folder: without it (or when it is broken) every file is read again, with the same result.
    """

    path: Path
    _seen: dict[str, list[object]] = field(default_factory=dict)

    @classmethod
    def load(cls, landing: Path) -> SeenFiles:
        """Read what was remembered; nothing when there is nothing readable."""
        path = landing / "seen.json"
        with suppress(OSError, ValueError):
            content = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(content, dict):
                return cls(path, content)
        return cls(path)

    def content_of(self, path: Path) -> str | None:
        """Return the SHA-256 of a file that has the size and the time of change with which it was last read."""
        known = self._seen.get(str(path))
        with disk_errors(path):  # it may be gone again since it was listed
            status = path.stat()
        if known is not None and known[:2] == [status.st_size, status.st_mtime_ns]:
            return str(known[2])
        return None

    def remember(self, path: Path, content: str, status: os.stat_result) -> None:
        """Remember what a file held when it looked like this."""
        self._seen[str(path)] = [status.st_size, status.st_mtime_ns, content]

    def save(self) -> None:
        """Keep it for the next run."""
        with disk_errors(self.path.parent):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, json.dumps(self._seen).encode())


@contextmanager
def incoming(offer: Offer, landing: Path, seen: SeenFiles) -> Iterator[Landed]:
    """Copy what is offered into a private folder of the landing area; it is gone at the end unless it was kept.

    The bytes that are hashed are the bytes that are read. A file that changes while it is copied is still being
    written, and half of it is nothing that anybody offered.

    Raises:
        OperatorError: the source cannot be read or reached, is still being written or too slow; or the landing folder
            cannot be written.
        DataError: the query failed.
    """
    with disk_errors(landing):
        landing.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".incoming-", dir=landing))
    try:
        if offer.path is not None:
            target = folder / offer.path.name
            with disk_errors(landing), offer.path.open("rb") as original:
                status = os.fstat(original.fileno())
                content = _copy(original, target)
                _refuse_unfinished(offer, status)
            seen.remember(offer.path, content, status)
        else:
            target = folder / f"{offer.feed}.csv"
            content = _copy_query(offer, target)
        yield Landed(offer, target, content)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def keep(landed: Landed, landing: Path, batch_id: str) -> Path:
    """Give a landed copy its lasting place, ``landing/<batch_id>/<name>``, on the disk for good."""
    with disk_errors(landing):
        folder = landing / batch_id
        if not folder.is_dir():
            landed.path.parent.rename(folder)
            sync_folder(landing)
        return folder / landed.path.name


def sweep(*leftovers: Iterable[Path]) -> None:
    """Remove what a killed process left unfinished. Call it while holding the lock."""
    for paths in leftovers:
        for path in paths:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()


def _refuse_unfinished(offer: Offer, before: os.stat_result) -> None:
    """Raise when the file under the offer's path is not what it was when its copy began: grown, changed or replaced.

    Raises:
        OperatorError: so it is. A flow tries again a little later, when it may be whole.
    """
    assert offer.path is not None
    now = offer.path.stat()
    if (now.st_ino, now.st_size, now.st_mtime_ns) != (before.st_ino, before.st_size, before.st_mtime_ns):
        raise OperatorError(
            f"{offer.name}: changed while it was read ({before.st_size:,} bytes then, {now.st_size:,} now): somebody"
            " still writes it. Nothing of it was loaded. Run this again when it is whole; a sender that writes under"
            " a name that begins with a dot and renames at the end is never read too early."
        )


def _copy(original: object, target: Path) -> str:
    digest = hashlib.sha256()
    with target.open("wb") as copy:
        while chunk := original.read(_CHUNK):  # type: ignore[attr-defined]
            digest.update(chunk)
            copy.write(chunk)
        copy.flush()
        os.fsync(copy.fileno())
    return digest.hexdigest()


def _copy_query(offer: Offer, target: Path, *, most_seconds: float = QUERY_SECONDS) -> str:
    """Copy a query's rows out of PostgreSQL as CSV, byte by byte as the server writes them."""
    import psycopg

    assert offer.connection is not None
    assert offer.query is not None
    digest = hashlib.sha256()
    query = offer.query.strip().rstrip(";")
    statement = f"copy ({query}) to stdout (format csv, header, encoding 'UTF8')"
    was_cut = threading.Event()
    try:
        with (
            psycopg.connect(offer.connection, connect_timeout=_CONNECT_SECONDS) as connection,
            _cut_after(most_seconds, connection.fileno(), was_cut),
        ):
            connection.read_only = True
            connection.execute("set time zone 'UTC'")
            connection.execute("set datestyle = 'ISO'")
            with disk_errors(target.parent), connection.cursor() as cursor, target.open("wb") as copy:
                with cursor.copy(statement.encode()) as rows:
                    for chunk in rows:
                        digest.update(chunk)
                        copy.write(chunk)
                copy.flush()
                os.fsync(copy.fileno())
    except psycopg.OperationalError as error:
        if was_cut.is_set():
            raise OperatorError(
                f"{offer.feed}: {offer.name}: the database did not answer the query as a whole within"
                f" {most_seconds / 60:g} minutes. Nothing was written. Look at the server, or ask for less: a query for"
                " the newest days, an index on what it filters by."
            ) from None
        raise OperatorError(
            f"{offer.feed}: {offer.name}: the database cannot be reached ({_without_secret(error, offer)})."
            " Nothing was written."
        ) from None
    except psycopg.Error as error:
        raise DataError(
            f"{offer.feed}: {offer.name}: the query failed ({_without_secret(error, offer)}). Nothing was written."
        ) from None
    return digest.hexdigest()


@contextmanager
def _cut_after(seconds: float, descriptor: int, was_cut: threading.Event) -> Iterator[None]:
    """End a connection that takes longer than so many seconds: a server that trickles would be read for ever."""

    def cut() -> None:
        was_cut.set()
        with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as line:
            line.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _without_secret(error: Exception, offer: Offer) -> str:
    """Return the first line of a driver's message, or its kind when it may repeat data or part of the connection."""
    line = str(error).strip().splitlines()[0] if str(error).strip() else ""
    secrets: Sequence[str] = re.findall(r":([^:@/]+)@|password=(\S+)", offer.connection or "")
    words = [word for found in secrets for word in found if word]
    # "invalid input syntax for type integer: ..." repeats a cell; only faults of the SQL itself (class 42) repeat none.
    state = getattr(error, "sqlstate", None)
    if state and not state.startswith(("42", "08", "28", "3D", "57")):
        return f"{type(error).__name__}, SQLSTATE {state}"
    if offer.connection and (offer.connection in line or any(word in line for word in words)):
        return type(error).__name__
    return line or type(error).__name__


def write_atomically(path: Path, content: bytes) -> None:
    """Write a whole file or nothing."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Turn what the disk refuses into an error for the operator."""
    try:
        yield
    except OSError as error:
        where = error.filename or place
        raise OperatorError(
            f"{where}: {error.strerror or error}. Check free space and permissions, then run this again."
            " The warehouse was not changed."
        ) from error
