"""Kaplan-Meier and restricted means from counts by day, before everybody is mature."""

import numpy as np
import pytest
from statsmodels.duration.survfunc import SurvfuncRight

from monitoring.effects import (
    NotMeasurable,
    days_kept_effect,
    kaplan_meier,
    longest_horizon,
    moments_of,
    share_effect,
    survival_effect,
    watched,
)
from monitoring.proportions import newcombe
from tests.monitoring.effects.worlds import assert_covers, bounds, coverage, simulate

# Freireich et al., Blood 21 (1963) 699: weeks until relapse under 6-MP and placebo; 0 = none when last seen.
SIX_MP = (
    [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35],
    [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0],
)
PLACEBO = ([1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23], [1] * 21)


def by_day(time, left, *, days=None, design_effect=1.0):
    """Counts by day from one row per customer: last day watched, and whether he left on it."""
    time, left = np.asarray(time), np.asarray(left, dtype=bool)
    length = int(time.max()) + 1 if days is None else days
    churned = np.bincount(time[left & (time < length)], minlength=length)
    at_risk = (
        len(time) - np.concatenate([[0], np.cumsum(np.bincount(np.minimum(time, length), minlength=length))])[:length]
    )
    return watched(at_risk, churned, design_effect=design_effect)


def test_freireich_1963_kaplan_meier_of_6_mp():
    # S(6) = .8571 (.0764), S(10) = .7529 (.0963), S(23) = .4482 (.1346): Kalbfleisch and Prentice, among many.
    curve = kaplan_meier(by_day(*SIX_MP))
    found = [(round(float(curve.survival[t]), 4), round(float(curve.error[t]), 4)) for t in (6, 10, 23)]
    assert found == [(0.8571, 0.0764), (0.7529, 0.0963), (0.4482, 0.1346)]


def test_freireich_1963_restricted_mean_of_6_mp():
    # Klein, Moeschberger, Survival Analysis, section 4.5: 23.3 weeks of 35, standard error 2.83. Under placebo nobody
    # is censored, so the mean is that of the 21 times and its variance theirs (divisor 21) over 21.
    six_mp, placebo = by_day(*SIX_MP, days=35), by_day(*PLACEBO, days=35)
    found = days_kept_effect(
        six_mp, watched([10**9] * 35, [1] + [0] * 34), horizon_days=35, level=0.95, least_at_risk=1
    )
    assert round(found.treatment.rate, 1) == 23.3
    assert round((found.high - found.estimate) / 1.959964, 2) == 2.83
    assert float(kaplan_meier(placebo).survival.sum()) == pytest.approx(np.mean(PLACEBO[0]))


def test_fifty_random_data_sets_agree_with_statsmodels():
    rng = np.random.default_rng(20)
    for _ in range(50):
        n = int(rng.integers(5, 3_000))
        leaves, ends = rng.geometric(rng.uniform(0.005, 0.1), n), rng.integers(0, 90, n)
        time, left = np.minimum(leaves, ends), leaves <= ends
        curve, expected = kaplan_meier(by_day(time, left)), SurvfuncRight(time, left.astype(int))
        at = expected.surv_times.astype(int)
        assert curve.survival[at] == pytest.approx(expected.surv_prob, abs=1e-9)
        there = expected.surv_prob > 1e-12  # where nobody is left, statsmodels says NaN
        assert curve.error[at][there] == pytest.approx(expected.surv_prob_se[there], abs=1e-9)


def test_when_everybody_is_mature_it_is_the_headline():
    rng = np.random.default_rng(21)
    days = [rng.integers(0, 300, n) for n in (900, 300)]
    arms = [by_day(np.minimum(d, 60), d < 60, days=60) for d in days]
    found = survival_effect(arms[0], arms[1], horizon_days=60, level=0.95)
    shares = [float(np.mean(d < 60)) for d in days]
    assert found.estimate == pytest.approx(shares[0] - shares[1], abs=1e-12)
    assert (found.treatment.rate, found.holdout.rate) == (pytest.approx(shares[0]), pytest.approx(shares[1]))
    expected = newcombe((shares[1] * 300, 300), (shares[0] * 900, 900), level=0.95)
    assert (found.low, found.high) == (pytest.approx(expected.low, abs=1e-9), pytest.approx(expected.high, abs=1e-9))
    assert (found.method, found.metric, found.is_good_when_lower) == ("kaplan-meier", "churned", True)
    assert (found.treatment.customer_count, found.holdout.customer_count) == (900, 300)


def test_in_a_large_sample_it_is_as_wide_as_greenwoods_errors_say():
    rng = np.random.default_rng(28)
    arms = []
    for n in (900_000, 300_000):
        leaves, ends = rng.geometric(0.005, n), rng.integers(0, 90, n)
        arms.append(by_day(np.minimum(leaves, ends), leaves <= ends))
    found = survival_effect(*arms, horizon_days=60, level=0.95)
    errors = [kaplan_meier(arm).error[59] for arm in arms]
    assert found.high - found.low == pytest.approx(2 * 1.959964 * np.hypot(*errors), rel=1e-4)


def test_days_kept_without_censoring_are_a_difference_of_means():
    rng = np.random.default_rng(22)
    days = [np.minimum(rng.integers(0, 300, n), 60) for n in (900, 300)]
    arms = [by_day(d, d < 60, days=60) for d in days]
    found = days_kept_effect(arms[0], arms[1], horizon_days=60, level=0.95)
    assert found.estimate == pytest.approx(days[0].mean() - days[1].mean(), abs=1e-9)
    error = np.sqrt(days[0].var() / 900 + days[1].var() / 300)
    assert found.high - found.estimate == pytest.approx(1.959963985 * error, rel=1e-9)
    assert (found.method, found.is_good_when_lower) == ("restricted mean", False)


def test_a_design_effect_of_four_doubles_the_width():
    widths = []
    for factor in (1.0, 4.0):
        time = np.minimum(np.random.default_rng(23).integers(0, 200, 500), 60)
        arms = [by_day(time, time < 60, days=60, design_effect=factor) for _ in range(2)]
        for effect in (survival_effect, days_kept_effect):
            found = effect(*arms, horizon_days=60, level=0.95)
            widths.append(found.high - found.low)
    assert widths[2:] == pytest.approx([2 * width for width in widths[:2]], rel=0.02)  # Newcombe's is not quite linear


def test_a_horizon_beyond_the_follow_up_is_refused_with_the_longest_that_is_not():
    treated, held_out = watched(np.arange(90, 0, -1), np.zeros(90)), watched(np.arange(60, 0, -1), np.zeros(60))
    assert longest_horizon(treated, held_out) == 41  # days 0 to 40: at least 20 customers held out are watched
    assert longest_horizon(treated, held_out, least_at_risk=1) == 60
    for effect in (survival_effect, days_kept_effect):
        with pytest.raises(NotMeasurable, match=r"about 42 days yet\. The longest horizon .* is 41 days"):
            effect(treated, held_out, horizon_days=42, level=0.95)
    assert survival_effect(treated, held_out, horizon_days=41, level=0.95).estimate == 0


def test_nobody_left_yet_has_a_width_as_a_share_and_none_as_days():
    arms = [watched([200] * 30, [0] * 30), watched([40] * 30, [0] * 30)]
    found = survival_effect(*arms, horizon_days=30, level=0.95)
    assert found.low < -0.08 < 0 < 0.018 < found.high  # Wilson: 3.84 / (n + 3.84) of 40 and of 200
    with pytest.raises(NotMeasurable, match="nobody has left within 30 days in either group"):
        days_kept_effect(*arms, horizon_days=30, level=0.95)


def test_a_group_that_has_left_to_the_last_is_refused():
    with pytest.raises(NotMeasurable, match="everybody in the holdout who was still watched has left"):
        survival_effect(watched([50, 50], [1, 1]), watched([50, 40], [10, 40]), horizon_days=2, level=0.95)


def test_an_empty_group_has_no_horizon():
    with pytest.raises(NotMeasurable, match="is 0 days"):
        survival_effect(watched([50, 50], [1, 1]), watched([], []), horizon_days=1, level=0.95)
    with pytest.raises(NotMeasurable, match="is 0 days"):
        survival_effect(watched([50, 50], [1, 1]), watched([0, 0], [0, 0]), horizon_days=1, level=0.95)


@pytest.mark.parametrize(
    ("at_risk", "churned", "design_effect", "message"),
    [
        ([5, 4], [1], 1.0, "two rows of days"),
        ([5, 4], [1, 5], 1.0, "more churned than were at risk"),
        ([5, 4], [-1, 0], 1.0, "negative"),
        ([5, np.nan], [1, 0], 1.0, "missing"),
        ([5, 4], [1, 0], 0.5, "at least 1"),
    ],
)
def test_counts_that_cannot_be_are_refused(at_risk, churned, design_effect, message):
    with pytest.raises(ValueError, match=message):
        watched(at_risk, churned, design_effect=design_effect)


@pytest.mark.parametrize(("horizon_days", "level"), [(0, 0.95), (1, 1.0)])
def test_a_horizon_and_a_level_have_a_range(horizon_days, level):
    with pytest.raises(ValueError, match="survival: "):
        survival_effect(watched([50], [1]), watched([50], [1]), horizon_days=horizon_days, level=level)


WINDOW = 60


def staggered(rng, n, churn, as_of, entry_days):
    """Customers who enter over `entry_days` and leave, with probability `churn`, within 60 days; seen on `as_of`."""
    entry = rng.integers(0, entry_days, n)
    leaves = np.where(rng.random(n) < churn, rng.integers(0, WINDOW, n), WINDOW)
    seen = np.minimum(as_of - entry, WINDOW)
    is_in = seen > 0
    time, left = np.minimum(leaves, seen)[is_in], (leaves < seen)[is_in]
    matured = seen[is_in] == WINDOW
    return time, left, matured


def censored(time, left, *, design_effect=1.0):
    """As outcomes.survival gives it: day d is at risk for those watched through all of day d."""
    churned = np.bincount(time[left], minlength=WINDOW)[:WINDOW]
    ended = np.bincount(time[~left], minlength=WINDOW + 1)[:WINDOW]
    gone = np.cumsum(churned) - churned + np.cumsum(ended)
    return watched(len(time) - gone, churned, design_effect=design_effect)


@pytest.mark.slow
@pytest.mark.truth
@pytest.mark.parametrize(("n1", "n0"), [(27_000, 3_000), (6_000, 6_000)], ids=["90/10", "50/50"])
@pytest.mark.parametrize("as_of", [75, 100, 150])
def test_statistics_3h_kaplan_meier_covers_before_all_are_mature(n1, n0, as_of):
    rng = np.random.default_rng(25)
    worlds = [(staggered(rng, n1, 0.08, as_of, 90), staggered(rng, n0, 0.1, as_of, 90)) for _ in range(500)]
    effects = [survival_effect(censored(*t[:2]), censored(*h[:2]), horizon_days=WINDOW, level=0.95) for t, h in worlds]
    assert_covers(-0.02, effects)
    days = [days_kept_effect(censored(*t[:2]), censored(*h[:2]), horizon_days=WINDOW, level=0.95) for t, h in worlds]
    assert_covers(0.02 * (WINDOW - (WINDOW - 1) / 2), days)  # who leaves keeps 29.5 days of 60 on average

    naive = [float(t[1].mean() - h[1].mean()) for t, h in worlds]
    matured = [
        share_effect(*(moments_of({"known": m, "churned": left & m}) for _, left, m in arms), level=0.95)
        for arms in worlds
    ]
    assert_covers(-0.02, matured)
    ratio = np.std([e.estimate for e in effects]) / np.std([e.estimate for e in matured])
    if as_of == 75:
        assert np.mean(naive) > -0.015  # a good part of the effect is missing
        assert ratio < 0.8  # "takes a third off the sd"
    if as_of == 150:
        assert np.mean(naive) == pytest.approx(np.mean([e.estimate for e in effects]), abs=1e-12)
        assert ratio == pytest.approx(1, abs=1e-9)


@pytest.mark.slow
@pytest.mark.truth
@pytest.mark.parametrize(
    ("base", "treated", "n1", "n0"),
    [(0.08, 0.065, 4_500, 500), (0.02, 0.014, 4_500, 500), (0.2, 0.15, 900, 100), (0.004, 0.004, 900, 100)],
)
def test_a_small_holdout_is_covered_halfway_where_greenwoods_straight_interval_is_not(base, treated, n1, n0):
    # Measured with the straight interval: .933, .898 and .916.
    rng = np.random.default_rng(26)

    def world():
        arms = [staggered(rng, n, churn, 75, 90) for n, churn in ((n1, treated), (n0, base))]
        return survival_effect(*(censored(*arm[:2]) for arm in arms), horizon_days=WINDOW, level=0.95, least_at_risk=1)

    effects = simulate(1_000, world)
    # At .4 % most holdouts have no leaver at all: the interval then covers more often than it says, never less.
    low, high = bounds(0.95, 1_000)
    assert low <= coverage(treated - base, effects) <= (1.0 if base < 0.01 else high)
    assert (sum(e.holdout.rate == 0 for e in effects) > 500) == (base < 0.01)


@pytest.mark.slow
@pytest.mark.truth
@pytest.mark.parametrize(("n1", "n0"), [(13_500, 1_500), (3_000, 3_000)], ids=["90/10", "50/50"])
def test_couples_who_enter_and_leave_together_are_covered_with_their_design_effect(n1, n0):
    rng = np.random.default_rng(27)
    worlds = [[staggered(rng, n, churn, 75, 90)[:2] for n, churn in ((n1, 0.08), (n0, 0.1))] for _ in range(500)]

    def effects(effect, factor):
        return [
            effect(
                *(censored(np.repeat(time, 2), np.repeat(left, 2), design_effect=factor) for time, left in arms),
                horizon_days=WINDOW,
                level=0.95,
            )
            for arms in worlds
        ]

    for effect, truth in ((survival_effect, -0.02), (days_kept_effect, 0.02 * (WINDOW - (WINDOW - 1) / 2))):
        assert_covers(truth, effects(effect, 2.0))
        assert coverage(truth, effects(effect, 1.0)) < 0.9
