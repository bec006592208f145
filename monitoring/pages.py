"""How a page is made: one look for all, everything inside one file, written whole or not at all."""

from __future__ import annotations

import glob
import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from holdback.errors import OperatorError
from monitoring.words import Words

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "templates"
#: Nothing is ever fetched, whatever stands in the data: the page itself forbids it.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
POLICY_WITH_SCRIPT = f"{POLICY}; script-src 'unsafe-inline'"


def render(template: str, words: Words, *, policy: str = POLICY, **values: Any) -> str:
    """Fill a template of ``monitoring/templates``; every value is escaped unless it is one of our own charts."""
    style = Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8"))  # our own file
    return _environment().get_template(template).render(w=words, style=style, policy=policy, **values)


def script(name: str) -> Markup:
    """Return one of our own scripts, to stand inside a page."""
    return Markup((_TEMPLATES / name).read_text(encoding="utf-8"))


def write_page(path: Path, html: str) -> Path:
    """Write a page under its name, whole or not at all: a reader sees the old one or the new one.

    Raises:
        OperatorError: the folder cannot be written or the disk is full; the page that stood there still stands.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep_parts(path)
        part.write_text(html, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise OperatorError(
            f"report {path}: cannot be written ({error.strerror}). Nothing was changed. "
            "Check permissions and free space."
        ) from error
    return path


def sweep_parts(path: Path) -> None:
    """Remove what processes that were killed while they wrote a page left beside it; those that live go on."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        process = part.name.split(".")[-2]
        try:
            os.kill(int(process), 0)
        except (ValueError, ProcessLookupError):
            part.unlink(missing_ok=True)
        except OSError:
            continue  # it is somebody else's, and lives


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
