"""Sample sizes and detectable effects: the published answers, the inverse, and power as simulated."""

from __future__ import annotations

from math import isinf, sqrt

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from campaigns.power import (
    design_effect,
    detectable_effect,
    holdout_needed,
    power_of,
    reading_alpha,
    sample_needed,
)

rates = st.floats(0.02, 0.6)
shares = st.floats(0.02, 0.98)


def test_chow_example_of_65_against_85_percent_needs_70_per_arm() -> None:
    # Chow et al., Sample Size Calculations in Clinical Research, section 4.2: .65 against .85, 80 % power.
    assert holdout_needed(0.65, 0.85) == pytest.approx(69.66, abs=0.005)
    sample = sample_needed(0.65, 0.85, holdout_share=0.5)
    assert sample is not None
    assert (sample.holdout, sample.treatment, sample.total) == (70, 70, 140)


@pytest.mark.parametrize(
    ("base", "treated", "totals"),
    [
        (0.08, 0.07, (120_914, 63_445, 35_271, 21_773)),
        (0.08, 0.065, (53_581, 28_030, 15_487, 9_375)),
        (0.02, 0.016, (200_427, 104_730, 57_729, 34_676)),
    ],
)
def test_the_table_of_holdout_sizes_to_within_two_customers(
    base: float, treated: float, totals: tuple[int, ...]
) -> None:
    # Design document, statistics 3k: totals at 5, 10, 20 and 50 % held out; both arms are rounded up here.
    for holdout_share, total in zip((0.05, 0.10, 0.20, 0.50), totals, strict=True):
        sample = sample_needed(base, treated, holdout_share=holdout_share)
        assert sample is not None
        assert 0 <= sample.total - total <= 2


def test_a_covariate_and_a_household_change_the_size_by_their_factor() -> None:
    plain = holdout_needed(0.08, 0.065, ratio=9)
    assert holdout_needed(0.08, 0.065, ratio=9, correlation=0.3) == pytest.approx(0.91 * plain)
    assert holdout_needed(0.08, 0.065, ratio=9, design_effect=1.4) == pytest.approx(1.4 * plain)


@given(base=rates, effect=st.floats(0.1, 0.9), holdout_share=shares, correlation=st.floats(0, 0.6))
@settings(max_examples=60, deadline=None)
def test_the_detectable_effect_is_the_inverse_of_the_size(
    base: float, effect: float, holdout_share: float, correlation: float
) -> None:
    treated = base * (1 - effect)
    ratio = (1 - holdout_share) / holdout_share
    needed = holdout_needed(base, treated, ratio=ratio, correlation=correlation)
    found = detectable_effect(
        base, customer_count=needed / holdout_share, holdout_share=holdout_share, correlation=correlation
    )
    assert found == pytest.approx(base - treated, rel=1e-6)


@given(base=rates, effect=st.floats(0.1, 0.9), holdout_share=shares, power=st.floats(0.6, 0.95))
@settings(max_examples=60, deadline=None)
def test_the_promised_power_is_the_power_at_the_size(
    base: float, effect: float, holdout_share: float, power: float
) -> None:
    treated = base * (1 - effect)
    needed = holdout_needed(base, treated, ratio=(1 - holdout_share) / holdout_share, power=power)
    assert power_of(base, treated, customer_count=needed / holdout_share, holdout_share=holdout_share) == pytest.approx(
        power, abs=1e-9
    )


@given(base=rates, effect=st.floats(0.1, 0.9), few=st.floats(200, 20_000), more=st.floats(1.05, 10))
@settings(max_examples=60, deadline=None)
def test_more_customers_never_show_less(base: float, effect: float, few: float, more: float) -> None:
    treated = base * (1 - effect)
    assert power_of(base, treated, customer_count=few * more, holdout_share=0.2) >= power_of(
        base, treated, customer_count=few, holdout_share=0.2
    )
    small = detectable_effect(base, customer_count=few, holdout_share=0.2)
    assume(small is not None)
    large = detectable_effect(base, customer_count=few * more, holdout_share=0.2)
    assert small is not None
    assert large is not None
    assert large < small


@pytest.mark.parametrize("holdout_share", [0.05, 0.1, 0.5])
def test_power_at_the_size_is_the_promised_one_in_simulation(holdout_share: float) -> None:
    base, treated, worlds = 0.08, 0.065, 4_000
    sample = sample_needed(base, treated, holdout_share=holdout_share)
    assert sample is not None
    rng = np.random.default_rng(3)
    left = rng.binomial(sample.holdout, base, worlds) / sample.holdout
    kept = rng.binomial(sample.treatment, treated, worlds) / sample.treatment
    error = np.sqrt(left * (1 - left) / sample.holdout + kept * (1 - kept) / sample.treatment)
    found = float(np.mean((left - kept) / error > norm.isf(0.025)))
    # Four standard errors of a share of 0.8 over the worlds, and 0.015 for the normal approximation at 5 % held out.
    assert found == pytest.approx(0.8, abs=4 * sqrt(0.8 * 0.2 / worlds) + 0.015)


def test_nothing_can_be_shown_without_a_holdout_or_without_an_effect() -> None:
    assert sample_needed(0.1, 0.08, holdout_share=0.0) is None
    assert sample_needed(0.1, 0.08, holdout_share=1.0) is None
    assert sample_needed(0.1, 0.1, holdout_share=0.5) is None
    assert isinf(holdout_needed(0.1, 0.1))
    assert power_of(0.1, 0.08, customer_count=1_000, holdout_share=0.0) == 0
    assert detectable_effect(0.1, customer_count=10, holdout_share=0.5) is None  # not even keeping everybody
    assert detectable_effect(0.1, customer_count=10_000, holdout_share=0.0) is None


@pytest.mark.parametrize(
    "arguments",
    [
        {"base": 1.2, "treated": 0.1},
        {"base": 0.1, "treated": -0.1},
        {"base": 0.1, "treated": 0.2, "ratio": 0},
        {"base": 0.1, "treated": 0.2, "alpha": 0},
        {"base": 0.1, "treated": 0.2, "power": 1.0},
        {"base": 0.1, "treated": 0.2, "correlation": 1.0},
        {"base": 0.1, "treated": 0.2, "design_effect": 0},
    ],
)
def test_an_impossible_number_is_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="power:"):
        holdout_needed(**arguments)


def test_the_daily_page_and_the_official_reading_share_alpha() -> None:
    # Design document, statistics 3c: .01 for the confidence sequence, .04 for the final reading.
    assert reading_alpha(0.05) == pytest.approx(0.04)


def test_households_that_decide_together_have_a_design_effect_of_their_size() -> None:
    rng = np.random.default_rng(5)
    churned = np.repeat(rng.random(5_000) < 0.2, 3).astype(float)
    units = np.repeat(np.arange(5_000), 3).astype(str)
    assert design_effect(churned, units) == pytest.approx(3.0, rel=0.02)


def test_households_whose_members_decide_alone_have_none() -> None:
    rng = np.random.default_rng(5)
    churned = (rng.random(15_000) < 0.2).astype(float)
    together = design_effect(churned, np.repeat(np.arange(5_000), 3).astype(str))
    assert 1 <= together < 1.06  # 5,000 households: the factor's standard error is about sqrt(2 / 5,000) = 0.02
    assert design_effect(churned, np.arange(15_000).astype(str)) == 1
    assert design_effect([0, 0, 0, 0], ["a", "a", "b", "b"]) == 1  # nobody left: nothing to tell
    assert design_effect([], []) == 1
