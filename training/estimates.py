"""What a measurement looks like here: never a bare number, always its interval, its n and how it was made."""

from __future__ import annotations

from dataclasses import dataclass

from scipy import stats

CONFIDENCE = 0.95
"""Confidence of every interval in this package."""

_TWO_SIDED = float(stats.norm.ppf(0.5 + CONFIDENCE / 2))
_ONE_SIDED = float(stats.norm.ppf(CONFIDENCE))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured figure with its 95 % interval.

    Attributes:
        estimate: The figure itself.
        low: Lower end of the interval.
        high: Upper end of the interval.
        n: Number of rows behind it.
        method: How the interval was made, in words a reader of the model card understands.

    Examples:
        >>> print(Estimate(0.8485, 0.839, 0.858, 7043, "DeLong"))
        0.848 (0.839 to 0.858, n = 7,043)
    """

    estimate: float
    low: float
    high: float
    n: int
    method: str

    def __str__(self) -> str:
        return f"{self.estimate:.3f} ({self.low:.3f} to {self.high:.3f}, n = {self.n:,})"


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """The difference of one metric between two models on the same rows, first minus second.

    Attributes:
        metric: Which metric, for example ``auc``.
        estimate: First model's value minus the second's.
        standard_error: Of the estimate, in its unit; 0 when the two models agree on every row.
        low: Lower end of the 95 % interval.
        high: Upper end of the 95 % interval.
        p_value: Two-sided p-value of "no difference".
        n: Rows both models scored.
        churner_count: Churners among them.
        method: How the interval was made.
    """

    metric: str
    estimate: float
    standard_error: float
    low: float
    high: float
    p_value: float
    n: int
    churner_count: int
    method: str

    @property
    def lower_bound(self) -> float:
        """One-sided 95 % bound: the true difference lies below it with a chance of at most 1 in 20."""
        return self.estimate - _ONE_SIDED * self.standard_error

    @property
    def upper_bound(self) -> float:
        """One-sided 95 % bound: the true difference lies above it with a chance of at most 1 in 20."""
        return self.estimate + _ONE_SIDED * self.standard_error

    def __str__(self) -> str:
        p_value = "p < 0.001" if self.p_value < 0.001 else f"p = {self.p_value:.3f}"
        return f"{self.estimate:+.4f} ({self.low:+.4f} to {self.high:+.4f}, {p_value}, n = {self.n:,})"


def normal_difference(
    metric: str, estimate: float, standard_error: float, *, n: int, churner_count: int, method: str
) -> PairedDifference:
    """Build the difference whose error is normal with the given standard error."""
    half = _TWO_SIDED * standard_error
    # Models that agree on every row differ by nothing, with certainty: no evidence of a difference.
    p_value = float(2 * stats.norm.sf(abs(estimate) / standard_error)) if standard_error > 0 else 1.0
    return PairedDifference(
        metric, estimate, standard_error, estimate - half, estimate + half, p_value, n, churner_count, method
    )
