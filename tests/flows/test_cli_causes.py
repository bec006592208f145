"""Why customers leave, on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from flows.cli.causes import add_to
from holdback.errors import BusinessFileError, NotKnowableYet
from tests.monitoring.causes.company import CHURN, FILE, TODAY, company, effect, train


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    (folder / "business.yaml").write_text(yaml.safe_dump(FILE))
    (folder / "es.yaml").write_text(yaml.safe_dump({**FILE, "language": "es"}))
    workspace = company(folder, customers=1000)
    train(workspace)
    effect(workspace, "promise", -0.03, -0.05, -0.01)
    return folder


def told(home: Path, *arguments: str, code: int = 0, file: str = "business.yaml") -> Any:
    """Run a command about causes; return what it printed."""
    app = typer.Typer()
    add_to(app)
    environment = {"HOLDBACK_HOME": str(home), "HOLDBACK_BUSINESS": str(home / file), "HOLDBACK_THREADS": "1"}
    days = () if "--help" in arguments or "--as-of" in arguments else ("--as-of", TODAY.isoformat())
    done = CliRunner(env=environment).invoke(app, ["causes", "show", *arguments, *days])
    assert done.exit_code == code, done.output + str(done.exception)
    return done.exception if code == 1 else done.output


def flat(text: str) -> str:
    return " ".join(text.split())


def test_drivers_sayings_segments_and_the_measured_effect_are_told(home: Path) -> None:
    seen = told(home)
    rows = [line.split() for line in seen.splitlines()]
    [price] = [row for row in rows if row[:1] == ["price"]]
    assert price[-1] == "yes"
    assert [row for row in rows if row[:2] == ["reason", "too_expensive"]]
    assert "segment=home" in seen
    assert "campaign promise (price_promise) causes fewer to leave: −3.0" in flat(seen)
    assert "gender" not in seen
    assert "Points by day" not in seen


def test_months_show_what_grows(home: Path) -> None:
    seen = told(home, "--months", "3")
    assert "growing" in seen
    assert "2025-11-01" in seen
    told(home, "--months", "13", code=2)


def test_a_machine_gets_everything(home: Path) -> None:
    found = json.loads(told(home, "--json", "--months", "2", "--churn", CHURN, "--segment", "colour"))
    assert found["themes"][0]["name"] == "price"
    assert found["themes"][0]["driver"]["trend"]["verdict"] in ("growing", "shrinking", "steady", "no_evidence")
    assert [day["as_of"] for day in found["days"]] == ["2025-12-01", "2026-01-01"]
    assert {segment["name"] for segment in found["segments"]} == {"colour"}


def test_a_company_that_reads_spanish_reads_spanish(home: Path) -> None:
    seen = flat(told(home, file="es.yaml"))
    assert "El precio: asociación con" in seen
    assert "la campaña promise (price_promise) causa menos bajas" in seen


def test_what_cannot_be_told_says_why(home: Path, tmp_path: Path) -> None:
    assert isinstance(told(home, "--segment", "segmnt", code=1), BusinessFileError)
    assert isinstance(told(home, "--churn", "none", code=1), BusinessFileError)
    (tmp_path / "business.yaml").write_text(yaml.safe_dump(FILE))
    assert isinstance(told(tmp_path, code=1), NotKnowableYet)


def test_the_help_shows_examples(home: Path) -> None:
    assert "holdback causes show --months 6" in told(home, "--help")
