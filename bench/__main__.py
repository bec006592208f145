"""Measure the ratios that the project promises: ``python -m bench [--write]``.

Every figure is CPU time (user and system) of a whole process, the median of several, with at most two threads; ratios
are what counts, seconds depend on the machine. ``BENCH_QUICK=1`` measures a company a fifth as large. ``--write``
writes the table to ``docs/benchmarks.md``. The exit code is 1 only when a result is wrong: a missed limit is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNS = 3


@dataclass(frozen=True)
class Measured:
    """What one command cost: medians of CPU seconds and of peak memory, and what it printed."""

    cpu_seconds: float
    peak_megabytes: float
    output: str
    outputs: frozenset[str]


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    what: str
    measured: str
    limit: str
    verdict: str


def measure(command: Sequence[str], *, runs: int = RUNS, label: str = "") -> Measured:
    """Run a command several times, each in a process of its own."""
    cpu, peak, outputs = [], [], []
    for number in range(runs):
        say(f"{label or command[-1]}: run {number + 1} of {runs}")
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(command, stdout=output, cwd=ROOT)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            outputs.append(output.read().decode())
        if process.returncode:
            raise SystemExit(f"bench: {' '.join(command)} failed with exit code {process.returncode}")
        cpu.append(used.ru_utime + used.ru_stime)
        peak.append(used.ru_maxrss / 1024)
    return Measured(statistics.median(cpu), statistics.median(peak), outputs[0], frozenset(outputs))


def say(text: str) -> None:
    """Show progress where a person watches, and plain lines elsewhere."""
    end = "\r" if sys.stderr.isatty() else "\n"
    print(f"bench: {text:<70}", end=end, file=sys.stderr, flush=True)


def child(*arguments: str) -> list[str]:
    """The command line of a measured task."""
    return [sys.executable, "-m", "bench.child", *arguments]


def feature_lines(customers: int, folder: Path) -> tuple[list[Line], list[str]]:
    """Measure features against a bare scan; return the lines, and what was wrong."""
    counts = json.loads(
        measure(child("build", str(folder), str(customers)), runs=1, label="writing the company").output
    )
    bare = measure(child("scan", str(folder)), label="bare scan")
    built = measure(child("features", str(folder)), label="features")
    expected = json.loads(measure(child("truth", str(folder)), runs=1, label="counting again").output)
    found = json.loads(built.output)
    wrong = [f"{key}: {found[key]} instead of {expected[key]}" for key in expected if found[key] != expected[key]]
    if len(built.outputs) > 1:
        wrong.append("two runs gave different bits")
    ratio = built.cpu_seconds / bare.cpu_seconds
    events = sum(counts.values())
    return [
        Line(
            f"{found['features']} features, {customers:,} customers, {events / 1e6:.1f} M events, against a bare scan",
            f"{ratio:.1f} x ({built.cpu_seconds:.1f} s / {bare.cpu_seconds:.1f} s of CPU)",
            "8 x",
            verdict(ratio <= 8),
        ),
        Line(
            "peak memory of the same (bare scan beside it)",
            f"{built.peak_megabytes:.0f} MB ({bare.peak_megabytes:.0f} MB)",
            "500 MB",
            verdict(built.peak_megabytes < 500),
        ),
    ], wrong


def allocation_lines(customers: int) -> tuple[list[Line], list[str]]:
    """Measure the allocation; return the lines, and what was wrong."""
    allocated = measure(child("allocate", str(customers)), label="allocation")
    share = json.loads(allocated.output)["share_of_bound"]
    wrong = [f"the allocation reached {share:.5f} of its bound"] if not 0.999 <= share <= 1 + 1e-9 else []
    if len(allocated.outputs) > 1:
        wrong.append("two allocations differ")
    what = f"allocating 5 actions to {customers:,} customers under 8 limits, to {share:.5f} of the bound"
    return [
        Line(what, f"{allocated.cpu_seconds:.1f} s of CPU", "60 s", verdict(allocated.cpu_seconds <= 60)),
        Line(
            "peak memory of the same",
            f"{allocated.peak_megabytes:.0f} MB",
            "2,000 MB",
            verdict(allocated.peak_megabytes <= 2000),
        ),
    ], wrong


def outcome_lines(customers: int, folder: Path) -> tuple[list[Line], list[str]]:
    """Measure the reading of a finished campaign; return the lines, and what was wrong."""
    expected = json.loads(
        measure(child("campaign", str(folder), str(customers)), runs=1, label="writing the campaign").output
    )
    read = measure(child("outcomes", str(folder)), label="outcomes")
    found = json.loads(read.output)
    wrong = [f"{key}: {found[key]} instead of {expected[key]}" for key in expected if found[key] != expected[key]]
    what = f"16 totals of {customers:,} customers in a campaign, with all their covariances"
    return [
        Line(what, f"{read.cpu_seconds:.1f} s of CPU", "10 s", verdict(read.cpu_seconds <= 10)),
        Line(
            "peak memory of the same",
            f"{read.peak_megabytes:.0f} MB",
            "2,000 MB",
            verdict(read.peak_megabytes <= 2000),
        ),
    ], wrong


def compile_line() -> Line:
    """Measure how long the feature set takes to declare and compile."""
    from bench.world import AS_OF, business
    from features.clocks import Clock
    from features.compiler import compile_features
    from features.families import feature_set

    company = business()
    start = time.process_time()
    compiled = compile_features(feature_set(company), Clock.of(company, AS_OF))
    spent = time.process_time() - start
    return Line(
        f"declaring and compiling them ({len(compiled)} statements, {sum(map(len, compiled.values())):,} characters)",
        f"{spent:.3f} s of CPU",
        "0.3 s",
        verdict(spent < 0.3),
    )


def help_line() -> Line:
    """Measure ``holdback --help`` against an empty Python."""
    what = "holdback --help (an empty Python beside it)"
    command = Path(sys.executable).with_name("holdback")
    if not command.exists():
        return Line(what, "not measured: the command is not installed; run `make install`", "0.4 s", "skipped")
    empty = measure([sys.executable, "-c", "pass"], label="an empty Python")
    helped = measure([str(command), "--help"], label="holdback --help")
    measured = f"{helped.cpu_seconds:.2f} s of CPU ({empty.cpu_seconds:.2f} s)"
    return Line(what, measured, "0.4 s", verdict(helped.cpu_seconds < 0.4))


def verdict(is_held: bool) -> str:
    """Say whether a limit is held."""
    return "held" if is_held else "MISSED"


def table(lines: Sequence[Line]) -> str:
    """Write the lines as a Markdown table."""
    rows = [("What", "Measured", "Limit", ""), ("---",) * 4]
    rows += [(line.what, line.measured, line.limit, line.verdict) for line in lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def page(lines: Sequence[Line]) -> str:
    """The page of the documentation."""
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return (
        "# Benchmarks\n\n"
        "Written by `python -m bench --write`; do not edit. CPU time of whole processes, interpreter and imports\n"
        f"included, medians of {RUNS}, two threads. The ratios are the promise; the seconds belong to the machine:\n"
        f"{machine}.\n\n{table(lines)}\n"
    )


def main() -> int:
    """Measure, print, and say whether a result was wrong."""
    from bench.triggers import trigger_lines
    from bench.uplift import uplift_lines

    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the table to docs/benchmarks.md")
    write = parser.parse_args().write
    customers = 20_000 if os.environ.get("BENCH_QUICK") == "1" else 100_000
    with tempfile.TemporaryDirectory(prefix="holdback-bench-") as folder:
        lines, wrong = feature_lines(customers, Path(folder))
    allocations, wrong_allocations = allocation_lines(customers * 10)
    with tempfile.TemporaryDirectory(prefix="holdback-bench-") as folder:
        outcomes, wrong_outcomes = outcome_lines(customers * 10, Path(folder))
    uplifts, wrong_uplifts = uplift_lines(customers < 100_000)
    triggers, wrong_triggers = trigger_lines(customers < 100_000)
    lines += [*allocations, *outcomes, *uplifts, *triggers, compile_line(), help_line()]
    wrong += [*wrong_allocations, *wrong_outcomes, *wrong_uplifts, *wrong_triggers]
    print(table(lines))
    missed = [line.what for line in lines if line.verdict == "MISSED"]
    if missed:
        print(f"\n{len(missed)} of {len(lines)} limits were missed: {'; '.join(missed)}.")
    for fault in wrong:
        print(f"WRONG RESULT: {fault}")
    if write:
        (ROOT / "docs" / "benchmarks.md").write_text(page(lines), encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
