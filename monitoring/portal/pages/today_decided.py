"""What was decided today, what it costs, and who is held back on purpose: counted in SQL.

Contacts and their cost are what we do ourselves, and are counted openly, however few. Who is held back is a group of
customers: small ones are hidden.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from campaigns.decisions import decide_batch
from campaigns.delivery.last_check import LAUNCHED_DAYS
from holdback.business import Business
from holdback.sql import literal
from holdback.warehouse import Warehouse
from monitoring.cells import hidden, shown_count

_CENTS: Final = 100
_NOT_WITHDRAWN: Final = (
    "entry_id not in (select corrects from ledger where kind = 'corrected' and corrects is not null)"
)
# Who was put into the holdout by a correction is held out as well.
_IS_HELD: Final = """(a."group" = 'holdout' or a.entry_id in (
                select corrects from ledger where kind = 'corrected' and "group" = 'holdout' and corrects is not null
            ))"""


@dataclass(frozen=True, slots=True)
class Contacts:
    """Contacts decided for one action by one channel. ``capacity``: of the action, in a day; None without a limit."""

    action: str
    channel: str
    count: int
    capacity: int | None


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Customers held out of one campaign, or of everything (``campaign`` is None), whose time is not over.

    Attributes:
        campaign: Its name.
        held: Customers held out; None is not shown.
        drawn: Customers drawn into either group; None is not shown.
        last_until: Day on which the last of them may be contacted again; None for the global holdout without a date.
    """

    campaign: str | None
    held: int | None
    drawn: int | None
    last_until: date | None

    @property
    def share(self) -> float | None:
        """Held out, of those drawn."""
        return None if self.held is None or not self.drawn else self.held / self.drawn


@dataclass(frozen=True, slots=True)
class Decided:
    """One day's decisions.

    Attributes:
        is_decided: False when the day was not decided.
        contacts: By action and channel, the file's order.
        contact_count: All of them.
        spent_amount: Their expected cost in currency units, incentives included.
        budget_amount: What may be spent in a day; None without a budget.
        before: Newest earlier day that was decided; None when there is none.
        contacts_before: Contacts of that day; None when there is none.
        held_back: The global holdout first.
    """

    is_decided: bool
    contacts: tuple[Contacts, ...]
    contact_count: int
    spent_amount: float
    budget_amount: float | None
    before: date | None
    contacts_before: int | None
    held_back: tuple[HeldBack, ...]


def read_decided(warehouse: Warehouse, business: Business, as_of: date) -> Decided:
    """Return what the ledger says of a day's decisions."""
    rows = warehouse.query(
        "select action, coalesce(channel, '') as channel, count(*) as n, coalesce(sum(cost_cents), 0)::bigint as cents "
        f"from ledger where {_contacts_of(as_of)} group by all"
    ).to_pylist()
    capacities = {action.name: action.capacity_per_day for action in business.actions}
    order = list(capacities)
    rows.sort(key=lambda r: (order.index(r["action"]) if r["action"] in order else len(order), r["channel"]))
    total, cents = sum(row["n"] for row in rows), sum(row["cents"] for row in rows)
    before = warehouse.query(f"select max(as_of) as day from ledger where kind = 'decided' and as_of < date '{as_of}'")[
        "day"
    ][0].as_py()
    return Decided(
        is_decided=warehouse.has_batch("ledger", decide_batch(as_of)) or bool(rows),
        contacts=tuple(
            Contacts(row["action"], row["channel"], row["n"], capacities.get(row["action"])) for row in rows
        ),
        contact_count=total,
        spent_amount=cents / _CENTS,
        budget_amount=None if business.budget is None else business.budget.per_day,
        before=before,
        contacts_before=None if before is None else _contact_count(warehouse, before),
        held_back=_held_back(warehouse, business, as_of),
    )


def _contacts_of(day: date) -> str:
    return (
        f"as_of = date '{day}' and kind = 'decided' and action <> 'none' and customer_id is not null "
        f"and {_NOT_WITHDRAWN}"
    )


def _contact_count(warehouse: Warehouse, day: date) -> int:
    found: int = warehouse.query(f"select count(*) as n from ledger where {_contacts_of(day)}")["n"][0].as_py()
    return found


def _held_back(warehouse: Warehouse, business: Business, as_of: date) -> tuple[HeldBack, ...]:
    """Count who is held out now: in the global layer by today's drawing, in a campaign until the horizon ends."""
    version = business.holdout.version(as_of)
    cases = " ".join(
        f"when a.campaign = {literal(campaign.name)} then {business.horizon_days(campaign)}"
        for campaign in business.campaigns
    )
    in_file = f"case {cases} end" if cases else "null"
    rows = warehouse.query(
        f"""
        with launched as (
            select campaign, version, max({LAUNCHED_DAYS}) as days from ledger where kind = 'launched' group by all
        ),
        assigned as (
            select a.customer_id, a.campaign, {_IS_HELD} as is_held,
                cast(a.as_of + coalesce(launched.days, {in_file}, 0) as date) as until
            from ledger a left join launched on launched.campaign = a.campaign and launched.version = a.version
            where a.kind = 'assigned' and a.as_of <= date '{as_of}'
                and (a.campaign is not null or a.version = {version})
        )
        select campaign, count(distinct customer_id) as drawn,
            count(distinct customer_id) filter (where is_held) as held, max(until) as until
        from assigned where campaign is null or until > date '{as_of}'
        group by campaign order by campaign nulls first"""
    ).to_pylist()
    rotations = business.holdout.rotates_on[version - 1 :]
    ends_on = rotations[0] if rotations else None
    return tuple(
        _layer(row["campaign"], row["held"], row["drawn"], row["until"] if row["campaign"] else ends_on) for row in rows
    )


def _layer(campaign: str | None, held: int, drawn: int, until: date | None) -> HeldBack:
    is_told = any(hidden([held, drawn - held]))
    return HeldBack(campaign, None if is_told else held, shown_count(drawn), until)
