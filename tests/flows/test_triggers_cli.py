"""Triggers on the command line: tried before they go live, listed with what they are worth, shown by branch."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from features.triggers import fire
from flows.cli.triggers import add_to
from holdback.commits import rows_of
from holdback.errors import BusinessFileError, NotKnowableYet
from holdback.tables import TABLES
from monitoring.measurement import measure
from monitoring.triggers import judge
from tests.monitoring.measurement.experiment import World, run
from tests.monitoring.measurement.test_retiring import READS_ON, fixed, with_trigger
from tests.monitoring.triggers.company import COMPLAINTS, FILE, OPENS, business_of, random_shop

AS_OF = OPENS + timedelta(days=201)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    (folder / "business.yaml").write_text(yaml.safe_dump(FILE | {"triggers": [COMPLAINTS]}))
    random_shop(1).write(folder, business_of())
    return folder


def told(home: Path, *arguments: str, code: int = 0, on: Any = AS_OF) -> Any:
    """Run a command about triggers; return what it printed, or the error that ended it."""
    app = typer.Typer()
    add_to(app)
    environment = {"HOLDBACK_HOME": str(home), "HOLDBACK_BUSINESS": str(home / "business.yaml"), "COLUMNS": "200"}
    done = CliRunner(env=environment).invoke(app, ["triggers", *arguments, "--as-of", str(on)])
    assert done.exit_code == code, done.output + str(done.exception)
    return done.exception if code == 1 else done.output


def test_a_trial_is_told_in_words_and_to_machines(home: Path) -> None:
    since = (OPENS + timedelta(days=100)).isoformat()
    seen = told(home, "test", "complaints", "--since", since)
    found = json.loads(told(home, "test", "complaints", "--since", since, "--json"))
    assert "complaints: fires when tickets came at least 2 times within 14 days" in seen
    for line in ("firings per day", "precision", "base rate", "recall", "lift", "days ahead"):
        assert line in seen
    assert f"{found['precision']['share']:.1%}" in seen
    assert "then[0]" in seen
    business = business_of()
    record = judge(
        random_shop(1).write(home / "again", business).warehouse, business, business.triggers[0], AS_OF,
        since=OPENS + timedelta(days=100),
    )  # fmt: skip
    assert (found["fired_count"], found["precision"]["count"]) == (
        record.fired_count,
        record.precision.count if record.precision else None,
    )


def test_what_cannot_be_judged_yet_says_when(home: Path) -> None:
    error = told(home, "test", "complaints", on=OPENS + timedelta(days=40), code=1)
    assert isinstance(error, NotKnowableYet)
    assert "Ask again on 2025-" in str(error)


def test_a_trigger_that_does_not_exist_names_those_that_do(home: Path) -> None:
    for command in ("test", "show"):
        error = told(home, command, "complaint", code=1)
        assert isinstance(error, BusinessFileError)
        assert "Choose one of: complaints" in str(error)


def test_the_firings_of_a_day_are_shown_by_branch(home: Path) -> None:
    business = business_of()
    workspace = random_shop(1).write(home, business)
    day = OPENS + timedelta(days=90)
    assert "fired for nobody" in told(home, "show", "complaints", on=day)
    fire(workspace.warehouse, business, day)
    found = json.loads(told(home, "show", "complaints", "--json", on=day))["firings"]
    assert len(found) > 0
    seen = told(home, "show", "complaints", on=day)
    assert f"{len(found)} firings on {day}" in seen
    for row in found:
        assert row["customer_id"] in seen
    assert ("then[0]: call" in seen) == any(row["branch"] == 0 for row in found)
    [listed] = json.loads(told(home, "list", "--json", on=day))
    assert (listed["fired_today"], listed["fired_lately"]) == (len(found), len(found))
    [later] = json.loads(told(home, "list", "--json", on=day + timedelta(days=30)))
    assert (later["fired_today"], later["fired_lately"]) == (0, 0)
    assert later["last_fired_at"] is not None
    seen = told(home, "list", on=day)
    assert "none acts" in seen
    assert "watched" in seen


def test_a_list_says_what_acting_on_a_trigger_earned_and_that_it_was_retired(tmp_path: Path) -> None:
    company = with_trigger()
    (tmp_path / "business.yaml").write_text(yaml.safe_dump(company.model_dump(mode="json", exclude_none=True)))
    workspace = run(
        tmp_path, World(held_rate=0.08, treated_rate=0.08), until=READS_ON, company=company, fixed=fixed(company)
    )
    before = told(tmp_path, "list", on=READS_ON)
    assert "not measured yet" in before
    assert "in force" in before
    fired = [
        {"as_of": READS_ON, "customer_id": f"c{number}", "trigger": "ends", "seen_at": datetime(2026, 5, 9, 22)}
        for number in range(3)
    ]
    workspace.warehouse.append("firings", rows_of(TABLES["firings"], fired), batch="firings/by/hand")
    measure(workspace, READS_ON)
    [found] = json.loads(told(tmp_path, "list", "--json", on=READS_ON))
    assert (found["campaign"], found["campaign_state"], found["is_retired"]) == ("spring", "halted", True)
    assert found["fired_today"] == 3
    assert found["value"]["reading"] == "official"
    assert found["value"]["low"] < found["value"]["estimate"] < 0
    seen = told(tmp_path, "list", on=READS_ON)
    assert f"{found['value']['estimate']:+,.2f}" in seen
    assert "retired" in seen
    assert "an end told by contracts comes within 30 days" in seen


def test_the_help_shows_examples(home: Path) -> None:
    assert "holdback triggers test savings_drop" in told(home, "test", "--help")
