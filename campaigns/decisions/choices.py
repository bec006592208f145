"""What each candidate gets today: by the prices of scarce things, or, for a few, by chance.

One rule for both groups. The held-out use no capacity and no budget, but the same prices and the same drawing say what
they would have been given: who of both groups *enters* the campaign today is decided without looking at the group, so
that the groups can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from campaigns.allocation import Allocation, Prices, allocate, choose_at
from campaigns.decisions.candidates import Candidates, Column
from campaigns.designs import campaign_shares
from campaigns.exploration import explore, taken_probabilities
from campaigns.holdout import campaign_layer
from holdback.business import Business, Campaign

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

NONE = -1


@dataclass(frozen=True, eq=False)
class Choices:
    """The day's choices, aligned with the candidates (n rows, k columns).

    Attributes:
        intended: Column that the policy chooses, whatever the group; -1 for none.
        action: Column that is carried out; -1 for none, and always -1 for the held-out.
        is_explorer: True where chance decided.
        enters: True where the price rule, or chance, chose an action: such a unit enters the campaign, in either group.
        probability: Of none and of each column, before the drawing, in the treatment group; also of the held-out, whose
            column it would have been: nobody can say it afterwards. Shape (n, 1 + k).
        is_held_out: Who is held out in his campaign, shape (n,).
        prices: What one more of each scarce thing would earn.
        note: Why nobody gets anything, when that is so.
    """

    intended: Integers
    action: Integers
    is_explorer: Bools
    enters: Bools
    probability: Floats
    is_held_out: Bools
    prices: Prices
    note: str | None

    @property
    def propensity(self) -> Floats:
        """Probability of the action that is carried out, given the group: 1 for the held-out; shape (n,)."""
        chosen: Floats = self.probability[np.arange(self.action.size), self.action + 1]
        return np.where(self.is_held_out, 1.0, chosen)


def choose_actions(
    business: Business, campaigns: Sequence[Campaign], as_of: date, candidates: Candidates, is_held_out: Bools
) -> Choices:
    """Choose the actions of a day within every capacity and budget.

    Everybody gets what the price rule gives, nobody what was left over: the last places that an allocation fills beyond
    the rule have no counterpart among the held-out, and would bias the effect. It costs at most a contact or two a day
    for each limit that binds.

    Args:
        business: The company.
        campaigns: Those in force.
        as_of: The day; it salts the drawing, so that each day draws anew.
        candidates: The audiences.
        is_held_out: Who is held out in his campaign, shape (n,).
    """
    reserves = explored_reserves(business, candidates.columns)
    is_open, keys = candidates.is_open, np.asarray(candidates.rows["customer_id"].to_pylist(), dtype=object)
    found = _allocation(business, campaigns, as_of, candidates, keys, is_open & ~is_held_out[:, None], reserves)
    intended = choose_at(found.prices, candidates.gain_cents, candidates.costs, is_open, keys=keys.tolist())
    carried = np.where(found.has_room, intended, NONE)
    probability, drawn, is_explorer = _by_chance(business, campaigns, as_of, candidates, is_open, carried, reserves)
    action = np.where(is_explorer, drawn, carried)
    enters = (intended != NONE) | (is_explorer & (drawn != NONE))
    action[is_held_out] = NONE
    explored = is_explorer & ~is_held_out
    return Choices(intended, action, explored, enters, probability, is_held_out, found.prices, found.note)


def explored_reserves(business: Business, columns: Sequence[Column]) -> tuple[int | None, ...]:
    """Return how many contacts of each column are set aside for exploration; None for any number.

    A share of each capacity (one contact at least where two or more are possible) and of the budget, divided among the
    columns that use them.
    """
    reserves: list[int | None] = []
    explored = [column for column in columns if explore_share(business, column.campaign) > 0]
    for column in columns:
        share = explore_share(business, column.campaign)
        if share == 0:
            reserves.append(0)
            continue
        limits = []
        rivals = [other for other in explored if other.action_index == column.action_index]
        capacity = column.action.capacity_per_day
        if capacity is not None:
            whole = max(1, round(share * capacity)) if capacity > 1 else 0
            limits.append(whole // len(rivals) + (rivals.index(column) < whole % len(rivals)))
        own = [other for other in explored if other.campaign_index == column.campaign_index]
        for budget, sharers in ((_total_cents(business), explored), (_own_cents(column.campaign), own)):
            if budget is not None and column.cost_cents > 0:
                limits.append(int(share * budget / len(sharers) / column.cost_cents))
        reserves.append(min(limits) if limits else None)
    return tuple(reserves)


def explore_share(business: Business, campaign: Campaign) -> float:
    """Share of a campaign's candidates that get a random action."""
    return campaign_shares(business, campaign)["explore_share"]


def _allocation(
    business: Business,
    campaigns: Sequence[Campaign],
    as_of: date,
    candidates: Candidates,
    keys: npt.NDArray[np.object_],
    is_open: Bools,
    reserves: Sequence[int | None],
) -> Allocation:
    """Find the prices at which the treated keep every limit, of what exploration leaves."""
    columns, costs = candidates.columns, candidates.costs
    aside = np.array([reserve or 0 for reserve in reserves], dtype=np.int64)
    capacities = [
        math.inf if action.capacity_per_day is None
        else action.capacity_per_day - sum(
            int(a) for a, column in zip(aside, columns, strict=True) if column.action_index == index
        )
        for index, action in enumerate(business.actions)
    ]  # fmt: skip
    spent_aside = aside * costs
    total = _total_cents(business)
    own = [_own_cents(campaign) for campaign in campaigns]
    return allocate(
        candidates.gain_cents,
        costs,
        keys=keys.tolist(),
        eligible=is_open,
        capacities=capacities,
        resources=[column.action_index for column in columns],
        budget=None if total is None else total - int(spent_aside.sum()),
        groups=[column.campaign_index for column in columns],
        group_budgets=[
            math.inf if cents is None
            else cents - sum(int(s) for s, c in zip(spent_aside, columns, strict=True) if c.campaign_index == index)
            for index, cents in enumerate(own)
        ],
        salt=f"{business.slug}/{as_of}",
    )  # fmt: skip


def _by_chance(
    business: Business,
    campaigns: Sequence[Campaign],
    as_of: date,
    candidates: Candidates,
    is_open: Bools,
    intended: Integers,
    reserves: Sequence[int | None],
) -> tuple[Floats, Integers, Bools]:
    """Let a share of both groups draw; return the probability of everything, what was drawn, and who drew."""
    count, width = is_open.shape
    probability = np.zeros((count, 1 + width))
    probability[np.arange(count), intended + 1] = 1.0
    drawn = np.full(count, NONE, dtype=np.int64)
    is_explorer = np.zeros(count, dtype=bool)
    ids = candidates.rows["customer_id"].combine_chunks()
    own = np.asarray(candidates.rows["campaign_index"].to_numpy(), dtype=np.int64)
    for index, campaign in enumerate(campaigns):
        share = explore_share(business, campaign)
        members = np.flatnonzero((own == index) & is_open.any(axis=1))
        if share == 0 or not members.size:
            continue
        positions = [p for p, column in enumerate(candidates.columns) if column.campaign_index == index]
        eligible = np.column_stack([np.ones(members.size, dtype=bool), is_open[members][:, positions]])
        found = explore(
            ids.take(members),
            eligible,
            share=share,
            salt=explore_salt(business, campaign, as_of),
            reserve=[reserves[position] for position in positions],
        )
        to_own = np.full(width + 1, 0, dtype=np.int64)
        to_own[np.array(positions) + 1] = np.arange(1, len(positions) + 1)
        chances = taken_probabilities(found, to_own[intended[members] + 1])
        probability[np.ix_(members, np.array([0, *(p + 1 for p in positions)]))] = chances
        to_all = np.array([NONE, *positions], dtype=np.int64)
        drawn[members] = to_all[found.action]
        is_explorer[members] = found.is_explorer
    return probability, drawn, is_explorer


def explore_salt(business: Business, campaign: Campaign, as_of: date) -> str:
    """Names one day's drawing of one campaign."""
    return f"{campaign_layer(business, campaign).salt}/explore/{as_of}"


def _total_cents(business: Business) -> int | None:
    return None if business.budget is None else round(business.budget.per_day * 100)


def _own_cents(campaign: Campaign) -> int | None:
    return None if campaign.budget_per_day is None else round(campaign.budget_per_day * 100)
