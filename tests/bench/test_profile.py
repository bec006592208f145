"""Every step of a day is profiled, and a command becomes a graph."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from bench.profile import STEPS, commands, run
from bench.telephone import CAMPAIGNS, found


def test_every_step_of_a_day_is_profiled_once_and_in_order(tmp_path: Path) -> None:
    lived = found(tmp_path, 60, threads=1)
    before = lived.company.played_until
    done = list(commands(lived))
    profiled = [what for what, _ in done if what in STEPS]
    assert sorted(profiled) == sorted(STEPS)
    assert [step for step in STEPS if step != "retrain"] == profiled[1:]
    assert len(done) == len(STEPS) + 1 + len(CAMPAIGNS)
    assert lived.company.played_until == before + timedelta(days=1)  # what the day's ingest finds


def test_a_command_becomes_a_flame_graph(tmp_path: Path) -> None:
    graph = tmp_path / "sum.svg"
    command = [sys.executable, "-c", "def adds():\n  return sum(range(2 * 10**7))\nprint(adds())"]
    try:
        assert run(command, graph, 100, os.environ) > 0
    except SystemExit as error:
        if "ermission" in str(error):
            pytest.skip("this machine lets no process look at another")
        raise
    assert "adds" in graph.read_text(encoding="utf-8")


def test_a_command_that_says_nothing_is_no_profile(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="failed"):
        run([sys.executable, "-c", "pass"], None, 100, os.environ)


def test_the_module_is_a_command() -> None:
    done = subprocess.run([sys.executable, "-m", "bench.profile", "--help"], capture_output=True, text=True, check=True)
    assert "--customers" in done.stdout
