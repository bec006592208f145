"""What was decided for one customer: held out, in no audience, given something, or refused it, and why."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from campaigns.decisions import decide, explain_decision
from campaigns.decisions.explanations import ExplainedDecision
from campaigns.ledger import correct
from holdback.errors import DataError
from holdback.workspace import Workspace
from tests.campaigns.decisions.world import (
    AS_OF,
    actions,
    company,
    contract,
    customer,
    decided,
    ledger,
    opened,
    put,
    score,
    with_file,
)

NEXT = AS_OF + timedelta(days=1)


def explained(workspace: Workspace, name: str, on: object = AS_OF) -> ExplainedDecision:
    assert on in (AS_OF, NEXT)
    return explain_decision(workspace.warehouse, workspace.business, AS_OF if on == AS_OF else NEXT, name)


def test_a_contact_comes_with_its_arithmetic(tmp_path: Path) -> None:
    workspace = opened(tmp_path, company(), [customer("ann")])
    decide(workspace, AS_OF)
    row, found = decided(workspace)["ann"], explained(workspace, "ann")
    assert found == ExplainedDecision(
        customer_id="ann", as_of=AS_OF, group_everywhere="treatment", assigned_on=AS_OF, campaign="spring",
        group="treatment", action="call", intended_action="call", is_exploration=False, propensity=1.0,
        probability=0.5, kept_amount=row["kept_cents"] / 100, gain_amount=row["gain_cents"] / 100, lift=0.3,
        lift_status="assumed", fit_class=row["fit_class"], refused={"mail": "weaker"}, reason=None,
    )  # fmt: skip


def test_who_is_held_out_of_everything_is_said_to_be_since_when(tmp_path: Path) -> None:
    workspace = opened(tmp_path, company(holdout={"global_share": 1.0}), [customer("ann")], days=[AS_OF, NEXT])
    for day in (AS_OF, NEXT):
        decide(workspace, day)
    assert explained(workspace, "ann", NEXT) == ExplainedDecision("ann", NEXT, "holdout", AS_OF)


def test_who_is_held_out_of_a_campaign_is_told_with_what_would_have_been_done(tmp_path: Path) -> None:
    workspace = opened(tmp_path, company(holdout={"campaign_share": 1.0}), [customer("ann")])
    decide(workspace, AS_OF)
    found = explained(workspace, "ann")
    assert (found.group_everywhere, found.group, found.action, found.intended_action) == (
        "treatment", "holdout", "none", "call",
    )  # fmt: skip
    assert found.refused == {"call": "held_out", "mail": "held_out"}
    assert found.gain_amount is not None


def test_who_was_in_no_audience_has_a_group_and_no_decision(tmp_path: Path) -> None:
    workspace = opened(tmp_path, company(), [customer("ann"), customer("bea")], probability={"ann": 0.5, "bea": 0.01})
    decide(workspace, AS_OF)
    assert explained(workspace, "bea") == ExplainedDecision("bea", AS_OF, "treatment", AS_OF)


def test_who_gets_nothing_is_told_why_of_each_action(tmp_path: Path) -> None:
    priced = actions(call={"eligible": {"where": {"city": ["Vigo"]}}}, mail={"cost": 5_000.0})
    workspace = opened(tmp_path, company(actions=priced), [customer("ann")])
    decide(workspace, AS_OF)
    found = explained(workspace, "ann")
    assert (found.action, found.refused) == ("none", {"call": "not_eligible", "mail": "no_gain"})
    assert (found.lift, found.lift_status, found.gain_amount) == (None, None, None)


def test_a_draw_is_told_with_its_probability(tmp_path: Path) -> None:
    people = [customer(f"c{i:02d}") for i in range(12)]
    workspace = opened(tmp_path, company(holdout={"explore_share": 1.0}), people)
    decide(workspace, AS_OF)
    found = explained(workspace, "c07")
    assert found.is_exploration is True
    assert found.propensity == pytest.approx(1 / 3)
    assert found.intended_action == "call"


def test_the_main_reason_is_told(tmp_path: Path) -> None:
    workspace = opened(tmp_path, company(), [customer("ann")])
    told = score("bea", reasons='[{"feature": "no_such_feature", "value": "yearly", "effect": 0.3}]')
    put(workspace, "contracts", [contract("bea")], batch="bea")
    put(workspace, "customers", [customer("bea")], batch="bea")
    put(workspace, "scores", [told], batch="bea")
    decide(workspace, AS_OF)
    assert explained(workspace, "bea").reason == "no_such_feature: yearly"


def test_nobody_of_this_name_is_an_error_that_says_what_to_check(tmp_path: Path) -> None:
    workspace = opened(tmp_path, company(), [customer("ann")])
    with pytest.raises(DataError, match="'ann': the ledger knows nobody of this name on 2026-03-02"):
        explained(workspace, "ann")
    decide(workspace, AS_OF)
    with pytest.raises(DataError, match="knows nobody") as caught:
        explained(workspace, "o'neil")
    assert caught.value.exit_code == 3


def test_a_correction_into_the_holdout_counts(tmp_path: Path) -> None:
    workspace = opened(tmp_path, company(contact={"at_most": 9}), [customer("ann")], days=[AS_OF, NEXT])
    decide(workspace, AS_OF)
    entry = next(row for row in ledger(workspace, kind="assigned") if row["campaign"] is None)
    correct(workspace, NEXT, entry["entry_id"], reason="a member of the board", changes={"group": "holdout"})
    decide(workspace, NEXT)
    assert explained(workspace, "ann", NEXT).group_everywhere == "holdout"


def test_who_moved_in_with_a_held_out_customer_is_told_to_be_held_out(tmp_path: Path) -> None:
    """Her own draw was treatment; that of the household she joined holds for both."""
    workspace = opened(tmp_path, company(holdout={"global_share": 1.0}), [customer("ann", household_id="h")])
    decide(workspace, AS_OF)
    entry = ledger(workspace, kind="assigned")
    assert [row["group"] for row in entry] == ["holdout"]
    opens = with_file(workspace, holdout={"global_share": 0.0})
    put(opens, "customers", [customer("bea")], batch="bea")
    put(opens, "contracts", [contract("bea")], batch="bea")
    put(opens, "scores", [score(name, on=NEXT) for name in ("ann", "bea")], batch="next")
    decide(opens, NEXT)
    assert explained(opens, "bea", NEXT).group_everywhere == "treatment"
    later = NEXT + timedelta(days=1)
    moved = customer("bea", household_id="h", loaded_at=opens.business.instant(later), batch_id="moved")
    put(opens, "customers", [moved], batch="moved")
    put(opens, "scores", [score(name, on=later) for name in ("ann", "bea")], batch="later")
    decide(opens, later)
    found = explain_decision(opens.warehouse, opens.business, later, "bea")
    assert (found.group_everywhere, found.action) == ("holdout", None)
