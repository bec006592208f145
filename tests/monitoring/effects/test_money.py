"""Return on cost, and incentives paid to those who would have stayed."""

import numpy as np
import pytest

from monitoring.effects import Arm, Effect, NotMeasurable, mean_effect, moments_of, paid_to_stayers, return_on_cost
from tests.monitoring.effects.worlds import assert_covers, bounds, households, single

MARGIN = Effect("margin", 300.0, 100.0, 500.0, 0.95, Arm(90, 80, 900.0), Arm(10, 9, 600.0), "cuped", notes=("capped",))


def test_statistics_3j_the_return_on_a_known_cost():
    # (incremental - cost) / cost: 300 earned on 200 is a half; the ends of the interval likewise.
    found = return_on_cost(MARGIN, cost=200.0)
    assert (found.estimate, found.low, found.high) == (0.5, -0.5, 1.5)
    assert (found.metric, found.method, found.level) == ("roi", "cuped", 0.95)
    assert found.notes == ("capped", "the cost is taken as known")
    assert (found.treatment, found.holdout) == (MARGIN.treatment, MARGIN.holdout)
    assert not found.is_beneficial


def test_a_margin_that_was_lost_loses_more_than_the_cost():
    lost = Effect("margin", -100.0, -150.0, -50.0, 0.95, Arm(90, 80, 500.0), Arm(10, 9, 600.0), "cuped")
    assert return_on_cost(lost, cost=50.0).estimate == -3
    assert return_on_cost(lost, cost=50.0).is_harmful


def test_nothing_spent_has_no_return():
    with pytest.raises(NotMeasurable, match="the campaign cost nothing"):
        return_on_cost(MARGIN, cost=0.0)


@pytest.mark.parametrize("cost", [-1.0, float("nan"), float("inf")])
def test_a_cost_that_is_no_amount_is_refused(cost):
    with pytest.raises(ValueError, match="a cost per customer is a number of at least 0"):
        return_on_cost(MARGIN, cost=cost)


def test_the_share_paid_to_stayers_is_the_ratio_of_the_stay_rates():
    found = paid_to_stayers(single(650, 10_000), single(80, 1_000), level=0.95)
    assert found.share == pytest.approx(0.92 / 0.935)
    assert found.low < found.share < found.high == 1.0
    assert (found.count, found.n) == (pytest.approx(920), pytest.approx(1_000))


def test_where_leavers_are_paid_too_it_is_the_holdouts_stay_rate():
    found = paid_to_stayers(single(650, 10_000), single(80, 1_000), level=0.95, is_paid_to_leavers=True)
    assert found.share == pytest.approx(0.92)
    assert found.low < 0.92 < found.high


def test_a_campaign_that_kept_nobody_paid_everything_to_stayers():
    found = paid_to_stayers(single(900, 10_000), single(80, 1_000), level=0.95)
    assert (found.share, found.high) == (1.0, 1.0)


def test_the_limits_of_a_ratio_agree_with_those_of_its_logarithm_in_a_large_sample():
    # Katz et al. 1978: exp(ln r -/+ z sqrt(q1/(p1 n1) + q0/(p0 n0))).
    found = paid_to_stayers(single(60_000, 200_000), single(80_000, 200_000), level=0.95)
    error = 1.959964 * np.sqrt(0.3 / 0.7 / 200_000 + 0.4 / 0.6 / 200_000)
    assert found.low == pytest.approx(0.6 / 0.7 * np.exp(-error), rel=1e-4)
    assert found.high == pytest.approx(0.6 / 0.7 * np.exp(error), rel=1e-4)


def test_nobody_stayed_so_nobody_was_paid():
    with pytest.raises(NotMeasurable, match="no treated customer stayed"):
        paid_to_stayers(single(50, 50), single(5, 50), level=0.95)


def test_a_group_of_nobody_is_refused():
    with pytest.raises(NotMeasurable, match="the holdout has nobody"):
        paid_to_stayers(single(5, 50), moments_of({"known": [], "churned": []}), level=0.95)


@pytest.mark.slow
@pytest.mark.truth
@pytest.mark.parametrize(("n1", "n0"), [(9_000, 1_000), (3_000, 3_000)], ids=["90/10", "50/50"])
def test_statistics_3j_the_return_is_covered(n1, n0):
    # 300 a customer kept, 3 points more kept, at a cost of 5: (9 - 5) / 5.
    rng = np.random.default_rng(60)

    def margin(n, churn):
        return moments_of({"customers": np.ones(n), "margin": rng.gamma(4, 75, n) * (rng.random(n) >= churn)})

    effects = [
        return_on_cost(mean_effect(margin(n1, 0.1), margin(n0, 0.13), "margin", metric="margin", level=0.95), cost=5.0)
        for _ in range(1_000)
    ]
    assert_covers(0.8, effects)


@pytest.mark.slow
@pytest.mark.truth
@pytest.mark.parametrize("is_in_households", [False, True])
@pytest.mark.parametrize(("n1", "n0"), [(3_600, 400), (2_000, 2_000)], ids=["90/10", "50/50"])
def test_the_share_paid_to_stayers_is_covered(n1, n0, is_in_households):
    rng, worlds = np.random.default_rng(61), 1_000

    def arm(n, churn):
        return households(rng, n, churn, 0.3) if is_in_households else single(int(rng.binomial(n, churn)), n)

    found = [paid_to_stayers(arm(n1, 0.2), arm(n0, 0.3), level=0.95) for _ in range(worlds)]
    covered = np.mean([share.low <= 0.7 / 0.8 <= share.high for share in found])
    low, high = bounds(0.95, worlds)
    assert low <= covered <= high
