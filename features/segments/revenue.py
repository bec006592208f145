"""What a customer brings in a month, as it stands on a day.

- contracts: the price of the open ones, those on pause and those without a price bring nothing;
- purchases: what was paid in the last 30 days, less what went back;
- balances: a month's margin of the mean balance of the last 90 days (of the newest one, when there is none), as
  everywhere in Holdback.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
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


def monthly_revenue(
    warehouse: Warehouse, business: Business, as_of: date, spine: pa.Table, *, known_on: date | None = None
) -> pa.Table:
    """Return ``customer_id, revenue_cents`` of each customer of a spine, ordered; 0 for those who bring nothing.

    Args:
        warehouse: Where the feeds are.
        business: The company.
        as_of: What happened before this day counts.
        spine: ``customer_id`` of those asked for.
        known_on: The day of knowledge, for looking back; ``as_of`` by default.

    Raises:
        BusinessFileError: no feed says what a customer brings.
    """
    revenue_feed(business)
    known = None if known_on is None else Clock.of(business, known_on)
    steps = revenue_steps(business, Clock.of(business, as_of), corrected_tables(warehouse), known=known)
    columns = ["spine.customer_id", "cast(coalesce(revenue_cents, 0) as bigint) as revenue_cents"]
    rest = "from spine left join _revenue on _revenue.customer_id = spine.customer_id\norder by spine.customer_id"
    return warehouse.query(f"{with_steps(steps)}\n{select(columns, rest)}", frames={"spine": spine})


@dataclass(frozen=True)
class _Asked:
    """The revenue of one day, as known on the same day or a later one."""

    business: Business
    feed: str
    clock: Clock
    known: Clock | None
    is_corrected: bool

    def rows(self, columns: tuple[str, ...], also: str | None = None) -> str:
        """SQL of the customers' rows of the feed."""
        if self.known is None:
            return known_rows(self.feed, columns, self.clock, corrected=self.is_corrected, also=also)
        happened = f"event_at < {self.clock.now}" + (f" and {also}" if also else "")
        return known_rows(self.feed, columns, self.known, corrected=self.is_corrected, also=happened, event_clock=False)


def revenue_steps(
    business: Business, clock: Clock, corrected: Collection[str], *, known: Clock | None = None
) -> list[Step]:
    """Return the steps that end in ``_revenue``: ``customer_id, revenue_cents``; none when no feed tells."""
    try:
        feed = revenue_feed(business)
    except BusinessFileError:
        return []
    return _BY_ROLE[business.feeds[feed].role](_Asked(business, feed, clock, known, feed in corrected))


def _subscriptions(asked: _Asked) -> list[Step]:
    order = f"row({', '.join(ORDER)})"
    columns = (f"{contract_key(asked.business, asked.feed)} as contract_id", "kind", "price_cents", *ORDER)
    contracts = [
        "customer_id",
        f"arg_max(kind, {order}) as last_kind",
        f"arg_max(price_cents, {order}) filter (where price_cents is not null) as price_cents",
    ]
    rows = asked.rows(columns)
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


def _transactions(asked: _Asked) -> list[Step]:
    rows = asked.rows(("amount_cents",), f"event_at >= {asked.clock.days_ago(REVENUE_DAYS)}")
    paid = select(["customer_id", "sum(amount_cents) as revenue_cents"], f"from ({rows})\n    group by customer_id")
    return [Step("_revenue", f"paid in the last {REVENUE_DAYS} days, less what went back", paid)]


def _balances(asked: _Asked) -> list[Step]:
    account = "account_kind" if asked.business.feeds[asked.feed].has("account_kind") else "'one' as account_kind"
    recent = f"filter (where event_at >= {asked.clock.days_ago(_BALANCE_DAYS)})"
    newest = f"arg_max(balance_cents, row({', '.join(ORDER)}))"
    rows = asked.rows((account, "balance_cents", *ORDER))
    means = ["customer_id", f"coalesce(avg(balance_cents) {recent}, {newest}) as mean_cents"]
    monthly = f"{float(asked.business.value.margin_rate)!r}::double / {_MONTHS_PER_YEAR}"
    total = ["customer_id", f"round(sum(mean_cents) * {monthly}) as revenue_cents"]
    accounts = select(means, f"from ({rows})\n    group by customer_id, account_kind")
    return [
        Step("_mean_balances", "each account's mean", accounts),
        Step("_revenue", "a month's margin of it", select(total, "from _mean_balances\n    group by customer_id")),
    ]


_BY_ROLE: Mapping[str, Callable[[_Asked], list[Step]]] = {
    "subscriptions": _subscriptions,
    "transactions": _transactions,
    "balances": _balances,
}
