"""Deliver a day and die, without a word, just before the n-th time that something would be made to last.

python -m tests.campaigns.delivery.killed_delivery FOLDER URL N
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from campaigns.delivery import Patience, deliver
from tests.campaigns.delivery.company import AS_OF, NOON, delivery, make_workspace


def die_before(n: int) -> None:
    """Kill this process before the n-th call that makes bytes lasting (fsync) or visible (rename)."""
    seen = 0
    for name in ("fsync", "replace", "rename"):
        original = getattr(os, name)

        def counted(*arguments: object, _original: object = original) -> object:
            nonlocal seen
            seen += 1
            if seen == n:
                os.kill(os.getpid(), signal.SIGKILL)
            return _original(*arguments)  # type: ignore[operator]

        setattr(os, name, counted)


if __name__ == "__main__":
    folder, url, n = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    company = make_workspace(
        folder,
        delivery=delivery(webhook={"url": "$HOOK", "secret": "$KEY"}),
        environment={"HOOK": url, "KEY": "k"},
    )
    die_before(n)
    deliver(company, AS_OF, now=NOON, wait=lambda _: None, patience=Patience(timeout_seconds=10))
