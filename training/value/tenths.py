"""What the customers are worth, by tenths."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from holdback.workspace import Workspace


@dataclass(frozen=True)
class Tenth:
    """A tenth of the customers by expected margin; 10 is the most valuable one.

    Attributes:
        as_of: Day on which they were valued.
        decile: 1 to 10.
        customer_count: Customers in it.
        margin_cents: What they are expected to bring together over the horizon.
        model_version: Version of the value model.
        method: How it values.
    """

    as_of: date
    decile: int
    customer_count: int
    margin_cents: int
    model_version: str
    method: str


def by_decile(workspace: Workspace, as_of: date) -> tuple[Tenth, ...]:
    """Return the newest values known on a day, by tenths, the most valuable first; empty when nobody was valued."""
    rows = workspace.warehouse.query(
        f"""
        select as_of, value_decile as decile, count(*) as customer_count,
            cast(sum(margin_cents) as bigint) as margin_cents, min(model_version) as model_version,
            min(method) as method
        from customer_values
        where as_of = (select max(as_of) from customer_values where as_of <= date '{as_of}')
        group by as_of, value_decile
        order by value_decile desc
        """
    ).to_pylist()
    return tuple(Tenth(**row) for row in rows)
