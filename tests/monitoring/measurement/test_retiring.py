"""A trigger that earns nothing is retired, and only a person brings it back."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

from campaigns.designs import halt, resume, standings
from holdback.business import Business
from holdback.workspace import Workspace
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


def idle(tmp_path: Path, *, customers: int = 4000) -> Workspace:
    """A campaign of a trigger on the day of its planned reading: its calls cost four, and keep nobody."""
    company = with_trigger()
    world = World(customers=customers, held_rate=0.08, treated_rate=0.08)
    return run(tmp_path, world, until=READS_ON, company=company, fixed=fixed(company))


def switched(workspace: Workspace, day: date, *, on: bool) -> None:
    switch = resume if on else halt
    assert switch(workspace, "spring", day, reason="nobody calls at Christmas", by="Ana Ruiz")


def test_to_end_a_holiday_is_no_judgement_of_the_trigger(tmp_path: Path) -> None:
    workspace = idle(tmp_path)
    for days, on in ((-3, False), (-1, True)):
        switched(workspace, READS_ON + timedelta(days=days), on=on)
    assert measure(workspace, READS_ON).retired == ("spring/1",)


def test_a_planned_reading_of_a_halted_campaign_retires_its_trigger_when_it_is_in_force_again(tmp_path: Path) -> None:
    workspace = idle(tmp_path, customers=400)  # too few for a figure that holds on any day
    switched(workspace, READS_ON - timedelta(days=1), on=False)
    done = measure(workspace, READS_ON)
    assert (done.official, done.retired) == (("spring/1",), ())
    assert measure(workspace, READS_ON + timedelta(days=1)).retired == (), "it is still halted"
    back = READS_ON + timedelta(days=2)
    switched(workspace, back, on=True)
    done = measure(workspace, back)
    assert (done.official, done.retired) == ((), ("spring/1",))
    [standing] = standings(workspace.warehouse, workspace.business, back)
    assert (standing.state, standing.by) == ("halted", RETIRER)
    assert "its planned reading found" in str(standing.reason)


def test_who_was_brought_back_after_a_retirement_stays_through_later_halts(tmp_path: Path) -> None:
    workspace = idle(tmp_path)
    assert measure(workspace, READS_ON).retired == ("spring/1",)
    for days, on in ((1, True), (2, False), (3, True)):
        switched(workspace, READS_ON + timedelta(days=days), on=on)
    assert measure(workspace, READS_ON + timedelta(days=3)).retired == ()


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
