"""Decide days in processes that are killed: `python -m tests.flows.killed_decider MOMENT:FOLDER...`.

One process imports everything, then forks a child for each folder in turn. The child reconciles, decides and delivers
the day as a flow does. `MOMENT` is when it dies: `0.35s` after so many seconds, by SIGKILL; `0.35cpu` after so many
seconds of work, however busy the machine is, by a timer of the system that leaves it no last word either; `never`.
Prints one line per folder: `killed`, or `finished` with the seconds of work that it took.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

from flows.steps import decide_step, deliver_step, reconcile_step
from holdback.business import Business
from holdback.workspace import Workspace
from tests.campaigns.decisions.world import (
    AS_OF,
    Row,
    actions,
    company,
    contract,
    customer,
    launch_all,
    ledger,
    put,
    score,
)

YESTERDAY, TODAY = AS_OF, AS_OF + timedelta(days=1)
PEOPLE = [
    customer(
        f"c{i:03d}",
        household_id=f"h{i // 3}" if i % 5 == 0 else None,
        contact_key=f"k{i % 70}" if i % 4 == 0 else None,
        has_consent=i % 9 != 0,
        quiet=i % 31 == 0,
    )
    for i in range(150)
]
CAMPAIGNS: list[Row] = [
    {"name": "spring", "actions": ["call", "mail"], "horizon_days": 30, "audience": {"risk_tiers": ["high"]}},
    {"name": "summer", "actions": ["mail", "gift"], "horizon_days": 30, "budget_per_day": 40.0},
]


def business() -> Business:
    """The company, which has everything that a day can have but a server to send to."""
    return company(
        campaigns=CAMPAIGNS, actions=actions(call={"capacity_per_day": 12}, mail={"capacity_per_day": 25}),
        holdout={"global_share": 0.05, "campaign_share": 0.25, "explore_share": 0.2}, budget={"per_day": 90.0},
        delivery={"fields": {"phone": ["city", "age"]}},
    )  # fmt: skip


def open_company(root: Path) -> Workspace:
    """Yesterday was decided and delivered, and this morning the CRM told what became of it."""
    workspace = Workspace(root, business(), threads=1)
    names = [row["customer_id"] for row in PEOPLE]
    put(workspace, "customers", PEOPLE, batch="customers")
    put(workspace, "contracts", [contract(name, 5_000 + 400 * i) for i, name in enumerate(names)], batch="contracts")
    for day, shift in ((YESTERDAY, 0), (TODAY, 1)):
        rows = [score(name, (0.1, 0.3, 0.5)[(i + shift) % 3], on=day) for i, name in enumerate(names)]
        put(workspace, "scores", rows, batch=f"scores/{day}")
    launch_all(workspace, YESTERDAY)
    reconcile_step(workspace, YESTERDAY)
    decide_step(workspace, YESTERDAY)
    deliver_step(workspace, YESTERDAY)
    known = {"event_at": workspace.business.instant(YESTERDAY) + timedelta(hours=11),
             "loaded_at": workspace.business.instant(TODAY)}  # fmt: skip
    sent = [row for row in ledger(workspace, kind="decided", on=YESTERDAY) if row["action"] != "none"]
    outcomes = ("sent", "delivered", "opted_out", "bounced")
    told = [
        {"customer_id": row["customer_id"], "campaign": row["campaign"], "channel": row["channel"],
         "action": row["action"], "decision_id": row["entry_id"], "outcome": outcomes[i % 4], **known}
        for i, row in enumerate(sent)
    ]  # fmt: skip
    put(workspace, "sendings", told, batch="told")
    return workspace


def live_today(root: Path) -> None:
    """Do the day's work as a flow does."""
    workspace = Workspace(root, business(), threads=1)
    for step in (reconcile_step, decide_step, deliver_step):
        step(workspace, TODAY, wait_seconds=60)


def _live_and_tell(folder: str, cpu_seconds: float) -> None:
    before = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)  # nobody listens to SIGPROF, so that it ends the process
    live_today(Path(folder))
    signal.setitimer(signal.ITIMER_PROF, 0)
    sys.stdout.write(f"finished {time.process_time() - before:.3f}\n")
    sys.stdout.flush()
    os._exit(0)


def main() -> None:
    """Fork, kill and wait, one folder after the other."""
    # Imported once for all children; none of them makes a thread.
    for name in ("deltalake", "duckdb", "features.families", "campaigns.decisions", "campaigns.delivery"):
        importlib.import_module(name)

    for argument in sys.argv[1:]:
        moment, _, folder = argument.partition(":")
        child = os.fork()
        if child == 0:
            _live_and_tell(folder, float(moment.removesuffix("cpu")) if moment.endswith("cpu") else 0)
        if moment.endswith("s"):
            time.sleep(float(moment.removesuffix("s")))
            os.kill(child, signal.SIGKILL)  # a child that has finished waits to be asked after, and is not harmed
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            sys.stdout.write("killed\n")
            sys.stdout.flush()
        elif status != 0:
            sys.exit(f"the child in {folder} failed with {status}")


if __name__ == "__main__":
    main()
