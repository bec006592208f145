"""What a customer brings in a month, as it stands on a day.

- contracts: the price of the open ones, those on pause and those without a price bring nothing;
- purchases: what was paid in the last 30 days, less what went back;
- balances: a month's margin of the mean balance of the last 90 days (of the newest one, when there is none), as
  everywhere in Holdback.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import date
from typing import Final

import pyarrow as pa

from features.clocks import ORDER, Clock, known_rows
from features.corrections import corrected_tables
from features.revenue import contract_key, revenue_feed
from features.steps import Step, select, with_steps
from holdback.business import Business
from holdback.errors import BusinessFileError
from holdback.warehouse import Warehouse

REVENUE_DAYS: Final = 30
_BALANCE_DAYS: Final = 90
_MONTHS_PER_YEAR: Final = 12


def monthly_revenue(warehouse: Warehouse, business: Business, as_of: date, spine: pa.Table) -> pa.Table:
    """Return ``customer_id, revenue_cents`` of each customer of a spine, ordered; 0 for those who bring nothing.

    Raises:
        BusinessFileError: no feed says what a customer brings.
    """
    revenue_feed(business)
    steps = revenue_steps(business, Clock.of(business, as_of), corrected_tables(warehouse))
    columns = ["spine.customer_id", "cast(coalesce(revenue_cents, 0) as bigint) as revenue_cents"]
    rest = "from spine left join _revenue on _revenue.customer_id = spine.customer_id\norder by spine.customer_id"
    return warehouse.query(f"{with_steps(steps)}\n{select(columns, rest)}", frames={"spine": spine})


def revenue_steps(business: Business, clock: Clock, corrected: Collection[str]) -> list[Step]:
    """Return the steps that end in ``_revenue``: ``customer_id, revenue_cents``; none when no feed tells."""
    try:
        feed = revenue_feed(business)
    except BusinessFileError:
        return []
    return _BY_ROLE[business.feeds[feed].role](business, feed, clock, feed in corrected)


def _subscriptions(business: Business, feed: str, clock: Clock, corrected: bool) -> list[Step]:
    order = f"row({', '.join(ORDER)})"
    columns = (f"{contract_key(business, feed)} as contract_id", "kind", "price_cents", *ORDER)
    contracts = [
        "customer_id",
        f"arg_max(kind, {order}) as last_kind",
        f"arg_max(price_cents, {order}) filter (where price_cents is not null) as price_cents",
    ]
    rows = known_rows(feed, columns, clock, corrected=corrected)
    prices = select(contracts, "from _priced_events\n    group by customer_id, contract_id")
    paid = select(
        ["customer_id", "sum(price_cents) filter (where last_kind not in ('cancel', 'pause')) as revenue_cents"],
        "from _prices\n    group by customer_id",
    )
    return [
        Step("_priced_events", "events of their contracts", rows),
        Step("_prices", "state and price of each contract", prices),
        Step("_revenue", "what the open ones cost a month", paid),
    ]


def _transactions(_business: Business, feed: str, clock: Clock, corrected: bool) -> list[Step]:
    recently = f"event_at >= {clock.days_ago(REVENUE_DAYS)}"
    rows = known_rows(feed, ("amount_cents",), clock, corrected=corrected, also=recently)
    paid = select(["customer_id", "sum(amount_cents) as revenue_cents"], f"from ({rows})\n    group by customer_id")
    return [Step("_revenue", f"paid in the last {REVENUE_DAYS} days, less what went back", paid)]


def _balances(business: Business, feed: str, clock: Clock, corrected: bool) -> list[Step]:
    account = "account_kind" if business.feeds[feed].has("account_kind") else "'one' as account_kind"
    recent = f"filter (where event_at >= {clock.days_ago(_BALANCE_DAYS)})"
    newest = f"arg_max(balance_cents, row({', '.join(ORDER)}))"
    rows = known_rows(feed, (account, "balance_cents", *ORDER), clock, corrected=corrected)
    means = ["customer_id", f"coalesce(avg(balance_cents) {recent}, {newest}) as mean_cents"]
    monthly = f"{business.value.margin_rate!r} / {_MONTHS_PER_YEAR}"
    total = ["customer_id", f"round(sum(mean_cents) * {monthly}) as revenue_cents"]
    accounts = select(means, f"from ({rows})\n    group by customer_id, account_kind")
    return [
        Step("_mean_balances", "each account's mean", accounts),
        Step("_revenue", "a month's margin of it", select(total, "from _mean_balances\n    group by customer_id")),
    ]


_BY_ROLE: Mapping[str, Callable[[Business, str, Clock, bool], list[Step]]] = {
    "subscriptions": _subscriptions,
    "transactions": _transactions,
    "balances": _balances,
}
