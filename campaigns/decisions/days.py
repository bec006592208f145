"""What a day decided, read from the ledger: the same on the first run and on every rerun."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import pyarrow.compute as pc

from campaigns.decisions.refusals import Refusal
from campaigns.designs import launched
from campaigns.holdout import check_balance, global_layer
from campaigns.values import asks_for_deciles, without_values
from holdback.business import Business
from holdback.sql import literal
from holdback.warehouse import Warehouse


@dataclass(frozen=True)
class LayerBalance:
    """Whether the groups of one layer are as alike as chance makes them.

    Attributes:
        layer: ``global``, or the campaign's name.
        treatment_count: Units assigned to treatment so far.
        holdout_count: Units held out so far.
        verdict: In words.
        is_sound: False when something is wrong with the drawing, or with what came after it.
    """

    layer: str
    treatment_count: int
    holdout_count: int
    verdict: str
    is_sound: bool


@dataclass(frozen=True)
class CampaignDay:
    """One campaign's day.

    Attributes:
        name: The campaign.
        version: Its version.
        audience_count: Customers looked at.
        contact_count: Customers who are contacted.
        explored_count: Of them, those whose action was drawn at random.
        entered_count: Customers of units that entered the campaign today, in either group.
        held_back_count: Of them, held out.
        spent_cents: Expected cost of the contacts.
    """

    name: str
    version: int
    audience_count: int
    contact_count: int
    explored_count: int
    entered_count: int
    held_back_count: int
    spent_cents: int


@dataclass(frozen=True)
class DecisionDay:
    """A day's decision in numbers.

    Attributes:
        as_of: The day.
        customer_count: Customers in the global layer.
        globally_held_count: Of them, held out from everything.
        largest_unit_count: Customers of the largest unit; many hint at a placeholder for an address.
        campaigns: One by one.
        contact_counts: Contacts by channel.
        refused_counts: Customers without a contact, by the first thing that spoke against their best chance.
        spent_cents: Expected cost of all contacts.
        budget_cents: What may be spent in a day; None without a budget.
        balances: Of each layer.
        notes: What somebody should know: a campaign that asks for tenths by value while nobody's value is known.
        was_decided_already: True when the day had been decided before and was only read.
    """

    as_of: date
    customer_count: int
    globally_held_count: int
    largest_unit_count: int
    campaigns: tuple[CampaignDay, ...]
    contact_counts: Mapping[str, int]
    refused_counts: Mapping[str, int]
    spent_cents: int
    budget_cents: int | None
    balances: tuple[LayerBalance, ...]
    notes: tuple[str, ...]
    was_decided_already: bool


def decided_day(warehouse: Warehouse, business: Business, as_of: date, *, was_decided_already: bool) -> DecisionDay:
    """Read what the ledger says of a day.

    Args:
        warehouse: Where the ledger is.
        business: The company.
        as_of: The day.
        was_decided_already: What the result shall say of it.
    """
    campaigns = tuple(CampaignDay(**row) for row in warehouse.query(_campaigns_sql(as_of)).to_pylist())
    channels = warehouse.query(
        f"select channel, count(*) as n from ledger where as_of = date '{as_of}' and kind = 'decided' "
        "and action <> 'none' group by channel order by channel"
    ).to_pylist()
    balances, customer_count, held_count, largest_count = _balances(
        warehouse, business, as_of, [c.name for c in campaigns]
    )
    return DecisionDay(
        as_of=as_of,
        customer_count=customer_count,
        globally_held_count=held_count,
        largest_unit_count=largest_count,
        campaigns=campaigns,
        contact_counts={row["channel"]: row["n"] for row in channels},
        refused_counts=_refused(warehouse, as_of),
        spent_cents=sum(campaign.spent_cents for campaign in campaigns),
        budget_cents=None if business.budget is None else round(business.budget.per_day * 100),
        balances=balances,
        notes=_notes(warehouse, business, as_of),
        was_decided_already=was_decided_already,
    )


def _notes(warehouse: Warehouse, business: Business, as_of: date) -> tuple[str, ...]:
    """Name the campaigns that were in force and asked for tenths by value, when the day saw none.

    What it saw stands in its rows of ``fit``, which are never rewritten.
    """
    asking = [
        campaign
        for design in launched(warehouse, business, as_of)
        if asks_for_deciles(business, campaign := business.campaign_named(design.campaign))
    ]
    if not asking:
        return ()
    seen = warehouse.query(f"select count(value_decile) as valued from fit where as_of = date '{as_of}'")
    return () if seen["valued"][0].as_py() else tuple(without_values(business, one, as_of) for one in asking)


def _campaigns_sql(as_of: date) -> str:
    return f"""
        -- one row per campaign that decided anything or took anybody in on the day.
        select
            campaign as name,
            version,
            count(*) filter (where kind = 'decided') as audience_count,
            count(*) filter (where kind = 'decided' and action <> 'none') as contact_count,
            count(*) filter (where kind = 'decided' and action <> 'none' and is_exploration) as explored_count,
            count(*) filter (where kind = 'assigned') as entered_count,
            count(*) filter (where kind = 'assigned' and "group" = 'holdout') as held_back_count,
            cast(coalesce(sum(cost_cents) filter (where kind = 'decided'), 0) as bigint) as spent_cents
        from ledger
        where as_of = date '{as_of}' and kind in ('assigned', 'decided') and campaign is not null
        group by campaign, version
        order by campaign, version
    """


def _refused(warehouse: Warehouse, as_of: date) -> dict[str, int]:
    """Count who gets nothing by why; of several reasons the one nearest to a contact counts."""
    found = warehouse.query(
        f"select refused, count(*) as n from ledger where as_of = date '{as_of}' and kind = 'decided' "
        "and action = 'none' group by refused"
    ).to_pylist()
    codes = {refusal.code: refusal for refusal in Refusal}
    counts: dict[str, int] = {}
    for row in found:
        parsed = [str(value) for value in _values(row["refused"])]
        nearest = max(parsed, key=lambda text: codes[text.split(":")[0]], default=Refusal.NOT_ELIGIBLE.code)
        counts[nearest] = counts.get(nearest, 0) + row["n"]
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _values(text: str | None) -> list[object]:
    import json

    return list(json.loads(text).values()) if text else []


def _balances(
    warehouse: Warehouse, business: Business, as_of: date, campaigns: list[str]
) -> tuple[tuple[LayerBalance, ...], int, int, int]:
    """Judge each layer by everybody assigned so far; count the global one's customers, holdout and largest unit."""
    layer = global_layer(business, as_of)
    wanted = [(layer.name, f"campaign is null and version = {layer.version}")]
    wanted += [
        (name, f"campaign = {literal(name)} and version = {business.campaign_named(name).version}")
        for name in campaigns
        if any(campaign.name == name for campaign in business.campaigns)
    ]
    found = []
    customer_count = held_count = largest_count = 0
    for name, condition in wanted:
        rows = warehouse.query(
            'select customer_id, unit_id, "group", propensity, probability, cast(kept_cents as double) as kept_cents '
            f"from ledger where kind = 'assigned' and as_of <= date '{as_of}' and {condition}"
        )
        if not rows.num_rows:
            continue
        covariates = rows.select(["customer_id", "probability", "kept_cents"]) if name != layer.name else None
        balance = check_balance(rows.select(["customer_id", "unit_id", "group", "propensity"]), covariates)
        found.append(
            LayerBalance(name, balance.treatment_count, balance.holdout_count, balance.verdict, balance.is_sound)
        )
        if name == layer.name:
            customer_count = rows.num_rows
            largest_count = pc.max(pc.value_counts(rows["unit_id"]).field("counts")).as_py()
            held_count = int(pc.sum(pc.equal(rows["group"], "holdout")).as_py() or 0)
    return tuple(found), customer_count, held_count, largest_count
