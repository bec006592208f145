"""Empirical Bayes: what a prior learns from everybody."""

from __future__ import annotations

import numpy as np
import pytest

from campaigns.shrinkage import gamma_poisson, mean_credibility


@pytest.mark.parametrize(("shape", "mean"), [(0.5, 0.3), (2.0, 1.0), (8.0, 0.1)])
def test_the_prior_that_made_the_counts_is_found(shape: float, mean: float) -> None:
    rng = np.random.default_rng(1)
    months = rng.uniform(1, 24, 20_000)
    counts = rng.poisson(rng.gamma(shape, mean / shape, months.size) * months)
    prior = gamma_poisson(counts, months)
    assert prior.method == "likelihood"
    # Standard error of the mean by simulation of the same design: below 1.5 %; of the shape, below 6 %.
    assert prior.mean == pytest.approx(mean, rel=0.05)
    assert prior.shape == pytest.approx(shape, rel=0.2)
    assert (prior.customer_count, prior.event_count) == (20_000, int(counts.sum()))


def test_the_posterior_covers_the_truth_as_often_as_it_says() -> None:
    from scipy import stats

    rng = np.random.default_rng(2)
    months = rng.uniform(1, 24, 10_000)
    rates = rng.gamma(0.8, 0.5, months.size)
    counts = rng.poisson(rates * months)
    prior = gamma_poisson(counts, months)
    posterior = stats.gamma(prior.shape + counts, scale=1 / (prior.rate + months))
    covered = np.mean((rates > posterior.ppf(0.1)) & (rates < posterior.ppf(0.9)))
    assert abs(covered - 0.8) < 4 * np.sqrt(0.8 * 0.2 / months.size)  # four binomial standard errors


def test_customers_who_are_all_alike_get_the_common_rate() -> None:
    rng = np.random.default_rng(3)
    months = np.full(5000, 12.0)
    prior = gamma_poisson(rng.poisson(2.0 * months), months)
    assert (prior.shape + 40) / (prior.rate + 12) == pytest.approx(prior.mean, rel=0.05)


def test_what_was_never_seen_has_rate_zero() -> None:
    prior = gamma_poisson(np.zeros(4, dtype=np.int64), np.array([1.0, 2.0, 3.0, 4.0]))
    assert (prior.method, prior.mean, prior.rate) == ("never seen", 0.0, 10.0)


def test_one_customer_is_enough_to_have_a_rate() -> None:
    prior = gamma_poisson(np.array([6]), np.array([12.0]))
    assert prior.mean == pytest.approx(0.5, rel=0.01)


def test_credibility_is_the_ratio_of_the_two_variances() -> None:
    # Amounts N(own mean, 40^2), own means N(100, 20^2): the weight of the prior is 1600 / 400 = 4 amounts.
    rng = np.random.default_rng(4)
    counts = rng.integers(1, 12, 20_000)
    own = rng.normal(100, 20, counts.size)
    who = np.repeat(np.arange(counts.size), counts)
    amounts = rng.normal(own[who], 40)
    totals, squares = (np.bincount(who, weights=values) for values in (amounts, amounts**2))
    prior = mean_credibility(counts, totals, squares)
    assert prior.mean == pytest.approx(100, abs=1)
    assert prior.variance == pytest.approx(1600, rel=0.03)
    assert prior.weight == pytest.approx(4, rel=0.1)


def test_amounts_that_differ_only_by_chance_get_the_common_mean() -> None:
    prior = mean_credibility(np.array([2, 2, 2]), np.array([10.0, 10.0, 10.0]), np.array([60.0, 60.0, 60.0]))
    assert prior.weight == 1e6


def test_nobody_who_bought_is_no_fault() -> None:
    assert mean_credibility(np.zeros(3, dtype=np.int64), np.zeros(3), np.zeros(3)).mean == 0.0
