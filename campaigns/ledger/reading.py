"""What the ledger says, in small questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from holdback.sql import literal
from holdback.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class DayCounts:
    """How many rows of each kind one day recorded."""

    as_of: date
    counts: Mapping[str, int]


def newest_day(warehouse: Warehouse) -> date | None:
    """Return the newest day that the ledger has rows of, or None when it is empty."""
    found: date | None = warehouse.query("select max(as_of) as newest from ledger")["newest"][0].as_py()
    return found


def counts_by_day(warehouse: Warehouse, as_of: date, *, days: int = 14) -> tuple[DayCounts, ...]:
    """Count the rows of the newest days up to ``as_of`` by kind, newest day first.

    Args:
        warehouse: Where the ledger is.
        as_of: The last day to count.
        days: How many days of the ledger at most.
    """
    rows = warehouse.query(
        f"""select as_of, kind, count(*) as n, min(sequence) as first from ledger
        where as_of in (
            select distinct as_of from ledger where as_of <= date '{as_of}' order by as_of desc limit {days}
        )
        group by as_of, kind order by as_of desc, first"""
    ).to_pylist()
    found: dict[date, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row["as_of"], {})[row["kind"]] = row["n"]
    return tuple(DayCounts(day, counts) for day, counts in found.items())


def entries(
    warehouse: Warehouse,
    *,
    since: date | None = None,
    until: date | None = None,
    kind: str | None = None,
    campaign: str | None = None,
    customer_id: str | None = None,
) -> pa.Table:
    """Return rows of the ledger as they were written, in their order; what is not stated is not restricted.

    Args:
        warehouse: Where the ledger is.
        since: First day.
        until: Last day.
        kind: One kind of row.
        campaign: One campaign.
        customer_id: One customer.
    """
    wanted = [
        *([f"as_of >= date '{since}'"] if since else []),
        *([f"as_of <= date '{until}'"] if until else []),
        *(
            f"{column} = {literal(value)}"
            for column, value in (("kind", kind), ("campaign", campaign), ("customer_id", customer_id))
            if value is not None
        ),
    ]
    where = f" where {' and '.join(wanted)}" if wanted else ""
    return warehouse.query(f"select * from ledger{where} order by as_of, sequence")


def decisions(warehouse: Warehouse, as_of: date) -> pa.Table:
    """Return the decisions of a day that no correction took back, in their order."""
    return _standing(warehouse, f"kind = 'decided' and as_of = date '{as_of}'")


def assignments(warehouse: Warehouse, *, campaign: str | None, version: int, until: date | None = None) -> pa.Table:
    """Return the assignments in one layer that no correction names, in their order.

    A correction may state another group; :func:`campaigns.holdout.earlier_groups` unites both.

    Args:
        warehouse: Where the ledger is.
        campaign: The campaign; None for the global layer.
        version: Version of the campaign, or of the global holdout.
        until: Last day of the assignment.
    """
    layer = "campaign is null" if campaign is None else f"campaign = {literal(campaign)}"
    day = f" and as_of <= date '{until}'" if until else ""
    return _standing(warehouse, f"kind = 'assigned' and {layer} and version = {int(version)}{day}")


def _standing(warehouse: Warehouse, condition: str) -> pa.Table:
    return warehouse.query(
        f"""select * from ledger where {condition}
        and entry_id not in (select corrects from ledger where kind = 'corrected' and corrects is not null)
        order by as_of, sequence"""
    )
