"""Figures of answers with their intervals: the Net Promoter Score and the mean of a bounded score."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, t

from monitoring.proportions import wilson

#: From this answer on somebody promotes, and up to this one somebody detracts, on the scale of 0 to 10.
PROMOTER: Final = 9
DETRACTOR: Final = 6


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of ``n`` customers with its interval at ``level``."""

    estimate: float
    low: float
    high: float
    n: int
    level: float = 0.95


def net_promoter_score(promoters: int, detractors: int, n: int, *, level: float = 0.95) -> Figure:
    """Return the share of promoters less that of detractors, in points from -100 to 100, with its interval.

    Both shares are of the same answers: the difference of two shares of one multinomial, as of the two discordant cells
    of paired yes-or-no answers. The interval is the adjusted Wald interval: one answer more in each of the two cells,
    cut at -100 and 100; the estimate is the plain difference.

    Args:
        promoters: Answers of 9 and 10.
        detractors: Answers from 0 to 6.
        n: All answers, at least 1.
        level: Coverage of the interval, in (0, 1).

    Raises:
        ValueError: there is no answer, or there are more promoters and detractors than answers.

    Source: Bonett and Price, Adjusted Wald confidence interval for a difference of binomial proportions based on
    paired data, Journal of Educational and Behavioral Statistics 37 (2012) 479; for the score: Rocks, Interval
    estimation for the Net Promoter Score, The American Statistician 70 (2016) 365 (adjusted Wald intervals keep their
    promise, the plain one does not).

    Examples:
        >>> score = net_promoter_score(26, 4, 48)
        >>> round(score.estimate, 1), round(score.low, 1), round(score.high, 1)
        (45.8, 25.5, 62.5)
    """
    if n < 1 or promoters < 0 or detractors < 0 or promoters + detractors > n:
        raise ValueError(
            f"net_promoter_score: needs n > 0 and promoters + detractors <= n (got {promoters}, {detractors}, {n})."
        )
    up, down = (promoters + 1) / (n + 2), (detractors + 1) / (n + 2)
    half = float(norm.isf((1 - level) / 2)) * sqrt((up + down - (up - down) ** 2) / (n + 2))
    low, high = max(up - down - half, -1.0), min(up - down + half, 1.0)
    return Figure(100 * (promoters - detractors) / n, 100 * low, 100 * high, n, level)


def mean_score(scores: npt.NDArray[np.float64], *, lowest: float, highest: float, level: float = 0.95) -> Figure | None:
    """Return the mean of some customers' scores with its interval; None for fewer than two.

    Student's interval, cut at the ends of the scale. Where all say the same it would have no width, which is not what
    is known: then Wilson's interval for a share of the scale, which no bounded score exceeds.

    Args:
        scores: One per customer, shape (n,).
        lowest: Lowest answer of the scale.
        highest: Highest answer.
        level: Coverage of the interval.

    Examples:
        >>> found = mean_score(np.array([7.0, 8.0, 10.0, 3.0]), lowest=0.0, highest=10.0)
        >>> round(found.estimate, 2), round(found.low, 2), round(found.high, 2)
        (7.0, 2.32, 10.0)
    """
    n = len(scores)
    if n < 2:
        return None
    mean, spread = float(scores.mean()), float(scores.std(ddof=1))
    if spread > 0:
        half = float(t.isf((1 - level) / 2, n - 1)) * spread / sqrt(n)
        return Figure(mean, max(mean - half, lowest), min(mean + half, highest), n, level)
    width = highest - lowest
    share = wilson(min(max(n * (mean - lowest) / width, 0.0), float(n)), n, level=level)
    return Figure(mean, lowest + width * share.low, lowest + width * share.high, n, level)
