"""What to expect of campaigns next year: less than of those that looked good."""

import numpy as np
import pytest
from scipy import stats

from monitoring.effects import portfolio
from monitoring.effects.portfolio import expected_next
from monitoring.effects.segments import shrink_segments


def test_with_a_prior_it_is_the_conjugate_normal_answer() -> None:
    """d = -3, se = 1, prior N(-1, 2^2): precision 1 + 1/4, mean (-3 - 1/4) / 1.25 = -2.6, sd 1 / sqrt(1.25)."""
    found = expected_next({"spring": (-3.0, 1.0)}, prior=(-1.0, 2.0)).campaigns[0]
    assert found.estimate == pytest.approx(-2.6)
    low, high = stats.norm.interval(0.95, -2.6, 1 / np.sqrt(1.25))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_four_campaigns_speak_for_themselves() -> None:
    measured = {"a": (-0.03, 0.01), "b": (-0.01, 0.01), "c": (0.0, 0.01), "d": (-0.02, 0.01)}
    found = expected_next(measured, prior=(5.0, 1.0))
    assert found.source == "campaigns"
    assert found.mean == pytest.approx(-0.015, abs=1e-4)
    assert [each.estimate for each in found.campaigns] == [each.estimate for each in shrink_segments(measured).segments]
    assert -0.03 < found.campaigns[0].estimate < found.mean


def test_fewer_campaigns_need_a_prior() -> None:
    with pytest.raises(ValueError, match="Give a prior, or wait until there are 4"):
        expected_next({"a": (-0.03, 0.01)})


def test_nothing_here_adds_campaigns_up() -> None:
    found = expected_next({"a": (-0.03, 0.01)}, prior=(0.0, 0.01))
    names = [*dir(portfolio), *dir(found)]
    assert not [name for name in names if "sum" in name.lower() or "total" in name.lower() or "add" in name.lower()]


@pytest.mark.parametrize(
    ("measured", "prior"),
    [
        ({}, (0.0, 1.0)), ({"a": (float("nan"), 1.0)}, (0.0, 1.0)), ({"a": (1.0, 0.0)}, (0.0, 1.0)),
        ({"a": (1.0, 1.0)}, (0.0, 0.0)), ({str(i): (1.0, 0.0) for i in range(5)}, None),
    ],
)  # fmt: skip
def test_impossible_numbers_are_refused(
    measured: dict[str, tuple[float, float]], prior: tuple[float, float] | None
) -> None:
    with pytest.raises(ValueError):
        expected_next(measured, prior=prior)


@pytest.mark.slow
@pytest.mark.truth
def test_what_is_expected_of_significant_campaigns_is_unbiased() -> None:
    """Prior as in the world (statistics 3i: measured 1.6 times the truth, drawn -.01019 against -.01019)."""
    rng = np.random.default_rng(51)
    mu, s, se = -0.006, 0.006, 0.007
    theta = rng.normal(mu, s, 20_000)
    d = rng.normal(theta, se)
    is_chosen = d + 1.96 * se < 0
    drawn = [expected_next({"x": (each, se)}, prior=(mu, s)).campaigns[0] for each in d[is_chosen]]
    estimate, truth = np.array([each.estimate for each in drawn]), theta[is_chosen]
    error = (estimate - truth).std() / np.sqrt(len(truth))
    assert abs((estimate - truth).mean()) <= 3 * error
    assert d[is_chosen].mean() / truth.mean() > 1.5
    covered = np.mean([each.low <= t <= each.high for each, t in zip(drawn, truth, strict=True)])
    assert abs(covered - 0.95) <= 3 * np.sqrt(0.95 * 0.05 / len(truth))


@pytest.mark.slow
@pytest.mark.truth
def test_intervals_learned_from_twelve_campaigns_cover() -> None:
    """600 portfolios; the prior of s is not the world's, so 1.5 points are allowed beside three binomial errors."""
    rng = np.random.default_rng(52)
    worlds, covered, chosen = 600, 0, []
    for _ in range(worlds):
        se = rng.uniform(0.004, 0.012, 12)
        theta = rng.normal(-0.006, 0.006, 12)
        d = rng.normal(theta, se)
        found = expected_next({str(i): pair for i, pair in enumerate(zip(d, se, strict=True))}).campaigns
        covered += found[0].low <= theta[0] <= found[0].high
        chosen += [
            (each.measured, each.estimate, truth)
            for each, truth in zip(found, theta, strict=True)
            if each.measured + 1.96 * each.standard_error < 0
        ]
    assert covered / worlds >= 0.935 - 3 * np.sqrt(0.95 * 0.05 / worlds)
    measured, estimate, truth = np.mean(chosen, axis=0)
    assert measured / truth > 1.5
    assert estimate / truth < 1.2
