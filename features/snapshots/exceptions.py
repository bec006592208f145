"""The days of customers that runs of rows cannot describe, by the statement of a day: one for all of these days.

Each pair of day and customer becomes a customer of its own, whose number begins with the number of the day; wherever a
statement names an instant, it then names the one of this day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from features.clocks import MICROSECONDS_PER_DAY, Clock
from features.compiler import compile_features
from features.declarations import FeatureSet
from features.snapshots.days import Days
from features.snapshots.spoken import Spoken
from holdback.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa

_DIGITS = 5
_NUMBERS = 1 << 32  # of the customers of one day


@dataclass(frozen=True)
class KeyedClock(Clock):
    """The clock of the day with which the number of a customer begins.

    Args:
        days: The days, by number.
    """

    days: Days

    @property
    def now(self) -> str:
        """See :attr:`features.clocks.Clock.now`."""
        return self.days_ago(0)

    def days_ago(self, days: int) -> str:
        """See :meth:`features.clocks.Clock.days_ago`."""
        return f"make_timestamp({self._begin(days, 'customer_number')})"

    def full_days_since(self, expression: str) -> str:
        """See :meth:`features.clocks.Clock.full_days_since`; the spine is joined to where this is asked."""
        return f"(({self._begin(0, 'spine.customer_number')} - epoch_us({expression})) // {MICROSECONDS_PER_DAY})"

    def _begin(self, days: int, key: str) -> str:
        begins = ", ".join(map(str, self.days.begin(days).tolist()))
        return f"list_extract([{begins}], {key} // {_NUMBERS} + 1)"


@dataclass(frozen=True, eq=False)
class Statement:
    """The statement of one feed's features on any day.

    Args:
        features: The business' feature set.
        spoken: The feed.
        days: The days.
        corrected: True when rows of this feed were replaced by corrections.
    """

    features: FeatureSet
    spoken: Spoken
    days: Days
    corrected: bool

    @cached_property
    def sql(self) -> str:
        """SQL over the feed's rows and a spine, both with keys that begin with a day."""
        feed, clock = self.spoken.shape.feed, KeyedClock(self.days.days[-1], self.days.instant, self.days)
        declared = replace(self.features, features=self.spoken.features)
        return compile_features(declared, clock, corrected=[feed] if self.corrected else [])[feed]

    def described(self, warehouse: Warehouse, customer_ids: Sequence[pa.Array]) -> pa.Table:
        """Return the features of customers of each day, one day after the other.

        Args:
            warehouse: Where the feed is.
            customer_ids: Keys of the customers, ordered, for each day.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        keys = [pc.binary_join_element_wise(f"{n:0{_DIGITS}}", ids, "") for n, ids in enumerate(customer_ids)]
        begins = np.repeat(self.days.begin(), [len(ids) for ids in customer_ids])
        key = pa.chunked_array(keys, pa.string())
        pairs = {"pair": key, "paired_id": pa.chunked_array(customer_ids, pa.string()), "begins_us": begins}
        feed = f'"{self.spoken.shape.feed}"'
        rows = warehouse.query(
            f"select {feed}.* replace (pair as customer_id)\nfrom {feed}\njoin pairs on paired_id = customer_id\n"
            "where customer_id >= (select min(paired_id) from pairs)\n"
            "    and customer_id <= (select max(paired_id) from pairs) and epoch_us(event_at) < begins_us",
            frames={"pairs": pa.table(pairs)},
        )
        as_of: Any = np.repeat(np.array(self.days.days, "datetime64[D]"), [len(ids) for ids in customer_ids])
        numbers = np.concatenate([n * _NUMBERS + np.arange(len(ids)) for n, ids in enumerate(customer_ids)])
        spine = pa.table({"customer_id": key, "as_of": pa.array(as_of), "customer_number": numbers})
        found = warehouse.query(self.sql, frames={self.spoken.shape.feed: rows, "spine": spine})
        return found.drop_columns(["customer_id", "as_of"])
