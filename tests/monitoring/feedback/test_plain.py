"""Remarks become plain text, whatever somebody pasted into the field."""

from __future__ import annotations

import time

import pyarrow as pa
import pytest

from monitoring.feedback.plain import LONGEST_REMARK, plain_text, plain_texts

MEGABYTE = 1_000_000
STYLES = "<html><head><title>Re: x</title><style>" + "p { margin: 0 } " * 60_000 + "</style></head>"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Todo bien, gracias", "Todo bien, gracias"),
        ("<p>Hola<br/>adi&oacute;s &amp; gracias</p>", "Hola adiós & gracias"),
        ("<b>bold</b>ness and <i>x</i>", "boldness and x"),
        ("<div>one</div><div>two</div>", "one two"),
        ("before<!-- a note -->after", "before after"),
        ("a<script>alert('x')</script>b<STYLE>p{}</STYLE >c", "a b c"),
        ("x &lt;b&gt; y", "x <b> y"),
        ("5 < 7 and 8 > 3", "5 < 7 and 8 > 3"),
        ("I <3 you", "I <3 you"),
        ("Muy mal 😡 👩‍👩‍👧 ❤️", "Muy mal 😡 👩‍👩‍👧 ❤️"),
        ("nul\x00l and \x1bcontrol\x7f", "null and control"),
        ("turned \u202egnirts\u202c", "turned gnirts"),
        (" \t\n many \u00a0 blanks \r\n", "many blanks"),
        ("\ud83d half a character", "half a character"),
        ("<p> </p>\x00", None),
        ("", None),
        (None, None),
    ],
)
def test_words_stay_and_the_rest_goes(given: str | None, expected: str | None) -> None:
    assert plain_text(given) == expected


def test_a_mail_of_a_megabyte_gives_its_words() -> None:
    text = plain_text(STYLES + "<body><p>La factura est&aacute; mal</p></body></html>")
    assert text == "La factura está mal"


def test_what_is_long_is_cut() -> None:
    assert plain_text("palabra " * MEGABYTE) == ("palabra " * 250)[:LONGEST_REMARK].rstrip()
    assert plain_text("😀" * MEGABYTE) == "😀" * LONGEST_REMARK
    assert plain_text("<p>word</p>" + '<a href="x">' * MEGABYTE) == "word"  # a cut tag is no text


@pytest.mark.parametrize(
    "part",
    ["<", "<a ", "</", "<!--", "<![CDATA[", "<!", "<?", "&#", "&amp;", "<a x='", "<a x='>", "<a/", "<script>",
     "<style>x</style>", "<textarea><b>", "<xmp>", "<!DOCTYPE [<!ELEMENT", "\x00"],
)  # fmt: skip
def test_a_megabyte_of_anything_takes_no_time_and_no_more_room(part: str) -> None:
    began = time.process_time()
    text = plain_text(part * (MEGABYTE // len(part)))
    assert time.process_time() - began < 2  # measured 0.2 s at most; a parser left alone takes minutes
    assert text is None or len(text) <= LONGEST_REMARK


def test_many_remarks_become_what_each_becomes_alone() -> None:
    alike = ["<p>Hola</p>", None, "Hola", "", " \x00 ", "<p>Hola</p>"]
    given = pa.chunked_array([alike, [], ["otra &amp; vez", None], alike], pa.string())
    assert plain_texts(given).to_pylist() == [plain_text(text) for text in given.to_pylist()]
    assert plain_texts(pa.chunked_array([], pa.string())).to_pylist() == []
    assert plain_texts(pa.chunked_array([[None, None]], pa.string())).to_pylist() == [None, None]
