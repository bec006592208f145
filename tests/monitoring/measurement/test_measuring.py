"""What a day's measurement says of a campaign, and what it does."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from campaigns.designs import resume, standings
from campaigns.ledger import entries, record
from campaigns.lifts import lifts
from holdback.workspace import Workspace
from monitoring.measurement import measure, official_effects, stored_checks, stored_effects
from monitoring.proportions import newcombe
from tests.monitoring.measurement.experiment import HORIZON_DAYS, STARTS_ON, World, run

READS_ON = STARTS_ON + timedelta(days=125)


def figure(workspace: Workspace, day: date, metric: str, **wanted: Any) -> dict[str, Any]:
    """Return the one stored row of a figure."""
    wanted = {"segment": "all", **wanted}
    found = [
        row
        for row in stored_effects(workspace.warehouse, day)
        if row["metric"] == metric and all(row[name] == value for name, value in wanted.items())
    ]
    assert len(found) == 1, found
    return found[0]


def verdict(workspace: Workspace, day: date, check: str) -> str:
    """Return what a check said."""
    [row] = [row for row in stored_checks(workspace.warehouse, day) if row["check"] == check]
    return str(row["verdict"])


@pytest.fixture(scope="module")
def helped(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A campaign that keeps customers, on the day of its planned reading."""
    workspace = run(tmp_path_factory.mktemp("helped"), World(), until=READS_ON)
    measure(workspace, READS_ON)
    return workspace


def test_the_official_reading_is_newcombes_interval_of_what_was_planted(helped: Workspace) -> None:
    found = figure(helped, READS_ON, "churned", reading="official")
    counts = helped.warehouse.query(
        """select "group", count(*) as n, count(left_id) as churned
        from (select distinct customer_id, "group" from ledger where kind = 'assigned') as assigned
        left join (select customer_id as left_id from contracts where kind = 'cancel') on left_id = customer_id
        group by "group" order by "group" """
    ).to_pylist()
    held, treated = ((row["churned"], row["n"]) for row in counts)
    expected = newcombe(held, treated, level=0.96)
    assert (found["estimate"], found["low"], found["high"]) == pytest.approx(
        (expected.difference, expected.low, expected.high), abs=1e-12
    )
    assert (found["method"], found["level"]) == ("newcombe", pytest.approx(0.96))
    assert (found["treatment_count"], found["holdout_count"]) == (treated[1], held[1])
    assert found["planned"] == pytest.approx(-0.02)
    assert found["low"] <= 0.064 - 0.10 <= found["high"]


def test_money_is_told_as_booked_and_as_expected_and_never_mixed(helped: Workspace) -> None:
    booked = figure(helped, READS_ON, "incremental_margin", reading="official")
    expected = figure(helped, READS_ON, "value_kept", reading="official")
    assert "capped" in booked["notes"]
    assert "not booked" in expected["notes"]
    assert expected["estimate"] > booked["estimate"]
    assert figure(helped, READS_ON, "cost")["estimate"] == pytest.approx(400)


def test_the_daily_interval_is_wider_than_the_planned_one(helped: Workspace) -> None:
    daily = figure(helped, READS_ON, "churned", reading="daily")
    official = figure(helped, READS_ON, "churned", reading="official")
    assert daily["high"] - daily["low"] > official["high"] - official["low"]
    assert daily["level"] == pytest.approx(0.99)


def test_the_official_reading_is_taken_once(helped: Workspace) -> None:
    later = READS_ON + timedelta(days=1)
    assert measure(helped, later).official == ()
    assert figure(helped, later, "churned", reading="official")["estimate"] is None
    assert {row["as_of"] for row in official_effects(helped.warehouse, later)} == {READS_ON}


def test_a_measured_day_is_not_measured_again(helped: Workspace) -> None:
    before = stored_effects(helped.warehouse, READS_ON)
    assert measure(helped, READS_ON).was_measured_already
    assert stored_effects(helped.warehouse, READS_ON) == before


def test_the_measured_save_rate_is_the_lift_of_the_next_days_decisions(helped: Workspace) -> None:
    assert lifts(helped.warehouse, helped.business, READS_ON - timedelta(days=1))["call"].status == "assumed"
    found = lifts(helped.warehouse, helped.business, READS_ON)["call"]
    measured = figure(helped, READS_ON, "save_rate", segment="intended_action=call")
    assert found.status == "measured"
    assert 0.2 < found.save_rate <= measured["estimate"]


def test_a_campaign_before_its_first_mature_customer_says_from_when_on_it_can_be_read(tmp_path: Path) -> None:
    day = STARTS_ON + timedelta(days=40)
    workspace = run(tmp_path, World(customers=600), until=day)
    measure(workspace, day)
    daily = figure(workspace, day, "churned", reading="daily")
    assert daily["estimate"] is None
    assert daily["knowable_on"] == STARTS_ON + timedelta(days=HORIZON_DAYS + 1), "the data must reach the horizon's end"
    assert figure(workspace, day, "churned", reading="official")["knowable_on"] == READS_ON


def test_a_campaign_that_drives_customers_away_is_halted_and_takes_a_person_to_resume(tmp_path: Path) -> None:
    day = STARTS_ON + timedelta(days=70)
    workspace = run(tmp_path, World(held_rate=0.064, treated_rate=0.2), until=day)
    done = measure(workspace, day)
    assert done.halted == ("spring/1",)
    [standing] = standings(workspace.warehouse, workspace.business, day)
    assert (standing.state, standing.by) == ("halted", "harm monitor")
    assert "customers leave" in str(standing.reason)
    after = day + timedelta(days=1)
    assert resume(workspace, "spring", after, reason="the script was mended", by="Ana Ruiz")
    assert measure(workspace, after).halted == (), "what a person judged is not held against the campaign again"


def test_a_passed_day_is_measured_and_halts_nobody(tmp_path: Path) -> None:
    day = STARTS_ON + timedelta(days=70)
    workspace = run(tmp_path, World(held_rate=0.02, treated_rate=0.4), until=day)
    passed = STARTS_ON + timedelta(days=53)  # the ledger has rows of the day after
    assert measure(workspace, passed).halted == ()
    assert entries(workspace.warehouse, kind="halted").num_rows == 0
    assert measure(workspace, passed + timedelta(days=1)).halted == ("spring/1",)


def test_a_contaminated_holdout_withholds_the_effect_and_says_what_to_look_for(tmp_path: Path) -> None:
    workspace = run(tmp_path, World(leaked_share=0.3), until=READS_ON)
    assert measure(workspace, READS_ON).failed == ("spring/1",)
    assert verdict(workspace, READS_ON, "contamination") == "failed"
    found = figure(workspace, READS_ON, "churned", reading="official")
    assert found["estimate"] is None
    assert "contact list" in found["withheld"]


def test_those_who_were_not_reached_are_analysed_as_assigned_with_the_effect_on_the_reached_beside(
    tmp_path: Path,
) -> None:
    workspace = run(tmp_path, World(reached_share=0.6), until=READS_ON)
    measure(workspace, READS_ON)
    assigned = figure(workspace, READS_ON, "churned", reading="official")
    reached = figure(workspace, READS_ON, "churned", method="cace")
    share = (
        workspace.warehouse.query("select count(*) as n from messages")["n"][0].as_py() / assigned["treatment_count"]
    )
    assert reached["estimate"] == pytest.approx(assigned["estimate"] / share)


def test_households_are_analysed_as_they_were_drawn(tmp_path: Path) -> None:
    workspace = run(tmp_path, World(household=2), until=READS_ON)
    measure(workspace, READS_ON)
    found = figure(workspace, READS_ON, "churned", reading="official")
    independent = newcombe(
        (found["holdout_rate"] * found["holdout_count"], found["holdout_count"]),
        (found["treatment_rate"] * found["treatment_count"], found["treatment_count"]),
        level=0.96,
    )
    assert found["unit_count"] * 2 == found["treatment_count"] + found["holdout_count"]
    widening = (found["high"] - found["low"]) / (independent.high - independent.low)
    assert widening == pytest.approx(2**0.5, rel=0.02), "couples leave together: half as many are independent"


def test_without_a_holdout_there_is_no_effect_and_the_reason_is_told(tmp_path: Path) -> None:
    workspace = run(tmp_path, World(customers=600, holdout_share=0.0), until=READS_ON)
    measure(workspace, READS_ON)
    found = figure(workspace, READS_ON, "churned", reading="daily")
    assert found["estimate"] is None
    assert "holdout has nobody" in found["withheld"]


def test_one_who_was_assigned_to_both_groups_withholds_the_campaign(tmp_path: Path) -> None:
    workspace = run(tmp_path, World(customers=600), until=READS_ON)
    row = {
        "kind": "assigned", "customer_id": "c000001", "unit_id": "c000001", "campaign": "spring", "version": 1,
        "group": "treatment", "propensity": 0.5, "salt": "x",
    }  # fmt: skip
    record(workspace, READS_ON - timedelta(days=9), pa.Table.from_pylist([row]), batch="again/1")
    record(
        workspace, READS_ON - timedelta(days=8), pa.Table.from_pylist([{**row, "group": "holdout"}]), batch="again/2"
    )
    assert measure(workspace, READS_ON).failed == ("spring/1",)
    assert verdict(workspace, READS_ON, "assignments") == "failed"


def test_a_campaign_that_nobody_can_read_in_time_has_no_official_reading_while_it_is_open(tmp_path: Path) -> None:
    workspace = run(tmp_path, World(customers=600, reads_on=None), until=READS_ON)
    assert measure(workspace, READS_ON).official == ()
    assert figure(workspace, READS_ON, "churned", reading="daily")["estimate"] is not None
    found = figure(workspace, READS_ON, "churned", reading="official")
    assert (found["estimate"], found["knowable_on"]) == (None, None)


def test_a_measurement_that_was_killed_before_its_last_step_is_taken_up_again(tmp_path: Path) -> None:
    undisturbed = run(tmp_path / "undisturbed", World(held_rate=0.064, treated_rate=0.2), until=READS_ON)
    measure(undisturbed, READS_ON)
    killed = run(tmp_path / "killed", World(held_rate=0.064, treated_rate=0.2), until=READS_ON)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("monitoring.measurement.measuring.effect_rows", _die)
        with pytest.raises(SystemExit):
            measure(killed, READS_ON)
    assert measure(killed, READS_ON).was_measured_already is False
    for read in (stored_effects, stored_checks):
        assert [rounded(row) for row in read(killed.warehouse, READS_ON)] == [
            rounded(row) for row in read(undisturbed.warehouse, READS_ON)
        ]
    assert entries(killed.warehouse, kind="halted").num_rows == 1


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row without the last digits, which depend on the order of adding, and without the ledger's end.

    Each row of a ledger has a secret drawn at random in its hash: no two ledgers end with the same.
    """
    short = {name: f"{value:.9g}" if isinstance(value, float) else value for name, value in row.items()}
    if row.get("check") == "ledger":
        short["finding"] = str(row["finding"]).split(", ending with")[0]
    return short


def _die(_readings: object) -> None:
    raise SystemExit(9)


def test_the_planned_reading_waits_for_a_feed_that_is_late(tmp_path: Path) -> None:
    workspace = run(tmp_path, World(customers=1200), until=STARTS_ON + timedelta(days=75))
    day = READS_ON + timedelta(days=5)
    assert measure(workspace, day).official == ()
    found = figure(workspace, day, "churned", reading="official")
    assert "it waits" in found["withheld"]
    assert found["knowable_on"] is None, "a day that has passed is no promise"
    assert verdict(workspace, day, "data_reach") == "warning"


def test_a_day_that_is_measured_late_is_not_a_second_reading(tmp_path: Path) -> None:
    workspace = run(tmp_path, World(customers=1200), until=READS_ON)
    assert measure(workspace, READS_ON + timedelta(days=1)).official == ("spring/1",)
    assert measure(workspace, READS_ON).official == ()


def test_a_holdout_that_another_campaign_contacted_is_no_holdout(tmp_path: Path) -> None:
    workspace = run(tmp_path, World(customers=1200), until=READS_ON)
    workspace.warehouse.append(
        "messages",
        workspace.warehouse.query(
            """select customer_id, timestamp '2026-03-08 12:00:00' as event_at, 'autumn' as campaign, 'sent' as outcome,
                'other' as batch_id, row_number() over (order by customer_id) as row_number,
                timestamp '2026-03-08 18:00:00' as loaded_at
            from ledger where kind = 'assigned' and "group" = 'holdout'"""
        ),
        batch="other",
    )
    assert measure(workspace, READS_ON).failed == ("spring/1",)
    assert verdict(workspace, READS_ON, "contamination") == "failed"


def test_a_primary_outcome_that_left_the_file_withholds_its_campaign_alone(tmp_path: Path) -> None:
    workspace = run(tmp_path, World(customers=600), until=READS_ON, fixed={"primary_outcome": "visited"})
    assert measure(workspace, READS_ON).failed == ("spring/1",)
    [row] = stored_effects(workspace.warehouse, READS_ON)
    assert "Put it back" in row["withheld"]
