"""Who could be in a campaign's audience on one day: contactable customers with the attributes it asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from campaigns.triggered import meant
from campaigns.units import contact_units
from campaigns.values import asks_for_deciles, decile_condition, read_values
from features.clocks import Clock, newest_versions
from features.corrections import corrected_tables
from features.spine import build_spine
from features.steps import with_steps
from features.triggers import asked_last, evaluate, fired
from holdback.business import Action, Audience, Business, Campaign, Churn, Trigger
from holdback.sql import literal
from holdback.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa

Texts = npt.NDArray[np.str_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Members:
    """Who could be in the campaign's audience on one day, before its risk tiers are applied.

    Attributes:
        day: The day.
        is_scored: True when the day was scored; otherwise everybody described is here, without tier and probability.
        customer_ids: Shape (n,).
        unit_ids: Who is contacted together (:func:`campaigns.units.contact_units`, among these customers), shape (n,).
        tiers: ``high``, ``medium``, ``low``, or empty when the day was not scored, shape (n,).
        probability: Calibrated probability of churn; nan when the day was not scored, shape (n,).
        is_free: False for those who cannot enter: in a campaign whose horizon has not ended, shape (n,).
        lacks_values: True when tenths by value are asked for and nobody's value was known on the day: then those who
            are here were not chosen by them.
    """

    day: date
    is_scored: bool
    customer_ids: Texts
    unit_ids: Texts
    tiers: Texts
    probability: Floats
    is_free: npt.NDArray[np.bool_]
    lacks_values: bool = False

    def __len__(self) -> int:
        return int(self.customer_ids.size)

    def chosen(self, tiers: tuple[str, ...]) -> npt.NDArray[np.bool_]:
        """Mark who is in these risk tiers; everybody when no tier is named or the day was not scored."""
        if not tiers or not self.is_scored:
            return np.ones(len(self), dtype=bool)
        return np.isin(self.tiers, tiers)


def read_members(
    warehouse: Warehouse,
    business: Business,
    campaign: Campaign,
    churn: Churn,
    day: date,
    *,
    by_scores: bool = True,
    needs_values: bool = True,
) -> Members:
    """Read who could be in a campaign's audience on a day, as it was known then.

    Of a campaign with a trigger only those are here for whom its condition holds on that day. Of an audience that asks
    for tenths by value nobody is here on a day on which nobody's value is known.

    Args:
        warehouse: Where feeds, customers, scores and the ledger are.
        business: The company.
        campaign: The campaign.
        churn: Its churn definition.
        day: The day.
        by_scores: False to ask for everybody described, also on a day that was scored.
        needs_values: False to ask for everybody, whatever his value, on a day on which nobody's is known.
    """
    scores = _scores(warehouse, churn, day) if by_scores else None
    is_scored = scores is not None and scores.num_rows > 0
    population = scores if is_scored else build_spine(warehouse, business, churn, day)
    clock, corrected = Clock.of(business, day), corrected_tables(warehouse)
    fired = _fired(warehouse, business, campaign, day)
    valued = read_values(warehouse, day).select(["customer_id", "value_decile"])
    by_value = valued.num_rows > 0 or needs_values
    steps = newest_versions(clock, _attributes(business, campaign), corrected, spine=True)
    tier, probability = ("risk_tier", "probability") if is_scored else ("''", "cast('nan' as double)")
    rows = warehouse.query(
        f"{with_steps(steps)},\n\n{_busy(business, day)}\n\n"
        "select spine.customer_id, household_id, contact_key,\n"
        f"    {tier} as tier, {probability} as probability, _busy.customer_id is null as is_free\n"
        "from spine\nleft join _customers_rows on _customers_rows.customer_id = spine.customer_id\n"
        "left join _busy on _busy.customer_id = spine.customer_id\n"
        "left join valued on valued.customer_id = spine.customer_id\n"
        + ("" if fired is None else "inner join fired on fired.customer_id = spine.customer_id\n")
        + f"where {_contactable(business, campaign, is_scored=is_scored, by_value=by_value)} "
        f"and {audience_condition(campaign.audience)} and {_decile(campaign.audience, by_value=by_value)}\n"
        "order by spine.customer_id",
        frames={"spine": population, "valued": valued, **({} if fired is None else {"fired": fired})},
    )
    return Members(
        day=day,
        is_scored=is_scored,
        customer_ids=_texts(rows, "customer_id"),
        unit_ids=_texts(contact_units(rows), "unit_id"),
        tiers=_texts(rows, "tier"),
        probability=np.asarray(rows["probability"].to_numpy(), dtype=np.float64),
        is_free=np.asarray(rows["is_free"].to_numpy(zero_copy_only=False), dtype=bool),
        lacks_values=valued.num_rows == 0 and bool(asks_for_deciles(business, campaign)),
    )


def read_spent(warehouse: Warehouse, business: Business, campaign: Campaign, as_of: date) -> Texts:
    """Return for whom the campaign's trigger cannot fire on a day, whatever holds, because it fired or held before.

    Decisions read only firings: for whom the trigger is cooling, or (without a cooldown) for whom it held when it was
    asked last, nothing is decided before it fires anew. A firing that still counts on the day is waiting, not spent.

    Args:
        warehouse: Where the firings are.
        business: The company.
        campaign: The campaign; without a trigger nobody is spent.
        as_of: The day of knowledge.
    """
    if campaign.trigger is None:
        return np.array([], dtype=np.str_)
    trigger = business.trigger_named(campaign.trigger)
    if trigger.cooldown_days:
        lately = fired(warehouse, business, trigger.name, as_of, trigger.cooldown_days, only_cooling=True)
    else:
        lately = _held_last(warehouse, business, trigger, as_of)
    waiting = fired(warehouse, business, trigger.name, as_of, campaign.trigger_days)
    return np.setdiff1d(_texts(lately, "customer_id"), _texts(waiting, "customer_id"))


def audience_condition(audience: Audience, *, of: str | None = None) -> str:
    """SQL condition of an audience's attributes over a row of ``customers``; its risk tiers are not part of it.

    A customer whose attribute is not known is not in the audience.

    Args:
        audience: The audience.
        of: Relation that has the attributes, where another one may have columns of the same names.

    Examples:
        >>> print(audience_condition(Audience(where={"city": ("Lugo",)}, between={"age": (18, 30)})))
        cast("city" as varchar) in ('Lugo') and "age" between 18.0 and 30.0
        >>> audience_condition(Audience())
        'true'
    """
    row = f"{of}." if of else ""
    conditions = [
        f'cast({row}"{name}" as varchar) in ({", ".join(map(literal, values))})' if values else "false"
        for name, values in audience.where.items()
    ]
    conditions += [f'{row}"{name}" between {low} and {high}' for name, (low, high) in audience.between.items()]
    return " and ".join(conditions) or "true"


def _fired(warehouse: Warehouse, business: Business, campaign: Campaign, day: date) -> pa.Table | None:
    """For whom the condition of the campaign's trigger holds on a day; None without a trigger."""
    if campaign.trigger is None:
        return None
    trigger = business.trigger_named(campaign.trigger)
    return meant(trigger, evaluate(warehouse, business, trigger, day)).select(["customer_id"])


def _held_last(warehouse: Warehouse, business: Business, trigger: Trigger, as_of: date) -> pa.Table:
    """For whom a trigger's condition held when it was asked last; nobody when it never was."""
    at = asked_last(warehouse, trigger, business.instant(as_of + timedelta(days=1)))
    if at is None:
        return fired(warehouse, business, trigger.name, as_of, 1).slice(0, 0)
    return evaluate(warehouse, business, trigger, business.day_of(at), seen_at=at)


def _scores(warehouse: Warehouse, churn: Churn, day: date) -> pa.Table:
    return warehouse.query(
        "select customer_id, as_of, risk_tier, probability from scores "
        f"where as_of = date '{day}' and churn = {literal(churn.name)} order by customer_id"
    )


def _attributes(business: Business, campaign: Campaign) -> tuple[str, ...]:
    audiences = [campaign.audience, *(business.action_named(name).eligible for name in campaign.actions)]
    asked = [name for audience in audiences for name in (*audience.where, *audience.between)]
    own = dict.fromkeys([*asked, *business.contact.reachable.values(), *_forbidding(business)])
    return ("household_id", "contact_key", "has_consent", *(f'"{name}"' for name in own))


def _contactable(business: Business, campaign: Campaign, *, is_scored: bool, by_value: bool) -> str:
    """SQL condition: the customer agreed, nothing lasting forbids it, and one of the campaign's actions is open.

    What passes (too many contacts lately, an open complaint) is left to the day's own suppression.
    """
    customers = business.customers
    conditions = ["has_consent"] if customers is not None and "consent" in customers.columns else []
    conditions += [f'coalesce(not "{flag}", true)' for flag in _forbidding(business)]
    actions = [business.action_named(name) for name in campaign.actions]
    conditions.append(f"({' or '.join(_open(business, a, is_scored=is_scored, by_value=by_value) for a in actions)})")
    return " and ".join(conditions)


def _decile(audience: Audience, *, by_value: bool) -> str:
    """SQL condition: the customer's tenth by value; everybody where it is not to be asked for."""
    return decile_condition(audience, column="valued.value_decile") if by_value else "true"


def _open(business: Business, action: Action, *, is_scored: bool, by_value: bool) -> str:
    """SQL condition: a customer can be reached by an action's channel and may be given it."""
    flag, tiers = business.contact.reachable.get(action.channel), action.eligible.risk_tiers
    conditions = [audience_condition(action.eligible), *([f'"{flag}"'] if flag else [])]
    conditions.append(_decile(action.eligible, by_value=by_value))
    if is_scored and tiers:
        conditions.append(f"risk_tier in ({', '.join(map(literal, tiers))})")
    return f"({' and '.join(conditions)})"


def _forbidding(business: Business) -> tuple[str, ...]:
    """Flags of customers that stop every contact."""
    stated = business.contact.suppressed_by
    protecting = business.fit.never_classed_out if stated is None else stated
    return (*protecting, *filter(None, [business.contact.opted_out]))


def _busy(business: Business, day: date) -> str:
    """SQL step: customers assigned to a campaign whose horizon has not ended on a day."""
    horizons = {campaign.name: business.horizon_days(campaign) for campaign in business.campaigns}
    ends = " ".join(f"when {literal(name)} then {days}" for name, days in horizons.items())
    return (
        "-- _busy: who is in a campaign whose horizon has not ended\n"
        "_busy as (\n    select distinct customer_id\n    from ledger\n"
        f"    where kind = 'assigned' and campaign is not null and as_of <= date '{day}'\n"
        f"        and as_of + cast(case campaign {ends} else 0 end as integer) > date '{day}'\n)"
    )


def _texts(rows: Any, column: str) -> Texts:
    return np.asarray(rows[column].to_pylist(), dtype=np.str_)
