"""What the models say decides, and the ledger tells that it did: uplifts, values, and the tenths by value."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from campaigns.decisions import decide, explain_decision
from campaigns.ledger import verify
from campaigns.lifts import lifts_used
from flows.cli.decisions import _told, why
from holdback.workspace import Workspace
from tests.campaigns.decisions.world import (
    AS_OF,
    FILE,
    Row,
    actions,
    company,
    customer,
    decided,
    ledger,
    opened,
    put,
    uplift,
    value,
)

NEXT = AS_OF + timedelta(days=1)
PEOPLE = [customer(name) for name in ("ann", "bea", "cid")]
BEST: dict[str, Any] = {"audience": {"value_deciles": [9, 10]}}
SPRING: Row = FILE["campaigns"][0]


def modelled(
    root: Path,
    uplifts: Sequence[Row] = (),
    values: Sequence[Row] = (),
    *,
    days: Sequence[date] = (AS_OF,),
    people: Sequence[Row] = PEOPLE,
    probability: dict[str, float] | float = 0.5,
    **changes: Any,
) -> Workspace:
    workspace = opened(root, company(**changes), people, days=days, probability=probability)
    if uplifts:
        put(workspace, "uplifts", uplifts, batch="uplifts")
    if values:
        put(workspace, "customer_values", values, batch="values")
    return workspace


def refused(row: Row) -> dict[str, str]:
    found: dict[str, str] = json.loads(row["refused"])
    return found


def test_the_gain_is_the_customers_own_uplift_times_what_is_kept_less_the_cost(tmp_path: Path) -> None:
    workspace = modelled(tmp_path, [uplift("ann", 0.04), uplift("bea", 0.25)])
    decide(workspace, AS_OF)
    rows = decided(workspace)
    kept = rows["bea"]["kept_cents"]
    assert rows["bea"]["gain_cents"] == round(0.25 * kept - 500)
    assert (rows["bea"]["lift"], rows["bea"]["lift_status"]) == (0.5, "modelled")  # 0.25 of a probability of 0.5
    assert json.loads(rows["bea"]["detail"]) == {
        "lift": {"source": "uplift model version 3"}, "uplift": {"value": 0.25, "model_version": "3"},
    }  # fmt: skip
    # To ann a mail, by its lift: 0.5 x 0.05 x kept - 10 is more than 0.04 x kept - 500.
    assert (rows["ann"]["action"], rows["ann"]["lift_status"], rows["ann"]["lift"]) == ("mail", "assumed", 0.05)
    assert (rows["cid"]["action"], rows["cid"]["lift_status"], rows["cid"]["lift"]) == ("call", "assumed", 0.3)
    assert verify(workspace).is_whole


def test_the_cost_of_the_incentive_is_due_for_those_who_would_have_stayed_too(tmp_path: Path) -> None:
    gift = actions(call={"incentive_amount": 30.0, "incentive_taken_share": 0.5})
    workspace = modelled(tmp_path, [uplift("ann", 0.9)], people=PEOPLE[:1], actions=gift)
    decide(workspace, AS_OF)
    row = decided(workspace)["ann"]
    assert (row["gain_cents"], row["cost_cents"]) == (round(0.9 * row["kept_cents"] - 2000), 2000)


def test_an_action_that_nobody_ever_believed_in_is_given_once_a_model_knows_whom_it_keeps(tmp_path: Path) -> None:
    spring = {**SPRING, "actions": ["call", "mail", "gift"]}
    told = [uplift("ann", 0.4, action="gift"), uplift("bea", 0.0, action="gift")]
    workspace = modelled(tmp_path, told, campaigns=[spring])
    decide(workspace, AS_OF)
    assert {name: row["action"] for name, row in decided(workspace).items()} == {
        "ann": "gift", "bea": "call", "cid": "call",
    }  # fmt: skip


def test_whom_an_action_drives_away_is_left_alone_and_told_so(tmp_path: Path) -> None:
    told = [uplift("ann", -0.1), uplift("ann", -0.001, action="mail"), uplift("bea", 0.001)]
    workspace = modelled(tmp_path, told)
    day = decide(workspace, AS_OF)
    rows = decided(workspace)
    assert (rows["ann"]["action"], rows["ann"]["intended_action"]) == ("none", "none")
    assert refused(rows["ann"]) == {"call": "no_gain: drives_away", "mail": "no_gain: drives_away"}
    assert refused(rows["bea"]) == {"call": "no_gain"}
    assert day.refused_counts == {"no_gain: drives_away": 1}
    assert why("no_gain: drives_away") == "the model expects the action to drive him away"
    assert why("no_gain") == "costs more than it saves"
    found = explain_decision(workspace.warehouse, workspace.business, AS_OF, "ann")
    assert "  call: the model expects the action to drive him away" in _told(found, "EUR")


def test_somebody_who_costs_more_than_he_brings_is_not_driven_away_on_purpose(tmp_path: Path) -> None:
    dear = {"cost_to_serve": {"phone": 1000.0}, "largest_share": 0.0}
    calls = {
        "role": "interactions", "source": "i.csv", "columns": {"customer_id": "c", "event_at": "at", "channel": "ch"},
    }  # fmt: skip
    feeds = {**FILE["feeds"], "calls": calls}
    told = [uplift("ann", -0.5), uplift("ann", -0.5, action="mail")]
    workspace = modelled(tmp_path, told, people=PEOPLE[:1], feeds=feeds, fit=dear, probability=0.25)
    at = workspace.business.instant(AS_OF - timedelta(days=9))
    put(workspace, "calls", [{"customer_id": "ann", "event_at": at, "channel": "phone"}] * 9, batch="calls")
    decide(workspace, AS_OF)
    row = decided(workspace)["ann"]
    assert row["kept_cents"] < 0
    assert row["action"] == "none"


def test_of_who_does_not_leave_at_all_no_save_rate_is_told_but_the_uplift(tmp_path: Path) -> None:
    everybody = [{**SPRING, "audience": {"risk_tiers": []}}]
    workspace = modelled(tmp_path, [uplift("ann", 0.3)], people=PEOPLE[:1], probability=0.0, campaigns=everybody)
    decide(workspace, AS_OF)
    row = decided(workspace)["ann"]
    assert (row["action"], row["lift"], row["lift_status"]) == ("call", None, "modelled")
    assert row["gain_cents"] == round(0.3 * row["kept_cents"] - 500)
    told = _told(explain_decision(workspace.warehouse, workspace.business, AS_OF, "ann"), "EUR")
    assert any("uplift +30.00 points of staying (uplift model version 3)" in line for line in told)


def test_uplifts_of_another_day_or_of_an_action_that_is_gone_change_nothing(tmp_path: Path) -> None:
    stale = [uplift("ann", -0.5, on=AS_OF - timedelta(days=1)), uplift("ann", -0.5, on=NEXT),
             uplift("ann", 0.9, action="pigeon"), uplift("ann", float("nan"))]  # fmt: skip
    with_them, without = modelled(tmp_path / "a", stale), modelled(tmp_path / "b")
    for workspace in (with_them, without):
        decide(workspace, AS_OF)
    assert ledger(with_them) == ledger(without)


def test_an_uplift_of_somebody_who_was_not_scored_is_nobodys_decision(tmp_path: Path) -> None:
    workspace = modelled(tmp_path, [uplift("zoe", 0.9)])
    decide(workspace, AS_OF)
    assert set(decided(workspace)) == {"ann", "bea", "cid"}
    assert {row["lift_status"] for row in decided(workspace).values()} == {"assumed"}


def test_another_model_in_office_is_another_policy(tmp_path: Path) -> None:
    def policy(name: str, uplifts: Sequence[Row] = (), values: Sequence[Row] = ()) -> str:
        workspace = modelled(tmp_path / name, uplifts, values, people=PEOPLE[:1])
        decide(workspace, AS_OF)
        return str(decided(workspace)["ann"]["policy_version"])

    by_rule = policy("rule")
    seen = {
        by_rule,
        policy("three", [uplift("ann", 0.1)]),
        policy("four", [uplift("ann", 0.1, version="4")]),
        policy("mail", [uplift("ann", 0.1, action="mail")]),
        policy("value", values=[value("ann", 5)]),
        policy("value-four", values=[value("ann", 5, model_version="4")]),
        policy("both", [uplift("ann", 0.1)], [value("ann", 5)]),
    }
    assert len(seen) == 7
    assert policy("three-again", [uplift("bea", 0.2)]) == policy("three-once-more", [uplift("ann", -0.3)])
    assert policy("too-old", values=[value("ann", 5, on=AS_OF - timedelta(days=32))]) == by_rule


def test_finance_reads_one_line_per_model_with_all_that_it_expected_to_keep(tmp_path: Path) -> None:
    told = [uplift("ann", 0.2), uplift("bea", 0.1), uplift("cid", 0.3, action="mail", version="8")]
    probability = {"ann": 0.5, "bea": 0.25, "cid": 0.5}
    workspace = modelled(tmp_path, told, probability=probability)
    decide(workspace, AS_OF)
    used = lifts_used(workspace.warehouse, workspace.business, AS_OF, AS_OF)
    assert [(u.action, u.status, u.source, u.decision_count) for u in used] == [
        ("call", "modelled", "uplift model version 3", 2), ("mail", "modelled", "uplift model version 8", 1),
    ]  # fmt: skip
    assert [u.save_rate for u in used] == pytest.approx([0.3 / 0.75, 0.3 / 0.5])


def test_an_audience_chooses_by_the_newest_tenth(tmp_path: Path) -> None:
    told = [value("ann", 2), value("ann", 10, on=AS_OF - timedelta(days=9)), value("bea", 9)]
    workspace = modelled(tmp_path, values=told, campaigns=[{**SPRING, **BEST}])
    day = decide(workspace, AS_OF)
    assert set(decided(workspace)) == {"bea"}
    assert day.notes == ()


def test_an_action_can_be_for_some_tenths_only(tmp_path: Path) -> None:
    told = [value("ann", 2), value("bea", 9)]
    workspace = modelled(tmp_path, values=told, actions=actions(call={"eligible": {"value_deciles": [8, 9, 10]}}))
    decide(workspace, AS_OF)
    assert {name: row["action"] for name, row in decided(workspace).items()} == {
        "ann": "mail", "bea": "call", "cid": "mail",
    }  # fmt: skip


@pytest.mark.parametrize("values", [[], [value("ann", 10, on=AS_OF - timedelta(days=32))]], ids=["none", "too old"])
def test_an_audience_by_tenths_is_empty_while_nobodys_value_is_known_and_the_day_says_so(
    tmp_path: Path, values: list[Row]
) -> None:
    workspace = modelled(tmp_path, values=values, campaigns=[{**SPRING, **BEST}])
    day = decide(workspace, AS_OF)
    assert decided(workspace) == {}
    [note] = day.notes
    assert note.startswith("spring: the audience asks for value_deciles, and nobody's value is known on 2026-03-02")
    put(workspace, "customer_values", [value("ann", 10)], batch="too late")
    again = decide(workspace, AS_OF)
    assert (again.notes, again.was_decided_already) == (day.notes, True)


def test_the_tenth_is_frozen_with_the_assignment(tmp_path: Path) -> None:
    told = [value("ann", 9), value("bea", 3), value("ann", 1, on=NEXT)]
    workspace = modelled(tmp_path, values=told, days=[AS_OF, NEXT])
    decide(workspace, AS_OF)
    decide(workspace, NEXT)
    frozen = {(row["campaign"], row["customer_id"]): row["value_decile"] for row in ledger(workspace, kind="assigned")}
    assert frozen == {
        (campaign, name): decile
        for campaign in (None, "spring")
        for name, decile in (("ann", 9), ("bea", 3), ("cid", None))
    }
    assert decided(workspace, on=NEXT)["ann"]["value_decile"] == 1
    assert explain_decision(workspace.warehouse, workspace.business, NEXT, "ann").value_decile == 1
    assert verify(workspace).is_whole


def test_a_segment_by_value_that_was_harmed_is_left_in_peace(tmp_path: Path) -> None:
    harm = {
        "as_of": AS_OF, "campaign": "spring", "version": 1, "segment": "value_decile=8-9", "metric": "churned",
        "method": "hierarchical", "reading": "daily", "level": 0.99, "estimate": 0.03, "low": 0.01, "high": 0.05,
    }  # fmt: skip
    workspace = modelled(tmp_path, values=[value("ann", 8), value("bea", 10)])
    put(workspace, "effects", [harm], batch="harm")
    decide(workspace, AS_OF)
    rows = decided(workspace)
    assert refused(rows["ann"])["call"] == "do_not_disturb: value_decile=8-9"
    assert {rows[name]["action"] for name in ("bea", "cid")} == {"call"}
