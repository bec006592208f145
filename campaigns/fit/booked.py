"""What customers really brought and cost in a period: one row per customer and line, from the records.

Lines: ``revenue`` (before discounts), ``discounts``, ``cost_of_sales`` (what is not margin), ``contacts by <channel>``,
``faults by <channel>`` (contacts that we caused: they cost money, but no customer is charged with them in the fit) and
``retention``. Costs are negative. ``revenue + discounts`` is what the ledger booked as revenue; of balances, the
margin.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import pyarrow as pa

from campaigns.fit.facts import channel_of, is_fault
from campaigns.margins import DAYS_PER_MONTH, contract_key, revenue_feed
from features.clocks import ORDER, Clock, known_rows
from features.corrections import corrected_tables
from features.steps import Step, with_steps
from holdback.business import Business
from holdback.sql import literal
from holdback.warehouse import Warehouse

REVENUE = "revenue"
DISCOUNTS = "discounts"
COST_OF_SALES = "cost_of_sales"
RETENTION = "retention"
CONTACTS = "contacts by "
FAULTS = "faults by "

_DAYS_PER_YEAR = 365


def booked(warehouse: Warehouse, business: Business, starts_on: date, ends_on: date, *, known_on: date) -> pa.Table:
    """Return the lines of ``[starts_on, ends_on)``, as known on a day.

    Returns:
        ``customer_id, line, amount_cents``, ordered; a line that is zero is left out.

    Raises:
        BusinessFileError: no feed carries revenue.
    """
    corrected, known = corrected_tables(warehouse), Clock.of(business, known_on)
    start, end = (Clock.of(business, day).now for day in (starts_on, ends_on))
    steps = _revenue(business, known, start, end, (ends_on - starts_on).days, corrected)
    parts = [
        f"select customer_id, '{REVENUE}' as line, paid_cents + discount_cents as amount_cents from _booked",
        f"select customer_id, '{DISCOUNTS}', -discount_cents from _booked",
        f"select customer_id, '{COST_OF_SALES}', -cost_cents from _booked",
    ]
    steps += [_contacts(business, known, start, end, corrected), _retention(business, known, start, end, corrected)]
    parts += [
        "select customer_id, line, amount_cents from _contacts",
        "select customer_id, line, amount_cents from _sent",
    ]
    union = "\nunion all\n".join(parts)
    return warehouse.query(
        f"{with_steps(steps)}\nselect customer_id, line, cast(amount_cents as bigint) as amount_cents\n"
        f"from ({union}) as lines\nwhere amount_cents <> 0\norder by customer_id, line"
    )


def _revenue(
    business: Business, known: Clock, start: str, end: str, days: int, corrected: Collection[str]
) -> list[Step]:
    """Steps that end in ``_booked``: ``customer_id, paid_cents, discount_cents, cost_cents``."""
    feed = revenue_feed(business)
    shape, rate, is_corrected = business.feeds[feed], float(business.value.margin_rate), feed in corrected
    within = f"event_at >= {start} and event_at < {end}"
    if shape.role == "transactions":
        discount = "coalesce(sum(discount_cents), 0)" if shape.has("discount_cents") else "0"
        columns = ("amount_cents", *(["discount_cents"] if shape.has("discount_cents") else []))
        rows = known_rows(feed, columns, known, corrected=is_corrected, also=within, spine=False)
        paid = f"sum(amount_cents) as paid_cents, {discount} as discount_cents"
        return [Step("_rows", "lines of the period", rows), _priced("_rows", paid, rate)]
    if shape.role == "balances":
        account = "account_kind" if shape.has("account_kind") else "'one'"
        columns = (f"{account} as account", "balance_cents")
        rows = known_rows(feed, columns, known, corrected=is_corrected, also=within, spine=False)
        means = "select customer_id, avg(balance_cents) as balance_cents from _rows group by customer_id, account"
        earned = f"round(sum(balance_cents) * {rate!r} * {days} / {_DAYS_PER_YEAR}) as paid_cents, 0 as discount_cents"
        return [
            Step("_rows", "balances of the period", rows),
            Step("_accounts", "each account's mean", means),
            _priced("_accounts", earned, 1.0),
        ]
    order = ", ".join(ORDER)
    columns = (f"{contract_key(business, feed)} as contract_id", "kind", "price_cents", *ORDER)
    rows = known_rows(feed, columns, known, corrected=is_corrected, also=f"event_at < {end}", spine=False)
    by_contract = f"partition by customer_id, contract_id order by {order}"
    states = (
        "select customer_id, kind, event_at,\n"
        f"        last_value(price_cents ignore nulls) over ({by_contract}) as price_cents,\n"
        f"        coalesce(lead(event_at) over ({by_contract}), {end}) as until_at\n    from _events"
    )
    seconds = f"greatest(0, epoch(least(until_at, {end})) - epoch(greatest(event_at, {start})))"
    paid = f"round(sum(price_cents * {seconds}) / {86400 * DAYS_PER_MONTH!r}) as paid_cents, 0 as discount_cents"
    running = "select * from _states where kind not in ('cancel', 'pause') and price_cents is not null"
    return [
        Step("_events", "events of contracts up to the end of the period", rows),
        Step("_states", "from each event to the next", states),
        Step("_running", "while a contract runs, its price is due", running),
        _priced("_running", paid, rate),
    ]


def _priced(source: str, paid: str, rate: float) -> Step:
    sums = f"select customer_id, {paid}\n    from {source}\n    group by customer_id"
    cost = f"paid_cents - round(paid_cents * {rate!r})"
    return Step("_booked", "what was paid and what it cost", f"select *, {cost} as cost_cents\n    from ({sums}) as s")


def _contacts(business: Business, known: Clock, start: str, end: str, corrected: Collection[str]) -> Step:
    costs = business.fit.cost_to_serve
    parts = []
    for feed in business.feeds_with_role("interactions"):
        columns = (f"{channel_of(business, feed)} as channel", f"{is_fault(business)} as is_fault")
        within = f"event_at >= {start} and event_at < {end}"
        rows = known_rows(feed, columns, known, corrected=feed in corrected, also=within, spine=False)
        parts.append(f"select * from ({rows})")
    if not parts or not costs:
        return Step("_contacts", "no contact costs anything", _NOTHING)
    cases = " ".join(f"when {literal(channel)} then {100 * cost!r}" for channel, cost in costs.items())
    label = f"case when is_fault then '{FAULTS}' else '{CONTACTS}' end || channel"
    union = "\n    union all\n    ".join(parts)
    return Step(
        "_contacts",
        "contacts of the period at their unit cost; those that we caused stand on their own",
        f"select customer_id, {label} as line, -round(count(*) * case channel {cases} end) as amount_cents\n"
        f"    from ({union}) as rows\n    where channel in ({', '.join(literal(c) for c in costs)})\n"
        "    group by customer_id, is_fault, channel",
    )


def _retention(business: Business, known: Clock, start: str, end: str, corrected: Collection[str]) -> Step:
    parts = []
    for name, feed in business.feeds_with_role("campaign_contacts").items():
        if feed.has("cost_cents"):
            within = f"event_at >= {start} and event_at < {end}"
            rows = known_rows(name, ("cost_cents",), known, corrected=name in corrected, also=within, spine=False)
            parts.append(f"select * from ({rows})")
    if not parts:
        return Step("_sent", "no feed tells what messages cost", _NOTHING)
    union = "\n    union all\n    ".join(parts)
    return Step(
        "_sent",
        "what our own messages cost in the period",
        f"select customer_id, '{RETENTION}' as line, -coalesce(sum(cost_cents), 0) as amount_cents\n"
        f"    from ({union}) as rows\n    group by customer_id",
    )


_NOTHING = "select null::varchar as customer_id, null::varchar as line, 0 as amount_cents where false"
