"""Platt's line: two parameters that turn a score in logits into a probability and cannot change the ranking.

Isotonic, beta and sklearn's "sigmoid" (which works on probabilities) lost log-loss or ranking at every size that was
tried; a straight line on the logit never did. Source: Platt 1999 (targets), measured 2026-11-21.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from holdback.errors import DataError

Floats = npt.NDArray[np.float64]

SMALLEST_SLOPE = 0.01
"""A model without any signal can fit a slope of zero or below; below this the ranking would be lost or inverted."""


@dataclass(frozen=True, slots=True)
class Line:
    """``probability = sigmoid(slope * score + intercept)``."""

    slope: float
    intercept: float

    def probability(self, scores: Floats) -> Floats:
        """Apply the line: scores in logits, shape (n,), to probabilities in (0, 1)."""
        return np.asarray(special.expit(self.slope * np.asarray(scores, dtype=np.float64) + self.intercept))


def fit_platt(scores: Floats, churned: npt.NDArray[np.bool_]) -> Line:
    """Fit the calibration line on out-of-fold scores.

    Args:
        scores: Raw scores in logits that the model did not see the outcome of, shape (n,).
        churned: Outcomes, shape (n,).

    Returns:
        The line; its slope is at least ``SMALLEST_SLOPE``, so that it never inverts the ranking.

    Raises:
        DataError: Only one class is present.
    """
    churned = np.asarray(churned, dtype=bool)
    m, n = int(churned.sum()), int((~churned).sum())
    if m == 0 or n == 0:
        raise DataError(f"calibration: {m} churners and {n} others. Both classes must be present. Use more outcomes.")
    # Platt's targets keep the line finite when the scores separate the classes perfectly.
    target = np.where(churned, (m + 1) / (m + 2), 1 / (n + 2))
    line = logistic_line(scores, target)
    if line.slope >= SMALLEST_SLOPE:
        return line
    flattened = SMALLEST_SLOPE * np.asarray(scores, dtype=np.float64)
    return Line(SMALLEST_SLOPE, _intercept(flattened, float(target.mean())))


def logistic_line(
    scores: Floats, target: Floats, *, weights: Floats | None = None, start: Line = Line(1.0, 0.0)
) -> Line:
    """Maximum-likelihood line of a target in [0, 1] on one score, by Newton's method with step halving.

    Args:
        scores: The score, shape (n,).
        target: Outcome or smoothed outcome in [0, 1], shape (n,).
        weights: Weight of each row, shape (n,); None for equal weights.
        start: Where to begin; close starts save steps in a bootstrap.
    """
    x = np.asarray(scores, dtype=np.float64)
    y = np.asarray(target, dtype=np.float64)
    w = np.ones_like(x) if weights is None else np.asarray(weights, dtype=np.float64)
    total = w.sum()
    # Newton is run on the centred and scaled score: the 2x2 system then stays well conditioned for any unit of x.
    centre = float(w @ x / total)
    scale = float(np.sqrt(w @ np.square(x - centre) / total)) or 1.0
    z = (x - centre) / scale
    slope, intercept = start.slope * scale, start.intercept + start.slope * centre

    def loss(a: float, b: float) -> float:
        eta = a * z + b
        return float(w @ (np.logaddexp(0.0, eta) - y * eta) / total)

    current = loss(slope, intercept)
    for _ in range(50):
        p = special.expit(slope * z + intercept)
        residual = w * (p - y) / total
        curvature = w * p * (1 - p) / total
        g_slope, g_intercept = float(residual @ z), float(residual.sum())
        h_ss, h_si, h_ii = float(curvature @ np.square(z)), float(curvature @ z), float(curvature.sum())
        ridge = 1e-12
        determinant = (h_ss + ridge) * (h_ii + ridge) - h_si * h_si
        step_slope = ((h_ii + ridge) * g_slope - h_si * g_intercept) / determinant
        step_intercept = ((h_ss + ridge) * g_intercept - h_si * g_slope) / determinant
        size = 1.0
        after = loss(slope - step_slope, intercept - step_intercept)
        while after > current and size > 1e-6:
            size /= 2
            after = loss(slope - size * step_slope, intercept - size * step_intercept)
        if after > current:
            break
        slope, intercept = slope - size * step_slope, intercept - size * step_intercept
        gained, current = current - after, after
        if gained < 1e-13:
            break
    return Line(slope / scale, intercept - slope * centre / scale)


def _intercept(offset: Floats, mean_target: float) -> float:
    low, high = -50.0, 50.0
    for _ in range(80):
        middle = (low + high) / 2
        if float(special.expit(offset + middle).mean()) < mean_target:
            low = middle
        else:
            high = middle
    return (low + high) / 2
