"""Choose the best set of actions under every limit, by prices that also say what the held-out would have been given.

The problem: each customer gets at most one action; the sum of gains is to be as large as possible under a total budget,
budgets of groups of columns (campaigns) and capacities of shared resources (an action that stands in several
campaigns). Each limit gets a *price*: what one more cent of budget, or one more contact, would earn. Given the prices,
every customer decides alone: the column with the largest gain net of prices, if that is positive (the *price rule*).

The prices are found in three steps. A smoothed dual (log-sum-exp with falling temperature) is minimised by Newton's
method; exact moves of one price at a time then bring the rule below every limit and as close to it as customers, who
cannot be divided, allow; at last the few places that are left go to the best customers who fit. Only the last step
departs from the rule, mostly in at most twice as many customers as there are limits that bind, hardly ever in more
than eight times as many. So who was chosen and who, held out, would have been chosen, are selected by one rule and can
be compared; the few others are marked (``by_price``).

Greedy rules leave a good part of the value, because a dear resource goes to those for whom a cheap one would have done.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from campaigns.allocation.dual import dual_value, minimise
from campaigns.allocation.moves import fill, settle, tighten
from campaigns.allocation.problem import (
    Floats,
    Integers,
    Problem,
    checked_costs,
    checked_eligible,
    checked_gains,
    positions,
    state_limits,
    tie_noise,
)
from campaigns.allocation.rule import Prices, choose
from holdback.errors import DataError

__all__ = ["Allocation", "Prices", "allocate", "choose_at"]

NONE = -1


@dataclass(frozen=True)
class Allocation:
    """Who gets what, at which prices.

    Args:
        choice: By customer, in the order given: index of the column, or -1 for none.
        by_price: By customer: True when the price rule gives the same choice. The others are not part of the population
            that is measured.
        has_room: By customer: False for those to whom the price rule gives something that no limit has room for; hardly
            ever anybody. Whoever repeats the rule for the chosen has to leave them out.
        prices: The prices, with which :func:`choose_at` repeats the rule for anybody: the highest at which it gives the
            same, so that nobody from outside gets what he would have had to take from the last who was chosen.
        value: Sum of the chosen gains.
        upper_bound: No set of actions within the limits is worth more than this.
        spent: Total cost of what was chosen, in cents.
        group_spent: The same by group of columns.
        used: Contacts by resource.
        note: Why nobody gets anything, when that is so.
    """

    choice: Integers
    by_price: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    has_room: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    prices: Prices
    value: float
    upper_bound: float
    spent: int
    group_spent: tuple[int, ...]
    used: tuple[int, ...]
    note: str | None = None


def allocate(
    gains: Floats,
    costs: Floats | Integers,
    *,
    keys: Sequence[str],
    eligible: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] | None = None,
    capacities: Sequence[float] | None = None,
    resources: Sequence[int] | None = None,
    budget: float | None = None,
    groups: Sequence[int] | None = None,
    group_budgets: Sequence[float] | None = None,
    salt: str = "",
) -> Allocation:
    """Choose at most one column per customer so that the gains are as large as possible under all limits.

    The result depends neither on the order of the customers nor on how they were put together: they are worked on in
    the order of a hash of their keys, and equal gains are told apart by a hash that shifts each by less than 1e-5.

    Args:
        gains: Customers x columns: expected gain in cents, net of the cost. One that is not positive is never chosen.
        costs: Customers x columns, or one per column: cost in whole cents, which only the budgets look at.
        keys: One stable and unique name per customer.
        eligible: Customers x columns; everybody for everything when left out. Other cells may hold anything.
        capacities: Largest number of contacts by resource, ``inf`` for no limit; no limits when left out.
        resources: By column, the index of the resource that it uses; each column its own when left out.
        budget: What all columns together may cost, in cents; no limit when None.
        groups: By column, the index of its group (campaign).
        group_budgets: What each group may cost, in cents, ``inf`` for no limit.
        salt: Names the draw that breaks ties; the day, so that it is not always the same who wins them.

    Returns:
        The choice; no limit is ever exceeded.

    Raises:
        DataError: shapes that do not fit, a gain of an eligible cell that is no number, a cost that is not a whole
            number of cents from 0, a key that stands twice, a negative limit.

    Examples:
        >>> found = allocate(
        ...     np.array([[9.0], [5.0], [7.0]]), np.array([100]), keys=["a", "b", "c"], capacities=[2]
        ... )
        >>> found.choice.tolist(), found.by_price.tolist(), found.value
        ([0, -1, 0], [True, True, True], 16.0)
    """
    given = checked_gains(gains)
    count, columns = given.shape
    allowed = checked_eligible(eligible, given)
    cents = checked_costs(costs, given.shape, allowed)
    limits = state_limits(columns, capacities, resources, budget, groups, group_budgets)
    if len(keys) != count:
        raise DataError(f"allocation: {len(keys)} keys for {count} customers. Give one key per customer.")
    order, hashes = positions(keys, salt)
    problem = Problem.of(given[order], cents[order], allowed[order], hashes[order], limits)
    prices = minimise(problem)
    bound = dual_value(problem, prices)
    prices, chosen, kept = settle(problem, prices)
    bound = min(bound, dual_value(problem, prices))
    filled = fill(problem, prices, kept, bound)
    choice = np.full(count, NONE, dtype=np.int64)
    by_price, has_room = np.ones((2, count), dtype=np.bool_)
    choice[order], by_price[order], has_room[order] = filled, filled == chosen, kept == chosen
    prices = tighten(problem, prices, chosen)
    rows = np.flatnonzero(choice != NONE)
    picked = choice[rows]
    spent = np.bincount(picked, weights=cents[rows, picked], minlength=columns)
    contacts = np.bincount(picked, minlength=columns)
    return Allocation(
        choice=choice,
        by_price=by_price,
        has_room=has_room,
        prices=limits.priced(prices, problem, salt),
        value=math.fsum(given[rows, picked]),
        upper_bound=bound,
        spent=round(spent.sum()),
        group_spent=tuple(round(spent[limits.groups == group].sum()) for group in range(limits.group_count)),
        used=tuple(int(contacts[limits.resources == resource].sum()) for resource in range(limits.resource_count)),
        note=None if rows.size else problem.why_none(given[order], cents[order], allowed[order]),
    )


def choose_at(
    prices: Prices,
    gains: Floats,
    costs: Floats | Integers,
    eligible: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] | None = None,
    *,
    keys: Sequence[str],
) -> Integers:
    """Return what the price rule gives to each customer: index of the column, or -1 for none.

    For whom the allocation left out, such as the held-out: they use no budget and no capacity, and are selected by the
    rule that selected the treated (*ghost decisions*). Compare them with those of the allocation that are ``by_price``.

    Args:
        prices: Those of an allocation.
        gains: Customers x columns, as in :func:`allocate`.
        costs: Customers x columns, or one per column, in whole cents.
        eligible: Customers x columns; everybody for everything when left out.
        keys: One stable name per customer; ties are drawn from it as in the allocation.

    Raises:
        DataError: shapes that do not fit, or values that :func:`allocate` would refuse.
    """
    given = checked_gains(gains)
    if given.shape[1] != len(prices.per_cent):
        raise DataError(f"allocation: {given.shape[1]} columns for prices of {len(prices.per_cent)}. Give the same.")
    if len(keys) != given.shape[0]:
        raise DataError(f"allocation: {len(keys)} keys for {given.shape[0]} customers. Give one key per customer.")
    allowed = checked_eligible(eligible, given)
    cents = checked_costs(costs, given.shape, allowed)
    _, hashes = positions(keys, prices.salt, unique=False)
    allowed = allowed & (given > 0) & (cents <= np.asarray(prices.largest_costs))
    noisy = np.where(allowed, given + tie_noise(hashes, given.shape[1]), -np.inf)
    return choose(
        np.ascontiguousarray(noisy.T), np.ascontiguousarray(cents.T),
        np.asarray(prices.per_cent), np.asarray(prices.per_contact),
    )[0]  # fmt: skip
