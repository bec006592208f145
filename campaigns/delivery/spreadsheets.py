"""Texts that no spreadsheet takes for a formula, and back again without loss."""

from __future__ import annotations

import re

# What a spreadsheet skips before it looks for a formula: blanks, controls, invisible marks.
_BLANK = r"\s\x00-\x1f\x7f\ufeff\u200b-\u200f\u2060"
# The full-width signs are formulas in East Asian editions.
_FORMULA = r"[=+\-@\uff1d\uff0b\uff0d\uff20]"
_DANGEROUS = re.compile(rf"'*(?:[{_BLANK}]*{_FORMULA}|[\t\r\n])")
# Where decimals have a comma, columns end at a semicolon; and quotes inside such a line do not keep it together.
_BREAK = re.compile(r"([;\r\n])")


def neutralised(text: str) -> str:
    r"""Return a text that a spreadsheet shows and does not compute: an apostrophe stands before what it would run.

    Dangerous is a text that begins, blanks and apostrophes aside, with ``=``, ``+``, ``-`` or ``@`` (full-width too),
    or with a tab or a line end; and each part of it after a semicolon or a line end, which a spreadsheet set to a
    country with decimal commas takes for the next cell. Everything else stays as it is. :func:`restored` gives the
    text back.

    Examples:
        >>> neutralised("=1+1"), neutralised(" @sum"), neutralised("Ana; =x"), neutralised("a-b")
        ("'=1+1", "' @sum", "Ana;' =x", 'a-b')
    """
    first, *rest = _BREAK.split(text)
    return _marked(first + "".join(part if _BREAK.fullmatch(part) else _marked(part) for part in rest))


def neutralised_start(text: str) -> str:
    r"""Return a text to be sent, harmless at its start: its own lines and semicolons stay as they were written.

    For cells that stand in quotes, where a spreadsheet that reads the file as it is meant looks at the start only.
    :func:`restored_start` gives the text back.

    Examples:
        >>> neutralised_start("=1+1"), neutralised_start("Hello:\n- one&nbsp;; - two")
        ("'=1+1", 'Hello:\n- one&nbsp;; - two')
    """
    return _marked(text)


def restored_start(cell: str) -> str:
    """Return the text that :func:`neutralised_start` was given.

    Examples:
        >>> restored_start("'=1+1"), restored_start("Ana;' =x")
        ('=1+1', "Ana;' =x")
    """
    return _unmarked(cell)


def restored(cell: str) -> str:
    r"""Return the text that :func:`neutralised` was given.

    Examples:
        >>> restored("'=1+1"), restored("'tis"), restored(neutralised("'=1+1"))
        ('=1+1', "'tis", "'=1+1")
    """
    first, *rest = _BREAK.split(_unmarked(cell))
    return first + "".join(part if _BREAK.fullmatch(part) else _unmarked(part) for part in rest)


def _marked(text: str) -> str:
    return f"'{text}" if _DANGEROUS.match(text) else text


def _unmarked(text: str) -> str:
    return text[1:] if text.startswith("'") and _DANGEROUS.match(text, 1) else text
