"""A night of a large company on a small machine: ``python -m bench.night --customers 1000000``.

A simulated telephone company (eleven months of history: 95 events a customer) is loaded and a first model trained; then
some days are lived: what comes in is ingested, everybody is scored, the day is decided within budget and holdouts,
measured and reported. Every step is a command of its own, under a limit of memory and cores that the operating system
enforces. The company itself lives outside the limit. The result is printed as a table; it is wrong (exit code 1) when
a step fails. Nothing is kept but with ``--folder``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bench.limits import Limit, Spent, limited
from bench.measuring import say
from bench.telephone import Telephone, found


@dataclass(frozen=True)
class Step:
    """One step and what it cost."""

    what: str
    spent: Spent


def main() -> int:
    """Live the days, print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.night", description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000, help="at the start (default: a million)")
    parser.add_argument("--days", type=int, default=3, help="days that are lived after the history (default: 3)")
    parser.add_argument("--megabytes", type=int, default=4096, help="memory of a step (default: 4096)")
    parser.add_argument("--cores", type=int, default=2, help="cores of a step (default: 2)")
    parser.add_argument("--folder", type=Path, help="where to work and leave everything (default: a temporary folder)")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="holdback-night-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with limited(given.megabytes, given.cores) as limit:
            steps, events = live(folder, given.customers, given.days, limit)
            print(table(steps, given.customers, events, limit))
    finally:
        if given.folder is None:
            shutil.rmtree(folder)
    return 1 if any(step.spent.exit_code for step in steps) else 0


def live(folder: Path, customers: int, days: int, limit: Limit) -> tuple[list[Step], int]:
    """Load the past, train, live the days; stop at the first step that fails.

    Returns:
        The steps, and how many rows of history there are.
    """
    lived = found(folder, customers, threads=limit.cores)
    events = lived.write_past()
    steps: list[Step] = []
    for what, command in _commands(lived, days):
        say(f"{what} ...")
        spent = limit.run(command, environment=lived.environment, cwd=folder)
        (folder / "answers").mkdir(exist_ok=True)
        (folder / "answers" / f"{len(steps):02} {what}.txt").write_text(spent.output, encoding="utf-8")
        say(f"{what}: {spent.wall_seconds:,.0f} s, {spent.cpu_seconds:,.0f} s of CPU, {spent.peak_megabytes:,.0f} MB")
        steps.append(Step(what, spent))
        if spent.exit_code:
            print(f"{what}: exit code {spent.exit_code}\n{spent.output[-4000:]}", file=sys.stderr)
            break
    return steps, events


def _commands(lived: Telephone, days: int) -> Iterator[tuple[str, list[str]]]:
    """The steps in order; between them the company lives its days."""
    yield from lived.prepared_by()
    for number in range(days):
        at = ("--as-of", (lived.first + timedelta(days=number)).isoformat())
        yield f"day {number + 1}: ingest", lived.command("ingest", *at)
        yield f"day {number + 1}: score", lived.command("score", *at)
        yield f"day {number + 1}: triggers, decide, deliver", lived.command("decide", "--past", *at)
        yield f"day {number + 1}: measure", lived.command("campaign", "measure", *at)
        yield f"day {number + 1}: report and site", lived.command("report", *at)
        lived.live_a_day()


def table(steps: list[Step], customers: int, events: int, limit: Limit) -> str:
    """The result as a Markdown table."""
    rows = [("step", "wall", "CPU", "peak memory", "")]
    rows += [("---",) * 5]
    for step in steps:
        spent = step.spent
        said = "" if not spent.exit_code else f"exit code {spent.exit_code}"
        rows.append(
            (
                step.what,
                f"{spent.wall_seconds:,.0f} s",
                f"{spent.cpu_seconds:,.0f} s",
                f"{spent.peak_megabytes:,.0f} MB",
                said,
            )
        )
    lines = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    nights = [step.spent for step in steps if step.what.startswith("day ")]
    days = len({step.what.split(":")[0] for step in steps if step.what.startswith("day ")})
    summary = (
        f"A night: {sum(s.wall_seconds for s in nights) / max(days, 1) / 60:,.0f} minutes, "
        f"{sum(s.cpu_seconds for s in nights) / max(days, 1):,.0f} s of CPU on average of {days} days."
    )
    return f"{customers:,} customers, {events / 1e6:.1f} M events; {limit.says}.\n\n{lines}\n\n{summary}\n"


if __name__ == "__main__":
    sys.exit(main())
