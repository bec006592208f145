"""The features of one day: against a bare scan, SQL by hand and other tools; their memory and their growth."""

from __future__ import annotations

import json
import math
import shutil
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bench.feature_peers import against_peers
from bench.measuring import Measured, Size, measure, taking_turns, task
from bench.reporting import Line, Theme, at_most, memory, seconds

_LARGEST_BYTES = 60 * 10**9


def theme(size: Size) -> Theme:
    """Measure on companies that are written once: 1,000,000 customers, 100,000, and two more for the growth."""
    with tempfile.TemporaryDirectory(prefix="holdback-bench-") as folder:
        large, small = Path(folder, "large"), Path(folder, "small")
        customers, fewer = size.of(1_000_000, 20_000), size.of(100_000, 5_000)
        events = _written(large, customers)
        _written(small, fewer)
        lines, wrong = _built(large, customers, events, size)
        by_hand, not_equal = _by_hand(small, fewer, size)
        beside, different = against_peers(small, fewer, size)
        grown = _growth(small, large, Path(folder), size)
    return Theme((*lines, by_hand, _compiled(), *beside, grown), (*wrong, *not_equal, *different))


def _written(folder: Path, customers: int) -> int:
    """Write a company; return its events."""
    label = f"writing {customers:,} customers"
    counts = json.loads(measure(task("child", "build", folder, customers), runs=1, label=label).output)
    return sum(counts.values())


def _built(folder: Path, customers: int, events: int, size: Size) -> tuple[list[Line], list[str]]:
    found = taking_turns(
        {
            f"{side} {which}": task("child", side, folder, which)
            for which in ("64", "all")
            for side in ("scan", "features")
        },
        runs=size.runs,
    )
    expected = json.loads(measure(task("child", "truth", folder), runs=1, label="counting again").output)
    lines, wrong = [], []
    for which in ("64", "all"):
        bare, built = found[f"scan {which}"], found[f"features {which}"]
        said = [json.loads(output) for output in built.outputs]
        wrong += [
            f"{key}: {said[0][key]} instead of {expected[key]}" for key in expected if said[0][key] != expected[key]
        ]
        if len({one["digest"] for one in said}) > 1:
            wrong.append(f"features: two runs of {which} gave different bits")
        what = f"{said[0]['features']} features, {customers:,} customers, {events / 1e6:.1f} M events, "
        lines.append(at_most(what + "against a bare scan of the columns they read", built, bare, 5))
        lines.append(memory(what + "peak memory (bare scan)", built, 400, beside=bare))
    return lines, wrong


def _by_hand(folder: Path, customers: int, size: Size) -> tuple[Line, list[str]]:
    """Compiled SQL against SQL written by hand: the same spine, ranges and way of handing on; imports left out."""
    found = taking_turns(
        {"compiled": task("child", "features", folder, "shared"), "by hand": task("child", "hand", folder)},
        runs=size.runs,
    )
    told = {label: [json.loads(output) for output in side.outputs] for label, side in found.items()}
    digests = {one["digest"] for side in told.values() for one in side}
    wrong = ["features: SQL by hand and compiled SQL gave different bits"] if len(digests) > 1 else []
    spent = {label: statistics.median(one["cpu_seconds"] for one in side) for label, side in told.items()}
    ratio = spent["compiled"] / spent["by hand"]
    what = (
        f"{told['compiled'][0]['features']} features of {customers:,} customers, against SQL by hand (imports left out)"
    )
    both = f"{ratio:.2f} x ({spent['compiled']:.2f} s / {spent['by hand']:.2f} s of CPU)"
    return Line(what, both, "at most 1.05 x", ratio / 1.05), wrong


def _growth(small: Path, large: Path, folder: Path, size: Size) -> Line:
    """The exponent of CPU in the number of customers, in the process that builds; imports left out."""
    folders = {100_000: small, 300_000: folder / "medium", 1_000_000: large, 5_000_000: folder / "largest"}
    if shutil.disk_usage(folder).free < _LARGEST_BYTES:
        del folders[5_000_000]
    what = f"growth of 64 features from {' to '.join(f'{count:,}' for count in folders)} customers"
    if 5_000_000 not in folders:
        what += f" (5,000,000 need {_LARGEST_BYTES / 1e9:.0f} GB of free disk)"
    if size.is_quick:
        return Line(what, "not in the quick run", "exponent at most 1.05", None)
    for count, place in folders.items():
        if not place.exists():
            _written(place, count)
    found = taking_turns(
        {f"{count:,} customers": task("child", "features", place, "64") for count, place in folders.items()}, runs=3
    )
    spent = {count: _inside(found[f"{count:,} customers"]) for count in folders}
    exponent = slope(spent)
    told = " / ".join(f"{cpu:.1f} s" for cpu in spent.values())
    return Line(what, f"{exponent:.2f} ({told} of CPU)", "exponent at most 1.05", exponent / 1.05)


def _inside(measured: Measured) -> float:
    return float(statistics.median(json.loads(output)["cpu_seconds"] for output in measured.outputs))


def slope(spent: Mapping[int, float]) -> float:
    """Least squares of log CPU on log customers."""
    x, y = [math.log(count) for count in spent], [math.log(cpu) for cpu in spent.values()]
    return float(statistics.linear_regression(x, y).slope)


def _compiled() -> Line:
    from bench.world import AS_OF, business
    from features.clocks import Clock
    from features.compiler import compile_features
    from features.families import feature_set

    company = business()
    start = time.process_time()
    compiled = compile_features(feature_set(company), Clock.of(company, AS_OF))
    spent = time.process_time() - start
    size = f"{len(compiled)} statements, {sum(map(len, compiled.values())):,} characters"
    return seconds(f"declaring and compiling them ({size})", spent, 0.3)
