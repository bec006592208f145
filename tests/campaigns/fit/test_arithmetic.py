"""V, C, R and what follows from them: answers that can be computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from campaigns.fit.arithmetic import cost_interval, fit_score, likely_range, net_interval
from campaigns.margins import survived_months


def score(v: float, c: float, r: float) -> float:
    return float(fit_score(np.array([v]), np.array([c]), np.array([r]))[0])


def test_the_published_example_has_fit_75() -> None:
    # churn-model.md, verification tests: V = 300, C = 80, R = 20.
    assert score(300, 80, 20) == 75.0


def test_break_even_is_50() -> None:
    assert score(100, 80, 20) == 50.0


def test_the_scale_ends_at_0_and_100() -> None:
    assert (score(100, 0, 0), score(0, 100, 0), score(-50, 100, 20), score(-50, 0, 0)) == (100.0, 0.0, 0.0, 0.0)


def test_of_whom_nothing_is_expected_is_at_break_even() -> None:
    assert score(0, 0, 0) == 50.0


def test_one_channel_has_the_exact_interval_of_its_gamma() -> None:
    # Posterior shape 7, rate 12 months, 4.20 a call.
    found = cost_interval(np.array([4.2 * 7 / 12]), np.array([4.2**2 * 7 / 144]))
    exact = stats.gamma(7, scale=4.2 / 12)
    assert (found.low[0], found.high[0]) == pytest.approx((exact.ppf(0.1), exact.ppf(0.9)))


def test_a_sure_cost_has_no_interval() -> None:
    found = cost_interval(np.array([3.0, 0.0]), np.array([0.0, 0.0]))
    assert found.low.tolist() == found.high.tolist() == [3.0, 0.0]


def test_two_channels_cover_their_sum_four_times_out_of_five() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.gamma(2, 4.2 / 10, 100_000), rng.gamma(0.5, 9.0 / 20, 100_000)
    mean, variance = 2 * 0.42 + 0.5 * 0.45, 2 * 0.42**2 + 0.5 * 0.45**2
    found = cost_interval(np.array([mean]), np.array([variance]))
    covered = np.mean((first + second > found.low) & (first + second < found.high))
    assert covered == pytest.approx(0.8, abs=0.01)  # Satterthwaite's own error is below one point here


@pytest.mark.parametrize("margin", [3.0, 1.0, 0.4])
def test_the_interval_of_the_net_covers_what_is_drawn_from_its_parts(margin: float) -> None:
    rng = np.random.default_rng(2)
    n, p = 100_000, 0.1
    logit = np.log(p / (1 - p)) + 0.3 * rng.normal(size=n)

    def stays(probability: np.ndarray) -> np.ndarray:
        return survived_months(probability, outcome_days=60, discount_rate=0.08, horizon_days=365)

    drawn = stays(1 / (1 + np.exp(-logit))) * (margin + 0.2 * rng.normal(size=n) - rng.gamma(3, 0.3, n))
    one = np.array([p])
    least, most = likely_range(one)
    found = net_interval(
        np.array([margin]),
        np.array([0.2]),
        np.array([0.9]),
        np.array([3 * 0.3**2]),
        stays(one),
        (stays(most), stays(least)),
    )
    covered = np.mean((drawn > found.low) & (drawn < found.high))
    assert 0.77 < covered < 0.85  # MOVER is approximate; it may be a little too wide, never much too narrow


def test_a_customer_who_brings_a_loss_brings_less_of_it_when_he_leaves_sooner() -> None:
    months, fewest, most = np.array([8.0]), np.array([6.0]), np.array([9.0])
    sure = np.array([0.0])
    found = net_interval(np.array([1.0]), sure, np.array([3.0]), sure, months, (fewest, most))
    assert (found.low[0], found.high[0]) == (-18.0, -12.0)
