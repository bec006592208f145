"""No cell of a list is run by the program that opens it, and nothing is lost by that."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.delivery.spreadsheets import neutralised, neutralised_start, restored, restored_start

# What real attacks and real customers are made of.
PIECES = st.text(alphabet="'=+-@\t\r\n;, ab1\ufeff\u00a0\u200b\uff1d\uff0b") | st.text()
#: The cells of OWASP's page on CSV injection, and their kin.
ATTACKS = [
    "=1+1", "+1", "-1+cmd", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\tx", "\rx", " =1", "\u00a0=1", "\ufeff=1", "'=1",
    "'' =1",
    '=HYPERLINK("http://x","y")', "=cmd|'/C calc'!A0", "\uff1d1+1", "\uff0b1", "\uff0d1", "\uff201", "\x00=1",
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_formula_is_shown_and_not_run(attack: str) -> None:
    assert neutralised(attack).startswith("'")
    assert restored(neutralised(attack)) == attack


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_text_to_be_sent_is_as_harmless_at_its_start(attack: str) -> None:
    for text in (attack, f"{attack}; and\nmore"):
        assert neutralised_start(text).startswith("'")
        assert restored_start(neutralised_start(text)) == text


@given(PIECES)
def test_no_text_to_be_sent_begins_like_a_formula_and_every_one_comes_back(text: str) -> None:
    cell = neutralised_start(text)
    assert cell[:1] not in set("=+-@\t\r\n")
    assert cell.lstrip()[:1] not in set("=+-@\uff1d\uff0b\uff0d\uff20")
    assert restored_start(cell) == text
    assert cell in (text, f"'{text}")


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_formula_after_a_semicolon_is_not_run_where_columns_end_there(attack: str) -> None:
    cell = neutralised(f"Ana;{attack}")
    assert cell.split(";")[1][:1] not in set("=+-@")
    assert restored(cell) == f"Ana;{attack}"


@pytest.mark.parametrize("text", ["", "Ana", "a=b", "1-2", "O'Brien", "'tis", "x@y.es", "Ana; Bea", " ", "ñ", "¿=?"])
def test_everyday_texts_stay_as_they_are(text: str) -> None:
    assert neutralised(text) == text


@given(PIECES)
def test_every_text_comes_back(text: str) -> None:
    assert restored(neutralised(text)) == text


@given(PIECES)
def test_no_part_of_any_text_begins_like_a_formula(text: str) -> None:
    cell = neutralised(text)
    assert cell[:1] not in set("=+-@\t\r\n")
    for part in re.split(r"[;\r\n]", cell):
        assert part.lstrip()[:1] not in set("=+-@\uff1d\uff0b\uff0d\uff20")
