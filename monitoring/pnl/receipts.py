"""What customers paid, straight from the feed that carries the revenue: the other side of the account's revenue.

Another arithmetic than the one that effects are read with (:mod:`monitoring.outcomes.money`), to the same cents. A
contract's price, for instance, is not spread over states that begin and end: each event changes what a month brings,
and the change counts from the event (or the entry) to the end of the horizon, in whole microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import pyarrow as pa

from campaigns.margins import DAYS_PER_MONTH, contract_key, revenue_feed
from features.clocks import MICROSECONDS_PER_DAY, ORDER, Clock, known_rows
from features.corrections import corrected_tables
from features.steps import Step, with_steps
from holdback.business import Business
from holdback.warehouse import Warehouse
from monitoring.outcomes import Cohort
from monitoring.pnl.books import entered_step

_DAYS_PER_YEAR = 365
_PER_MONTH = round(DAYS_PER_MONTH * MICROSECONDS_PER_DAY)


def paid(warehouse: Warehouse, business: Business, cohort: Cohort, as_of: date, months: Sequence[str]) -> int:
    """Return what everybody who entered in some months paid within his horizon, in cents.

    Args:
        warehouse: Where ledger and feeds are.
        business: The company.
        cohort: Whose customers.
        as_of: The day of knowledge.
        months: Months of entry, such as ``2026-03``; everybody in them is mature.

    Raises:
        BusinessFileError: no feed carries revenue.
    """
    feed = revenue_feed(business)
    steps = [entered_step(cohort, as_of), *_rows(warehouse, business, feed, as_of), *_receipts(business, cohort, feed)]
    found = warehouse.query(
        f"{with_steps(steps)}\nselect cast(coalesce(sum(cents), 0) as bigint) as cents from _receipts",
        frames={"_windows": _windows(warehouse, business, cohort, as_of, months)},
    )
    return int(found["cents"][0].as_py())


def _windows(warehouse: Warehouse, business: Business, cohort: Cohort, as_of: date, months: Sequence[str]) -> pa.Table:
    """Return ``entered_on, starts_at, ends_at`` of each day of entry."""
    days = warehouse.query(
        f"{with_steps([entered_step(cohort, as_of)])} select distinct entered_on from _entered "
        "where entry_month in (select month from _months) order by entered_on",
        frames={"_months": pa.table({"month": pa.array(list(months), pa.string())})},
    )["entered_on"].to_pylist()
    horizon = timedelta(days=cohort.horizon_days)
    return pa.table(
        {
            "entered_on": pa.array(days, pa.date32()),
            "starts_at": pa.array([business.instant(day) for day in days], pa.timestamp("us")),
            "ends_at": pa.array([business.instant(day + horizon) for day in days], pa.timestamp("us")),
        }
    )


def _rows(warehouse: Warehouse, business: Business, feed: str, as_of: date) -> list[Step]:
    shape = business.feeds[feed]
    account = "account_kind" if shape.has("account_kind") else "'one'"
    columns: dict[str, tuple[str, ...]] = {
        "transactions": ("event_at", "amount_cents"),
        "balances": (f"{account} as account", "event_at", "balance_cents"),
        "subscriptions": (f"{contract_key(business, feed)} as contract_id", "kind", "price_cents", *ORDER),
    }
    clock, is_corrected = Clock.of(business, as_of), feed in corrected_tables(warehouse)
    rows = known_rows(feed, columns[shape.role], clock, corrected=is_corrected, spine=False)
    return [Step("_rows", "what the feed tells, as known", rows)]


def _receipts(business: Business, cohort: Cohort, feed: str) -> list[Step]:
    """Steps that end in ``_receipts``: ``cents``, of some part of what some customer paid within his horizon."""
    theirs = "from _rows inner join _entered using (customer_id) inner join _windows using (entered_on)"
    within = f"{theirs}\n    where event_at >= starts_at and event_at < ends_at"
    role = business.feeds[feed].role
    if role == "transactions":
        return [Step("_receipts", "each line that was paid", f"select amount_cents as cents {within}")]
    if role == "balances":
        means = f"select customer_id, avg(balance_cents) as mean_cents {within}\n    group by customer_id, account"
        yearly = f"round(sum(mean_cents) * {cohort.horizon_days} / {_DAYS_PER_YEAR})"
        return [
            Step("_means", "each account's mean", means),
            Step("_receipts", "the share of a year", f"select {yearly} as cents from _means group by customer_id"),
        ]
    in_order = f"partition by customer_id, contract_id order by {', '.join(ORDER)}"
    monthly = f"""select customer_id, event_at, {", ".join(name for name in ORDER if name != "event_at")}, contract_id,
        case when kind in ('cancel', 'pause') then 0 else
            coalesce(last_value(price_cents ignore nulls) over ({in_order}), 0) end as monthly_cents
    from _rows"""
    changes = f"""select customer_id, event_at,
        monthly_cents - coalesce(lag(monthly_cents) over ({in_order}), 0) as change_cents
    from _monthly"""
    theirs = theirs.replace("_rows", "_changes")
    counted = f"""select customer_id, sum(change_cents::hugeint
            * (epoch_us(ends_at) - epoch_us(greatest(event_at, starts_at)))) as cent_microseconds
    {theirs}
    where event_at < ends_at
    group by customer_id"""
    whole = f"(2 * cent_microseconds + {_PER_MONTH}) // {2 * _PER_MONTH}"  # to the nearest cent, halves upwards
    return [
        Step("_monthly", "what a contract brings a month from each event on", monthly),
        Step("_changes", "by how much each event changes it", changes),
        Step("_counted", "each change until the end of the horizon", counted),
        Step("_receipts", "in cents", f"select {whole} as cents from _counted"),
    ]
