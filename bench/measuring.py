"""How a cost is taken: CPU seconds (user and system) and peak memory of whole processes, medians of several runs."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.apart import run_apart

ROOT = Path(__file__).resolve().parents[1]
THREADS = 2


class CommandFailed(Exception):
    """A command that was to be measured failed; what it cost says nothing."""


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Args:
        is_quick: True for the small run of continuous integration: a fifth of the customers, or less, and one run.
    """

    is_quick: bool

    @property
    def runs(self) -> int:
        """Processes of which the median is told."""
        return 1 if self.is_quick else 5

    def of(self, usual: int, quick: int) -> int:
        """Return the number for this size."""
        return quick if self.is_quick else usual


@dataclass(frozen=True)
class Measured:
    """What one command cost: medians of CPU seconds and of peak memory, and what it printed (the first run's)."""

    cpu_seconds: float
    peak_megabytes: float
    output: str
    outputs: frozenset[str]


def measure(
    command: Sequence[str], *, runs: int, label: str = "", environment: Mapping[str, str] | None = None
) -> Measured:
    """Run a command several times, each in a process of its own; its children that ended are counted in CPU time."""
    return taking_turns({label or command[-1]: command}, runs=runs, environment=environment)[label or command[-1]]


def taking_turns(
    commands: Mapping[str, Sequence[str]], *, runs: int, environment: Mapping[str, str] | None = None
) -> dict[str, Measured]:
    """Run several commands in turn (A B A B ...), so that a machine that slows down slows all of them."""
    seen: dict[str, list[tuple[float, float, str]]] = {label: [] for label in commands}
    for number in range(runs):
        for label, command in commands.items():
            say(f"{label}: run {number + 1} of {runs}")
            seen[label].append(_run(command, environment))
    return {
        label: Measured(
            statistics.median(cpu for cpu, _, _ in found),
            statistics.median(peak for _, peak, _ in found),
            found[0][2],
            frozenset(output for _, _, output in found),
        )
        for label, found in seen.items()
    }


def _run(command: Sequence[str], environment: Mapping[str, str] | None) -> tuple[float, float, str]:
    with tempfile.TemporaryFile() as output:
        used = run_apart(command, stdout=output, cwd=ROOT, env={**os.environ, **(environment or {})})
        output.seek(0)
        said = output.read().decode()
    if used.exit_code:
        raise CommandFailed(f"{' '.join(command)} failed with exit code {used.exit_code}")
    return used.cpu_seconds, used.peak_megabytes, said


def say(text: str) -> None:
    """Show progress where a person watches, and plain lines elsewhere."""
    end = "\r" if sys.stderr.isatty() else "\n"
    print(f"bench: {text:<70}", end=end, file=sys.stderr, flush=True)


def task(module: str, *arguments: object) -> list[str]:
    """The command line of a measured task: ``python -m bench.MODULE ARGUMENTS``."""
    return [sys.executable, "-m", f"bench.{module}", *map(str, arguments)]
