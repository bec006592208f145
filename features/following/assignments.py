"""Who was assigned to what in a campaign that was run elsewhere, as a feed of role ``assignments`` tells it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import pyarrow as pa

from features.clocks import Clock, not_replaced
from features.following.question import calendar_frame
from features.steps import Step
from holdback.business import Business, Campaign
from holdback.sql import literal
from holdback.warehouse import Warehouse


def assignment_step(
    warehouse: Warehouse,
    business: Business,
    feed: str,
    campaign: Campaign | None,
    named: str,
    as_of: date,
    corrected: Collection[str],
) -> tuple[Step, dict[str, pa.Table]]:
    """Return the step ``_assigned_rows`` of a feed's assignments to one campaign, and the frames that it reads.

    Args:
        warehouse: Where the feed is.
        business: The company.
        feed: Its name.
        campaign: As the business file has it; its holdout's share stands in where no probability is told.
        named: Name of the campaign, as the feed writes it.
        as_of: The day of knowledge: both clocks.
        corrected: Tables with replaced rows.

    Returns:
        Columns ``customer_id, unit_id, group`` (null for words that the file does not translate), ``entered_on,
        propensity`` (of treatment), ``probability, kept_cents, fit_class`` (null: nothing was frozen), ``action,
        assigned_order``.
    """
    shape, clock = business.feeds[feed], Clock.of(business, as_of)
    known = f"""event_at < {clock.now} and loaded_at <= {clock.now}
        and campaign = {literal(named)}"""
    known += f"\n        and {not_replaced(feed, clock)}" if feed in corrected else ""
    extent = warehouse.query(
        f'select min(event_at) as first_at, max(event_at) as last_at from "{feed}" where {known}'
    ).to_pylist()[0]
    days = [as_of if at is None else business.day_of(at) for at in extent.values()]
    words = "\n        ".join(
        f"when \"group\" in ({', '.join(literal(word) for word in shape.group_words(group))}) then '{group}'"
        for group in ("treatment", "holdout")
    )
    stated = "null" if campaign is None or campaign.holdout_share is None else repr(1.0 - campaign.holdout_share)
    sql = f"""select customer_id, coalesce(unit_id, customer_id) as unit_id,
        case {words} end as "group", day as entered_on,
        round(coalesce(propensity, cast({stated} as double)), 12) as propensity,
        cast(null as double) as probability, cast(null as bigint) as kept_cents, cast(null as varchar) as fit_class,
        action, row(event_at, loaded_at, batch_id, row_number) as assigned_order
    from (select * from "{feed}" where {known}) told
        asof inner join _calendar on told.event_at >= _calendar.starts_at"""
    step = Step("_assigned_rows", f"who was assigned in {named}, as the feed {feed} tells", sql)
    return step, {"_calendar": calendar_frame(business, *days)}
