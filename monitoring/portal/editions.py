"""How the site lies on the disk, so that a reader sees the old day or the new one, never half of one.

::

    portal/
      index.html                      leads to the newest day's edition; replaced last, in one step
      latest                          the newest day, for bookmarks such as latest/es/churn.html
      2026-11-21                      what is read of this day: leads to the edition in force
      2026-11-21.4f0c6a1be2d3/        one edition: every page of the day in both languages, never changed again
      assets/9b1d.../                 what pages share, by its content: an old day keeps the script it was drawn for

An edition is named by its content, written beside the others and renamed into place. A day and ``latest`` are symbolic
links, which one rename replaces; where a file system has none (FAT, some network shares), a day is a small page that
leads to its edition, and there is no ``latest``. ``index.html`` is a page everywhere and leads to the edition itself:
it opens from a file manager, an archive and object storage alike, which links do not survive.

Only what has the name and the mark of a day, an edition or shared assets is ever replaced or removed; whatever else
somebody put there stays.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape
from pathlib import Path
from typing import Any

from holdback.errors import OperatorError

Files = Mapping[str, bytes]

FACTS = "edition.json"
_PART = ".part-"
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
_EDITION = re.compile(r"(\d{4}-\d{2}-\d{2})\.[0-9a-f]{12}")
_SHARED = re.compile(r"[0-9a-f]{12,}")
_MARK = re.compile(r'<meta name="holdback-portal" content="([^"]*)">')
_POINTER = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="holdback-portal" content="{mark}">
<meta http-equiv="refresh" content="0; url={first}">
<title>{title}</title>
<style>body {{ font: 1.1rem/1.6 system-ui, sans-serif; margin: 3rem }}</style>
</head>
<body>
<h1>{title}</h1>
{links}
</body>
</html>
"""


@dataclass(frozen=True)
class Edition:
    """One state of a day's pages, which nobody changes any more.

    Attributes:
        name: Of its folder: the day and a digest of its content.
        folder: Where its pages lie.
        assets: Where what they share lies.
        is_new: False when exactly these pages were there already.
    """

    name: str
    folder: Path
    assets: Path
    is_new: bool


def pointer(title: str, language: str, links: Mapping[str, str], *, mark: str) -> bytes:
    """Return a page that leads on at once, and has links for browsers that do not.

    Args:
        title: What it leads to.
        language: Of its title.
        links: Address to text; the first one is where it leads.
        mark: What machines read in it: whose site this is, and of which day.
    """
    lines = "\n".join(f'<p><a href="{escape(address)}">{escape(text)}</a></p>' for address, text in links.items())
    page = _POINTER.format(
        language=language, mark=escape(mark), first=escape(next(iter(links))), title=escape(title), links=lines
    )
    return page.encode()


def read_mark(page: bytes) -> tuple[str, ...]:
    """Return the words of a pointer's mark; empty when the page is none of ours."""
    found = _MARK.search(page.decode("utf-8", errors="replace"))
    return tuple(found[1].split(" ")) if found else ()


def day_named(name: str) -> date | None:
    """Return the day that a folder of a day is named by; None for every other name.

    Examples:
        >>> day_named("2026-11-21"), day_named("2026-11-21.backup"), day_named("20261121")
        (datetime.date(2026, 11, 21), None, None)
    """
    try:
        day = date.fromisoformat(name)
    except ValueError:
        return None
    return day if day.isoformat() == name else None


def day_of_edition(name: str) -> date | None:
    """Return the day of an edition by its folder's name; None for every other name.

    Examples:
        >>> day_of_edition("2026-11-21.4f0c6a1be2d3"), day_of_edition("2026-11-21.backup")
        (datetime.date(2026, 11, 21), None)
    """
    found = _EDITION.fullmatch(name)
    return day_named(found[1]) if found else None


def is_shared(name: str) -> bool:
    """True for the name of a folder of shared assets."""
    return _SHARED.fullmatch(name) is not None


def read_facts(content: bytes | None) -> Mapping[str, Any]:
    """Return what an edition remembers about itself; empty when that is gone or damaged."""
    try:
        facts = json.loads(content or b"{}")
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def digest_of(files: Files) -> str:
    """Return a short name for these files and their content: the same for the same, whatever their order."""
    digest = hashlib.sha256()
    for path, content in sorted(files.items()):
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


def write_edition(root: Path, as_of: date, files: Files, assets: Files, facts: Mapping[str, Any]) -> Edition:
    """Write a day's pages beside those that stand, without leading anybody to them yet.

    Args:
        root: The site's folder.
        as_of: The day.
        files: The pages by their path.
        assets: What they share, by its path; they refer to it as ``assets/<digest_of(assets)>``.
        facts: What to remember about them, as JSON values.

    Raises:
        OperatorError: the disk is full or may not be written; what stood there still stands.
    """
    shared = root / "assets" / digest_of(assets)
    kept = json.dumps({**facts, "assets": shared.name}, indent=1, sort_keys=True, ensure_ascii=False).encode()
    files = {**files, FACTS: kept}
    name = f"{as_of}.{digest_of(files)}"
    with told(root):
        for folder in (root, shared.parent):
            _remove_parts(folder)
        _write_once(shared, assets)
        is_new = _write_once(root / name, files)
    return Edition(name, root / name, shared, is_new)


def lead_to(root: Path, as_of: date, edition: str, day_page: bytes) -> None:
    """Make an edition the one that is read of its day: one step, from the old one to the new one.

    Args:
        root: The site's folder.
        as_of: The day.
        edition: The edition's name.
        day_page: The page that leads to it where there are no symbolic links.

    Raises:
        OperatorError: somebody else's folder stands where the day goes, or the disk is full or may not be written.
    """
    with told(root):
        place = root / as_of.isoformat()
        _refuse_strangers(place)
        if not _link(place, edition):
            if place.is_symlink():
                place.unlink()
            place.mkdir(exist_ok=True)
            replace_file(place / "index.html", day_page)


def lead_to_newest(root: Path, as_of: date, page: bytes) -> None:
    """Make a day the one that the site opens with.

    Raises:
        OperatorError: somebody else's folder stands where ``latest`` goes, or the disk is full or may not be written.
    """
    with told(root):
        _refuse_strangers(root / "latest")
        _link(root / "latest", as_of.isoformat())
        replace_file(root / "index.html", page)


def days_in(root: Path) -> tuple[date, ...]:
    """Return the days that can be read, oldest first; a day whose edition is gone is none, nor is what is not ours."""
    named = (day_named(path.name) for path in root.glob("????-??-??"))
    return tuple(sorted(day for day in named if day and _edition_in_force(root, day)))


def keep(root: Path, keep_days: int, *, asked: date | None = None) -> tuple[date, ...]:
    """Remove the days older than ``keep_days`` before the newest; return those that went.

    With them go editions that neither a day nor the site's first page leads to, and assets that no edition needs.

    Args:
        root: The site's folder.
        keep_days: How long a day stays; the newest always does.
        asked: A day that stays however old it is, because somebody asked for it.
    """
    days = days_in(root)
    if not days:
        return ()
    old = tuple(day for day in days if day != asked and day <= days[-1] - timedelta(days=keep_days))
    with told(root):
        for day in old:
            _remove(root / day.isoformat())
        stay = {_edition_in_force(root, day) for day in days if day not in old}
        stay |= set(read_mark(_content(root / "index.html"))[-1:])  # a build that was killed may not have replaced it
        for edition in root.glob("????-??-??.*"):
            if day_of_edition(edition.name) and edition.name not in stay:
                _remove(edition)
        standing = [root / name for name in stay if name and (root / name).is_dir()]
        needed = {read_facts(_content(edition / FACTS)).get("assets") for edition in standing}
        for assets in (root / "assets").iterdir():
            if None not in needed and is_shared(assets.name) and assets.name not in needed:
                _remove(assets)
    return old


def replace_file(path: Path, content: bytes) -> None:
    """Write a file under its name in one step."""
    part = path.with_name(f"{_PART}{os.getpid()}-{path.name}")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


@contextmanager
def told(root: Path) -> Iterator[None]:
    """Say in one sentence what a disk refused.

    Raises:
        OperatorError: the disk is full or may not be written.
    """
    try:
        yield
    except OSError as error:
        raise OperatorError(
            f"portal {root}: cannot be written ({error.strerror or error}). The site that stood there still stands. "
            "Check permissions and free space, then build it again."
        ) from error


def _write_once(folder: Path, files: Files) -> bool:
    """Write a folder whole or not at all; False when it stands there already with exactly these files."""
    if folder.is_dir() and _holds(folder, files):
        return False
    part = folder.with_name(f"{_PART}{os.getpid()}-{folder.name}")
    try:
        for path, content in files.items():
            place = part / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        if folder.exists():  # somebody tampered with it: its name says what it must hold
            folder.rename(folder.with_name(f"{_PART}{os.getpid()}-old"))
        part.rename(folder)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
        raise
    _remove_parts(folder.parent)
    return True


def _holds(folder: Path, files: Files) -> bool:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return found.keys() == files.keys() and all(found[name].read_bytes() == files[name] for name in files)


def _remove_parts(folder: Path) -> None:
    """Remove what a killed build left; the caller holds the site's lock, so nobody is writing there."""
    for part in folder.glob(f"{_PART}*"):
        _remove(part)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _link(place: Path, target: str) -> bool:
    """Lead ``place`` to its neighbour ``target`` in one step; False where the file system has no symbolic links."""
    part = place.with_name(f"{_PART}{os.getpid()}-{place.name}")
    try:
        part.symlink_to(target, target_is_directory=True)
    except NotImplementedError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return False
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)  # from a time without links: a page that leads on, nothing else
    part.replace(place)
    return True


def _refuse_strangers(place: Path) -> None:
    """Refuse to replace a folder or file that no build wrote; a link can be replaced, and so can an empty folder."""
    if place.is_symlink() or not place.exists() or read_mark(_content(place / "index.html")):
        return
    if place.is_dir() and all(path.name.startswith(_PART) for path in place.iterdir()):
        return
    raise OperatorError(
        f"portal {place}: something stands there that Holdback did not write. Nothing of it was changed. "
        "Move it away, then build the site again."
    )


def _edition_in_force(root: Path, day: date) -> str | None:
    """Return the edition that a day leads to; None when it leads to none that stands, or is not ours."""
    place = root / day.isoformat()
    if place.is_symlink():
        name = place.readlink().name
    else:
        [name] = read_mark(_content(place / "index.html"))[-1:] or ("",)
    # A copy that followed the links has the edition itself where the day was.
    is_edition = day_of_edition(name) == day or (name == day.isoformat() and not place.is_symlink())
    return name if is_edition and (root / name / "index.html").is_file() else None


def _content(path: Path) -> bytes:
    """Return a file's content; nothing when there is none."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return b""
