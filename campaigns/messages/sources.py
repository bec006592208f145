"""Where the text of a template stands: in the business file, or in a file beside it."""

from __future__ import annotations

from pathlib import Path

from campaigns.messages.templates import LONGEST_TEXT
from holdback.business import Business

_SUFFIX = ".j2"


def source_of(business: Business, text: str) -> str:
    """Return the template that a text of a message stands for.

    Args:
        business: The company; files lie in the folder of its file, or below.
        text: The template itself, or the path of a file that ends in ``.j2``.

    Raises:
        ValueError: the file is not there, lies elsewhere, or is no text.
    """
    if not text.strip().endswith(_SUFFIX) or "\n" in text.strip():
        return text
    named = text.strip()
    folder = business.folder.resolve()
    try:
        path = (folder / Path(named)).resolve()
    except (OSError, ValueError):
        raise ValueError(f"{named!r} is no path of a file.") from None
    if Path(named).is_absolute() or not path.is_relative_to(folder):
        raise ValueError(f"{named!r} lies outside of the business file's folder. Put it beside the business file.")
    try:
        if not path.is_file():
            raise ValueError(f"{named!r} is not there. Write the file beside the business file, or the text here.")
        if path.stat().st_size > 4 * LONGEST_TEXT:
            raise ValueError(f"{named!r} is too large. A message has at most {LONGEST_TEXT:,} characters.")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{named!r} is not UTF-8. Save it as UTF-8.") from None
    except OSError as error:
        raise ValueError(f"{named!r} cannot be read ({error.strerror}).") from None
