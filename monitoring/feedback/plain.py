"""What a customer wrote, as plain text: markup, scripts and control characters go, words and emoji stay."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyarrow as pa

#: A remark is cut at this many characters.
LONGEST_REMARK: Final = 2_000
#: No more characters of what came are looked at, scripts and styles not counted: parsing must end.
LONGEST_SOURCE: Final = 20_000
#: No more than this is read at all, whatever it is.
LONGEST_READ: Final = 1_000_000

_UNSEEN: Final = ("script", "style", "head", "title", "template", "noscript")
_WITHIN_WORDS: Final = frozenset(("a", "abbr", "b", "em", "font", "i", "mark", "s", "small", "span", "strong", "sub",
                                  "sup", "u"))  # fmt: skip
#: Control characters, halves of characters, and marks that turn the direction of what follows. The joiner and the
#: variation selector that emoji are made of stay.
_JUNK: Final = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)
_BLANKS: Final = re.compile(r"\s+")
_MARKUP: Final = re.compile(r"<[a-zA-Z/!?]")
#: A tag ends before the next one begins; anything else is a smaller-than sign. Attributes say nothing.
_TAG: Final = re.compile(r"<(?:(/?[a-zA-Z][a-zA-Z0-9]*)[^<>]*>|[!?][^<>]*>|)")


def plain_text(given: str | None) -> str | None:
    r"""Return the words of a remark, or None when there are none.

    HTML loses its tags, comments, scripts and styles, and its entities become characters; blanks become single ones.
    The result has at most :data:`LONGEST_REMARK` characters and the work is bounded, whatever is given.

    Examples:
        >>> plain_text("<p>No funciona<br>&iexcl;otra vez!</p><script>alert(1)</script> 😡")
        'No funciona ¡otra vez! 😡'
        >>> plain_text("5 < 7 & so on")
        '5 < 7 & so on'
        >>> plain_text(" \x00 ") is None
        True
    """
    if not given:
        return None
    text = given[:LONGEST_READ]
    if _MARKUP.search(text):
        seen = _without_unseen(text)
        cut = seen[:LONGEST_SOURCE] if len(seen) <= LONGEST_SOURCE else seen[:LONGEST_SOURCE].rpartition("<")[0]
        text = _without_markup(cut)
    elif "&" in text:
        from html import unescape

        text = unescape(text[:LONGEST_SOURCE])
    text = _BLANKS.sub(" ", _JUNK.sub("", text[:LONGEST_SOURCE])).strip()
    return text[:LONGEST_REMARK].rstrip() or None


def plain_texts(given: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return :func:`plain_text` of each remark: what several customers wrote alike is looked at once.

    Args:
        given: Remarks as they came, null where there is none.

    Returns:
        As many texts, null where there are no words.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    different = given.unique()
    words = pa.array([plain_text(text) for text in different.to_pylist()], pa.string())
    return words.take(pc.index_in(given, value_set=different))


def _without_unseen(text: str) -> str:
    """Cut out comments and the elements that nobody sees, in one walk: an e-mail may begin with a megabyte of style."""
    kept: list[str] = []
    at, lowered = 0, text.lower()
    if len(lowered) != len(text):
        return text  # a letter whose small form is longer moved everything; the parser copes without this
    for opening in re.finditer(rf"<!--|<({'|'.join(_UNSEEN)})\b", lowered):
        start = opening.start()
        if start < at:
            continue
        closing = "-->" if opening[0] == "<!--" else f"</{opening[1]}"
        end = lowered.find(closing, opening.end())
        kept.append(text[at:start])
        if end < 0:
            at = len(text)
            break
        at = end + len(closing)
        if opening[1]:
            bracket = lowered.find(">", at)
            at = len(text) if bracket < 0 else bracket + 1
    return " ".join([*kept, text[at:]])


class _Words(HTMLParser):
    """Collects what stands between tags."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        """Keep a text."""
        self.words.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 -- the parser's
        """Part what a tag parts."""
        if tag not in _WITHIN_WORDS:
            self.words.append(" ")

    def handle_endtag(self, tag: str) -> None:
        """Part what a tag parts."""
        if tag not in _WITHIN_WORDS:
            self.words.append(" ")


def _without_markup(text: str) -> str:
    parser = _Words()
    # The parser reads quotes that never close and tags that never end again and again: it gets bare tags only.
    parser.feed(_TAG.sub(lambda tag: f"<{tag[1]}>" if tag[1] else " " if len(tag[0]) > 1 else "&lt;", text))
    parser.close()
    return "".join(parser.words)
