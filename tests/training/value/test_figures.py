import numpy as np
import pytest

from holdback.errors import DataError
from training.value.figures import combine, decile_error, factor_rule, judge, top_share, total_ratio, value_gini

SPENT = np.array([0.0, 0.0, 0.0, 10.0, 30.0, 60.0])


def test_the_perfect_order_has_a_gini_of_one_the_reverse_of_minus_one_and_a_constant_of_zero() -> None:
    assert value_gini(SPENT, SPENT) == pytest.approx(1)
    assert value_gini(SPENT**2 + 3, SPENT) == pytest.approx(1)
    assert value_gini(-SPENT, SPENT) == pytest.approx(-1)
    assert value_gini(np.full(6, 7.0), SPENT) == 0


def test_a_gini_by_hand() -> None:
    # Covariance with the rank: the forecast swaps the last two. Sum of (rank - 3.5) * spent is
    # .5*10 + 2.5*30 + 1.5*60 = 170 against .5*10 + 1.5*30 + 2.5*60 = 200 (the ties at zero spend nothing).
    assert value_gini(np.array([1.0, 2, 3, 4, 6, 5]), SPENT) == pytest.approx(170 / 200)


def test_ties_count_as_any_order_of_them_on_average() -> None:
    tied = np.array([0.0, 0, 1, 1, 2, 2])
    rng = np.random.default_rng(1)
    broken = [value_gini(tied + 1e-9 * rng.random(6), SPENT) for _ in range(4000)]
    # 4,000 draws of figures that differ by at most .2: four standard errors are below .013.
    assert value_gini(tied, SPENT) == pytest.approx(np.mean(broken), abs=0.013)


def test_deciles_by_hand() -> None:
    actual = np.repeat(np.arange(10.0), 3)
    assert decile_error(actual, actual) == pytest.approx(0)
    # One more than was spent in each decile, where the mean is 4.5.
    assert decile_error(actual + 1, actual) == pytest.approx(1 / 4.5)
    # Who promises everybody the mean has one group of customers, and is right about it.
    assert decile_error(np.full(30, 4.5), actual) == pytest.approx(0)


def test_the_order_of_the_rows_changes_nothing() -> None:
    rng = np.random.default_rng(2)
    predicted, actual = np.round(rng.gamma(1, 10, 500)), rng.gamma(0.5, 20, 500)
    order = rng.permutation(500)
    for figure in (value_gini, decile_error, total_ratio, top_share):
        assert figure(predicted[order], actual[order]) == pytest.approx(figure(predicted, actual))


def test_totals_and_the_top_tenth() -> None:
    actual = np.r_[np.full(9, 10.0), 110.0]
    assert total_ratio(actual * 1.1, actual) == pytest.approx(1.1)
    assert top_share(actual, actual) == pytest.approx(110 / 200)
    assert top_share(-actual, actual) == pytest.approx(10 / 200)
    assert top_share(np.ones(10), actual) == pytest.approx(0.1)
    assert top_share(actual, actual, 0.2) == pytest.approx(120 / 200)


def test_the_best_by_absolute_error_is_told_apart_by_its_total() -> None:
    # Eight of ten spend nothing: the median, nothing at all for everybody, has the smallest absolute error.
    rng = np.random.default_rng(3)
    chance = rng.beta(0.5, 2, 20_000)
    actual = np.where(rng.random(20_000) < chance, rng.gamma(2, 25, 20_000), 0.0)
    mean, median = chance * 50, np.where(chance > 0.5, 42.0, 0.0)
    assert np.abs(median - actual).mean() < np.abs(mean - actual).mean()
    assert total_ratio(median, actual) < 0.6
    assert value_gini(median, actual) < value_gini(mean, actual) - 0.1
    assert decile_error(median, actual) > decile_error(mean, actual) + 0.1


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_promise() -> None:
    def world(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        rate = rng.gamma(1, 1, n)
        return 10 * rate, rng.poisson(rate) * 11.0

    truth = judge(*world(np.random.default_rng(4), 400_000), seed=0, resamples=2)
    covered = np.zeros(3)
    for seed in range(200):
        found = judge(*world(np.random.default_rng(100 + seed), 500), seed=seed)
        pairs = ((found.gini, truth.gini), (found.total_ratio, truth.total_ratio), (found.top_share, truth.top_share))
        covered += [one.low <= true.estimate <= one.high for one, true in pairs]
    # 95 % of 200 worlds: 99.9 % of the time between .895 and 1; 2 points for a percentile bootstrap of 500 rows.
    assert (covered / 200 >= 0.875).all(), covered / 200


def test_every_figure_lies_in_its_interval_and_says_how_it_was_made() -> None:
    rng = np.random.default_rng(5)
    rate = rng.gamma(1, 10, 800)
    found = judge(rate, rng.poisson(rate).astype(float), seed=1)
    for one in (found.gini, found.decile_error, found.total_ratio, found.top_share):
        assert one.low <= one.estimate <= one.high
        assert one.n == 800
        assert one.method.startswith("bootstrap over customers, 200 samples")
    assert found.top_share.estimate <= found.best_top_share
    assert judge(rate, rate, seed=1).gini.low == pytest.approx(1)


@pytest.mark.parametrize(
    ("predicted", "actual", "message"),
    [
        (np.ones(3), np.zeros(3), "total of 0.00"),
        (np.ones(3), np.ones(3), "differ"),
        (np.ones(3), np.ones(4), "One row per customer"),
        (np.array([1.0, np.nan]), np.array([0.0, 1.0]), "missing or infinite"),
        (np.array([1.0, 1.0]), np.array([0.0, np.inf]), "missing or infinite"),
        (np.ones(0), np.ones(0), "0 customers"),
        (np.ones(2), np.array([-3.0, 1.0]), "more than 0"),
    ],
)
def test_what_cannot_be_judged_is_refused_with_a_reason(
    predicted: np.ndarray, actual: np.ndarray, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        judge(predicted, actual, seed=0)


def test_a_top_share_of_nobody_is_refused() -> None:
    with pytest.raises(DataError, match="top share 0"):
        top_share(SPENT, SPENT, 0.0)


def test_a_handful_of_buyers_is_judged_with_wide_intervals() -> None:
    actual = np.r_[np.zeros(97), 10.0, 20.0, 30.0]
    found = judge(np.arange(100.0), actual, seed=0)
    assert found.gini.estimate == pytest.approx(1)
    assert found.total_ratio.low < found.total_ratio.estimate / 1.5


def test_two_forecasts_are_averaged_and_one_stands_in_for_both() -> None:
    one, two = np.array([1.0, 2.0]), np.array([3.0, 2.0])
    values, method = combine(one, two)
    assert (values.tolist(), method) == ([2.0, 2.0], "btyd+hurdle")
    assert combine(one, None) == (one, "btyd")
    assert combine(None, two) == (two, "hurdle")
    with pytest.raises(DataError, match="neither model"):
        combine(None, None)
    with pytest.raises(DataError, match="same customers"):
        combine(one, np.ones(3))


def test_values_are_corrected_only_when_three_forecasts_missed_alike() -> None:
    assert factor_rule([]).applied == 1
    assert "nothing is known" in factor_rule([]).sentence
    assert factor_rule([0.8, 0.8]).applied == 1
    assert factor_rule([1.2, 0.9, 0.8]).applied == 1
    assert factor_rule([2.0, 0.8, 0.9, 0.75]).applied == pytest.approx((0.8 * 0.9 * 0.75) ** (-1 / 3))
    too_much = factor_rule([1.1, 1.3, 1.2])
    assert too_much.applied == pytest.approx((1.1 * 1.3 * 1.2) ** (-1 / 3))
    assert "promised 1.20 times what came" in too_much.sentence
    assert "too much" in too_much.sentence


@pytest.mark.parametrize("last", [0.0, 0.59, 1.41, float("inf")])
def test_a_forecast_that_was_off_by_more_than_forty_percent_is_not_published(last: float) -> None:
    found = factor_rule([1.0, 1.0, last])
    assert not found.is_publishable
    assert found.applied == 1
    assert "this model may not speak" in found.sentence


def test_an_old_window_in_which_nothing_came_corrects_nothing() -> None:
    assert factor_rule([float("inf"), 1.2, 1.2]).applied == 1
    assert factor_rule([0.0, 0.8, 0.8]).applied == 1


@pytest.mark.parametrize("wrong", [-1.0, float("nan")])
def test_a_factor_that_is_none_is_refused(wrong: float) -> None:
    with pytest.raises(DataError, match="value factors"):
        factor_rule([1.0, wrong])
