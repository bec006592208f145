"""For whom the triggers of the day's campaigns fired, and which action their branch asks for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from features.triggers import fired
from holdback.business import Business, Campaign
from holdback.warehouse import Warehouse

if TYPE_CHECKING:
    from holdback.business import Trigger

FIRED = pa.schema({"customer_id": pa.string(), "trigger": pa.string(), "action": pa.string()})


def triggered(warehouse: Warehouse, business: Business, campaigns: Sequence[Campaign], as_of: date) -> pa.Table:
    """Return the customers whom campaigns of a trigger may contact on a day.

    A trigger that fires far more often than it should has found a fault of the data, not customers in need: nobody is
    returned for it, and the day's firings say so.

    Args:
        warehouse: Where the firings are.
        business: The company.
        campaigns: Those in force.
        as_of: The day; firings of the campaign's ``trigger_days`` up to this day count.

    Returns:
        ``customer_id, trigger, action`` (null: any action of the campaign); customers for whom no branch holds are
        absent, and so are those whom a branch leaves alone.
    """
    parts = [FIRED.empty_table()]
    for campaign in campaigns:
        if campaign.trigger is None:
            continue
        trigger = business.trigger_named(campaign.trigger)
        parts.append(meant(trigger, fired(warehouse, business, trigger.name, as_of, campaign.trigger_days)))
    return pa.concat_tables(parts)


def meant(trigger: Trigger, rows: pa.Table) -> pa.Table:
    """Return those whom a branch gives an action, of the customers for whom a trigger fires."""
    if trigger.then:
        rows = rows.filter(pc.fill_null(pc.not_equal(rows["action"], "none"), False))
    named = pa.array([trigger.name] * rows.num_rows, pa.string())
    return pa.table([rows["customer_id"], named, rows["action"]], schema=FIRED)
