import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from holdback.errors import DataError
from tests.training.worlds import binormal_pair
from training.delong import auc, auc_difference, auc_influence, standard_error


def test_auc_by_hand_counts_ties_as_half() -> None:
    churned = np.array([True, True, False, False])
    scores = np.array([0.8, 0.4, 0.4, 0.1])
    # Four pairs: 0.8 beats both (2), 0.4 ties one (0.5) and beats one (1): 3.5 of 4.
    assert auc(churned, scores).estimate == pytest.approx(3.5 / 4, abs=0)


def test_auc_equals_scikit_learns_with_many_ties() -> None:
    rng = np.random.default_rng(3)
    churned = rng.uniform(size=3000) < 0.2
    scores = np.round(rng.normal(size=3000) + churned, 1)
    assert auc(churned, scores).estimate == pytest.approx(roc_auc_score(churned, scores), abs=1e-12)


def test_the_variance_is_delongs_by_its_definition() -> None:
    # DeLong 1988, eq. 5-7, written out with the double loop that the ranks replace.
    rng = np.random.default_rng(5)
    churned = np.r_[np.ones(12, bool), np.zeros(20, bool)]
    scores = np.round(rng.normal(size=32) + churned, 1)
    wins = np.array([[1.0 if x > y else 0.5 if x == y else 0.0 for y in scores[~churned]] for x in scores[churned]])
    variance = wins.mean(axis=1).var(ddof=1) / 12 + wins.mean(axis=0).var(ddof=1) / 20
    assert standard_error(churned, scores) == pytest.approx(np.sqrt(variance), rel=1e-12)


def test_rows_of_different_customers_need_no_clusters() -> None:
    rng = np.random.default_rng(6)
    churned, first, _ = binormal_pair(rng, churners=60, stayers=200, auc_first=0.8, auc_second=0.8, correlation=0.5)
    plain = standard_error(churned, first)
    assert standard_error(churned, first, groups=np.arange(260)) == pytest.approx(plain, rel=1e-12)


def test_a_customer_copied_into_four_rows_adds_no_information() -> None:
    rng = np.random.default_rng(7)
    churned, first, _ = binormal_pair(rng, churners=100, stayers=300, auc_first=0.8, auc_second=0.8, correlation=0.5)
    once = standard_error(churned, first)
    copied = standard_error(np.tile(churned, 4), np.tile(first, 4), groups=np.tile(np.arange(400), 4))
    # The small-sample roots m / (m - 1) differ between 100 and 400 rows: at most 1 / (2 * 100) in the error.
    assert copied == pytest.approx(once, rel=0.006)
    assert standard_error(np.tile(churned, 4), np.tile(first, 4)) == pytest.approx(once / 2, rel=0.01)


def test_the_paired_error_equals_the_paired_bootstrap() -> None:
    rng = np.random.default_rng(8)
    churned, first, second = binormal_pair(
        rng, churners=300, stayers=900, auc_first=0.82, auc_second=0.8, correlation=0.9
    )
    found = auc_difference(churned, first, second)
    draws = []
    for _ in range(800):
        drawn = rng.integers(0, churned.size, churned.size)
        y = churned[drawn]
        draws.append(auc_influence(y, first[drawn])[0] - auc_influence(y, second[drawn])[0])
    # The bootstrap's own error of a standard deviation from 800 draws is 1 / sqrt(1600) = 2.5 %; four of those.
    assert found.standard_error == pytest.approx(np.std(draws), rel=0.10)


def test_comparing_a_model_with_itself_finds_nothing() -> None:
    rng = np.random.default_rng(9)
    churned, first, _ = binormal_pair(rng, churners=50, stayers=90, auc_first=0.7, auc_second=0.7, correlation=0.5)
    found = auc_difference(churned, first, first)
    assert (found.estimate, found.low, found.high, found.p_value) == (0.0, 0.0, 0.0, 1.0)


@pytest.mark.slow
def test_under_the_null_the_p_value_is_uniform() -> None:
    rng = np.random.default_rng(10)
    p_values = []
    for _ in range(1500):
        churned, first, second = binormal_pair(
            rng, churners=80, stayers=240, auc_first=0.75, auc_second=0.75, correlation=0.6
        )
        p_values.append(auc_difference(churned, first, second).p_value)
    rejected = int(np.sum(np.array(p_values) < 0.05))
    low, high = stats.binom.ppf([0.001, 0.999], 1500, 0.05)
    assert low <= rejected <= high
    assert stats.kstest(p_values, "uniform").pvalue > 0.001


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(11)
    hits = 0
    for _ in range(400):
        churned, first, _ = binormal_pair(
            rng, churners=100, stayers=300, auc_first=0.8, auc_second=0.8, correlation=0.5
        )
        found = auc(churned, first)
        hits += found.low <= 0.8 <= found.high
    # DeLong is slightly liberal at AUC .8 and 100 churners (true coverage about .94): bound around .94.
    low, high = stats.binom.ppf([0.001, 0.999], 400, 0.94)
    assert low <= hits <= high


def test_a_perfect_ranking_is_not_reported_as_certain() -> None:
    churned = np.r_[np.ones(30, bool), np.zeros(50, bool)]
    found = auc(churned, churned.astype(float))
    # Rule of three on the rarer class: 3 / 30.
    assert (found.estimate, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.9)
    assert "rule of three" in found.method


def test_one_class_only_is_a_fault_of_the_data() -> None:
    with pytest.raises(DataError, match="3 churners and 0 others"):
        auc(np.ones(3, bool), np.arange(3.0))


def test_a_missing_score_is_a_fault_of_the_data() -> None:
    with pytest.raises(DataError, match="1 scores are missing"):
        auc(np.array([True, False, True]), np.array([0.1, np.nan, 0.3]))
