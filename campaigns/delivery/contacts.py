"""The contacts of a day, read back from the ledger; and who among them must not leave the house after all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date
from decimal import Decimal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from campaigns.contact_columns import (
    CONTACT_COLUMNS,
    MESSAGE_COLUMNS,
    attribute_columns,
    has_messages,
)
from campaigns.delivery.last_check import refusals
from campaigns.messages import write_messages
from campaigns.messages.fields import needed_attributes
from campaigns.suppression import contact_window
from features.clocks import Clock, newest_versions
from features.corrections import corrected_tables
from features.steps import Step, with_steps
from holdback.business import Business
from holdback.forgotten import is_pseudonym
from holdback.workspace import Workspace

#: What is kept of a contact that was refused.
REFUSED_COLUMNS = ("decision_id", "customer_id", "campaign", "action", "channel", "refused_because")

_MONEY = pa.decimal128(14, 2)


@dataclass(frozen=True)
class Listed:
    """The contacts of a day after the last check.

    Args:
        contacts: :data:`~campaigns.contact_columns.CONTACT_COLUMNS`, what is written where a business has messages, and
            the attributes of every channel, ordered by channel and decision.
        refused: :data:`REFUSED_COLUMNS`, in the same order.
        withheld: :data:`~campaigns.messages.WITHHELD_COLUMNS` of the decisions whose message cannot be filled; None for
            a business without messages.
    """

    contacts: pa.Table
    refused: pa.Table
    withheld: pa.Table | None = None


def contacts(workspace: Workspace, as_of: date, *, today: date | None = None) -> pa.Table:
    """Return whom to contact on a day: the ledger's decisions, less those refused or withheld.

    Args:
        workspace: The company.
        as_of: The day of the decisions; attributes are those known then.
        today: The day on which the contacts leave; ``as_of`` by default.

    Returns:
        One row per decision with another action than ``none``: :data:`~campaigns.contact_columns.CONTACT_COLUMNS`,
        ``incentive_amount`` in the business' currency, ``contact_from`` and ``contact_until`` in its time zone; where
        the business has messages, :data:`~campaigns.contact_columns.MESSAGE_COLUMNS`; then the attributes that any
        channel names in ``delivery.fields``, null where the contact's own channel does not name them. Ordered by
        channel and decision.
    """
    return check_contacts(workspace, as_of, today=today).contacts


def check_contacts(
    workspace: Workspace, as_of: date, *, today: date | None = None, language: str | None = None
) -> Listed:
    """Return the contacts of a day, those that the last check refuses, and those whose message lacks something.

    Everything is checked anew against the ledger and against what is known now, whoever wrote the decision and however
    (:func:`campaigns.delivery.last_check.refusals`). Who is withheld still stands in the ledger as decided, and counts
    in the treatment: what a campaign does is measured on all whom it chose. Nobody takes the place that is left empty.

    Args:
        workspace: The company.
        as_of: The day of the decisions.
        today: The day on which the contacts leave; ``as_of`` by default.
        language: Write every message in this one, to look at them.
    """
    business = workspace.business
    decided = _decided(workspace, as_of)
    because = refusals(workspace, decided, as_of=as_of, today=today or as_of)
    reasons = [because.get(decision_id) for decision_id in decided["decision_id"].to_pylist()]
    is_refused = pa.array([reason is not None for reason in reasons], pa.bool_())
    refused = decided.append_column("refused_because", pa.array(reasons, pa.string())).filter(is_refused)
    allowed = decided.filter(pc.invert(is_refused))
    if not has_messages(business):
        return Listed(_shaped(business, allowed, as_of), refused.select(REFUSED_COLUMNS))
    written = write_messages(business, allowed, language=language)
    position = pc.index_in(allowed["decision_id"], value_set=written.messages["decision_id"])
    leaving, place = allowed.filter(pc.is_valid(position)), position.drop_null()
    for name in MESSAGE_COLUMNS:
        leaving = leaving.append_column(f"message_{name}", written.messages[name].take(place))
    return Listed(_shaped(business, leaving, as_of), refused.select(REFUSED_COLUMNS), written.withheld)


def _decided(workspace: Workspace, as_of: date) -> pa.Table:
    """Return the decisions of a day that want a contact, with what was known of the customers then."""
    business = workspace.business
    clock = Clock.of(business, as_of)
    is_written = has_messages(business)
    listed = {name for fields in business.delivery.fields.values() for name in fields}
    names = sorted(listed | (needed_attributes(business) if is_written else set()))
    corrected = corrected_tables(workspace.warehouse)
    decisions = Step(
        "_decisions",
        "decisions of the day that want a contact and that no correction withdrew",
        f"""select distinct on (entry_id)
        entry_id as decision_id, customer_id, unit_id, campaign, version, action, channel,
        coalesce(reason, '') as reason
    from ledger
    where as_of = {clock.today} and kind = 'decided' and action <> 'none' and customer_id is not null
        and not {is_pseudonym("customer_id")}
        and entry_id not in (select corrects from ledger where kind = 'corrected' and corrects is not null)
    order by entry_id""",
    )
    attributes = "".join(f', c."{name}" as "attribute_{name}"' for name in names)
    steps = [*newest_versions(clock, ("contact_key", *(f'"{name}"' for name in names)), corrected), decisions]
    found = workspace.warehouse.query(
        f"""{with_steps(steps)}
        select d.decision_id, d.customer_id, c.contact_key, d.campaign, d.version, d.unit_id, d.action, d.channel,
            d.reason{attributes}
        from _decisions d left join _customers_rows c using (customer_id)
        order by d.channel, d.decision_id"""
    )
    return _with_reasons(workspace, clock, found) if is_written else found


def _with_reasons(workspace: Workspace, clock: Clock, decided: pa.Table) -> pa.Table:
    """Add ``reasons``: what the day's score of the campaign's churn definition rests on, as JSON."""
    business = workspace.business
    names = {campaign.name: business.churn_named(campaign.churn).name for campaign in business.campaigns}
    definitions = pa.table({"campaign": pa.array(names, pa.string()), "churn": pa.array(names.values(), pa.string())})
    return workspace.warehouse.query(
        f"""
        select d.*, s.reasons
        from _decided d
            left join _definitions using (campaign)
            left join scores s
                on s.as_of = {clock.today} and s.customer_id = d.customer_id and s.churn = _definitions.churn
        qualify row_number() over (partition by d.decision_id order by s.model_version desc) = 1
        order by d.channel, d.decision_id""",
        frames={"_decided": decided, "_definitions": definitions},
    )


def _shaped(business: Business, decided: pa.Table, as_of: date) -> pa.Table:
    offered = {action.name: Decimal(f"{action.incentive_amount:.2f}") for action in business.actions}
    zone = pa.timestamp("us", tz=business.time_zone)
    opens_at, closes_at = (moment.replace(tzinfo=UTC) for moment in contact_window(business, as_of))
    made = {
        "incentive_amount": pa.array([offered.get(action) for action in decided["action"].to_pylist()], _MONEY),
        "contact_from": pa.array([opens_at.astimezone(ZoneInfo(business.time_zone))] * decided.num_rows, zone),
        "contact_until": pa.array([closes_at.astimezone(ZoneInfo(business.time_zone))] * decided.num_rows, zone),
    }
    columns = [made.get(name, decided[name] if name in decided.column_names else None) for name in CONTACT_COLUMNS]
    names = list(CONTACT_COLUMNS)
    if has_messages(business):
        columns += [decided[f"message_{name}"] for name in MESSAGE_COLUMNS]
        names += MESSAGE_COLUMNS
    channels = sorted({action.channel for action in business.actions} | set(business.delivery.fields))
    wanted = {column: name for channel in channels for column, name in attribute_columns(business, channel).items()}
    for column, name in sorted(wanted.items()):
        naming = [channel for channel in channels if column in attribute_columns(business, channel)]
        values = decided[f"attribute_{name}"]
        named = pc.is_in(decided["channel"], value_set=pa.array(naming, pa.string()))
        columns.append(pc.if_else(named, values, pa.scalar(None, values.type)))
        names.append(column)
    return pa.table(columns, names=names)
