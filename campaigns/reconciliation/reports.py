"""What the feeds of role ``campaign_contacts`` reported, as SQL: each event once, and the decision it carries out."""

from __future__ import annotations

from datetime import date
from typing import Final

import pyarrow as pa

from campaigns.suppression.contacts import REACTION_DAYS, REPORT_DAYS
from features.clocks import Clock, known_rows, newest_versions, not_replaced
from features.corrections import corrected_tables
from features.steps import Step
from holdback.business import Business
from holdback.warehouse import Warehouse

#: What an event is, besides the feed that reported it. Equal lines of one file are several events; a line that comes
#: again in another file is the same event.
_EVENT = ("customer_id", "event_at", "campaign", "channel", "outcome", "action", "decision_id", "cost_cents")

#: The outcomes that the ledger has a kind for.
OUTCOMES: Final = ("sent", "delivered", "opened", "answered", "redeemed", "bounced", "opted_out", "complained")
_SENDING: Final = ("sent", "delivered", "bounced")


def days_frame(warehouse: Warehouse, business: Business) -> pa.Table:
    """Return the instant at which each day of the ledger begins: ``as_of, starts_at``."""
    days = warehouse.query("select distinct as_of from ledger order by as_of")["as_of"].to_pylist()
    starts = pa.array([business.instant(day) for day in days], pa.timestamp("us"))
    return pa.table({"as_of": pa.array(days, pa.date32()), "starts_at": starts})


def reported_steps(
    warehouse: Warehouse, business: Business, as_of: date, *, since_days: int | None = None
) -> list[Step]:
    """Return the steps that end in ``_events``: every event that was known at ``as_of``, once, with its ``event_id``.

    A line without an outcome is a message that was sent: so the role says. ``since_days`` leaves older events out.
    """
    clock = Clock.of(business, as_of)
    corrected = corrected_tables(warehouse)
    lines = [
        _lines(feed, clock, is_replaced=False, corrected=feed in corrected, since_days=since_days)
        for feed in business.feeds_with_role("campaign_contacts")
    ]
    identified = "select distinct on (event_id) * exclude (batch_id, row_number) from _lines order by event_id"
    return [
        Step(
            "_lines",
            "what the feeds reported, with the event that each line tells of",
            "\n    union all\n    ".join(lines),
        ),
        Step("_events", "each event once", identified),
    ]


def matched_steps(business: Business, as_of: date) -> list[Step]:
    """Return the steps that follow ``_events`` and end in ``_matched``: events with the decision that they carry out.

    An event that names a decision of its own customer belongs to it; any other to the newest decision of the same
    customer and campaign (and action and channel, where it tells them): at most 7 days old when the event tells of
    the sending, 90 when it tells of a reaction. Reads the frame ``_days`` (:func:`days_frame`).
    """
    clock = Clock.of(business, as_of)
    sending = ", ".join(f"'{outcome}'" for outcome in _SENDING)
    decided = f"""select distinct on (l.entry_id)
        l.entry_id as decided_id, l.customer_id, l.unit_id, l.campaign, l.version, l."group", l.action, l.channel,
        l.as_of as decided_on, _days.starts_at
    from ledger l inner join _days using (as_of)
    where l.kind = 'decided' and l.action <> 'none' and l.as_of <= {clock.today}
    order by l.entry_id"""
    told = """select e.event_id, d.*
    from _events e inner join _decided d on d.decided_id = e.decision_id and d.customer_id = e.customer_id"""
    guessed = f"""select e.event_id, d.*
    from _events e inner join _decided d on d.customer_id = e.customer_id and d.campaign = e.campaign
    where e.event_id not in (select event_id from _told)
        and d.action = coalesce(e.action, d.action) and d.channel = coalesce(e.channel, d.channel)
        and e.event_at >= d.starts_at and e.event_at < d.starts_at
            + to_days(case when e.outcome in ({sending}) then {REPORT_DAYS} else {REACTION_DAYS} end)
    qualify row_number() over (partition by e.event_id order by d.starts_at desc, d.decided_id) = 1"""
    matched = """select e.event_id, e.event_at, e.outcome, e.cost_cents, p.* exclude (event_id)
    from (select * from _told union all select * from _guessed) p inner join _events e using (event_id)"""
    return [
        Step("_decided", "decisions that want a contact", decided),
        Step("_told", "events that name a decision of their customer", told),
        Step("_guessed", "events that name none, and the decision that fits", guessed),
        Step("_matched", "events of a decision", matched),
    ]


def replaced_steps(warehouse: Warehouse, business: Business, as_of: date) -> list[Step]:
    """Return the step ``_replaced``: events that a correction of their feed took back, and that no other line tells."""
    clock = Clock.of(business, as_of)
    feeds = [feed for feed in business.feeds_with_role("campaign_contacts") if feed in corrected_tables(warehouse)]
    lines = [_lines(feed, clock, is_replaced=True, corrected=True) for feed in feeds]
    source = " union all ".join(f"({sql})" for sql in lines) or "select event_id from _events where false"
    return [
        Step(
            "_replaced",
            "events that no line tells any more",
            f"select distinct event_id from ({source}) where event_id not in (select event_id from _events)",
        )
    ]


def known_customers(warehouse: Warehouse, business: Business, as_of: date, columns: tuple[str, ...]) -> list[Step]:
    """Return the steps that end in ``_customers_rows``: the newest version of each customer known at ``as_of``."""
    return newest_versions(Clock.of(business, as_of), columns, corrected_tables(warehouse))


def no_step(warehouse: Warehouse, business: Business, as_of: date) -> Step:
    """Return the step ``_no``: when each customer ever opted out or complained, as known at ``as_of``."""
    clock, corrected = Clock.of(business, as_of), corrected_tables(warehouse)
    said = "lower(trim(outcome)) in ('opted_out', 'complained')"
    columns = ("event_at", "lower(trim(outcome)) as outcome")
    parts = [
        known_rows(feed, columns, clock, corrected=feed in corrected, also=said, spine=False)
        for feed in business.feeds_with_role("campaign_contacts")
    ]
    return Step("_no", "who opted out or complained, and when", "\n    union all\n    ".join(parts))


def _lines(feed: str, clock: Clock, *, is_replaced: bool, corrected: bool, since_days: int | None = None) -> str:
    visible = [f"event_at < {clock.now}", f"loaded_at <= {clock.now}"]
    visible += [f"event_at >= {clock.days_ago(since_days)}"] if since_days is not None else []
    if corrected:
        kept = not_replaced(feed, clock)
        visible.append(f"not ({kept})" if is_replaced else kept)
    columns = [f'"{feed}".{name}' for name in _EVENT if name not in ("outcome", "decision_id")]
    columns += ["coalesce(nullif(lower(trim(outcome)), ''), 'sent') as outcome"]
    columns += ["nullif(trim(decision_id), '') as decision_id"]
    event = ", ".join(
        "cast(epoch_us(event_at) as varchar)" if name == "event_at" else f"cast({name} as varchar)" for name in _EVENT
    )
    occurrence = f"row_number() over (partition by batch_id, {', '.join(_EVENT)} order by row_number)"
    return f"""select *, sha256(cast(json_array('reported', '{feed}', {event}, occurrence) as varchar)) as event_id
    from (
        select *, {occurrence} as occurrence
        from (
            select {", ".join(columns)}, batch_id, row_number
            from "{feed}"
            where {" and ".join(visible)}
        )
    )"""
