"""Exact moves: one price at a time until the rule alone keeps every limit, and the few places that are then left."""

from __future__ import annotations

import numpy as np

from campaigns.allocation.problem import Problem
from campaigns.allocation.rule import Floats, Integers, choose, reduced

_ROUNDS = 60
_PATIENCE = 10
_ENOUGH = 0.9995
_CLOSEST = 200  # changes of which every pair is tried
_LOOK_AHEAD = 256  # switches looked at in one move downwards
_JUST_BEFORE = 1 - 1e-6


def settle(problem: Problem, prices: Floats) -> tuple[Floats, Integers, Integers]:
    """Move prices until the rule exceeds no limit, and no single price can be lowered without exceeding one.

    Returns:
        The prices, the choice by the rule, and the same without those for whom there is no room (hardly ever any).
    """
    prices, choice = _keep_limits(problem, prices)
    kept = _without_excess(problem, prices, choice)
    if (kept != choice).any():
        return prices, choice, kept
    for _ in range(_ROUNDS):
        before = prices.copy()
        for limit in np.flatnonzero(prices > 0):
            prices, choice = _lower(problem, prices, choice, int(limit))
        if (prices == before).all():
            break
    return prices, choice, choice


def _keep_limits(problem: Problem, prices: Floats) -> tuple[Floats, Integers]:
    """Raise prices until no limit is exceeded.

    Limits whose users would all do with each other's can raise one another's prices by turns, for long and for nothing:
    then those prices are returned at which least was exceeded.
    """
    nearest, least = prices, np.inf
    for _ in range(_PATIENCE * len(prices) + 1):
        choice, best = choose(problem.gains, problem.costs, *problem.by_column(prices))
        over = np.maximum(problem.used(choice) - problem.limits, 0.0) / np.maximum(problem.limits, 1.0)
        if over.sum() < least:
            nearest, least = prices, float(over.sum())
        if not over.any():
            break
        limit = int(np.argmax(over))
        excess = float(problem.used(choice)[limit] - problem.limits[limit])
        risen = prices[limit] + _rise(problem, prices, choice, best, limit, excess)
        prices = prices.copy()
        prices[limit] = max(risen, np.nextafter(prices[limit], np.inf))
    return nearest, choose(problem.gains, problem.costs, *problem.by_column(nearest))[0]


def _without_excess(problem: Problem, prices: Floats, choice: Integers) -> Integers:
    """Take the choice from those who gain least by it, net of prices, until every limit is kept."""
    kept = choice.copy()
    for limit, amount in enumerate(problem.limits):
        rows = np.flatnonzero(kept >= 0)
        weights = problem.weights(limit, rows, kept[rows])
        excess = weights.sum() - amount
        if excess <= 0:
            continue
        rows, weights = rows[weights > 0], weights[weights > 0]
        per_cent, per_contact = problem.by_column(prices)
        column = kept[rows]
        nets = problem.gains[column, rows] - per_cent[column] * problem.costs[column, rows] - per_contact[column]
        order = np.argsort(nets / weights, kind="stable")
        kept[rows[order[: int(np.searchsorted(np.cumsum(weights[order]), excess)) + 1]]] = -1
    return kept


def tighten(problem: Problem, prices: Floats, choice: Integers) -> Floats:
    """Raise each price that binds until just before somebody who was chosen would switch away.

    The choice stays what it is, for all prices between the last who was chosen and the first who was not. But somebody
    else who is judged by them (a held-out) would at any lower one be let in below the last who was chosen: with a
    capacity of one, half as often again as those who compete for it.
    """
    for limit in np.flatnonzero(prices > 0):
        _, best = choose(problem.gains, problem.costs, *problem.by_column(prices))
        at, _freed = _switches(problem, prices, choice, best, int(limit))
        if not at.size or not np.isfinite(at[0]):
            continue
        risen = prices.copy()
        risen[limit] += at[0] * _JUST_BEFORE
        if (choose(problem.gains, problem.costs, *problem.by_column(risen))[0] == choice).all():
            prices = risen
    return prices


def _rise(problem: Problem, prices: Floats, choice: Integers, best: Floats, limit: int, over: float) -> float:
    """How far a price must rise until enough of those who use the limit have switched away."""
    at, freed = _switches(problem, prices, choice, best, limit)
    last = int(np.searchsorted(np.cumsum(freed), over))
    return _between(at, min(last, len(at) - 1))


def _switches(problem: Problem, prices: Floats, choice: Integers, best: Floats, limit: int) -> tuple[Floats, Floats]:
    """How far a price must rise until each of those who use the limit switches, in order; and what he then frees."""
    rows = np.flatnonzero(choice >= 0)
    weights = problem.weights(limit, rows, choice[rows])
    rows, weights = rows[weights > 0], weights[weights > 0]
    nets = reduced(problem.gains[:, rows], problem.costs[:, rows], *problem.by_column(prices))
    at, freed = best[rows] / weights, weights.copy()
    for column in range(len(nets)):
        lighter = weights - problem.weights(limit, rows, np.full(len(rows), column))
        with np.errstate(divide="ignore", invalid="ignore"):
            reached = np.where(lighter > 0, (best[rows] - nets[column]) / lighter, np.inf)
        sooner = reached < at
        at, freed = np.where(sooner, reached, at), np.where(sooner, lighter, freed)
    order = np.argsort(at, kind="stable")
    return at[order], freed[order]


def _lower(problem: Problem, prices: Floats, choice: Integers, limit: int) -> tuple[Floats, Integers]:
    """Lower one price as far as every limit stays kept."""
    for _ in range(_ROUNDS):
        fall = _fall(problem, prices, choice, limit)
        lowered = prices.copy()
        lowered[limit] = max(prices[limit] - fall, 0.0)
        if lowered[limit] == prices[limit]:
            break
        tried, _best = choose(problem.gains, problem.costs, *problem.by_column(lowered))
        if (lowered[limit] > 0 and (tried == choice).all()) or (problem.used(tried) > problem.limits).any():
            break
        prices, choice = lowered, tried
        if prices[limit] == 0:
            break
    return prices, choice


def _fall(problem: Problem, prices: Floats, choice: Integers, limit: int) -> float:
    """How far a price may fall before those who switch to the limit would exceed any limit; 0 when at once."""
    per_cent, per_contact = problem.by_column(prices)
    nets = reduced(problem.gains, problem.costs, per_cent, per_contact)
    rows = np.arange(len(choice))
    best = np.maximum(nets.max(axis=0, initial=0.0), 0.0)
    now = problem.weights(limit, rows, choice)
    at, target = np.full(len(choice), np.inf), np.full(len(choice), -1, dtype=np.int64)
    for column in np.flatnonzero(problem.members[limit]):
        heavier = problem.weight(limit, int(column)) - now
        with np.errstate(divide="ignore", invalid="ignore"):
            reached = np.where(heavier > 0, (best - nets[column]) / heavier, np.inf)
        sooner = reached < at
        at[sooner], target[sooner] = reached[sooner], column
    soon = np.argpartition(at, _LOOK_AHEAD)[:_LOOK_AHEAD] if len(at) > _LOOK_AHEAD else rows
    soon = soon[np.argsort(at[soon], kind="stable")]
    soon = soon[np.isfinite(at[soon])]
    used = problem.used(choice)
    kept = np.ones(len(soon), dtype=np.bool_)
    for other in range(len(problem.limits)):
        change = problem.weights(other, soon, target[soon]) - problem.weights(other, soon, choice[soon])
        kept &= used[other] + np.cumsum(change) <= problem.limits[other]
    if kept.all():
        return float(at[soon[-1]]) if len(at) > len(soon) and len(soon) == _LOOK_AHEAD else np.inf
    first = int(np.argmin(kept))
    return _between(at[soon], first - 1) if first else 0.0


def _between(at: Floats, index: int) -> float:
    """Halfway from a switch to the next one that is not at the same price."""
    later = at[index + 1 :][at[index + 1 :] > at[index]]
    return float((at[index] + later[0]) / 2) if later.size and np.isfinite(later[0]) else float(at[index] * (1 + 1e-9))


def fill(problem: Problem, prices: Floats, choice: Integers, bound: float) -> Integers:
    """Give what the rule left over to those who gain most by it.

    One change, or two at once (one customer makes room for another), for each limit that has a price; where limits hold
    so few that the value is still below 0.9995 of its bound, up to four such changes for each. So at most eight times
    as many customers as there are such limits depart from the rule, mostly at most twice as many.
    """
    filled = choice.copy()
    priced = int((prices > 0).sum())
    for change in range(4 * priced):
        if change >= priced and _value(problem, filled) >= _ENOUGH * bound:
            break
        rows, columns = _best_change(problem, prices, filled)
        if not rows.size:
            break
        filled[rows] = columns
    return filled


def _value(problem: Problem, choice: Integers) -> float:
    rows = np.flatnonzero(choice >= 0)
    return float(problem.gains[choice[rows], rows].sum())


def _best_change(problem: Problem, prices: Floats, choice: Integers) -> tuple[Integers, Integers]:
    """Customers and columns of the change of one or two choices that fits and gains most; empty when none gains."""
    left = problem.limits - problem.used(choice)
    rows = np.arange(len(choice))
    best, held = np.zeros(len(choice)), np.zeros(len(choice))
    nets = reduced(problem.gains, problem.costs, *problem.by_column(prices))
    for column in range(len(nets)):
        np.copyto(best, nets[column], where=choice == column)
        np.copyto(held, problem.gains[column], where=choice == column)
    now = [problem.weights(limit, rows, choice) for limit in range(len(left))]
    single, gain = (0, -1), 0.0
    near: list[tuple[Floats, Integers, int]] = []
    for column in range(-1, len(nets)):
        losses = best - nets[column] if column >= 0 else best.copy()
        losses[choice == column] = np.inf
        closest = np.argpartition(losses, _CLOSEST)[:_CLOSEST] if len(losses) > _CLOSEST else rows
        near.append((losses[closest], closest, column))
        if column < 0:
            continue
        more = problem.gains[column] - held
        for limit, room in enumerate(left):
            if problem.members[limit, column]:
                more[problem.weight(limit, column) - now[limit] > room] = -np.inf
        row = int(np.argmax(more))
        if more[row] > gain:
            single, gain = (row, column), float(more[row])
    pair = _best_pair(problem, near, choice, held, left, gain)
    if pair is not None:
        return pair
    found = [single] if single[1] >= 0 else []
    return np.array([row for row, _ in found], dtype=np.int64), np.array([c for _, c in found], dtype=np.int64)


def _best_pair(
    problem: Problem,
    near: list[tuple[Floats, Integers, int]],
    choice: Integers,
    held: Floats,
    left: Floats,
    least: float,
) -> tuple[Integers, Integers] | None:
    """Two changes at once, of those that lose least by the prices, that fit and gain more than ``least``."""
    losses = np.concatenate([found for found, _, _ in near])
    row = np.concatenate([rows for _, rows, _ in near])
    column = np.concatenate([np.full(len(rows), column, dtype=np.int64) for _, rows, column in near])
    order = np.argsort(losses, kind="stable")[:_CLOSEST]
    order = order[np.isfinite(losses[order])]
    row, column = row[order], column[order]
    gains = np.where(column >= 0, problem.gains[column, row], 0.0) - held[row]
    together = gains[:, None] + gains[None, :]
    together[row[:, None] == row[None, :]] = -np.inf
    for limit, room in enumerate(left):
        change = problem.weights(limit, row, column) - problem.weights(limit, row, choice[row])
        together[change[:, None] + change[None, :] > room] = -np.inf
    if not together.size or together.max() <= least:
        return None
    one, other = np.unravel_index(int(np.argmax(together)), together.shape)
    return row[[one, other]], column[[one, other]]
