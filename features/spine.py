"""Whom a day describes: the rows ``(customer_id, as_of)``, by churn definition.

- ``inactivity``: bought something in the ``active_days`` before ``as_of``;
- ``cancellation``: has an open contract at ``as_of``;
- ``rhythm``: bought on enough days to have a rhythm, and is not overdue against it at ``as_of``;
- ``balance_drop``: holds at least the least amount at ``as_of``;
- ``column``: every customer known at ``as_of``.

A customer who signs up at or after ``as_of`` is absent. One who stands in a feed but not (yet) in the customers' table
is described: what counts is what was known, and the customers' table is optional.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import TYPE_CHECKING

from features.clocks import ORDER, Clock, known_rows, newest_versions
from features.corrections import corrected_tables
from features.levels import account_key, counts, is_held, level, level_columns
from features.rhythms import RHYTHMS, days_before, rhythm_steps
from features.steps import Step, select, with_steps
from holdback.business import (
    BalanceDropChurn,
    Business,
    CancellationChurn,
    Churn,
    ColumnChurn,
    InactivityChurn,
    RhythmChurn,
)
from holdback.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa


def build_spine(warehouse: Warehouse, business: Business, churn: Churn, as_of: date) -> pa.Table:
    """Return the customers that a churn definition describes on a day.

    Args:
        warehouse: Where the feeds are.
        business: The company.
        churn: One of its churn definitions.
        as_of: The day of knowledge.

    Returns:
        ``customer_id`` (text), ``as_of`` (date), ordered by customer; empty when nobody is described.
    """
    clock = Clock.of(business, as_of)
    return warehouse.query(spine_sql(business, churn, clock, corrected=corrected_tables(warehouse)))


def numbered(spine: pa.Table) -> pa.Table:
    """Return a spine with ``customer_number``, which tells its rows apart as cheaply as can be; one that has it stays.

    Args:
        spine: ``customer_id`` and more, n rows; each customer once.
    """
    import pyarrow as pa

    if "customer_number" in spine.column_names:
        return spine
    # An array of a Python sequence would import pandas, which needs 40 MB.
    return spine.append_column("customer_number", pa.arange(0, spine.num_rows).cast(pa.int32()))


def spine_sql(business: Business, churn: Churn, clock: Clock, *, corrected: Collection[str] = ()) -> str:
    """Return the SQL of :func:`build_spine`."""
    return (
        f"-- spine: one row per customer that churn definition {churn.name} describes at {clock.now} UTC.\n"
        f"{with_steps(_described(business, churn, clock, corrected))}\n\n"
        f"select\n    cast(customer_id as varchar) as customer_id,\n    {clock.today} as as_of\n"
        "from _described\ngroup by customer_id\norder by customer_id\n"
    )


def _described(business: Business, churn: Churn, clock: Clock, corrected: Collection[str]) -> list[Step]:
    match churn:
        case InactivityChurn():
            return _buyers(churn, clock, corrected)
        case CancellationChurn():
            return _contract_holders(business, churn, clock, corrected)
        case RhythmChurn():
            return _regulars(business, churn, clock, corrected)
        case BalanceDropChurn():
            return _holders(business, churn, clock, corrected)
        case ColumnChurn():
            every = Step("_described", "every known customer", select(["customer_id"], "from _customers_rows"))
            return [*newest_versions(clock, (), corrected), every]


def contract_expression(business: Business, churn: CancellationChurn) -> str:
    """SQL of the key of a contract: the customer itself, when the feed has no contract column."""
    has_key = business.feeds[churn.feed].has("subscription_id")
    return "coalesce(subscription_id, customer_id)" if has_key else "customer_id"


def _buyers(churn: InactivityChurn, clock: Clock, corrected: Collection[str]) -> list[Step]:
    recently = f"event_at >= {clock.days_ago(churn.population_days)} and amount_cents >= 0"
    rows = known_rows(churn.feed, (), clock, corrected=churn.feed in corrected, also=recently, spine=False)
    return [Step("_described", f"purchases in the {churn.population_days} days before as_of", rows)]


def purchase_days(
    business: Business, churn: RhythmChurn, clock: Clock, corrected: Collection[str], *, spine: bool
) -> str:
    """SQL of the purchases that were visible at ``as_of``, as ``customer_id, days_ago``."""
    columns = (f"{days_before(clock.today, business.time_zone)} as days_ago",)
    bought = "amount_cents >= 0"
    return known_rows(churn.feed, columns, clock, corrected=churn.feed in corrected, also=bought, spine=spine)


def _regulars(business: Business, churn: RhythmChurn, clock: Clock, corrected: Collection[str]) -> list[Step]:
    days = purchase_days(business, churn, clock, corrected, spine=False)
    punctual = select(["customer_id"], f"from {RHYTHMS}\n    where silent_days <= window_days")
    return [
        *rhythm_steps(churn, days, key="customer_id", most_days=churn.outcome_days),
        Step("_described", "those with a rhythm who are not overdue", punctual),
    ]


def _holders(business: Business, churn: BalanceDropChurn, clock: Clock, corrected: Collection[str]) -> list[Step]:
    columns, account = level_columns(business, churn), ("customer_id", *account_key(business, churn))
    rows = known_rows(churn.feed, columns, clock, corrected=churn.feed in corrected, also=counts(churn), spine=False)
    newest = [*account, f"{level()} as balance_cents", *(["max(event_at) as reported_at"] if churn.active_days else [])]
    accounts = select(newest, f"from _levels\n    group by {', '.join(account)}")
    enough = f"from _accounts\n    group by customer_id\n    having {is_held(churn, 'sum(balance_cents)')}"
    if churn.active_days:
        enough += f"\n        and max(reported_at) >= {clock.days_ago(churn.active_days)}"
    return [
        Step("_levels", "balances that were visible at as_of", rows),
        Step("_accounts", "the newest balance of each account", accounts),
        Step("_described", "those who hold enough", select(["customer_id"], enough)),
    ]


def _contract_holders(
    business: Business, churn: CancellationChurn, clock: Clock, corrected: Collection[str]
) -> list[Step]:
    columns = (f"{contract_expression(business, churn)} as contract_id", "kind", *ORDER)
    events = known_rows(churn.feed, columns, clock, corrected=churn.feed in corrected, spine=False)
    newest = ["customer_id", f"arg_max(kind, row({', '.join(ORDER)})) as last_kind"]
    contracts = select(newest, "from _contract_events\n    group by customer_id, contract_id")
    return [
        Step("_contract_events", "events of contracts that were visible at as_of", events),
        Step("_contracts", "the newest event of each contract", contracts),
        Step(
            "_described",
            "those still open",
            select(["customer_id"], "from _contracts\n    where last_kind <> 'cancel'"),
        ),
    ]
