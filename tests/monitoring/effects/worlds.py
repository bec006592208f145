"""Simulated campaigns whose truth is known, and how far a measured share of them may lie from what was promised."""

from collections.abc import Callable, Iterable

import numpy as np
from scipy.stats import binom

from monitoring.effects import Effect, Moments, moments_of

#: Probability that a correct method fails a test of its coverage: three standard errors. Seeds are fixed.
ERROR = 0.003


def bounds(share, worlds):
    """Between which a share of `worlds` lies when each world succeeds with probability `share`, but for ERROR."""
    return float(binom.ppf(ERROR / 2, worlds, share) / worlds), float(binom.isf(ERROR / 2, worlds, share) / worlds)


def coverage(truth: float, effects: Iterable[Effect]) -> float:
    return float(np.mean([found.low <= truth <= found.high for found in effects]))


def assert_covers(truth: float, effects: Iterable[Effect]) -> None:
    found = list(effects)
    low, high = bounds(found[0].level, len(found))
    assert len(found) >= 400
    assert low <= coverage(truth, found) <= high, (coverage(truth, found), low, high)


def simulate(worlds: int, one_world: Callable[[], Effect]) -> list[Effect]:
    return [one_world() for _ in range(worlds)]


def single(churned: int, n: int) -> Moments:
    """`n` units of one customer each, `churned` of whom left: what moments_of would say, without the rows."""
    share = churned / n
    spread = share * (1 - share) * n / (n - 1) if n > 1 else 0.0
    covariance = np.zeros((3, 3))
    covariance[2, 2] = spread
    return Moments(("customers", "known", "churned"), n, np.array([1.0, 1.0, share]), covariance)


def households(rng: np.random.Generator, n: int, rate: float, alike: float) -> Moments:
    """`n` households of 1 to 4 customers with churn `rate`; `alike` is the correlation within a household."""
    size = rng.integers(1, 5, n)
    mass = 1 / alike - 1
    inclined = rng.beta(rate * mass, (1 - rate) * mass, n)
    return moments_of({"customers": size, "known": size, "churned": rng.binomial(size, inclined)})
