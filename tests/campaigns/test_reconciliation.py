"""What came back from the senders: recorded once, matched with its decision, and compared with what was decided."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from campaigns.ledger import record, verify
from campaigns.reconciliation import Finding, FindingKind, findings, found_rows, reconcile
from holdback.commits import rows_of
from holdback.ingest import ingest
from holdback.workspace import Workspace
from tests.campaigns.delivery.company import (
    AS_OF,
    FILE,
    NOON,
    TOMORROW,
    assigned,
    customer,
    decided,
    make_workspace,
    put,
    sending,
    stock,
    write_ledger,
)

IN_A_WEEK = AS_OF + timedelta(days=7)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Three customers who are to be called today, one who is held out of everything."""
    workspace = make_workspace(tmp_path)
    stock(workspace, "c-ana", "c-bea", "c-eva")
    put(workspace, "customers", customer("c-zoe"))
    write_ledger(workspace, assigned("c-zoe", "holdout", campaign=None, on=date(2026, 1, 1)))
    return workspace


def ledger(workspace: Workspace, columns: str = "kind, customer_id, decision_id", where: str = "true") -> list[Any]:
    rows = workspace.warehouse.query(
        f"select {columns} from ledger where kind not in ('assigned', 'decided') and {where} order by as_of, sequence"
    )
    return [tuple(row.values()) for row in rows.to_pylist()]


def counts(workspace: Workspace, as_of: date = TOMORROW) -> dict[FindingKind, int]:
    found = findings(workspace.warehouse, workspace.business, as_of)
    return {finding.kind: finding.count for finding in found if finding.count}


def test_what_was_reported_becomes_rows_of_the_ledger_with_their_decision(workspace: Workspace) -> None:
    later = NOON + timedelta(hours=2)
    put(workspace, "sendings", sending("c-ana", cost_cents=612), sending("c-ana", "answered", at=later))
    done = reconcile(workspace, TOMORROW)
    assert dict(done.recorded) == {"answered": 1, "cost": 1, "sent": 1}
    decision = f"d-c-ana-{AS_OF}"
    columns = 'kind, customer_id, decision_id, campaign, version, "group", action, happened_at, cost_cents, as_of'
    own = (decision, "spring", 1, "treatment", "call")
    assert sorted(ledger(workspace, columns)) == [
        ("answered", "c-ana", *own, later, None, TOMORROW),
        ("cost", "c-ana", *own, NOON, 612, TOMORROW),
        ("sent", "c-ana", *own, NOON, None, TOMORROW),
    ]


def test_an_event_is_recorded_once_however_often_it_is_reconciled_or_reported(workspace: Workspace) -> None:
    put(workspace, "sendings", sending("c-ana"))
    assert dict(reconcile(workspace, TOMORROW).recorded) == {"sent": 1}
    assert dict(reconcile(workspace, TOMORROW).recorded) == {}
    put(workspace, "sendings", sending("c-ana"), sending("c-bea"))  # the next export tells the first one again
    assert dict(reconcile(workspace, IN_A_WEEK).recorded) == {"sent": 1}
    assert [row[1] for row in ledger(workspace)] == ["c-ana", "c-bea"]
    assert "duplicate" not in counts(workspace, IN_A_WEEK)


def test_what_is_not_known_yet_is_recorded_on_the_day_on_which_it_is(workspace: Workspace) -> None:
    late = workspace.business.instant(IN_A_WEEK)
    put(workspace, "sendings", sending("c-ana", loaded_at=late), sending("c-bea", at=NOON + timedelta(days=3)))
    assert dict(reconcile(workspace, TOMORROW).recorded) == {}
    assert dict(reconcile(workspace, IN_A_WEEK).recorded) == {"sent": 2}


@pytest.mark.parametrize(
    ("report", "is_matched"),
    [
        ({}, True),
        ({"action": None, "channel": None}, True),
        ({"at": NOON + timedelta(days=6)}, True),
        ({"at": NOON + timedelta(days=7)}, False),
        ({"at": NOON + timedelta(days=30), "outcome": "answered"}, True),
        ({"at": NOON - timedelta(days=1)}, False),
        ({"action": "mail"}, False),
        ({"channel": "email"}, False),
        ({"campaign": "loyalty"}, False),
        ({"decision": " "}, True),
        ({"decision": "mangled"}, True),
        ({"outcome": " SENT "}, True),
        ({"outcome": None}, True),
        ({"name": "c-ida"}, False),
    ],
)
def test_an_event_without_a_decision_finds_the_one_that_fits(
    workspace: Workspace, report: dict[str, Any], is_matched: bool
) -> None:
    put(workspace, "sendings", sending(**{"name": "c-ana", "decision": None, **report}))
    reconcile(workspace, AS_OF + timedelta(days=60))
    assert [row[2] for row in ledger(workspace)] == ([f"d-c-ana-{AS_OF}"] if is_matched else [])


def test_of_two_decisions_the_newest_before_the_event_is_meant(workspace: Workspace) -> None:
    write_ledger(workspace, decided("c-ana", on=AS_OF - timedelta(days=2)), decided("c-ana", on=TOMORROW))
    put(workspace, "sendings", sending("c-ana", decision=None))
    reconcile(workspace, IN_A_WEEK)
    assert [row[2] for row in ledger(workspace)] == [f"d-c-ana-{AS_OF}"]


def test_a_correction_of_the_feed_is_a_new_row_that_names_the_old_one(workspace: Workspace) -> None:
    put(workspace, "sendings", sending("c-ana", batch_id="b1", row_number=1, cost_cents=5))
    reconcile(workspace, TOMORROW)
    put(
        workspace,
        "sendings",
        sending("c-ana", "bounced", batch_id="b2", row_number=1, loaded_at=NOON + timedelta(days=2)),
    )
    replaced = {"feed": "sendings", "batch_id": "b1", "row_number": 1, "replaced_by": "b2"}
    row = {**replaced, "replaced_at": NOON + timedelta(days=2)}
    table = workspace.business.tables["superseded"]
    workspace.warehouse.append("superseded", rows_of(table, [row]), batch="correction")
    workspace.warehouse.append("sendings", rows_of(workspace.business.tables["sendings"], []), batch="b2")
    assert dict(reconcile(workspace, IN_A_WEEK).recorded) == {"bounced": 1, "corrected": 2}
    assert dict(reconcile(workspace, IN_A_WEEK + timedelta(days=1)).recorded) == {}
    first, second = ledger(workspace, "corrects", "kind = 'corrected'")
    assert {first, second} == set(ledger(workspace, "entry_id", f"as_of = date '{TOMORROW}'"))


@pytest.mark.parametrize(
    ("report", "found"),
    [
        (sending("c-zoe", decision=None), {"leak": 1, "undecided": 1}),
        (sending("c-zoe", None, decision=None), {"leak": 1, "undecided": 1}),
        (sending("c-zoe", "answered", decision=None), {"leak": 1, "undecided": 1}),
        (sending("c-zoe", "bounced", decision=None), {}),
        (sending("c-zoe", decision=None, campaign="theirs"), {"foreign_leak": 1}),
        (sending("c-zoe", decision=None, at=datetime(2025, 12, 31, 12), campaign="theirs"), {}),
        (sending("c-ana", decision=None, campaign="theirs"), {}),
        (sending("c-ana"), {}),
        (sending("c-nemo", decision=None, campaign="theirs"), {"unknown_customer": 1}),
        (sending("c-ana", decision="nonsense"), {"unknown_decision": 1}),
        (sending("c-bea", decision=f"d-c-ana-{AS_OF}"), {"unknown_decision": 1}),
        (sending("c-ana", "clicked"), {"unknown_outcome": 1}),
    ],
)
def test_what_does_not_fit_is_found(workspace: Workspace, report: dict[str, Any], found: dict[str, int]) -> None:
    put(workspace, "sendings", report)
    assert counts(workspace) == found


def test_a_file_that_names_unknown_customers_loses_nothing_of_the_rest(workspace: Workspace) -> None:
    strangers = [sending(f"c-{i:03}", decision=f"d-{i}") for i in range(40)]
    put(workspace, "sendings", *strangers, sending("c-ana"))
    done = reconcile(workspace, TOMORROW)
    assert dict(done.recorded) == {"sent": 1}
    told = {finding.kind: finding for finding in done.findings}
    assert (told["unknown_customer"].count, told["unknown_decision"].count) == (40, 40)
    assert len(told["unknown_customer"].examples) == 5
    assert found_rows(workspace.warehouse, workspace.business, TOMORROW, "unknown_customer").num_rows == 40


@pytest.mark.parametrize("outcomes", [("sent", "delivered", "opened"), ("delivered", "opened")])
def test_one_message_is_one_leak_whatever_became_of_it(workspace: Workspace, outcomes: tuple[str, ...]) -> None:
    events = [sending("c-zoe", o, decision=None, at=NOON + timedelta(hours=i)) for i, o in enumerate(outcomes)]
    put(workspace, "sendings", *events)
    assert counts(workspace)["leak"] == 1


def test_a_reaction_to_what_was_sent_before_the_holdout_is_no_leak(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    put(workspace, "customers", customer("c-zoe"))
    write_ledger(workspace, assigned("c-zoe", "holdout"))
    for at, outcome in ((NOON - timedelta(days=2), "sent"), (NOON, "opened")):
        put(workspace, "sendings", sending("c-zoe", outcome, decision=None, at=at, campaign="theirs"))
    assert counts(workspace) == {}


@pytest.mark.parametrize(("days", "is_leak"), [(29, True), (30, False)])
def test_a_campaigns_holdout_ends_with_its_horizon(tmp_path: Path, days: int, is_leak: bool) -> None:
    workspace = make_workspace(tmp_path)
    put(workspace, "customers", customer("c-zoe"))
    write_ledger(workspace, assigned("c-zoe", "holdout", campaign="loyalty", on=AS_OF - timedelta(days=days)))
    put(workspace, "sendings", sending("c-zoe", decision=None, campaign="theirs"))
    assert counts(workspace) == ({"foreign_leak": 1} if is_leak else {})


def test_a_rotation_ends_the_global_holdout(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, holdout={"rotates_on": [AS_OF.isoformat()]})
    put(workspace, "customers", customer("c-zoe"), customer("c-ida"))
    write_ledger(workspace, assigned("c-zoe", "holdout", campaign=None, on=date(2026, 1, 1)))
    write_ledger(workspace, assigned("c-ida", "holdout", campaign=None, version=2))
    put(workspace, "sendings", *(sending(name, decision=None, campaign="theirs") for name in ("c-zoe", "c-ida")))
    rows = found_rows(workspace.warehouse, workspace.business, TOMORROW, "foreign_leak")
    assert rows["customer_id"].to_pylist() == ["c-ida"]


def test_writing_to_the_household_of_somebody_held_out_is_a_leak(workspace: Workspace) -> None:
    put(workspace, "customers", customer("c-zoe", household_id="h"), customer("c-ana", household_id="h"))
    put(workspace, "sendings", sending("c-ana"), sending("c-bea"))
    rows = found_rows(workspace.warehouse, workspace.business, TOMORROW, "leak")
    assert rows["customer_id"].to_pylist() == ["c-ana"]


def test_a_decision_that_was_sent_twice_is_found(workspace: Workspace) -> None:
    put(workspace, "sendings", sending("c-ana"), sending("c-ana", at=NOON + timedelta(minutes=1)), sending("c-bea"))
    assert counts(workspace) == {"duplicate": 1}


def test_two_equal_lines_of_one_file_are_two_sendings(workspace: Workspace) -> None:
    put(workspace, "sendings", sending("c-ana"), sending("c-ana"))
    assert counts(workspace) == {"duplicate": 1}


@pytest.mark.parametrize(("days", "missed"), [(2, 0), (3, 2), (29, 2), (31, 0)])
def test_what_was_decided_and_not_reported_is_missed_after_three_days(
    workspace: Workspace, days: int, missed: int
) -> None:
    put(workspace, "sendings", sending("c-ana"))
    assert counts(workspace, AS_OF + timedelta(days=days)).get("missed", 0) == missed


def test_a_decision_that_was_withdrawn_is_not_missed(workspace: Workspace) -> None:
    put(workspace, "sendings", sending("c-ana"), sending("c-bea"))
    write_ledger(workspace, {"as_of": AS_OF, "kind": "corrected", "entry_id": "x", "corrects": f"d-c-eva-{AS_OF}"})
    assert counts(workspace, IN_A_WEEK) == {}


@pytest.mark.parametrize(
    ("change", "is_found"),
    [
        ({"has_consent": False}, True),
        ({"no_mail": True}, True),
        ({"has_phone": False}, True),
        ({"city": "Vigo"}, False),
    ],
)
def test_who_had_said_no_and_was_contacted_is_found(
    workspace: Workspace, change: dict[str, Any], is_found: bool
) -> None:
    put(workspace, "customers", customer("c-ana", **change, loaded_at=NOON - timedelta(hours=1)))
    put(workspace, "customers", customer("c-bea", **change, loaded_at=NOON + timedelta(hours=1)))
    put(workspace, "sendings", sending("c-ana"), sending("c-bea"))
    rows = found_rows(workspace.warehouse, workspace.business, TOMORROW, "suppressed_contacted")
    assert rows["customer_id"].to_pylist() == (["c-ana"] if is_found else [])


def test_who_opted_out_before_and_was_contacted_is_found(workspace: Workspace) -> None:
    put(
        workspace,
        "sendings",
        sending("c-ana", "opted_out", at=NOON - timedelta(days=200), decision=None),
        sending("c-ana"),
    )
    assert counts(workspace) == {"suppressed_contacted": 1}
    assert "suppressed_contacted: 1 must not be contacted" in str(reconcile(workspace, TOMORROW))


def test_examples_are_masked_and_every_kind_is_told(workspace: Workspace) -> None:
    put(workspace, "sendings", sending("c-zoe", decision=None))
    found = findings(workspace.warehouse, workspace.business, TOMORROW)
    leak = found[0]
    assert leak == Finding("leak", 1, ("… in spring on 2026-03-02",))
    assert len(found) == 9
    done = reconcile(workspace, TOMORROW)
    assert done.leak_count == 1
    assert "c-zoe" not in f"{done}{done!r}"


def test_findings_are_the_same_whenever_they_are_asked_for(workspace: Workspace) -> None:
    put(
        workspace,
        "sendings",
        sending("c-zoe", decision=None),
        sending("c-ana"),
        sending("c-ana", at=NOON + timedelta(hours=1)),
    )
    before = findings(workspace.warehouse, workspace.business, TOMORROW)
    reconcile(workspace, TOMORROW)
    put(workspace, "sendings", sending("c-bea", decision="x", loaded_at=workspace.business.instant(IN_A_WEEK)))
    assert findings(workspace.warehouse, workspace.business, TOMORROW) == before


@pytest.mark.parametrize("name", ["days", "units", "spans", "ours"])
def test_a_feed_may_be_called_anything_that_is_no_table_of_ours(tmp_path: Path, name: str) -> None:
    workspace = make_workspace(tmp_path, feeds={"plans": FILE["feeds"]["plans"], name: FILE["feeds"]["sendings"]})
    stock(workspace, "c-ana")
    put(workspace, name, sending("c-ana"))
    assert dict(reconcile(workspace, TOMORROW).recorded) == {"sent": 1}
    assert counts(workspace) == {}


def test_without_a_feed_nobody_knows_what_was_sent_and_that_is_said(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, feeds={"plans": FILE["feeds"]["plans"]})
    stock(workspace, "c-ana")
    done = reconcile(workspace, IN_A_WEEK)
    assert (done.is_reported, done.findings, dict(done.recorded)) == (False, (), {})
    assert "nobody knows" in str(done)


def test_what_is_recorded_keeps_the_chain_of_the_ledger_whole(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    put(workspace, "customers", customer("c-ana"))
    columns = workspace.business.tables["ledger"]
    own = ("sequence", "previous_hash", "hash", "nonce", "identity", "redacted_by")
    rows = rows_of(columns, [assigned("c-ana"), decided("c-ana")]).drop_columns(list(own))
    assert record(workspace, AS_OF, rows, batch=f"decide/{AS_OF}")
    put(workspace, "sendings", sending("c-ana", cost_cents=7), sending("c-ana", "answered", decision=None))
    assert dict(reconcile(workspace, TOMORROW).recorded) == {"answered": 1, "cost": 1, "sent": 1}
    assert verify(workspace).is_whole
    assert counts(workspace) == {}


def test_a_delivery_file_that_came_in_by_the_front_door_is_reconciled(tmp_path: Path) -> None:
    feed = {**FILE["feeds"]["sendings"], "source": "sendings-*.csv", "expects": {"quarantined_share": 1}}
    workspace = make_workspace(tmp_path, feeds={**FILE["feeds"], "sendings": feed})
    stock(workspace, "c-ana", "c-bea")
    header = "id,at,campaign,channel,outcome,action,decision,cost"
    lines = [
        f"c-ana,2026-03-02 12:00:00,spring,phone,sent,call,d-c-ana-{AS_OF},6.50",
        "c-nobody,2026-03-02 12:05:00,spring,phone,sent,call,,6.50",
        ",2026-03-02 12:06:00,spring,phone,sent,call,,6.50",
    ]
    (tmp_path / "sendings-1.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    (batch,) = ingest(workspace, TOMORROW, feeds=["sendings"]).batches
    assert (batch.clean, batch.quarantined) == (2, 1)
    done = reconcile(workspace, TOMORROW)
    assert dict(done.recorded) == {"cost": 1, "sent": 1}
    assert ledger(workspace, "cost_cents", "kind = 'cost'") == [(650,)]
    assert counts(workspace) == {"unknown_customer": 1, "undecided": 1}
