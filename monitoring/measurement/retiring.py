"""Triggers that earn nothing are retired: their campaign is halted, and only a person can bring it back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from typing import Final

from campaigns.designs import halt, resumed_against
from campaigns.ledger import newest_day
from holdback.sql import literal
from holdback.warehouse import Warehouse
from holdback.workspace import Workspace
from monitoring.measurement.metrics import DECISION
from monitoring.measurement.questions import Question
from monitoring.measurement.readings import EVERYBODY, Figure, Reading

#: Who retires, in the ledger.
RETIRER: Final = "value monitor"

#: Reading, estimate, low and high in cents, customers.
_Margin = tuple[str, float, float, float, int]


def retired(workspace: Workspace, question: Question, reading: Reading) -> Reading:
    """Halt the campaign of a trigger whose measured margin stays at or below zero.

    That is so when its planned reading found a margin of zero or less, whatever the interval: it was given its chance,
    and nothing speaks for paying on. That reading is taken once; where the campaign is not in force then, it retires
    the trigger on the first measured day on which it is again. Without it only an interval that lies wholly at or
    below zero retires, and that interval holds on all days at once. What a person brought back after a retirement is
    not retired again; to end any other halt is no judgement of the trigger.
    """
    standing, campaign = question.standing, question.campaign
    if standing is not None and (standing.state, standing.by, standing.since) == ("halted", RETIRER, reading.as_of):
        return replace(reading, was_retired=True)  # by a measurement of this day that did not come to its end
    if standing is None or standing.state != "in force" or campaign is None or campaign.trigger is None:
        return reading
    warehouse, name, version = workspace.warehouse, standing.campaign, standing.version
    newest = newest_day(warehouse)
    if newest is not None and newest > reading.as_of:
        return reading
    found = [*_margins(reading.figures), *_margin_of_old(warehouse, name, version, reading.as_of)]
    reason = next(filter(None, (_reason(*each, workspace.business.currency) for each in found)), None)
    if reason is None or resumed_against(warehouse, name, version, reading.as_of, halter=RETIRER) is not None:
        return reading
    done = halt(workspace, name, reading.as_of, reason=reason, by=RETIRER)
    return replace(reading, was_retired=done)


def _margins(figures: Iterable[Figure]) -> Iterator[_Margin]:
    """Yield the incremental margins that a day's measurement found."""
    for figure in figures:
        effect = figure.effect
        is_meant = figure.metric == DECISION and figure.segment == EVERYBODY and figure.withheld is None
        if effect is not None and is_meant:
            count = effect.treatment.customer_count + effect.holdout.customer_count
            yield figure.reading, effect.estimate, effect.low, effect.high, count


def _margin_of_old(warehouse: Warehouse, campaign: str, version: int, as_of: date) -> list[_Margin]:
    """Return what the planned reading of an earlier day found; nothing when it was not taken."""
    read = warehouse.query(
        "select reading, estimate, low, high, treatment_count + holdout_count as customer_count from effects "
        f"where campaign = {literal(campaign)} and version = {version} and as_of < date '{as_of}' "
        f"and reading = 'official' and metric = {literal(DECISION)} and segment = {literal(EVERYBODY)} "
        "and withheld is null and estimate is not null order by as_of desc limit 1"
    ).to_pylist()
    return [tuple(row.values()) for row in read]


def _reason(reading: str, estimate: float, low: float, high: float, customer_count: int, currency: str) -> str | None:
    """Say why a margin (in cents) retires the trigger; None when it does not."""
    interval = f"{low / 100:,.2f} to {high / 100:,.2f}, {customer_count:,} customers"
    found = f"{estimate / 100:,.2f} {currency} per customer ({interval})"
    if reading == "official" and estimate <= 0:
        return f"the trigger is retired: its planned reading found an incremental margin of {found}"
    if reading == "daily" and high <= 0:
        return f"the trigger is retired: its incremental margin is {found}, surely not above zero"
    return None
