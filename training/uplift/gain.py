"""The metric of the league, fixed beforehand: incremental margin per customer when the capacity of a day is used.

A competitor is judged by what its list would have earned on customers whom its models never saw. Every row has an
AIPW margin ``value * G - cost``, whose expectation given the features is what treating the customer earns; a list earns
the sum over who is on it. Values are winsorised at ``WINSORISED_AT``: one customer worth a thousand others must not
decide who decides. Lists are drawn up with the values as they are.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from training.estimates import Estimate
from training.uplift.lists import Fold, queues, resampled_customers
from training.uplift.trial import OutOfFold, Trial

Floats = npt.NDArray[np.float64]

#: Values above this quantile count as this quantile in the metric. Fixed beforehand, never tuned.
WINSORISED_AT: Final = 0.99
#: By how much the error of a list grows when its order was learned from the customers who judge it and follows their
#: noise. Out of fold, customer i teaches the model that judges j, and j the one that judges i: what their noises have
#: in common counts twice, where the bootstrap, which holds the scores fixed, expects two independent sums. As far as
#: the list is linear in the score (a correlation of ``phi(z_c) / sqrt(c (1 - c))`` for a normal score, at most
#: ``sqrt(2 / pi)``) the variance doubles, whatever the number of folds. An order that follows a true difference does
#: not move with the noise, and its errors are the bootstrap's.
LIST_OF_NOISE: Final = math.sqrt(1 + 2 / math.pi)


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

    def against(self, reference: str, *, taught: Collection[str] = ()) -> dict[str, Difference]:
        """Return every other competitor's gain minus the reference's, with intervals that hold for all at once.

        Args:
            reference: Who is compared with: one of the competitors.
            taught: Competitors whose order was learned from these customers and may be noise: the intervals of
                differences with one of them are wider by ``LIST_OF_NOISE``.
        """
        k = self.names.index(reference)
        resampled = self.gain_resampled - self.gain_resampled[:, [k]]
        wide = frozenset(self.names if reference in taught else taught)
        found = self._differences(self.gain - self.gain[k], resampled, reference, wide, skip=reference)
        return {name: each for name, each in found.items() if name != reference}

    def over_random(self, *, taught: Collection[str] = ()) -> dict[str, Difference]:
        """Return what each list earns beyond a lottery that treats as many: is it the order that earns?"""
        by_lot = self.gain_resampled - self.share_resampled * self.treat_all_resampled[:, None]
        wide = frozenset(taught)
        return self._differences(self.gain - self.treated_share * self.treat_all, by_lot, "random, same size", wide)

    def _differences(
        self, estimate: Floats, resampled: Floats, reference: str, wide: frozenset[str], skip: str | None = None
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
            its = float(error[k]) * (LIST_OF_NOISE if name in wide else 1.0)
            d, half = (float(estimate[k]), float(critical * its)) if its else (0.0, 0.0)
            p = float((1 + (most >= abs(d) / its).sum()) / (1 + len(most))) if its else 1.0
            how = method + (f", wider by {LIST_OF_NOISE:.2f}: the order may be noise" if its and name in wide else "")
            found[name] = Difference(reference, d, its, d - half, d + half, p, self.n, how)
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
    margin = margins(trial, out_of_fold.gains)
    lists = [queues(trial, out_of_fold, name) for name in names]
    folds = [
        Fold.of(np.flatnonzero(out_of_fold.fold == k), of_fold, margin, capacity_share)
        for k, of_fold in zip(np.unique(out_of_fold.fold), zip(*lists, strict=True), strict=True)
    ]

    def measure(weights: Floats) -> tuple[Floats, Floats, Floats]:
        total = weights.sum(axis=0)
        filled = [fold.fill(weights[fold.rows]) for fold in folds]
        gain, share = (sum(part[i] for part in filled) / total for i in (0, 1))
        return np.asarray(gain).T, np.asarray(share).T, margin @ weights / total

    gain, share, treat_all = measure(np.ones((len(trial), 1)))
    drawn = [measure(weights) for weights in resampled_customers(unit, unit_count, resamples, rng)]
    gains, shares, alls = (np.concatenate(part) for part in zip(*drawn, strict=True))
    return Gains(names, gain[0], share[0], float(treat_all[0]), gains, shares, alls, len(trial), unit_count, level)
