"""An allocation problem as it is worked on: checked, in a stable order, ties broken, limits as one list."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from campaigns.allocation.rule import Floats, Integers, Prices
from holdback.errors import DataError

__all__ = [
    "Bools", "Floats", "Integers", "Limits", "Problem", "checked_costs", "checked_eligible", "checked_gains",
    "positions", "state_limits", "tie_noise",
]  # fmt: skip

Bools = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
Hashes = np.ndarray[tuple[int, ...], np.dtype[np.uint64]]

#: Equal gains are told apart by less than this, in cents.
TIE_WIDTH = 1e-5


@dataclass(frozen=True)
class Limits:
    """Every limit as given: the total budget, budgets of groups, capacities of resources."""

    budget: float
    groups: Integers
    group_budgets: Floats
    resources: Integers
    capacities: Floats

    @property
    def group_count(self) -> int:
        """How many groups there are."""
        return len(self.group_budgets)

    @property
    def resource_count(self) -> int:
        """How many resources there are."""
        return len(self.capacities)

    @property
    def largest_costs(self) -> Floats:
        """By column, the largest cost that all its budgets have room for; ``-inf`` without capacity."""
        most = np.minimum(self.budget, self.group_budgets[self.groups])
        return np.where(self.capacities[self.resources] >= 1, most, -np.inf)

    def listed(self) -> tuple[Floats, Bools, Bools]:
        """Limits (total, groups, resources), whether each counts contacts (else cents), and which columns it counts."""
        columns = len(self.groups)
        members = [np.ones(columns, dtype=np.bool_)]
        members += [self.groups == group for group in range(self.group_count)]
        members += [self.resources == resource for resource in range(self.resource_count)]
        counts = np.arange(len(members)) > self.group_count
        return np.concatenate([[self.budget], self.group_budgets, self.capacities]), counts, np.array(members)

    def priced(self, prices: Floats, problem: Problem, salt: str) -> Prices:
        """Name the prices of the limits that were worked on."""
        every = np.zeros(1 + self.group_count + self.resource_count)
        every[problem.kept] = prices
        per_cent, per_contact = problem.by_column(prices)
        return Prices(
            budget=float(every[0]),
            groups=tuple(every[1 : 1 + self.group_count].tolist()),
            resources=tuple(every[1 + self.group_count :].tolist()),
            per_cent=tuple(per_cent.tolist()),
            per_contact=tuple(per_contact.tolist()),
            largest_costs=tuple(self.largest_costs.tolist()),
            salt=salt,
        )


@dataclass(frozen=True)
class Problem:
    """Columns x customers in hash order, and the limits that can bind.

    Args:
        gains: Net gains with ties broken; ``-inf`` where a column cannot be chosen.
        costs: In cents.
        limits: Of each limit that can bind.
        counts: By limit: True when it counts contacts, False when it counts cents.
        members: Limits x columns: which columns it counts.
        kept: Which of all limits these are.
        largest_costs: By column, what its budgets have room for.
    """

    gains: Floats
    costs: Floats
    limits: Floats
    counts: Bools
    members: Bools
    kept: Integers
    largest_costs: Floats

    @classmethod
    def of(cls, gains: Floats, costs: Floats, eligible: Bools, hashes: Hashes, limits: Limits) -> Problem:
        """Put a problem together; cells that no budget has room for cannot be chosen."""
        open_cells = eligible & (gains > 0) & (costs <= limits.largest_costs)
        noisy = np.where(open_cells, gains + tie_noise(hashes, gains.shape[1]), -np.inf)
        amounts, counts, members = limits.listed()
        most = np.array(
            [
                np.where(open_cells & member, 1.0 if is_count else costs, 0.0).max(axis=1, initial=0.0).sum()
                for is_count, member in zip(counts, members, strict=True)
            ]
        )
        kept = np.flatnonzero(most > amounts)
        return cls(
            gains=np.ascontiguousarray(noisy.T),
            costs=np.ascontiguousarray(np.where(open_cells, costs, 0.0).T),
            limits=amounts[kept],
            counts=counts[kept],
            members=members[kept],
            kept=kept,
            largest_costs=limits.largest_costs,
        )

    def by_column(self, prices: Floats) -> tuple[Floats, Floats]:
        """Price of a cent and of a contact, by column."""
        per_cent = (self.members & ~self.counts[:, None]).T @ prices
        per_contact = (self.members & self.counts[:, None]).T @ prices
        return per_cent, per_contact

    def weight(self, limit: int, column: int) -> Floats:
        """What each customer would use of a limit by a column."""
        if not self.members[limit, column]:
            return np.zeros(self.gains.shape[1])
        return np.ones(self.gains.shape[1]) if self.counts[limit] else self.costs[column]

    def weights(self, limit: int, rows: Integers, columns: Integers) -> Floats:
        """What customers use of a limit by a column each; -1 uses nothing."""
        used = np.zeros(len(rows))
        inside = columns >= 0
        inside[inside] = self.members[limit, columns[inside]]
        used[inside] = 1.0 if self.counts[limit] else self.costs[columns[inside], rows[inside]]
        return used

    def used(self, choice: Integers) -> Floats:
        """What a choice uses of each limit; exact, because cents are whole numbers."""
        rows = np.flatnonzero(choice >= 0)
        return np.array([self.weights(limit, rows, choice[rows]).sum() for limit in range(len(self.limits))])

    def why_none(self, gains: Floats, costs: Floats, eligible: Bools) -> str:
        """Say why nobody was given anything."""
        if not gains.size:
            return "there are no customers"
        if not eligible.any():
            return "no customer is eligible for any action"
        gainful = eligible & (gains > 0)
        if not gainful.any():
            return "no action has a positive gain for anybody"
        if not (gainful & (self.largest_costs >= 0)).any():
            return "no action that gains anything has a capacity"
        cheapest = float(costs[gainful].min())
        return f"the cheapest action that gains anything costs {cheapest:.0f} cents, more than its budget"


def positions(keys: Sequence[str], salt: str, *, unique: bool = True) -> tuple[Integers, Hashes]:
    """Return the order in which customers are worked on, and a hash of each key.

    Raises:
        DataError: a key stands twice.
    """
    secret = hashlib.sha256(salt.encode()).digest()
    joined = b"".join([hashlib.blake2b(key.encode(), digest_size=8, key=secret).digest() for key in keys])
    hashes: Hashes = np.frombuffer(joined, dtype="<u8").astype(np.uint64)
    order: Integers = np.argsort(hashes, kind="stable")
    if unique and (np.diff(hashes[order]) == 0).any():
        if len(set(keys)) < len(keys):
            raise DataError("allocation: a customer's key stands twice. Give each customer once.")
        order = np.array(sorted(range(len(keys)), key=lambda i: (hashes[i], keys[i])), dtype=np.int64)
    return order, hashes


def tie_noise(hashes: Hashes, columns: int) -> Floats:
    """Customers x columns: a number in [0, 1e-5) that only the key, the salt and the column decide (splitmix64)."""
    noise = np.empty((len(hashes), columns))
    for column in range(columns):
        mixed = hashes + np.uint64((column + 1) * 0x9E3779B97F4A7C15 % 2**64)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        noise[:, column] = ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)) * (TIE_WIDTH / 2**53)
    return noise


def checked_gains(gains: Floats) -> Floats:
    """Customers x columns, as floats."""
    given = np.asarray(gains, dtype=np.float64)
    if given.ndim != 2:
        raise DataError(f"allocation: gains have {given.ndim} dimensions. Give customers x columns.")
    return given


def checked_eligible(eligible: Bools | None, gains: Floats) -> Bools:
    """Customers x columns; every eligible gain must be a number."""
    allowed = np.ones(gains.shape, dtype=np.bool_) if eligible is None else np.asarray(eligible, dtype=np.bool_)
    if allowed.shape != gains.shape:
        raise DataError(f"allocation: eligible is {allowed.shape}, gains are {gains.shape}. Give the same shape.")
    broken = allowed & ~np.isfinite(gains)
    if broken.any():
        row, column = np.argwhere(broken)[0]
        raise DataError(
            f"allocation: the gain of customer {row}, column {column} is {gains[row, column]}. Each gain of an eligible"
            " cell must be a number. Mend the scores or make the cell ineligible."
        )
    return allowed


def checked_costs(costs: Floats | Integers, shape: tuple[int, ...], eligible: Bools) -> Floats:
    """Customers x columns, in whole cents; 0 where a cell is not eligible."""
    try:
        given = np.broadcast_to(np.asarray(costs, dtype=np.float64), shape)
    except ValueError as error:
        raise DataError(f"allocation: costs are {np.shape(costs)}, gains are {shape}. Give one per column.") from error
    with np.errstate(invalid="ignore"):
        broken = eligible & ~((given >= 0) & (given < 2**53) & (given == np.floor(given)))
    if broken.any():
        row, column = np.argwhere(broken)[0]
        raise DataError(
            f"allocation: the cost of customer {row}, column {column} is {given[row, column]}. A cost must be a whole"
            " number of cents from 0. Round it."
        )
    return np.where(eligible, given, 0.0)


def state_limits(
    columns: int,
    capacities: Sequence[float] | None,
    resources: Sequence[int] | None,
    budget: float | None,
    groups: Sequence[int] | None,
    group_budgets: Sequence[float] | None,
) -> Limits:
    """Check the limits and fill in what was left out."""
    own = np.arange(columns, dtype=np.int64)
    resource = own if resources is None else np.asarray(resources, dtype=np.int64)
    capacity = _amounts("capacities", capacities, int(resource.max(initial=-1)) + 1)
    group = np.zeros(columns, dtype=np.int64) if groups is None else np.asarray(groups, dtype=np.int64)
    group_amounts = _amounts("group_budgets", group_budgets, int(group.max(initial=-1)) + 1)
    for name, indices, amounts in (("resources", resource, capacity), ("groups", group, group_amounts)):
        if indices.shape != (columns,) or (indices < 0).any() or (indices >= len(amounts)).any():
            raise DataError(
                f"allocation: {name} must name, for each of {columns} columns, one of {len(amounts)} (got"
                f" {indices.tolist()}). Give one index per column."
            )
    total = float(_amounts("budget", None if budget is None else [budget], 1)[0])
    return Limits(total, group, group_amounts, resource, capacity)


def _amounts(name: str, given: Sequence[float] | None, count: int) -> Floats:
    amounts = np.full(count, np.inf) if given is None else np.asarray(given, dtype=np.float64)
    if amounts.ndim != 1 or np.isnan(amounts).any() or (amounts < 0).any():
        raise DataError(f"allocation: {name} must be numbers from 0, or inf (got {given}). Mend the limit.")
    return np.asarray(np.floor(amounts))
