"""Measure what the project promises about cost: ``python -m bench [THEME ...] [--write]``.

Every figure is CPU time (user and system) or peak memory of a whole process, the median of several that take turns with
what they are held against, with at most two threads; ratios are what counts, seconds depend on the machine.
``BENCH_QUICK=1`` is the small run of continuous integration. ``--write`` writes the table and its chart to ``docs/``.
The exit code is 1 only when a result is wrong: a missed promise is printed.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from bench.chart import draw_chart
from bench.measuring import ROOT, CommandFailed, Size
from bench.reporting import Theme, page, table

THEMES = (
    "starting",
    "features",
    "snapshots",
    "models",
    "validation",
    "drift",
    "decisions",
    "effects",
    "uplift",
    "triggers",
    "daily",
)
"""Modules of this package with a function ``theme``, in the table's order."""


def main() -> int:
    """Measure, print, and say whether a result was wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "themes", nargs="*", metavar="THEME", help=f"one or more of: {', '.join(THEMES)} (default: all)"
    )
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and its chart (all themes)")
    given = parser.parse_args()
    unknown = [name for name in given.themes if name not in THEMES]
    if unknown or (given.write and given.themes):
        parser.error(f"no theme {unknown[0]!r}" if unknown else "--write is for a run of all themes")
    size = Size(is_quick=os.environ.get("BENCH_QUICK") == "1")
    found = {name: _found(name, size) for name in given.themes or THEMES}
    lines = [line for theme in found.values() for line in theme.lines]
    print(table(lines))
    missed = [line.what for line in lines if line.verdict == "MISSED"]
    if missed:
        print(f"\n{len(missed)} of {len(lines)} promises were missed: {'; '.join(missed)}.")
    wrong = [fault for theme in found.values() for fault in theme.wrong]
    for fault in wrong:
        print(f"WRONG RESULT: {fault}")
    if given.write:
        (ROOT / "docs" / "benchmarks.md").write_text(page(lines, runs=size.runs), encoding="utf-8")
        (ROOT / "docs" / "benchmarks.svg").write_text(
            draw_chart({name.capitalize(): theme.lines for name, theme in found.items()}), encoding="utf-8"
        )
    return 1 if wrong else 0


def _found(name: str, size: Size) -> Theme:
    """Measure a theme, and tell it at once: what the others measure takes an hour, and one of them may fail."""
    try:
        theme: Theme = importlib.import_module(f"bench.{name}").theme(size)
    except CommandFailed as error:
        theme = Theme((), (f"{name}: {error}",))
    print(table(theme.lines), file=sys.stderr, flush=True)
    return theme


if __name__ == "__main__":
    sys.exit(main())
