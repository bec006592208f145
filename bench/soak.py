"""A year in one process: ``python -m bench.soak --days 365``.

One simulated business is lived day after day by one process, as a worker that is never restarted would: ingest, score,
triggers, decide, deliver, measure, record, alerts, retention, and on Mondays the report and the site. Memory, open
files, threads and CPU seconds are taken each day. The last quarter is held against the second month (the first fills
caches and the campaigns): memory, open files or CPU per day that grew by more than a tenth are a fault, and the exit
code is 1.

What a day reads must not grow either: the company keeps its rows as long as Holdback needs them (the section
``retention``), and has a past of that length when the year begins. The ledger and what tells of each day stay for ever.

The year passes in half an hour: what a table's log keeps for thirty days by its files' times is made a day older each
day. Nothing else grows old: files of which a table no longer consists stay for the year, and what its log says of them.

A second of CPU is not the same in every hour of a shared machine: a fixed piece of work is done each day as well, and
the CPU of a day is counted in pieces of it.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import yaml

from bench.measuring import ROOT, say
from flows import settings, steps
from flows.alerting import alert_step
from flows.forgetting.retention import retention_step
from flows.publication import portal_step
from flows.running import hush_vendors
from holdback.workspace import Workspace
from simulator import Company, open_company

STARTS_ON, FIRST_DAY = date(2023, 9, 4), date(2025, 1, 6)
#: Days that rows are kept: features look back a year from days of which the outcome must be known.
_ROLES = dict.fromkeys(("subscriptions", "interactions", "campaign_contacts", "usage", "feedback"), 460)
RETENTION = {
    "roles": _ROLES, "landing": 60, "quarantine": 60, "outbox": 90, "features": 120, "scores": 400, "reports": 90,
    "logs": 30,
}  # fmt: skip
CAMPAIGNS = ("save_calls", "loyalty_offers")
GROWTH_LIMIT = 1.10
_OPENS = timedelta(hours=8)


@dataclass(frozen=True)
class Lived:
    """What the process held at the end of a day, and what the day cost."""

    day: date
    cpu_seconds: float
    yardstick_seconds: float
    megabytes: float
    open_files: int
    threads: int
    files: int
    steps: Mapping[str, float]


def main() -> int:
    """Live the days, print how things stood month by month and whether anything grew."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--days", type=int, default=365, help="days to live (default: 365)")
    parser.add_argument("--customers", type=int, default=1_200, help="of the company (default: 1,200)")
    given = parser.parse_args()
    if given.days < 90:
        parser.error("--days: at least 90; the second month is held against the last quarter.")
    with tempfile.TemporaryDirectory(prefix="holdback-soak-") as folder:
        lived = live(Path(folder), given.customers, given.days)
    print(table(lived))
    print("CPU seconds of each step (last quarter / second month): " + "; ".join(by_step(lived)))
    grown = growth(lived)
    for what, ratio in grown.items():
        print(f"{what}: {ratio:.2f} x the second month's {'(limit 1.10)' if ratio <= GROWTH_LIMIT else 'GREW'}")
    return 1 if any(ratio > GROWTH_LIMIT for ratio in grown.values()) else 0


def live(folder: Path, customers: int, days: int) -> list[Lived]:
    """Live the company's days in this process."""
    os.environ.update(HOLDBACK_HOME=str(folder / "home"), TELECOM_DAYS=str(folder / "files"))
    settings.prepare_vendors()
    hush_vendors()
    workspace = settings.open_workspace(business_in(folder))
    company = open_company("telecom", seed=11, customer_count=customers, starts_on=STARTS_ON)
    company.write_history(folder / "files", FIRST_DAY - timedelta(days=1))
    steps.ingest_step(workspace, FIRST_DAY, history=True)
    steps.retrain_step(workspace, FIRST_DAY)
    put_in_office(workspace)
    launch_campaigns(workspace)
    lived = []
    for number in range(days):
        day = FIRST_DAY + timedelta(days=number)
        parts = live_day(workspace, day)
        spent = sum(parts.values())
        play(company, workspace, folder / "files", day)
        grow_older(workspace.warehouse.root)
        gc.collect()
        lived.append(
            Lived(
                day, spent, yardstick(), resident_megabytes(), open_files(), threading.active_count(),
                files_in(folder), parts,
            )
        )  # fmt: skip
        if number % 10 == 9:
            say(f"{day}: {spent:.1f} s of CPU, {lived[-1].megabytes:,.0f} MB, {lived[-1].open_files} open files")
    return lived


def business_in(folder: Path) -> Path:
    """Write the telephone company's business file with periods for which rows are kept."""
    content = yaml.safe_load((ROOT / "businesses" / "telecom.yaml").read_text(encoding="utf-8"))
    path = folder / "telecom.yaml"
    path.write_text(yaml.safe_dump(content | {"retention": RETENTION}, allow_unicode=True), encoding="utf-8")
    return path


def put_in_office(workspace: Workspace) -> None:
    """Have a model in office though the gate finds it worth nothing: of few customers little can be learned."""
    from training.registry import champion_model, promote_by_hand

    for churn in workspace.business.churn:
        if champion_model(workspace, churn.name) is None:
            promote_by_hand(workspace, churn.name, "1", FIRST_DAY)


def launch_campaigns(workspace: Workspace) -> None:
    """Put the campaigns in force, whatever can be read of so few customers."""
    from campaigns.designs import launch

    for campaign in CAMPAIGNS:
        launch(workspace, campaign, FIRST_DAY, force_reason="a year in one process is watched")


def live_day(workspace: Workspace, day: date) -> dict[str, float]:
    """All that ``holdback daily`` does, without Prefect; reports and the site on Mondays.

    Returns:
        CPU seconds of each step.
    """
    opens = workspace.business.instant(day) + _OPENS
    todo: dict[str, Callable[[], object]] = {
        "ingest": lambda: steps.ingest_step(workspace, day),
        "score": lambda: steps.score_step(workspace, day),
        "value": lambda: steps.value_step(workspace, day),
        "triggers": lambda: steps.fire_step(workspace, day),
        "segments": lambda: steps.segment_step(workspace, day),
        "reconcile": lambda: steps.reconcile_step(workspace, day),
        "measure": lambda: steps.measure_step(workspace, day),
        "uplift": lambda: steps.uplift_step(workspace, day),
        "decide": lambda: steps.decide_step(workspace, day),
        "deliver": lambda: steps.deliver_step(workspace, day, now=opens),
        "record": lambda: steps.record_step(workspace, day),
        "alerts": lambda: alert_step(workspace, day),
    }
    if day.weekday() == 0:
        todo["report"] = lambda: steps.report_step(workspace, day)
        todo["site"] = lambda: portal_step(workspace, day)
    todo["retention"] = lambda: retention_step(workspace, day)
    spent = {}
    for name, step in todo.items():
        began = time.process_time()
        step()
        spent[name] = time.process_time() - began
    return spent


def yardstick() -> float:
    """CPU seconds of a fixed piece of work of the kind that a day is made of: rows in DuckDB, objects in Python."""
    import duckdb

    began = time.process_time()
    with duckdb.connect(config={"threads": 1}) as connection:
        counted = "select i % 997 as k, sum(hash(i) % 100) as s from range(1_500_000) t(i) group by k order by s"
        connection.sql(counted).fetchall()
    told = {f"c-{number:07d}": {"number": number, "text": str(number)} for number in range(60_000)}
    sorted(told, key=lambda name: told[name]["text"])
    return time.process_time() - began


def play(company: Company, workspace: Workspace, files: Path, day: date) -> None:
    """Let the day happen to the company, with what was decided."""
    company.play(day, company.take_contacts(workspace.outbox, day))
    company.write_day(files, day)


def grow_older(tables: Path) -> None:
    """Make the logs of tables a day older, but for the newest commit, which readers know by its time."""
    for log in tables.glob("*/_delta_log"):
        newest = max(log.glob("*.json"))
        for path in log.iterdir():
            if path != newest:
                then = path.stat()
                os.utime(path, ns=(then.st_atime_ns, then.st_mtime_ns - 86_400 * 10**9))


def resident_megabytes() -> float:
    """Memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def open_files() -> int:
    """Files, sockets and pipes that this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def files_in(folder: Path) -> int:
    """Files on the disk."""
    return sum(len(names) for _, _, names in os.walk(folder))


def growth(lived: Sequence[Lived]) -> dict[str, float]:
    """The last quarter's medians over the second month's; days with a report are not held against days without."""
    early, late = _compared([day for day in lived if day.day.weekday() != 0])

    def ratio(name: str) -> float:
        return statistics.median(getattr(day, name) for day in late) / statistics.median(
            getattr(day, name) for day in early
        )

    found = {name: ratio(name) for name in ("megabytes", "open_files", "threads")}
    return {"CPU of a day, in pieces of fixed work": ratio("cpu_seconds") / ratio("yardstick_seconds"), **found}


def by_step(lived: Sequence[Lived]) -> list[str]:
    """Medians of each step, late and early: where a growth comes from."""
    told = []
    for name in dict.fromkeys(name for day in lived for name in day.steps):
        early, late = (
            statistics.median(day.steps[name] for day in part)
            for part in _compared([day for day in lived if name in day.steps])
        )
        told.append(f"{name} {late:.2f} / {early:.2f}")
    return told


def _compared(days: Sequence[Lived]) -> tuple[list[Lived], list[Lived]]:
    """The days of the second month, and those of the last quarter."""
    early = [day for day in days if 30 <= (day.day - FIRST_DAY).days < 60]
    return early, list(days[-(len(days) // 4) :])


def table(lived: Sequence[Lived]) -> str:
    """Medians by month of the run, as a Markdown table."""
    named = ("days", "CPU s a day", "fixed work, CPU s", "memory, MB", "open files", "threads", "files on disk")
    rows = [named, ("---",) * len(named)]
    for start in range(0, len(lived), 30):
        part = lived[start : start + 30]
        medians = [
            statistics.median(getattr(day, name) for day in part)
            for name in ("cpu_seconds", "yardstick_seconds", "megabytes")
        ]
        last = part[-1]
        rows.append(
            (
                f"{start + 1} to {start + len(part)}",
                f"{medians[0]:.2f}",
                f"{medians[1]:.2f}",
                f"{medians[2]:,.0f}",
                f"{last.open_files}",
                f"{last.threads}",
                f"{last.files:,}",
            )
        )
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


if __name__ == "__main__":
    sys.exit(main())
