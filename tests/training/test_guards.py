from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import special

from tests.training.worlds import logit_world
from training.encoding import learn_encoding
from training.guards import calibration_guard, data_guard, minimum_guard, null_shares_grown, signal_guard
from training.metrics import Evaluation, evaluate, log_loss_difference


def judged(distort: float = 1.0, shift: float = 0.0, *, n: int = 8000, seed: int = 1) -> Evaluation:
    rng = np.random.default_rng(seed)
    logit = rng.normal(-1.2, 1.3, n)
    churned = rng.uniform(size=n) < special.expit(logit)
    return evaluate(churned, special.expit(distort * logit + shift), np.arange(n), capacity=50, rng=rng, resamples=100)


def test_true_probabilities_pass() -> None:
    guard = calibration_guard(judged())
    assert guard.severity == "pass"
    assert guard.name == "calibration"


def test_probabilities_that_promise_half_too_much_are_blocked_with_the_figure() -> None:
    guard = calibration_guard(judged(shift=0.75))
    assert guard.is_blocking
    assert "predicted over actual" in guard.reason


def test_overconfident_probabilities_are_blocked() -> None:
    guard = calibration_guard(judged(distort=2.0))
    assert guard.is_blocking
    assert "calibration slope" in guard.reason


def test_with_few_customers_noise_alone_does_not_block() -> None:
    blocked = sum(calibration_guard(judged(n=400, seed=seed)).is_blocking for seed in range(30))
    # Limits are broken only by whole intervals: three at 2.5 % tails well inside the limits; 4 of 30 would be odd.
    assert blocked <= 3


def test_a_lost_log_loss_against_the_champion_blocks() -> None:
    rng = np.random.default_rng(3)
    logit = rng.normal(-1.2, 1.3, 8000)
    churned = rng.uniform(size=8000) < special.expit(logit)
    noisy = special.expit(logit + rng.normal(0, 1.0, 8000))
    lost = log_loss_difference(churned, noisy, special.expit(logit))
    assert lost.estimate > 0.01
    guard = calibration_guard(judged(), log_loss_against_champion=lost)
    assert "against the champion" in guard.reason


def test_a_model_that_does_not_rank_has_no_signal() -> None:
    rng = np.random.default_rng(4)
    churned = rng.uniform(size=2000) < 0.3
    found = evaluate(churned, rng.uniform(0.2, 0.4, 2000), np.arange(2000), capacity=50, rng=rng, resamples=50)
    assert signal_guard(found).is_blocking
    assert not signal_guard(judged()).is_blocking


def test_149_churners_are_too_few_and_150_are_enough() -> None:
    rows, _ = logit_world(np.random.default_rng(5), n=600)
    for count, severity in ((149, "block"), (150, "pass")):
        guard = minimum_guard(replace(rows, churned=np.arange(600) < count))
        assert guard.severity == severity
        assert f"{count} customers left" in guard.reason
    assert minimum_guard(replace(rows, churned=np.arange(600) < 500)).is_blocking  # 100 stayers


def test_equal_worlds_pass_the_data_guard() -> None:
    training, _ = logit_world(np.random.default_rng(6), n=2000)
    holdout, _ = logit_world(np.random.default_rng(7), n=1000)
    assert data_guard(training, holdout, learn_encoding(training.frame)[0]).severity == "pass"


def test_a_column_that_grew_empty_is_named() -> None:
    training, _ = logit_world(np.random.default_rng(6), n=2000)
    holdout, _ = logit_world(np.random.default_rng(7), n=1000)
    tenure = holdout.frame["tenure_days"].where(np.arange(1000) >= 50)
    broken = replace(holdout, frame=holdout.frame.assign(tenure_days=tenure))
    guard = data_guard(training, broken, learn_encoding(training.frame)[0])
    assert (guard.severity, guard.columns) == ("block", ("tenure_days",))
    assert "5.0% of the rows (0.0% in training)" in guard.reason


def test_up_to_three_times_the_nulls_of_training_are_normal() -> None:
    frame = pd.DataFrame({"x": np.where(np.arange(1000) < 290, np.nan, 1.0)})
    assert null_shares_grown({"x": 0.1}, frame) == {}
    assert null_shares_grown({"x": 0.09}, frame) == {"x": (0.09, 0.29)}
    # Two rows in a hundred may be null also in a column that never was.
    assert null_shares_grown({"x": 0.0}, pd.DataFrame({"x": [np.nan, *[1.0] * 99]})) == {}


def test_categories_never_seen_in_training_are_named_unless_folded() -> None:
    training, _ = logit_world(np.random.default_rng(6), n=2000)
    holdout, _ = logit_world(np.random.default_rng(7), n=1000)
    plans = holdout.frame["plan"].where(np.arange(1000) >= 80, "brand new")
    changed = replace(holdout, frame=holdout.frame.assign(plan=plans))
    guard = data_guard(training, changed, learn_encoding(training.frame)[0])
    assert guard.columns == ("plan",)
    assert "'brand new'" in guard.reason


def test_a_base_rate_that_doubled_blocks() -> None:
    training, _ = logit_world(np.random.default_rng(6), n=2000)
    holdout, _ = logit_world(np.random.default_rng(7), n=1000, intercept=2.0)
    guard = data_guard(training, holdout, learn_encoding(training.frame)[0])
    assert guard.is_blocking
    assert "of the holdout left" in guard.reason
