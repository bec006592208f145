"""Effects by segment, drawn towards each other: the best of many raw ones is mostly luck.

Full Bayes over one number. Segment effects are normal around ``mu`` with standard deviation ``tau``; ``mu`` has a flat
prior, ``tau`` a half-Cauchy one (Gelman 2006). Given ``tau`` everything is normal, so one grid over ``tau`` is all the
computation there is, and the intervals know that ``tau`` is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi, sqrt
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy import optimize, special, stats

Floats = npt.NDArray[np.float64]

#: How far apart the segments of a business are expected to lie in churn: one point.
CHURN_SCALE: Final = 0.01
_GRID: Final = 500  # points over the prior's quantiles; forty times as many change no known answer in five digits
_HALVINGS: Final = 40  # to a billionth of the scale


@dataclass(frozen=True, slots=True)
class Segment:
    """The effect in one segment.

    Attributes:
        name: Which segment.
        raw: Effect as measured in it alone; never a headline.
        standard_error: Of the raw effect.
        estimate: Posterior mean: the raw effect drawn towards the others.
        low: Lower end of its interval.
        high: Upper end.
        p_value: Two-sided, of the raw effect against zero.
        q_value: The same after Benjamini and Hochberg over all segments.
    """

    name: str
    raw: float
    standard_error: float
    estimate: float
    low: float
    high: float
    p_value: float
    q_value: float


@dataclass(frozen=True, slots=True)
class Segments:
    """The effects in all segments of one cut, seen together.

    Attributes:
        segments: One of each, in the order given.
        mu: Posterior mean of the effect in a typical segment.
        mu_low: Lower end of its interval.
        mu_high: Upper end.
        tau: Posterior mean of the standard deviation between segments.
        scale: Scale of tau's prior.
        level: Coverage that the intervals promise.
        is_good_when_lower: True for churn.
    """

    segments: tuple[Segment, ...]
    mu: float
    mu_low: float
    mu_high: float
    tau: float
    scale: float
    level: float
    is_good_when_lower: bool

    @property
    def do_not_disturb(self) -> tuple[str, ...]:
        """Segments that the action harms: the upper end of their shrunken benefit lies below zero."""
        return tuple(
            segment.name
            for segment in self.segments
            if (segment.low > 0 if self.is_good_when_lower else segment.high < 0)
        )


@dataclass(frozen=True, slots=True)
class RandomEffects:
    """The classical summary of effects that differ, for reference.

    Attributes:
        tau_squared: Variance between the effects.
        mu: Mean effect.
        standard_error: Of the mean, with tau taken as known.
    """

    tau_squared: float
    mu: float
    standard_error: float


def shrink_segments(
    raw: Mapping[str, tuple[float, float]],
    *,
    scale: float | None = None,
    level: float = 0.95,
    is_good_when_lower: bool = False,
) -> Segments:
    """Draw the effects of segments towards each other, as far as chance alone could have set them apart.

    Intervals are equal-tailed and cover ``level`` of the segments, the luckiest included, when effects vary between
    segments as the prior says. A wide prior (a large ``scale``) shrinks less.

    Args:
        raw: Effect and its standard error of each segment, in the metric's own unit.
        scale: Median of the half-Cauchy prior of ``tau``, in the same unit: 0.01 for churn. None for metrics of which
            nobody knows it (money): the median of the standard errors.
        level: Coverage of the intervals.
        is_good_when_lower: True for churn; decides which segments must not be disturbed.

    Raises:
        ValueError: fewer than two segments; a number that is missing or infinite; a standard error, scale or level
            out of range.

    Source: Gelman, Bayesian Analysis 1 (2006) 515; Benjamini and Hochberg, JRSS B 57 (1995) 289.

    Examples:
        >>> found = shrink_segments({"north": (-0.05, 0.02), "south": (-0.01, 0.02)}, scale=0.01)
        >>> [round(segment.estimate, 3) for segment in found.segments]
        [-0.036, -0.024]
    """
    effects, errors = _checked(raw, "shrink_segments")
    if len(effects) < 2:
        raise ValueError("shrink_segments: needs at least 2 segments (got 1). There is nothing to draw it towards.")
    if scale is None:
        scale = float(np.median(errors))
    if not (np.isfinite(scale) and scale > 0 and 0 < level < 1):
        raise ValueError(f"shrink_segments: scale must be above 0 and level in (0, 1) (got {scale!r} and {level!r}).")
    # Points at equal steps of the prior's probability: they weigh alike, and reach as far as its tail.
    tau = scale * np.tan(pi / 2 * (np.arange(_GRID) + 0.5) / _GRID)
    between = tau[:, None] ** 2 + errors**2
    precision = (1 / between).sum(axis=1)
    mu = (effects / between).sum(axis=1) / precision
    log_weight = -0.5 * (np.log(between) + (effects - mu[:, None]) ** 2 / between).sum(axis=1) - 0.5 * np.log(precision)
    weight = special.softmax(log_weight)
    pull = errors**2 / between
    mean = (1 - pull) * effects + pull * mu[:, None]
    spread = np.sqrt(errors**2 * (1 - pull) + pull**2 / precision[:, None])
    tail = (1 - level) / 2
    low, high = (_quantile(weight, mean, spread, at) for at in (tail, 1 - tail))
    mu_low, mu_high = (
        float(_quantile(weight, mu[:, None], 1 / np.sqrt(precision)[:, None], at)[0]) for at in (tail, 1 - tail)
    )
    p_values = 2 * stats.norm.sf(np.abs(effects) / errors)
    q_values = stats.false_discovery_control(p_values, method="bh")
    columns = (effects, errors, weight @ mean, low, high, p_values, q_values)
    rows = zip(raw, *(column.tolist() for column in columns), strict=True)
    segments = tuple(Segment(*row) for row in rows)
    return Segments(
        segments, float(weight @ mu), mu_low, mu_high, float(weight @ tau), scale, level, is_good_when_lower
    )


def random_effects(
    effects: npt.ArrayLike, standard_errors: npt.ArrayLike, *, method: Literal["dl", "pm"] = "pm"
) -> RandomEffects:
    """Return the mean of effects that differ, and the variance between them.

    ``dl``: DerSimonian and Laird, by moments in one step. ``pm``: Paule and Mandel, the variance at which the weighted
    sum of squares is what it should be, ``k - 1``. For reference and for the portfolio; intervals of single effects
    from them are too narrow (coverage .85), those of :func:`shrink_segments` are not.

    Args:
        effects: Shape (k,), k at least 2.
        standard_errors: Shape (k,).
        method: Which estimate of the variance.

    Raises:
        ValueError: fewer than two effects, or numbers out of range.

    Source: DerSimonian and Laird (1986); Paule and Mandel (1982).
    """
    pairs = zip(np.asarray(effects, float).tolist(), np.asarray(standard_errors, float).tolist(), strict=True)
    d, errors = _checked({str(i): pair for i, pair in enumerate(pairs)}, "random_effects")
    if len(d) < 2:
        raise ValueError(f"random_effects: needs at least 2 effects (got {len(d)}). One says nothing about variance.")
    variances = errors**2

    def excess(tau_squared: float) -> float:
        w = 1 / (variances + tau_squared)
        return float((w * (d - (w * d).sum() / w.sum()) ** 2).sum()) - (len(d) - 1)

    at_zero = excess(0.0)
    if at_zero <= 0:
        tau_squared = 0.0
    elif method == "dl":
        w = 1 / variances
        tau_squared = at_zero / float(w.sum() - (w**2).sum() / w.sum())
    else:
        most = float(np.ptp(d)) ** 2 * len(d)  # there the sum of squares is below 1
        tau_squared = float(optimize.brentq(excess, 0.0, most, xtol=1e-14 * most, rtol=1e-12))
    w = 1 / (variances + tau_squared)
    return RandomEffects(tau_squared, float((w * d).sum() / w.sum()), 1 / sqrt(float(w.sum())))


def _checked(raw: Mapping[str, tuple[float, float]], where: str) -> tuple[Floats, Floats]:
    """Return effects and standard errors as arrays."""
    if not raw:
        raise ValueError(f"{where}: there is no effect to look at.")
    pairs = np.array(list(raw.values()), dtype=np.float64)
    for name, (effect, error) in zip(raw, pairs, strict=True):
        if not (np.isfinite(effect) and np.isfinite(error) and error > 0):
            raise ValueError(f"{where}: {name}: needs a number and a standard error above 0 (got {effect}, {error}).")
    return pairs[:, 0], pairs[:, 1]


def _quantile(weight: Floats, mean: Floats, spread: Floats, at: float) -> Floats:
    """Return the quantile of mixtures of normals: columns of shape (grid, k), weights of shape (grid,)."""
    reach = spread * abs(special.ndtri(at))
    low, high = (mean - reach).min(axis=0), (mean + reach).max(axis=0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        is_below = weight @ special.ndtr((middle - mean) / spread) < at
        low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
    found: Floats = (low + high) / 2
    return found
