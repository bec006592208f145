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

from tests.campaigns.contracts import AS_OF, FILE, open_telecom

DAY = ("--as-of", AS_OF.isoformat())


class CommandLine:
    """A company whose data are loaded, and a command line that works for it."""

    def __init__(self, folder: Path) -> None:
        open_telecom(folder / "home", customers=1_500, scored_on=(AS_OF,))
        self.file = folder / "telecom.yaml"
        self.environment = {**os.environ, "HOLDBACK_HOME": str(folder / "home"), "HOLDBACK_BUSINESS": str(self.file),
                            "HOLDBACK_THREADS": "1", "PYTHONPATH": str(Path.cwd())}  # fmt: skip
        self.write()

    def write(self, lift: float = 0.6, **campaign: Any) -> None:
        """Write the business file, with another lift or another campaign."""
        call = {**FILE["actions"][0], "assumed_lift": {**FILE["actions"][0]["assumed_lift"], "value": lift}}
        content = {**FILE, "actions": [call, FILE["actions"][1]]}
        content["campaigns"] = [{**FILE["campaigns"][0], "holdout_share": 0.5, **campaign}]
        self.file.write_text(yaml.safe_dump(content), encoding="utf-8")

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        program = "from flows.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", program, "campaign", *arguments],
            capture_output=True, text=True, check=False, env=self.environment,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr[-3000:]
        assert "Traceback" not in done.stderr
        return done

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", code=code).stdout)


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


def test_a_campaign_from_its_plan_to_its_halt(line: CommandLine) -> None:
    planned = line.json("plan", "spring", *DAY)
    assert planned["recommended"] == "as written"
    assert planned["options"][0]["is_readable"]
    shown = line.run("plan", "spring", *DAY).stdout
    assert "->" in shown
    assert "recommended: as written" in shown
    assert planned["options"][0]["reads_on"] in shown

    assert line.json("list", *DAY)[0]["state"] == "not launched"
    assert "campaign plan spring" in line.run("show", "spring", *DAY).stdout
    done = line.json("launch", "spring", *DAY)
    assert (done["was_launched_already"], done["design"]["reads_on"]) == (False, planned["options"][0]["reads_on"])
    assert "was launched already" in line.run("launch", "spring", *DAY).stdout
    [standing] = line.json("list", *DAY)
    assert (standing["state"], standing["since"]) == ("in force", AS_OF.isoformat())
    assert done["design"]["hash"] in line.run("show", "spring", *DAY).stdout

    line.run("halt", "spring", *DAY, "--by", "Ana Ruiz", "--reason", "the price is wrong")
    assert "the price is wrong" in line.run("list", *DAY).stdout
    assert "halted, by Ana Ruiz: the price is wrong" in line.run("show", "spring", *DAY).stdout
    assert line.json("resume", "spring", *DAY, "--by", "Ana Ruiz", "--reason", "the price is right")["was_halted"]


def test_what_cannot_be_read_is_refused_unless_forced(line: CommandLine) -> None:
    line.write(lift=0.2, holdout_share=0.05)
    refused = line.run("launch", "spring", *DAY, code=4)
    assert "NotKnowableYet: telecom: campaign spring/1: not knowable" in refused.stderr
    seen = line.run("plan", "spring", *DAY, code=4)
    assert "visible fall" in seen.stdout
    assert "recommended:" in seen.stdout
    assert json.loads(line.run("plan", "spring", *DAY, "--json", code=4).stderr)["exit_code"] == 4

    line.run("launch", "spring", *DAY, "--force", "because", code=2)
    line.run("launch", "spring", *DAY, "--force", "legal wants every leaver called")
    assert "legal wants every leaver called" in line.run("show", "spring", *DAY).stdout


def test_a_changed_design_leaves_with_two(line: CommandLine) -> None:
    line.run("launch", "spring", *DAY)
    line.write(alpha=0.1)
    assert "raise its version to 2" in line.run("launch", "spring", *DAY, code=2).stderr
    line.write(holdout_share=0.4)
    assert "changed since: holdout_share: 50 % at the launch, 40 % now" in line.run("show", "spring", *DAY).stdout


def test_a_campaign_that_does_not_exist_leaves_with_two(line: CommandLine) -> None:
    assert "Choose one of: spring" in line.run("plan", "autumn", *DAY, code=2).stderr
    assert "Choose one of: spring" in line.run("show", "autumn", *DAY, code=2).stderr
    line.run("halt", "spring", *DAY, "--by", "Ana Ruiz", "--reason", "the price is wrong", code=2)
    line.run("halt", "spring", *DAY, code=2)  # Typer asks for the options
