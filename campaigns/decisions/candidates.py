"""Who could be given something today: each campaign's audience with all that a decision needs to see of it.

A customer takes part in one campaign at a time. Who is in several audiences goes to the first campaign in the order of
the business file, unless the unit is in a campaign already: then that one keeps it until its horizon ends. Who is held
out globally is not read at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from campaigns.do_not_disturb import Disturbed
from campaigns.lifts import Lift
from campaigns.members import audience_condition
from features.clocks import Clock, newest_versions
from features.corrections import corrected_tables
from features.steps import with_steps
from holdback.business import Action, Audience, Business, Campaign
from holdback.sql import literal
from holdback.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Mapping

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class Refusal(IntEnum):
    """Why an action is not open to a customer today; the first that applies, in this order."""

    OPEN = 0
    IN_CAMPAIGN = 1
    HELD_OUT = 2
    WAS_IN_CAMPAIGN = 3
    SUPPRESSED = 4
    NOT_ELIGIBLE = 5
    FIT = 6
    DO_NOT_DISTURB = 7
    CHANNEL = 8
    COOLING_OFF = 9
    OTHER_MEMBER = 10
    NO_GAIN = 11
    PRICE = 12
    WEAKER = 13
    EXPLORED = 14

    @property
    def code(self) -> str:
        """How the ledger writes it."""
        return self.name.lower()


_BEEN = pa.schema({"customer_id": pa.string(), "campaign": pa.string(), "version": pa.int64()})


@dataclass(frozen=True)
class Column:
    """One action of one campaign: a column of every matrix below."""

    campaign: Campaign
    action: Action
    campaign_index: int
    action_index: int
    lift: Lift | None

    @property
    def cost_cents(self) -> int:
        """Expected cost of one contact, incentives included as often as they are taken."""
        return round(self.action.expected_cost * 100)


@dataclass(frozen=True, eq=False)
class Candidates:
    """The audiences of the day's campaigns, each customer once, ordered by customer.

    Attributes:
        rows: ``customer_id, unit_id, campaign_index, probability, risk_tier, model_version, reasons, kept_cents,
            fit_class, suppressed_by, disturbed_by`` (n rows).
        columns: The options: k of them.
        refusal: Why an option is not open, as :class:`Refusal`, shape (n, k).
        gain_cents: Expected incremental margin of an option, shape (n, k); 0 where the action has no lift.
    """

    rows: pa.Table
    columns: tuple[Column, ...]
    refusal: npt.NDArray[np.int8]
    gain_cents: Floats

    @property
    def is_open(self) -> Bools:
        """Which options can be given, shape (n, k)."""
        return np.asarray(self.refusal == Refusal.OPEN)

    @property
    def costs(self) -> Integers:
        """Cost in cents by column, shape (k,)."""
        return np.array([column.cost_cents for column in self.columns], dtype=np.int64)


@dataclass(frozen=True)
class Known:
    """What other steps found out about the day's customers; each table names customers by ``customer_id``.

    Attributes:
        units: ``customer_id, unit_id, group`` (of the global layer).
        taken: ``customer_id, campaign, version, group, is_in_several``: whose unit is in a campaign.
        suppressed: ``customer_id, reason, channel`` (null: every channel).
        cooling: ``unit_id, action``: who had the action too recently.
        fit: ``customer_id, kept_cents, fit_class``.
        been: ``customer_id, campaign, version``: whose unit has been in a campaign before, its horizon ended or not.
        disturbed: Segments that a campaign was measured to drive away.
    """

    units: pa.Table
    taken: pa.Table
    suppressed: pa.Table
    cooling: pa.Table
    fit: pa.Table
    been: pa.Table = field(default_factory=lambda: _BEEN.empty_table())
    disturbed: tuple[Disturbed, ...] = ()


def columns_of(business: Business, campaigns: Sequence[Campaign], lifts: Mapping[str, Lift]) -> tuple[Column, ...]:
    """Return the options of the campaigns, in the order of the business file."""
    actions = [action.name for action in business.actions]
    return tuple(
        Column(campaign, business.action_named(name), index, actions.index(name), lifts.get(name))
        for index, campaign in enumerate(campaigns)
        for name in campaign.actions
    )


def read_candidates(
    warehouse: Warehouse,
    business: Business,
    campaigns: Sequence[Campaign],
    as_of: date,
    known: Known,
    lifts: Mapping[str, Lift],
) -> Candidates:
    """Read the audiences of the campaigns and what is open to each customer in them.

    Args:
        warehouse: Where scores and customers are.
        business: The company.
        campaigns: Those in force, in the order of the business file.
        as_of: The day; nothing later is visible.
        known: Units, groups, suppression and fit of the day.
        lifts: Lift by action.
    """
    columns = columns_of(business, campaigns, lifts)
    found = _routed(warehouse, business, campaigns, as_of, known)
    refusal = np.full((found.num_rows, len(columns)), Refusal.NOT_ELIGIBLE, dtype=np.int8)
    campaign_index = _integers(found, "campaign_index")
    for position, column in enumerate(columns):
        own = campaign_index == column.campaign_index
        refusal[own, position] = _integers(found, f"refusal_{column.action.name}")[own]
    gain = _gains(found, columns)
    return Candidates(found.drop_columns([name for name in found.column_names if name.startswith("refusal_")]), columns,
                      _one_member_per_unit(found, refusal, gain), gain)  # fmt: skip


def _gains(found: pa.Table, columns: Sequence[Column]) -> Floats:
    """Expected incremental margin in cents: what the action keeps of the value at stake, less what it costs."""
    at_stake = np.asarray(found["probability"].to_numpy(), dtype=np.float64) * _integers(found, "kept_cents")
    gain = np.zeros((found.num_rows, len(columns)))
    for position, column in enumerate(columns):
        if column.lift is not None:
            gain[:, position] = at_stake * column.lift.save_rate - column.cost_cents
    return gain


def _one_member_per_unit(found: pa.Table, refusal: npt.NDArray[np.int8], gain: Floats) -> npt.NDArray[np.int8]:
    """Close every option of those in whose unit somebody else comes first: more to gain, then the smaller key."""
    best = np.where(refusal == Refusal.OPEN, gain, -np.inf).max(axis=1, initial=-np.inf)
    units = np.unique(np.asarray(found["unit_id"].to_pylist(), dtype=str), return_inverse=True)[1]
    order = np.lexsort((np.arange(found.num_rows), -best, units))
    is_first = np.zeros(found.num_rows, dtype=bool)
    is_first[order[np.diff(units[order], prepend=-1) != 0]] = True
    closed = refusal.copy()
    closed[~is_first[:, None] & (refusal == Refusal.OPEN)] = Refusal.OTHER_MEMBER
    return closed


def _routed(
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
        f"    coalesce(kept_cents, 0) as kept_cents, fit_class, suppressed_by, disturbed_by, {refusals}\n"
        "from _audiences\n"
        "qualify row_number() over (partition by customer_id order by is_elsewhere, campaign_index) = 1\n"
        "order by customer_id"
    )
    frames = {"spine": known.units.select(["customer_id"]), "units": known.units, "taken": known.taken,
              "suppressed": known.suppressed, "cooling": known.cooling, "day_fit": known.fit,
              "been": known.been}  # fmt: skip
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
    refusals = [
        f"        {_first(closed + _against(business.action_named(name), harmed.values(), name in driven_away))}"
        f" as refusal_{name}"
        for name in campaign.actions
    ]
    return (
        f"    select scores.customer_id, units.unit_id, {index} as campaign_index, scores.probability,\n"
        "        scores.risk_tier, scores.model_version, scores.reasons, day_fit.kept_cents, day_fit.fit_class,\n"
        "        _reasons.suppressed_by,\n"
        f"        {_names_of(harmed)} as disturbed_by,\n"
        f"        (taken.campaign is not null and not ({here})) or ({over}) as is_elsewhere,\n"
        + ",\n".join(refusals)
        + "\n"
        "    from scores\n"
        "    inner join units on units.customer_id = scores.customer_id\n"
        "    left join _customers_rows on _customers_rows.customer_id = scores.customer_id\n"
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


def _against(action: Action, harmed: Iterable[str], drives_away: bool) -> list[tuple[str, Refusal]]:
    """What closes one action, in order: SQL condition and refusal."""
    found = [(f"not coalesce({_belongs(action.eligible)}, false)", Refusal.NOT_ELIGIBLE)]
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
    attributes = audience_condition(audience, of="_customers_rows")  # they may be called as columns of ours
    return f"{f'scores.risk_tier in ({tiers}) and ' if tiers else ''}{attributes}"


def _belongs_to(business: Business, segment: Disturbed) -> str | None:
    """SQL condition: the customer is in a segment; None when it is not one that today's customers can be asked for."""
    if segment.name in ("fit_class", "risk_tier"):
        table = "day_fit" if segment.name == "fit_class" else "scores"
        return f"{table}.{segment.name} = {literal(segment.value)}"
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


def _integers(rows: pa.Table, name: str) -> Integers:
    return np.asarray(rows[name].to_numpy(), dtype=np.int64)
