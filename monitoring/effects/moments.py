"""Counts, means and covariances of one group: all that leaves the warehouse, and all that an effect needs.

The row behind the moments is a *unit* (who is randomised together), with totals over its customers: so households are
analysed as they were drawn. A rate per customer is the ratio of two means, ``mean(total) / mean(customers)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """What is known of one group of units.

    Attributes:
        names: Name of each total, such as ``customers``, ``churned``, ``margin_cents``; shape (k,).
        count: Units, n.
        mean: Mean of each total over units, shape (k,).
        covariance: Sample covariance (divisor n - 1) between the totals, shape (k, k); zeros when n < 2.
    """

    names: tuple[str, ...]
    count: int
    mean: Floats
    covariance: Floats

    def position(self, name: str) -> int:
        """Return where a total stands; raise ``KeyError`` when it is not there."""
        try:
            return self.names.index(name)
        except ValueError:
            raise KeyError(f"moments: {name!r} is none of {', '.join(self.names)}") from None

    def total(self, name: str) -> float:
        """Return the sum of one total over all units."""
        return float(self.mean[self.position(name)] * self.count)


def moments_of(totals: Mapping[str, npt.ArrayLike]) -> Moments:
    """Return the moments of units given as arrays, one per total, each of shape (n,).

    Examples:
        >>> found = moments_of({"customers": [1, 2, 1], "churned": [0, 1, 1]})
        >>> found.count, round(float(found.mean[1]), 4)
        (3, 0.6667)
    """
    rows = np.vstack([np.asarray(values, dtype=np.float64) for values in totals.values()])
    count = rows.shape[1]
    covariance = np.cov(rows, ddof=1) if count > 1 else np.zeros((len(rows), len(rows)))
    mean = rows.mean(axis=1) if count else np.zeros(len(rows))
    return Moments(tuple(totals), count, mean, np.atleast_2d(covariance))
