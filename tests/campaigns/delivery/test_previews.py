"""What the messages of a day look like, before anybody receives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaigns.delivery import preview, preview_samples
from holdback.errors import BusinessFileError
from holdback.workspace import Workspace
from tests.campaigns.delivery.company import AS_OF, make_business, make_workspace, stock
from tests.campaigns.messages.company import CALL, MAIL, choose, person, words, writing_workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Four calls, one of them without a name, and one e-mail."""
    made = writing_workspace(tmp_path_factory.mktemp("company"))
    choose(made, *(person(f"caller-{n}", called=f"N{n}" if n else None) for n in range(4)))
    choose(made, person("writer-9", tongue="en"), action="mail")
    return made


def test_some_messages_of_each_action_are_shown_as_they_leave(workspace: Workspace) -> None:
    found = preview(workspace, AS_OF, limit=2)
    assert [(one.customer, one.action, one.message) for one in found.messages] == [
        ("…r-9", "mail", "Ana: a month for free for your recent contacts with our service."),
        ("…r-1", "call", "Hola N1. Le habla Lucía."),
        ("…r-2", "call", "Hola N2. Le habla Lucía."),
    ]
    assert (found.message_count, found.is_sample) == (4, False)


def test_who_would_be_withheld_is_told_with_the_reason(workspace: Workspace) -> None:
    [lack] = preview(workspace, AS_OF).withheld
    assert (lack.action, lack.missing_field, lack.because, lack.count) == ("call", "first_name", "is not known", 1)
    assert lack.customers == ("…r-0",)
    assert preview(workspace, AS_OF, action="mail").withheld == ()


def test_campaign_action_and_language_choose(workspace: Workspace) -> None:
    assert {one.action for one in preview(workspace, AS_OF, action="call").messages} == {"call"}
    assert preview(workspace, AS_OF, campaign="loyalty").messages == ()
    [mail] = preview(workspace, AS_OF, action="mail", language="es").messages
    assert mail.subject == "un mes gratis, Ana"


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"campaign": "x"}, "campaign 'x' does not exist. Choose one of: spring, loyalty."),
        ({"action": "x"}, "action 'x' does not exist. Choose one of: call, mail."),
        ({"campaign": "loyalty", "action": "call"}, "action 'call' does not exist in loyalty. Choose one of: mail."),
        ({"language": "fr"}, "no message is written in 'fr'. Choose one of: en, es."),
    ],
)
def test_what_does_not_exist_is_told_with_what_does(workspace: Workspace, chosen: dict[str, str], told: str) -> None:
    with pytest.raises(BusinessFileError, match=told):
        preview(workspace, AS_OF, **chosen)  # type: ignore[arg-type]
    with pytest.raises(BusinessFileError, match=told):
        preview_samples(workspace.business, **chosen)  # type: ignore[arg-type]


def test_samples_show_each_action_in_each_language_before_anything_is_decided(tmp_path: Path) -> None:
    business = make_business(tmp_path, **words())
    found = preview_samples(business)
    assert [(one.customer, one.action) for one in found.messages] == [
        ("sample, es", "call"), ("sample, en", "call"), ("sample, es", "mail"), ("sample, en", "mail"),
    ]  # fmt: skip
    assert found.messages[0].message == "Hola María. Le habla Lucía Ferrer."
    assert found.is_sample
    assert [one.customer for one in preview_samples(business, language="en", action="mail").messages] == ["sample, en"]


def test_a_business_that_writes_nothing_has_nothing_to_show(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    stock(workspace, "ana")
    assert preview(workspace, AS_OF).message_count == 0
    assert preview_samples(workspace.business).message_count == 0


def test_faulty_templates_are_told_before_anything_is_shown(tmp_path: Path) -> None:
    business = make_business(tmp_path, **words({**CALL, "message": {"text": {"en": "{{ x }}"}}}, MAIL))
    with pytest.raises(BusinessFileError, match=r"message\.text\.en: line 1: x: there is no such field"):
        preview_samples(business)
