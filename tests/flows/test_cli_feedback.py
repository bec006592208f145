"""What customers say, on the command line: a simulated telephone company, loaded through the front door."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from flows.cli.feedback import add_to
from holdback.business import load_business
from holdback.errors import BusinessFileError, NotKnowableYet
from holdback.ingest import ingest
from holdback.workspace import Workspace
from tests.simulator.companies import STARTS_ON, company_after

ENDS_ON = STARTS_ON + timedelta(days=180)
AS_OF = ENDS_ON + timedelta(days=1)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Path:
    folder = tmp_path_factory.mktemp("home")
    company_after(0, "telecom", customers=700).write_history(folder / "files", ENDS_ON)
    business = load_business(project_root / "businesses" / "telecom.yaml")
    ingest(Workspace(folder / "work", business, {"TELECOM_DAYS": str(folder / "files")}), AS_OF, history=True)
    return folder


@pytest.fixture
def told(home: Path, project_root: Path) -> Any:
    """Run a command about feedback; return what it printed, or the error when ``code`` is 1."""

    def run(*arguments: str, code: int = 0, on: str = AS_OF.isoformat()) -> Any:
        app = typer.Typer()
        add_to(app)
        environment = {
            "HOLDBACK_HOME": str(home / "work"),
            "HOLDBACK_BUSINESS": str(project_root / "businesses" / "telecom.yaml"),
            "TELECOM_DAYS": str(home / "files"),
            "COLUMNS": "160",
        }
        done = CliRunner(env=environment).invoke(app, ["feedback", *arguments, "--as-of", on])
        assert done.exit_code == code, done.output + str(done.exception)
        return done.exception if code == 1 else done.output

    return run


def test_the_nps_is_told_with_interval_and_response_rate(told: Any) -> None:
    seen = told("nps", "--by", "step")
    [line] = [line for line in seen.splitlines() if line.strip().startswith("relationship ")]
    assert line.count(" to ") == 3
    assert "%" in line
    assert "satisfied" not in seen  # nothing is asked on another scale
    assert "every customer counts once per group" in seen


def test_a_machine_gets_every_figure_with_n(told: Any) -> None:
    found = json.loads(told("nps", "--by", "month", "--days", "120", "--json"))
    assert found["by"] == "month"
    first = found["ratings"][0]
    assert first["nps"]["low"] < first["nps"]["estimate"] < first["nps"]["high"]
    assert first["nps"]["n"] == first["answered"] <= first["asked"]
    assert len({rating["group"] for rating in found["ratings"]}) >= 4


def test_themes_are_told_by_words_and_rows_and_no_text(told: Any, home: Path) -> None:
    seen = told("themes", "--days", "180")
    assert "to read on: nps " in seen
    assert "Tres llamadas por" not in seen
    found = json.loads(told("themes", "--days", "180", "--count", "4", "--json"))
    assert 2 <= len(found["themes"]) <= 4
    assert all(theme["customers"] >= 5 for theme in found["themes"])
    assert sum(theme["remarks"] for theme in found["themes"]) + found["other"] == found["remarks"]


def test_the_sign_of_a_low_score_and_of_silence_is_told_in_a_sentence(told: Any) -> None:
    seen = told("risk")
    assert "churn cancelled" in seen
    assert "95% interval" in seen
    found = json.loads(told("risk", "--json"))
    assert {one["sign"] for one in found["associations"]} <= {"more", "less", "not clear"}
    assert all(one["sentence"] for one in found["associations"])


def test_what_cannot_be_told_says_what_to_do(told: Any) -> None:
    assert isinstance(told("themes", "--kind", "ticket", code=1), NotKnowableYet)
    assert isinstance(told("risk", on="2025-06-10", code=1), NotKnowableYet)
    error = told("nps", "--by", "shoe_size", code=1)
    assert isinstance(error, BusinessFileError)
    assert "step, channel" in str(error)
    assert isinstance(told("risk", "--churn", "gone", code=1), BusinessFileError)
    told("nps", "--days", "0", code=2)


def test_the_help_shows_examples(told: Any) -> None:
    for command in ("nps", "themes", "risk"):
        assert f"holdback feedback {command}" in told(command, "--help")
