"""One theme that cannot be measured costs the run its exit code, and not what the others measured."""

from __future__ import annotations

import sys

import pytest

from bench import __main__ as run
from bench import starting, triggers
from bench.measuring import Size, measure
from bench.reporting import Line, Theme


def test_a_command_that_fails_fails_the_run_and_loses_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(size: Size) -> Theme:
        measure([sys.executable, "-c", "raise SystemExit(3)"], runs=size.runs, label="failing")
        raise AssertionError

    monkeypatch.setattr(starting, "theme", failing)
    monkeypatch.setattr(triggers, "theme", lambda size: Theme((Line(f"{size.runs} triggers", "1 s", "2 s", 0.5),)))
    monkeypatch.setattr(sys, "argv", ["bench", "starting", "triggers"])
    monkeypatch.setenv("BENCH_QUICK", "1")
    assert run.main() == 1
    said = capsys.readouterr()
    assert "| 1 triggers | 1 s | 2 s | held |" in said.out
    assert "WRONG RESULT: starting:" in said.out
    assert "failed with exit code 3" in said.out
    assert "| 1 triggers |" in said.err
