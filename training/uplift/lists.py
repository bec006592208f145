"""Whom each competitor would treat: lists per fold, best first, and how far the capacity of a day reaches down them.

Scores of different folds come from different models, so every fold has its own list; who ties at the end of the
capacity is treated in part, by expectation, never by the order of the rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from training.uplift.trial import OutOfFold, Trial

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]

#: The competitor whose list is a lottery: everybody has the same chance, so its gain is known without drawing.
RANDOM: Final = "random"

_CELLS_AT_ONCE = 4_000_000  # of the matrix of resamples: 32 MB


@dataclass(frozen=True, eq=False)
class Queue:
    """Whom one competitor would treat in one fold, best first; who is not in it is never treated.

    Attributes:
        rows: Row numbers of the trial, best first; shape (m,).
        starts: Where each group of equal rank begins in ``rows``; shape (g,).
        fold: Which fold.
    """

    rows: Integers
    starts: Integers
    fold: int


def queues(trial: Trial, out_of_fold: OutOfFold, name: str) -> tuple[Queue, ...]:
    """Return whom a competitor would treat in each fold, best first.

    A score that is an effect ranks by expected margin, ``score * value - cost``, and leaves out whoever's is not above
    zero. Any other score says nothing about money: it ranks by ``score * value``, with negative scores moved up so
    that more value never ranks lower: by 1 if they are probabilities with their sign turned, else to the lowest of the
    fold. ``random`` ranks nobody.

    Raises:
        ValueError: a score is missing or infinite.
    """
    score = out_of_fold.scores[name]
    if score.shape != (len(trial),) or not np.isfinite(score).all():
        raise ValueError(f"league: {name}: needs one finite score for each of the {len(trial):,} rows.")
    found = []
    for fold in np.unique(out_of_fold.fold).tolist():
        rows = np.flatnonzero(out_of_fold.fold == fold)
        if name == RANDOM:
            key = np.zeros(len(rows))
        elif name in out_of_fold.effects:
            key = score[rows] * trial.value_amounts[rows] - trial.cost_amounts[rows]
            rows, key = rows[key > 0], key[key > 0]
        else:
            key = (score[rows] + _lift(score, rows)) * trial.value_amounts[rows]
        order = np.argsort(-key, kind="stable")
        starts = np.flatnonzero(np.diff(key[order], prepend=np.nan) != 0)
        found.append(Queue(rows[order], starts, int(fold)))
    return tuple(found)


def _lift(score: Floats, rows: Integers) -> float:
    """Return what makes the scores of a fold nonnegative."""
    if score.min() >= -1 and score.max() <= 0:
        return 1.0
    return max(0.0, -float(score[rows].min()))


def treated(trial: Trial, out_of_fold: OutOfFold, name: str, *, capacity_share: float) -> Floats:
    """Return the chance with which a competitor's list treats each row: 1, 0, or the share of those who tie at its end.

    Of each fold the top ``capacity_share`` is treated. Shape (n,), in [0, 1].
    """
    chance = np.zeros(len(trial))
    for queue in queues(trial, out_of_fold, name):
        capacity = capacity_share * int((out_of_fold.fold == queue.fold).sum())
        tied = np.diff(queue.starts, append=len(queue.rows))
        part = np.clip((capacity - queue.starts) / tied, 0.0, 1.0)
        chance[queue.rows] = np.repeat(part, tied)
    return chance


def resampled_customers(unit: Integers, unit_count: int, resamples: int, rng: np.random.Generator) -> Iterable[Floats]:
    """Yield how often each row is drawn, shape (n, resamples of this batch): whole customers, with replacement."""
    batch = max(1, _CELLS_AT_ONCE // len(unit))
    for first in range(0, resamples, batch):
        size = min(batch, resamples - first)
        who = rng.integers(0, unit_count, size=(size, unit_count))
        counts = np.stack([np.bincount(each, minlength=unit_count) for each in who], axis=1)
        yield counts[unit].astype(np.float64)


@dataclass(frozen=True, eq=False)
class Fold:
    """The lists of one fold, cut for speed: who is treated in any resample, and who stands near the end of the list.

    Attributes:
        rows: Rows of the trial in this fold, shape (m,).
        margin: Their AIPW margins, shape (m,).
        capacity_share: Share of the fold that can be treated.
        lists: Per competitor: positions in ``rows``, best first, and where groups of equal rank begin.
        near: Per competitor: first and last (exclusive) group that a resample may split.
        sure: 1 where a row stands before those groups, shape (m, k).
    """

    rows: Integers
    margin: Floats
    capacity_share: float
    lists: Sequence[tuple[Integers, Integers]]
    near: Sequence[tuple[int, int]]
    sure: Floats

    @classmethod
    def of(cls, rows: Integers, lists: Sequence[Queue], margin: Floats, capacity_share: float) -> Fold:
        """Cut the lists of a fold's rows (in ascending order); ``margin`` is that of all rows of the trial."""
        places = capacity_share * len(rows)
        slack = 8 * math.sqrt(places) + 8  # eight standard errors; `fill` checks
        cut, near, sure = [], [], np.zeros((len(rows), len(lists)))
        for k, queue in enumerate(lists):
            inside = np.searchsorted(rows, queue.rows)
            ends = np.append(queue.starts[1:], len(inside))
            first = int(np.searchsorted(ends, places - slack, side="right"))
            last = min(len(ends), int(np.searchsorted(queue.starts, places + slack)) + 1)
            cut.append((inside, queue.starts))
            near.append((first, last))
            if first:
                sure[inside[: ends[first - 1]], k] = 1.0
        return cls(rows, margin[rows], capacity_share, cut, near, sure)

    def fill(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return what each list earns in sum and how many it treats, by resample: shape (k, resamples) each."""
        capacity = self.capacity_share * weights.sum(axis=0)
        money = (self.sure * self.margin[:, None]).T @ weights
        count = self.sure.T @ weights
        for k, (order, starts) in enumerate(self.lists):
            first, last = self.near[k]
            found = self._end(weights, order, starts, first, last, money[k], count[k], capacity)
            if found is None:  # a resample that is off by more than eight errors: the whole list
                nothing = np.zeros_like(capacity)
                found = self._end(weights, order, starts, 0, len(starts), nothing, nothing, capacity)
            if found is not None:
                money[k], count[k] = found
        return money, count

    def _end(
        self,
        weights: Floats,
        order: Integers,
        starts: Integers,
        first: int,
        last: int,
        money: Floats,
        count: Floats,
        capacity: Floats,
    ) -> tuple[Floats, Floats] | None:
        """Fill up from group ``first`` on; None when a resample's list ends before it, or at or after ``last``."""
        begin, end = (int(starts[at]) if at < len(starts) else len(order) for at in (first, last))
        if (count > capacity).any():
            return None
        if begin == end:
            return (money, count) if last == len(starts) else None
        drawn = weights[order[begin:end]]
        earned = drawn * self.margin[order[begin:end], None]
        if last - first < end - begin:
            drawn, earned = (np.add.reduceat(each, starts[first:last] - begin, axis=0) for each in (drawn, earned))
        places, sums = count + np.cumsum(drawn, axis=0), money + np.cumsum(earned, axis=0)
        if last < len(starts) and (places[-1] < capacity).any():
            return None
        full = (places <= capacity).sum(axis=0)  # groups of equal rank that fit whole
        column = np.arange(weights.shape[1])
        before, at = np.maximum(full - 1, 0), np.minimum(full, len(places) - 1)
        taken, got = (np.where(full > 0, each[before, column], base) for each, base in ((places, count), (sums, money)))
        split = full < len(places)
        part = np.where(split, (capacity - taken) / np.where(split, drawn[at, column], 1.0), 0.0)
        return got + part * earned[at, column], np.where(split, capacity, taken)
