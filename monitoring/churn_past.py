"""The churn of months that are over: asked once, and read as long as no row of those months has come in since."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, TypeVar

from features.labels import knowable_on, outcome_ends_on
from holdback.business import Churn, ColumnChurn
from holdback.errors import NotKnowableYet
from holdback.warehouse import Warehouse
from holdback.workspace import Workspace
from monitoring.churn_history import MonthlyChurn, churn_history, month_starts
from monitoring.churn_records import first_cancellation_on
from monitoring.kept import kept, key_of
from monitoring.past import customers_of, past_of

T = TypeVar("T")

#: Roles of the feeds that say what a customer brings: it is told as it is known today, whenever it was brought.
_REVENUE_ROLES = ("subscriptions", "transactions", "balances")


def kept_history(workspace: Workspace, warehouse: Warehouse, churn: Churn, as_of: date) -> tuple[MonthlyChurn, ...]:
    """Return what :func:`monitoring.churn_history.churn_history` does; see :func:`kept_of_months`."""

    def ask() -> tuple[MonthlyChurn, ...]:
        return churn_history(warehouse, workspace.business, churn, as_of)

    return kept_of_months(workspace, warehouse, churn, as_of, "history", tuple[MonthlyChurn, ...], ask)


def kept_of_months(
    workspace: Workspace,
    warehouse: Warehouse,
    churn: Churn,
    as_of: date,
    name: str,
    kind: Any,
    ask: Callable[[], T],
    *,
    by_group: bool = False,
) -> T:
    """Return an answer about the customers of the first days of months, and what became of them.

    On two days of a month it is the same when the same outcomes are over and no row of those months was loaded,
    replaced or removed in between. Churn of kind ``column`` has no past: it is asked every time.

    Args:
        workspace: The business.
        warehouse: What is read, where it is one moment of the workspace's own.
        churn: The churn definition.
        as_of: The day of knowledge.
        name: What is asked; names a file.
        kind: The answer's type (:func:`monitoring.kept.kept`). What it says of ``as_of`` may be of an earlier day.
        ask: Gives the answer.
        by_group: True when it also tells of the groups that the customers of the newest such day were in then, and of
            what they brought: other feeds are read for it, and the customers.
    """
    if isinstance(churn, ColumnChurn):
        return ask()
    business = workspace.business
    [newest, *_] = months = month_starts(as_of)
    over = next((day for day in months if knowable_on(churn, day) <= as_of), None)
    until = newest if over is None else max(newest, outcome_ends_on(churn, over))
    try:
        recorded_since = first_cancellation_on(warehouse, business, churn, as_of)
    except NotKnowableYet:
        recorded_since = None
    facts: list[object] = [past_of(warehouse, business, [churn.feed], before=until, known_on=as_of)]
    if by_group and over is not None:
        brings = [feed for role in _REVENUE_ROLES for feed in business.feeds_with_role(role)]
        facts.append(past_of(warehouse, business, brings, before=until, known_on=as_of))
        facts.append(past_of(warehouse, business, business.feeds, before=over, known_on=over))
        facts.append(customers_of(warehouse, business, over))
    key = key_of(business.model_dump_json(), churn.name, newest, over, recorded_since, facts)
    answer: T = kept(workspace, f"{name}-{churn.name}", key, kind, ask)
    return answer
