"""What customers wrote becomes plain words: newest first, of one year, without markup, addresses or numbers."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import pytest

from features.build import build_features
from features.compiler import only
from features.explain import explain_customer
from features.families import feature_set
from features.measures import MOST_CHARACTERS
from tests.features.world import AS_OF, Memory, company, instant, spine_of

NAME = "feedback_remarks_365d"


def said(*remarks: tuple[float, str | None]) -> Any:
    """The feature of a customer who wrote each text so many days before the day."""
    rows = [{"customer_id": "ann", "event_at": instant(days=-days), "remark": text} for days, text in remarks]
    features = only(feature_set(company()), [NAME])
    warehouse = Memory(company(), {"surveys": rows})
    table = build_features(warehouse, company(), company().churn[-1], AS_OF, spine=spine_of(["ann"]), features=features)
    return table[NAME][0].as_py()


def test_the_newest_remark_comes_first_and_a_year_is_the_limit() -> None:
    assert said((300, "Old words"), (2, "New words"), (366, "Too old")) == "new words old words"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Muy  CARO,\tde veras\r\n", "muy caro, de veras"),
        ("<p class='x'>Gracias</p><br/>de nada", "gracias de nada"),
        ("<style>p {color: red}</style><script>go()</script>Hola", "hola"),
        ("I pay <10 euros > before", "i pay < euros > before"),
        ("Write to me@home.example or https://home.example/x?y=1 now", "write to or now"),
        ("Call +34 600 123 456 please", "call + please"),
        ("caf&eacute;&nbsp;&amp; m&aacute;s", "café más"),
        ("SOLUCI&Oacute;N, gar&ccedil;on, &uuml;ber, &Ntilde;o&ntilde;o", "solución, garçon, über, ñoño"),
        ("Stra&szlig;e c&oelig;ur k&oslash;be bl&aring;", "straße coeur købe blå"),
        ("AT&T &copy; &bogus; x&#8203;y", "at&t x y"),
        ("bad \u0007bell", "bad bell"),
        ("😡😡 nunca más", "😡😡 nunca más"),
        ("服务很差", "服务很差"),
        ("the rest is cut <div class='never closed", "the rest is cut"),
    ],
)
def test_a_remark_is_cleaned(written: str, kept: str) -> None:
    assert unicodedata.normalize("NFC", said((1, written))) == kept


@pytest.mark.parametrize("nothing", [None, "", "  \n ", "12345", "<br>", "me@home.example"])
def test_a_remark_of_which_nothing_is_left_is_not_known(nothing: str | None) -> None:
    assert said((1, nothing)) is None


def test_every_letter_of_western_europe_may_be_written_as_html_writes_it() -> None:
    from html.entities import html5

    marked = [
        name for name in html5 if re.fullmatch("[AEIOUNCYaeiounscy](acute|grave|circ|tilde|uml|cedil|ring);", name)
    ]
    latin = [name for name in marked if ord(html5[name]) < 256]
    assert len(latin) == 53  # a, e, i, o, u and y, n, c and a with their marks, less the capital Ÿ
    found = unicodedata.normalize("NFC", said((1, " ".join(f"x&{name}x" for name in latin))))
    assert found == " ".join(f"x{html5[name].lower()}x" for name in latin)


def test_a_megabyte_of_html_is_cut_to_its_first_words() -> None:
    page = "<div><p>Estoy harto</p></div>" + "<span style='a:b'>de todo &nbsp;</span>" * 30_000
    assert len(page) > 1_000_000
    found = said((1, page), (2, "antes"))
    assert found.startswith("estoy harto de todo de todo")
    assert len(found) == MOST_CHARACTERS


def test_a_feed_without_remarks_has_no_such_feature() -> None:
    assert NAME not in feature_set(company(without=("surveys.remark",))).names
    assert "interaction_remarks_365d" in feature_set(company()).names


def test_a_text_is_not_among_numbers_and_categories() -> None:
    declared = feature_set(company())
    assert {feature.name for feature in declared} - set(declared.without_texts.names) == {
        NAME,
        "interaction_remarks_365d",
    }


def test_an_explanation_tells_how_much_was_written_and_none_of_it() -> None:
    rows = [{"customer_id": "ann", "event_at": instant(days=-1), "score": 3.0, "remark": "Secret words"}]
    business = company()
    explained = explain_customer(Memory(business, {"surveys": rows}), business, business.churn[0], AS_OF, "ann")
    assert explained.values[NAME] == "12 characters"
    assert explained.events["surveys"][0]["remark_characters"] == 12
    assert "secret" not in repr(explained).lower()
