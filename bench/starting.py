"""What it costs to begin: ``holdback --help`` beside an empty Python."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.measuring import Size, taking_turns
from bench.reporting import Line, Theme


def theme(size: Size) -> Theme:
    """Measure ``holdback --help``."""
    what, goal = "holdback --help (an empty Python)", "at most 0.4 s"
    command = Path(sys.executable).with_name("holdback")
    if not command.exists():
        return Theme((Line(what, "the command is not installed; run `make install`", goal, None),))
    found = taking_turns(
        {"an empty Python": [sys.executable, "-c", "pass"], "holdback --help": [str(command), "--help"]},
        runs=size.runs,
    )
    helped, empty = found["holdback --help"].cpu_seconds, found["an empty Python"].cpu_seconds
    return Theme((Line(what, f"{helped:.2f} s of CPU ({empty:.2f} s)", goal, helped / 0.4),))
