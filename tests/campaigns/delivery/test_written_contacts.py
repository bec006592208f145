"""A day's delivery of a business that says what is written: the columns, and who is withheld."""

from __future__ import annotations

import csv
import json
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from campaigns.contact_columns import CONTACT_COLUMNS, MESSAGE_COLUMNS
from campaigns.delivery import check_contacts, contacts, deliver, resend
from campaigns.delivery.contact_list import MANIFEST, WITHHELD, masked
from campaigns.delivery.spreadsheets import restored, restored_start
from campaigns.messages import WITHHELD_COLUMNS
from campaigns.reconciliation import reconcile
from campaigns.reconciliation.findings import findings
from holdback.errors import BusinessFileError
from holdback.workspace import Workspace
from tests.campaigns.delivery.company import AS_OF, NOON, make_workspace, put, sending, stock
from tests.campaigns.delivery.receivers import Pauses, receiver
from tests.campaigns.messages.company import CALL, MAIL, choose, person, writing_workspace

SECRET = "Xochiquetzal"


def sent(workspace: Workspace) -> tuple[Any, Path]:
    done = deliver(workspace, AS_OF, now=NOON, wait=Pauses())
    return done, workspace.outbox / AS_OF.isoformat()


def listed(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_lists_carry_what_is_written_between_our_columns_and_the_attributes(tmp_path: Path) -> None:
    workspace = writing_workspace(tmp_path)
    choose(workspace, person("ana"))
    choose(workspace, person("eva", called="Eva", tongue="en"), action="mail")
    _, folder = sent(workspace)
    phone, email = listed(folder / "phone.csv"), listed(folder / "email.csv")
    assert list(phone[0]) == [*CONTACT_COLUMNS, *MESSAGE_COLUMNS, "city", "age", "vip", "customer_reason"]
    assert phone[0]["message"] == "Hola Ana. Le habla Lucía."
    assert (phone[0]["subject"], phone[0]["executive"], phone[0]["first_name"]) == ("", "Lucía", "Ana")
    assert email[0]["subject"] == "a month for free, Eva"
    assert email[0]["reason_text"] == "your recent contacts with our service"
    # What the model said to us is not what the customer hears.
    assert email[0]["reason"] == "her contract ends soon"
    assert pq.read_table(folder / "email.parquet").column_names[10:16] == list(MESSAGE_COLUMNS)


def test_a_business_that_writes_nothing_has_the_files_that_it_had(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    stock(workspace, "ana")
    done, folder = sent(workspace)
    assert list(listed(folder / "phone.csv")[0]) == [*CONTACT_COLUMNS, "city", "age", "vip", "customer_reason"]
    assert not (folder / WITHHELD).exists()
    assert "withheld" not in (folder / MANIFEST).read_text()
    assert dict(done.withheld) == {}


def test_a_channel_that_writes_nothing_gets_no_such_column(tmp_path: Path) -> None:
    plain = {key: value for key, value in CALL.items() if key != "message"}
    workspace = writing_workspace(tmp_path, plain, MAIL)
    choose(workspace, person("ana"))
    _, folder = sent(workspace)
    assert not set(MESSAGE_COLUMNS) & set(listed(folder / "phone.csv")[0])


def test_who_lacks_a_field_is_withheld_listed_and_counted_and_the_others_go_out(tmp_path: Path) -> None:
    with receiver([]) as server:
        workspace = writing_workspace(
            tmp_path, environment={"HOOK": server.url, "KEY": "k"}, webhook={"url": "$HOOK", "secret": "$KEY"}
        )
        choose(workspace, person("ana"), person("bea", called=None), person("cleo", manager=""))
        done, folder = sent(workspace)
        again = deliver(workspace, AS_OF, now=NOON, wait=Pauses())
        late = resend(workspace, AS_OF, now=NOON + timedelta(days=1), wait=Pauses())
    assert (done.contact_count, dict(done.withheld), done.withheld_count) == (1, {"executive": 1, "first_name": 1}, 2)
    assert "withheld, the message lacks first_name: 1" in str(done)
    assert [row["customer_id"] for row in listed(folder / "phone.csv")] == ["ana"]
    told = listed(folder / WITHHELD)
    assert list(told[0]) == list(WITHHELD_COLUMNS)
    assert {(row["customer_id"], row["missing_field"], row["withheld_because"]) for row in told} == {
        ("bea", "first_name", "is not known"), ("cleo", "executive", "is not known"),
    }  # fmt: skip
    manifest = json.loads((folder / MANIFEST).read_text())
    assert (manifest["contacts"], manifest["withheld"]) == (1, 2)
    assert manifest["withheld_by_field"] == {"executive": 1, "first_name": 1}
    assert WITHHELD in manifest["files"]
    assert [json.loads(call.body)["message"] for call in server.calls] == ["Hola Ana. Le habla Lucía."]
    assert (again.webhook is not None and again.webhook.known, late.known) == (1, 1)


def test_who_is_withheld_stays_decided_and_is_reported_as_never_sent(tmp_path: Path) -> None:
    workspace = writing_workspace(tmp_path)
    choose(workspace, person("ana"), person("bea", called=None))
    before = workspace.warehouse.query("select * from ledger order by sequence")
    sent(workspace)
    assert workspace.warehouse.query("select * from ledger order by sequence").equals(before)
    put(workspace, "sendings", sending("ana"))
    later = AS_OF + timedelta(days=5)
    reconcile(workspace, later)
    found = {one.kind: one.count for one in findings(workspace.warehouse, workspace.business, later)}
    assert found["missed"] == 1
    treated = "select count(*) as n from ledger where kind = 'assigned' and \"group\" = 'treatment'"
    assert workspace.warehouse.query(treated)["n"][0].as_py() == 2


def test_the_same_day_again_has_the_same_bytes(tmp_path: Path) -> None:
    workspace = writing_workspace(tmp_path)
    choose(workspace, person("ana"), person("bea", called=None))
    done, _ = sent(workspace)
    before = {path: path.read_bytes() for path in done.paths}
    again, _ = sent(workspace)
    assert {path: path.read_bytes() for path in again.paths} == before


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "@sum", "-2+3", "\uff1d1"])
def test_no_name_becomes_a_formula_in_any_column(tmp_path: Path, name: str) -> None:
    lone = {
        **CALL,
        "message": {"subject": {"en": "{{ first_name }}"}, "text": {"en": "{{ first_name }}\n{{ first_name }}"}},
    }
    workspace = writing_workspace(tmp_path, lone, MAIL)
    choose(workspace, person("ana", called=name))
    _, folder = sent(workspace)
    [row] = listed(folder / "phone.csv")
    for column, text, back in (
        ("subject", name, restored_start),
        ("first_name", name, restored),
        ("message", f"{name}\n{name}", restored_start),
    ):
        assert row[column] == f"'{text}"
        assert back(row[column]) == text
    [plain] = pq.read_table(folder / "phone.parquet").to_pylist()
    assert plain["message"] == f"{name}\n{name}"


def test_a_name_is_made_harmless_after_a_semicolon_too(tmp_path: Path) -> None:
    workspace = writing_workspace(tmp_path)
    choose(workspace, person("ana", called="Ana; =1+1"))
    _, folder = sent(workspace)
    [row] = listed(folder / "phone.csv")
    assert row["first_name"] == "Ana;' =1+1"
    assert row["message"] == "Hola Ana; =1+1. Le habla Lucía."


def test_a_message_is_ready_to_be_sent_and_always_in_quotes(tmp_path: Path) -> None:
    text = "<p style='color:red; -x: 1'>Hello {{ first_name }}</p>\n- one&nbsp;+34 600\n@carrier; =) \"bye\""
    lone = {**CALL, "message": {"subject": {"en": "For you; -10 %"}, "text": {"en": text}}}
    workspace = writing_workspace(tmp_path, lone, MAIL)
    choose(workspace, person("ana", called="Ana"))
    _, folder = sent(workspace)
    [row] = listed(folder / "phone.csv")
    assert row["subject"] == "For you; -10 %"
    assert row["message"] == text.replace("{{ first_name }}", "Ana")
    assert ',"For you; -10 %","<p style=' in (folder / "phone.csv").read_text(encoding="utf-8")


def test_faulty_templates_stop_the_delivery_before_anything_is_written(tmp_path: Path) -> None:
    workspace = writing_workspace(tmp_path, {**CALL, "message": {"text": {"en": "{{ first_nam }}"}}}, MAIL)
    choose(workspace, person("ana"))
    with pytest.raises(BusinessFileError, match=r"actions\[0\]\.message\.text\.en: .* Did you mean 'first_name'"):
        sent(workspace)
    assert not workspace.outbox.exists()


def test_nothing_personal_is_in_logs_receipts_manifest_or_what_a_terminal_shows(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        workspace = writing_workspace(tmp_path)
        choose(workspace, person("ana-00001", called=SECRET), person("bea-00002", called=SECRET * 100))
        done, folder = sent(workspace)
        shown = masked(contacts(workspace, AS_OF)).to_pylist()
    manifest, kept = (folder / MANIFEST).read_text(), (folder / WITHHELD).read_text()
    printed = "".join(capfd.readouterr())
    for text in (str(done), repr(done), manifest, kept, caplog.text, printed, str(shown)):
        assert SECRET not in text
    for text in (str(done), manifest, caplog.text, printed, str(shown)):
        assert "bea-00002" not in text
    assert "bea-00002" in kept


def test_the_score_of_the_campaigns_own_churn_definition_and_day_gives_the_reason(tmp_path: Path) -> None:
    workspace = writing_workspace(tmp_path)
    choose(workspace, person("ana"), action="mail", reasons=[])
    other = {"family": "plan", "feature": "plan_last", "value": "x"}
    row = {"customer_id": "ana", "model_version": "1", "probability": 0.5, "risk_tier": "high"}
    row |= {"is_above_capacity_line": True, "reasons": json.dumps([other])}
    put(workspace, "scores", {**row, "as_of": AS_OF, "churn": "another"})
    put(workspace, "scores", {**row, "as_of": AS_OF - timedelta(days=1), "churn": "left"})
    [ana] = check_contacts(workspace, AS_OF).contacts.to_pylist()
    assert ana["reason_text"] is None
    assert ana["message"] == "Ana: un mes gratis."


def test_a_first_name_that_the_list_carries_anyway_stands_there_once(tmp_path: Path) -> None:
    customers = {"source": "customers.csv", "key": "id", "attributes": {"first_name": "category", "offer": "category"}}
    mail = {**MAIL, "message": {"text": {"en": "{{ first_name }} {{ customer_offer }}"}}}
    workspace = make_workspace(
        tmp_path, customers=customers, actions=[mail], contact={},
        campaigns=[{"name": "spring", "actions": ["mail"], "horizon_days": 60}],
        delivery={"fields": {"email": ["first_name", "offer"]}, "first_name": "first_name"},
    )  # fmt: skip
    choose(workspace, {"customer_id": "ana", "has_consent": True, "first_name": "Ana", "offer": "old"}, action="mail")
    _, folder = sent(workspace)
    [row] = listed(folder / "email.csv")
    assert list(row)[len(CONTACT_COLUMNS) :] == [*MESSAGE_COLUMNS, "customer_offer"]
    assert (row["message"], row["first_name"], row["offer"]) == ("Ana old", "Ana", "a month for free")
