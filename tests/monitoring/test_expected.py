"""Performance expected before outcomes are known: exact on small cases, true to its intervals if calibration holds."""

import time
from itertools import product

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from monitoring.expected import FEWEST_OF_A_CLASS, expected_count, expected_of_day, expected_performance
from tests.monitoring.company import CHURN, FIRST_DAY, TRAINED_ON


def nobody(p):
    return np.zeros(len(p), bool)


def pairs_of(p):
    """Expected pairs ranked rightly over expected pairs, by trying every outcome there can be."""
    rightly = possible = 0.0
    for outcome in product([0, 1], repeat=len(p)):
        y = np.array(outcome)
        chance = float(np.prod(np.where(y, p, 1 - p)))
        gap = p[y == 1][:, None] - p[y == 0][None, :]
        rightly += chance * float((gap > 0).sum() + (gap == 0).sum() / 2)
        possible += chance * gap.size
    return rightly / possible


def drawn(rng, p):
    return rng.uniform(size=p.size) < p


@pytest.mark.parametrize("seed", range(4))
def test_the_expected_auc_is_that_of_all_outcomes_weighted_by_their_chance(seed, monkeypatch):
    monkeypatch.setattr("monitoring.expected.FEWEST_OF_A_CLASS", 0)
    rng = np.random.default_rng(seed)
    p = np.round(rng.beta(2, 3, size=10), 1 if seed % 2 else 6)  # one decimal: many ties
    assert expected_performance(p, nobody(p)).auc.estimate == pytest.approx(pairs_of(p), rel=1e-12)


def test_the_error_of_the_auc_is_its_derivative_by_each_probability(monkeypatch):
    monkeypatch.setattr("monitoring.expected.FEWEST_OF_A_CLASS", 0)
    p = np.round(np.random.default_rng(5).beta(2, 3, size=60), 2)

    def ratio(weights):
        """The AUC of fixed ranks with other chances of leaving."""
        ranks = (p[:, None] > p[None, :]) + (p[:, None] == p[None, :]) / 2
        pairs = weights[:, None] * (1 - weights[None, :])
        np.fill_diagonal(pairs, 0)
        return (pairs * ranks).sum() / pairs.sum()

    step = 1e-6
    slopes = np.array([(ratio(p + step * e) - ratio(p - step * e)) / (2 * step) for e in np.eye(p.size)])
    error = np.sqrt((p * (1 - p) * slopes**2).sum())
    found = expected_performance(p, nobody(p)).auc
    assert found.high - found.estimate == pytest.approx(stats.norm.ppf(0.975) * error, rel=1e-6)


@pytest.mark.parametrize(("n", "shape"), [(2_400, (0.8, 14)), (500, (1, 12)), (150, (2, 4))])
def test_the_intervals_cover_what_is_found_as_often_as_they_promise(n, shape):
    rng = np.random.default_rng([n, 7])
    p = rng.beta(*shape, size=n)
    above = p >= np.sort(p)[-n // 20]
    found = expected_performance(p, above)
    worlds, covered = 400, np.zeros(3)
    aucs = []
    for _ in range(worlds):
        left = drawn(rng, p)
        aucs.append(roc_auc_score(left, p))
        covered += [
            found.auc.low <= aucs[-1] <= found.auc.high,
            found.churners.low <= left.sum() <= found.churners.high,
            found.precision.low <= left[above].mean() <= found.precision.high,
        ]
    # The AUC's interval promises 95 %; counts are whole, so theirs may cover more, never less. 0.1 % on each side.
    low, high = stats.binom.ppf([0.001, 0.999], worlds, 0.95)
    assert low <= covered[0] <= high
    assert (covered[1:] >= low).all()
    # The ratio of expectations is the mean of the ratio up to 1/n: within three standard errors of the worlds' mean.
    assert np.mean(aucs) == pytest.approx(found.auc.estimate, abs=3 * np.std(aucs) / np.sqrt(worlds) + 1 / n)


@pytest.mark.parametrize("shape", [(0.5, 40), (2, 5), (5, 1)])
def test_the_interval_of_a_count_covers_by_the_exact_distribution(shape):
    p = np.random.default_rng(11).beta(*shape, size=300)
    exact = np.array([1.0])
    for each in p:  # the Poisson-binomial distribution, customer by customer
        exact = np.convolve(exact, [1 - each, each])
    found = expected_count(p)
    inside = exact[int(found.low) : int(found.high) + 1].sum()
    assert found.estimate == pytest.approx(exact @ np.arange(301))
    assert inside >= 0.945
    # As short as whole numbers allow: without either end it would promise too little.
    assert exact[int(found.low) + 1 : int(found.high)].sum() < 0.955


def test_a_model_that_lost_its_calibration_does_not_notice_it_here():
    # What the page must say beside every one of these figures.
    rng = np.random.default_rng(13)
    p = rng.beta(2, 5, size=5_000)
    promised = expected_performance(p, nobody(p))
    left = rng.uniform(size=5_000) < p.mean()  # nobody's probability means anything
    assert promised.auc.low > roc_auc_score(left, p) + 0.1
    assert promised.holds_if == "calibration"


def test_everybody_alike_is_ranked_like_chance_and_certainty_has_no_interval():
    p = np.full(100, 0.3)
    assert expected_performance(p, nobody(p)).auc.estimate == 0.5
    sure = expected_performance(np.array([1.0] * 20 + [0.0] * 30), np.array([True] * 20 + [False] * 30))
    assert (sure.auc.estimate, sure.auc.low, sure.auc.high) == (1.0, 1.0, 1.0)
    assert (sure.churners.low, sure.churners.high) == (20, 20)
    assert sure.precision.estimate == 1.0
    assert sure.lift == 2.5


def test_too_few_who_leave_have_no_auc_and_one_customer_says_the_rest():
    p = np.full(100, (FEWEST_OF_A_CLASS - 0.5) / 100)
    assert expected_performance(p, nobody(p)).auc is None
    one = expected_performance(np.array([0.2]), np.array([True]))
    assert (one.auc, one.churners.estimate, one.churners.low, one.churners.high) == (None, 0.2, 0, 1)
    assert one.precision.estimate == 0.2
    assert expected_performance(np.array([0.2]), np.array([False])).precision is None
    assert expected_performance(np.array([0.0]), np.array([True])).lift is None


@pytest.mark.parametrize("p", [[], [0.2, np.nan], [1.2, 0.1], [-0.1, 0.3]])
def test_what_is_no_probability_is_refused(p):
    with pytest.raises(ValueError, match="Each customer needs one"):
        expected_performance(np.array(p), np.zeros(len(p), bool))


def test_a_million_customers_take_a_few_seconds():
    p = np.random.default_rng(17).beta(1, 15, size=1_000_000)
    began = time.process_time()
    found = expected_performance(p, p > 0.3)
    assert time.process_time() - began < 5
    assert found.auc.high - found.auc.low < 0.01


def test_a_scored_day_says_what_to_expect_and_another_day_nothing(company):
    churn = company.business.churn_named(CHURN)
    found = expected_of_day(company.warehouse, churn, FIRST_DAY)
    sums = company.warehouse.query(
        f"select count(*) as n, sum(probability) as p from scores where as_of = date '{FIRST_DAY}'"
    ).to_pylist()[0]
    assert (found.customer_count, found.churners.estimate) == (sums["n"], pytest.approx(sums["p"]))
    assert found.line_count == 20
    assert expected_of_day(company.warehouse, churn, TRAINED_ON) is None
