"""Triggers that earn nothing are retired: their campaign is halted, and only a person can bring it back."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from campaigns.designs import halt, resumed_on
from campaigns.ledger import newest_day
from holdback.workspace import Workspace
from monitoring.measurement.metrics import DECISION
from monitoring.measurement.questions import Question
from monitoring.measurement.readings import EVERYBODY, Figure, Reading

#: Who retires, in the ledger.
RETIRER: Final = "value monitor"


def retired(workspace: Workspace, question: Question, reading: Reading) -> Reading:
    """Halt the campaign of a trigger whose measured margin stays at or below zero.

    That is so when its planned reading found a margin of zero or less, whatever the interval: it was given its chance,
    and nothing speaks for paying on. Before that day only an interval that lies wholly at or below zero retires it, and
    that interval holds on all days at once. What a person resumed is not retired again.
    """
    standing, campaign = question.standing, question.campaign
    if standing is not None and (standing.state, standing.by, standing.since) == ("halted", RETIRER, reading.as_of):
        return replace(reading, was_retired=True)  # by a measurement of this day that did not come to its end
    if standing is None or standing.state != "in force" or campaign is None or campaign.trigger is None:
        return reading
    reason = next(filter(None, map(_reason, reading.figures)), None)
    newest = newest_day(workspace.warehouse)
    if reason is None or (newest is not None and newest > reading.as_of):
        return reading
    if resumed_on(workspace.warehouse, standing.campaign, standing.version, reading.as_of) is not None:
        return reading
    done = halt(workspace, standing.campaign, reading.as_of, reason=reason, by=RETIRER)
    return replace(reading, was_retired=done)


def _reason(figure: Figure) -> str | None:
    """Say why a figure retires the trigger; None when it does not."""
    effect = figure.effect
    if effect is None or figure.metric != DECISION or figure.segment != EVERYBODY or figure.withheld is not None:
        return None
    found = f"{effect.estimate / 100:,.2f} per customer ({effect.low / 100:,.2f} to {effect.high / 100:,.2f})"
    if figure.reading == "official" and effect.estimate <= 0:
        return f"the trigger is retired: its planned reading found an incremental margin of {found}"
    if figure.reading == "daily" and effect.high <= 0:
        return f"the trigger is retired: its incremental margin is {found}, surely not above zero"
    return None
