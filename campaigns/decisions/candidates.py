"""Who could be given something today: each campaign's audience with all that a decision needs to see of it.

A customer takes part in one campaign at a time. Who is in several audiences goes to the first campaign in the order of
the business file, unless the unit is in a campaign already: then that one keeps it until its horizon ends. Who is held
out globally is not read at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from campaigns.decisions.audiences import routed
from campaigns.decisions.refusals import Refusal
from campaigns.do_not_disturb import Disturbed
from campaigns.lifts import Lift
from campaigns.triggered import FIRED
from campaigns.uplifts import Uplifts, expected_gain, implied_save_rate
from holdback.business import Action, Business, Campaign
from holdback.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Mapping

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_BEEN = pa.schema({"customer_id": pa.string(), "campaign": pa.string(), "version": pa.int64()})


@dataclass(frozen=True)
class Column:
    """One action of one campaign: a column of every matrix below.

    Attributes:
        campaign: The campaign.
        action: The action.
        campaign_index: Position of the campaign among those in force.
        action_index: Position of the action in the business file.
        lift: What it is believed to save, of those of whom no uplift model said anything; None when nobody knows.
        uplift_version: Version of the uplift model whose uplifts of the day are used; None without one.
    """

    campaign: Campaign
    action: Action
    campaign_index: int
    action_index: int
    lift: Lift | None
    uplift_version: str | None = None

    @property
    def cost_cents(self) -> int:
        """Expected cost of one contact, incentives included as often as they are taken."""
        return round(self.action.expected_cost * 100)


@dataclass(frozen=True, eq=False)
class Candidates:
    """The audiences of the day's campaigns, each customer once, ordered by customer.

    Attributes:
        rows: ``customer_id, unit_id, campaign_index, probability, risk_tier, model_version, reasons, kept_cents,
            fit_class, value_decile, suppressed_by, disturbed_by`` (n rows).
        columns: The options: k of them.
        refusal: Why an option is not open, as :class:`Refusal`, shape (n, k).
        gain_cents: Expected incremental margin of an option, shape (n, k); 0 where the action has neither an uplift of
            this customer nor a lift.
        uplift: What an uplift model expects of an option, shape (n, k); NaN where it is decided by the lift.
    """

    rows: pa.Table
    columns: tuple[Column, ...]
    refusal: npt.NDArray[np.int8]
    gain_cents: Floats
    uplift: Floats

    @property
    def is_modelled(self) -> Bools:
        """Which options are weighed by what an uplift model expects of this customer, shape (n, k)."""
        return np.asarray(~np.isnan(self.uplift))

    @property
    def save_rate(self) -> Floats:
        """Share of the leavers that an option keeps, shape (n, k).

        The lift of the action, or what the uplift amounts to at the customer's own probability; NaN where nobody knows,
        and where a modelled customer does not leave at all.
        """
        rates = [np.nan if column.lift is None else column.lift.save_rate for column in self.columns]
        probability = np.asarray(self.rows["probability"].to_numpy(), dtype=np.float64)[:, None]
        implied = implied_save_rate(self.uplift, np.broadcast_to(probability, self.uplift.shape))
        return np.asarray(np.where(self.is_modelled, implied, np.array(rates)[None, :]))

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
        fit: ``customer_id, kept_cents, fit_class, value_decile``.
        been: ``customer_id, campaign, version``: whose unit has been in a campaign before, its horizon ended or not.
        disturbed: Segments that a campaign was measured to drive away.
        uplifts: What the uplift models in office expect.
        fired: ``customer_id, trigger, action``: for whom the triggers of the campaigns fired.
    """

    units: pa.Table
    taken: pa.Table
    suppressed: pa.Table
    cooling: pa.Table
    fit: pa.Table
    been: pa.Table = field(default_factory=lambda: _BEEN.empty_table())
    disturbed: tuple[Disturbed, ...] = ()
    uplifts: Uplifts = field(default_factory=Uplifts)
    fired: pa.Table = field(default_factory=FIRED.empty_table)


def columns_of(
    business: Business,
    campaigns: Sequence[Campaign],
    lifts: Mapping[str, Lift],
    uplift_versions: Mapping[str, str] | None = None,
) -> tuple[Column, ...]:
    """Return the options of the campaigns, in the order of the business file."""
    actions, versions = [action.name for action in business.actions], uplift_versions or {}
    return tuple(
        Column(campaign, business.action_named(name), index, actions.index(name), lifts.get(name), versions.get(name))
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
    columns = columns_of(business, campaigns, lifts, known.uplifts.versions)
    found = routed(warehouse, business, campaigns, as_of, known)
    refusal = np.full((found.num_rows, len(columns)), Refusal.NOT_ELIGIBLE, dtype=np.int8)
    campaign_index = _integers(found, "campaign_index")
    for position, column in enumerate(columns):
        own = campaign_index == column.campaign_index
        refusal[own, position] = _integers(found, f"refusal_{column.action.name}")[own]
    uplift = _uplifts(found, columns, known.uplifts)
    gain = _gains(found, columns, uplift)
    return Candidates(found.drop_columns([name for name in found.column_names if name.startswith("refusal_")]), columns,
                      _one_member_per_unit(found, refusal, gain), gain, uplift)  # fmt: skip


def _uplifts(found: pa.Table, columns: Sequence[Column], uplifts: Uplifts) -> Floats:
    """What the uplift models expect, shape (n, k); NaN where they said nothing, and in other campaigns' columns."""
    uplift = np.full((found.num_rows, len(columns)), np.nan)
    own = _integers(found, "campaign_index")
    for position, column in enumerate(columns):
        mine = own == column.campaign_index
        uplift[mine, position] = uplifts.of(column.action.name, found["customer_id"])[mine]
    return uplift


def _gains(found: pa.Table, columns: Sequence[Column], uplift: Floats) -> Floats:
    """Expected incremental margin in cents: by the customer's own uplift, else by the lift of the action."""
    probability = np.asarray(found["probability"].to_numpy(), dtype=np.float64)
    kept = _integers(found, "kept_cents").astype(np.float64)
    gain = np.zeros((found.num_rows, len(columns)))
    for position, column in enumerate(columns):
        own, lift = uplift[:, position], column.lift
        rise = np.where(np.isnan(own), np.nan if lift is None else probability * lift.save_rate, own)
        is_known = ~np.isnan(rise)
        gain[is_known, position] = expected_gain(rise[is_known], kept[is_known], column.cost_cents)
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


def _integers(rows: pa.Table, name: str) -> Integers:
    return np.asarray(rows[name].to_numpy(), dtype=np.int64)
