"""The questions behind the findings, as SQL over what was reported, decided and assigned."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Final, Literal

import pyarrow as pa

from campaigns.delivery.last_check import LAUNCHED_DAYS, unwilling_case
from campaigns.holdout.assignments import LONGEST_HORIZON_DAYS
from campaigns.reconciliation.reports import (
    OUTCOMES,
    days_frame,
    known_customers,
    matched_steps,
    no_step,
    reported_steps,
)
from campaigns.suppression.contacts import REACTION_DAYS
from campaigns.units import contact_units
from features.clocks import Clock
from features.steps import Step, with_steps
from holdback.business import Business
from holdback.sql import literal
from holdback.warehouse import Warehouse

FindingKind = Literal[
    "leak", "foreign_leak", "suppressed_contacted", "undecided", "duplicate", "missed", "unknown_decision",
    "unknown_customer", "unknown_outcome",
]  # fmt: skip

#: After how many days without a word a decision counts as missed.
MISSED_AFTER_DAYS: Final = 3

_FOR_EVER: Final = datetime(9999, 1, 1)


def answers(warehouse: Warehouse, business: Business, as_of: date, days: int) -> pa.Table:
    """Return every row that does not fit: ``finding, customer_id, campaign, happened_at``, ordered."""
    clock = Clock.of(business, as_of)
    newest = known_customers(warehouse, business, as_of, ("household_id", "contact_key"))
    units = contact_units(
        warehouse.query(f"{with_steps(newest)} select customer_id, household_id, contact_key from _customers_rows")
    )
    frames = {
        "_days": days_frame(warehouse, business),
        "_units": units,
        "_spans": _holdout_spans(warehouse, business, as_of),
        "_ours": pa.table({"campaign": pa.array(_ours(warehouse, business), pa.string())}),
    }
    steps = [
        *reported_steps(warehouse, business, as_of, since_days=days + REACTION_DAYS),
        *matched_steps(business, as_of),
        Step("_contacts", "one row per message that was sent", _contacts(clock.days_ago(days))),
        Step("_leaks", "contacts of a unit in which somebody was held out then", _LEAKS),
        no_step(warehouse, business, as_of),
        Step("_suppressed", "contacts of those who must not be contacted", _suppressed(business, clock)),
    ]
    questions = "\nunion all\n".join(
        f"select '{kind}' as finding, customer_id, campaign, happened_at from ({sql})"
        for kind, sql in _questions(business, clock, days).items()
    )
    sql = f"{with_steps(steps)}\n{questions}\norder by finding, happened_at, customer_id, campaign"
    return warehouse.query(sql, frames=frames)


def _questions(business: Business, clock: Clock, days: int) -> Mapping[FindingKind, str]:
    """SQL of the rows of each finding."""
    start = clock.days_ago(days)
    per_campaign = "select customer_id, campaign, min(event_at) as happened_at from"
    mine = "campaign in (select campaign from _ours)"
    recent = f"event_at >= {start}"
    last = (clock.as_of - timedelta(days=MISSED_AFTER_DAYS)).isoformat()
    withdrawn = (
        f"select corrects from ledger where kind = 'corrected' and corrects is not null and as_of <= {clock.today}"
    )
    known = f"select customer_id from customers where loaded_at <= {clock.now}"
    if business.customers is None:
        known = "select customer_id from _events"  # then everybody is a customer of whom we hear
    understood = ", ".join(literal(outcome) for outcome in OUTCOMES)
    return {
        "leak": f"{per_campaign} _leaks where {mine} group by all",
        "foreign_leak": f"{per_campaign} _leaks where not ({mine}) group by all",
        "suppressed_contacted": f"{per_campaign} _suppressed where {mine} group by all",
        "undecided": f"""{per_campaign} _contacts
            where {mine} and event_id not in (select event_id from _matched) group by all""",
        "duplicate": f"""select customer_id, campaign, max(event_at) as happened_at
            from _matched where outcome = 'sent'
            group by decided_id, customer_id, campaign having count(*) > 1 and max(event_at) >= {start}""",
        "missed": f"""select customer_id, campaign, starts_at as happened_at
            from _decided
            where decided_on <= date '{last}' and starts_at >= {start}
                and decided_id not in (select decided_id from _matched) and decided_id not in ({withdrawn})""",
        "unknown_decision": f"""select customer_id, campaign, min(event_at) as happened_at
            from _events
            where {recent} and decision_id is not null and event_id not in (select event_id from _told)
            group by decision_id, customer_id, campaign""",
        "unknown_customer": f"{per_campaign} _events where {recent} and customer_id not in ({known}) group by all",
        "unknown_outcome": f"{per_campaign} _events where {recent} and outcome not in ({understood}) group by all",
    }


def _contacts(start: str) -> str:
    """SQL of when somebody was really addressed, once per message.

    Every ``sent`` is a contact. A message of which only later outcomes are told was sent at the first of them; a
    bounced one reached nobody.
    """
    chain = "customer_id, campaign, decision_id, action, channel"
    return f"""select customer_id, campaign, channel, event_at, event_id
    from (
        select *, count(*) filter (where outcome = 'sent') over (partition by {chain}) as sent_count,
            row_number() over (partition by {chain} order by event_at, event_id) as position
        from _events where outcome <> 'bounced'
    )
    where (outcome = 'sent' or (sent_count = 0 and position = 1)) and event_at >= {start}"""


_LEAKS = """select distinct c.*
    from (
        select c.*, customer_id as person from _contacts c
        union
        select c.*, _units.unit_id as person from _contacts c inner join _units using (customer_id)
    ) c
    inner join (
        select person, from_at, until_at from _spans
        union
        select _units.unit_id, from_at, until_at from _spans inner join _units on _units.customer_id = _spans.person
    ) held on held.person = c.person and c.event_at >= held.from_at and c.event_at < held.until_at"""


def _suppressed(business: Business, clock: Clock) -> str:
    """SQL of the contacts of customers who had said no by then, or whose version of the time says so."""
    return f"""select c.customer_id, c.campaign, c.event_at
    from _contacts c asof inner join (
        select * from customers where loaded_at <= {clock.now}
        qualify row_number() over (partition by customer_id, loaded_at order by batch_id desc, row_number desc) = 1
    ) v on v.customer_id = c.customer_id and v.loaded_at <= c.event_at
    where {unwilling_case(business, version="v", channel="c.channel")} is not null
    union
    select c.customer_id, c.campaign, c.event_at
    from _contacts c inner join _no using (customer_id)
    where _no.event_at < c.event_at and (_no.outcome = 'opted_out'
        or c.event_at < _no.event_at + to_days({business.contact.open_complaint_days}))"""


def _ours(warehouse: Warehouse, business: Business) -> list[str]:
    """Names of our campaigns: those of the business file, and those that the ledger remembers."""
    stored = warehouse.query("select distinct campaign from ledger where campaign is not null")["campaign"].to_pylist()
    return sorted({campaign.name for campaign in business.campaigns} | set(stored))


def _holdout_spans(warehouse: Warehouse, business: Business, as_of: date) -> pa.Table:
    """Return who was held out from when until when: ``person, from_at, until_at``.

    A person is a customer, and the one whose id named the unit. In the global layer until the next rotation; in a
    campaign until the horizon ends that it was launched with (else that of the business file, else the longest of all).
    """
    assigned = warehouse.query(
        f"""
        with launched as (
            select campaign, version, max({LAUNCHED_DAYS}) as days
            from ledger where kind = 'launched' group by campaign, version
        )
        select a.customer_id, a.unit_id, a.campaign, a.version, a.as_of, launched.days
        from ledger a left join launched on launched.campaign = a.campaign and launched.version = a.version
        where a.kind = 'assigned' and a.as_of <= date '{as_of}'
            and (a."group" = 'holdout' or a.entry_id in (
                select corrects from ledger where kind = 'corrected' and "group" = 'holdout' and corrects is not null
            ))"""
    )
    layers = assigned.group_by(["campaign", "version", "as_of", "days"]).aggregate([])
    spans = [_span(business, **row) for row in layers.to_pylist()]
    for position, name in enumerate(("from_at", "until_at")):
        layers = layers.append_column(name, pa.array([span[position] for span in spans], pa.timestamp("us")))
    return warehouse.query(
        """
        with held as (
            select a.customer_id, a.unit_id, l.from_at, l.until_at
            from assigned a inner join layers l
                on a.campaign is not distinct from l.campaign and a.version is not distinct from l.version
                and a.as_of = l.as_of and a.days is not distinct from l.days
        )
        select customer_id as person, from_at, until_at from held
        union
        select unit_id, from_at, until_at from held where unit_id is not null""",
        frames={"assigned": assigned, "layers": layers},
    )


def _span(
    business: Business, campaign: str | None, version: int, as_of: date, days: int | None
) -> tuple[datetime, datetime]:
    """Return from when until when an assignment of a day holds, as naive UTC."""
    if campaign is None:
        ends = business.holdout.rotates_on[version - 1 :]
        return business.instant(as_of), business.instant(ends[0]) if ends else _FOR_EVER
    in_file = {own.name: business.horizon_days(own) for own in business.campaigns}
    horizon = days if days is not None else in_file.get(campaign, LONGEST_HORIZON_DAYS)
    return business.instant(as_of), business.instant(as_of + timedelta(days=horizon))
