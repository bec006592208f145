"""Differences of means: equal to tea-tasting and statsmodels, and true in simulated worlds."""

import numpy as np
import pandas as pd
import pytest
import tea_tasting as tt
from scipy.stats import norm
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from monitoring.effects import Moments, NotMeasurable, mean_effect, moments_of
from tests.monitoring.effects.worlds import assert_covers, households, simulate


def random_units(rng, n, *, sizes):
    """Units with a size, money before and after that go together, and customers who left."""
    customers = rng.integers(1, sizes + 1, n).astype(float)
    likes = rng.lognormal(0, 1, n)
    return {
        "customers": customers,
        "known": np.minimum(customers, rng.integers(1, 5, n)),
        "margin": customers * likes * rng.lognormal(3, 0.5, n),
        "before": customers * likes * rng.lognormal(3, 0.7, n),
        "risk": customers * rng.beta(2, 8, n),
    }


def fifty_random_data_sets(sizes):
    rng = np.random.default_rng(6)
    for _ in range(50):
        groups = [random_units(rng, int(rng.integers(2, 2_000)), sizes=sizes) for _ in range(2)]
        yield groups, float(rng.uniform(0.8, 0.999))


def with_tea_tasting(metric, treatment, holdout):
    rows = pd.concat([pd.DataFrame(holdout).assign(variant=0), pd.DataFrame(treatment).assign(variant=1)])
    found = metric.analyze(rows, 0, 1, "variant")
    return found.effect_size, found.effect_size_ci_lower, found.effect_size_ci_upper


def interval(found):
    return found.estimate, found.low, found.high


def test_fifty_random_data_sets_agree_with_tea_tasting_mean_and_statsmodels():
    for (treated, held_out), level in fifty_random_data_sets(sizes=1):
        found = mean_effect(moments_of(treated), moments_of(held_out), "margin", metric="margin", level=level)
        metric = tt.Mean("margin", confidence_level=level)
        assert interval(found) == pytest.approx(with_tea_tasting(metric, treated, held_out), rel=1e-9)
        welch = CompareMeans(DescrStatsW(treated["margin"]), DescrStatsW(held_out["margin"]))
        assert (found.low, found.high) == pytest.approx(welch.tconfint_diff(1 - level, usevar="unequal"), rel=1e-9)
        assert found.method == "difference of means"


def test_fifty_random_data_sets_agree_with_tea_tasting_mean_with_a_covariate():
    for (treated, held_out), level in fifty_random_data_sets(sizes=1):
        found = mean_effect(
            moments_of(treated), moments_of(held_out), "margin", metric="margin", level=level, covariate="before"
        )
        metric = tt.Mean("margin", covariate="before", confidence_level=level)
        assert interval(found) == pytest.approx(with_tea_tasting(metric, treated, held_out), rel=1e-9)
        assert found.method == "cuped"


def test_fifty_random_data_sets_of_households_agree_with_tea_tasting_ratio_of_means():
    # statistics.md 3f: one row per household, RatioOfMeans(total, customers).
    for (treated, held_out), level in fifty_random_data_sets(sizes=4):
        found = mean_effect(moments_of(treated), moments_of(held_out), "margin", metric="margin", level=level)
        metric = tt.RatioOfMeans("margin", "customers", confidence_level=level)
        assert interval(found) == pytest.approx(with_tea_tasting(metric, treated, held_out), rel=1e-9)


def test_fifty_random_data_sets_of_households_agree_with_tea_tasting_with_a_covariate_of_another_denominator():
    for (treated, held_out), level in fifty_random_data_sets(sizes=4):
        found = mean_effect(
            moments_of(treated),
            moments_of(held_out),
            "margin",
            metric="margin",
            level=level,
            denominator="known",
            covariate="risk",
        )
        metric = tt.RatioOfMeans("margin", "known", "risk", "customers", confidence_level=level)
        assert interval(found) == pytest.approx(with_tea_tasting(metric, treated, held_out), rel=1e-9)
        assert found.method == "cupac"


def test_the_arms_carry_raw_rates_also_when_the_effect_is_adjusted():
    rng = np.random.default_rng(7)
    treated, held_out = random_units(rng, 500, sizes=3), random_units(rng, 100, sizes=3)
    found = mean_effect(
        moments_of(treated), moments_of(held_out), "margin", metric="margin", level=0.95, covariate="before"
    )
    assert found.treatment.rate == pytest.approx(treated["margin"].sum() / treated["customers"].sum())
    assert found.holdout.rate == pytest.approx(held_out["margin"].sum() / held_out["customers"].sum())
    assert (found.holdout.unit_count, found.holdout.customer_count) == (100, int(held_out["customers"].sum()))


def test_a_covariate_that_does_not_vary_changes_nothing():
    rng = np.random.default_rng(8)
    groups = [{"customers": np.ones(n), "margin": rng.normal(9, 2, n), "before": np.full(n, 0.1)} for n in (90, 40)]
    treated, held_out = (moments_of(group) for group in groups)
    plain = mean_effect(treated, held_out, "margin", metric="margin", level=0.95)
    adjusted = mean_effect(treated, held_out, "margin", metric="margin", level=0.95, covariate="before")
    assert interval(adjusted) == pytest.approx(interval(plain), rel=1e-12)


@pytest.mark.parametrize(("skewness", "is_told"), [(None, False), (1.0, False), (1.2, True), (20.0, True)])
def test_a_holdout_below_355_squared_skewness_is_called_approximate(skewness, is_told):
    rng = np.random.default_rng(9)
    treated, held_out = (moments_of({"customers": np.ones(n), "revenue": rng.normal(9, 2, n)}) for n in (900, 400))
    found = mean_effect(
        treated, held_out, "revenue", metric="revenue", level=0.95, holdout_skewness=skewness, notes=("capped",)
    )
    assert any(note.startswith("approximate") for note in found.notes) == is_told
    assert found.notes[0] == "capped"


def test_one_group_that_does_not_vary_takes_its_degrees_of_freedom_from_the_other():
    treated = moments_of({"customers": np.ones(10), "margin": np.full(10, 0.3)})
    held_out = moments_of({"customers": np.ones(10), "margin": np.arange(10.0)})
    found = mean_effect(treated, held_out, "margin", metric="margin", level=0.95)
    half = 2.2621571628 * np.arange(10.0).std(ddof=1) / np.sqrt(10)  # t(.975, 9): any table
    assert found.high - found.estimate == pytest.approx(half, rel=1e-9)


def test_no_spread_at_all_is_refused():
    treated = moments_of({"customers": [1, 2, 3], "margin": [0.1, 0.2, 0.1 + 0.2]})  # varies only by rounding
    held_out = moments_of({"customers": [1, 1], "margin": [0.3, 0.3]})
    with pytest.raises(NotMeasurable, match="does not vary in either group"):
        mean_effect(treated, held_out, "margin", metric="margin", level=0.95)


@pytest.mark.parametrize(
    ("held_out", "message"),
    [
        ({"customers": [], "margin": []}, r"the holdout has nobody to compute 'margin' from \(0 units, 0 customers\)"),
        ({"customers": [1], "margin": [3.0]}, "the holdout has 1 unit"),
        ({"customers": [0, 0], "margin": [0, 0]}, "the holdout has nobody"),
    ],
    ids=["empty", "one unit", "nobody answered"],
)
def test_a_group_that_says_nothing_is_refused_by_name(held_out, message):
    treated = moments_of({"customers": [1, 1, 1], "margin": [1.0, 2.0, 3.0]})
    with pytest.raises(NotMeasurable, match=message):
        mean_effect(treated, moments_of(held_out), "margin", metric="margin", level=0.95)


def test_groups_with_different_totals_are_refused():
    treated = moments_of({"customers": [1, 1], "margin": [1.0, 2.0], "before": [1.0, 3.0]})
    held_out = moments_of({"margin": [1.0, 2.0], "customers": [1, 1], "before": [1.0, 3.0]})
    with pytest.raises(ValueError, match="different totals"):
        mean_effect(treated, held_out, "margin", metric="margin", level=0.95, covariate="before")


def test_an_outcome_that_is_no_number_spoils_itself_and_nothing_else():
    totals = {"customers": [1, 1, 2], "margin": [1.0, 2.0, 5.0], "score": [1.0, np.nan, 2.0]}
    treated, held_out = moments_of(totals), moments_of(totals)
    assert mean_effect(treated, held_out, "margin", metric="margin", level=0.95).estimate == 0
    with pytest.raises(ValueError, match="the mean of 'score' or 'customers' in the treatment is no finite number"):
        mean_effect(treated, held_out, "score", metric="score", level=0.95)
    covariance = treated.covariance.copy()
    covariance[1, 1] = np.nan
    broken = Moments(treated.names, treated.count, treated.mean, covariance)
    with pytest.raises(ValueError, match="the covariance of customers, margin is no finite number"):
        mean_effect(broken, held_out, "margin", metric="margin", level=0.95)


def scored_churn(rng, n, factor, certainty):
    """Customers whose risk was frozen before the assignment; treatment multiplies it by `factor`."""
    risk = rng.beta(0.2 * certainty, 0.8 * certainty, n)
    ones = np.ones(n)
    return moments_of({"customers": ones, "known": ones, "risk": risk, "churned": rng.random(n) < risk * factor})


@pytest.mark.slow
@pytest.mark.truth
@pytest.mark.parametrize(("n1", "n0"), [(3_600, 400), (2_000, 2_000)], ids=["90/10", "50/50"])
def test_statistics_3b_a_frozen_score_narrows_the_interval_and_keeps_its_promise(n1, n0):
    # Beta(1.05, 4.2) has variance .0256 and the outcome .16: a correlation of .40, so 1 - .917 = 8 % narrower.
    rng = np.random.default_rng(10)
    worlds = [(scored_churn(rng, n1, 0.8, 5.25), scored_churn(rng, n0, 1.0, 5.25)) for _ in range(1_000)]
    plain, cupac = (
        [
            mean_effect(t, h, "churned", metric="churned", level=0.95, denominator="known", covariate=covariate)
            for t, h in worlds
        ]
        for covariate in (None, "risk")
    )
    assert_covers(-0.04, cupac)
    assert_covers(-0.04, plain)
    width = np.mean([found.high - found.low for found in cupac]) / np.mean([found.high - found.low for found in plain])
    # statistics.md 3b: .895 to .901 at rho .40; the formula sqrt(1 - rho^2) = .917, less in a treated arm of other rho.
    assert 0.89 < width < 0.94


def revenue(rng, n, effect, cap=None):
    """Zero-inflated lognormal money, before and after; `cap` is in the same unit."""
    loyal, buys = rng.normal(0, 0.8, n), rng.random((2, n)) < 0.4
    before, after = (np.where(b, np.exp(3 + loyal + rng.normal(0, 0.8, n)), 0.0) for b in buys)
    after = after * effect
    if cap is not None:
        before, after = np.minimum(before, cap), np.minimum(after, cap)
    return moments_of({"customers": np.ones(n), "money": after, "before": before})


def capped_mean(effect, cap):
    """Mean of what `revenue` draws: a lognormal with sigma^2 = .64 + .64, cut at the cap, for 40 % of the customers."""
    sigma, mu, edge = np.sqrt(1.28), 3 + np.log(effect), np.log(cap)
    below = np.exp(mu + sigma**2 / 2) * norm.cdf((edge - mu - sigma**2) / sigma)
    return float(0.4 * (below + cap * norm.sf((edge - mu) / sigma)))


@pytest.mark.slow
@pytest.mark.truth
@pytest.mark.parametrize("covariate", [None, "before"])
@pytest.mark.parametrize(("n1", "n0"), [(9_000, 1_000), (3_000, 3_000)], ids=["90/10", "50/50"])
def test_capped_revenue_is_covered(n1, n0, covariate):
    cap = float(np.exp(3 + np.sqrt(1.28) * norm.isf(0.005 / 0.4)))  # the 99.5 % point, zeros included
    rng = np.random.default_rng(13)
    effects = simulate(
        1_000,
        lambda: mean_effect(
            revenue(rng, n1, 1.05, cap), revenue(rng, n0, 1.0, cap), "money", metric="revenue", level=0.95,
            covariate=covariate,
        ),
    )  # fmt: skip
    assert_covers(capped_mean(1.05, cap) - capped_mean(1.0, cap), effects)


@pytest.mark.slow
@pytest.mark.truth
@pytest.mark.parametrize(("n1", "n0"), [(3_600, 400), (1_500, 1_500)], ids=["90/10", "50/50"])
def test_statistics_3f_the_delta_method_over_households_covers(n1, n0):
    rng = np.random.default_rng(14)
    effects = simulate(
        1_000,
        lambda: mean_effect(
            households(rng, n1, 0.15, 0.3), households(rng, n0, 0.2, 0.3), "churned", metric="churned", level=0.95
        ),
    )
    assert_covers(-0.05, effects)


@pytest.mark.slow
@pytest.mark.truth
@pytest.mark.parametrize(("n1", "n0"), [(9_000, 1_000), (3_000, 3_000)], ids=["90/10", "50/50"])
def test_statistics_3j_profit_per_customer_is_covered(n1, n0):
    # Value kept minus own cost; the holdout costs nothing. Values are fixed before: gamma with mean 300.
    def profit(rng, n, churn, cost):
        kept = rng.gamma(4, 75, n) * (rng.random(n) >= churn)
        return moments_of({"customers": np.ones(n), "net": kept - cost * (rng.random(n) < 0.7)})

    rng = np.random.default_rng(15)
    effects = simulate(
        1_000,
        lambda: mean_effect(profit(rng, n1, 0.1, 5.0), profit(rng, n0, 0.13, 0.0), "net", metric="net", level=0.95),
    )
    assert_covers(300 * 0.03 - 3.5, effects)
