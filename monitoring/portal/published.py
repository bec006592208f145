"""What stands in a place that a site is published to: what of it is ours, and what of that may go.

Holdback never removes what it did not write. A day is ours when its page has our mark with the business' slug; an
edition when it has an edition's name and says in its ``edition.json`` that it is this business' and this day's; shared
assets when they have a digest's name in a place that is ours. Everything else stays, whatever its name.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pyarrow import fs

from holdback.errors import BusinessFileError
from monitoring.portal.editions import FACTS, day_named, day_of_edition, is_shared, read_facts, read_mark
from monitoring.portal.serving import KINDS
from monitoring.portal.site import BuiltSite

_OBJECT_STORES = {"s3", "gcs"}
_PART = re.compile(r"\.part-\d+-.+")


@dataclass
class Place:
    """A folder in some store, and the sizes of what was written to it."""

    store: fs.FileSystem
    prefix: str
    target: str
    written: list[int] = field(default_factory=list)
    _mode: int = field(init=False, default=0o700)

    def __post_init__(self) -> None:
        """Note who may read the site: whoever may read the folder that it is published to, or the one around it."""
        if self.is_folder:
            root = Path(self.prefix).absolute()
            there = next(folder for folder in (root, *root.parents) if folder.exists())
            self._mode = 0o700 | (there.stat().st_mode & 0o055)

    @property
    def is_folder(self) -> bool:
        """True on a disk, which can lock and rename."""
        return isinstance(self.store, fs.LocalFileSystem)

    def path(self, name: str) -> str:
        """Return a name's address in the store."""
        return f"{self.prefix.rstrip('/')}/{name}" if self.prefix else name

    def read(self, name: str) -> bytes | None:
        """Return a file's content; None when there is none."""
        if self.store.get_file_info(self.path(name)).type != fs.FileType.File:
            return None
        with self.store.open_input_stream(self.path(name)) as stream:
            content: bytes = stream.read()
        return content

    def size(self, name: str) -> int | None:
        """Return a file's size; None when there is none."""
        found = self.store.get_file_info(self.path(name))
        return int(found.size) if found.type == fs.FileType.File else None

    def entries(self, name: str = "") -> list[fs.FileInfo]:
        """Return what a folder holds, by name; nothing when there is no such folder."""
        folder = self.path(name) if name else self.prefix
        found = self.store.get_file_info(fs.FileSelector(folder, allow_not_found=True))
        return sorted((one for one in found if one.base_name), key=lambda one: str(one.base_name))

    def folders(self, name: str = "") -> list[str]:
        """Return the names of the folders in a folder."""
        return [str(one.base_name) for one in self.entries(name) if one.type == fs.FileType.Directory]

    def put(self, name: str, content: bytes, *, caching: str) -> None:
        """Write a file in one step: object storage shows an object when it is whole, a folder when it is renamed."""
        path = self.path(name)
        if self.store.type_name not in _OBJECT_STORES:
            self.store.create_dir(path.rpartition("/")[0], recursive=True)
        part = self._part(path) if self.is_folder else path
        about = {"Content-Type": KINDS[Path(name).suffix], "Cache-Control": caching}
        try:
            with self.store.open_output_stream(part, metadata=about) as stream:
                stream.write(content)
            if part != path:
                self._open_to_readers(Path(part))
                self.store.move(part, path)
        except OSError:
            if part != path and self.store.get_file_info(part).type == fs.FileType.File:
                self.store.delete_file(part)
            raise
        self.written.append(len(content))

    def _open_to_readers(self, part: Path) -> None:
        """Let the site's readers in: what this process writes is closed to others otherwise."""
        part.chmod(self._mode & 0o666)
        for folder in part.parents:
            if folder.stat().st_mode & 0o777 != self._mode and folder.stat().st_uid == os.getuid():
                folder.chmod(self._mode)
            if folder == Path(self.prefix):
                break

    def remove(self, name: str) -> None:
        """Remove a folder; on a disk it is gone at once, and whoever is killed meanwhile leaves a part."""
        path = self.path(name)
        if self.is_folder:
            part = self._part(path)
            self.store.move(path, part)
            path = part
        self.store.delete_dir(path)

    @staticmethod
    def _part(path: str) -> str:
        head, _, tail = path.rpartition("/")
        return f"{head}/.part-{os.getpid()}-{tail}"


def standing_day(place: Place, site: BuiltSite) -> date | None:
    """Return the day that a place opens with; None when nothing was published there yet.

    Raises:
        BusinessFileError: somebody else's pages or files stand there.
    """
    page = place.read("index.html")
    if page is None:
        _refuse_other_files(place, site.business)
        return None
    slug, day = _marked(page)
    if day is None:
        whose = "an index.html stands there that Holdback did not write. Choose an empty folder"
        raise BusinessFileError(f"portal.publish_to: {place.target}: {whose}. Nothing was published.")
    if slug != site.business:
        whose = f"the site of {slug!r} stands there already. Give each business a folder of its own"
        raise BusinessFileError(f"portal.publish_to: {place.target}: {whose}. Nothing was published.")
    own = place.read(f"{site.as_of}/index.html")
    if own is not None and not _is_page_of_day(own, site.business, site.as_of):
        raise BusinessFileError(
            f"portal.publish_to: {place.target}: {site.as_of}/index.html stands there, and Holdback did not write it. "
            "Move it away. Nothing was published."
        )
    return day


def remove_parts(place: Place, site: BuiltSite) -> None:
    """Remove what a publication left that was killed. The caller holds the folder's lock: nobody else writes there.

    What cannot be removed stays: nobody reads it, and the next publication tries again.
    """
    if not place.is_folder:
        return  # an object is there when it is whole
    root = Path(place.prefix)
    with suppress(OSError):
        own = [root / found.base_name for found in place.entries() if _is_ours(place, found, site.business)]
        parts = [path for path in root.glob(".part-*") if _PART.fullmatch(path.name)]
        parts += [path for folder in own for path in folder.rglob(".part-*") if _PART.fullmatch(path.name)]
        for part in parts:
            if part.is_dir() and not part.is_symlink():
                shutil.rmtree(part, ignore_errors=True)
            else:
                part.unlink(missing_ok=True)


def let_go(place: Place, site: BuiltSite, newest: date, keep_days: int) -> tuple[tuple[date, ...], tuple[str, ...]]:
    """Remove days that are too old, editions that no day leads to, and assets that no edition needs.

    What cannot be removed is told, not raised. Editions of this day stay until another day is published: somebody may
    be reading the one before.

    Returns:
        The days that went, and what could not be removed.
    """
    removed: set[date] = set()
    freed: set[str] = set()
    notes: list[str] = []
    try:
        for name, day in _named_days(place):
            is_old = day <= newest - timedelta(days=keep_days)
            if day == newest or (not is_old and day in (site.as_of, day_named(name))):
                continue
            with _told_as_note(notes, name):
                if (is_old or not _is_in_force(place, day, name)) and _let_one_go(place, site.business, name, freed):
                    removed |= {day} if is_old else set()
        for name in _unneeded_assets(place, site, freed):
            with _told_as_note(notes, f"assets/{name}"):
                place.remove(f"assets/{name}")
    except OSError as error:
        notes.append(f"what is too old could not be looked for ({_first_line(error)})")
    said = (f"{place.target}: {note}; the new day is published all the same." for note in notes)
    return tuple(sorted(removed)), tuple(said)


@contextmanager
def _told_as_note(notes: list[str], name: str) -> Iterator[None]:
    """Go on with the next folder when one cannot be removed."""
    try:
        yield
    except OSError as error:
        notes.append(f"{name} is too old and could not be removed ({_first_line(error)})")


def _first_line(error: OSError) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _named_days(place: Place) -> Iterator[tuple[str, date]]:
    """Return folders that are named as a day or as an edition of one."""
    for name in place.folders():
        day = day_named(name) or day_of_edition(name)
        if day is not None:
            yield name, day


def _let_one_go(place: Place, slug: str, name: str, freed: set[str]) -> bool:
    """Remove a day or an edition if it is ours; note the assets that an edition needed."""
    day = day_named(name)
    if day is not None:
        is_ours = _is_page_of_day(place.read(f"{name}/index.html"), slug, day)
    else:
        facts = _facts_of(place, name)
        is_ours = _is_edition_of(facts, slug, name)
        freed |= {str(facts["assets"])} if is_ours and "assets" in facts else set()
    if is_ours:
        place.remove(name)
    return is_ours


def _unneeded_assets(place: Place, site: BuiltSite, freed: set[str]) -> list[str]:
    """Return shared assets that no edition names any more.

    Object storage has no lock: there somebody may be uploading assets whose edition is not there yet, so that only
    those go whose editions went just now.
    """
    shared = {name for name in place.folders("assets") if is_shared(name)} - {site.assets}
    shared = shared if place.is_folder else shared & freed
    if not shared:
        return []
    editions = [name for name in place.folders() if day_of_edition(name)]
    needed = {_facts_of(place, name).get("assets") for name in editions}
    return [] if None in needed else sorted(shared - needed)  # None: an edition that does not say what it needs


def _refuse_other_files(place: Place, slug: str) -> None:
    """Refuse to begin a site among other files; what a publication left that broke off is not among them."""
    others = [found.base_name for found in place.entries() if not _is_ours(place, found, slug)]
    others = [name for name in others if not name.startswith(".")]
    if others:
        named = ", ".join(repr(name) for name in others[:3]) + (", ..." if len(others) > 3 else "")
        raise BusinessFileError(
            f"portal.publish_to: {place.target}: holds other files already ({named}). A site needs a folder of its "
            "own. Choose an empty folder, such as a new one inside it. Nothing was published."
        )


def _is_ours(place: Place, found: fs.FileInfo, slug: str) -> bool:
    """True for a folder that a publication of this business wrote, or began to write."""
    name = str(found.base_name)
    if found.type != fs.FileType.Directory:
        return False
    if name == "assets":
        return all(is_shared(one) for one in _seen(place, name))
    day, of_edition = day_named(name), day_of_edition(name)
    if day is not None and _is_page_of_day(place.read(f"{name}/index.html"), slug, day):
        return True
    if of_edition is not None and _is_edition_of(_facts_of(place, name), slug, name):
        return True
    return (day or of_edition) is not None and not _seen(place, name)  # killed before its first file


def _seen(place: Place, name: str) -> list[str]:
    return [str(one.base_name) for one in place.entries(name) if not one.base_name.startswith(".")]


def _marked(page: bytes) -> tuple[str, date | None]:
    """Return whose page this is and of which day; no day when Holdback did not write it."""
    match read_mark(page):
        case (slug, day, _):
            return slug, day_named(day)
        case _:
            return "", None


def _is_page_of_day(page: bytes | None, slug: str, day: date) -> bool:
    return page is not None and _marked(page) == (slug, day)


def _facts_of(place: Place, edition: str) -> Mapping[str, Any]:
    return read_facts(place.read(f"{edition}/{FACTS}"))


def _is_edition_of(facts: Mapping[str, Any], slug: str, name: str) -> bool:
    day = day_of_edition(name)
    return day is not None and (facts.get("business"), facts.get("as_of")) == (slug, day.isoformat())


def _is_in_force(place: Place, day: date, edition: str) -> bool:
    return read_mark(place.read(f"{day}/index.html") or b"")[-1:] == (edition,)
