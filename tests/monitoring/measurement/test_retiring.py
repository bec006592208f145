"""A trigger that earns nothing is retired, and only a person brings it back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from campaigns.designs import resume, standings
from holdback.business import Business
from monitoring.measurement import measure
from monitoring.measurement.retiring import RETIRER
from tests.monitoring.measurement.experiment import FILE, STARTS_ON, World, business, run

READS_ON = STARTS_ON + timedelta(days=125)
TRIGGER: dict[str, Any] = {"name": "ends", "kind": "announced", "feed": "contracts", "ahead_days": 30}
CAMPAIGN: dict[str, Any] = {"name": "spring", "actions": ["call"], "trigger": "ends",
                            "audience": {"risk_tiers": ["high", "medium"]}}  # fmt: skip


def with_trigger() -> Business:
    """The company of the experiment, where the campaign acts on a contract that ends."""
    feeds = {**FILE["feeds"]}
    feeds["contracts"] = {**feeds["contracts"], "columns": {**feeds["contracts"]["columns"], "ends_on": "ends"}}
    return business(feeds=feeds, triggers=[TRIGGER], campaigns=[CAMPAIGN])


def fixed(company: Business) -> dict[str, Any]:
    rule = company.triggers[0].model_dump(mode="json", exclude={"expected_per_day", "judged_days"})
    return {"trigger": rule}


def test_a_trigger_whose_planned_reading_found_no_margin_is_retired(tmp_path: Path) -> None:
    company = with_trigger()
    world = World(held_rate=0.08, treated_rate=0.08)  # calls cost four, and keep nobody
    workspace = run(tmp_path, world, until=READS_ON, company=company, fixed=fixed(company))
    done = measure(workspace, READS_ON)
    assert done.retired == ("spring/1",)
    [standing] = standings(workspace.warehouse, workspace.business, READS_ON)
    assert (standing.state, standing.by) == ("halted", RETIRER)
    assert "retired" in str(standing.reason)
    after = READS_ON + timedelta(days=1)
    assert resume(workspace, "spring", after, reason="the offer was changed", by="Ana Ruiz")
    assert measure(workspace, after).retired == (), "what a person judged is not held against the trigger again"


def test_a_trigger_that_earns_stays(tmp_path: Path) -> None:
    company = with_trigger()
    world = World(held_rate=0.30, treated_rate=0.02)
    workspace = run(tmp_path, world, until=READS_ON, company=company, fixed=fixed(company))
    done = measure(workspace, READS_ON)
    assert (done.official, done.retired) == (("spring/1",), ())


def test_before_the_planned_reading_only_certainty_retires(tmp_path: Path) -> None:
    company = with_trigger()
    day = STARTS_ON + timedelta(days=66)
    workspace = run(tmp_path, World(held_rate=0.08, treated_rate=0.08), until=day, company=company,
                    fixed=fixed(company))  # fmt: skip
    assert measure(workspace, day).retired == ()


def test_a_campaign_without_a_trigger_is_never_retired(tmp_path: Path) -> None:
    workspace = run(tmp_path, World(held_rate=0.08, treated_rate=0.08), until=READS_ON)
    assert measure(workspace, READS_ON).retired == ()
