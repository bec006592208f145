"""Publish the site to a folder or to object storage: everything first, then the page that leads to it.

What lies there is what lies in the workspace (see :mod:`monitoring.portal.editions`), without symbolic links: a day is
a small page that leads to its edition. An edition is uploaded beside what stands; until ``index.html`` is replaced,
readers see the day before, whole. A publication that dies half-way is taken up by the next one.

A folder is locked while it is written, for all machines that see it. Object storage has no lock that all vendors share:
there two machines may publish at once, and the later one's day is read; neither leaves half a day, because editions are
named by their content and never changed. What of the place is ours, and may go, is told in
:mod:`monitoring.portal.published`.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from holdback.business import Business
from holdback.business.portal import checked_target
from holdback.errors import BusinessFileError, Busy, OperatorError
from monitoring.portal.editions import FACTS, pointer
from monitoring.portal.published import Place, let_go, remove_parts, standing_day
from monitoring.portal.site import BuiltSite
from monitoring.words import Words

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_ALWAYS_ASK = "no-cache"
_FOR_EVER = "public, max-age=31536000, immutable"
_LOCK = ".publishing.lock"


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
        is_there: False when the day was too old to be published; the notes say so.
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
    is_there: bool
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
        keep_days: Remove days that are older, once the new one is read, and publish none that is; None removes nothing.
        wait_seconds: How long to wait for another publication.

    Raises:
        Busy: another publication holds the lock.
        BusinessFileError: the target is no place to publish to, holds another business' site or other files, or is
            where the site is built.
        OperatorError: it cannot be reached or written, or is full; the earlier publication still stands.
    """
    with _told(target), ExitStack() as locks:
        store, prefix = _opened(target)
        place = Place(store, prefix, target)
        _refuse_where_it_is_built(site, place)
        standing_day(place, site)  # before a lock is left in a folder that is not ours
        own = site.root / _LOCK
        for lock in (own, Path(prefix) / _LOCK) if place.is_folder else (own,):
            locks.enter_context(_locked(lock, target, wait_seconds))
        return _publish(site, place, keep_days)


def _publish(site: BuiltSite, place: Place, keep_days: int | None) -> Published:
    standing = standing_day(place, site)
    remove_parts(place, site)
    newest = max(site.as_of, standing or site.as_of)
    latest = max(newest, site.newest)
    if keep_days is not None and site.as_of <= latest - timedelta(days=keep_days):
        note = f"{site.as_of} was not published: portal.keep_days keeps {keep_days} days, and {latest} stands already."
        return _published(site, place, newest, notes=(note,), is_there=False)
    for folder in (f"assets/{site.assets}", site.edition):
        _upload(place, site.root / folder, folder)
    _lead(place, f"{site.as_of}/index.html", site, f"../{site.edition}/index.html")
    if newest == site.as_of:
        _lead(place, "index.html", site, f"{site.edition}/index.html")
    removed, notes = let_go(place, site, newest, keep_days) if keep_days is not None else ((), ())
    return _published(site, place, newest, removed=removed, notes=notes)


def _published(
    site: BuiltSite,
    place: Place,
    newest: date,
    *,
    removed: tuple[date, ...] = (),
    notes: tuple[str, ...] = (),
    is_there: bool = True,
) -> Published:
    scheme = place.target.partition("?")[0].rstrip("/")
    return Published(
        target=place.target,
        index=f"{scheme}/index.html",
        as_of=site.as_of,
        edition=site.edition,
        uploaded_count=len(place.written),
        uploaded_bytes=sum(place.written),
        is_there=is_there,
        is_newest=newest == site.as_of,
        removed_days=removed,
        notes=notes,
    )


def _refuse_where_it_is_built(site: BuiltSite, place: Place) -> None:
    if not place.is_folder:
        return
    own, there = site.root.resolve(), Path(place.prefix).resolve()
    if own == there or own in there.parents or there in own.parents:
        raise BusinessFileError(
            f"portal.publish_to: {place.target}: the site is built in {own}, and cannot be published there, inside it "
            "or around it. Choose another folder, or leave publish_to out: the site opens where it is built. "
            "Nothing was published."
        )


def _upload(place: Place, folder: Path, name: str) -> None:
    """Upload a folder that is named by its content: what has its size there is there.

    What an edition says about itself goes first: half an edition is known as ours, too.
    """
    for path in sorted(folder.rglob("*"), key=lambda path: (path.name != FACTS, path)):
        there = f"{name}/{path.relative_to(folder).as_posix()}"
        if path.is_file() and place.size(there) != path.stat().st_size:
            place.put(there, path.read_bytes(), caching=_FOR_EVER)


def _lead(place: Place, name: str, site: BuiltSite, address: str) -> None:
    """Replace a page that leads on, if it leads elsewhere."""
    language = site.language
    title = f"{site.business_name}, {Words(language).day(site.as_of)}"
    mark = f"{site.business} {site.as_of} {site.edition}"
    page = pointer(title, language, {address: Words(language).day(site.as_of)}, mark=mark)
    if place.read(name) != page:
        place.put(name, page, caching=_ALWAYS_ASK)


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
