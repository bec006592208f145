"""A simulated company's days, put straight into a warehouse: as ingesting each day's clean files would leave them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from holdback.business import Business
from holdback.workspace import Workspace
from simulator import Company
from tests.simulator.companies import play_on
from tests.simulator.examples import example_with

DAY = timedelta(days=1)


def business_of(project_root: Path, kind: str, feeds: Collection[str], **changes: Any) -> Business:
    """Return an example business with some of its feeds, no campaigns, and changes of its file."""
    content = example_with(project_root, kind, feeds)
    content.pop("budget", None)
    content["value"].pop("feed", None)
    content["actions"] = [{"name": name, "channel": "phone", "cost": 1.0} for name in ("adviser_call", "loan_offer")]
    return Business.model_validate(content | changes)


def live(
    company: Company,
    days: int,
    workspace: Workspace,
    *,
    history: date | None = None,
    watch: Callable[[Company], None] = lambda _: None,
) -> date:
    """Play some days and store what the feeds of the business tell of them; the day after the last is returned.

    Args:
        company: The company.
        days: How many.
        workspace: Where to; only the feeds that its business declares, and the customers.
        history: What is told on this day is taken to have been loaded a day after it happened.
        watch: Called after each day.
    """
    business = workspace.business
    told: dict[str, list[pa.Table]] = defaultdict(list)
    for _ in range(days):
        play_on(company, 1)
        watch(company)
        loaded_at = business.instant(company.played_until + DAY)
        for name, table in company.feeds(company.played_until).items():
            if name in business.feeds or name == "customers":
                assumed = history == company.played_until and name != "customers"
                told[name].append(stored(table, business, name, loaded_at, as_happened=assumed))
    for name, parts in told.items():
        rows = pa.concat_tables(parts)
        numbered = rows.append_column("batch_id", pa.array([f"lived/{company.played_until}"] * rows.num_rows))
        numbered = numbered.append_column("row_number", pa.array(np.arange(1, rows.num_rows + 1)))
        workspace.warehouse.append(name, numbered, batch=f"lived/{company.played_until}")
    return company.played_until + DAY


def stored(table: pa.Table, business: Business, name: str, loaded_at: Any, *, as_happened: bool) -> pa.Table:
    """Return a file's rows under our names: instants in UTC, money in cents."""
    columns: dict[str, pa.ChunkedArray | pa.Array] = {}
    for ours, theirs in _names(business, name).items():
        values = table[theirs]
        if pa.types.is_timestamp(values.type):
            values = _utc(values, business.time_zone)
        if ours.endswith("_cents"):
            values = pc.cast(pc.round(pc.multiply(values, 100.0)), pa.int64())
        columns[ours] = values
    if as_happened:
        at = pc.add(columns["event_at"], pa.scalar(DAY, pa.duration("us")))
        latest = pa.scalar(loaded_at, pa.timestamp("us"))
        columns["loaded_at"] = pc.min_element_wise(at, latest)
    else:
        columns["loaded_at"] = pa.array([loaded_at] * table.num_rows, pa.timestamp("us"))
    return pa.table(columns)


def _names(business: Business, name: str) -> Mapping[str, str]:
    """Return their column by ours."""
    if name != "customers":
        feed = business.feeds[name]
        return {column.name: str(feed.columns[column.key]) for column in feed.mapped_columns}
    section = business.customers
    assert section is not None
    own = {attribute: attribute for attribute in section.attributes}
    return {"customer_id": section.key, "signed_up_at": str(section.columns["signed_up_at"]), **own}


def _utc(local: pa.ChunkedArray, zone: str) -> pa.ChunkedArray:
    aware = pc.assume_timezone(local.cast(pa.timestamp("us")), zone, ambiguous="earliest", nonexistent="latest")
    return aware.cast(pa.int64()).cast(pa.timestamp("us"))
