"""The price rule: what each customer is given when every limit has its price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

Floats: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Integers: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


@dataclass(frozen=True)
class Prices:
    """What one more of each limited thing would earn; 0 where the limit does not bind.

    Args:
        budget: Of a cent of the total budget, in cents of gain.
        groups: Of a cent of each group's budget.
        resources: Of one contact of each resource, in cents of gain.
        per_cent: By column, the price of a cent of cost: the total budget's and the group's.
        per_contact: By column, the price of a contact.
        largest_costs: By column, the largest cost that any budget has room for; ``-inf`` when the column is closed.
        salt: Names the draw that breaks ties.
    """

    budget: float
    groups: tuple[float, ...]
    resources: tuple[float, ...]
    per_cent: tuple[float, ...]
    per_contact: tuple[float, ...]
    largest_costs: tuple[float, ...]
    salt: str = ""


def reduced(gains: Floats, costs: Floats, per_cent: Floats, per_contact: Floats) -> Floats:
    """Gains net of prices, columns x customers; ``-inf`` stays where a column is not eligible."""
    return gains - per_cent[:, None] * costs - per_contact[:, None]


def choose(gains: Floats, costs: Floats, per_cent: Floats, per_contact: Floats) -> tuple[Integers, Floats]:
    """Apply the rule, and return the choice and its gain net of prices (0 for none).

    Args:
        gains: Columns x customers, ties already broken, ``-inf`` where not eligible.
        costs: Columns x customers, in cents.
        per_cent: By column, price of a cent.
        per_contact: By column, price of a contact.
    """
    columns, count = gains.shape
    choice = np.full(count, -1, dtype=np.int64)
    best = np.zeros(count)
    for column in range(columns):
        net = gains[column] - per_cent[column] * costs[column] - per_contact[column]
        better = net > best
        choice[better] = column
        np.copyto(best, net, where=better)
    return choice, best
