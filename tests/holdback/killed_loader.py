"""Run a loader that is killed: `python -m tests.holdback.killed_loader SCENARIO FOLDER...`.

One process imports everything, then forks a child for each folder; the child loads and sends itself SIGKILL at the n-th
step. Prints, one line per folder, the step at which the child died, or `finished`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from holdback.ingest import ingest
from holdback.quarantine import release
from tests.holdback.shop import AS_OF, make_workspace, order, write_csv

KEYED: dict[str, Any] = {"key": "order_id"}
FIRST = [order(1), order(2), order(3, customer=""), order(4, amount="x")]
SECOND = [order(1), order(2, amount="5"), order(5), order(6, amount="x"), ["broken"]]


def prepare(folder: Path) -> None:
    """The state before the kill: one batch is loaded, a second waits that corrects it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = write_csv(folder / "orders" / "a.csv", FIRST)
    ingest(make_workspace(folder, **KEYED), AS_OF)
    write_csv(path.with_name("b.csv"), SECOND)


def load_second(folder: Path, checkpoint: Callable[[str], None]) -> None:
    """What is killed: loading the second batch."""
    ingest(make_workspace(folder, **KEYED), AS_OF + timedelta(days=1), checkpoint=checkpoint)


def release_first(folder: Path, checkpoint: Callable[[str], None]) -> None:
    """What is killed: releasing a row of the first batch by a mended business file."""
    workspace = make_workspace(folder, **KEYED, columns=MENDED)
    batch_id = workspace.warehouse.query("select batch_id from batches where source = 'a.csv'")["batch_id"][0].as_py()
    release(workspace, batch_id, as_of=AS_OF + timedelta(days=1), checkpoint=checkpoint)


#: The customer is taken from the order's number when the customer column is empty.
MENDED = {"customer_id": "order", "event_at": "at", "amount": "amount", "order_id": "order", "category": "kind"}
SCENARIOS = {"load": load_second, "release": release_first}


class _Stopper:
    def __init__(self, at: int) -> None:
        self.at, self.steps = at, 0

    def __call__(self, step: str) -> None:
        if self.steps == self.at:
            sys.stdout.write(f"{step}\n")
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        self.steps += 1


def main() -> None:
    """Kill one child per folder, each a step later than the one before."""
    import deltalake  # noqa: F401 -- imported once for all children
    import duckdb  # noqa: F401
    import great_expectations.expectations  # noqa: F401

    scenario = SCENARIOS[sys.argv[1]]
    for step, folder in enumerate(sys.argv[2:]):
        child = os.fork()
        if child == 0:
            scenario(Path(folder), _Stopper(step))
            sys.stdout.write("finished\n")
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
