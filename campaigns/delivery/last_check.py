"""The last check before a contact leaves: nobody held out, nobody who said no, nobody twice.

It trusts no decision. It reads the ledger's groups and the newest word of each customer again, so that a forged row, a
defect further up or a person who opted out after the decision costs a refused contact, and never a contact.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

import pyarrow as pa

from campaigns.holdout.assignments import LONGEST_HORIZON_DAYS
from campaigns.suppression import Reason, Remembered, suppressed
from campaigns.units import contact_units
from features.clocks import Clock
from holdback.business import Business
from holdback.workspace import Workspace

#: SQL over a row of kind ``launched``: the horizon that the campaign was launched with, in days.
LAUNCHED_DAYS: Final = "try_cast(coalesce(detail ->> '$.design.horizon_days', detail ->> '$.horizon_days') as integer)"

_SAYS_NO: Final = ("opted_out", "complained")


def refusals(workspace: Workspace, decided: pa.Table, *, as_of: date, today: date) -> Mapping[str, str]:
    """Return why contacts must not leave, by decision.

    Refused is a contact

    - of a person in whose unit (as recorded, or as known now) somebody is held out, whatever day recorded it: in the
      global layer, in any campaign until his horizon ends (seen from the day of the decision: a late delivery sets
      nobody free), and in the contact's own campaign for ever;
    - of a person in whose unit nobody was assigned to the treatment of that very campaign and version;
    - of a campaign that stands halted;
    - that is suppressed on the day of the decision, or today if that is later
      (:func:`campaigns.suppression.suppressed`);
    - of somebody who withdrew his consent, cannot be reached by this channel any more, opted out or complained since,
      as far as it is known by now, on whatever clock;
    - that is not the first of its unit on that day.

    Args:
        workspace: The company.
        decided: ``decision_id, customer_id, unit_id, campaign, version, action, channel`` of one day.
        as_of: The day of the decisions.
        today: The day on which they leave.
    """
    if decided.num_rows == 0:
        return {}
    warehouse, business = workspace.warehouse, workspace.business
    asked = decided.select(["decision_id", "customer_id", "unit_id", "campaign", "version", "action", "channel"])
    units = contact_units(warehouse.query(_LINKED, frames={"_asked": asked}))
    frames = {"_asked": asked, "_units": units, "_horizons": _horizons(business)}
    found: dict[str, str] = {}
    for sql in (
        _held_out(business, as_of, today),
        _NOT_ASSIGNED,
        _halted(today),
        _unwilling(business),
        _said_no_since(business, Clock.of(business, as_of)),
    ):
        for row in warehouse.query(sql, frames=frames).to_pylist():
            found.setdefault(row["decision_id"], row["because"])
    for day in sorted({as_of, today}):
        for row in _suppressed(workspace, asked, units, as_of, day):
            found.setdefault(row["decision_id"], row["because"])
    left = asked.filter(pa.array([decision not in found for decision in asked["decision_id"].to_pylist()]))
    for row in warehouse.query(_SECOND, frames={**frames, "_left": left}).to_pylist():
        found[row["decision_id"]] = row["because"]
    return found


_NEWEST = """-- _newest: one row per customer: the newest version there is, on whatever clock.
with _newest as (
    select * from customers
    qualify row_number() over (partition by customer_id order by loaded_at desc, batch_id desc, row_number desc) = 1
)"""

# Whoever is asked about has a unit, also when the customers' table does not know him.
_LINKED = f"""{_NEWEST}
select customer_id, household_id, contact_key from _newest
union all
select customer_id, null, null from _asked"""

# A contact is about its customer and the unit, as recorded with the decision and as known now.
_PERSONS = """
    asked_persons as (
        select decision_id, customer_id as person from _asked
        union
        select decision_id, unit_id from _asked
        union
        select decision_id, _units.unit_id from _asked inner join _units using (customer_id)
    )"""

# Who joins a household in a campaign has no assignment of his own: that of the unit holds for him.
_NOT_ASSIGNED = f"""
-- contacts of a unit in which nobody was assigned to the treatment of their campaign and version.
with {_PERSONS},
treated as (
    select campaign, version, customer_id, unit_id from ledger where kind = 'assigned' and "group" = 'treatment'
),
treated_persons as (
    select campaign, version, customer_id as person from treated
    union
    select campaign, version, unit_id from treated
    union
    select campaign, version, _units.unit_id from treated inner join _units using (customer_id)
)
select decision_id, 'not assigned to the treatment of ' || coalesce(campaign, 'any campaign') as because
from _asked
where decision_id not in (
    select a.decision_id
    from _asked a
        inner join asked_persons using (decision_id)
        inner join treated_persons t
            on t.person = asked_persons.person and t.campaign = a.campaign and t.version is not distinct from a.version
)"""

_SECOND = """
-- contacts that are not the first of their unit on the day.
select decision_id, 'another contact of the same household or address on this day' as because
from _left left join _units using (customer_id)
qualify row_number() over (
    partition by coalesce(_units.unit_id, _left.unit_id, customer_id) order by decision_id
) > 1"""


def _horizons(business: Business) -> pa.Table:
    names = [campaign.name for campaign in business.campaigns]
    days = [business.horizon_days(campaign) for campaign in business.campaigns]
    return pa.table({"campaign": pa.array(names, pa.string()), "days": pa.array(days, pa.int32())})


def _held_out(business: Business, as_of: date, today: date) -> str:
    """Contacts of a unit in which somebody is held out: the unit as recorded then, or as it is known now."""
    versions = f"{business.holdout.version(as_of)}, {business.holdout.version(today)}"
    return f"""
    with launched as (
        select campaign, version, max({LAUNCHED_DAYS}) as days
        from ledger where kind = 'launched' group by campaign, version
    ),
    held as (
        select a.customer_id, a.unit_id, a.campaign, a.version,
            case when a.campaign is null then a.version in ({versions})
                else a.as_of + coalesce(launched.days, _horizons.days, {LONGEST_HORIZON_DAYS}) > date '{as_of}'
            end as is_open
        from ledger a
            left join launched on launched.campaign = a.campaign and launched.version = a.version
            left join _horizons on _horizons.campaign = a.campaign
        where a.kind = 'assigned'
            and (a."group" = 'holdout' or a.entry_id in (
                select corrects from ledger where kind = 'corrected' and "group" = 'holdout' and corrects is not null
            ))
    ),
    named as (
        select campaign, version, is_open, customer_id as person from held
        union
        select campaign, version, is_open, unit_id from held
    ),
    held_persons as (
        select campaign, version, is_open, person from named
        union
        select campaign, version, is_open, _units.unit_id
        from named inner join _units on _units.customer_id = named.person
    ),
    {_PERSONS}
    select decision_id, 'held out of ' || coalesce(min(h.campaign), 'all campaigns') as because
    from asked_persons
        inner join held_persons h using (person)
        inner join _asked a using (decision_id)
    where h.is_open or (h.campaign = a.campaign and h.version is not distinct from a.version)
    group by decision_id"""


def _halted(today: date) -> str:
    """Contacts of a campaign whose last word is that it stands still."""
    return f"""
    with last_words as (
        select campaign, version, kind from ledger
        where kind in ('launched', 'halted', 'resumed') and as_of <= date '{today}'
        qualify row_number() over (partition by campaign, version order by as_of desc, sequence desc) = 1
    )
    select decision_id, 'the campaign is halted' as because
    from _asked inner join last_words using (campaign, version)
    where last_words.kind = 'halted'"""


def _suppressed(workspace: Workspace, asked: pa.Table, units: pa.Table, as_of: date, day: date) -> list[dict[str, str]]:
    """Contacts that are suppressed on a day.

    How often somebody was contacted counts on the newest day of decisions alone: afterwards this contact itself, and
    those decided with it in view, would speak against it.
    """
    warehouse = workspace.warehouse
    concerned = warehouse.query(
        "select * from _units where unit_id in ("
        "select _units.unit_id from _units inner join _asked using (customer_id)) order by customer_id",
        frames={"_units": units, "_asked": asked},
    )
    later = warehouse.query(f"select 1 from ledger where kind = 'decided' and as_of > date '{as_of}' limit 1")
    ignored = "" if day == as_of and later.num_rows == 0 else f"and reason <> '{Reason.CONTACTED_TOO_OFTEN}'"
    said = suppressed(warehouse, workspace.business, day, concerned, remembered=Remembered.read(workspace))
    found: list[dict[str, str]] = warehouse.query(
        f"""
        select decision_id, 'suppressed: ' || replace(min(reason), '_', ' ') as because
        from _asked inner join _said using (customer_id)
        where (_said.channel is null or _said.channel = _asked.channel) {ignored}
        group by decision_id""",
        frames={"_asked": asked, "_said": said},
    ).to_pylist()
    return found


def _unwilling(business: Business) -> str:
    """Contacts of customers whose newest version says that they must not be contacted (by this channel)."""
    return f"""{_NEWEST}
    select _asked.decision_id, {unwilling_case(business, version="_newest", channel="_asked.channel")} as because
    from _asked inner join _newest on _newest.customer_id = _asked.customer_id
    where because is not null"""


def unwilling_case(business: Business, *, version: str, channel: str) -> str:
    """SQL expression: why a customer must not be contacted by a channel, else null.

    Args:
        business: The company.
        version: Relation with a version of the customer; its attributes may be called as our columns.
        channel: Expression of the channel.
    """
    contact = business.contact
    protecting = contact.suppressed_by if contact.suppressed_by is not None else business.fit.never_classed_out
    cases = [f"when not {version}.has_consent then 'no consent'"]
    cases += [f"when {version}.\"{contact.opted_out}\" then 'opted out'"] if contact.opted_out else []
    # Not which flag protects: it may be about health.
    cases += [f"when {version}.\"{flag}\" then 'protected'" for flag in protecting]
    cases += [
        f"when {channel} = '{name}' and not {version}.\"{flag}\" then 'cannot be reached by {name}'"
        for name, flag in sorted(contact.reachable.items())
    ]
    return f"case {' '.join(cases)} end"


def _said_no_since(business: Business, clock: Clock) -> str:
    """Contacts of customers who opted out or complained, which was not yet visible when the decision was taken."""
    no = ", ".join(f"'{outcome}'" for outcome in _SAYS_NO)
    told = [
        f'select customer_id, lower(trim(outcome)) as word from "{feed}" where lower(trim(outcome)) in ({no})'
        f" and (event_at >= {clock.now} or loaded_at > {clock.now})"
        for feed in business.feeds_with_role("campaign_contacts")
    ]
    told.append(f"select customer_id, kind as word from ledger where kind in ({no}) and as_of > {clock.today}")
    return f"""
    with told as ({" union all ".join(told)})
    select decision_id, replace(min(word), '_', ' ') || ' since the decision' as because
    from _asked inner join told using (customer_id)
    group by decision_id"""
