"""How the site lies on the disk, so that a reader sees the old day or the new one, never half of one.

::

    portal/
      index.html                      leads to the newest day; replaced last, in one step
      latest                          the newest day, for bookmarks such as latest/es/churn.html
      2026-11-21                      what is read of this day: leads to the edition in force
      2026-11-21.4f0c6a1be2d3/        one edition: every page of the day in both languages, never changed again
      assets/9b1d.../                 what pages share, by its content: an old day keeps the script it was drawn for

An edition is named by its content, written beside the others and renamed into place. A day and ``latest`` are symbolic
links, which one rename replaces; where a file system has none (FAT, some network shares), a day is a small page that
leads to its edition, and there is no ``latest``. ``index.html`` is a page everywhere: it opens from a file manager, an
archive and object storage alike, which links do not survive.
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
        _remove_parts(root)
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
    """
    with told(root):
        place = root / as_of.isoformat()
        if not _link(place, edition):
            if place.is_symlink():
                place.unlink()
            place.mkdir(exist_ok=True)
            replace_file(place / "index.html", day_page)


def lead_to_newest(root: Path, as_of: date, page: bytes) -> None:
    """Make a day the one that the site opens with."""
    with told(root):
        _link(root / "latest", as_of.isoformat())
        replace_file(root / "index.html", page)


def days_in(root: Path) -> tuple[date, ...]:
    """Return the days that can be read, oldest first."""
    return tuple(sorted(day for day in map(_day, root.glob("????-??-??")) if day and _is_readable(root, day)))


def keep(root: Path, keep_days: int) -> tuple[date, ...]:
    """Remove the days older than ``keep_days`` before the newest, never the newest; return those that went.

    With them go editions that no day leads to, and assets that no edition needs.
    """
    days = days_in(root)
    if not days:
        return ()
    old = tuple(day for day in days if day <= days[-1] - timedelta(days=keep_days))
    with told(root):
        for day in old:
            _remove(root / day.isoformat())
        stay = {_edition_in_force(root, day) for day in days if day not in old}
        for edition in root.glob("????-??-??.*"):
            if edition.name not in stay:
                _remove(edition)
        needed = {json.loads((root / name / FACTS).read_bytes())["assets"] for name in stay}
        for assets in (root / "assets").iterdir():
            if assets.name not in needed:
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


def _day(path: Path) -> date | None:
    try:
        return date.fromisoformat(path.name)
    except ValueError:
        return None


def _is_readable(root: Path, day: date) -> bool:
    return (root / day.isoformat() / "index.html").is_file()


def _edition_in_force(root: Path, day: date) -> str:
    place = root / day.isoformat()
    return place.readlink().name if place.is_symlink() else read_mark((place / "index.html").read_bytes())[-1]
