"""The messages of a business file are checked with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from campaigns.messages import check_messages, refuse_faulty_messages
from holdback.business import Business, load_business
from holdback.errors import BusinessFileError
from tests.campaigns.delivery.company import delivery, make_business
from tests.campaigns.messages.company import CALL, MAIL, words


def writes(folder: Path, text: str | dict[str, str], *, language: str = "en", **more: Any) -> Business:
    texts = text if isinstance(text, dict) else {language: text}
    return make_business(folder, **words({**CALL, "message": {"text": texts, **more}}, MAIL))


def faults(folder: Path, text: str | dict[str, str], **more: Any) -> list[str]:
    return check_messages(writes(folder, text, **more))


def test_the_messages_of_our_businesses_have_no_fault(project_root: Path) -> None:
    for path in sorted((project_root / "businesses").glob("*.yaml")):
        assert check_messages(load_business(path)) == [], path.name


def test_a_business_without_messages_has_no_fault(tmp_path: Path) -> None:
    assert check_messages(make_business(tmp_path)) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Hi {{ firstname }}", "line 1: firstname: there is no such field. Did you mean 'first_name'?"),
        ("Hi {{ reasons }}", "line 1: reasons: there is no such field. Did you mean 'reason_text'?"),
        ("{{ gender }}", "line 1: gender: is protected or a label, and never told."),
        ("{{ name }}", "line 1: name: the list of this channel does not carry it. Add it to delivery.fields.phone."),
        ("{{ offer }}", "line 1: offer: the action 'call' has none. Write it in the action's offer."),
        ("a\n{% if %}", "line 2: Expected an expression, got 'end of statement block'"),
        ("{{ 'x' if city > 5 else 'y' }}", "text cannot be filled (TypeError), tried with sample values."),
        ("{{ vip }}", "line 1: vip: yes or no cannot be written. Choose words with if."),
        (
            "{{ city|truncate(2) }}",
            "line 1: truncate must leave room for its three dots. Let it keep at least 3 characters.",
        ),
        ("{# nothing #}", "text is empty, tried with sample values."),
    ],
)
def test_a_fault_is_told_with_its_place_in_the_file(tmp_path: Path, text: str, fault: str) -> None:
    assert faults(tmp_path, text) == [f"actions[0].message.text.en: {fault}"]


def test_a_name_or_an_executive_that_no_attribute_holds_is_told(tmp_path: Path) -> None:
    call = {**CALL, "message": {"text": {"en": "{{ first_name }}"}}}
    business = make_business(tmp_path, actions=[call, MAIL], delivery=delivery())
    assert check_messages(business)[0] == (
        "actions[0].message.text.en: line 1: first_name: is not told. Name the attribute that holds it in "
        "delivery.first_name."
    )


def test_subject_offer_and_reason_need_the_languages_of_the_text(tmp_path: Path) -> None:
    call = {
        **CALL, "offer": {"en": "a gift"},
        "message": {
            "subject": {"en": "x"}, "text": {"en": "{{ offer }}", "es": "{{ offer }}", "fr": "{{ reason_text }}"},
        },
    }  # fmt: skip
    assert check_messages(make_business(tmp_path, **words(call, MAIL))) == [
        "actions[0].message.text.es: offer: the action's offer has no 'es' (en). Add it.",
        "actions[0].message.text.fr: reason_text: has words in en and es only. Leave it out here.",
        "actions[0].message.subject: must have the languages of the text (en, es, fr).",
    ]


def test_a_subject_is_one_line(tmp_path: Path) -> None:
    assert faults(tmp_path, "x", subject={"en": "a\nb"}) == ["actions[0].message.subject.en: must be one line."]


def test_a_template_may_lie_in_a_file_beside_the_business_file(tmp_path: Path) -> None:
    (tmp_path / "messages").mkdir()
    (tmp_path / "messages" / "call.en.j2").write_text("Hola {{ first_nam }} ñ", encoding="utf-8")
    [fault] = faults(tmp_path, "messages/call.en.j2")
    assert fault.endswith("first_nam: there is no such field. Did you mean 'first_name'?")
    (tmp_path / "messages" / "call.en.j2").write_text("Hola {{ first_name }} ñ", encoding="utf-8")
    assert faults(tmp_path, "messages/call.en.j2") == []


@pytest.mark.parametrize(
    "path", ["../secret.j2", "messages/../../secret.j2", "/etc/secret.j2", "link.j2", "~/x.j2", "a\0.j2"]
)
def test_a_file_elsewhere_is_not_read(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "company"
    folder.mkdir()
    (tmp_path / "secret.j2").write_text("secret")
    (folder / "link.j2").symlink_to(tmp_path / "secret.j2")
    business = make_business(folder)
    action = business.actions[0].model_validate({**CALL, "message": {"text": {"en": path}}})
    changed = business.model_copy(update={"actions": (action,)})
    [fault] = check_messages(changed)
    assert "secret" not in fault.replace(path, "").replace(repr(path), "")
    told = ("lies outside", "is not there", "is no path")
    assert any(words in fault for words in told), fault


def test_a_file_that_is_no_text_too_large_or_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "latin.j2").write_bytes("ñ".encode("latin-1"))
    (tmp_path / "large.j2").write_text("x" * 100_000)
    (tmp_path / "folder.j2").mkdir()
    assert "is not UTF-8. Save it as UTF-8." in faults(tmp_path, "latin.j2")[0]
    assert "is too large" in faults(tmp_path, "large.j2")[0]
    assert "is not there" in faults(tmp_path, "folder.j2")[0]


def test_all_faults_stop_at_once_with_the_business_named(tmp_path: Path) -> None:
    with pytest.raises(BusinessFileError) as stopped:
        refuse_faulty_messages(writes(tmp_path, {"en": "{{ a }}", "es": "{{ b }}"}))
    assert [line.split(": line")[0] for line in str(stopped.value).splitlines()] == [
        "carrier: actions[0].message.text.en", "carrier: actions[0].message.text.es",
    ]  # fmt: skip
