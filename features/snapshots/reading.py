"""Read a feed's rows of some customers once, for all days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from features.clocks import Clock
from features.preparation import KNOWN_SINCE, prepared_history
from features.snapshots.days import Days, Integers
from features.snapshots.history import Column, Flags, History
from features.snapshots.oddities import Intervals, odd_days, too_large
from features.snapshots.spoken import After, Spoken, column_of
from features.steps import select, with_steps

if TYPE_CHECKING:
    import pyarrow as pa

    from holdback.warehouse import Warehouse


@dataclass(frozen=True, eq=False)
class DayOf:
    """Whom a day describes, among the customers of a range.

    Args:
        number: Number of the day.
        customers: Their numbers in the range, ascending, shape (n,).
    """

    number: int
    customers: npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Read:
    """A feed's rows of some customers.

    Args:
        history: The rows; their owners are customers, or accounts.
        customer: Customer of each owner, shape (owners,).
        odd: Days on which a customer's features cannot be found from runs of rows, shape (days, customers).
    """

    history: History
    customer: Integers
    odd: Flags

    def is_odd(self, day: DayOf) -> Flags:
        """Whom of a day's customers runs of rows cannot describe, shape (n,)."""
        return np.asarray(self.odd[day.number, day.customers])


def read(warehouse: Warehouse, spoken: Spoken, days: Days, customers: pa.Table, *, corrected: bool) -> Read:
    """Read a feed.

    Args:
        warehouse: Where it is.
        spoken: The feed and what is to be found.
        days: The days.
        customers: ``customer_id`` and ``customer_number``, 0 to n - 1.
        corrected: True when rows of this feed were replaced by corrections.
    """
    newest: date = days.days[-1]
    clock = Clock(newest, days.instant)
    rows = warehouse.query(history_sql(spoken, clock, corrected=corrected), frames={"spine": customers})
    customer = _numbers(rows["customer_number"]).astype(np.int32)
    owner, customer_of = _owners(rows, customer) if spoken.accounts else (customer, None)
    columns = {sql: _column(rows[f"column_{place}"]) for place, sql in enumerate(spoken.columns)}
    conditions = {sql: _numbers(rows[f"condition_{place}"]).astype(bool) for place, sql in enumerate(spoken.conditions)}
    history = History(
        days,
        customers.num_rows if customer_of is None else len(customer_of),
        owner,
        _numbers(rows["event_us"]),
        days.first_knowing(_numbers(rows[KNOWN_SINCE[1]])),
        columns,
        conditions,
    )
    odd = odd_days(history, customer, customers.num_rows, days.first_knowing(_numbers(rows[KNOWN_SINCE[0]])))
    for sql, is_squared in _added(spoken):
        odd |= too_large(history, customer, customers.num_rows, sql, squared=is_squared)
    if corrected:
        gone = warehouse.query(_replaced_sql(spoken, clock), frames={"spine": customers})
        intervals = Intervals(len(days), customers.num_rows)
        known, replaced = (days.first_knowing(_numbers(gone[name])) for name in ("known_us", "replaced_us"))
        intervals.add(known, replaced, _numbers(gone["customer_number"]))
        odd |= intervals.flags()
    return Read(history, np.arange(customers.num_rows) if customer_of is None else customer_of, odd)


def history_sql(spoken: Spoken, clock: Clock, *, corrected: bool) -> str:
    """SQL of a feed's prepared rows as whole numbers, by customer and time, with everything that measures need."""
    steps = prepared_history(spoken.shape, clock, corrected=corrected)
    rows = steps[-1].name
    listed = ["customer_number", "epoch_us(event_at) as event_us", *KNOWN_SINCE]
    listed += [f"cast({sql} as bigint) as column_{place}" for place, sql in enumerate(spoken.columns)]
    listed += [f"cast(coalesce({sql}, false) as tinyint) as condition_{place}" for place, sql in _numbered(spoken)]
    order = ["customer_number", "event_us"]
    if spoken.accounts and spoken.shape.has("account_kind"):
        listed.append("account_kind")
        order.insert(1, "account_kind")
    # Of the rows of one instant the last one is the newest: what was said after silence, a higher score after a lower.
    said = {limit.newest for limit in spoken.limits.values() if isinstance(limit, After)}
    order += [f"condition_{place}" for place, sql in _numbered(spoken) if sql in said]
    order += ["score_thousandths nulls first"] if spoken.limits else []
    return (
        f"{with_steps(steps)}\n\n{select(listed, f'from {rows}')}\n    order by {', '.join([*order, KNOWN_SINCE[1]])}\n"
    )


def _numbered(spoken: Spoken) -> list[tuple[int, str]]:
    return list(enumerate(spoken.conditions))


def _replaced_sql(spoken: Spoken, clock: Clock) -> str:
    """SQL of the rows that were visible once and are not any more on the newest day."""
    feed = f'"{spoken.shape.feed}"'
    return (
        "select\n    customer_number,\n    greatest(epoch_us(event_at) + 1, epoch_us(loaded_at)) as known_us,\n"
        f"    epoch_us(replaced_at) as replaced_us\nfrom {feed}\n"
        f"join superseded on superseded.feed = '{spoken.shape.feed}'\n"
        f"    and superseded.batch_id = {feed}.batch_id and superseded.row_number = {feed}.row_number\n"
        f"join spine on spine.customer_id = {feed}.customer_id\n"
        f"where event_at < {clock.now} and loaded_at <= {clock.now} and replaced_at <= {clock.now}\n"
    )


def _added(spoken: Spoken) -> set[tuple[str, bool]]:
    """Columns that are summed, and whether their squares are."""
    measures = spoken.measures if not spoken.accounts else ()
    sums = {(m.column, m.operation == "squares") for m in measures if m.operation in ("sum", "squares")}
    levels = {(column_of(part), False) for part in spoken.accounts.values()}
    return {(column, squared) for column, squared in sums | levels if column is not None}


def _owners(rows: pa.Table, customer: npt.NDArray[Any]) -> tuple[Any, Integers]:
    """Account of each row, and customer of each account."""
    if not len(customer):
        return customer, np.zeros(0, np.int64)
    is_first = np.r_[True, customer[1:] != customer[:-1]]
    if "account_kind" in rows.column_names:
        kinds = rows["account_kind"].combine_chunks().dictionary_encode(null_encoding="encode").indices.to_numpy()
        is_first[1:] |= kinds[1:] != kinds[:-1]
    return (np.cumsum(is_first) - 1).astype(np.int32), customer[is_first].astype(np.int64)


def _column(values: pa.ChunkedArray) -> Column:
    import pyarrow.compute as pc

    if not values.null_count:
        return Column(_numbers(values))
    return Column(_numbers(pc.fill_null(values, 0)), values.is_valid().to_numpy())


def _numbers(values: pa.ChunkedArray) -> Any:
    return values.to_numpy()
