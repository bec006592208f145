"""Live the day of a company in PostgreSQL in processes that die: `python -m tests.flows.killed_on_postgres URL HOOK`.

One process imports everything, then forks a child for each line `FOLDER DATABASE STEPS MOMENT` on stdin. The child
dies, by SIGKILL, at the n-th moment: before or after each statement, end of a transaction, rename, sync and call. 0
lets it live. One line on stdout for each: `killed`, or `finished` with the number of moments that it saw.
"""

from __future__ import annotations

import http.client
import importlib
import os
import signal
import sys
from datetime import datetime, timedelta
from pathlib import Path

from flows import settings, steps
from holdback.business import Business
from holdback.business.deciding import Webhook
from holdback.workspace import Workspace
from tests.chaos.deaths import Moments
from tests.flows.killed_decider import TODAY, business

STEPS = {"reconcile": steps.reconcile_step, "decide": steps.decide_step, "deliver": steps.deliver_step}


def with_hook() -> Business:
    """The company, which calls somebody for each contact."""
    company = business()
    hook = Webhook(url="$HOOK", secret="$KEY")
    return company.model_copy(update={"delivery": company.delivery.model_copy(update={"webhook": hook})})


def open_there(folder: Path, database: str, hook: str) -> Workspace:
    """The company on this machine, with its tables in a database."""
    environment = {"HOOK": hook, "KEY": "k"}
    return Workspace(folder, with_hook(), environment=environment, threads=1, database_url=database)


def ten_o_clock() -> datetime:
    """When the day is lived: contacts may go out."""
    return business().instant(TODAY) + timedelta(hours=10)


def watch(deadly: int) -> Moments:
    """Count moments from now on, and die at one of them."""
    import psycopg

    moments = Moments(deadly)
    watched = (
        (os, ("replace", "rename", "fsync")),
        (psycopg.Connection, ("execute",)),
        (psycopg.Cursor, ("copy",)),
        (psycopg.Transaction, ("__exit__",)),
        (http.client.HTTPConnection, ("request", "getresponse")),
    )
    for owner, names in watched:
        for name in names:
            setattr(owner, name, moments.around(name, getattr(owner, name)))
    return moments


def _live(folder: str, database: str, names: str, moment: int, hook: str) -> None:
    vars(settings)["now"] = ten_o_clock
    moments = watch(moment)
    workspace = open_there(Path(folder), database, hook)
    for name in names.split(","):
        STEPS[name](workspace, TODAY, wait_seconds=60)
    sys.stdout.write(f"finished {len(moments.seen)}\n")
    sys.stdout.flush()
    os._exit(0)


def main() -> None:
    """Fork and wait, for each line."""
    for name in ("duckdb", "psycopg", "sqlalchemy", "features.families", "campaigns.decisions", "campaigns.delivery",
                 "campaigns.reconciliation"):  # fmt: skip
        importlib.import_module(name)
    for line in sys.stdin:
        folder, database, names, moment = line.split()
        child = os.fork()
        if child == 0:
            try:
                _live(folder, database, names, int(moment), sys.argv[1])
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            sys.stdout.write("killed\n")
            sys.stdout.flush()
        elif status != 0:
            sys.exit(f"the child in {folder} failed with {status}")


if __name__ == "__main__":
    main()
