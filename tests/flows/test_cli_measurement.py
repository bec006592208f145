"""What a campaign earned, on the command line."""

from __future__ import annotations

import csv
import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from flows.cli.main import app
from tests.monitoring.measurement.experiment import FILE, World, run
from tests.monitoring.measurement.test_measuring import READS_ON

DAY = ("--as-of", READS_ON.isoformat())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company whose campaign ran until the day of its planned reading."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "business.yaml").write_text(yaml.safe_dump(FILE))
    run(folder, World(customers=2000), until=READS_ON)
    return folder


def told(home: Path, *arguments: str, code: int = 0) -> str:
    """Run a command about campaigns; return what it printed."""
    environment = {"HOLDBACK_HOME": str(home), "HOLDBACK_BUSINESS": str(home / "business.yaml"), "COLUMNS": "160"}
    done = CliRunner(env=environment).invoke(app, ["campaign", *arguments])
    assert done.exit_code == code, done.output + str(done.exception)
    return done.output


def test_planned_stands_beside_found_with_interval_method_and_checks(home: Path) -> None:
    seen = told(home, "measure", "spring", *DAY)
    assert "2,000 customers entered, 2,000 of them can be read" in seen
    [line] = [line for line in seen.splitlines() if line.strip().startswith("churned") and "newcombe" in line]
    assert "-2.00" in line
    assert "official, newcombe" in line
    assert "passed: sample_ratio, contamination, reach, missing_outcomes, ledger" in seen
    assert "not booked" in seen


def test_a_machine_gets_every_figure(home: Path) -> None:
    found: dict[str, Any] = json.loads(told(home, "measure", *DAY, "--json"))
    official = [row for row in found["effects"] if row["reading"] == "official" and row["segment"] == "all"]
    assert {row["metric"] for row in official} == {"churned", "incremental_margin", "value_kept", "save_rate"}
    assert {check["verdict"] for check in found["checks"]} == {"passed", "not checked"}


def test_the_portfolio_expects_less_than_was_measured_and_adds_nothing_up(home: Path) -> None:
    told(home, "measure", *DAY)
    [one] = json.loads(told(home, "portfolio", *DAY, "--json"))["expected"]["campaigns"]
    assert abs(one["estimate"]) < abs(one["measured"])
    assert "sceptical" in told(home, "portfolio", *DAY)


def test_finance_gets_a_file_that_agrees_with_the_books(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "retention.csv"
    assert "agree with the books to the cent" in told(home, "pnl", *DAY, "--to", str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    [own] = [row for row in rows if row["fit_class"] == "all"]
    parts = [row for row in rows if row["fit_class"] != "all"]
    assert float(own["contact_cost"]) == pytest.approx(sum(float(row["contact_cost"]) for row in parts))
    assert float(own["net"]) == pytest.approx(float(own["incremental_margin"]) - float(own["cost"]), abs=0.02)


def test_a_campaign_shows_what_was_planned_and_what_was_found(home: Path) -> None:
    told(home, "measure", *DAY)
    seen = told(home, "show", "spring", *DAY)
    assert "planned reading" in seen
    assert f"as measured on {READS_ON}" in seen
    assert "official, newcombe" in seen
    assert json.loads(told(home, "show", "spring", *DAY, "--json"))["do_not_disturb"] == []


def test_a_campaign_that_does_not_exist_leaves_with_two(home: Path) -> None:
    told(home, "measure", "autumn", *DAY, code=1)
