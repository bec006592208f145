"""A night of a large company on a small machine: ``python -m bench.night --customers 1000000``.

A simulated telephone company (eleven months of history: 95 events a customer) is loaded and a first model trained; then
some days are lived: what comes in is ingested, everybody is scored, the day is decided within budget and holdouts,
measured and reported. Every step is a command of its own, under a limit of memory and cores that the operating system
enforces. The company itself lives outside the limit. The result is printed as a table; it is wrong (exit code 1) when
a step fails. Nothing is kept but with ``--folder``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

from bench.__main__ import ROOT, say
from bench.limits import Limit, Spent, limited
from simulator import Company, open_company
from simulator.files import write_csv
from simulator.rows import Rows, as_table

STARTS_ON, FIRST_DAY = date(2024, 8, 1), date(2025, 7, 1)
CAMPAIGNS = ("save_calls", "loyalty_offers")
OF_THE_DEMO = 2_500  # customers: what the business file's capacities and budget are made for
_COMMAND = [sys.executable, "-c", "from flows.cli import main; main()"]


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
    files = folder / "files"
    business = folder / "business.yaml"
    business.write_text(yaml.safe_dump(_grown(customers / OF_THE_DEMO), allow_unicode=True), encoding="utf-8")
    environment = {
        **os.environ, "HOLDBACK_BUSINESS": str(business), "HOLDBACK_HOME": str(folder / "home"),
        "TELECOM_DAYS": str(files), "HOLDBACK_THREADS": str(limit.cores), "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    company = open_company("telecom", seed=20, customer_count=customers, starts_on=STARTS_ON)
    events = write_past(company, files)
    steps: list[Step] = []
    for what, command in _commands(company, files, folder, days):
        say(f"{what} ...")
        spent = limit.run([*_COMMAND, *command, "--json"], environment=environment, cwd=folder)
        (folder / "answers").mkdir(exist_ok=True)
        (folder / "answers" / f"{len(steps):02} {what}.txt").write_text(spent.output, encoding="utf-8")
        say(f"{what}: {spent.wall_seconds:,.0f} s, {spent.cpu_seconds:,.0f} s of CPU, {spent.peak_megabytes:,.0f} MB")
        steps.append(Step(what, spent))
        if spent.exit_code:
            print(f"{what}: exit code {spent.exit_code}\n{spent.output[-4000:]}", file=sys.stderr)
            break
    return steps, events


def write_past(company: Company, files: Path) -> int:
    """Play the history and write one file per feed and month; return how many rows were written."""
    rows, gathered = 0, dict[str, list[Rows]]()
    day = STARTS_ON
    while day < FIRST_DAY:
        company.play(day)
        for feed, parts in company.rows(day).items():
            if feed != "customers":
                gathered.setdefault(feed, []).extend(parts)
        following = day + timedelta(days=1)
        if following.month != day.month:
            say(f"playing the past: {day}")
            for feed, parts in gathered.items():
                table = as_table(company.files[feed], parts, company.people)
                rows += table.num_rows
                write_csv(table, files / feed / f"{day}.csv")
            gathered.clear()
        day = following
    company.crm.newsletter_until = company.played_until.toordinal()
    return rows


def _commands(company: Company, files: Path, folder: Path, days: int) -> Iterator[tuple[str, list[str]]]:
    """The steps in order; between them the company lives its days."""
    first = FIRST_DAY + timedelta(days=7 - FIRST_DAY.isoweekday() + 1)  # a Monday: the customers' file came on Sunday
    while company.played_until < first - timedelta(days=1):
        _play(company, files)
    day = ["--as-of", first.isoformat()]
    yield "the past is ingested", ["ingest", "--history", *day]
    yield "a first model is trained", ["retrain", "--churn", "cancelled", *day]
    for campaign in CAMPAIGNS:
        yield (
            f"{campaign} is launched",
            ["campaign", "launch", campaign, *day, "--force", "measured for its cost alone"],
        )
    for number in range(days):
        today = first + timedelta(days=number)
        at = ["--as-of", today.isoformat()]
        yield f"day {number + 1}: ingest", ["ingest", *at]
        yield f"day {number + 1}: score", ["score", *at]
        yield f"day {number + 1}: triggers, decide, deliver", ["decide", "--past", *at]
        yield f"day {number + 1}: measure", ["campaign", "measure", *at]
        yield f"day {number + 1}: report and site", ["report", *at]
        _play(company, files, folder / "home" / "telecom" / "outbox")


def _play(company: Company, files: Path, outbox: Path | None = None) -> None:
    day = company.played_until + timedelta(days=1)
    company.play(day, company.take_contacts(outbox, day) if outbox is not None else ())
    company.write_day(files, day)


def _grown(factor: float) -> Mapping[str, Any]:
    """The demo's business file with capacities, budget and expectations for a company ``factor`` times as large."""
    business = yaml.safe_load((ROOT / "businesses" / "telecom.yaml").read_text(encoding="utf-8"))
    for action in business["actions"]:
        if "capacity_per_day" in action:
            action["capacity_per_day"] = max(1, round(action["capacity_per_day"] * factor))
    for trigger in business["triggers"]:
        trigger["expected_per_day"] = trigger["expected_per_day"] * factor
    business["budget"]["per_day"] = business["budget"]["per_day"] * factor
    return dict(business)


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
