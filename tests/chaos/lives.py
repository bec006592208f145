"""What a process does with its life: the steps of a day, in the order in which the flow does them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import partial
from itertools import chain, cycle, repeat
from typing import Any, Final

from flows import settings, steps
from flows.alerting import alert_step
from flows.publication import portal_step
from holdback.workspace import Workspace
from tests.chaos.company import morning

_WAIT = 120.0
_TO_AND_FRO = 3


def _retrain(workspace: Workspace, day: date) -> object:
    return steps.retrain_step(workspace, day, wait_seconds=_WAIT)


def _values(workspace: Workspace, day: date) -> object:
    first = steps.first_value_step(workspace, day, wait_seconds=_WAIT)
    return first, steps.value_step(workspace, day, wait_seconds=_WAIT)


def _triggers(workspace: Workspace, day: date) -> object:
    return (
        steps.fire_step(workspace, day, wait_seconds=_WAIT),
        steps.segment_step(workspace, day, wait_seconds=_WAIT),
    )


def _hourly(workspace: Workspace, day: date) -> object:
    """As the flow of each hour: what came in since, and who must be called for it."""
    seen_at = morning(workspace.business, day)
    return (
        steps.ingest_step(workspace, day, seen_at=seen_at, wait_seconds=_WAIT),
        steps.fire_step(workspace, day, seen_at=seen_at, wait_seconds=_WAIT),
    )


def _plain(step: Callable[..., object]) -> Callable[[Workspace, date], object]:
    return lambda workspace, day: step(workspace, day, wait_seconds=_WAIT)


#: Every step by its name here, in the order of a day; ``history`` and ``retrain`` come before its
#: first day, ``hourly`` beside it.
STEPS: Final[dict[str, Callable[[Workspace, date], object]]] = {
    "history": _plain(partial(steps.ingest_step, history=True)),
    "retrain": _retrain,
    "ingest": _plain(steps.ingest_step),
    "score": _plain(steps.score_step),
    "values": _values,
    "triggers": _triggers,
    "reconcile": _plain(steps.reconcile_step),
    "measure": _plain(steps.measure_step),
    "decide": _plain(steps.decide_step),
    "deliver": _plain(steps.deliver_step),
    "record": _plain(steps.record_step),
    "alerts": _plain(alert_step),
    "report": _plain(steps.report_step),
    "portal": _plain(portal_step),
    "hourly": _hourly,
}
DAY: Final = tuple(name for name in STEPS if name not in ("history", "retrain", "hourly"))


def live(workspace: Workspace, day: date, names: Sequence[str], *, clock: Sequence[float] = (0.0,)) -> None:
    """Do some steps of a day, on its morning; small tables are sorted often, so that sorting is disturbed too.

    Args:
        workspace: Where.
        day: The day.
        names: The steps.
        clock: Seconds by which the clock is wrong at each look at it; the last one holds from then on, and three
            follow each other for ever.
    """
    looks = cycle(clock) if len(clock) == _TO_AND_FRO else chain(clock[:-1], repeat(clock[-1]))
    vars(settings)["now"] = lambda: morning(workspace.business, day) + timedelta(seconds=next(looks))
    vars(steps)["_FEW_FILES"] = 2
    for name in names:
        STEPS[name](workspace, day)


def others() -> dict[str, Callable[..., Any]]:
    """What is done by hand, and not by the flow: by its name here."""
    from campaigns.designs import launch
    from training.registry import promote_by_hand

    return {
        "launch": lambda workspace, day, name: launch(workspace, name, day, force_reason="a test of faults only"),
        "promote": lambda workspace, day, version: promote_by_hand(workspace, "cancelled", version, day),
    }
