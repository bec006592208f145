"""What does not fit between what was decided and what was reported; derived from the warehouse whenever it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal

import pyarrow as pa

from campaigns.delivery.contact_list import masked_id
from campaigns.delivery.last_check import unwilling_case
from campaigns.holdout.assignments import LONGEST_HORIZON_DAYS
from campaigns.members import quoted
from campaigns.reconciliation.reports import (
    OUTCOMES,
    days_frame,
    known_customers,
    matched_steps,
    reported_steps,
    since,
)
from campaigns.units import contact_units
from features.clocks import Clock
from features.steps import Step, with_steps
from holdback.business import Business
from holdback.warehouse import Warehouse

#: How far back findings look, and after how many days without a word a decision counts as missed.
LOOK_BACK_DAYS: Final = 30
MISSED_AFTER_DAYS: Final = 3
EXAMPLES: Final = 5

_FOR_EVER: Final = datetime(9999, 1, 1)

FindingKind = Literal[
    "leak", "foreign_leak", "suppressed_contacted", "undecided", "duplicate", "missed", "unknown_decision",
    "unknown_customer", "unknown_outcome",
]  # fmt: skip

MEANINGS: Mapping[FindingKind, str] = {
    "leak": "held out, and contacted by one of our campaigns",
    "foreign_leak": "held out, and contacted by a campaign that is not ours",
    "suppressed_contacted": "must not be contacted, and was contacted by one of our campaigns",
    "undecided": "contacted by one of our campaigns without a decision",
    "duplicate": "one decision, sent more than once",
    "missed": f"decided, and not reported as sent within {MISSED_AFTER_DAYS} days",
    "unknown_decision": "reported for a decision that does not exist, or that is another customer's",
    "unknown_customer": "reported for a customer whom nobody knows",
    "unknown_outcome": "reported with an outcome that Holdback does not understand",
}


@dataclass(frozen=True)
class Finding:
    """One kind of thing that does not fit.

    Args:
        kind: Which.
        count: How many customers (with their campaign) or decisions it concerns, in the time that was looked at.
        examples: At most five, with shortened ids.
    """

    kind: FindingKind
    count: int
    examples: tuple[str, ...] = ()

    @property
    def meaning(self) -> str:
        """What it says, in words."""
        return MEANINGS[self.kind]

    def __str__(self) -> str:
        shown = f" (such as {', '.join(self.examples)})" if self.examples else ""
        return f"{self.kind}: {self.count:,} {self.meaning}{shown}"


def findings(
    warehouse: Warehouse, business: Business, as_of: date, *, days: int = LOOK_BACK_DAYS
) -> tuple[Finding, ...]:
    """Return what does not fit as known at ``as_of``, over the contacts and decisions of the last ``days`` days.

    One finding of every kind, with a count of 0 when all is well; empty when the business has no feed of role
    ``campaign_contacts``: then nobody knows. A pure reading of the warehouse: asked again, it says the same.

    Args:
        warehouse: Where ledger, feeds and customers are.
        business: The company.
        as_of: The day of knowledge.
        days: How far to look back.
    """
    return tuple(
        Finding(kind, rows.num_rows, tuple(_shown(row) for row in rows.slice(0, EXAMPLES).to_pylist()))
        for kind, rows in _found(warehouse, business, as_of, days)
    )


def found_rows(
    warehouse: Warehouse, business: Business, as_of: date, kind: FindingKind, *, days: int = LOOK_BACK_DAYS
) -> pa.Table:
    """Return everything behind one finding: ``customer_id, campaign, happened_at``; personal data, not for reports."""
    return next((rows for name, rows in _found(warehouse, business, as_of, days) if name == kind), _NOTHING)


_NOTHING = pa.schema(
    {"customer_id": pa.string(), "campaign": pa.string(), "happened_at": pa.timestamp("us")}
).empty_table()


def _found(warehouse: Warehouse, business: Business, as_of: date, days: int) -> Iterator[tuple[FindingKind, pa.Table]]:
    if not business.feeds_with_role("campaign_contacts"):
        return
    newest = known_customers(warehouse, business, as_of, ("household_id", "contact_key"))
    units = contact_units(
        warehouse.query(f"{with_steps(newest)} select customer_id, household_id, contact_key from _customers_rows")
    )
    frames = {
        "days": days_frame(warehouse, business),
        "units": units,
        "spans": _holdout_spans(warehouse, business, as_of),
        "ours": pa.table({"campaign": pa.array(_ours(warehouse, business), pa.string())}),
    }
    steps = [
        *reported_steps(warehouse, business, as_of),
        *matched_steps(business, as_of),
        *_contact_steps(since(business, as_of, days)),
    ]
    for kind, own_steps, select in _questions(business, as_of, days):
        sql = f"{with_steps([*steps, *own_steps])}\n{select}\norder by happened_at, customer_id, campaign"
        yield kind, warehouse.query(sql, frames=frames).cast(_NOTHING.schema)


def _contact_steps(start: str) -> list[Step]:
    """Steps that end in ``_contacts``: when somebody was really addressed, once per message.

    Every ``sent`` is a contact. A message of which only later outcomes are told was sent at the first of them; a
    bounced one reached nobody.
    """
    chain = "customer_id, campaign, decision_id, action, channel"
    contacts = f"""select customer_id, campaign, channel, event_at, event_id
    from (
        select *, count(*) filter (where outcome = 'sent') over (partition by {chain}) as sent_count,
            row_number() over (partition by {chain} order by event_at, event_id) as position
        from _events where outcome <> 'bounced'
    )
    where (outcome = 'sent' or (sent_count = 0 and position = 1)) and event_at >= {start}"""
    return [Step("_contacts", "one row per message that was sent", contacts)]


def _questions(business: Business, as_of: date, days: int) -> Iterator[tuple[FindingKind, list[Step], str]]:
    """Yield each kind of finding: steps of its own, and the SELECT of its rows."""
    start = since(business, as_of, days)
    per_campaign = "select customer_id, campaign, min(event_at) as happened_at from"
    leaks = Step("_leaks", "contacts of a unit in which somebody was held out then", _LEAKS)
    mine = "campaign in (select campaign from ours)"
    yield "leak", [leaks], f"{per_campaign} _leaks where {mine} group by all"
    yield "foreign_leak", [leaks], f"{per_campaign} _leaks where not ({mine}) group by all"
    yield (
        "suppressed_contacted",
        _suppressed_steps(business, as_of),
        f"{per_campaign} _suppressed where {mine} group by all",
    )
    undecided = f"_contacts where {mine} and event_id not in (select event_id from _matched)"
    yield "undecided", [], f"{per_campaign} {undecided} group by all"
    yield (
        "duplicate",
        [],
        (
            f"select customer_id, campaign, max(event_at) as happened_at from _matched where outcome = 'sent'"
            f" group by decided_id, customer_id, campaign having count(*) > 1 and max(event_at) >= {start}"
        ),
    )
    last = (as_of - timedelta(days=MISSED_AFTER_DAYS)).isoformat()
    withdrawn = "select corrects from ledger where kind = 'corrected' and corrects is not null"
    yield (
        "missed",
        [],
        (
            "select customer_id, campaign, starts_at as happened_at from _decided"
            f" where decided_on <= date '{last}' and starts_at >= {start}"
            f" and decided_id not in (select decided_id from _matched) and decided_id not in ({withdrawn})"
        ),
    )
    recent = f"event_at >= {start}"
    yield (
        "unknown_decision",
        [],
        (
            "select customer_id, campaign, min(event_at) as happened_at from _events"
            f" where {recent} and decision_id is not null and event_id not in (select event_id from _told)"
            " group by decision_id, customer_id, campaign"
        ),
    )
    known = "select customer_id from customers" if business.customers is not None else "select customer_id from _events"
    yield (
        "unknown_customer",
        [],
        (f"{per_campaign} _events where {recent} and customer_id not in ({known}) group by customer_id, campaign"),
    )
    understood = ", ".join(quoted(outcome) for outcome in OUTCOMES)
    yield (
        "unknown_outcome",
        [],
        (f"{per_campaign} _events where {recent} and outcome not in ({understood}) group by customer_id, campaign"),
    )


_LEAKS = """select distinct c.*
    from (
        select c.*, customer_id as person from _contacts c
        union
        select c.*, units.unit_id as person from _contacts c inner join units using (customer_id)
    ) c
    inner join (
        select person, from_at, until_at from spans
        union
        select units.unit_id, from_at, until_at from spans inner join units on units.customer_id = spans.person
    ) held on held.person = c.person and c.event_at >= held.from_at and c.event_at < held.until_at"""


def _suppressed_steps(business: Business, as_of: date) -> list[Step]:
    """Step ``_suppressed``: contacts of customers who had said no by then, or whose version of the day says so."""
    clock = Clock.of(business, as_of)
    says_no = unwilling_case(business)
    versions = f"""select c.customer_id, c.campaign, c.event_at
    from _contacts c asof inner join (
        select * from customers where loaded_at <= {clock.now}
        qualify row_number() over (partition by customer_id, loaded_at order by batch_id desc, row_number desc) = 1
    ) v on v.customer_id = c.customer_id and v.loaded_at <= c.event_at
    where {says_no} is not null
    union
    select c.customer_id, c.campaign, c.event_at
    from _contacts c inner join _events e using (customer_id)
    where e.outcome in ('opted_out', 'complained') and e.event_at < c.event_at"""
    return [Step("_suppressed", "contacts of those who must not be contacted", versions)]


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
            select campaign, version, max(try_cast(detail ->> '$.horizon_days' as integer)) as days
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


def _shown(row: Mapping[str, Any]) -> str:
    """Describe one row without naming anybody."""
    return f"{masked_id(row['customer_id'])} in {row['campaign']} on {row['happened_at']:%Y-%m-%d}"
