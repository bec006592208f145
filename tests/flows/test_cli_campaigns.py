"""The commands about campaigns: what they print, what they refuse, and with which exit code they leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from flows.cli.main import app
from holdback.errors import HoldbackError
from tests.campaigns.contracts import AS_OF, FILE, open_telecom

DAY = ("--as-of", AS_OF.isoformat())


class CommandLine:
    """A company whose data are loaded, and a command line that works for it."""

    def __init__(self, folder: Path) -> None:
        open_telecom(folder / "home", customers=1_500, scored_on=(AS_OF,))
        self.file = folder / "telecom.yaml"
        self.environment = {"HOLDBACK_HOME": str(folder / "home"), "HOLDBACK_BUSINESS": str(self.file),
                            "HOLDBACK_THREADS": "1", "PYTHONPATH": str(Path.cwd())}  # fmt: skip
        self.write()

    def write(self, lift: float = 0.6, **campaign: Any) -> None:
        """Write the business file, with another lift or another campaign."""
        call = {**FILE["actions"][0], "assumed_lift": {**FILE["actions"][0]["assumed_lift"], "value": lift}}
        content = {**FILE, "actions": [call, FILE["actions"][1]]}
        content["campaigns"] = [{**FILE["campaigns"][0], "holdout_share": 0.5, **campaign}]
        self.file.write_text(yaml.safe_dump(content), encoding="utf-8")

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a command within this process; return what it printed, and the error that it left with."""
        done = CliRunner().invoke(app, ["campaign", *arguments], env=self.environment)
        error = done.exception
        if error is not None and not isinstance(error, HoldbackError | SystemExit):
            raise error
        left_with = error.exit_code if isinstance(error, HoldbackError) else done.exit_code
        assert left_with == code, done.output
        return f"{done.output}{error if isinstance(error, HoldbackError) else ''}"

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json"))


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


def test_a_campaign_from_its_plan_to_its_halt(line: CommandLine) -> None:
    planned = line.json("plan", "spring", *DAY)
    assert planned["recommended"] == "as written"
    assert planned["options"][0]["is_readable"]
    shown = line.run("plan", "spring", *DAY)
    assert "->" in shown
    assert "recommended: as written" in shown
    assert planned["options"][0]["reads_on"] in shown

    assert line.json("list", *DAY)[0]["state"] == "not launched"
    assert "campaign plan spring" in line.run("show", "spring", *DAY)
    done = line.json("launch", "spring", *DAY)
    assert (done["was_launched_already"], done["design"]["reads_on"]) == (False, planned["options"][0]["reads_on"])
    assert "was launched already" in line.run("launch", "spring", *DAY)
    [standing] = line.json("list", *DAY)
    assert (standing["state"], standing["since"]) == ("in force", AS_OF.isoformat())
    assert done["design"]["hash"] in line.run("show", "spring", *DAY)

    line.run("stop", "spring", *DAY, "--by", "Ana Ruiz", "--reason", "the price is wrong")
    assert "the price is wrong" in line.run("list", *DAY)
    assert "halted, by Ana Ruiz: the price is wrong" in line.run("show", "spring", *DAY)
    assert line.json("resume", "spring", *DAY, "--by", "Ana Ruiz", "--reason", "the price is right")["was_halted"]


def test_what_cannot_be_read_is_refused_unless_forced(line: CommandLine) -> None:
    line.write(lift=0.2, holdout_share=0.05)
    refused = line.run("launch", "spring", *DAY, code=4)
    assert "telecom: campaign spring/1: not knowable" in refused
    seen = line.run("plan", "spring", *DAY, code=4)
    assert "visible fall" in seen
    assert "recommended:" in seen

    line.run("launch", "spring", *DAY, "--force", "because", code=2)
    line.run("launch", "spring", *DAY, "--force", "legal wants every leaver called")
    assert "legal wants every leaver called" in line.run("show", "spring", *DAY)


def test_a_changed_design_leaves_with_two(line: CommandLine) -> None:
    line.run("launch", "spring", *DAY)
    line.write(alpha=0.1)
    assert "raise its version to 2" in line.run("launch", "spring", *DAY, code=2)
    line.write(holdout_share=0.4)
    assert "changed since: holdout_share: 50 % at the launch, 40 % now" in line.run("show", "spring", *DAY)


def test_a_campaign_that_does_not_exist_leaves_with_two(line: CommandLine) -> None:
    assert "Choose one of: spring" in line.run("plan", "autumn", *DAY, code=2)
    assert "Choose one of: spring" in line.run("show", "autumn", *DAY, code=2)
    line.run("stop", "spring", *DAY, "--by", "Ana Ruiz", "--reason", "the price is wrong", code=2)
    line.run("stop", "spring", *DAY, code=2)  # Typer asks for the options


@pytest.mark.slow
def test_a_process_of_its_own_leaves_with_the_same_code(line: CommandLine) -> None:
    line.write(lift=0.2, holdout_share=0.05)
    program = "from flows.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "campaign", "plan", "spring", *DAY, "--json"],
        capture_output=True, text=True, check=False, env={**os.environ, **line.environment},
    )  # fmt: skip
    assert done.returncode == 4, done.stderr[-3000:]
    assert not json.loads(done.stdout)["options"][0]["is_readable"]
    assert json.loads(done.stderr)["error"] == "NotKnowableYet"
