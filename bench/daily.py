"""A day of a company, all of it: the CPU time of one ``holdback daily`` against what the other promises allow its work.

A simulated telephone company (``bench/telephone.py``) of 100,000 customers, or of BENCH_CUSTOMERS; its past is loaded
and its model trained once. The first day is lived and left out: it draws every holdout and learns what customers are
worth; what the site asks once a week falls on it too, a Monday. The days after it, Tuesday to Saturday, are measured;
their median counts. What they are allowed, each with the size of this company:

* starting: 0.4 s;
* validation and the split of the day's rows: three times a quarter of what Great Expectations on pandas needs for a
  file of as many rows, measured beside it;
* describing everybody: five times a bare scan of the columns that the features read, measured beside it after each
  day; once for each churn definition, and once for what customers are worth on a day that asks anew;
* probabilities, a tenth of describing; reasons, ten times as much, for each churn definition;
* deciding 60 s, reading outcomes 10 s, asking the triggers 30 s for a million customers.

Nothing is allowed for what the table promises nothing of: the ledger, the report, the figures, the site, Prefect.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bench.measuring import Measured, Size, measure, task
from bench.peers import NotInstalled, python_of
from bench.reporting import Line, Theme
from bench.telephone import Telephone, found
from bench.validation import PEER

CUSTOMERS = 100_000
_GOAL = 2
STEPS = (
    "ingest_daily", "score_daily", "triggers", "reconcile", "measure", "decide_daily", "deliver", "record_daily",
    "report", "portal",
)  # fmt: skip


@dataclass(frozen=True)
class Allowed:
    """What the promises allow one day, in CPU seconds.

    Args:
        customers: How many were described.
        scan_seconds: A bare scan of what the features read.
        pandas_seconds: Great Expectations on pandas for as many rows as came in.
        definitions: Churn definitions that were scored.
        valuations: 1 when it was asked anew what customers are worth, else 0.
    """

    customers: int
    scan_seconds: float
    pandas_seconds: float
    definitions: int
    valuations: int

    @property
    def seconds(self) -> float:
        """The sum; see the module's text."""
        describing = 5 * self.scan_seconds
        probabilities = 0.1 * describing
        models = describing * (self.definitions + self.valuations)
        models += (probabilities + 10 * probabilities) * self.definitions + probabilities * self.valuations
        return 0.4 + 3 / 4 * self.pandas_seconds + models + (60 + 10 + 30) * self.customers / 1_000_000


def theme(size: Size) -> Theme:
    """Live a week, and measure its days."""
    what = "`daily`, all steps, against the sum of what the promises allow its work"
    if size.is_quick:
        return Theme((Line(what, "not in a quick run: the company's past takes minutes", f"at most {_GOAL} x", None),))
    customers = int(os.environ.get("BENCH_CUSTOMERS", str(CUSTOMERS)))
    with tempfile.TemporaryDirectory(prefix="holdback-bench-") as folder:
        try:
            peer = python_of("frame_validation")
        except NotInstalled as error:
            return Theme((Line(what, str(error), f"at most {_GOAL} x", None),))
        lived = found(Path(folder), customers, threads=2)
        lived.write_past()
        for step, command in lived.prepared_by():
            measure(command, runs=1, label=step, environment=lived.environment)
        days = [_day(lived, number, peer) for number in range(1 + size.runs)][1:]
    spent = statistics.median(measured.cpu_seconds for measured, _ in days)
    allowed = statistics.median(sum_.seconds for _, sum_ in days)
    peak = statistics.median(measured.peak_megabytes for measured, _ in days)
    told = f"{spent / allowed:.2f} x ({spent:.0f} s / {allowed:.0f} s of CPU; {peak:,.0f} MB)"
    named = what.replace("`daily`", f"`daily` for {customers:,} customers")
    line = Line(named, told, f"at most {_GOAL} x", spent / allowed / _GOAL)
    return Theme(
        (line,), tuple(fault for measured, _ in days for fault in faults(by_flow(json.loads(measured.output))))
    )


def _day(lived: Telephone, number: int, peer: str) -> tuple[Measured, Allowed]:
    """Live one day; return what it cost, and what it may cost."""
    day = lived.first + timedelta(days=number)
    daily = lived.command("daily", "--past", "--as-of", day.isoformat())
    spent = measure(daily, runs=1, label=f"daily {day}", environment=lived.environment)
    scan = measure(task("daily", day), runs=1, label=f"a bare scan of {day}", environment=lived.environment)
    receipts = by_flow(json.loads(spent.output))
    folder = lived.folder / "receipts"
    folder.mkdir(exist_ok=True)
    new = [batch for one in receipts["ingest_daily"] for batch in one["batches"] if not batch["was_known_already"]]
    rows = max(1, sum(batch["offered"] for batch in new))
    measure(task("receipts", "write", folder, rows), runs=1, label="writing receipts")
    pandas = measure([peer, str(PEER), str(folder)], runs=1, label=f"{rows:,} rows on pandas")
    lived.live_a_day()
    valued = [one for one in receipts.get("value_daily", []) if not one.get("was_valued_already", True)]
    described = max((one.get("customer_count", 0) for one in receipts["score_daily"]), default=0)
    return spent, Allowed(described, scan.cpu_seconds, pandas.cpu_seconds, len(receipts["score_daily"]), len(valued))


def by_flow(outcomes: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Return what ``holdback daily --json`` printed, by flow."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for outcome in outcomes:
        found.setdefault(outcome["flow"], []).append(outcome["receipt"])
    return found


def faults(receipts: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """Say which step of a day was not done, or lost a row or a customer."""
    for flow in STEPS:
        for receipt in receipts.get(flow, [{"waits": "it was not asked"}]):
            if receipt.get("waits"):
                yield f"daily: {flow} was not done: {receipt['waits']}"
    for one in receipts.get("ingest_daily", ()):
        for batch in one.get("batches", ()):
            if batch["offered"] != batch["clean"] + batch["quarantined"]:
                yield f"daily: {batch['source']}: {batch['offered']} rows offered, not as many accounted for"
    for one in receipts.get("score_daily", ()):
        counts = [one.get(f"{tier}_count", 0) for tier in ("high", "medium", "low")]
        if not sum(counts) == one.get("customer_count", 0) > 0:
            yield f"daily: {one.get('customer_count')} customers, in tiers {counts}"
    for one in receipts.get("decide_daily", ()):
        if one.get("spent_cents", 0) > one.get("budget_cents", 0):
            yield f"daily: {one['spent_cents']} cents were spent of {one['budget_cents']}"


def scan(day: date) -> int:
    """Read the columns that the day's features read, of all rows before the day, with the cheapest aggregate."""
    from features.clocks import Clock
    from features.compiler import compile_features
    from features.families import feature_set
    from flows import settings

    workspace = settings.open_workspace(None)
    company, lake = workspace.business, workspace.warehouse
    clock, rows = Clock.of(company, day), 0
    read = set(re.findall(r"\w+", " ".join(compile_features(feature_set(company), clock).values())))
    for name, feed in company.feeds.items():
        mapped = [column for column in feed.mapped_columns if column.name in read]
        sums = [f"{'sum' if c.type in ('money', 'integer', 'number') else 'max'}({c.name}) as {c.name}" for c in mapped]
        listed = ", ".join([*sums, "max(loaded_at) as loaded_at", "count(*) as counted"])
        rows += lake.query(f"select {listed} from {name} where event_at < {clock.now}")["counted"][0].as_py()
    return rows


if __name__ == "__main__":
    print(scan(date.fromisoformat(sys.argv[1])))
