"""What each customer is expected to bring, from the company's own records as known at ``as_of``.

This is bookkeeping, not a model: what a customer brings a month now, carried on for as long as the day's churn
probability lets expect. Its seam is :class:`MonthlyMargins`, a table ``customer_id -> monthly margin``: whatever else
fills that table (a value model) can take this module's place.

By role of the feed that carries the revenue:

- ``subscriptions``: the price of the open contracts, which is after discounts. A paused contract, or an open one
  without a price, is no known margin.
- ``transactions``: purchases per month x net amount per purchase day, over the last 365 days. Purchase days are
  gamma-Poisson (customers who never buy are the prior's zeros), amounts drawn by credibility, both within the segment
  (:mod:`campaigns.shrinkage`). Money that went back is negative; what was paid is after discounts.
- ``balances``: mean balance of the last 90 days x margin rate / 12, the last known balance when there is none.

A month is 30.4375 days.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from campaigns.shrinkage import gamma_poisson, mean_credibility
from features.clocks import ORDER, Clock, known_rows, newest_versions
from features.corrections import corrected_tables
from features.revenue import contract_key as contract_key
from features.revenue import revenue_feed as revenue_feed
from features.steps import Step, select, with_steps
from holdback.business import Business
from holdback.warehouse import Warehouse

Floats = npt.NDArray[np.float64]

DAYS_PER_MONTH = 30.4375
MONTHS_PER_YEAR = 12
#: Who bought within these days is a customer, and this is the time over which spending is measured.
SPENDING_DAYS = 365
BALANCE_DAYS = 90

_SHAPE = pa.schema(
    {
        "customer_id": pa.string(),
        "started_at": pa.timestamp("us"),
        "revenue_cents": pa.float64(),
        "discount_cents": pa.float64(),
        "margin_cents": pa.float64(),
        "margin_sd_cents": pa.float64(),
        "is_known": pa.bool_(),
    }
)


@dataclass(frozen=True)
class MonthlyMargins:
    """What customers bring a month.

    Attributes:
        table: One row per customer with any record in the feed, ordered by customer: ``customer_id``, ``started_at``
            (first record), ``revenue_cents`` (paid a month), ``discount_cents`` (given a month, already off the
            revenue), ``margin_cents``, ``margin_sd_cents`` (its uncertainty; 0 for an agreed price), ``is_known``
            (False when the records do not tell the margin).
        feed: The feed that carries the revenue.
        role: Its role.
        method: How it was found, in words.
    """

    table: pa.Table
    feed: str
    role: str
    method: str


def current_customers(warehouse: Warehouse, business: Business, as_of: date) -> pa.Table:
    """Return who is a customer at ``as_of``, by the feed that carries the revenue.

    With an open contract; or a purchase in the last 365 days; or a balance in the last 90.

    Returns:
        ``customer_id``, ordered.
    """
    name, clock = revenue_feed(business), Clock.of(business, as_of)
    role, corrected = business.feeds[name].role, name in corrected_tables(warehouse)
    if role == "subscriptions":
        contract = contract_key(business, name)
        columns = (f"{contract} as contract_id", "kind", *ORDER)
        events = known_rows(name, columns, clock, corrected=corrected, spine=False)
        newest = ["customer_id", f"arg_max(kind, row({', '.join(ORDER)})) as last_kind"]
        contracts = select(newest, "from _events\n    group by customer_id, contract_id")
        steps = [
            Step("_events", "events of contracts that were visible at as_of", events),
            Step("_contracts", "the newest event of each contract", contracts),
            Step("_found", "who has an open one", "select customer_id from _contracts where last_kind <> 'cancel'"),
        ]
    else:
        days = SPENDING_DAYS if role == "transactions" else BALANCE_DAYS
        recently = f"event_at >= {clock.days_ago(days)}"
        recently += " and amount_cents >= 0" if role == "transactions" else ""
        rows = known_rows(name, (), clock, corrected=corrected, also=recently, spine=False)
        steps = [Step("_found", f"who stands in the feed in the {days} days before as_of", rows)]
    return warehouse.query(f"{with_steps(steps)}\nselect distinct customer_id from _found order by customer_id")


def monthly_margins(
    warehouse: Warehouse, business: Business, as_of: date, *, customers: pa.Table | None = None
) -> MonthlyMargins:
    """Return what each customer brings a month, as known at ``as_of`` by both clocks.

    Args:
        warehouse: Where the feeds are.
        business: The company; ``value`` names feed and margin rate, ``fit.segment`` who is alike.
        as_of: The day of knowledge.
        customers: ``customer_id`` of those asked for; :func:`current_customers` by default.

    Raises:
        BusinessFileError: no feed carries revenue.
    """
    name = revenue_feed(business)
    role, clock = business.feeds[name].role, Clock.of(business, as_of)
    asked = customers if customers is not None else current_customers(warehouse, business, as_of)
    table, method = _BY_ROLE[role](warehouse, business, name, clock, corrected_tables(warehouse), asked)
    return MonthlyMargins(table, name, role, method)


def survived_months(probability: Floats, *, outcome_days: int, discount_rate: float, horizon_days: int) -> Floats:
    """Return how many discounted months of its margin a customer is expected to bring over the horizon.

    ``sum over k = 1..K of S(k) / (1 + d)^(k / 12)`` with ``S(k) = (1 - p)^(k * 30.4375 / outcome_days)`` and ``K`` the
    whole months of the horizon: a constant hazard, the one that the day's probability implies.

    Args:
        probability: Churn probability over the outcome window, in [0, 1], shape (n,).
        outcome_days: Length of the outcome window.
        discount_rate: Yearly.
        horizon_days: How far ahead is counted.

    Examples:
        >>> survived_months(np.array([0.0, 1.0]), outcome_days=30, discount_rate=0.0, horizon_days=365).tolist()
        [12.0, 0.0]
    """
    months = horizon_months(horizon_days)
    p = np.clip(np.asarray(probability, dtype=np.float64), 0.0, 1.0)
    kept = (1.0 - p) ** (DAYS_PER_MONTH / outcome_days) * (1.0 + discount_rate) ** (-1 / MONTHS_PER_YEAR)
    endless = kept >= 1.0
    safe = np.where(endless, 0.0, kept)
    return np.asarray(np.where(endless, float(months), safe * (1.0 - safe**months) / (1.0 - safe)))


def horizon_months(horizon_days: int) -> int:
    """Return the months of the value horizon: 12 for 365 days.

    Examples:
        >>> horizon_months(365), horizon_months(30)
        (12, 1)
    """
    return max(1, round(horizon_days / DAYS_PER_MONTH))


Corrected = Collection[str]


def _subscriptions(
    warehouse: Warehouse, business: Business, feed: str, clock: Clock, corrected: Corrected, customers: pa.Table
) -> tuple[pa.Table, str]:
    order = f"row({', '.join(ORDER)})"
    columns = (f"{contract_key(business, feed)} as contract_id", "kind", "price_cents", *ORDER)
    contracts = [
        "customer_id",
        f"arg_max(kind, {order}) as last_kind",
        f"arg_max(price_cents, {order}) filter (where price_cents is not null) as price_cents",
        "min(event_at) as started_at",
    ]
    events = known_rows(feed, columns, clock, corrected=feed in corrected)
    by_contract = select(contracts, "from _events\n    group by customer_id, contract_id")
    rate = float(business.value.margin_rate)
    table = warehouse.query(
        with_steps(
            [
                Step("_events", "events of contracts that were visible at as_of", events),
                Step(
                    "_contracts", "the state of each contract; an event without a price leaves the price", by_contract
                ),
            ]
        )
        + f"""
        select
            customer_id,
            min(started_at) as started_at,
            cast(coalesce(sum(price_cents) filter (where last_kind not in ('cancel', 'pause')), 0) as double)
                as revenue_cents,
            0e0 as discount_cents,
            revenue_cents * {rate!r} as margin_cents,
            0e0 as margin_sd_cents,
            not bool_or(last_kind = 'pause' or (last_kind <> 'cancel' and price_cents is null)) as is_known
        from _contracts
        group by customer_id
        order by customer_id
        """,
        frames={"spine": customers},
    )
    return table.cast(_SHAPE), f"price of the open contracts x {rate:g}"


def _transactions(
    warehouse: Warehouse, business: Business, feed: str, clock: Clock, corrected: Corrected, customers: pa.Table
) -> tuple[pa.Table, str]:
    discount = "discount_cents" if business.feeds[feed].has("discount_cents") else "0"
    columns = (f"cast(event_at as date) as bought_on, event_at, amount_cents, {discount} as discount_cents",)
    recently = f"event_at >= {clock.days_ago(SPENDING_DAYS)}"
    lines = known_rows(feed, columns, clock, corrected=feed in corrected, also=recently)
    days = [
        "customer_id", "sum(amount_cents) as net_cents", "sum(discount_cents) as discount_cents",
        "bool_or(amount_cents >= 0) as is_purchase",
    ]  # fmt: skip
    first = select(
        ["customer_id", "min(event_at) as started_at"],
        f"from ({known_rows(feed, ('event_at',), clock, corrected=feed in corrected)})\n    group by customer_id",
    )
    sums = [
        "customer_id",
        "count(*) filter (where is_purchase) as day_count",
        "cast(sum(net_cents) filter (where is_purchase) as double) as day_cents",
        "cast(sum(cast(net_cents as double) * net_cents) filter (where is_purchase) as double) as squares",
        "cast(sum(net_cents) as double) as net_cents",
        "cast(sum(discount_cents) as double) as discount_cents",
    ]
    segment, segment_steps = _segment(business, clock, corrected)
    steps = [
        Step("_lines", "what was visible at as_of of the last 365 days", lines),
        Step(
            "_days",
            "one row per day of purchase or return",
            select(days, "from _lines group by customer_id, bought_on"),
        ),
        Step("_spending", "one row per customer", select(sums, "from _days group by customer_id")),
        Step("_first", "since when each buys", first),
        *segment_steps,
    ]
    found = warehouse.query(
        with_steps(steps)
        + f"""
        select
            _first.customer_id,
            _first.started_at,
            least({SPENDING_DAYS}, (epoch({clock.now}) - epoch(_first.started_at)) / 86400) / {DAYS_PER_MONTH}
                as months,
            coalesce(day_count, 0) as day_count,
            coalesce(day_cents, 0) as day_cents,
            coalesce(squares, 0) as squares,
            coalesce(net_cents, 0) as net_cents,
            coalesce(_spending.discount_cents, 0) as discount_cents,
            {segment} as segment
        from _first
        left join _spending on _spending.customer_id = _first.customer_id
        {"left join _customers_rows on _customers_rows.customer_id = _first.customer_id" if segment_steps else ""}
        order by _first.customer_id
        """,
        frames={"spine": customers},
    )
    rate = float(business.value.margin_rate)
    return _spending_rates(found, rate), (
        f"purchase days a month (gamma-Poisson) x net amount per purchase day (credibility) of the last "
        f"{SPENDING_DAYS} days x {rate:g}"
    )


def _spending_rates(found: pa.Table, margin_rate: float) -> pa.Table:
    """Draw each customer's purchases and amounts towards the segment's; the product is the monthly revenue."""
    numbers = {name: _floats(found, name) for name in ("months", "day_cents", "squares", "net_cents", "discount_cents")}
    counts = found["day_count"].to_numpy().astype(np.int64)
    months = np.maximum(numbers["months"], 1 / DAYS_PER_MONTH)
    revenue, variance = np.zeros(counts.size), np.zeros(counts.size)
    for rows in segment_rows(found["segment"]):
        n, t = counts[rows], months[rows]
        pace = gamma_poisson(n, t)
        amounts = mean_credibility(n, numbers["day_cents"][rows], numbers["squares"][rows])
        rate = (pace.shape + n) / (pace.rate + t)
        rate_variance = rate / (pace.rate + t)
        weight = amounts.weight + n
        safe = np.maximum(weight, 1e-9)
        # Returns on a day of their own are not a purchase, but they are money: they count in the customer's own mean.
        mean = np.where(weight > 0, (amounts.weight * amounts.mean + numbers["net_cents"][rows]) / safe, 0.0)
        mean_variance = amounts.variance / safe
        revenue[rows] = rate * mean
        variance[rows] = rate**2 * mean_variance + mean**2 * rate_variance + rate_variance * mean_variance
    return pa.table(
        [
            found["customer_id"], found["started_at"], revenue, numbers["discount_cents"] / months,
            revenue * margin_rate, np.sqrt(variance) * margin_rate, np.ones(counts.size, dtype=bool),
        ],
        schema=_SHAPE,
    )  # fmt: skip


def _balances(
    warehouse: Warehouse, business: Business, feed: str, clock: Clock, corrected: Corrected, customers: pa.Table
) -> tuple[pa.Table, str]:
    account = "account_kind" if business.feeds[feed].has("account_kind") else "'one'"
    recent = f"filter (where event_at >= {clock.days_ago(BALANCE_DAYS)})"
    newest = f"arg_max(balance_cents, row({', '.join(ORDER)}))"
    accounts = [
        "customer_id", "min(event_at) as started_at", f"coalesce(avg(balance_cents) {recent}, {newest}) as mean_cents",
        f"coalesce(var_pop(balance_cents) {recent}, 0) as variance",
    ]  # fmt: skip
    rows = known_rows(feed, (f"{account} as account", "balance_cents", *ORDER), clock, corrected=feed in corrected)
    monthly = float(business.value.margin_rate) / MONTHS_PER_YEAR
    table = warehouse.query(
        with_steps(
            [
                Step("_rows", "balances that were visible at as_of", rows),
                Step("_accounts", "each account's mean", select(accounts, "from _rows group by customer_id, account")),
            ]
        )
        + f"""
        select
            customer_id,
            min(started_at) as started_at,
            sum(mean_cents) * {monthly!r} as revenue_cents,
            0e0 as discount_cents,
            revenue_cents as margin_cents,
            sqrt(sum(variance)) * {monthly!r} as margin_sd_cents,
            true as is_known
        from _accounts
        group by customer_id
        order by customer_id
        """,
        frames={"spine": customers},
    )
    rate = business.value.margin_rate
    return table.cast(_SHAPE), f"mean balance of the last {BALANCE_DAYS} days x {rate:g} / {MONTHS_PER_YEAR}"


def segment_rows(segments: pa.ChunkedArray) -> list[npt.NDArray[np.int64]]:
    """Return the row numbers of each segment; customers without one are a segment of their own."""
    encoded = pa.chunked_array(segments.cast(pa.string()).fill_null("").dictionary_encode()).unify_dictionaries()
    codes = encoded.combine_chunks()
    positions = codes.indices.to_numpy()
    return [np.flatnonzero(positions == code) for code in range(len(codes.dictionary))]


def _segment(business: Business, clock: Clock, corrected: Corrected) -> tuple[str, list[Step]]:
    if business.fit.segment is None:
        return "cast(null as varchar)", []
    return "_customers_rows.segment", newest_versions(
        clock, (f'"{business.fit.segment}" as segment',), corrected, spine=True
    )


def _floats(table: pa.Table, name: str) -> Floats:
    return np.asarray(table[name].to_numpy(), dtype=np.float64)


_BY_ROLE: Mapping[str, Callable[[Warehouse, Business, str, Clock, Corrected, pa.Table], tuple[pa.Table, Any]]] = {
    "subscriptions": _subscriptions,
    "transactions": _transactions,
    "balances": _balances,
}
