"""What customers wrote, made fit for learning in SQL: plain words without markup, addresses or numbers.

Patterns mean the same to DuckDB (RE2), PostgreSQL and Spark (Java): no backslash, no named class, no option. What
stands instead may name a group, which :mod:`features.dialects` writes in Spark's way.
"""

from __future__ import annotations

from features.clocks import Clock

#: A remark counts for this long.
REMARK_DAYS = 365

#: Characters of one remark that are read at all (a mail may bring 1 MB of HTML), and kept once it is clean.
READ_CHARACTERS = 20_000
KEPT_CHARACTERS = 2_000

# A tag begins with a letter, a slash or an exclamation mark, so that "less than <10 euros" stays; style and script go
# with what they hold; a tag that the cut left open ends with the text.
_MARKUP = "<(style|script)[^<>]*>[^<]*</(style|script)>|<[a-z/!][^<>]*(>|$)"
# HTML writes letters with a mark as references: they become the letter and the mark, which whoever splits words puts
# together (NFC). Any other reference (an ampersand, a blank that does not break) parts words.
_MARKS = {"acute": "\u0301", "grave": "\u0300", "circ": "\u0302", "tilde": "\u0303", "uml": "\u0308", "cedil": "\u0327",
          "ring": "\u030a"}  # fmt: skip
_REFERENCES = {**{f"&([a-z]){name};": f"\\1{mark}" for name, mark in _MARKS.items()}, "&szlig;": "ß", "&oslash;": "ø",
               "&([ao]e)lig;": "\\1"}  # fmt: skip
_PERSONAL = "&#?[a-z0-9]+;|[^ ]+@[^ ]+|(https?://|www[.])[^ ]+|[0-9]+"
_BLANK = "'[' || chr(1) || '-' || chr(32) || ']+'"  # every control character, and the space


def remark_text(clock: Clock) -> str:
    """SQL of the column ``remark_text``: the clean words of ``remark``; null when it is old, empty or nothing is left.

    Lower case; tags, e-mail and web addresses, digits and character references are dropped, but letters written as a
    reference (``&oacute;``) become the letter and its mark; white space and control characters become one space.

    Args:
        clock: The day of knowledge; what was written more than 365 days before is not read.
    """
    text = f"lower(left(remark, {READ_CHARACTERS}))"
    text = _without(text, f"'{_MARKUP}'", _BLANK)
    for reference, letter in _REFERENCES.items():
        text = f"regexp_replace({text}, '{reference}', '{letter}', 'g')"
    text = _without(text, f"'{_PERSONAL}'", _BLANK)
    kept = f"nullif(left(trim({text}), {KEPT_CHARACTERS}), '')"
    return f"case when event_at >= {clock.days_ago(REMARK_DAYS)} then {kept} end as remark_text"


def has_words() -> str:
    """SQL condition: more than markup and blanks stands in ``remark``. A number is an answer too."""
    text = _without(f"lower(left(remark, {READ_CHARACTERS}))", f"'{_MARKUP}'", "'&(nbsp|#160);'", _BLANK)
    return f"coalesce(trim({text}), '') <> ''"


def _without(text: str, *patterns: str) -> str:
    for pattern in patterns:
        text = f"regexp_replace({text}, {pattern}, ' ', 'g')"
    return text
