from typing import Any

import numpy as np
import pytest
from scipy import special, stats
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss

from holdback.errors import DataError
from training.metrics import Evaluation, evaluate, log_loss_difference, row_log_loss


def evaluated(churned: np.ndarray, probability: np.ndarray, **options: object) -> Evaluation:
    given: dict[str, Any] = {"capacity": 50, "resamples": 50, "rng": np.random.default_rng(0), **options}
    return evaluate(churned, probability, given.pop("customer_ids", np.arange(churned.size)), **given)


def world(seed: int, n: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    probability = special.expit(rng.normal(-1.2, 1.2, n))
    return rng.uniform(size=n) < probability, probability


def test_the_figures_are_scikit_learns() -> None:
    churned, probability = world(1)
    found = evaluated(churned, probability)
    assert found.pr_auc.estimate == pytest.approx(average_precision_score(churned, probability), abs=1e-12)
    assert found.log_loss.estimate == pytest.approx(log_loss(churned, probability), abs=1e-9)
    assert found.brier.estimate == pytest.approx(brier_score_loss(churned, probability), abs=1e-12)


def test_average_precision_with_ties_is_scikit_learns() -> None:
    churned, probability = world(2)
    tied = np.round(probability, 1)
    found = evaluated(churned, tied)
    assert found.pr_auc.estimate == pytest.approx(average_precision_score(churned, tied), abs=1e-12)


def test_calibration_error_by_hand_in_equal_mass_bins() -> None:
    # Ten bins of two rows: promised .5 everywhere; five bins left entirely, five stayed entirely: every gap is .5.
    probability = np.linspace(0.41, 0.6, 20)
    churned = np.repeat([True, False], 10)
    gaps = [abs(churned[i : i + 2].mean() - probability[i : i + 2].mean()) for i in range(0, 20, 2)]
    assert evaluated(churned, probability).calibration_error.estimate == pytest.approx(np.mean(gaps), abs=1e-12)


def test_top_decile_lift_by_hand() -> None:
    # 20 rows, 4 left; the top decile is two rows, one of which left: precision .5 against a base rate of .2.
    churned = np.zeros(20, bool)
    churned[[0, 5, 6, 7]] = True
    assert evaluated(churned, np.linspace(0.9, 0.1, 20)).top_decile_lift.estimate == pytest.approx(0.5 / 0.2)


def test_ties_at_the_line_count_their_expectation_whatever_the_order_of_rows() -> None:
    churned = np.zeros(20, bool)
    churned[:4] = True
    tied = np.full(20, 0.2)
    found = evaluated(churned, tied, capacity=3)
    # Everybody has the same score: the top decile and the capacity line hold a random sample.
    assert found.top_decile_lift.estimate == pytest.approx(1.0)
    assert found.value_at_capacity.estimate.estimate == pytest.approx(0.2)
    backwards = evaluated(churned[::-1], tied, capacity=3)
    assert backwards.top_decile_lift.estimate == pytest.approx(1.0)


def test_value_at_capacity_is_the_margin_that_left_per_customer_reached() -> None:
    churned = np.array([True, False, True, False])
    probability = np.array([0.9, 0.8, 0.7, 0.1])
    values = np.array([100.0, 1000.0, 40.0, 5.0])
    found = evaluated(churned, probability, capacity=2, value_amounts=values, currency="EUR")
    assert found.value_at_capacity.estimate.estimate == pytest.approx(50.0)
    assert found.value_at_capacity.meaning == (
        "EUR margin of the last 365 days that left, per customer of the 2 highest-scored a day"
    )
    assert found.value_at_capacity.capacity == 2


def test_without_amounts_value_at_capacity_is_precision() -> None:
    churned = np.array([True, False, True, False])
    found = evaluated(churned, np.array([0.9, 0.8, 0.7, 0.1]), capacity=1)
    assert found.value_at_capacity.estimate.estimate == pytest.approx(1.0)
    assert found.value_at_capacity.meaning == "share of the 1 highest-scored customers a day who left"


def test_capacity_counts_per_day_when_days_are_pooled() -> None:
    churned = np.array([True, False, True, False, False, False])
    probability = np.array([0.9, 0.8, 0.7, 0.2, 0.1, 0.05])
    found = evaluated(churned, probability, capacity=1, day_count=3)
    assert found.value_at_capacity.estimate.estimate == pytest.approx(2 / 3)


def test_capacity_is_scaled_to_the_share_of_customers_that_is_held_out() -> None:
    churned = np.array([True, False, True, False])
    found = evaluated(churned, np.array([0.9, 0.8, 0.7, 0.1]), capacity=4, sampled_share=0.25)
    assert found.value_at_capacity.estimate.estimate == pytest.approx(1.0)
    assert found.value_at_capacity.meaning.endswith("(scaled to the 25% of the customers that are held out)")


def test_a_capacity_beyond_all_customers_takes_them_all() -> None:
    churned, probability = world(3, 300)
    found = evaluated(churned, probability, capacity=10_000)
    assert found.value_at_capacity.estimate.estimate == pytest.approx(churned.mean())


def test_a_distortion_of_the_logit_is_read_off_slope_and_ratio() -> None:
    rng = np.random.default_rng(4)
    logit = rng.normal(-1, 1.2, 20_000)
    churned = rng.uniform(size=20_000) < special.expit(logit)
    found = evaluated(churned, special.expit(2 * logit))
    assert found.calibration_slope.low < 0.5 < found.calibration_slope.high
    doubled = evaluated(churned, np.minimum(1.5 * special.expit(logit), 0.999))
    assert doubled.predicted_over_actual.estimate == pytest.approx(1.5, abs=0.06)


def test_equal_seeds_give_equal_intervals() -> None:
    churned, probability = world(5)
    first, second = (evaluated(churned, probability, rng=np.random.default_rng(9)) for _ in range(2))
    assert first == second


def test_a_customer_in_four_rows_is_drawn_as_one() -> None:
    churned, probability = world(6, 400)
    once = evaluated(churned, probability, resamples=400)
    copied = evaluated(
        np.tile(churned, 4), np.tile(probability, 4), customer_ids=np.tile(np.arange(400), 4), resamples=400
    )
    # The width of a quantile interval from 400 draws has an error of about 6 %; a factor of two would be the fault.
    width = (copied.log_loss.high - copied.log_loss.low) / (once.log_loss.high - once.log_loss.low)
    assert 0.75 < width < 1.25
    assert (copied.n, copied.customer_count) == (1600, 400)


def test_every_interval_holds_its_estimate() -> None:
    churned, probability = world(7, 500)
    for name, figure in evaluated(churned, probability).figures():
        assert figure.low <= figure.estimate <= figure.high, name


@pytest.mark.slow
def test_bootstrap_intervals_cover_the_truth() -> None:
    rng = np.random.default_rng(12)
    logit = rng.normal(-1.2, 1.2, 2_000_000)
    p = special.expit(logit)
    truth = {"log_loss": float(-(p * np.log(p) + (1 - p) * np.log1p(-p)).mean()), "brier": float((p * (1 - p)).mean())}
    hits = dict.fromkeys(truth, 0)
    for _ in range(200):
        probability = special.expit(rng.normal(-1.2, 1.2, 800))
        churned = rng.uniform(size=800) < probability
        found = dict(evaluate(churned, probability, np.arange(800), capacity=50, rng=rng, resamples=200).figures())
        for name, value in truth.items():
            hits[name] += found[name].low <= value <= found[name].high
    low, high = stats.binom.ppf([0.0005, 0.9999], 200, 0.94)  # percentile intervals cover .94 at this size
    assert all(low <= count <= high for count in hits.values()), hits


def test_a_calibrated_models_error_interval_reaches_zero() -> None:
    misses = 0
    for seed in range(40):
        churned, probability = world(seed, 1000)
        misses += evaluated(churned, probability, resamples=100).calibration_error.low > 0
    # At most 5 % miss; more than 8 of 40 would have a chance below 1 in 1,000.
    assert misses <= 8


def test_a_miscalibrated_models_error_interval_covers_its_true_error() -> None:
    hits = 0
    for seed in range(40):
        churned, probability = world(seed, 1000)
        # Everybody is promised .1 too much: every bin's true gap, and so the error, is .1.
        found = evaluated(churned, np.minimum(probability + 0.1, 1.0), resamples=100).calibration_error
        hits += found.low <= 0.1 <= found.high
    assert hits >= 32


def test_the_paired_log_loss_difference_by_hand() -> None:
    churned = np.array([True, False, True])
    first, second = np.array([0.8, 0.2, 0.6]), np.array([0.5, 0.5, 0.5])
    gap = row_log_loss(churned, first) - row_log_loss(churned, second)
    found = log_loss_difference(churned, first, second)
    assert found.estimate == pytest.approx(gap.mean())
    assert found.standard_error == pytest.approx(gap.std(ddof=1) / np.sqrt(3))


def test_one_class_only_cannot_be_evaluated() -> None:
    with pytest.raises(DataError, match="Both classes must be present"):
        evaluated(np.zeros(10, bool), np.linspace(0, 1, 10))
