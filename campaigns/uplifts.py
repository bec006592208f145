"""What uplift models expect of each action, for each customer: the table ``uplifts``, as it counts on a day.

Only the day's own rows count: an uplift of another day was computed from what was known then. Of several versions of
an action's model on one day the newest counts, and of several rows of one customer the smallest uplift: who is
contradicted by himself is promised the least. An uplift that is no number, or outside [-1, 1], counts as none, and so
do actions that the business file does not have. Who has no row is decided by the lift of the action.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from campaigns.values import newest_version
from holdback.business import Business
from holdback.sql import literal
from holdback.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Uplifts:
    """The uplifts that count on a day.

    Attributes:
        tables: By action, ``customer_id, uplift``: each customer once, uplifts in [-1, 1].
        versions: By action, the version of the model behind them.
    """

    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def of(self, action: str, customer_ids: pa.ChunkedArray) -> Floats:
        """Return the uplift of an action for each customer, NaN where the model said nothing; shape (n,)."""
        import pyarrow.compute as pc

        table = self.tables.get(action)
        if table is None:
            return np.full(len(customer_ids), np.nan)
        position = pc.index_in(customer_ids, value_set=table["customer_id"])
        found = table["uplift"].take(position).to_numpy()
        return np.asarray(found, dtype=np.float64)


def read_uplifts(warehouse: Warehouse, business: Business, as_of: date) -> Uplifts:
    """Read what the uplift models in office said on a day.

    Args:
        warehouse: Where the table ``uplifts`` is.
        business: The company; only its actions count.
        as_of: The day.

    Examples:
        >>> read_uplifts(workspace.warehouse, business, day).versions  # doctest: +SKIP
        {'call': '3'}
    """
    names = ", ".join(literal(action.name) for action in business.actions)
    if not names:
        return Uplifts()
    rows = warehouse.query(
        "select action, customer_id, uplift, model_version from uplifts\n"
        f"where as_of = date '{as_of}' and action in ({names}) and isfinite(uplift) and uplift between -1 and 1\n"
        "qualify dense_rank() over (partition by action\n"
        f"    order by {newest_version()}) = 1\n"
        "    and row_number() over (partition by action, customer_id\n"
        f"    order by {newest_version()}, uplift) = 1\n"
        "order by action, customer_id"
    )
    return _by_action(rows, [action.name for action in business.actions])


def _by_action(rows: pa.Table, actions: Sequence[str]) -> Uplifts:
    import pyarrow.compute as pc

    tables: dict[str, pa.Table] = {}
    versions: dict[str, str] = {}
    for name in actions:
        own = rows.filter(pc.equal(rows["action"], name))
        if own.num_rows:
            tables[name] = own.select(["customer_id", "uplift"]).combine_chunks()
            versions[name] = own["model_version"][0].as_py()
    return Uplifts(tables, versions)


def expected_gain(rise: Floats, kept_cents: Floats, cost_cents: float) -> Floats:
    """Return the expected incremental margin of an action in cents: what it keeps, less what it costs.

    The cost is due for everybody who is contacted, and the incentive in it also for those who would have stayed. To
    drive somebody away earns nothing, also where keeping him costs more than he brings: nothing is done for that.

    Args:
        rise: By how much the action raises the probability of staying, in [-1, 1], shape (n,).
        kept_cents: What would be lost with the customer, shape (n,).
        cost_cents: Expected cost of the action.

    Examples:
        >>> expected_gain(np.array([0.1, -0.1, -0.1]), np.array([9000.0, 9000.0, -9000.0]), 500.0).tolist()
        [400.0, -1400.0, -500.0]
    """
    return np.asarray(rise * np.where(rise < 0, np.maximum(kept_cents, 0.0), kept_cents) - cost_cents + 0.0)


def implied_save_rate(uplift: Floats, probability: Floats) -> Floats:
    """Return the share of the leavers that an uplift amounts to; NaN where nobody would leave.

    Examples:
        >>> implied_save_rate(np.array([0.05, 0.05]), np.array([0.25, 0.0])).tolist()
        [0.2, nan]
    """
    leaves = probability > 0
    return np.asarray(np.where(leaves, uplift / np.where(leaves, probability, 1.0), np.nan))
