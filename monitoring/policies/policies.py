"""The rules that have a name, as probabilities of each action for each customer who entered.

No rule gives anybody what nobody like him could have got: it was not eligible then, and nothing is known of it. What a
rule learns from outcomes (which action is best on average), it learns from other units than the one it chooses for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from training.rows import hash_share
from training.uplift.experience import Logged

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

#: Every name, in the order in which they are told, with what it means.
MEANINGS: Final[Mapping[str, str]] = {
    "nobody": "nobody is contacted",
    "everybody": "everybody who entered gets the action that is best on average; no limit",
    "current": "what the rules of the day chose before holdout and exploration",
    "random": "as many as there is room for, picked at random, an action at random",
    "risk": "the most likely to leave first, as many as there is room for; the action that is best on average",
    "value": "the most valuable first, as many as there is room for; the action that is best on average",
    "model": "most expected gain first, by the uplift models in office, as many as there is room for",
}
_FOLDS: Final = 3


@dataclass(frozen=True, eq=False)
class Policy:
    """A rule for choosing.

    Attributes:
        name: Its name.
        target: Probability of none and of each action, rows add up to 1, shape (n, 1 + k).
        treated_share: Share of the customers whom it would treat.
    """

    name: str
    target: Floats

    @property
    def treated_share(self) -> float:
        """Share of the customers whom it would treat."""
        return float(1.0 - self.target[:, 0].mean())


def policy(
    name: str, logged: Logged, capacity_shares: Mapping[str, float], uplifts: Mapping[str, Floats] | None = None
) -> Policy | str:
    """Return a named rule on these customers, or the reason why there is none.

    Args:
        name: One of :data:`MEANINGS`.
        logged: The customers.
        capacity_shares: By action, the share of the customers that can get it; an action without one gets none.
        uplifts: By action, the expected gain of each customer in units of ``good``, shape (n,); for ``model``.

    Raises:
        ValueError: there is no such rule.
    """
    n, width = logged.probability.shape
    if name == "nobody":
        return Policy(name, _certain(np.zeros(n, dtype=np.int64), width))
    if name == "everybody":
        return Policy(name, _certain(_best_on_average(logged), width))
    if name == "current":
        unknown = int((logged.intended < 0).sum())
        if unknown:
            return f"what was intended was not written down for {unknown:,} of {n:,} customers"
        return Policy(name, _certain(logged.intended, width))
    room = np.array([0.0, *(capacity_shares.get(action, 0.0) for action in logged.actions)])
    if name == "random":
        return Policy(name, _random(logged, room))
    if name in ("risk", "value"):
        first = logged.risk if name == "risk" else logged.value_amounts
        if not np.isfinite(first).all():
            return "no risk was frozen when they entered"
        if not np.ptp(first) > 0:
            return f"the {name} is the same for everybody: it orders nobody"
        best = _best_on_average(logged)
        worth = np.zeros((n, width))
        worth[np.arange(n), best] = 1.0 + first - first.min()
        return Policy(name, _limited(worth, best[:, None] == np.arange(width), room, logged))
    if name == "model":
        missing = [action for action in _open_actions(logged, room) if action not in (uplifts or {})]
        if uplifts is None or len(missing) == len(_open_actions(logged, room)):
            return "no uplift model is in office"
        worth = np.zeros((n, width))
        for position, action in enumerate(logged.actions, start=1):
            if action in uplifts:
                worth[:, position] = logged.value_amounts * uplifts[action] - logged.costs[position - 1]
        return Policy(name, _limited(worth, logged.probability > 0, room, logged))
    raise ValueError(f"policy {name!r}: does not exist. Choose one of: {', '.join(MEANINGS)}.")


def rewards(logged: Logged) -> Floats:
    """Return what each customer earned: the value of his outcome less what the action was expected to cost, (n,)."""
    costs = np.concatenate([[0.0], logged.costs])
    earned: Floats = logged.value_amounts * logged.good - costs[logged.chosen]
    return earned


def folds_of(logged: Logged, count: int = _FOLDS) -> Integers:
    """Return the fold of each row by the hash of its unit, shape (n,): a unit is never in two."""
    fold: Integers = (hash_share(logged.unit_ids, salt="policies") * count).astype(np.int64)
    return fold


def _open_actions(logged: Logged, room: Floats) -> list[str]:
    return [action for action, share in zip(logged.actions, room[1:], strict=True) if share > 0]


def _certain(columns: Integers, width: int) -> Floats:
    target = np.zeros((len(columns), width))
    target[np.arange(len(columns)), columns] = 1.0
    return target


def _best_on_average(logged: Logged) -> Integers:
    """Column of the action that earns most over being left alone (SNIPW) among those that each could have got.

    Each is judged on those who could have got it, of the other folds; among actions alone: it says which, not whether.
    """
    earned, fold = rewards(logged), folds_of(logged)
    w = 1.0 / logged.probability[np.arange(len(logged)), logged.chosen]
    best = np.zeros(len(logged), dtype=np.int64)
    for own in np.unique(fold):
        others = fold != own
        means = np.full(logged.probability.shape[1], -np.inf)
        for column in range(1, len(means)):
            could = others & (logged.probability[:, column] > 0)
            arms = [could & (logged.chosen == drawn) for drawn in (column, 0)]
            if all(arm.any() for arm in arms):
                mean, alone = (float((w[arm] * earned[arm]).sum() / w[arm].sum()) for arm in arms)
                means[column] = mean - alone
        inside = np.flatnonzero(fold == own)
        scores = np.where(logged.probability[inside] > 0, means, -np.inf)
        best[inside] = np.where(np.isfinite(scores.max(axis=1)), scores.argmax(axis=1), 0)
    return best


def _random(logged: Logged, room: Floats) -> Floats:
    """Each action that could have been got with the probability that there is room for it."""
    can = logged.probability[:, 1:] > 0
    shares = can * room[1:] / np.maximum(can.mean(axis=0), 1e-12)
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1.0)
    return np.column_stack([1.0 - shares.sum(axis=1), shares])


def _limited(worth: Floats, can: Booleans, room: Floats, logged: Logged) -> Floats:
    """Give the places to whom they are worth most: pairs of customer and action from the best down, while above 0."""
    n, width = worth.shape
    left = np.floor(room * n + 1e-9).astype(np.int64)
    rows, columns = np.nonzero(can & (worth > 0) & (np.arange(width) > 0) & (logged.probability > 0))
    # Equal ones in the order of a hash: never by their key, which may tell how long they have been customers.
    order = np.lexsort((hash_share(logged.unit_ids, salt="policies/ties")[rows], -worth[rows, columns]))
    given = np.zeros(n, dtype=np.int64)
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if given[row] == 0 and left[column] > 0:
            given[row] = column
            left[column] -= 1
    return _certain(given, width)
