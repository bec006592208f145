"""Publish the site to a folder or to object storage: everything first, then the page that leads to it.

What lies there is what lies in the workspace (see :mod:`monitoring.portal.editions`), without symbolic links: a day is
a small page that leads to its edition. An edition is uploaded beside what stands; until ``index.html`` is replaced,
readers see the day before, whole. A publication that dies half-way is taken up by the next one.

A folder is locked while it is written, for all machines that see it. Object storage has no lock that all vendors share:
there two machines may publish at once, and the later one's day is read; neither leaves half a day, because editions are
named by their content and never changed.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from holdback.business import Business
from holdback.business.portal import checked_target
from holdback.errors import BusinessFileError, Busy, OperatorError
from monitoring.portal.editions import pointer, read_mark
from monitoring.portal.serving import KINDS
from monitoring.portal.site import BuiltSite
from monitoring.words import Words

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_ALWAYS_ASK = "no-cache"
_FOR_EVER = "public, max-age=31536000, immutable"
_LOCK = ".publishing.lock"
_OBJECT_STORES = {"s3", "gcs"}


@dataclass(frozen=True)
class Published:
    """What was published.

    Attributes:
        target: Where, as it was asked for.
        index: The page that leads to the newest day, under the target.
        as_of: The day.
        edition: The folder of the day's pages.
        uploaded_count: Files that were written.
        uploaded_bytes: Their size.
        is_newest: True when the site opens with this day; a day after it stays the first otherwise.
        removed_days: Days that were too old to stay.
        notes: What is worth a look.
    """

    target: str
    index: str
    as_of: date
    edition: str
    uploaded_count: int
    uploaded_bytes: int
    is_newest: bool
    removed_days: tuple[date, ...]
    notes: tuple[str, ...]


def target_of(business: Business, environment: Mapping[str, str]) -> str | None:
    """Return where the business publishes its site, as an absolute folder or an address; None if nowhere.

    Raises:
        BusinessFileError: the environment variable it names is not set, or names no place to publish to.
    """
    written = business.portal.publish_to
    if written is None:
        return None
    where = "portal.publish_to"
    if written.startswith("$"):
        name = written.removeprefix("$")
        written = environment.get(name, "").strip()
        where = f"{where}: the environment variable {name}"
        if not written:
            raise BusinessFileError(f"{where} is not set. Set it. Nothing was published.")
        try:
            checked_target(written)
        except ValueError as error:
            raise BusinessFileError(f"{where}: {error}. Nothing was published.") from error
    return written if "://" in written else str((business.folder / Path(written).expanduser()).resolve())


def publish(site: BuiltSite, target: str, *, keep_days: int | None = None, wait_seconds: float = 0) -> Published:
    """Publish a built day; published again, nothing is written.

    Args:
        site: The day, as :func:`monitoring.portal.site.build_portal` built it.
        target: A folder, or an address that Arrow knows: ``file://``, ``s3://bucket/folder``, ``gs://bucket/folder``.
        keep_days: Remove days that are older, once the new one is read; None removes nothing.
        wait_seconds: How long to wait for another publication.

    Raises:
        Busy: another publication holds the lock.
        BusinessFileError: the target is no place to publish to, or holds another business' site.
        OperatorError: it cannot be reached or written, or is full; the earlier publication still stands.
    """
    with _told(target), ExitStack() as locks:
        store, prefix = _opened(target)
        place = _Place(store, prefix, target)
        own = site.root / _LOCK
        for lock in (own, Path(prefix) / _LOCK) if place.is_folder else (own,):
            locks.enter_context(_locked(lock, target, wait_seconds))
        return _publish(site, place, keep_days)


@dataclass
class _Place:
    """A folder in some store, and what was written to it."""

    store: fs.FileSystem
    prefix: str
    target: str
    written: list[int] = field(default_factory=list)

    @property
    def is_folder(self) -> bool:
        return isinstance(self.store, fs.LocalFileSystem)

    def path(self, name: str) -> str:
        return f"{self.prefix.rstrip('/')}/{name}" if self.prefix else name

    def read(self, name: str) -> bytes | None:
        if self.store.get_file_info(self.path(name)).type != fs.FileType.File:
            return None
        with self.store.open_input_stream(self.path(name)) as stream:
            content: bytes = stream.read()
        return content

    def size(self, name: str) -> int | None:
        found = self.store.get_file_info(self.path(name))
        return int(found.size) if found.type == fs.FileType.File else None

    def names(self) -> list[str]:
        selector = fs.FileSelector(self.prefix, allow_not_found=True)
        return sorted(found.base_name for found in self.store.get_file_info(selector))

    def put(self, name: str, content: bytes, *, caching: str) -> None:
        """Write a file in one step: object storage shows an object when it is whole, a folder when it is renamed."""
        path = self.path(name)
        if self.store.type_name not in _OBJECT_STORES:
            self.store.create_dir(path.rpartition("/")[0], recursive=True)
        part = path
        if self.is_folder:
            head, _, tail = path.rpartition("/")
            part = f"{head}/.part-{os.getpid()}-{tail}"
        about = {"Content-Type": KINDS[Path(name).suffix], "Cache-Control": caching}
        try:
            with self.store.open_output_stream(part, metadata=about) as stream:
                stream.write(content)
            if part != path:
                self.store.move(part, path)
        except OSError:
            if part != path and self.store.get_file_info(part).type == fs.FileType.File:
                self.store.delete_file(part)
            raise
        self.written.append(len(content))

    def remove(self, name: str) -> None:
        self.store.delete_dir(self.path(name))


def _publish(site: BuiltSite, place: _Place, keep_days: int | None) -> Published:
    standing = _standing(site, place)
    for folder in (f"assets/{site.assets}", site.edition):
        _upload(place, site.root / folder, folder)
    _lead(place, f"{site.as_of}/index.html", site, f"../{site.edition}/index.html")
    newest = max(site.as_of, standing or site.as_of)
    if newest == site.as_of:
        _lead(place, "index.html", site, f"{site.edition}/index.html")
    removed, notes = _let_go(place, site, newest, keep_days)
    scheme = place.target.partition("?")[0].rstrip("/")
    return Published(
        target=place.target,
        index=f"{scheme}/index.html",
        as_of=site.as_of,
        edition=site.edition,
        uploaded_count=len(place.written),
        uploaded_bytes=sum(place.written),
        is_newest=newest == site.as_of,
        removed_days=removed,
        notes=notes,
    )


def _standing(site: BuiltSite, place: _Place) -> date | None:
    """Return the day that the target opens with; None when nothing was published there yet.

    Raises:
        BusinessFileError: somebody else's pages stand there.
    """
    page = place.read("index.html")
    if page is None:
        return None
    match read_mark(page):
        case (slug, day, _) if slug == site.business:
            return date.fromisoformat(day)
        case (slug, _, _):
            whose = f"the site of {slug!r} stands there already. Give each business a folder of its own"
        case _:
            whose = "an index.html stands there that Holdback did not write. Choose an empty folder"
    raise BusinessFileError(f"portal.publish_to: {place.target}: {whose}. Nothing was published.")


def _upload(place: _Place, folder: Path, name: str) -> None:
    """Upload a folder that is named by its content: what has its size there is there."""
    for path in sorted(folder.rglob("*")):
        there = f"{name}/{path.relative_to(folder).as_posix()}"
        if path.is_file() and place.size(there) != path.stat().st_size:
            place.put(there, path.read_bytes(), caching=_FOR_EVER)


def _lead(place: _Place, name: str, site: BuiltSite, address: str) -> None:
    """Replace a page that leads on, if it leads elsewhere."""
    language = site.language
    title = f"{site.business_name}, {Words(language).day(site.as_of)}"
    mark = f"{site.business} {site.as_of} {site.edition}"
    page = pointer(title, language, {address: Words(language).day(site.as_of)}, mark=mark)
    if place.read(name) != page:
        place.put(name, page, caching=_ALWAYS_ASK)


def _let_go(
    place: _Place, site: BuiltSite, newest: date, keep_days: int | None
) -> tuple[tuple[date, ...], tuple[str, ...]]:
    """Remove days that are too old, and editions that no day leads to; what cannot be removed is told, not raised.

    Editions of this day stay until another day is published: somebody may be reading the one before.
    """
    if keep_days is None:
        return (), ()
    removed: set[date] = set()
    try:
        for name in place.names():
            day = _day_of(name)
            if day is None or day == newest:
                continue
            is_old = day <= newest - timedelta(days=keep_days)
            if is_old:
                removed.add(day)
            if is_old or (name != day.isoformat() and day != site.as_of and not _is_in_force(place, day, name)):
                place.remove(name)
    except OSError as error:
        why = str(error).splitlines()[0]
        return (), (f"{place.target}: old days could not be removed ({why}); the new one is published all the same.",)
    return tuple(sorted(removed)), ()


def _is_in_force(place: _Place, day: date, edition: str) -> bool:
    return read_mark(place.read(f"{day}/index.html") or b"")[-1:] == (edition,)


def _day_of(name: str) -> date | None:
    """Return the day of a folder that holds a day or one of its editions; None for everything else."""
    try:
        return date.fromisoformat(name[:10]) if name[10:11] in ("", ".") else None
    except ValueError:
        return None


def _opened(target: str) -> tuple[fs.FileSystem, str]:
    if "://" not in target:
        return fs.LocalFileSystem(), str(Path(target).resolve())
    try:
        store, prefix = fs.FileSystem.from_uri(target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise BusinessFileError(
            f"portal.publish_to: {target}: is no address to publish to ({str(error).splitlines()[0]}). "
            "Write a folder, s3://bucket/folder or gs://bucket/folder."
        ) from error
    return store, prefix


@contextmanager
def _locked(path: Path, target: str, wait_seconds: float) -> Iterator[None]:
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=wait_seconds)
    try:
        lock.acquire()
    except Timeout as error:
        raise Busy(f"{target}: another publication is under way. Wait for it, then run this again.") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _told(target: str) -> Iterator[None]:
    """Say in one sentence what a store refused, and what to do about it."""
    try:
        yield
    except OSError as error:
        raise OperatorError(
            f"portal.publish_to: {target}: {_what_to_do(error)} The earlier publication still stands, and the site in "
            "the workspace is built: publish it with `holdback portal build`."
        ) from error


def _what_to_do(error: OSError) -> str:
    said = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
    seen = str(error).lower()
    if error.errno in _FULL:
        return "the disk is full. Free some space."
    if error.errno in _FORBIDDEN or "access_denied" in seen or "http status 403" in seen or "permission" in seen:
        return f"may not be written ({said}). Give this account the right to read, list and write there."
    if "no_such_bucket" in seen or "http status 404" in seen:
        return f"the bucket does not exist ({said}). Create it, or correct its name."
    if "network_connection" in seen or "curlcode" in seen or isinstance(error, ConnectionError | TimeoutError):
        return f"cannot be reached ({said}). Check the network and the address."
    if "credential" in seen:
        return f"no credentials were found ({said}). Set those of the store in the environment."
    return f"cannot be written ({said}). Check the address, permissions and free space."
