"""One figure from several measurements of the same thing, which differ by chance and also in truth.

Measurement j finds ``y_j ~ N(s_j, v_j)`` about a truth of its own, ``s_j ~ N(mu, tau^2)``, and ``mu ~ N(m, s^2)``
beforehand. Given ``tau`` all is normal and closed; ``tau`` itself is integrated out on a grid. The usual estimators
of ``tau^2`` (DerSimonian and Laird; Paule and Mandel) find 0 about every other time when two or three measurements are
compared, and then promise too much: with two campaigns of 25,000 customers whose truths differ by 5 points, the 95 %
interval of Paule and Mandel covered the truth of the next campaign in 69 % of 2,000 worlds, this one in 92 %
(``tests/campaigns/test_lifts.py`` holds it to that).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Density = Callable[[Floats], Floats]

_GRID_POINTS = 2_001


@dataclass(frozen=True, slots=True)
class Pooled:
    """What several measurements and a prior say together.

    Attributes:
        mean: Posterior mean of mu, which is also what one more measurement is expected to be about.
        variance: Posterior variance of mu.
        between_mean: Posterior mean of tau, by which the truths vary.
        between_variance: Posterior mean of tau^2; added to ``variance`` it is that of one more truth.
        prior_share: Weight of the prior's mean in ``mean``, in [0, 1].
    """

    mean: float
    variance: float
    between_mean: float
    between_variance: float
    prior_share: float


def pooled(
    estimates: Sequence[float],
    variances: Sequence[float],
    *,
    prior_mean: float,
    prior_variance: float,
    between: Density,
    between_most: float,
) -> Pooled:
    """Unite measurements with what was believed before.

    Args:
        estimates: What each found, shape (k,), k >= 1.
        variances: Of each by chance, above 0, shape (k,).
        prior_mean: m.
        prior_variance: s^2, above 0.
        between: Density of tau beforehand, on [0, ``between_most``]; it need not add up to 1.
        between_most: Largest tau that is thought of.

    Raises:
        ValueError: nothing to pool, or a variance is not above 0.

    Examples:
        >>> same = lambda tau: (tau == 0) * 1.0
        >>> pooled([0.3], [0.01], prior_mean=0.2, prior_variance=0.01, between=same, between_most=1.0).mean
        0.25
    """
    y, v = np.asarray(estimates, dtype=np.float64), np.asarray(variances, dtype=np.float64)
    if y.size == 0 or y.size != v.size or not (np.isfinite(y).all() and np.isfinite(v).all() and (v > 0).all()):
        raise ValueError("estimates, variances: must be at least one number each, with variances above 0")
    tau = np.linspace(0.0, between_most, _GRID_POINTS)
    total = v + tau[:, None] ** 2
    precision = (1.0 / total).sum(axis=1)
    share = (1.0 / prior_variance) / (1.0 / prior_variance + precision)
    mean = share * prior_mean + (1.0 - share) * (y / total).sum(axis=1) / precision
    variance = share * prior_variance
    # Likelihood of tau, mu integrated out: the normal density of everything at mu's mean, times the spread of mu.
    squares = ((y - mean[:, None]) ** 2 / total).sum(axis=1) + (mean - prior_mean) ** 2 / prior_variance
    log_likelihood = -0.5 * (np.log(total).sum(axis=1) + squares - np.log(variance))
    weight = between(tau) * np.exp(log_likelihood - log_likelihood.max())
    weight /= weight.sum()
    center = float(weight @ mean)
    return Pooled(
        mean=center,
        variance=float(weight @ (variance + (mean - center) ** 2)),
        between_mean=float(weight @ tau),
        between_variance=float(weight @ tau**2),
        prior_share=float(weight @ share),
    )
