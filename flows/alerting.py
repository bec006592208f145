"""The step that raises the day's alerts and tells them; it can be done again and again, and tells each thing once."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime

from flows import settings
from flows.runs import Outcome, Receipt, once, reap_the_dead, receipt_of
from flows.watching import tell
from holdback.workspace import Workspace

FLOW = "alerts"


def alert_step(
    workspace: Workspace, as_of: date, *, now: datetime | None = None, wait_seconds: float = 0
) -> Outcome:  # fmt: skip
    """Ask every rule about the day, write down what happened, and tell who must know. The day's metrics come before it.

    A channel that cannot be reached fails nothing: the receipt names it, and the next run tells it.

    ``now`` is for those who live a day that has passed, and give its morning.
    """
    from monitoring.alerts import raise_alerts

    done: list[bool] = []

    def work() -> Receipt:
        reap_the_dead(workspace)  # what a killed run left behind has failed, and nothing else says so
        found = raise_alerts(
            workspace, as_of, now=now or settings.now(), environment=workspace.environment, progress=tell
        )
        done.append(found.did_nothing)
        return receipt_of(found)

    outcome = once(FLOW, workspace, as_of, work, wait_seconds=wait_seconds)
    return dataclasses.replace(outcome, was_done_already=all(done))
