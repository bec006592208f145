"""Prices that minimise the dual: what the best set can be worth at most.

The dual function is convex but has kinks: each customer adds ``max(0, gain net of prices)``. It is smoothed by a
temperature T, ``T log(1 + sum exp(net / T))``, minimised by projected Newton steps, and T falls by stages until hardly
anybody stands near a kink. Customers whose choice is beyond doubt at a temperature are counted, not computed; prices
move only so far at a time that it stays beyond doubt. (Nesterov, "Smooth minimization of non-smooth functions", 2005;
Bertsekas, "Projected Newton methods", 1982.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from campaigns.allocation.problem import Problem
from campaigns.allocation.rule import Floats, choose, reduced

_COOLING = 8.0
_IN_DOUBT = 200.0  # temperatures between the best choice and the next, at least
_REACH = 75.0  # temperatures that prices may move: the next choice stays 50 away, and exp(-50) is nothing
_CHUNK = 1 << 15  # stays in the processor's cache
_STEPS = 100
_STAGES = 200
_MANY, _SAMPLE = 50_000, 16


@dataclass(frozen=True)
class _Smooth:
    """Value, slope and curvature of the smoothed dual."""

    value: float
    slope: Floats
    curvature: Floats


def dual_value(problem: Problem, prices: Floats) -> float:
    """The dual at some prices: an upper bound of every set within the limits."""
    _, best = choose(problem.gains, problem.costs, *problem.by_column(prices))
    return float(best.sum() + prices @ problem.limits)


def minimise(problem: Problem) -> Floats:
    """Return prices, one per limit, at which the dual is as small as can be told."""
    count = problem.gains.shape[1]
    prices: Floats = np.zeros(len(problem.limits))
    choice, best = choose(problem.gains, problem.costs, *problem.by_column(prices))
    if (problem.used(choice) <= problem.limits).all():
        return prices
    temperature = float(best.max()) / 4
    if count > _MANY:
        # Customers stand in the order of a hash: every so many of them are a random sample, with prices much the same.
        prices = minimise(
            replace(
                problem,
                gains=np.ascontiguousarray(problem.gains[:, ::_SAMPLE]),
                costs=np.ascontiguousarray(problem.costs[:, ::_SAMPLE]),
                limits=problem.limits / _SAMPLE,
            )
        )
        temperature = temperature / 256
    lowest = float(best.max()) * 1e-12
    width = 1.0
    for _ in range(_STAGES):
        near, rest = _split(problem, prices, width * temperature)
        reach = _REACH * width * temperature
        prices, is_found = _newton(near, rest, prices, temperature, problem.costs.max(axis=1), reach)
        if not is_found:
            width *= 2  # else two places, between which nobody stands, could send the prices to and fro
            continue
        width = 1.0
        if temperature < lowest:
            break
        temperature /= _COOLING
    return prices


def _split(problem: Problem, prices: Floats, temperature: float) -> tuple[Problem, Floats]:
    """Keep the customers whose choice is in doubt; return them, and what the others use of each limit."""
    per_cent, per_contact = problem.by_column(prices)
    choice, best = choose(problem.gains, problem.costs, per_cent, per_contact)
    second = np.where(choice >= 0, 0.0, -np.inf)
    for column in range(problem.gains.shape[0]):
        net = problem.gains[column] - per_cent[column] * problem.costs[column] - per_contact[column]
        np.maximum(second, np.where(choice == column, -np.inf, net), out=second)
    doubtful = best - second < _IN_DOUBT * temperature
    near = replace(
        problem,
        gains=np.ascontiguousarray(problem.gains[:, doubtful]),
        costs=np.ascontiguousarray(problem.costs[:, doubtful]),
    )
    return near, problem.used(np.where(doubtful, -1, choice))


def _newton(
    near: Problem, rest: Floats, start: Floats, temperature: float, dearest: Floats, reach: float
) -> tuple[Floats, bool]:
    """Minimise the smoothed dual from where the last temperature left it; False when more customers come in doubt."""
    prices = start
    left = near.limits - rest
    unit = np.where(near.counts, 1.0, max(1.0, float(near.costs.mean()) if near.costs.size else 1.0))
    tolerance = 0.05 * unit + 1e-4 * np.abs(left)
    now = _smoothed(near, left, prices, temperature)
    damping = 1e-9
    for _ in range(_STEPS):
        free = (prices > 0) | (now.slope < 0)
        if not (np.abs(now.slope) > tolerance)[free].any():
            break
        # Limits may be alike (a budget and that of its only group): without damping there would be no one step.
        # Where nobody stands near, there is no curvature either; that of one customer keeps steps within reach.
        scale = np.diag(now.curvature) + unit**2 / temperature
        system = (now.curvature + np.diag(damping * scale))[np.ix_(free, free)]
        step = np.zeros_like(prices)
        step[free] = np.linalg.solve(system, -now.slope[free])
        tried = np.maximum(prices + step, 0.0)
        is_far = False
        while _moved(near, tried - start, dearest) > reach:
            step /= 2
            tried, is_far = np.maximum(prices + step, 0.0), True
        then = _smoothed(near, left, tried, temperature)
        if then.value <= now.value + 1e-4 * float(now.slope @ (tried - prices)):
            if is_far:
                return tried, False
            prices, now, damping = tried, then, max(damping / 10, 1e-9)
        elif damping > 1e9:
            break
        else:
            damping *= 10
    return prices, True


def _moved(problem: Problem, change: Floats, dearest: Floats) -> float:
    """How much the gain net of prices can change for anybody."""
    per_cent, per_contact = problem.by_column(np.abs(change))
    return float((per_cent * dearest + per_contact).max())


def _smoothed(near: Problem, left: Floats, prices: Floats, temperature: float) -> _Smooth:
    per_cent, per_contact = near.by_column(prices)
    size, (columns, count) = len(left), near.gains.shape
    value, used, squares = float(prices @ left), np.zeros(size), np.zeros((size, size))
    sums = np.zeros((3, columns))
    for start in range(0, count, _CHUNK):
        costs = near.costs[:, start : start + _CHUNK]
        net = reduced(near.gains[:, start : start + _CHUNK], costs, per_cent, per_contact)
        top = np.maximum(net.max(axis=0), 0.0)
        shares = np.exp((net - top) / temperature)
        total = np.exp(-top / temperature) + shares.sum(axis=0)
        value += float(top.sum() + temperature * np.log(total).sum())
        shares /= total
        spending = shares * costs
        sums += [shares.sum(axis=1), spending.sum(axis=1), (spending * costs).sum(axis=1)]
        each = np.where(near.counts[:, None], near.members @ shares, near.members @ spending)
        used += each.sum(axis=1)
        squares += each @ each.T
    curvature = np.zeros((size, size))
    for one in range(size):
        for other in range(size):
            both = near.members[one] & near.members[other]
            power = int(not near.counts[one]) + int(not near.counts[other])
            curvature[one, other] = sums[power, both].sum()
    return _Smooth(value, left - used, (curvature - squares) / temperature)
