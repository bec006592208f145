"""The harm stop: silent where nobody is harmed, whatever the design, and loud in time where somebody is."""

from datetime import date

import numpy as np
import pytest
from scipy.stats import binom

from campaigns.power import reading_alpha, sample_needed
from monitoring.effects import harm_of
from tests.monitoring.effects.worlds import bounds

FIRST = np.datetime64("2026-01-01")
HORIZON = 60


def test_the_e_value_of_a_few_leavers_by_hand():
    # e = .9, two treated and one held out; theta = 2: q = 1.8/1.9; (q/.9)^2 (1 - q)/.1 = (2/1.9)^2 (1/1.9) = 4/6.859.
    found = harm_of([date(2026, 1, 1)] * 2, ["treatment", "holdout"], [0.9, 0.9], [2, 1], alpha=0.05, ratios=(2.0,))
    assert found.e_value == pytest.approx(4 / 6.859, rel=1e-12)
    assert found.largest_e_value == 1.0
    assert (found.treatment_count, found.holdout_count, found.alarm_on) == (2, 1, None)
    assert found.expected_treatment_share == pytest.approx(0.9)
    assert found.churn_ratio == pytest.approx(2 / 9)
    assert not found.is_alarm


def test_the_e_value_has_mean_one_exactly_when_treatment_changes_nothing():
    # All outcomes of 12 leavers, weighted by their probabilities: sum of P(x) e(x) = 1.
    for e in (0.1, 0.5, 0.9):
        values = [
            harm_of([date(2026, 1, 1)] * 2, ["treatment", "holdout"], [e, e], [x, 12 - x], alpha=0.05).e_value
            for x in range(13)
        ]
        assert float(binom.pmf(np.arange(13), 12, e) @ values) == pytest.approx(1.0, rel=1e-12)
        assert values == sorted(values)  # each treated leaver speaks for harm, each held out against it


def test_the_order_of_a_day_and_how_its_rows_are_cut_mean_nothing():
    days = np.array(["2026-01-01"] * 4 + ["2026-01-02"] * 3, dtype="datetime64[D]")
    group = np.array(["treatment", "holdout", "treatment", "treatment", "holdout", "treatment", "treatment"])
    share, count = np.array([0.9, 0.9, 0.5, 0.9, 0.5, 0.5, 0.9]), np.array([3, 1, 2, 1, 1, 4, 5])
    expected = harm_of(days, group, share, count, alpha=0.05)
    rng = np.random.default_rng(50)
    for _ in range(20):
        order = rng.permutation(7)
        assert harm_of(days[order], group[order], share[order], count[order], alpha=0.05) == expected
    one_by_one = [np.repeat(column, count) for column in (days, group, share)]
    found = harm_of(*one_by_one, np.ones(count.sum()), alpha=0.05)
    assert found.e_value == pytest.approx(expected.e_value, rel=1e-12)


def test_an_alarm_stays_and_names_its_first_day():
    days = [date(2026, 1, day) for day in (1, 2, 3)]
    group, count = ["treatment", "treatment", "holdout"], [5, 30, 60]
    found = harm_of(days, group, [0.5] * 3, count, alpha=0.05)
    assert found.alarm_on == date(2026, 1, 2)
    assert found.is_alarm
    assert found.e_value < 1 < 20 <= found.largest_e_value
    assert harm_of(days[:2], group[:2], [0.5] * 2, count[:2], alpha=0.05).alarm_on == date(2026, 1, 2)
    assert harm_of(days[:1], group[:1], [0.5], count[:1], alpha=0.05).alarm_on is None


def test_the_lower_bound_passes_one_exactly_when_the_alarm_is_raised():
    rng = np.random.default_rng(51)
    for _ in range(200):
        treated, held_out = rng.poisson(40), rng.poisson(25)
        found = harm_of([date(2026, 1, 1)] * 2, ["treatment", "holdout"], [0.5] * 2, [treated, held_out], alpha=0.05)
        assert (found.churn_ratio_low > 1) == found.is_alarm
        assert found.churn_ratio_low < found.churn_ratio


def test_the_ratio_of_several_propensities_expects_what_was_seen():
    share, group, count = [0.5, 0.9, 0.5, 0.9], ["treatment", "treatment", "holdout", "holdout"], [50, 180, 25, 10]
    found = harm_of([date(2026, 1, 1)] * 4, group, share, count, alpha=0.05)
    assert found.churn_ratio == pytest.approx(2.0)  # 50 against 25 of 50/50, 180 against 10 of 90/10
    assert found.expected_treatment_share == pytest.approx((75 * 0.5 + 190 * 0.9) / 265)


def test_nobody_left_says_nothing():
    found = harm_of([], [], [], [], alpha=0.05)
    assert (found.e_value, found.largest_e_value, found.alarm_on) == (1.0, 1.0, None)
    assert (found.expected_treatment_share, found.churn_ratio, found.churn_ratio_low) == (None, None, 0.0)


def test_units_that_could_only_be_drawn_one_way_say_nothing():
    days, group = [date(2026, 1, 1)] * 3, ["treatment", "holdout", "treatment"]
    alone = harm_of(days[:2], group[:2], [0.5, 0.5], [4, 3], alpha=0.05)
    assert harm_of(days, group, [0.5, 0.5, 1.0], [4, 3, 500], alpha=0.05) == alone
    assert harm_of(days[:1], ["holdout"], [0.0], [9], alpha=0.05).treatment_count == 0


def test_leavers_of_one_group_only_have_no_ratio_but_may_raise_the_alarm():
    found = harm_of([date(2026, 1, 1)], ["treatment"], [0.5], [40], alpha=0.05)
    assert found.is_alarm
    assert found.churn_ratio is None
    assert 1 < found.churn_ratio_low < np.inf
    silent = harm_of([date(2026, 1, 1)], ["holdout"], [0.5], [4_000], alpha=0.05)
    assert not silent.is_alarm
    assert silent.churn_ratio_low == 0
    assert 0 <= silent.e_value < 1e-10


def test_very_many_leavers_are_still_numbers():
    found = harm_of([date(2026, 1, 1)] * 2, ["treatment", "holdout"], [0.5] * 2, [10**6, 10**5], alpha=0.05)
    assert np.isfinite(found.e_value)
    assert found.churn_ratio_low == pytest.approx(10, rel=0.7)
    assert found.churn_ratio == pytest.approx(10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": 0.0}, "alpha must lie in"),
        ({"alpha": 1.0}, "alpha must lie in"),
        ({"group": ["treated"]}, "a group is treatment or holdout .got 'treated'"),
        ({"propensity": [1.2]}, "a propensity lies outside"),
        ({"propensity": [float("nan")]}, "a propensity lies outside"),
        ({"unit_count": [-1]}, "no whole number"),
        ({"unit_count": [0.5]}, "no whole number"),
        ({"unit_count": [1, 1]}, "differ in length"),
        ({"churned_on": [None]}, "a day is missing"),
        ({"ratios": ()}, "ratios to bet on"),
        ({"ratios": (0.5, 2.0)}, "ratios to bet on"),
    ],
)
def test_leavers_that_cannot_be_are_refused(change, message):
    columns = {"churned_on": [date(2026, 1, 1)], "group": ["treatment"], "propensity": [0.5], "unit_count": [1]}
    with pytest.raises(ValueError, match=message):
        harm_of(**{"alpha": 0.05, **columns, **change})


def leavers_by_day(rng, n, churn, entry_days, *, delay=0):
    """Leavers by day of `n` units that enter over `entry_days` and leave, if they do, at any time in 60 days."""
    left = rng.binomial(n, churn)
    on = rng.integers(0, entry_days, left) + rng.integers(0, HORIZON, left) + delay
    return np.bincount(on, minlength=entry_days + HORIZON + delay)


def read(arms, *, alpha, until=None):
    """The monitor over arms (group, propensity, leavers by day), read until a day (exclusive)."""
    columns = [[], [], [], []]
    for group, propensity, by_day in arms:
        day = np.flatnonzero(by_day)
        day = day if until is None else day[day < until]
        for column, values in zip(
            columns, (FIRST + day, np.full(day.size, group), np.full(day.size, propensity), by_day[day]), strict=True
        ):
            column.append(values)
    return harm_of(*(np.concatenate(column) for column in columns), alpha=alpha)


@pytest.mark.slow
@pytest.mark.truth
@pytest.mark.parametrize("share_held_out", [0.1, 0.5], ids=["90/10", "50/50"])
@pytest.mark.parametrize("entry_days", [90, 180])
def test_ville_1939_a_campaign_that_changes_nothing_is_stopped_with_probability_alpha_at_most(
    share_held_out, entry_days
):
    # Read on every day to the end: the largest e-value so far tells whether any day raised the alarm.
    rng, worlds = np.random.default_rng(52), 500
    plan = sample_needed(0.064, 0.049, holdout_share=share_held_out, alpha=reading_alpha(0.05))
    found = [
        read(
            [
                ("treatment", 1 - share_held_out, leavers_by_day(rng, plan.treatment, 0.064, entry_days)),
                ("holdout", 1 - share_held_out, leavers_by_day(rng, plan.holdout, 0.064, entry_days)),
            ],
            alpha=0.025,
        )
        for _ in range(worlds)
    ]
    assert [harm.is_alarm for harm in found] == [harm.largest_e_value >= 1 / 0.025 for harm in found]
    for alpha in (0.01, 0.025, 0.05):
        assert np.mean([harm.largest_e_value >= 1 / alpha for harm in found]) <= bounds(alpha, worlds)[1]


@pytest.mark.slow
@pytest.mark.truth
@pytest.mark.parametrize("share_held_out", [0.1, 0.5], ids=["90/10", "50/50"])
@pytest.mark.parametrize("entry_days", [90, 180])
def test_a_campaign_that_raises_churn_is_stopped_before_half_of_its_planned_period(share_held_out, entry_days):
    # 10.0 % leave when contacted and 6.4 % when not; sized to show a fall of 1.5 points. The planned period ends when
    # the last to enter has had his 60 days.
    rng, worlds, alpha = np.random.default_rng(53), 400, 0.025
    plan = sample_needed(0.064, 0.049, holdout_share=share_held_out, alpha=reading_alpha(0.05))
    half = (entry_days + HORIZON) // 2
    found = [
        read(
            [
                ("treatment", 1 - share_held_out, leavers_by_day(rng, plan.treatment, 0.1, entry_days)),
                ("holdout", 1 - share_held_out, leavers_by_day(rng, plan.holdout, 0.064, entry_days)),
            ],
            alpha=alpha,
            until=half,
        )
        for _ in range(worlds)
    ]
    assert np.mean([harm.is_alarm for harm in found]) >= 0.8
    ratios = [harm.churn_ratio for harm in found]
    assert np.mean(ratios) == pytest.approx(0.1 / 0.064, rel=0.05)
    assert np.mean([harm.churn_ratio_low <= 0.1 / 0.064 for harm in found]) >= bounds(1 - alpha, worlds)[0]


@pytest.mark.slow
@pytest.mark.truth
@pytest.mark.parametrize("churn", [0.064, 0.05], ids=["only later", "later and less"])
def test_a_campaign_that_delays_leaving_is_not_stopped(churn):
    # Early on only the held-out leave; when the treated catch up, the leavers of those days are mostly treated.
    rng, worlds, alpha = np.random.default_rng(54), 500, 0.05
    alarms = np.mean(
        [
            read(
                [
                    ("treatment", 0.9, leavers_by_day(rng, 21_600, churn, 30, delay=30)),
                    ("holdout", 0.9, leavers_by_day(rng, 2_400, 0.064, 30)),
                ],
                alpha=alpha,
            ).is_alarm
            for _ in range(worlds)
        ]
    )
    assert alarms <= bounds(alpha, worlds)[1]


@pytest.mark.slow
@pytest.mark.truth
def test_a_design_that_changes_on_the_way_with_riskier_customers_is_not_mistaken_for_harm():
    # First 90/10 among the loyal, then 50/50 among the risky: pooled, the held-out would seem to leave far more often.
    rng, worlds, alpha = np.random.default_rng(55), 500, 0.05

    def world():
        loyal = [leavers_by_day(rng, n, 0.03, 60) for n in (9_000, 1_000)]
        risky = [np.concatenate([np.zeros(60, dtype=int), leavers_by_day(rng, n, 0.2, 60)]) for n in (1_500, 1_500)]
        return [("treatment", 0.9, loyal[0]), ("holdout", 0.9, loyal[1]),
                ("treatment", 0.5, risky[0]), ("holdout", 0.5, risky[1])]  # fmt: skip

    found = [read(world(), alpha=alpha) for _ in range(worlds)]
    assert np.mean([harm.is_alarm for harm in found]) <= bounds(alpha, worlds)[1]
    assert np.mean([harm.churn_ratio for harm in found]) == pytest.approx(1.0, abs=0.02)


@pytest.mark.slow
@pytest.mark.truth
@pytest.mark.parametrize("ratio", [1.0, 1.5, 2.5])
def test_the_lower_bound_of_the_ratio_holds_on_all_days_at_once(ratio):
    # The bound only grows from day to day, so its last value is the one that can be wrong.
    rng, worlds, alpha = np.random.default_rng(56), 500, 0.05
    low = [
        read(
            [
                ("treatment", 0.8, leavers_by_day(rng, 8_000, 0.06 * ratio, 90)),
                ("holdout", 0.8, leavers_by_day(rng, 2_000, 0.06, 90)),
            ],
            alpha=alpha,
        ).churn_ratio_low
        for _ in range(worlds)
    ]
    assert np.mean(np.array(low) > ratio) <= bounds(alpha, worlds)[1]
    assert np.median(low) > 0.6 * ratio  # and it says something
