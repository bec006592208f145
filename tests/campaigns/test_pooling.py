"""Several measurements and a prior become one figure: known answers, and what an independent integration says."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import integrate, stats

from campaigns.pooling import Density, pooled

Floats = npt.NDArray[np.float64]


def half_cauchy(scale: float) -> Density:
    return lambda tau: 1.0 / (1.0 + (tau / scale) ** 2)


def nearly_none(tau: Floats) -> Floats:
    return np.asarray(tau == 0.0, dtype=np.float64)


def test_eight_schools_of_rubin_1981_with_gelmans_half_cauchy_25() -> None:
    """Gelman (2006), Prior distributions for variance parameters: mu 7.9, E tau 5.9 (statistics.md 3i)."""
    effects = [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0]
    errors = [15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0]
    found = pooled(
        effects, [error**2 for error in errors], prior_mean=0.0, prior_variance=1e8,
        between=half_cauchy(25.0), between_most=200.0,
    )  # fmt: skip
    assert found.mean == pytest.approx(7.9, abs=0.05)
    assert found.between_mean == pytest.approx(5.9, abs=0.05)
    assert found.prior_share < 1e-5


def test_the_figures_are_those_of_an_integration_over_both_unknowns() -> None:
    y, v, m, s2, scale = np.array([0.3, -0.05, 0.2]), np.array([0.01, 0.02, 0.005]), 0.15, 0.005625, 0.1

    def density(mu: float, tau: float) -> float:
        likelihood = np.prod(stats.norm.pdf(y, mu, np.sqrt(v + tau**2)))
        return float(likelihood * stats.norm.pdf(mu, m, np.sqrt(s2)) * np.exp(-0.5 * (tau / scale) ** 2))

    def moment(power_of_mu: int, power_of_tau: int) -> float:
        value, _ = integrate.dblquad(
            lambda mu, tau: density(mu, tau) * mu**power_of_mu * tau**power_of_tau, 0.0, 0.6, -0.5, 0.8, epsabs=1e-7
        )
        return float(value)

    whole = moment(0, 0)
    mean = moment(1, 0) / whole
    found = pooled(
        list(y), list(v), prior_mean=m, prior_variance=s2,
        between=lambda tau: np.asarray(np.exp(-0.5 * (tau / scale) ** 2)), between_most=0.6,
    )  # fmt: skip
    assert found.mean == pytest.approx(mean, abs=2e-5)
    assert found.variance == pytest.approx(moment(2, 0) / whole - mean**2, rel=1e-3)
    assert found.between_mean == pytest.approx(moment(0, 1) / whole, rel=2e-3)
    assert found.between_variance == pytest.approx(moment(0, 2) / whole, rel=2e-3)


def test_without_differences_in_truth_it_is_the_precision_weighted_mean() -> None:
    """Conjugate normal by hand: precisions 100, 50 and (the prior) 25."""
    found = pooled([0.2, 0.5], [0.01, 0.02], prior_mean=-0.1, prior_variance=0.04, between=nearly_none, between_most=1)
    assert found.mean == pytest.approx((100 * 0.2 + 50 * 0.5 + 25 * -0.1) / 175)
    assert found.variance == pytest.approx(1 / 175)
    assert found.prior_share == pytest.approx(25 / 175)


@pytest.mark.parametrize(
    ("estimates", "variances"), [([], []), ([0.1], [0.0]), ([0.1], [0.1, 0.2]), ([float("nan")], [0.1])]
)
def test_nothing_can_be_made_of_nothing(estimates: list[float], variances: list[float]) -> None:
    with pytest.raises(ValueError, match="at least one number each"):
        pooled(estimates, variances, prior_mean=0.0, prior_variance=1.0, between=nearly_none, between_most=1.0)
