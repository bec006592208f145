"""Messages are filled per customer; what lacks something is withheld."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from campaigns.messages import write_messages
from campaigns.messages.fields import tidy
from holdback.business import Business
from holdback.errors import BusinessFileError
from tests.campaigns.delivery.company import make_business
from tests.campaigns.messages.company import CALL, MAIL, SERVICE, score, words

GERMAN: dict[str, Any] = {**MAIL, "message": {"text": {"de": "{{ first_name }}"}}}


def row(customer: str = "c1", action: str = "mail", **attributes: Any) -> dict[str, Any]:
    told = {"name": "Ana", "tongue": "es", "manager": "Lucía", "city": "Lugo", "age": 40.0, "vip": True}
    return {
        "decision_id": f"d-{customer}", "customer_id": customer, "campaign": "spring", "action": action,
        "channel": "email", "reasons": score(customer, [SERVICE])["reasons"],
        **{f"attribute_{key}": value for key, value in {**told, "reason": None, **attributes}.items()},
    }  # fmt: skip


@pytest.fixture(scope="module")
def business(tmp_path_factory: pytest.TempPathFactory) -> Business:
    return make_business(tmp_path_factory.mktemp("company"), **words())


def one(business: Business, **attributes: Any) -> dict[str, Any]:
    [found] = write_messages(business, pa.Table.from_pylist([row(**attributes)])).messages.to_pylist()
    return dict(found)


def test_each_customer_is_written_to_in_his_language(business: Business) -> None:
    spanish, english = one(business), one(business, tongue="en-GB")
    assert spanish == {
        "decision_id": "d-c1", "subject": "un mes gratis, Ana",
        "message": "Ana: un mes gratis por sus contactos recientes con nuestro servicio.",
        "reason_text": "sus contactos recientes con nuestro servicio", "offer": "un mes gratis",
        "executive": "Lucía", "first_name": "Ana",
    }  # fmt: skip
    assert english["message"] == "Ana: a month for free for your recent contacts with our service."
    assert english["subject"] == "a month for free, Ana"


def test_a_language_without_words_falls_back_to_the_business_one_and_then_to_the_first(tmp_path: Path) -> None:
    assert one(make_business(tmp_path / "a", **words(), language="es"), tongue="fr")["subject"] == "un mes gratis, Ana"
    assert one(make_business(tmp_path / "b", **words()), tongue=None)["subject"] == "a month for free, Ana"
    assert one(make_business(tmp_path / "c", **words(CALL, GERMAN)), tongue="fr")["message"] == "Ana"


def test_what_lacks_a_field_is_withheld_and_the_others_go_out(business: Business) -> None:
    rows = [
        row("a"),
        row("b", name=None),
        row("c", name=" \u200e\n "),
        row("d", name="x" * 10_000),
        row("e", reasons="[]"),
    ]
    written = write_messages(business, pa.Table.from_pylist(rows))
    assert written.messages["decision_id"].to_pylist() == ["d-a", "d-e"]
    told = [(r["customer_id"], r["missing_field"], r["withheld_because"]) for r in written.withheld.to_pylist()]
    assert told == [
        ("b", "first_name", "is not known"),
        ("c", "first_name", "is not known"),
        ("d", "first_name", "is longer than 200 characters"),
    ]
    assert "xxx" not in str(written.withheld.to_pylist())


def test_what_a_template_does_not_ask_for_withholds_nobody(business: Business) -> None:
    assert one(business, manager=None)["executive"] is None


def test_a_name_cannot_forge_a_line_or_break_a_file(business: Business) -> None:
    found = one(business, name="Ana\r\nBcc: x@y.es\x00\u202e")
    assert found["subject"] == "un mes gratis, Ana Bcc: x@y.es"
    assert found["first_name"] == "Ana Bcc: x@y.es"


@pytest.mark.parametrize("name", ["👩‍👩‍👧 Zoë", "José María", "Ñandú", "李", "أنا"])
def test_names_of_all_the_world_stay_as_they_are(business: Business, name: str) -> None:
    assert one(business, name=name)["subject"] == f"un mes gratis, {name}"


def test_a_name_that_is_html_is_escaped_where_the_message_is_html(tmp_path: Path) -> None:
    html = {
        **CALL,
        "message": {"text": {"en": "<p>{{ first_name }}</p>"}, "subject": {"en": "{{ first_name }}"}, "is_html": True},
    }
    business = make_business(tmp_path, **words(html, MAIL))
    [found] = write_messages(business, pa.Table.from_pylist([row(action="call", name="<script>")])).messages.to_pylist()
    # A subject is no HTML; the column of the name is for whoever builds his own message.
    assert (found["message"], found["subject"], found["first_name"]) == (
        "<p>&lt;script&gt;</p>", "<script>", "<script>",
    )  # fmt: skip


def test_attributes_of_the_channel_can_be_asked_for_also_those_called_as_ours(tmp_path: Path) -> None:
    text = (
        "{{ city }} {{ age }} {{ 'vip' if vip else '' }} {{ customer_reason }} {{ campaign }} {{ action }} "
        "{{ channel }} {{ company }}"
    )
    call = {**CALL, "message": {"text": {"en": text}}}
    business = make_business(tmp_path, **words(call, MAIL))
    rows = pa.Table.from_pylist([row(action="call", reason="moved")])
    [found] = write_messages(business, rows).messages.to_pylist()
    assert found["message"] == "Lugo 40 vip moved spring call phone Carrier"


def test_an_action_without_a_message_carries_its_offer_alone(tmp_path: Path) -> None:
    plain = {key: value for key, value in MAIL.items() if key != "message"}
    business = make_business(tmp_path, **words(CALL, plain))
    found = one(business, tongue="es")
    assert found["offer"] == "un mes gratis"
    assert {found[name] for name in ("subject", "message", "first_name", "reason_text", "executive")} == {None}


def test_an_action_that_the_file_has_no_more_goes_out_as_it_was_decided(business: Business) -> None:
    [found] = write_messages(business, pa.Table.from_pylist([row(action="gone")])).messages.to_pylist()
    assert set(found.values()) == {"d-c1", None}


def test_a_template_that_fails_on_one_customer_stops_nobody_else(tmp_path: Path) -> None:
    cut = {**CALL, "message": {"text": {"en": "{{ city|truncate(age) }}"}}}
    business = make_business(tmp_path, **words(cut, MAIL))
    rows = [row("a", "call", city="Villagarcía de Arosa"), row("b", "call", city="Villagarcía de Arosa", age=2.0)]
    written = write_messages(business, pa.Table.from_pylist([*rows, row("c")]))
    assert written.messages["decision_id"].to_pylist() == ["d-a", "d-c"]
    [kept] = written.withheld.to_pylist()
    assert (kept["customer_id"], kept["missing_field"], kept["withheld_because"]) == (
        "b", "text", "cannot be filled (AssertionError)",
    )  # fmt: skip


def test_a_message_that_says_nothing_is_withheld(tmp_path: Path) -> None:
    shy = {**MAIL, "message": {"text": {"en": "{% if city == 'Lugo' %}Hi{% endif %}"}}}
    business = make_business(tmp_path, **words(CALL, shy))
    rows = pa.Table.from_pylist([row("a"), row("b", city="Vigo")])
    [kept] = write_messages(business, rows).withheld.to_pylist()
    assert (kept["customer_id"], kept["missing_field"], kept["withheld_because"]) == ("b", "text", "is empty")


def test_a_faulty_template_is_told_with_its_place(tmp_path: Path) -> None:
    broken = {**MAIL, "message": {"text": {"en": "{{ "}}}
    business = make_business(tmp_path, **words(CALL, broken))
    with pytest.raises(BusinessFileError, match=r"^carrier: actions: mail: message\.text\.en: line 1"):
        one(business)


def test_one_language_can_be_asked_for(business: Business) -> None:
    rows = pa.Table.from_pylist([row()])
    [found] = write_messages(business, rows, language="en").messages.to_pylist()
    assert found["subject"] == "a month for free, Ana"


def test_values_are_tidied_without_changing_what_they_say() -> None:
    assert tidy("a\u2028b\x85c\u2066d\ud800") == "a b c d"
    assert (tidy(12.5), tidy(True), tidy(7), tidy(None)) == (12.5, True, 7, None)
