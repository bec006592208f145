import numpy as np
import pytest
from scipy import special
from sklearn.linear_model import LogisticRegression

from holdback.errors import DataError
from training.calibration import SMALLEST_SLOPE, Line, fit_platt, logistic_line


def test_the_line_is_the_maximum_likelihood_one() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(3, 2, 5000)
    churned = rng.uniform(size=5000) < special.expit(0.7 * scores - 2)
    ours = logistic_line(scores, churned.astype(float))
    theirs = LogisticRegression(C=1e12, tol=1e-12, max_iter=1000).fit(scores[:, None], churned)
    assert ours.slope == pytest.approx(theirs.coef_[0, 0], abs=1e-4)
    assert ours.intercept == pytest.approx(theirs.intercept_[0], abs=1e-4)


def test_weights_count_like_repeated_rows() -> None:
    rng = np.random.default_rng(2)
    scores = rng.normal(size=300)
    target = (rng.uniform(size=300) < special.expit(scores)).astype(float)
    weights = rng.integers(0, 4, 300)
    repeated = logistic_line(np.repeat(scores, weights), np.repeat(target, weights))
    weighted = logistic_line(scores, target, weights=weights.astype(float))
    assert weighted.slope == pytest.approx(repeated.slope, abs=1e-8)
    assert weighted.intercept == pytest.approx(repeated.intercept, abs=1e-8)


def test_known_distortion_is_taken_back() -> None:
    rng = np.random.default_rng(3)
    logit = rng.normal(-1, 1.5, 40_000)
    churned = rng.uniform(size=40_000) < special.expit(logit)
    line = fit_platt((logit + 1) * 2, churned)  # true line: half the slope, minus one
    # Standard errors of a two-parameter fit on 40,000 rows are below .01; four of them.
    assert line.slope == pytest.approx(0.5, abs=0.03)
    assert line.intercept == pytest.approx(-1.0, abs=0.06)


def test_perfectly_separated_scores_still_give_a_finite_line() -> None:
    line = fit_platt(np.array([-3.0, -2.0, 2.0, 3.0]), np.array([False, False, True, True]))
    probability = line.probability(np.array([-3.0, 3.0]))
    assert 0 < probability[0] < 0.5 < probability[1] < 1


def test_scores_that_rank_backwards_are_never_turned_round() -> None:
    rng = np.random.default_rng(4)
    scores = rng.normal(size=2000)
    churned = rng.uniform(size=2000) < special.expit(-scores)
    line = fit_platt(scores, churned)
    assert line.slope == SMALLEST_SLOPE
    # The level is right although the ranking is hopeless; Platt's targets shrink it by less than 2 / 1000.
    assert line.probability(scores).mean() == pytest.approx(churned.mean(), abs=0.002)


def test_a_line_is_a_sigmoid() -> None:
    assert Line(2.0, -1.0).probability(np.array([0.5]))[0] == pytest.approx(0.5, abs=0)


def test_one_class_cannot_be_calibrated() -> None:
    with pytest.raises(DataError, match="0 churners"):
        fit_platt(np.arange(3.0), np.zeros(3, bool))
