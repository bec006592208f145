"""The rows that a day adds to the ledger: what they say, and that they keep it as it was seen."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from campaigns.decisions import decide
from campaigns.decisions.rows import policy_version
from campaigns.holdout import campaign_layer, global_layer
from campaigns.lifts import lifts
from holdback.workspace import Workspace
from tests.campaigns.decisions.world import (
    AS_OF,
    FILE,
    Row,
    actions,
    company,
    customer,
    decided,
    launch_all,
    ledger,
    opened,
    put,
    score,
)

PEOPLE = [customer(name) for name in ("ann", "bea", "cid")]


def refused(row: Row) -> dict[str, str]:
    found: dict[str, str] = json.loads(row["refused"])
    return found


def policy_of(workspace: Workspace, on: date = AS_OF) -> str:
    return policy_version(workspace.business, lifts(workspace.warehouse, workspace.business, on))


def eligible(row: Row) -> dict[str, float]:
    found: dict[str, float] = json.loads(row["eligible"])
    return found


def test_a_decision_says_all_that_it_rests_on(tmp_path: Path) -> None:
    workspace = opened(tmp_path, company(), [customer("ann")])
    decide(workspace, AS_OF)
    row = decided(workspace)["ann"]
    kept = row["kept_cents"]
    row |= dict.fromkeys(("nonce", "identity"))  # drawn at random, and what follows from it
    assert row | {"entry_id": "", "hash": "", "previous_hash": "", "sequence": 0} == {
        **dict.fromkeys(workspace.business.tables["ledger"].column_names),
        "as_of": AS_OF, "sequence": 0, "kind": "decided", "entry_id": "", "customer_id": "ann", "unit_id": "ann",
        "campaign": "spring", "version": 1, "salt": "acme/spring/1", "group": "treatment", "propensity": 1.0,
        "action": "call", "intended_action": "call", "channel": "phone", "is_exploration": False,
        "policy_version": policy_of(workspace), "model_version": "7", "probability": 0.5,
        "kept_cents": kept, "fit_class": row["fit_class"], "gain_cents": round(0.5 * kept * 0.3 - 500), "lift": 0.3,
        "lift_status": "assumed", "eligible": '{"call":1.0}', "refused": '{"mail":"weaker"}', "cost_cents": 500,
        "detail": '{"lift":{"source":"the team"}}', "hash": "", "previous_hash": "",
    }  # fmt: skip
    assert kept > 0
    assert row["fit_class"] in ("invest", "maintain")


def test_an_assignment_freezes_what_was_seen_of_the_customer(tmp_path: Path) -> None:
    workspace = opened(tmp_path, company(), [customer("ann")])
    decide(workspace, AS_OF)
    put(workspace, "scores", [score("ann", 0.9, on=AS_OF + timedelta(days=1), model_version="8")], batch="next")
    decide(workspace, AS_OF + timedelta(days=1))
    rows = ledger(workspace, kind="assigned")
    assert [(row["as_of"], row["campaign"], row["probability"], row["model_version"]) for row in rows] == [
        (AS_OF, None, 0.5, "7"), (AS_OF, "spring", 0.5, "7"),
    ]  # fmt: skip
    assert {row["kept_cents"] for row in rows} == {decided(workspace)["ann"]["kept_cents"]}
    assert {row["policy_version"] for row in rows} == {policy_of(workspace)}
    layers = [global_layer(workspace.business, AS_OF), campaign_layer(workspace.business, company().campaigns[0])]
    assert [row["salt"] for row in rows] == [layer.salt for layer in layers]


def test_everybody_is_assigned_in_the_global_layer_and_only_who_enters_in_the_campaigns(tmp_path: Path) -> None:
    people = [*PEOPLE, customer("dan", has_consent=False), customer("eva", household_id="h"),
              customer("flo", household_id="h", has_consent=False)]  # fmt: skip
    workspace = opened(tmp_path, company(holdout={"global_share": 0.0}), people)
    decide(workspace, AS_OF)
    rows = ledger(workspace, kind="assigned")
    assert {row["customer_id"] for row in rows if row["campaign"] is None} == {row["customer_id"] for row in people}
    entered = {row["customer_id"]: row["unit_id"] for row in rows if row["campaign"] == "spring"}
    assert entered == {"ann": "ann", "bea": "bea", "cid": "cid", "eva": "eva", "flo": "eva"}  # whole units


def test_the_held_out_enter_with_what_they_would_have_been_given(tmp_path: Path) -> None:
    workspace = opened(tmp_path, company(holdout={"campaign_share": 1.0}), [customer("ann")])
    decide(workspace, AS_OF)
    row = decided(workspace)["ann"]
    assert (row["group"], row["action"], row["intended_action"]) == ("holdout", "none", "call")
    assert (row["channel"], row["cost_cents"], row["propensity"]) == (None, 0, 1.0)
    assert row["gain_cents"] > 0
    assert eligible(row) == {"call": 1.0}  # in the treatment group
    assert refused(row) == {"call": "held_out", "mail": "held_out"}
    entry = [entry for entry in ledger(workspace, kind="assigned") if entry["campaign"] == "spring"]
    assert [(e["group"], e["propensity"]) for e in entry] == [("holdout", 1.0)]


def test_what_speaks_against_any_contact_is_told_with_its_reasons(tmp_path: Path) -> None:
    people = [customer("ann", has_consent=False, vulnerable=True), customer("bea", quiet=True), customer("cid")]
    workspace = opened(tmp_path, company(), people)
    decide(workspace, AS_OF)
    rows = decided(workspace)
    why = "suppressed: no_consent, protected"
    assert refused(rows["ann"]) == {"call": why, "mail": why}
    assert refused(rows["bea"]) == {"call": "suppressed: opted_out", "mail": "suppressed: opted_out"}
    assert refused(rows["cid"]) == {"mail": "weaker"}
    assert {name: row["action"] for name, row in rows.items()} == {"ann": "none", "bea": "none", "cid": "call"}


def test_only_what_is_suppressed_carries_the_reasons(tmp_path: Path) -> None:
    """A member in another campaign of a suppressed customer: his refusal is about the campaign alone."""
    campaigns = [
        {"name": "spring", "actions": ["call"], "horizon_days": 30},
        {"name": "summer", "actions": ["mail"], "horizon_days": 30, "audience": {"where": {"city": ["Vigo"]}}},
    ]
    workspace = opened(tmp_path, company(campaigns=campaigns), PEOPLE)
    decide(workspace, AS_OF)
    later = AS_OF + timedelta(days=1)
    moved = customer("ann", city="Vigo", has_consent=False, loaded_at=workspace.business.instant(later), batch_id="c")
    put(workspace, "customers", [moved], batch="moved")
    put(workspace, "scores", [score(row["customer_id"], on=later) for row in PEOPLE], batch="later")
    decide(workspace, later)
    assert refused(decided(workspace, on=later)["ann"]) == {"call": "suppressed: no_consent"}


@pytest.mark.parametrize(
    ("changes", "probability", "expected"),
    [
        ({"actions": actions(call={"cost": 9_000.0}, mail={"cost": 9_000.0})}, 0.5,
         {"call": "no_gain", "mail": "no_gain"}),
        ({"actions": actions(mail={"eligible": {"where": {"city": ["Vigo"]}}})}, 0.5, {"mail": "not_eligible"}),
        ({"contact": {"reachable": {"email": "vulnerable"}}}, 0.5, {"mail": "channel"}),
    ],
    ids=["no gain", "not eligible", "channel"],
)  # fmt: skip
def test_each_other_action_says_why_it_was_not_chosen(
    tmp_path: Path, changes: dict[str, Any], probability: float, expected: dict[str, str]
) -> None:
    workspace = opened(tmp_path, company(**changes), [customer("ann")], probability=probability)
    decide(workspace, AS_OF)
    assert refused(decided(workspace)["ann"]) == expected


def test_who_would_have_gained_but_less_than_others_is_told_so(tmp_path: Path) -> None:
    business = company(
        actions=actions(call={"capacity_per_day": 1}), campaigns=[{"name": "spring", "actions": ["call"]}]
    )
    probability = {"ann": 0.5, "bea": 0.2, "cid": 0.6}  # who leaves for certain within weeks has little to lose
    workspace = opened(tmp_path, business, PEOPLE, probability=probability)
    decide(workspace, AS_OF)
    rows = decided(workspace)
    assert [refused(rows[name]) for name in ("ann", "cid")] == [{"call": "price"}] * 2
    assert (rows["bea"]["action"], refused(rows["bea"])) == ("call", {})


def test_an_explorer_says_what_could_have_been_drawn_and_what_the_policy_would_have_done(tmp_path: Path) -> None:
    people = [customer(f"c{i:02d}") for i in range(30)]
    workspace = opened(tmp_path, company(holdout={"explore_share": 1.0}), people)
    decide(workspace, AS_OF)
    rows = list(decided(workspace).values())
    assert {row["action"] for row in rows} == {"none", "call", "mail"}
    for row in rows:
        assert row["is_exploration"] is True
        assert row["intended_action"] == "call"
        assert row["salt"] == f"acme/spring/1/explore/{AS_OF}"
        assert eligible(row) == pytest.approx({"none": 1 / 3, "call": 1 / 3, "mail": 1 / 3})
        assert row["propensity"] == pytest.approx(eligible(row)[row["action"]])
        assert refused(row) == {name: "explored" if name == "call" else "weaker" for name in ("call", "mail")
                                if name != row["action"]}  # fmt: skip


def test_a_stale_lift_is_used_and_called_stale(tmp_path: Path) -> None:
    old = {"assumed_lift": {"value": 0.3, "source": "the team", "expires_on": AS_OF}}
    workspace = opened(tmp_path, company(actions=actions(call=old)), [customer("ann")])
    decide(workspace, AS_OF)
    row = decided(workspace)["ann"]
    assert (row["action"], row["lift"], row["lift_status"]) == ("call", 0.3, "stale")


def test_the_main_reason_of_a_score_is_told_in_words_and_without_numbers_of_the_model(tmp_path: Path) -> None:
    workspace = opened(tmp_path, company(), PEOPLE[:1], launched=False)
    day = AS_OF + timedelta(days=1)
    told = json.dumps([{"feature": "no_such_feature", "value": "yearly", "effect": 0.31}])
    put(workspace, "scores", [score("ann", on=day, reasons=told), score("bea", on=day, reasons="[]")], batch="told")
    launch_all(workspace, day)
    decide(workspace, day)
    rows = decided(workspace, on=day)
    assert rows["ann"]["reason"] == "no_such_feature: yearly"
    assert rows["bea"]["reason"] is None


def test_the_policys_version_follows_the_sections_that_decide_and_nothing_else() -> None:
    version = policy_version(company(), {})
    assert version == policy_version(company(name="Another name", language="es"), {})
    reworded = actions(call={"offer": {"en": "a month for free"}, "message": {"text": {"en": "Hello"}}})
    assert version == policy_version(company(actions=reworded), {})
    assert version.startswith("2-")
    changed: list[dict[str, Any]] = [
        {"value": {"margin_rate": 0.4}}, {"fit": {"floor_amount": 1.0}}, {"actions": actions(call={"cost": 6})},
        {"holdout": {"global_share": 0.1}}, {"contact": {"at_most": 3}}, {"budget": {"per_day": 100}},
        {"campaigns": [{**FILE["campaigns"][0], "version": 2}]},
    ]  # fmt: skip
    assert len({version, *(policy_version(company(**change), {}) for change in changed)}) == 8


def test_days_are_written_as_the_business_counts_them(tmp_path: Path) -> None:
    """On the day on which the clocks change too."""
    changes_on = date(2026, 3, 29)
    workspace = opened(tmp_path, company(), PEOPLE, days=[changes_on])
    decide(workspace, changes_on)
    assert {row["as_of"] for row in ledger(workspace)} == {changes_on}
