"""What each campaign can be expected to do next year: what it did, drawn towards what campaigns here usually do.

Campaigns are repeated because they looked good, so their measured effects are too good. Nothing here adds campaigns up:
their effects overlap, and the sum is not the programme's effect, which the global holdout measures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Final, Literal

from scipy.stats import norm

from monitoring.effects.segments import shrink_segments

#: Fewer campaigns than this say too little about what campaigns usually do.
SMALLEST_PORTFOLIO: Final = 4


@dataclass(frozen=True, slots=True)
class Expected:
    """What one campaign can be expected to do when it is repeated.

    Attributes:
        name: Which campaign.
        measured: Its effect as measured.
        standard_error: Of the measured effect.
        estimate: Effect to expect.
        low: Lower end of the interval of its true effect.
        high: Upper end.
    """

    name: str
    measured: float
    standard_error: float
    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Portfolio:
    """What to expect of every campaign, side by side; never a total.

    Attributes:
        campaigns: One of each, in the order given.
        mean: Effect of a typical campaign.
        spread: Standard deviation of true effects between campaigns.
        source: ``campaigns`` when mean and spread were learned from them, ``prior`` when they were given.
        level: Coverage that the intervals promise.
    """

    campaigns: tuple[Expected, ...]
    mean: float
    spread: float
    source: Literal["campaigns", "prior"]
    level: float


def expected_next(
    measured: Mapping[str, tuple[float, float]],
    *,
    prior: tuple[float, float] | None = None,
    level: float = 0.95,
) -> Portfolio:
    """Draw the measured effects of campaigns towards the usual one: ``(d s^2 + mu se^2) / (s^2 + se^2)``.

    With four campaigns and more, ``mu`` and ``s`` come from the campaigns, and the formula is averaged over what they
    leave open about both (:func:`monitoring.effects.segments.shrink_segments`; the best single guess of ``s`` would
    give intervals that cover .86 where .95 is promised). With fewer they must be given.

    Args:
        measured: Effect and its standard error of each campaign, all of one metric, in its own unit.
        prior: Mean and standard deviation of true effects, for fewer than four campaigns; else it is not looked at.
        level: Coverage of the intervals.

    Raises:
        ValueError: no campaign; fewer than four without a prior; numbers out of range.

    Source: Efron and Morris, JASA 70 (1975) 311.

    Examples:
        >>> round(expected_next({"spring": (-0.03, 0.01)}, prior=(-0.01, 0.01)).campaigns[0].estimate, 4)
        -0.02
    """
    if len(measured) >= SMALLEST_PORTFOLIO:
        learned = shrink_segments(measured, level=level)
        campaigns = tuple(
            Expected(each.name, each.raw, each.standard_error, each.estimate, each.low, each.high)
            for each in learned.segments
        )
        return Portfolio(campaigns, learned.mu, learned.tau, "campaigns", level)
    if not measured:
        raise ValueError("expected_next: there is no campaign to look at.")
    if prior is None:
        raise ValueError(
            f"expected_next: {len(measured)} campaigns say too little about the usual one. Give a prior, or wait until "
            f"there are {SMALLEST_PORTFOLIO}."
        )
    mean, spread = prior
    if not (isfinite(mean) and isfinite(spread) and spread > 0 and 0 < level < 1):
        raise ValueError(f"expected_next: prior needs a spread above 0, level lies in (0, 1) (got {prior}, {level}).")
    z = float(norm.isf((1 - level) / 2))
    given = tuple(_drawn(name, *pair, mean=mean, spread=spread, z=z) for name, pair in measured.items())
    return Portfolio(given, mean, spread, "prior", level)


def _drawn(name: str, effect: float, error: float, *, mean: float, spread: float, z: float) -> Expected:
    if not (isfinite(effect) and isfinite(error) and error > 0):
        raise ValueError(f"expected_next: {name}: needs a number and a standard error above 0 (got {effect}, {error}).")
    together = spread**2 + error**2
    estimate = (effect * spread**2 + mean * error**2) / together
    half = z * spread * error / sqrt(together)
    return Expected(name, effect, error, estimate, estimate - half, estimate + half)
