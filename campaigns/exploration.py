"""A few customers get a random action, with a probability that is known exactly: what the next model learns from.

Who explores, and what he draws, is a keyed hash of his id: the same in any order and on any number of partitions.
Whether he *keeps* a scarce action is not: an action has a reserve per day, and if more draw it than that, a random part
of them keeps it. That, and the probability of it, needs all of the day's candidates at once: with half of them, half of
the competition would be missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import stats

from campaigns.holdout import draw

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]

#: What is cut from each tail of a binomial before it is added to others: ``exp`` of this.
_LOG_OF_TAIL: Final = -40.0


@dataclass(frozen=True, eq=False)
class Exploration:
    """What the day's exploration drew.

    Attributes:
        share: Probability with which each candidate explores.
        is_explorer: Who does, shape (n,).
        action: Column of the action that he ends with, 0 for none; 0 also for those who do not explore, shape (n,).
        probability: Of ending with each action, given that he explores; rows add up to 1, shape (n, 1 + actions).
    """

    share: float
    is_explorer: Flags
    action: Counts
    probability: Floats


def explore(
    customer_ids: pa.Array | pa.ChunkedArray,
    eligible: Flags,
    *,
    share: float,
    salt: str,
    reserve: Sequence[int | None],
) -> Exploration:
    """Let a share of the candidates draw an action at random among those they are eligible for.

    Each candidate explores with probability ``share``, and draws each of the ``k`` actions he is eligible for (none
    among them) with probability ``1 / k``. If more than ``r`` drew an action with a reserve of ``r``, a random ``r`` of
    them keep it, the others get none. So who explores ends with action a with probability

        ``q = 1/k * E[min(1, r / (1 + B))]``

    where B, the number of other candidates that draw a, is a sum of independent binomials: one per number k, as all
    with the same k draw a with the same probability ``share / k``. Its distribution is computed by convolution; what is
    cut from the tails is below 1e-16 in all (Bernstein's inequality), so q is exact but for rounding (below 1e-9).

    Args:
        customer_ids: One candidate per contactable unit, each id once, length n: *all* candidates of the day.
        eligible: Shape (n, 1 + actions); column 0 is none, for which everybody is eligible.
        share: In [0, 1].
        salt: Names the campaign, its version and the day.
        reserve: Most explorers that may get each action that day, in the order of the columns after 0; None: no limit.

    Raises:
        ValueError: the shapes do not fit, somebody is not eligible for none, or a reserve is negative.

    Examples:
        >>> everything = np.ones((2, 2), dtype=bool)
        >>> explore(pa.array(["a", "b"]), everything, share=1.0, salt="x", reserve=[1]).probability.round(3).tolist()
        [[0.625, 0.375], [0.625, 0.375]]
    """
    count, columns = eligible.shape
    if len(customer_ids) != count or len(reserve) != columns - 1:
        raise ValueError(
            f"explore: {len(customer_ids)} ids and {len(reserve)} reserves for eligible of {eligible.shape}"
        )
    if not eligible[:, 0].all():
        raise ValueError("explore: everybody is eligible for column 0 (none)")
    if any(limit is not None and limit < 0 for limit in reserve):
        raise ValueError(f"explore: a reserve is negative ({list(reserve)})")
    choices = eligible.sum(axis=1)
    probability = _probabilities(eligible, choices, share, reserve)

    is_explorer = draw(customer_ids, salt=f"{salt}/who") < share
    who = np.flatnonzero(is_explorer)
    their_ids = customer_ids.take(pa.array(who))
    nth = np.minimum((draw(their_ids, salt=f"{salt}/action") * choices[who]).astype(np.int64), choices[who] - 1)
    drawn = (np.cumsum(eligible[who], axis=1) > nth[:, None]).argmax(axis=1)
    place = draw(their_ids, salt=f"{salt}/keeps")
    action = np.zeros(count, dtype=np.int64)
    for column, limit in enumerate(reserve, start=1):
        those = np.flatnonzero(drawn == column)
        kept = those[np.argsort(place[those], kind="stable")[:limit]]
        action[who[kept]] = column
    return Exploration(share=share, is_explorer=is_explorer, action=action, probability=probability)


def taken_probabilities(exploration: Exploration, chosen: npt.NDArray[np.integer]) -> Floats:
    """Return the probability of ending with each action, over exploring or not.

    Who does not explore gets what the policy chooses; the policy must have been computed for everybody, explorers too,
    before anybody explored: then ``(1 - share) * 1[a = chosen] + share * q[a]``.

    Args:
        exploration: Of the same candidates.
        chosen: Column of the action that the policy chooses for each, 0 for none, shape (n,).

    Returns:
        Shape (n, 1 + actions); rows add up to 1.
    """
    everything = exploration.share * exploration.probability
    everything[np.arange(len(chosen)), chosen] += 1.0 - exploration.share
    return everything


def _probabilities(eligible: Flags, choices: Counts, share: float, reserve: Sequence[int | None]) -> Floats:
    """Return q of everybody; candidates with the same number of choices share it."""
    count, columns = eligible.shape
    probability = np.zeros((count, columns))
    for column, limit in enumerate(reserve, start=1):
        rivals = np.bincount(choices[eligible[:, column]], minlength=columns + 1)
        keeps = np.zeros(columns + 1)
        for own in np.flatnonzero(rivals):
            others = rivals.copy()
            others[own] -= 1
            keeps[own] = _share_kept(others, share, limit) / own
        probability[:, column] = np.where(eligible[:, column], keeps[choices], 0.0)
    probability[:, 0] = 1.0 - probability[:, 1:].sum(axis=1)
    return probability


def _share_kept(others: Counts, share: float, limit: int | None) -> float:
    """``E[min(1, r / (1 + B))]``; ``others[k]`` candidates draw the action with probability ``share / k``."""
    if limit is None or limit > int(others.sum()):
        return 1.0
    first, weights = 0, np.ones(1)
    for k in np.flatnonzero(others):
        low, part = _binomial(int(others[k]), share / int(k))
        first, weights = first + low, np.convolve(weights, part)
    rival_count = first + np.arange(len(weights))
    return float((weights * np.minimum(1.0, limit / (1.0 + rival_count))).sum() / weights.sum())


def _binomial(n: int, p: float) -> tuple[int, Floats]:
    """Return the probabilities of a binomial from ``low`` on, without tails whose mass is below ``2 exp(-40)``."""
    if n * p < np.exp(_LOG_OF_TAIL):  # also what scipy overflows at: a p near the smallest float
        return 0, np.ones(1)
    mean, variance = n * p, n * p * (1.0 - p)
    reach = -_LOG_OF_TAIL / 3.0 + np.sqrt((_LOG_OF_TAIL / 3.0) ** 2 - 2.0 * variance * _LOG_OF_TAIL)
    low, high = max(0, int(mean - reach)), min(n, int(mean + reach) + 1)
    weights: Floats = stats.binom.pmf(np.arange(low, high + 1), n, p)
    return low, weights
