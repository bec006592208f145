"""Who has a contract on a day and at what price, who had left how many months later, and what was really paid.

A customer has left at the end of a month when none of the contracts is open any more: whoever swaps one contract for
another stays, and a pause is no end. Month ``k`` after a day ends ``k x 30.4375`` days after its start.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.clocks import ORDER, Clock, known_rows, timestamp
from features.corrections import corrected_tables
from features.steps import Step, select, with_steps
from holdback.business import Business
from holdback.warehouse import Warehouse
from training.value.hazard import DAYS_PER_MONTH
from training.value.histories import CENTS, in_order_of

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_ORDER = f"row({', '.join(ORDER)})"


@dataclass(frozen=True, eq=False)
class Holders:
    """Customers with an open contract, as known on a day.

    Attributes:
        on: The day.
        customer_ids: Their keys, ordered, shape (n,).
        monthly_amounts: What each pays a month in currency units (revenue, not margin), shape (n,); NaN when the
            records do not tell it: a contract is paused, or an open one never had a price.
    """

    on: date
    customer_ids: npt.NDArray[Any]
    monthly_amounts: Floats

    def __len__(self) -> int:
        return int(self.customer_ids.size)


def contract_holders(warehouse: Warehouse, business: Business, feed: str, as_of: date) -> Holders:
    """Return who has an open contract on a day, by both clocks, and the newest price of the open contracts."""
    clock = Clock.of(business, as_of)
    price = "price_cents" if business.feeds[feed].has("price_cents") else "cast(null as bigint) as price_cents"
    columns = (f"{_contract(business, feed)} as contract_id", "kind", price, *ORDER)
    events = known_rows(feed, columns, clock, corrected=feed in corrected_tables(warehouse), spine=False)
    found = warehouse.query(
        with_steps([Step("_events", "events of contracts that were visible at as_of", events), _newest("_events")])
        + f"""
        select
            customer_id,
            case when not bool_or(last_kind = 'pause' or price_cents is null)
                then cast(sum(price_cents) as double) / {CENTS}e0 end as monthly_amount
        from _contracts
        where last_kind <> 'cancel'
        group by customer_id
        order by customer_id
        """
    )
    ids = np.asarray(found["customer_id"].to_numpy(zero_copy_only=False), dtype=object).astype(str)
    amounts = np.asarray(found["monthly_amount"].to_numpy(zero_copy_only=False), dtype=np.float64)
    return Holders(as_of, ids, amounts)


def first_ending(warehouse: Warehouse, business: Business, feed: str, as_of: date) -> date | None:
    """Return the day of the first end of a contract that is on record; None when none is.

    Companies know when their contracts began long before they began to keep those that ended. Before the first end on
    record nobody could be seen to leave: such days teach that contracts last for ever.
    """
    clock = Clock.of(business, as_of)
    rows = known_rows(
        feed, ("event_at",), clock, corrected=feed in corrected_tables(warehouse), also="kind = 'cancel'", spine=False
    )
    first = warehouse.query(f"select min(event_at) as first_at from ({rows})")["first_at"][0].as_py()
    return None if first is None else business.day_of(first)


def left_in(
    warehouse: Warehouse,
    business: Business,
    feed: str,
    starts_on: date,
    months: int,
    *,
    known_on: date,
    customer_ids: npt.NDArray[Any],
) -> Integers:
    """Return the month after a day at whose end each customer had left, from 1; 0 when still there, shape (n,).

    Args:
        warehouse: Where the feeds are.
        business: The company.
        feed: A feed of role ``subscriptions``.
        starts_on: The day; all customers had an open contract on it.
        months: Months that the data reach.
        known_on: The day on which the question is asked; rows loaded later do not count.
        customer_ids: Whose, shape (n,).
    """
    cancelled = f"kind = 'cancel' and event_at >= {timestamp(business.instant(starts_on))}"
    leaving = _rows(
        warehouse, business, feed, known_on, ("kind",), f"{cancelled} and {_before(business, starts_on, months)}"
    )
    spine = _spine(customer_ids)
    asked = warehouse.query(
        f"select distinct customer_id from ({leaving}) order by customer_id", frames={"spine": spine}
    )
    states = _states(warehouse, business, feed, starts_on, months, known_on)
    found = warehouse.query(
        with_steps(
            [
                *states,
                Step(
                    "_open",
                    "how many contracts each still has at the end of each month",
                    select(
                        ["customer_id", "month_number", "count(*) filter (where last_kind <> 'cancel') as open_count"],
                        "from _contracts\n    group by customer_id, month_number",
                    ),
                ),
            ]
        )
        + "\nselect customer_id, min(month_number) as left_in from _open where open_count = 0\n"
        "group by customer_id order by customer_id",
        frames={"spine": asked, "months": _months(business, starts_on, months)},
    )
    return in_order_of(customer_ids, found, "left_in").astype(np.int64)


def paid_in_months(
    warehouse: Warehouse,
    business: Business,
    feed: str,
    starts_on: date,
    months: int,
    *,
    known_on: date,
    customer_ids: npt.NDArray[Any],
) -> Floats:
    """Return what each customer paid in the months after a day, in currency units, shape (n,).

    Month by month the price of the contracts that are open at its end and not paused; arguments as :func:`left_in`.
    """
    states = _states(warehouse, business, feed, starts_on, months, known_on)
    found = warehouse.query(
        with_steps(states)
        + f"\nselect customer_id, coalesce(cast(sum(price_cents) as double), 0e0) / {CENTS}e0 as paid from _contracts\n"
        "where last_kind not in ('cancel', 'pause') group by customer_id order by customer_id",
        frames={"spine": _spine(customer_ids), "months": _months(business, starts_on, months)},
    )
    return in_order_of(customer_ids, found, "paid")


def _states(
    warehouse: Warehouse, business: Business, feed: str, starts_on: date, months: int, known_on: date
) -> list[Step]:
    """Steps that end in ``_contracts``: the state of each contract of the spine at the end of each month."""
    price = "price_cents" if business.feeds[feed].has("price_cents") else "cast(null as bigint) as price_cents"
    columns = (f"{_contract(business, feed)} as contract_id", "kind", price, *ORDER)
    events = _rows(warehouse, business, feed, known_on, columns, _before(business, starts_on, months))
    by_month = select(
        ["_events.*", "months.month_number"], "from _events\n    join months on event_at < months.ends_at"
    )
    return [
        Step("_events", "events of the customers' contracts", events),
        Step("_by_month", "each event in every month at whose end it had happened", by_month),
        _newest("_by_month", "month_number"),
    ]


def _newest(events: str, *also_by: str) -> Step:
    by = ", ".join(("customer_id", "contract_id", *also_by))
    columns = [
        by,
        f"arg_max(kind, {_ORDER}) as last_kind",
        f"arg_max(price_cents, {_ORDER}) filter (where price_cents is not null) as price_cents",
    ]
    return Step(
        "_contracts",
        "the state of each contract; an event without a price leaves the price",
        select(columns, f"from {events}\n    group by {by}"),
    )


def _rows(
    warehouse: Warehouse, business: Business, feed: str, known_on: date, columns: tuple[str, ...], condition: str
) -> str:
    clock = Clock.of(business, known_on)
    corrected = feed in corrected_tables(warehouse)
    return known_rows(feed, columns, clock, corrected=corrected, also=condition, event_clock=False)


def _before(business: Business, starts_on: date, months: int) -> str:
    return f"event_at < {timestamp(business.instant(starts_on) + timedelta(days=months * DAYS_PER_MONTH))}"


def _months(business: Business, starts_on: date, months: int) -> pa.Table:
    start = business.instant(starts_on)
    numbers = list(range(1, months + 1))
    ends = [start + timedelta(days=number * DAYS_PER_MONTH) for number in numbers]
    return pa.table({"month_number": pa.array(numbers, pa.int64()), "ends_at": pa.array(ends, pa.timestamp("us"))})


def _spine(customer_ids: npt.NDArray[Any]) -> pa.Table:
    return pa.table({"customer_id": pa.array(customer_ids.tolist(), pa.string())})


def _contract(business: Business, feed: str) -> str:
    """SQL of the key of a contract: the customer itself, when the feed has no contract column."""
    has_key = business.feeds[feed].has("subscription_id")
    return "coalesce(subscription_id, customer_id)" if has_key else "customer_id"
