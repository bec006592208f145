"""AIPW scores: closed forms, unbiasedness under logged propensities, standard errors by customer."""

import numpy as np
import pytest

from tests.training.uplift.worlds import world
from training.uplift.aipw import aipw_scores, average_effect


def test_without_outcome_models_the_mean_is_the_difference_in_means() -> None:
    rng = np.random.default_rng(1)
    y, t = rng.integers(0, 2, 501).astype(float), rng.random(501) < 0.3
    gains = aipw_scores(y, t, np.full(501, t.mean()), 0.0, 0.0)
    # (1/n) sum T Y / (n1/n) = mean of the treated; the other term alike.
    assert gains.mean() == pytest.approx(y[t].mean() - y[~t].mean(), abs=1e-12)


def test_four_customers_by_hand() -> None:
    gains = aipw_scores([1, 0, 1, 0], [1, 1, 0, 0], [0.5, 0.8, 0.5, 0.8], [0.6, 0.6, 0.7, 0.7], [0.5, 0.4, 0.5, 0.4])
    # .1 + .4/.5; .2 - .6/.8; .2 - .5/.5; .3 + .4/.2
    assert gains == pytest.approx([0.9, -0.55, -0.8, 2.3])


def test_wrong_outcome_models_do_no_harm_when_the_propensities_are_true() -> None:
    found = world(np.random.default_rng(2), 40_000, treated_share=None)
    trial = found.trial
    truth = found.gain.mean()
    for m1, m0 in ((found.untreated + found.gain, found.untreated), (np.full(40_000, 0.3), np.full(40_000, 0.9))):
        average = average_effect(aipw_scores(trial.good, trial.treated, trial.propensity, m1, m0))
        error = (average.high - average.low) / 2 / 1.96
        assert average.estimate == pytest.approx(truth, abs=4 * error)
    naive = trial.good[trial.treated].mean() - trial.good[~trial.treated].mean()
    assert abs(naive - truth) > 0.03  # the odds depend on the risk: the plain difference is far off


def test_rows_of_one_customer_count_as_one() -> None:
    gains = np.random.default_rng(3).normal(size=300)
    alone = average_effect(gains)
    thrice = average_effect(np.tile(gains, 3), np.tile(np.arange(300), 3))
    assert (thrice.estimate, thrice.low) == pytest.approx((alone.estimate, alone.low), abs=1e-12)
    assert average_effect(np.tile(gains, 3)).low > alone.low  # as if there were three times the customers


def test_its_interval_holds_what_it_promises() -> None:
    rng = np.random.default_rng(4)
    averages = [average_effect(sample) for sample in rng.exponential(size=(400, 200))]
    held = sum(average.low <= 1 <= average.high for average in averages)
    # 400 x .95 = 380, binomial sd 4.4; skewed samples of 200 lose about a point: four sd and that point.
    assert held > 380 - 4 * 4.4 - 4


def test_a_propensity_that_was_not_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        aipw_scores([1.0], [True], [1.0], 0.5, 0.5)
    with pytest.raises(ValueError, match="at least 2"):
        average_effect([0.1])
