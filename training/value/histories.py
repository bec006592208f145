"""What each customer bought until a day, and what came in a later window: for companies without contracts.

One purchase is one day (UTC) whose net amount is 0 or more; a day on which more went back than was paid is none, but
its money counts. Who bought in the 365 days before a day is a customer of that day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.clocks import Clock, known_rows
from features.corrections import corrected_tables
from features.steps import Step, select, with_steps
from holdback.business import Business
from holdback.warehouse import Warehouse
from training.value.btyd import Purchases

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

CURRENT_DAYS = 365
DAYS_PER_WEEK = 7
CENTS = 100


@dataclass(frozen=True, eq=False)
class Histories:
    """Everybody who ever bought, as known on a day.

    Attributes:
        on: The day.
        customer_ids: Their keys, ordered, shape (n,).
        purchases: How often, since when and for how much (revenue in currency units, not margin).
        is_current: Who bought in the 365 days before the day, shape (n,).
    """

    on: date
    customer_ids: npt.NDArray[Any]
    purchases: Purchases
    is_current: Booleans

    def __len__(self) -> int:
        return int(self.customer_ids.size)

    def where(self, mask: Booleans) -> Histories:
        """The histories of a boolean mask, in the same order."""
        whole = self.purchases
        part = Purchases(whole.frequency[mask], whole.recency[mask], whole.age[mask], whole.mean_amount[mask])
        return Histories(self.on, self.customer_ids[mask], part, self.is_current[mask])


def purchase_histories(warehouse: Warehouse, business: Business, feed: str, as_of: date) -> Histories:
    """Return the purchases of everybody who bought before a day, by both clocks; nobody when the feed is empty.

    Args:
        warehouse: Where the feeds are.
        business: The company.
        feed: A feed of role ``transactions``.
        as_of: The day of knowledge.
    """
    clock = Clock.of(business, as_of)
    columns = ("cast(event_at as date) as bought_on", "amount_cents")
    lines = known_rows(feed, columns, clock, corrected=feed in corrected_tables(warehouse), spine=False)
    days = ["customer_id", "bought_on", "sum(amount_cents) as net_cents"]
    is_purchase = "filter (where net_cents >= 0)"
    customers = [
        "customer_id",
        f"count(*) {is_purchase} as day_count",
        f"min(bought_on) {is_purchase} as first_on",
        f"max(bought_on) {is_purchase} as last_on",
        "sum(net_cents) as net_cents",
    ]
    steps = [
        Step("_lines", "lines that were visible at as_of", lines),
        Step("_days", "one row per day", select(days, "from _lines\n    group by customer_id, bought_on")),
        Step("_customers", "one row per customer", select(customers, "from _days\n    group by customer_id")),
    ]
    # An evening in the Americas is tomorrow's UTC day: nobody has bought after the day of looking.
    today = f"greatest({clock.today}, cast({clock.now} as date))"
    found = warehouse.query(
        with_steps(steps)
        + f"""
        select
            customer_id,
            cast(day_count - 1 as double) as frequency,
            date_diff('day', first_on, last_on) / {DAYS_PER_WEEK}e0 as recency,
            date_diff('day', first_on, {today}) / {DAYS_PER_WEEK}e0 as age,
            greatest(cast(net_cents as double) / day_count / {CENTS}e0, 0e0) as mean_amount,
            date_diff('day', last_on, {today}) <= {CURRENT_DAYS} as is_current
        from _customers
        where day_count > 0
        order by customer_id
        """
    )
    frequency, recency, age, mean_amount = (
        _floats(found, name) for name in ("frequency", "recency", "age", "mean_amount")
    )
    return Histories(
        as_of,
        np.asarray(found["customer_id"].to_numpy(zero_copy_only=False), dtype=object).astype(str),
        Purchases(frequency, recency, age, mean_amount),
        np.asarray(found["is_current"].to_numpy(zero_copy_only=False), dtype=bool),
    )


def spent_in_window(
    warehouse: Warehouse,
    business: Business,
    feed: str,
    starts_on: date,
    window_days: int,
    *,
    known_on: date,
    customer_ids: npt.NDArray[Any],
) -> Floats:
    """Return the net revenue of each customer in the days from ``starts_on``, in currency units, shape (n,).

    Args:
        warehouse: Where the feeds are.
        business: The company.
        feed: A feed of role ``transactions``.
        starts_on: First day of the window.
        window_days: Its length.
        known_on: The day on which the question is asked; rows loaded later do not count.
        customer_ids: Whose, shape (n,).
    """
    start = Clock.of(business, starts_on)
    rows = known_rows(
        feed,
        ("amount_cents",),
        Clock.of(business, known_on),
        corrected=feed in corrected_tables(warehouse),
        also=f"event_at >= {start.now} and event_at < {start.days_ago(-window_days)}",
    )
    sql = with_steps([Step("_lines", "what was paid and given back in the window", rows)])
    found = warehouse.query(
        f"{sql}\nselect spine.customer_id, coalesce(cast(sum(amount_cents) as double), 0e0) / {CENTS}e0 as spent\n"
        "from spine left join _lines on _lines.customer_id = spine.customer_id\n"
        "group by spine.customer_id order by spine.customer_id",
        frames={"spine": pa.table({"customer_id": pa.array(customer_ids.tolist(), pa.string())})},
    )
    return in_order_of(customer_ids, found, "spent")


def in_order_of(customer_ids: npt.NDArray[Any], found: pa.Table, column: str) -> Floats:
    """Return a column of a table that has one row per customer, in the order of ``customer_ids``; 0 when absent."""
    by_customer = dict(zip(found["customer_id"].to_pylist(), found[column].to_pylist(), strict=True))
    return np.array([by_customer.get(who, 0) for who in customer_ids.tolist()], dtype=np.float64)


def _floats(table: pa.Table, name: str) -> Floats:
    return np.asarray(table[name].to_numpy(zero_copy_only=False), dtype=np.float64)
