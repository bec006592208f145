"""Every contact of the last days, once: what was reported as sent, and what was decided and is not reported yet."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from typing import Final

import pyarrow as pa

from features.clocks import Clock, known_rows
from features.corrections import corrected_tables
from features.steps import Step, select, with_steps
from holdback.business import Business
from holdback.warehouse import Warehouse

#: A customer reacts (opens, answers, redeems) within this many days; a later reaction counts as a contact of its own.
REACTION_DAYS: Final = 90
#: A report without ``decision_id`` is taken for that of a decision of the same campaign at most so many days before it.
REPORT_DAYS: Final = 7

_CONTACT = ("customer_id", "contact_id", "campaign", "channel", "action", "contacted_at")


def known_contacts(warehouse: Warehouse, business: Business, as_of: date, *, days: int) -> pa.Table:
    """Return the contacts of the ``days`` days before ``as_of``, each once.

    - *Reported*: rows of the feeds of role ``campaign_contacts`` visible at ``as_of`` by both clocks. Those of one
      customer with one ``decision_id`` are one contact, at the earliest of them; a row without one is a contact by
      itself, as the role's grain says. What bounced counts: somebody tried.
    - *Decided and not reported yet*: decisions of the ledger for an action other than none, except those that a
      correction took back (not sent). A decision is reported when a row carries its id, or when a row without an id
      tells of a contact of this customer in this campaign within 7 days of it and before the next one.

    Decisions of ``as_of`` itself do not count (they are being made, or this is a rerun); those of later days, which
    only a backfill meets, do.

    Args:
        warehouse: Where the feeds and the ledger are.
        business: The company.
        as_of: The day of knowledge.
        days: Length of the window.

    Returns:
        ``customer_id, contact_id`` (the decision's, else null), ``campaign, channel, action`` (null where not known),
        ``contacted_at`` (naive UTC; a decision's day for one that is not reported), ``contacted_on``.
    """
    first = as_of - timedelta(days=days)
    calendar = [first + timedelta(days=offset) for offset in range(2 * days + 1)]
    frame = pa.table(
        {
            "contacted_on": pa.array(calendar, pa.date32()),
            "starts_at": pa.array([business.instant(day) for day in calendar], pa.timestamp("us")),
        }
    )
    steps = contact_steps(business, Clock.of(business, as_of), days, corrected_tables(warehouse))
    sql = f"""{with_steps(steps)}

    select {", ".join(_CONTACT)}, contacted_on
    from _contact_rows asof join _calendar on _contact_rows.contacted_at >= _calendar.starts_at
    order by customer_id, contacted_at, contact_id, campaign, channel, action"""
    return warehouse.query(sql, frames={"_calendar": frame})


def message_rows(business: Business, clock: Clock, corrected: Collection[str], *, since_days: int) -> str:
    """SQL of what all feeds of role ``campaign_contacts`` tell of the last days; blank texts are null."""
    names = ("campaign", "channel", "action", "decision_id")
    columns = ("event_at", *(f"nullif(trim({name}), '') as {name}" for name in names))
    columns += ("lower(trim(outcome)) as outcome",)
    since = f"event_at >= {clock.days_ago(since_days)}"
    parts = [
        known_rows(feed, columns, clock, corrected=feed in corrected, also=since, spine=False)
        for feed in business.feeds_with_role("campaign_contacts")
    ]
    nothing = select(
        (
            "cast(null as varchar) as customer_id",
            "cast(null as timestamp) as event_at",
            *(f"cast(null as varchar) as {name}" for name in (*names, "outcome")),
        ),
        "where false",
    )
    return "\n    union all\n    ".join(f"select * from ({part})" for part in [nothing, *parts])


def decision_rows(clock: Clock) -> str:
    """SQL of the ledger's decisions to contact somebody, of other days than ``as_of``, that were not taken back."""
    return f"""select entry_id as decision_id, customer_id, campaign, channel, action, as_of as decided_on
    from ledger
    where kind = 'decided' and action <> 'none' and as_of <> {clock.today}
        and entry_id not in (select corrects from ledger where kind = 'corrected' and corrects is not null)"""


def contact_steps(business: Business, clock: Clock, days: int, corrected: Collection[str]) -> list[Step]:
    """Return the steps that end in ``_contact_rows``; they read the frame ``_calendar(contacted_on, starts_at)``."""
    by_id = select(
        (
            "customer_id",
            "decision_id",
            "min(event_at) as contacted_at",
            *(f"min({name}) as {name}" for name in ("campaign", "channel", "action")),
        ),
        "from _messages\n    where decision_id is not null\n    group by customer_id, decision_id",
    )
    following = "lead(starts_at) over (partition by customer_id, campaign order by starts_at, decision_id)"
    decided = f"""select
        _decisions.*,
        starts_at,
        least(starts_at + interval {REPORT_DAYS} day, {following}) as reported_before
    from _decisions inner join _calendar on decided_on = contacted_on"""
    unreported = """select *
    from _decided
        anti join _by_id
            on _decided.customer_id = _by_id.customer_id and _decided.decision_id = _by_id.decision_id"""
    awaited = """select *
    from _unreported
        anti join _plain
            on _unreported.customer_id = _plain.customer_id and _unreported.campaign = _plain.campaign
            and _plain.event_at >= _unreported.starts_at and _plain.event_at < _unreported.reported_before"""
    told = "coalesce(_by_id.{0}, _decisions.{0}) as {0}"
    since = clock.days_ago(days)
    rows = f"""select
        _by_id.customer_id,
        _by_id.decision_id as contact_id,
        {told.format("campaign")},
        {told.format("channel")},
        {told.format("action")},
        contacted_at
    from _by_id
        left join _decisions
            on _by_id.customer_id = _decisions.customer_id and _by_id.decision_id = _decisions.decision_id
    where contacted_at >= {since}
    union all
    select customer_id, null, campaign, channel, action, event_at
    from _plain
    where event_at >= {since}
    union all
    select customer_id, decision_id, campaign, channel, action, starts_at
    from _awaited"""
    messages = message_rows(business, clock, corrected, since_days=days + REACTION_DAYS)
    return [
        Step("_messages", "what was reported of messages", messages),
        Step("_by_id", "reports of one decision are one contact", by_id),
        Step("_plain", "reports of what is no decision of ours, or does not say", _PLAIN),
        Step("_decisions", "decisions to contact somebody", decision_rows(clock)),
        Step("_decided", "those of the window, with their time until the next one", decided),
        Step("_unreported", "decisions that no report names", unreported),
        Step("_awaited", "decisions that no report can be about", awaited),
        Step("_contact_rows", "each contact once", rows),
    ]


_PLAIN: Final = "select *\n    from _messages\n    where decision_id is null"
