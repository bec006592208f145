"""For whom a trigger's condition holds at an instant, and which branch it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from features.clocks import newest_versions
from features.corrections import corrected_tables
from features.steps import Step, select, with_steps
from features.triggers.ages import LearnedAge, learned_ages
from features.triggers.asking import HELD, Asked, Held, one_of
from features.triggers.counts import announced, counted
from features.triggers.destinations import went, went_columns, went_feed, went_steps
from features.triggers.drops import dropped
from features.triggers.due import due, what_is_not_known
from features.triggers.overdue import overdue
from features.triggers.scores import beyond
from holdback.business import (
    AnnouncedTrigger,
    Business,
    CountTrigger,
    DropTrigger,
    DueTrigger,
    OverdueTrigger,
    ScoreTrigger,
    Trigger,
)
from holdback.sql import literal
from holdback.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa

#: Where the steps of :func:`features.clocks.newest_versions` end.
CUSTOMERS_ROWS = "_customers_rows"


@dataclass(frozen=True)
class Evaluation:
    """What a trigger found at an instant.

    Args:
        rows: See :func:`evaluate`.
        note: Why nobody can be found yet; None when that is no matter of time.
        learned: The usual ages; empty for triggers that learn none.
    """

    rows: pa.Table
    note: str | None = None
    learned: tuple[LearnedAge, ...] = ()


def evaluate(
    warehouse: Warehouse, business: Business, trigger: Trigger, as_of: date, *, seen_at: datetime | None = None
) -> pa.Table:
    """Return for whom a trigger's condition holds, as known at an instant; whoever fired before is not asked.

    A pure function of what the warehouse knew then: events before the instant, loaded by then, corrected by then.

    Args:
        warehouse: Where the feeds are.
        business: The company.
        trigger: One of its triggers.
        as_of: The day of knowledge.
        seen_at: An instant inside the day, as naive UTC; its start by default. Every window is shifted with it.

    Returns:
        ``customer_id`` (text), ``size`` (double: the fall in currency, the days overdue or ahead, the score, the
        count), ``branch`` (position in ``then`` of the first branch that holds; null when none does), ``action`` (its
        action), ``detail`` (JSON: what the condition was seen in), ordered by customer.

    Raises:
        ValueError: ``seen_at`` does not lie in the day.

    Examples:
        >>> evaluate(workspace.warehouse, business, business.trigger_named("savings_drop"), day)  # doctest: +SKIP
    """
    return examine(warehouse, business, trigger, as_of, seen_at=seen_at).rows


def examine(
    warehouse: Warehouse, business: Business, trigger: Trigger, as_of: date, *, seen_at: datetime | None = None
) -> Evaluation:
    """Return what :func:`evaluate` does, with what had to be learned for it, and what is not known yet."""
    asked = Asked.at(business, as_of, seen_at, corrected_tables(warehouse))
    if not isinstance(trigger, DueTrigger):
        return Evaluation(warehouse.query(trigger_sql(asked, trigger)))
    learned = learned_ages(warehouse, asked, trigger)
    rows = warehouse.query(trigger_sql(asked, trigger, learned))
    return Evaluation(rows, what_is_not_known(trigger, learned), learned)


def trigger_sql(asked: Asked, trigger: Trigger, learned: Sequence[LearnedAge] = ()) -> str:
    """Return the SQL of :func:`evaluate`; ``learned`` for a trigger of kind ``due``."""
    held = _held(asked, trigger, learned)
    steps, detail, joins = list(held.steps), dict(held.detail), ""
    shown: dict[str, str] = {}
    feed = went_feed(asked, trigger)
    if feed is not None and isinstance(trigger, DropTrigger):
        columns = went_columns(asked, trigger, feed)
        steps += went_steps(asked, trigger, feed, list(columns.values()))
        for key, column in columns.items():
            shown[key] = f"{went(column)}.value"
            joins += f"\nleft join {went(column)} on {went(column)}.customer_id = {HELD}.customer_id"
        if columns:
            pairs = ", ".join(f"{literal(key)}, {went(column)}.shares" for key, column in columns.items())
            detail["went"] = f"json_object({pairs})"
    attributes = dict.fromkeys(key for branch in trigger.then for key in branch.when if key not in shown)
    if attributes:
        if all(step.name != CUSTOMERS_ROWS for step in steps):
            steps.append(Step("spine", "those whose attributes decide", select(["customer_id"], f"from {HELD}")))
            named = tuple(f'"{name}"' for name in attributes)
            steps += newest_versions(asked.clock, named, asked.corrected, spine=True)
        joins += f"\nleft join {CUSTOMERS_ROWS} on {CUSTOMERS_ROWS}.customer_id = {HELD}.customer_id"
        shown |= {name: f'cast({CUSTOMERS_ROWS}."{name}" as varchar)' for name in attributes}
    selected = [
        f"cast({HELD}.customer_id as varchar) as customer_id",
        f"cast({HELD}.size as double) as size",
        *_branches(trigger, shown),
        f"cast(json_object({', '.join(f'{literal(key)}, {sql}' for key, sql in detail.items())}) as varchar) as detail",
    ]
    listed = ",\n    ".join(selected)
    return (
        f"-- trigger {trigger.name} ({trigger.kind}): one row per customer; holds at {asked.clock.now} UTC.\n"
        f"{with_steps(steps)}\n\nselect\n    {listed}\nfrom {HELD}{joins}\norder by 1\n"
    )


def _held(asked: Asked, trigger: Trigger, learned: Sequence[LearnedAge]) -> Held:
    match trigger:
        case DropTrigger():
            return dropped(asked, trigger)
        case OverdueTrigger():
            return overdue(asked, trigger)
        case DueTrigger():
            return due(asked, trigger, learned)
        case ScoreTrigger():
            return beyond(asked, trigger)
        case CountTrigger():
            return counted(asked, trigger)
        case AnnouncedTrigger():
            return announced(asked, trigger)


def _branches(trigger: Trigger, shown: dict[str, str]) -> list[str]:
    """SQL of ``branch`` and ``action``: the first branch that holds."""
    cases, actions = [], []
    for position, branch in enumerate(trigger.then):
        holds = " and ".join(one_of(shown[key], values) for key, values in branch.when.items()) or "true"
        cases.append(f"when {holds} then {position}")
        actions.append(f"when {holds} then {literal(branch.action)}")
    if not cases:
        return ["cast(null as bigint) as branch", "cast(null as varchar) as action"]
    return [f"cast(case {' '.join(cases)} end as bigint) as branch", f"case {' '.join(actions)} end as action"]
