"""The metric of the league, fixed beforehand: incremental margin per customer when the capacity of a day is used.

A competitor is judged by what its list would have earned on customers whom its models never saw. Every row has an
AIPW margin ``value * G - cost``, whose expectation given the features is what treating the customer earns; a list earns
the sum over who is on it. Values are winsorised at ``WINSORISED_AT``: one customer worth a thousand others must not
decide who decides. Lists are drawn up with the values as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from training.estimates import Estimate
from training.uplift.trial import OutOfFold, Trial

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]

#: Values above this quantile count as this quantile in the metric. Fixed beforehand, never tuned.
WINSORISED_AT: Final = 0.99
#: The competitor whose list is a lottery: everybody has the same chance, so its gain is known without drawing.
RANDOM: Final = "random"

_CELLS_AT_ONCE = 4_000_000  # of the matrix of resamples: 32 MB


@dataclass(frozen=True, slots=True)
class Difference:
    """What one competitor earns beyond a reference on the same customers and the same resamples.

    Attributes:
        reference: The other competitor, or ``random, same size`` for a lottery that treats as many.
        estimate: Currency units per customer of the population.
        standard_error: Of the estimate, by the bootstrap; 0 when both treat the same.
        low: Lower end of the interval that holds for all competitors at once.
        high: Upper end.
        p_value: Of "no difference", two-sided, corrected for how many were compared.
        n: Rows.
        method: How the interval was made.
    """

    reference: str
    estimate: float
    standard_error: float
    low: float
    high: float
    p_value: float
    n: int
    method: str

    @property
    def is_above_zero(self) -> bool:
        """True when the whole simultaneous interval lies above zero."""
        return self.low > 0

    @property
    def is_told_apart(self) -> bool:
        """True when the simultaneous interval excludes zero, on either side."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return f"{self.estimate:+.4g} ({self.low:+.4g} to {self.high:+.4g}, n = {self.n:,})"


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


@dataclass(frozen=True, eq=False)
class Gains:
    """What every competitor earns, on the trial and on each resample of its customers.

    Attributes:
        names: Competitors.
        gain: Currency units per customer of the population, shape (k,).
        treated_share: Share of the population on each list, shape (k,).
        treat_all: What treating everybody earns per customer.
        gain_resampled: Shape (resamples, k).
        share_resampled: Shape (resamples, k).
        treat_all_resampled: Shape (resamples,).
        n: Rows.
        unit_count: Customers: what is resampled.
        level: Coverage of intervals.
    """

    names: tuple[str, ...]
    gain: Floats
    treated_share: Floats
    treat_all: float
    gain_resampled: Floats
    share_resampled: Floats
    treat_all_resampled: Floats
    n: int
    unit_count: int
    level: float

    def estimate(self, name: str) -> Estimate:
        """Return what a competitor earns per customer of the population, with its own interval."""
        k = self.names.index(name)
        half = float(stats.norm.isf((1 - self.level) / 2) * self.gain_resampled[:, k].std(ddof=1))
        gain = float(self.gain[k])
        return Estimate(gain, gain - half, gain + half, self.n, f"AIPW, {self._bootstrap()}")

    def against(self, reference: str) -> dict[str, Difference]:
        """Return every other competitor's gain minus the reference's, with intervals that hold for all at once."""
        k = self.names.index(reference)
        found = self._differences(
            self.gain - self.gain[k], self.gain_resampled - self.gain_resampled[:, [k]], reference, skip=reference
        )
        return {name: each for name, each in found.items() if name != reference}

    def over_random(self) -> dict[str, Difference]:
        """Return what each list earns beyond a lottery that treats as many: is it the order that earns?"""
        by_lot = self.gain_resampled - self.share_resampled * self.treat_all_resampled[:, None]
        return self._differences(self.gain - self.treated_share * self.treat_all, by_lot, "random, same size")

    def _differences(
        self, estimate: Floats, resampled: Floats, reference: str, skip: str | None = None
    ) -> dict[str, Difference]:
        error = resampled.std(axis=0, ddof=1)
        scale = float(self.gain_resampled.std(axis=0).max()) or 1.0
        error[error < 1e-9 * scale] = 0.0  # the same list, but for rounding
        critical, most = largest_of_all(estimate, resampled, error, level=self.level)
        method = f"{self.level:.0%} for all {int((error > 0).sum())} at once (max-t), {self._bootstrap()}"
        found = {}
        for k, name in enumerate(self.names):
            if name == skip:
                continue
            d, half = float(estimate[k]), float(critical * error[k])
            p = 1.0 if not error[k] else float((1 + (most >= abs(d) / error[k]).sum()) / (1 + len(most)))
            d = d if error[k] else 0.0
            found[name] = Difference(reference, d, float(error[k]), d - half, d + half, p, self.n, method)
        return found

    def _bootstrap(self) -> str:
        return f"{len(self.gain_resampled):,} resamples of {self.unit_count:,} customers"


def largest_of_all(estimate: Floats, resampled: Floats, error: Floats, *, level: float) -> tuple[float, Floats]:
    """Return the critical value for which all intervals hold at once, and the largest |t| of each resample.

    Args:
        estimate: Estimates, shape (k,).
        resampled: The same on each resample, shape (r, k).
        error: Standard errors, 0 for an estimate that cannot err, shape (k,).
        level: Chance that no interval misses.

    Source: Romano and Wolf (2005), studentised step 1. Never below the normal quantile of a single interval.
    """
    can_err = error > 0
    if not can_err.any():
        return float(stats.norm.isf((1 - level) / 2)), np.zeros(len(resampled))
    most = np.abs((resampled[:, can_err] - estimate[can_err]) / error[can_err]).max(axis=1)
    return max(float(np.quantile(most, level, method="higher")), float(stats.norm.isf((1 - level) / 2))), most


def margins(trial: Trial, gains: Floats) -> Floats:
    """Return the AIPW margin of treating each row, ``winsorised value * G - cost``, in currency units, shape (n,)."""
    value = np.minimum(trial.value_amounts, np.quantile(trial.value_amounts, WINSORISED_AT))
    return np.asarray(value * gains - trial.cost_amounts, dtype=np.float64)


def queues(trial: Trial, out_of_fold: OutOfFold, name: str) -> tuple[Queue, ...]:
    """Return whom a competitor would treat in each fold, best first.

    A score that is an effect ranks by expected margin, ``score * value - cost``, and leaves out whoever's is not above
    zero. Any other score says nothing about money: it ranks by ``score * value``, with scores moved up to 0 in a fold
    where one is negative, so that more value never ranks lower. ``random`` ranks nobody.

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
            key = (score[rows] - min(0.0, float(score[rows].min()))) * trial.value_amounts[rows]
        order = np.argsort(-key, kind="stable")
        starts = np.flatnonzero(np.diff(key[order], prepend=np.nan) != 0)
        found.append(Queue(rows[order], starts, int(fold)))
    return tuple(found)


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


def measure_gains(
    trial: Trial,
    out_of_fold: OutOfFold,
    *,
    capacity_share: float,
    rng: np.random.Generator,
    resamples: int = 1000,
    level: float = 0.95,
) -> Gains:
    """Return what every competitor's list earns per customer of the population, on the trial and on its resamples.

    Every resample draws whole customers, ranks them anew and fills the capacity anew; all competitors are judged on the
    same resamples.

    Args:
        trial: Who was treated and what became of them.
        out_of_fold: Scores and AIPW gains of the same rows.
        capacity_share: Share of the population that can be treated, in (0, 1].
        rng: Draws the resamples.
        resamples: How many.
        level: Coverage of the intervals.

    Raises:
        ValueError: a score is missing; lengths differ; the share or the level is out of range; fewer than two customers
            or resamples.
    """
    if not 0 < capacity_share <= 1 or not 0 < level < 1 or resamples < 2:
        raise ValueError(
            f"league: capacity_share must lie in (0, 1], level in (0, 1), resamples above 1 "
            f"(got {capacity_share!r}, {level!r}, {resamples!r})."
        )
    if not len(trial) == len(out_of_fold.gains) == len(out_of_fold.fold) or not np.isfinite(out_of_fold.gains).all():
        raise ValueError(f"league: needs one finite AIPW gain and a fold for each of the {len(trial):,} rows.")
    unit = np.unique(trial.customer_ids, return_inverse=True)[1]
    unit_count = int(unit.max()) + 1 if len(unit) else 0
    if unit_count < 2:
        raise ValueError(f"league: {unit_count} customers. Differences between customers need at least 2.")
    names = tuple(out_of_fold.scores)
    lists = [queues(trial, out_of_fold, name) for name in names]
    margin = margins(trial, out_of_fold.gains)

    def measure(weights: Floats) -> tuple[Floats, Floats, Floats]:
        total = weights.sum(axis=0)
        folds = {f: weights[out_of_fold.fold == f].sum(axis=0) for f in np.unique(out_of_fold.fold).tolist()}
        per_list = [_fill(each, margin, weights, folds, capacity_share) for each in lists]
        gain, share = (np.column_stack(part) / total[:, None] for part in zip(*per_list, strict=True))
        return gain, share, margin @ weights / total

    gain, share, treat_all = measure(np.ones((len(trial), 1)))
    drawn = [measure(weights) for weights in _resamples(unit, unit_count, resamples, rng)]
    gains, shares, alls = (np.concatenate(part) for part in zip(*drawn, strict=True))
    return Gains(names, gain[0], share[0], float(treat_all[0]), gains, shares, alls, len(trial), unit_count, level)


def _resamples(unit: Integers, unit_count: int, resamples: int, rng: np.random.Generator) -> Iterable[Floats]:
    """Yield how often each row is drawn, shape (n, resamples of this batch): whole customers, with replacement."""
    batch = max(1, _CELLS_AT_ONCE // len(unit))
    for first in range(0, resamples, batch):
        size = min(batch, resamples - first)
        who = rng.integers(0, unit_count, size=(size, unit_count))
        counts = np.stack([np.bincount(each, minlength=unit_count) for each in who], axis=1)
        yield counts[unit].astype(np.float64)


def _fill(
    lists: tuple[Queue, ...], margin: Floats, weights: Floats, folds: dict[int, Floats], capacity_share: float
) -> tuple[Floats, Floats]:
    """Return what a competitor's lists earn in sum and how many they treat, per resample: shape (resamples,) each."""
    earned, count = np.zeros(weights.shape[1]), np.zeros(weights.shape[1])
    column = np.arange(weights.shape[1])
    for queue in lists:
        if not len(queue.rows):
            continue
        drawn = weights[queue.rows]
        money = drawn * margin[queue.rows, None]
        if len(queue.starts) < len(queue.rows):
            drawn, money = (np.add.reduceat(each, queue.starts, axis=0) for each in (drawn, money))
        places, capacity = np.cumsum(drawn, axis=0), capacity_share * folds[queue.fold]
        sums = np.cumsum(money, axis=0)
        full = (places <= capacity).sum(axis=0)  # groups of equal rank that fit whole
        before, at = np.maximum(full - 1, 0), np.minimum(full, len(places) - 1)
        taken, got = (np.where(full > 0, each[before, column], 0.0) for each in (places, sums))
        split = full < len(places)
        part = np.where(split, (capacity - taken) / np.where(split, drawn[at, column], 1.0), 0.0)
        earned += got + part * money[at, column]
        count += np.where(split, capacity, taken)
    return earned, count
