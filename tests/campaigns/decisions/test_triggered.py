"""Campaigns of a trigger: only for whom it fired, only what its branch asks for, never by a flood."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from campaigns.decisions import decide
from campaigns.designs import check_unchanged, launched
from holdback.business import Business
from holdback.errors import BusinessFileError
from holdback.workspace import Workspace
from tests.campaigns.decisions.world import AS_OF, FILE, Row, actions, company, customer, decided, opened, put

TRIGGER: dict[str, Any] = {
    "name": "ends", "kind": "announced", "feed": "contracts", "ahead_days": 30,
    "then": [{"when": {"city": ["Lugo"]}, "action": "call"}, {"when": {"city": ["Vigo"]}, "action": "none"},
             {"action": "mail"}],
}  # fmt: skip
CARE: dict[str, Any] = {"name": "care", "actions": ["call", "mail"], "trigger": "ends", "horizon_days": 30,
                        "holdout_share": 0.000001, "trigger_days": 1}  # fmt: skip
SPRING = FILE["campaigns"][0]
ENDS_ON = {"ends_on": "ends"}


def with_trigger(trigger: dict[str, Any] = TRIGGER, campaigns: Any = (CARE, SPRING), **changes: Any) -> Business:
    contracts = {**FILE["feeds"]["contracts"], "columns": {**FILE["feeds"]["contracts"]["columns"], **ENDS_ON}}
    return company(feeds={"contracts": contracts}, triggers=[trigger], campaigns=list(campaigns), **changes)


def firing(name: str, action: str | None, *, days_ago: int = 0) -> Row:
    day = AS_OF - timedelta(days=days_ago)
    return {"as_of": day, "customer_id": name, "trigger": "ends", "seen_at": datetime.combine(day, datetime.min.time()),
            "size": 1.0, "branch": 0, "action": action, "detail": "{}"}  # fmt: skip


def with_firings(root: Path, business: Business, firings: list[Row], names: str = "abcd") -> Workspace:
    workspace = opened(root, business, [customer(name) for name in names])
    put(workspace, "firings", firings, batch="firings")
    decide(workspace, AS_OF)
    return workspace


def test_who_was_found_goes_to_the_triggers_campaign_and_gets_what_the_branch_asks_for(tmp_path: Path) -> None:
    workspace = with_firings(tmp_path, with_trigger(), [firing("a", "call"), firing("b", "mail")])
    done = decided(workspace)
    assert (done["a"]["campaign"], done["a"]["action"]) == ("care", "call")
    assert (done["b"]["campaign"], done["b"]["action"]) == ("care", "mail"), "a call would earn more"
    assert "other_branch" in json.loads(done["b"]["refused"])["call"]
    assert (done["c"]["campaign"], done["d"]["campaign"]) == ("spring", "spring")


def test_who_is_left_alone_by_a_branch_or_fits_none_is_not_the_triggers(tmp_path: Path) -> None:
    workspace = with_firings(tmp_path, with_trigger(), [firing("a", "none"), firing("b", None)])
    assert {row["campaign"] for row in decided(workspace).values()} == {"spring"}


def test_without_branches_any_action_of_the_campaign_is_open(tmp_path: Path) -> None:
    plain = {key: value for key, value in TRIGGER.items() if key != "then"}
    workspace = with_firings(tmp_path, with_trigger(plain), [firing("a", None)])
    assert (decided(workspace)["a"]["campaign"], decided(workspace)["a"]["action"]) == ("care", "call")


def test_a_firing_counts_for_as_many_days_as_the_campaign_says(tmp_path: Path) -> None:
    old = [firing("a", "call", days_ago=2)]
    assert decided(with_firings(tmp_path / "one", with_trigger(), old))["a"]["campaign"] == "spring"
    patient = with_trigger(campaigns=({**CARE, "trigger_days": 3}, SPRING))
    assert decided(with_firings(tmp_path / "three", patient, old))["a"]["campaign"] == "care"


def test_low_risk_is_no_obstacle_unless_the_audience_says_so(tmp_path: Path) -> None:
    business = with_trigger()
    workspace = opened(tmp_path, business, [customer("a")], probability=0.05)
    put(workspace, "firings", [firing("a", "mail")], batch="firings")
    decide(workspace, AS_OF)
    assert decided(workspace)["a"]["campaign"] == "care"


def test_nobody_is_contacted_for_a_trigger_that_fired_far_too_often(tmp_path: Path) -> None:
    workspace = opened(tmp_path, with_trigger(), [customer(name) for name in "ab"])
    rows = [firing("a", "call"), firing("b", "call", days_ago=2)]
    put(workspace, "firings", rows, batch="firings")
    run = {"as_of": AS_OF, "trigger": "ends", "seen_at": rows[0]["seen_at"], "holding": 90, "fired": 90, "cooling": 0}
    put(workspace, "trigger_runs", [{**run, "is_flooded": True}], batch="runs")
    decide(workspace, AS_OF)
    assert {row["campaign"] for row in decided(workspace).values()} == {"spring"}


def test_what_fires_after_the_days_decision_is_acted_on_the_next_morning(tmp_path: Path) -> None:
    workspace = opened(tmp_path, with_trigger(), [customer("a")])
    at = {**firing("a", "call", days_ago=1)}
    put(workspace, "firings", [{**at, "seen_at": at["seen_at"] + timedelta(hours=14)}], batch="firings")
    decide(workspace, AS_OF)
    assert decided(workspace)["a"]["campaign"] == "care"


def test_a_launched_trigger_is_not_changed_without_a_new_version(tmp_path: Path) -> None:
    workspace = opened(tmp_path, with_trigger(), [customer("a")])
    [design] = [one for one in launched(workspace.warehouse, workspace.business, AS_OF) if one.campaign == "care"]
    watched = with_trigger({**TRIGGER, "expected_per_day": 5.0})
    assert check_unchanged(watched, design) == ()
    with pytest.raises(BusinessFileError, match="trigger"):
        check_unchanged(with_trigger({**TRIGGER, "ahead_days": 60}), design)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"campaigns": [{**CARE, "holdout_share": 0.0}]}, "born with a holdout"),
        ({"campaigns": [CARE, {**CARE, "name": "again"}]}, "has another campaign already"),
        ({"campaigns": [{**CARE, "trigger": "end"}]}, "Did you mean 'ends'"),
        ({"campaigns": [{**CARE, "actions": ["gift"]}]}, "one of the campaign's actions"),
    ],
)
def test_what_cannot_be_measured_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        with_trigger(**changes)


def test_every_action_of_a_branch_must_exist() -> None:
    wrong = {**TRIGGER, "then": [{"action": "calll"}]}
    with pytest.raises(ValidationError, match="Did you mean 'call'"):
        with_trigger(wrong, actions=actions())
