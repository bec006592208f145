"""The headline: shares with Newcombe's interval, in customers and in households."""

import numpy as np
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

from campaigns.power import design_effect
from monitoring.effects import NotMeasurable, design_effect_of, moments_of, share_effect
from monitoring.proportions import newcombe
from tests.monitoring.effects.worlds import assert_covers, bounds, coverage, households, simulate, single


def test_newcombe_1998_table_2_contrast_a():
    # Newcombe, Statistics in Medicine 17 (1998) 873, table II, method 10: 56/70 - 48/80 -> (.0524, .3339).
    found = share_effect(single(56, 70), single(48, 80), level=0.95)
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)
    assert found.estimate == pytest.approx(56 / 70 - 48 / 80, abs=1e-12)
    assert (found.method, found.level, found.is_good_when_lower) == ("newcombe", 0.95, True)
    assert (found.treatment.rate, found.holdout.rate) == (pytest.approx(0.8), pytest.approx(0.6))
    assert (found.treatment.customer_count, found.holdout.customer_count) == (70, 80)
    assert found.notes == ()


def test_fifty_random_tables_agree_with_statsmodels():
    rng = np.random.default_rng(1)
    for _ in range(50):
        n1, n0 = int(rng.integers(2, 20_000)), int(rng.integers(2, 2_000))
        x1, x0 = int(rng.integers(1, n1)), int(rng.integers(1, n0))
        level = float(rng.uniform(0.8, 0.999))
        found = share_effect(single(x1, n1), single(x0, n0), level=level)
        expected = confint_proportions_2indep(x1, n1, x0, n0, method="newcomb", alpha=1 - level)
        assert (found.low, found.high) == pytest.approx(expected, abs=1e-9)


def test_units_without_a_known_outcome_are_not_counted():
    rows = moments_of(
        {"customers": np.ones(150), "known": np.r_[np.ones(80), np.zeros(70)], "churned": np.arange(150) < 48}
    )
    found = share_effect(single(56, 70), rows, level=0.95)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert (found.holdout.customer_count, found.holdout.unit_count) == (80, 150)


def test_a_household_that_decides_together_counts_as_one_customer():
    # Couples of one mind: exactly twice the variance, so as wide as half the customers, up to n/(n - 1).
    couples = moments_of({"known": np.full(4_000, 2.0), "churned": np.repeat([2.0, 0.0], [320, 3_680])})
    alone = single(80, 1_000)
    found = share_effect(alone, couples, level=0.95)
    halved = newcombe((320, 4_000), (80, 1_000))
    assert (found.low, found.high) == pytest.approx((halved.low, halved.high), rel=1e-3)
    assert found.holdout.rate == pytest.approx(0.08)
    assert "2.00 times in holdout" in found.notes[0]


def test_the_design_effect_from_moments_is_that_of_the_rows():
    rng = np.random.default_rng(2)
    for _ in range(50):
        sizes = rng.integers(1, 5, 300)
        churned = rng.binomial(sizes, rng.beta(0.4, 2.6, 300))
        rows = np.concatenate([np.arange(size) < left for size, left in zip(sizes, churned, strict=True)])
        expected = design_effect(rows.astype(float), np.repeat(np.arange(300), sizes).astype(str))
        assert design_effect_of(moments_of({"known": sizes, "churned": churned})) == pytest.approx(expected, abs=1e-9)


def test_where_a_design_effect_cannot_be_told_the_worst_is_assumed():
    nobody_left = moments_of({"known": [2.0] * 50, "churned": [0.0] * 50})
    assert design_effect_of(nobody_left) == pytest.approx(2.0)
    assert design_effect_of(moments_of({"known": [3.0], "churned": [1.0]})) == pytest.approx(3.0)
    assert design_effect_of(single(0, 50)) == 1.0


def test_one_customer_in_each_group_still_has_an_honest_interval():
    found = share_effect(single(1, 1), single(0, 1), level=0.95)
    assert found.estimate == 1
    assert -0.2 < found.low < 0.2 < found.high == 1


def test_nobody_left_anywhere_still_has_a_width():
    # Newcombe 1998, table II, contrast (h): 0/10 - 0/10 -> -.2775 to .2775.
    found = share_effect(single(0, 10), single(0, 10), level=0.95)
    assert (round(found.low, 4), round(found.high, 4)) == (-0.2775, 0.2775)


EMPTY = moments_of({"customers": [], "known": [], "churned": []})
UNKNOWN = moments_of({"customers": [1, 1], "known": [0, 0], "churned": [0, 0]})


@pytest.mark.parametrize("nobody", [EMPTY, UNKNOWN], ids=["empty group", "all outcomes missing"])
def test_a_group_of_nobody_is_refused_by_name(nobody):
    with pytest.raises(NotMeasurable, match="the holdout has nobody to compute 'churned' from"):
        share_effect(single(5, 50), nobody, level=0.95)
    with pytest.raises(NotMeasurable, match="the treatment has nobody"):
        share_effect(nobody, single(5, 50), level=0.95)


@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_a_level_outside_0_and_1_is_refused(level):
    with pytest.raises(ValueError, match=r"level must lie in \(0, 1\)"):
        share_effect(single(5, 50), single(5, 50), level=level)


def test_a_moment_that_is_no_number_is_refused():
    broken = moments_of({"known": [1.0, 1.0], "churned": [np.nan, 0.0]})
    with pytest.raises(ValueError, match="the mean of 'churned' or 'known' in the treatment is no finite number"):
        share_effect(broken, single(1, 2), level=0.95)


@pytest.mark.slow
@pytest.mark.truth
@pytest.mark.parametrize(
    ("base", "treated", "n1", "n0"),
    # statistics.md 3a; the published coverages of Newcombe are .946 to .950.
    [(0.08, 0.065, 4_500, 500), (0.08, 0.065, 18_000, 2_000), (0.02, 0.014, 4_500, 500), (0.2, 0.15, 900, 100),
     (0.08, 0.065, 2_500, 2_500), (0.08, 0.08, 18_000, 2_000)],
)  # fmt: skip
@pytest.mark.parametrize("level", [0.95, 0.96])
def test_statistics_3a_newcombe_covers_as_often_as_it_says(base, treated, n1, n0, level):
    rng = np.random.default_rng(3)
    effects = simulate(
        2_000,
        lambda: share_effect(single(rng.binomial(n1, treated), n1), single(rng.binomial(n0, base), n0), level=level),
    )
    assert_covers(treated - base, effects)


@pytest.mark.slow
@pytest.mark.truth
@pytest.mark.parametrize(("n1", "n0"), [(3_600, 400), (1_000, 1_000)], ids=["90/10", "50/50"])
@pytest.mark.parametrize("alike", [0.1, 0.3])
def test_statistics_3f_households_cover_and_customers_taken_as_independent_do_not(n1, n0, alike):
    rng = np.random.default_rng(4)
    worlds = [(households(rng, n1, 0.15, alike), households(rng, n0, 0.2, alike)) for _ in range(1_000)]
    assert_covers(-0.05, [share_effect(treated, held_out, level=0.95) for treated, held_out in worlds])

    naive = [
        newcombe((h.total("churned"), h.total("known")), (t.total("churned"), t.total("known"))) for t, h in worlds
    ]
    if alike == 0.3:  # statistics.md 3f: .903
        assert np.mean([found.low <= -0.05 <= found.high for found in naive]) < 0.92


@pytest.mark.slow
@pytest.mark.truth
def test_rare_churn_in_households_of_a_small_holdout_is_covered():
    # Few leavers tell little about how alike households are: the floor of 1 keeps the interval from being too narrow.
    rng = np.random.default_rng(5)
    effects = simulate(
        1_000, lambda: share_effect(households(rng, 2_700, 0.03, 0.2), households(rng, 300, 0.04, 0.2), level=0.95)
    )
    assert coverage(-0.01, effects) >= bounds(0.95, 1_000)[0]
