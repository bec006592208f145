"""Who is left alone whatever he is worth: one row per customer and reason."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from campaigns.suppression.contacts import decision_rows, known_contacts, message_rows
from campaigns.suppression.remembered import Remembered, hash_of, keep
from features.clocks import Clock, known_rows, newest_versions
from features.corrections import corrected_tables
from features.steps import Step, with_steps
from holdback.business import Business
from holdback.business.retention import BOUNCE_DAYS
from holdback.forgotten import Tombstones
from holdback.sql import literal
from holdback.warehouse import Warehouse

if TYPE_CHECKING:
    from holdback.workspace import Workspace

_ARRIVED: Final = ("delivered", "opened", "answered", "redeemed")
_ALWAYS: Final = 36_500  # days: no window


class Reason(StrEnum):
    """Why a customer is not contacted; the last two hold for one channel."""

    NO_CONSENT = "no_consent"
    OPTED_OUT = "opted_out"
    CONTACTED_TOO_OFTEN = "contacted_too_often"
    OPEN_COMPLAINT = "open_complaint"
    PROTECTED = "protected"
    UNREACHABLE = "unreachable"
    BOUNCED = "bounced"


def suppressed(
    warehouse: Warehouse, business: Business, as_of: date, units: pa.Table, *, remembered: Remembered
) -> pa.Table:
    """Return who must not be contacted on a day, as known then by both clocks.

    - ``no_consent``: consent is mapped, and not known to be given. Without the column nobody is left out.
    - ``opted_out``: the flag ``contact.opted_out`` is true, or any message was answered so, ever (the ledger remembers
      it too), or was before being forgotten. It holds for everybody with the same contact key, who is the same
      recipient, not for the household.
    - ``contacted_too_often``: the unit had ``contact.at_most`` contacts or more in the last ``contact.per_days`` days,
      over all campaigns and members (:func:`campaigns.suppression.known_contacts`).
    - ``open_complaint``: an interaction about one of ``fit.complaint_topics``, younger than
      ``contact.open_complaint_days``, that was not known to be resolved; or a message of ours that was complained about
      in that time.
    - ``protected``: a flag of ``contact.suppressed_by`` is true; where the file does not say which, those of
      ``fit.never_classed_out``: whom a flag (vulnerable, in dispute) protects from being classed out is not contacted
      either, unless the company decides otherwise. Which flag it was is not repeated: it may be about health.
    - ``unreachable``: the flag of a channel (``contact.reachable``) is not known to be true.
    - ``bounced``: a message by a channel bounced in the last 180 days, and none arrived by it later.

    A flag that is not known suppresses where it would allow (consent, reachable), not where it would forbid.

    Args:
        warehouse: Where the customers, the feeds and the ledger are.
        business: The company.
        as_of: The day of knowledge.
        units: ``customer_id, unit_id`` of whole units: a contact with a member who is missing is not counted.
        remembered: The opt-outs of those who were forgotten, ``Remembered.read(workspace)``.

    Returns:
        ``customer_id, reason`` (:class:`Reason`), ``channel`` (null: every channel), each row once, in this order.
    """
    clock, corrected = Clock.of(business, as_of), corrected_tables(warehouse)
    contacts = known_contacts(warehouse, business, as_of, days=business.contact.per_days)
    steps = [
        *_no_steps(business, clock, corrected, remembered),
        Step("_decisions", "decisions to contact somebody", decision_rows(clock)),
        Step("_reasons", "every reason that holds", "\n    union all\n    ".join(_parts(business, clock, corrected))),
    ]
    sql = f"{with_steps(steps)}\n\nselect distinct customer_id, reason, channel from _reasons order by all nulls first"
    asked = units.select(["customer_id", "unit_id"])
    return warehouse.query(sql, frames={"_asked": asked, "_contacts": contacts, **remembered.frames})


def remember_opt_outs(workspace: Workspace, customer_ids: Collection[str], *, as_of: date) -> int:
    """Keep the opt-outs of people whose rows are about to be erased; return how many hashes were new.

    To be called when their tombstones are set (the key is there then) and nothing is erased yet.

    Args:
        workspace: The company.
        customer_ids: Who is about to be forgotten.
        as_of: The day; whatever was said, on any day, counts.

    Raises:
        OperatorError: the disk or the database refuses, or the key is not here.
    """
    warehouse, business = workspace.warehouse, workspace.business
    stored = Remembered.read(workspace)
    known = Remembered(Tombstones.read(workspace).key, stored.hashes)
    clock, corrected = Clock.of(business, as_of + timedelta(days=_ALWAYS)), corrected_tables(warehouse)
    said = "from _opted_out inner join _asked using (customer_id)"
    sql = f"""{with_steps(_no_steps(business, clock, corrected, known))}

    select 'customer' as about, {hash_of("customer", "customer_id")} as hash {said} cross join _secret
    union
    select 'recipient', {hash_of("recipient", "recipient")}
    {said} inner join _customers_rows using (customer_id) cross join _secret
    where recipient <> ''"""
    asked = pa.table({"customer_id": pa.array(sorted(set(customer_ids)), pa.string())})
    return keep(workspace, warehouse.query(sql, frames={"_asked": asked, **known.frames}), as_of=as_of)


def cooling_off(warehouse: Warehouse, business: Business, as_of: date, units: pa.Table) -> pa.Table:
    """Return the actions that units may not get again yet: their ``cooling_off_days`` have not passed.

    Args:
        warehouse: Where the feeds and the ledger are.
        business: The company.
        as_of: The day of knowledge.
        units: ``customer_id, unit_id`` of whole units.

    Returns:
        ``unit_id, action, until_on`` (first day on which the unit may get it again), ordered.
    """
    days = {action.name: action.cooling_off_days for action in business.actions}
    frames = {
        "_asked": units.select(["customer_id", "unit_id"]),
        "_contacts": known_contacts(warehouse, business, as_of, days=max(days.values(), default=0)),
        "_cooling": pa.table(
            {"action": pa.array(list(days), pa.string()), "days": pa.array(days.values(), pa.int32())}
        ),
    }
    return warehouse.query(
        f"""
        -- cooling off: one row per unit and action that was used too recently at {as_of}.
        select unit_id, action, max(contacted_on + days) as until_on
        from _contacts inner join _asked using (customer_id) inner join _cooling using (action)
        where contacted_on + days > date '{as_of}' and contacted_on - days < date '{as_of}'
        group by unit_id, action
        order by unit_id, action
        """,
        frames=frames,
    )


def _no_steps(business: Business, clock: Clock, corrected: Collection[str], remembered: Remembered) -> list[Step]:
    """Return the steps that end in ``_opted_out``; they read the frame ``_asked`` and those of ``remembered``."""
    messages = message_rows(business, clock, corrected, since_days=2 * _ALWAYS)
    return [
        *newest_versions(clock, _columns(business), corrected),
        Step("_messages", "what was ever reported of messages", messages),
        remembered.step,
        Step("_opted_out", "who ever said no", _opted_out(business, clock)),
    ]


def _columns(business: Business) -> tuple[str, ...]:
    contact = business.contact
    flags = {*_protecting(business), *contact.reachable.values(), *([contact.opted_out] if contact.opted_out else [])}
    return ("lower(trim(contact_key)) as recipient", "has_consent", *(f'"{flag}"' for flag in sorted(flags)))


def _protecting(business: Business) -> tuple[str, ...]:
    stated = business.contact.suppressed_by
    return business.fit.never_classed_out if stated is None else stated


def _parts(business: Business, clock: Clock, corrected: Collection[str]) -> Iterator[str]:
    known = "from _asked left join _customers_rows using (customer_id)"
    if business.customers is not None and "consent" in business.customers.columns:
        yield _part(Reason.NO_CONSENT, f"{known} where has_consent is not true")
    yield _part(
        Reason.OPTED_OUT,
        f"""{known}
    where customer_id in (select customer_id from _opted_out) or recipient in (
        select recipient from _customers_rows
        where recipient <> '' and customer_id in (select customer_id from _opted_out)
    )""",
    )
    yield _part(
        Reason.CONTACTED_TOO_OFTEN,
        f"""from _asked where unit_id in (
        select unit_id from _contacts inner join _asked using (customer_id)
        group by unit_id having count(*) >= {business.contact.at_most}
    )""",
    )
    for complaints in _complaints(business, clock, corrected):
        yield _part(Reason.OPEN_COMPLAINT, f"from _asked where customer_id in ({complaints})")
    flags = " or ".join(f'"{flag}"' for flag in _protecting(business))
    if flags:
        yield _part(Reason.PROTECTED, f"{known} where {flags}")
    for channel, flag in business.contact.reachable.items():
        yield _part(Reason.UNREACHABLE, f'{known} where "{flag}" is not true', channel=literal(channel))
    arrived = ", ".join(literal(outcome) for outcome in _ARRIVED)
    by_channel = "coalesce(_messages.channel, _decisions.channel) as by_channel"
    yield f"""select customer_id, {literal(Reason.BOUNCED)}, {by_channel}
    from _messages
        inner join _asked using (customer_id)
        left join _decisions using (customer_id, decision_id)
    where by_channel is not null
    group by customer_id, by_channel
    having max(event_at) filter (where outcome = 'bounced' and event_at >= {clock.days_ago(BOUNCE_DAYS)})
        >= coalesce(max(event_at) filter (where outcome in ({arrived})), timestamp '0001-01-01 00:00:00')"""


def _part(reason: Reason, rest: str, *, channel: str = "cast(null as varchar)") -> str:
    return f"select customer_id, {literal(reason)} as reason, {channel} as channel\n    {rest}"


def _opted_out(business: Business, clock: Clock) -> str:
    parts = [
        "select customer_id from _remembered",
        "select customer_id from _messages where outcome = 'opted_out'",
        f"select customer_id from ledger where kind = 'opted_out' and as_of <= {clock.today}"
        " and entry_id not in (select corrects from ledger where kind = 'corrected' and corrects is not null)",
    ]
    if business.contact.opted_out is not None:
        parts.append(f'select customer_id from _customers_rows where "{business.contact.opted_out}"')
    return "\n    union\n    ".join(parts)


def _complaints(business: Business, clock: Clock, corrected: Collection[str]) -> Iterator[str]:
    """SQL of the customers who complain, one statement per feed."""
    since = clock.days_ago(business.contact.open_complaint_days)
    topics = ", ".join(literal(topic) for topic in business.fit.complaint_topics)
    for name, feed in business.feeds_with_role("interactions").items():
        if feed.has("topic") and topics:
            unresolved = f"(resolved_at is null or resolved_at >= {clock.now})"
            also = f"event_at >= {since} and topic in ({topics}) and {unresolved}"
            rows = known_rows(name, (), clock, corrected=name in corrected, also=also, spine=False)
            yield f"select customer_id from ({rows})"
    yield f"select customer_id from _messages where outcome = 'complained' and event_at >= {since}"
