"""What other rules for choosing would have earned, on the command line."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from flows.cli.policies import add_to
from holdback.errors import BusinessFileError, NotKnowableYet
from tests.monitoring.measurement.experiment import FILE, HORIZON_DAYS, STARTS_ON, World, run

UNTIL = STARTS_ON + timedelta(days=125)
#: Who is treated stays more often by eight points, each worth 400: the held-out are called too rarely.
WORLD = World(customers=2000, held_rate=0.14, treated_rate=0.06)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    (folder / "business.yaml").write_text(yaml.safe_dump(FILE))
    run(folder, WORLD, until=UNTIL)
    return folder


def told(home: Path, *arguments: str, code: int = 0, on: str = UNTIL.isoformat()) -> Any:
    """Run a command about policies; return what it printed."""
    app = typer.Typer()
    add_to(app)
    environment = {"HOLDBACK_HOME": str(home), "HOLDBACK_BUSINESS": str(home / "business.yaml"), "COLUMNS": "160"}
    done = CliRunner(env=environment).invoke(app, ["policy", *arguments, "--as-of", on])
    assert done.exit_code == code, done.output + str(done.exception)
    return done.exception if code == 1 else done.output


def test_every_rule_is_told_with_interval_n_effective_n_and_method(home: Path) -> None:
    seen = told(home, "value")
    [line] = [line for line in seen.splitlines() if line.strip().startswith("everybody ") and "aipw" in line]
    assert "100.0%" in line
    assert "2,000" in line
    assert " to " in line
    assert "model: not told: no uplift model is in office" in seen
    assert "value: not told: the value is the same for everybody" in seen


def test_two_rules_are_compared_in_a_sentence(home: Path) -> None:
    assert "everybody would have earned" in told(home, "compare", "everybody", "nobody")
    assert "everybody would have earned" in told(home, "compare", "nobody", "everybody")
    assert "No evidence of a difference between everybody and current" in told(home, "compare", "everybody", "current")


def test_a_machine_gets_all_three_methods(home: Path) -> None:
    found = json.loads(told(home, "compare", "everybody", "nobody", "--json"))
    assert set(found["differences"]) == {"aipw", "snipw", "ipw"}
    [everybody, nobody] = found["results"]
    for method, value in everybody["values"].items():
        gained = value["estimate"] - nobody["values"][method]["estimate"]
        assert gained == pytest.approx(found["differences"][method]["estimate"])
        assert "influence" not in value
    assert found["differences"]["aipw"]["low"] < 0.08 * 400 - 4 < found["differences"]["aipw"]["high"]


def test_a_share_says_how_many_can_be_treated(home: Path) -> None:
    found = json.loads(told(home, "value", "--share", "0.5", "--json"))
    shares = {result["name"]: result["treated_share"] for result in found["results"]}
    assert (shares["risk"], shares["random"], shares["everybody"]) == pytest.approx((0.5, 0.5, 1.0))


def test_what_cannot_be_known_yet_says_when(home: Path) -> None:
    early = STARTS_ON + timedelta(days=30)
    error = told(home, "value", on=early.isoformat(), code=1)
    assert isinstance(error, NotKnowableYet)
    assert str(STARTS_ON + timedelta(days=HORIZON_DAYS + 1)) in str(error)


def test_a_rule_that_does_not_exist_names_those_that_do(home: Path) -> None:
    error = told(home, "compare", "everybody", "oracle", code=1)
    assert isinstance(error, BusinessFileError)
    assert "nobody, everybody, current" in str(error)
    told(home, "compare", "risk", "risk", code=2)


def test_the_help_shows_examples(home: Path) -> None:
    assert "holdback policy compare current risk" in told(home, "compare", "--help")
