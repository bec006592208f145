"""Whose audience is whose: the SQL that reads each campaign's audience, with what speaks against each action.

Each customer is read once: in the campaign that has the unit, else in the first one of the business file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from campaigns.decisions.refusals import Refusal
from campaigns.do_not_disturb import Disturbed
from campaigns.members import audience_condition
from campaigns.values import DECILE_GROUPS, decile_condition
from features.clocks import Clock, newest_versions
from features.corrections import corrected_tables
from features.steps import with_steps
from holdback.business import Action, Audience, Business, Campaign
from holdback.sql import literal
from holdback.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa

    from campaigns.decisions.candidates import Known


def routed(
    warehouse: Warehouse, business: Business, campaigns: Sequence[Campaign], as_of: date, known: Known
) -> pa.Table:
    """Read every audience and keep each customer once: in the campaign that has the unit, else in the first one."""
    clock, corrected = Clock.of(business, as_of), corrected_tables(warehouse)
    steps = newest_versions(clock, _attributes(business, campaigns, known.disturbed), corrected, spine=True)
    audiences = "\nunion all by name\n".join(
        _audience(business, campaign, index, as_of, known.disturbed) for index, campaign in enumerate(campaigns)
    )
    names = sorted({name for campaign in campaigns for name in campaign.actions})
    refusals = ", ".join(f"cast(coalesce(refusal_{name}, 0) as bigint) as refusal_{name}" for name in names)
    sql = (
        f"{with_steps(steps)},\n\n"
        "-- _reasons: all that speaks against any contact, and each channel that is closed\n"
        "_reasons as (\n    select customer_id,\n"
        "        string_agg(distinct reason, ', ' order by reason) filter (where channel is null) as suppressed_by,\n"
        "        list(distinct channel) filter (where channel is not null) as closed_channels\n"
        "    from suppressed group by customer_id\n),\n\n"
        "-- _cooling: the actions that a unit had too recently\n"
        "_cooling as (\n    select unit_id, list(distinct action) as actions from cooling group by unit_id\n),\n\n"
        f"-- _audiences: one row per customer and campaign in whose audience he is\n_audiences as (\n{audiences}\n)\n\n"
        "select customer_id, unit_id, campaign_index, probability, risk_tier, model_version, reasons,\n"
        f"    coalesce(kept_cents, 0) as kept_cents, fit_class, value_decile, suppressed_by, disturbed_by,\n"
        f"    {refusals}\n"
        "from _audiences\n"
        "qualify row_number() over (partition by customer_id order by is_elsewhere, campaign_index) = 1\n"
        "order by customer_id"
    )
    frames = {"spine": known.units.select(["customer_id"]), "units": known.units, "taken": known.taken,
              "suppressed": known.suppressed, "cooling": known.cooling, "day_fit": known.fit,
              "been": known.been, "day_fired": known.fired}  # fmt: skip
    return warehouse.query(sql, frames=frames)


def _audience(business: Business, campaign: Campaign, index: int, as_of: date, disturbed: Sequence[Disturbed]) -> str:
    """SQL of one campaign's audience, with why each of its actions is not open (0 when it is)."""
    churn = business.churn_named(campaign.churn)
    here = f"taken.campaign = {literal(campaign.name)} and taken.version = {campaign.version} and not is_in_several"
    over = "taken.campaign is null and been_here.customer_id is not null"  # once: survivors are no fresh sample
    closed = [
        ("taken.\"group\" = 'holdout'", Refusal.HELD_OUT),
        (f"taken.campaign is not null and not ({here})", Refusal.IN_CAMPAIGN),
        (over, Refusal.WAS_IN_CAMPAIGN),
        ("_reasons.suppressed_by is not null", Refusal.SUPPRESSED),
    ]
    harmed = {
        one.segment: condition
        for one in disturbed
        if one.campaign == campaign.name and (condition := _belongs_to(business, one)) is not None
    }
    driven_away = [one.action for one in disturbed if one.campaign == campaign.name]
    against = {
        name: closed + _against(campaign, business.action_named(name), harmed.values(), name in driven_away)
        for name in campaign.actions
    }
    refusals = [f"        {_first(reasons)} as refusal_{name}" for name, reasons in against.items()]
    return (
        f"    select scores.customer_id, units.unit_id, {index} as campaign_index, scores.probability,\n"
        "        scores.risk_tier, scores.model_version, scores.reasons, day_fit.kept_cents, day_fit.fit_class,\n"
        "        day_fit.value_decile,\n"
        "        _reasons.suppressed_by,\n"
        f"        {_names_of(harmed)} as disturbed_by,\n"
        f"        (taken.campaign is not null and not ({here})) or ({over}) as is_elsewhere,\n"
        + ",\n".join(refusals)
        + "\n"
        "    from scores\n"
        "    inner join units on units.customer_id = scores.customer_id\n"
        + _fired(campaign)
        + "    left join _customers_rows on _customers_rows.customer_id = scores.customer_id\n"
        "    left join day_fit on day_fit.customer_id = scores.customer_id\n"
        "    left join taken on taken.customer_id = scores.customer_id\n"
        "    left join (\n        select distinct customer_id from been\n"
        f"        where campaign = {literal(campaign.name)} and version = {campaign.version}\n"
        "    ) as been_here on been_here.customer_id = scores.customer_id\n"
        "    left join _reasons on _reasons.customer_id = scores.customer_id\n"
        "    left join _cooling on _cooling.unit_id = units.unit_id\n"
        f"    where scores.as_of = date '{as_of}' and scores.churn = {literal(churn.name)}\n"
        f"        and units.\"group\" = 'treatment' and {_belongs(campaign.audience)}"
    )


def _fired(campaign: Campaign) -> str:
    """SQL that keeps only those for whom the campaign's trigger fired."""
    if campaign.trigger is None:
        return ""
    return (
        "    inner join day_fired on day_fired.customer_id = scores.customer_id\n"
        f"        and day_fired.trigger = {literal(campaign.trigger)}\n"
    )


def _against(campaign: Campaign, action: Action, harmed: Iterable[str], drives_away: bool) -> list[tuple[str, Refusal]]:
    """What closes one action, in order: SQL condition and refusal."""
    found = [(f"not coalesce({_belongs(action.eligible)}, false)", Refusal.NOT_ELIGIBLE)]
    if campaign.trigger is not None:  # the branch of the trigger names one action; without branches all are open
        found.append((f"day_fired.action <> {literal(action.name)}", Refusal.OTHER_BRANCH))
    if action.expected_cost > 0:
        found.append(("day_fit.fit_class = 'do_not_spend'", Refusal.FIT))
    found += [(condition, Refusal.DO_NOT_DISTURB) for condition in (["true"] if drives_away else harmed)]
    found.append((f"list_contains(_reasons.closed_channels, {literal(action.channel)})", Refusal.CHANNEL))
    found.append((f"list_contains(_cooling.actions, {literal(action.name)})", Refusal.COOLING_OFF))
    return found


def _first(closed: list[tuple[str, Refusal]]) -> str:
    cases = " ".join(f"when {condition} then {int(refusal)}" for condition, refusal in closed)
    return f"case {cases} else 0 end"


def _belongs(audience: Audience) -> str:
    """SQL condition: the customer is in an audience."""
    tiers = ", ".join(literal(tier) for tier in audience.risk_tiers)
    conditions = [f"scores.risk_tier in ({tiers})"] if tiers else []
    if audience.value_deciles:
        conditions.append(decile_condition(audience, column="day_fit.value_decile"))
    attributes = audience_condition(audience, of="_customers_rows")  # they may be called as columns of ours
    return " and ".join([*conditions, attributes])


def _belongs_to(business: Business, segment: Disturbed) -> str | None:
    """SQL condition: the customer is in a segment; None when it is not one that today's customers can be asked for."""
    if segment.name in ("fit_class", "risk_tier"):
        table = "day_fit" if segment.name == "fit_class" else "scores"
        return f"{table}.{segment.name} = {literal(segment.value)}"
    if segment.name == "value_decile" and segment.value in DECILE_GROUPS:
        return f"coalesce(day_fit.value_decile in ({', '.join(map(str, DECILE_GROUPS[segment.value]))}), false)"
    if segment.name == business.fit.segment:
        return f'cast(_customers_rows."{segment.name}" as varchar) = {literal(segment.value)}'
    return None


def _names_of(segments: Mapping[str, str]) -> str:
    """SQL of the segments that a customer is in, of those whose names and conditions are given; null when in none."""
    if not segments:
        return "cast(null as varchar)"
    cases = ", ".join(f"case when {condition} then {literal(name)} end" for name, condition in segments.items())
    return f"nullif(concat_ws(', ', {cases}), '')"


def _attributes(business: Business, campaigns: Sequence[Campaign], disturbed: Sequence[Disturbed]) -> tuple[str, ...]:
    """The attributes that audiences and segments ask for."""
    segments = [one.name for one in disturbed if one.name == business.fit.segment]
    audiences = [campaign.audience for campaign in campaigns]
    audiences += [business.action_named(name).eligible for campaign in campaigns for name in campaign.actions]
    asked = [name for audience in audiences for name in (*audience.where, *audience.between)]
    return tuple(f'"{name}"' for name in dict.fromkeys([*asked, *segments]))
