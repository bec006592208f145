"""What customers wrote, made fit for learning in SQL: plain words without markup, addresses or numbers.

Patterns mean the same to DuckDB (RE2), PostgreSQL and Spark (Java): no backslash, no named class, no option.
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
_PERSONAL = "&#?[a-z0-9]+;|[^ ]+@[^ ]+|(https?://|www[.])[^ ]+|[0-9]+"
_BLANK = "'[' || chr(1) || '-' || chr(32) || ']+'"  # every control character, and the space


def remark_text(clock: Clock) -> str:
    """SQL of the column ``remark_text``: the clean words of ``remark``; null when it is old, empty or nothing is left.

    Lower case; tags, character references, e-mail and web addresses and digits are dropped, white space and control
    characters become one space.

    Args:
        clock: The day of knowledge; what was written more than 365 days before is not read.
    """
    text = f"lower(left(remark, {READ_CHARACTERS}))"
    for pattern in (f"'{_MARKUP}'", _BLANK, f"'{_PERSONAL}'", _BLANK):
        text = f"regexp_replace({text}, {pattern}, ' ', 'g')"
    kept = f"nullif(left(trim({text}), {KEPT_CHARACTERS}), '')"
    return f"case when event_at >= {clock.days_ago(REMARK_DAYS)} then {kept} end as remark_text"
