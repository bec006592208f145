"""What the page for CRM people promises is what happens."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC
from pathlib import Path

import pytest

from campaigns.contact_columns import CONTACT_COLUMNS, MESSAGE_COLUMNS
from campaigns.delivery import contacts
from campaigns.delivery.contact_list import MANIFEST, REFUSED, WITHHELD
from campaigns.delivery.receipts import DEAD_LETTERS, Receipts
from campaigns.delivery.signing import endpoint_of
from campaigns.delivery.webhook import PATIENCE, Clock, Window, send
from campaigns.messages.fields import LONGEST_VALUE, OWN_FIELDS
from campaigns.messages.templates import FILTERS, LONGEST_TEXT
from campaigns.reconciliation.findings import MEANINGS
from tests.campaigns.delivery.company import AS_OF, NOON, delivery, make_workspace, stock
from tests.campaigns.delivery.receivers import Pauses, receiver


@pytest.fixture(scope="module")
def page(project_root: Path) -> str:
    return (project_root / "docs" / "contact-list.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def is_genuine(page: str) -> Callable[..., bool]:
    """The receiver's check, as the page prints it."""
    (snippet,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    names: dict[str, Callable[..., bool]] = {}
    exec(snippet, names)
    return names["is_genuine"]


def test_the_printed_check_believes_our_calls_and_no_others(tmp_path: Path, is_genuine: Callable[..., bool]) -> None:
    with receiver([]) as server:
        workspace = make_workspace(
            tmp_path,
            delivery=delivery(webhook={"url": "$HOOK", "secret": "$KEY"}),
            environment={"HOOK": server.url, "KEY": "clé"},
        )
        endpoint = endpoint_of(workspace.business, workspace.environment)
        assert endpoint is not None
        window = Window(NOON, NOON.replace(hour=20))
        body = {"decision_id": "d1", "reason": "Ñandú"}
        send([body], endpoint, Receipts.read(tmp_path), clock=Clock(NOON, Pauses()), window=window)
    (call,) = server.calls
    header, now = call.headers["x-holdback-signature"], NOON.replace(tzinfo=UTC).timestamp()
    assert is_genuine(header, call.body, "clé", now)
    assert not is_genuine(header, call.body, "other", now)
    assert not is_genuine(header, call.body + b" ", "clé", now)
    assert not is_genuine(header, call.body, "clé", now + 301)
    assert not is_genuine(header.replace("t=1", "t=2"), call.body, "clé", now)
    for nonsense in ("", "t=,v1=", "v1=0", "t=1,v1=é", ",,="):
        assert not is_genuine(nonsense, call.body, "clé", now)


def test_the_page_names_every_column_file_and_finding(tmp_path: Path, page: str) -> None:
    workspace = make_workspace(tmp_path)
    stock(workspace, "ana")
    assert contacts(workspace, AS_OF).column_names[: len(CONTACT_COLUMNS)] == list(CONTACT_COLUMNS)
    named = (*CONTACT_COLUMNS, *MESSAGE_COLUMNS, *OWN_FIELDS, *MEANINGS, MANIFEST, REFUSED, WITHHELD, DEAD_LETTERS)
    for name in named:
        assert f"`{name}`" in page, name


def test_the_page_states_what_a_template_can_do(page: str) -> None:
    assert (LONGEST_VALUE, LONGEST_TEXT) == (200, 20_000)
    for name in set(FILTERS) - {"d", "e"}:
        assert f"`{name}`" in page, name


def test_the_page_states_the_patience_that_we_have() -> None:
    assert (PATIENCE.attempts, PATIENCE.timeout_seconds, PATIENCE.first_wait_seconds) == (5, 10, 1)
    assert (PATIENCE.longest_wait_seconds, PATIENCE.failures_in_a_row) == (120, 5)
