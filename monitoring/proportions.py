"""Shares and differences of shares, never without their interval and their n."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import isfinite, sqrt

from scipy.special import ndtri


@dataclass(frozen=True)
class Share:
    """``count`` of ``n``, with a Wilson interval. ``n`` may be an effective size and need not be whole."""

    count: float
    n: float
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class ShareDifference:
    """``second - first`` with a Newcombe interval at ``level``."""

    first: Share
    second: Share
    difference: float
    low: float
    high: float
    level: float

    @property
    def excludes_zero(self) -> bool:
        """True when the interval lies on one side of zero."""
        return self.low > 0 or self.high < 0


def wilson(count: float, n: float, *, level: float = 0.95) -> Share:
    """Return the share ``count / n`` with its Wilson score interval.

    Args:
        count: Successes, 0 <= count <= n.
        n: Trials, more than 0.
        level: Coverage of the interval, in (0, 1).

    Raises:
        ValueError: ``n`` is not positive, or ``count`` lies outside [0, n].

    Source: E. B. Wilson, Probable inference, JASA 22 (1927); Newcombe, Statistics in Medicine 17 (1998) 857, method 3.

    Examples:
        >>> share = wilson(81, 263)
        >>> round(share.low, 4), round(share.high, 4)
        (0.2553, 0.3662)
    """
    if not (n > 0 and 0 <= count <= n and isfinite(n)):
        raise ValueError(f"wilson: needs 0 <= count <= n and n > 0 (got count {count!r}, n {n!r}).")
    z = _quantile(level)
    share = count / n
    centre = share + z * z / (2 * n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if count == 0 else (centre - half) / scale
    high = 1.0 if count == n else (centre + half) / scale
    return Share(count, n, share, max(low, 0.0), min(high, 1.0))


@cache
def _quantile(level: float) -> float:
    """How many standard deviations around its mean hold ``level`` of a normal: asked for thousands of shares a day."""
    return -float(ndtri((1 - level) / 2))


def newcombe(first: tuple[float, float], second: tuple[float, float], *, level: float = 0.95) -> ShareDifference:
    """Return ``second - first`` of two independent shares, each given as ``(count, n)``, with its Newcombe interval.

    Raises:
        ValueError: As :func:`wilson`.

    Source: Newcombe, Statistics in Medicine 17 (1998) 873, method 10.

    Examples:
        >>> gap = newcombe((48, 80), (56, 70))
        >>> round(gap.low, 4), round(gap.high, 4)
        (0.0524, 0.3339)
    """
    a, b = wilson(*first, level=level), wilson(*second, level=level)
    difference = b.share - a.share
    low = difference - sqrt((b.share - b.low) ** 2 + (a.high - a.share) ** 2)
    high = difference + sqrt((b.high - b.share) ** 2 + (a.share - a.low) ** 2)
    return ShareDifference(a, b, difference, low, high, level)


def ratio_of(above: Share, below: Share) -> tuple[float, float, float]:
    """Return ``above / below`` of two independent shares, and the limits of the ratio at the level of theirs.

    Raises:
        ValueError: ``below`` may be 0.

    Source: Donner, Zou, Statistical Methods in Medical Research 21 (2012) 347, equation 9.

    Examples:
        >>> [round(value, 3) for value in ratio_of(wilson(650, 10_000), wilson(80, 1_000))]
        [0.812, 0.651, 1.016]
    """
    if below.share <= 0 or below.low <= 0:
        raise ValueError("ratio: the share below may be 0, so the ratio has no upper limit.")
    product = above.share * below.share
    low_root, high_root = (
        sqrt(max(product**2 - over * under * (2 * above.share - over) * (2 * below.share - under), 0.0))
        for over, under in ((above.low, below.high), (above.high, below.low))
    )
    lowest = above.low * (2 * above.share - above.low) / (product + low_root) if product > 0 else 0.0
    highest = (product + high_root) / (below.low * (2 * below.share - below.low))
    return above.share / below.share, lowest, highest
