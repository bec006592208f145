"""Raise a day's alerts and die, without a word, before or after the n-th thing that lasts or leaves.

python -m tests.monitoring.alerts.killed_alerts URL FOLDER:N ...    (0: live)

One process per folder, all at the same time, each with a parent that has loaded everything and touched nothing: loading
costs a second, and what DuckDB has begun cannot be forked. How each of them ended is printed.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from holdback.business import load_business
from holdback.warehouse import Lake
from holdback.workspace import Workspace
from monitoring.alerts import channels
from tests.monitoring.alerts.world import MONDAY, alerted


def die_before(n: int) -> None:
    """Kill this process before or after the n-th append to a table or message to a channel."""
    seen = 0

    def step() -> None:
        nonlocal seen
        seen += 1
        if seen == n:
            os.kill(os.getpid(), signal.SIGKILL)

    append, post = Lake.append, channels.post

    def counted_append(self: Lake, *arguments: object, **named: object) -> object:
        step()
        done = append(self, *arguments, **named)  # type: ignore[arg-type]
        step()
        return done

    def counted_post(*arguments: object, **named: object) -> object:
        step()
        done = post(*arguments, **named)  # type: ignore[arg-type]
        step()
        return done

    Lake.append = counted_append  # type: ignore[method-assign, assignment]
    channels.post = counted_post  # type: ignore[assignment]


def alert_and_die(folder: Path, url: str, n: int) -> None:
    """Raise the alerts of the day, and die at the n-th moment; 0 lives."""
    if n:
        die_before(n)
    shop = Workspace(folder / ".holdback", load_business(folder / "business.yaml"), threads=1)
    alerted(shop, MONDAY, HOOK=url, KEY="k")


if __name__ == "__main__":
    begun = []
    for told in sys.argv[2:]:
        folder, _, n = told.rpartition(":")
        child = os.fork()
        if child == 0:
            alert_and_die(Path(folder), f"{sys.argv[1]}&run={n}", int(n))
            os._exit(0)
        begun.append(child)
    print(*(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in begun))
