"""Whom a day's list names, what it tells of them, and who is kept in the house at the last moment."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from campaigns.contact_columns import CONTACT_COLUMNS
from campaigns.delivery import check_contacts, contacts
from campaigns.reconciliation import findings
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

CORRECTED = {"as_of": AS_OF, "kind": "corrected", "entry_id": "c1"}
HALTED = {"as_of": AS_OF, "kind": "halted", "entry_id": "h1", "version": 1}


def earlier(days: int, outcome: str = "sent", **more: Any) -> dict[str, Any]:
    """What was reported of somebody's contact with ana, days ago."""
    return sending("ana", outcome, at=NOON - timedelta(days=days), decision=None, **more)


def refused(workspace: Workspace, today: date | None = None) -> dict[str, str]:
    rows = check_contacts(workspace, AS_OF, today=today).refused.to_pylist()
    return {row["customer_id"]: row["refused_because"] for row in rows}


def listed(workspace: Workspace) -> list[str]:
    return list(contacts(workspace, AS_OF)["customer_id"].to_pylist())


def test_a_contact_tells_who_what_why_and_when_and_what_its_channel_needs(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    put(workspace, "customers", customer("ana", reason="moving", vip=True), customer("bea"))
    write_ledger(workspace, assigned("ana"), decided("ana"), assigned("bea"), decided("bea", "mail"))
    table = contacts(workspace, AS_OF)
    bea, ana = table.to_pylist()
    assert table.column_names == [*CONTACT_COLUMNS, "age", "city", "customer_reason", "vip"]
    assert {**ana, "contact_from": None, "contact_until": None} == {
        "decision_id": f"d-ana-{AS_OF}", "customer_id": "ana", "contact_key": "key-ana", "campaign": "spring",
        "action": "call", "channel": "phone", "incentive_amount": Decimal("30.00"), "reason": "her contract ends soon",
        "contact_from": None, "contact_until": None, "age": 40.0, "city": "Lugo", "customer_reason": "moving",
        "vip": True,
    }  # fmt: skip
    assert (ana["contact_from"].isoformat(), ana["contact_until"].isoformat()) == (
        "2026-03-02T09:00:00+01:00",
        "2026-03-02T21:00:00+01:00",
    )
    assert (bea["city"], bea["age"], bea["vip"], bea["customer_reason"]) == ("Lugo", None, None, None)


def test_no_probability_and_no_protected_attribute_is_on_the_list(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    stock(workspace, "ana")
    table = contacts(workspace, AS_OF)
    assert not {"probability", "gender", "kept_cents", "group"} & set(table.column_names)
    assert "0.64" not in str(table.to_pylist())


def test_attributes_are_those_known_on_the_day(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    stock(workspace, "ana")
    put(workspace, "customers", customer("ana", city="Vigo", loaded_at=workspace.business.instant(TOMORROW)))
    assert contacts(workspace, AS_OF)["city"].to_pylist() == ["Lugo"]


def test_only_decisions_of_the_day_for_an_action_that_nobody_withdrew_are_contacts(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    stock(workspace, "ana", "bea", "eva")
    write_ledger(
        workspace,
        assigned("ida"),
        decided("ida", "none"),
        decided("ana", on=TOMORROW),
        {**CORRECTED, "corrects": f"d-eva-{AS_OF}"},
    )
    assert listed(workspace) == ["ana", "bea"]
    assert refused(workspace) == {}


def test_the_order_of_the_rows_does_not_depend_on_who_was_written_first(tmp_path: Path) -> None:
    first, second = make_workspace(tmp_path / "a"), make_workspace(tmp_path / "b")
    names = [f"c{i}" for i in range(20)]
    stock(first, *names)
    stock(second, *reversed(names))
    assert contacts(first, AS_OF).equals(contacts(second, AS_OF))


def test_a_company_without_a_table_of_customers_has_contacts_without_a_key(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, customers=None, contact={}, delivery={})
    write_ledger(workspace, assigned("ana"), decided("ana"))
    assert contacts(workspace, AS_OF)["contact_key"].to_pylist() == [None]


@pytest.mark.parametrize(
    ("row", "because"),
    [
        (assigned("ana", "holdout", campaign=None), "held out of all campaigns"),
        (assigned("ana", "holdout", campaign=None, on=date(2025, 1, 1)), "held out of all campaigns"),
        (assigned("ana", "holdout", campaign=None, on=TOMORROW), "held out of all campaigns"),
        (assigned("ana", "holdout", campaign="loyalty"), "held out of loyalty"),
        (assigned("ana", "holdout", campaign="loyalty", on=AS_OF - timedelta(days=29)), "held out of loyalty"),
        (assigned("ana", "holdout", campaign="loyalty", on=AS_OF - timedelta(days=30)), None),
        (assigned("ana", "holdout", campaign="gone", on=AS_OF - timedelta(days=400)), "held out of gone"),
        (assigned("ana", "holdout", on=AS_OF - timedelta(days=400)), "held out of spring"),
        (assigned("ana", "holdout", on=AS_OF - timedelta(days=400), version=2), None),
        (assigned("ana", "treatment", campaign=None), None),
        (assigned("bea", "holdout"), None),
        (assigned("bea", "holdout", unit_id="ana"), "held out of spring"),
        (
            {**CORRECTED, "corrects": f"a-spring-ana-{AS_OF}", "group": "holdout"},
            "held out of spring",
        ),
        ({**HALTED, "campaign": "spring"}, "the campaign is halted"),
        ({**HALTED, "campaign": "loyalty"}, None),
    ],
)  # fmt: skip
def test_nobody_held_out_leaves_the_house_even_if_a_row_was_forged(
    tmp_path: Path, row: dict[str, Any], because: str | None
) -> None:
    workspace = make_workspace(tmp_path)
    stock(workspace, "ana")
    write_ledger(workspace, row)
    assert refused(workspace) == ({"ana": because} if because else {})
    assert listed(workspace) == ([] if because else ["ana"])


@pytest.mark.parametrize("detail", ['{"design": {"horizon_days": 51}}', '{"horizon_days": 51}'])
def test_the_horizon_that_a_campaign_was_launched_with_counts_more_than_the_file(tmp_path: Path, detail: str) -> None:
    workspace = make_workspace(tmp_path)
    stock(workspace, "ana")
    held_on = AS_OF - timedelta(days=50)
    launch = {"as_of": held_on, "kind": "launched", "entry_id": "l", "campaign": "loyalty", "version": 1}
    write_ledger(workspace, assigned("ana", "holdout", campaign="loyalty", on=held_on))
    assert refused(workspace) == {}
    write_ledger(workspace, {**launch, "detail": detail})
    assert refused(workspace) == {"ana": "held out of loyalty"}


def test_who_was_held_out_before_a_planned_rotation_is_free_after_it(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, holdout={"rotates_on": [AS_OF.isoformat()]})
    stock(workspace, "ana", "bea")
    write_ledger(workspace, assigned("ana", "holdout", campaign=None, on=date(2025, 1, 1), version=1))
    write_ledger(workspace, assigned("bea", "holdout", campaign=None, version=2))
    assert refused(workspace) == {"bea": "held out of all campaigns"}


@pytest.mark.parametrize(
    "shared",
    [
        {"household_id": "home-1"},
        {"contact_key": "Same@Example.com"},
    ],
)
def test_a_household_or_an_address_shared_with_somebody_held_out_keeps_the_contact_in(
    tmp_path: Path, shared: dict[str, str]
) -> None:
    workspace = make_workspace(tmp_path)
    stock(workspace, "ana")
    put(workspace, "customers", customer("ana", **shared), customer("zoe", **{k: v.lower() for k, v in shared.items()}))
    write_ledger(workspace, assigned("zoe", "holdout"))
    assert refused(workspace) == {"ana": "held out of spring"}


def test_a_chain_of_addresses_and_households_is_followed_to_its_end(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    stock(workspace, "ana")
    put(
        workspace,
        "customers",
        customer("ana", household_id="h1"),
        customer("bea", household_id="h1", contact_key="k2"),
        customer("eva", household_id="h2", contact_key="k2"),
        customer("zoe", household_id="h2"),
    )
    write_ledger(workspace, assigned("zoe", "holdout", campaign=None))
    assert refused(workspace) == {"ana": "held out of all campaigns"}


@pytest.mark.parametrize("forged", [{}, {"campaign": "loyalty"}, {"version": 2}])
def test_a_decision_without_an_assignment_to_the_treatment_of_its_campaign_is_refused(
    tmp_path: Path, forged: dict[str, Any]
) -> None:
    workspace = make_workspace(tmp_path)
    put(workspace, "customers", customer("ana"))
    write_ledger(workspace, *([assigned("ana", **forged)] if forged else []), decided("ana"))
    assert refused(workspace) == {"ana": "not assigned to the treatment of spring"}


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ({"has_consent": False}, "no consent"),
        ({"no_mail": True}, "opted out"),
        ({"vulnerable": True}, "protected"),
        ({"has_phone": False}, "cannot be reached by phone"),
        ({"city": "Vigo"}, None),
    ],
)
def test_who_withdrew_after_the_decision_is_not_contacted(
    tmp_path: Path, change: dict[str, Any], because: str | None
) -> None:
    workspace = make_workspace(tmp_path)
    stock(workspace, "ana")
    assert refused(workspace) == {}
    put(workspace, "customers", customer("ana", **change, loaded_at=datetime(2026, 3, 2, 9)))
    assert refused(workspace) == ({"ana": because} if because else {})


def test_attributes_may_be_called_as_our_columns(tmp_path: Path) -> None:
    attributes = {**FILE["customers"]["attributes"], "channel": "category", "decision_id": "category"}
    workspace = make_workspace(tmp_path, customers={**FILE["customers"], "attributes": attributes})
    stock(workspace, "ana")
    put(workspace, "customers", customer("bea", channel="shop", has_phone=False))
    write_ledger(workspace, assigned("bea"), decided("bea"))
    assert refused(workspace) == {"bea": "cannot be reached by phone"}
    assert not any(finding.count for finding in findings(workspace.warehouse, workspace.business, TOMORROW))


@pytest.mark.parametrize("word", ["opted_out", " Opted_Out", "complained"])
def test_who_opted_out_or_complained_since_the_decision_is_not_contacted(tmp_path: Path, word: str) -> None:
    workspace = make_workspace(tmp_path)
    stock(workspace, "ana", "bea")
    put(workspace, "sendings", sending("ana", word, decision=None, campaign="other"))
    assert refused(workspace) == {"ana": f"{word.strip().lower().replace('_', ' ')} since the decision"}


@pytest.mark.parametrize(
    ("feed_rows", "because"),
    [
        ([earlier(366, "opted_out")], "suppressed: opted out"),
        ([earlier(5), earlier(9)], "suppressed: contacted too often"),
        ([earlier(5)], None),
        ([earlier(5, "bounced")], "suppressed: bounced"),
        ([earlier(5, "bounced", channel="email")], None),
    ],
)  # fmt: skip
def test_a_decision_for_somebody_suppressed_on_its_day_is_refused_even_if_it_was_forged(
    tmp_path: Path, feed_rows: list[dict[str, Any]], because: str | None
) -> None:
    workspace = make_workspace(tmp_path)
    stock(workspace, "ana")
    put(workspace, "sendings", *feed_rows)
    assert refused(workspace) == ({"ana": because} if because else {})


def test_two_contacts_of_one_household_on_a_day_leave_as_one(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    stock(workspace, "ana", "bea", "eva")
    put(workspace, "customers", customer("ana", household_id="h"), customer("bea", household_id="h"))
    assert refused(workspace) == {"bea": "another contact of the same household or address on this day"}
    assert listed(workspace) == ["ana", "eva"]


def test_a_day_delivered_again_later_is_the_same_although_others_were_decided_since(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    stock(workspace, "ana", "bea")
    before = contacts(workspace, AS_OF)
    later = [AS_OF + timedelta(days=d) for d in (1, 2, 3)]
    write_ledger(workspace, *(decided("ana", "mail", on=day) for day in later))
    put(workspace, "sendings", *(sending("ana", at=NOON + timedelta(days=d)) for d in range(3)))
    assert contacts(workspace, AS_OF, today=AS_OF + timedelta(days=9)).equals(before)


def test_a_late_delivery_sets_nobody_free(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, holdout={"rotates_on": [(AS_OF + timedelta(days=10)).isoformat()]})
    stock(workspace, "ana", "bea", "eva")
    write_ledger(workspace, assigned("ana", "holdout", campaign="loyalty"), assigned("bea", "holdout", campaign=None))
    assert sorted(refused(workspace, AS_OF + timedelta(days=300))) == ["ana", "bea"]


def test_who_joined_the_household_of_somebody_treated_is_contacted(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    put(workspace, "customers", customer("ana", household_id="h"), customer("zoe", household_id="h"))
    write_ledger(workspace, assigned("zoe", on=AS_OF - timedelta(days=20)), decided("ana", unit_id="ana"))
    assert listed(workspace) == ["ana"]


def test_an_ended_halt_holds_nobody(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    stock(workspace, "ana")
    write_ledger(workspace, *({**HALTED, "kind": kind, "campaign": "spring"} for kind in ("halted", "resumed")))
    assert listed(workspace) == ["ana"]


def test_an_attribute_of_ours_that_is_protected_cannot_be_asked_for(tmp_path: Path) -> None:
    from holdback.errors import BusinessFileError

    with pytest.raises(BusinessFileError, match="gender"):
        make_workspace(tmp_path, delivery={"fields": {"phone": ["gender"]}})
    assert "gender" in FILE["customers"]["protected"]
