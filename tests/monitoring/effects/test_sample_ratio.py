"""The sizes of the groups: known answers, and worlds in which the drawing is right or not."""

from datetime import date, timedelta
from math import exp, log

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from monitoring.effects.sample_ratio import log_bayes_factor, sample_ratio

FIRST = date(2026, 3, 2)


def entries(propensity: list[float], treated: list[int], held: list[int], days: list[int] | None = None) -> pa.Table:
    on = [FIRST + timedelta(days=int(day)) for day in days or range(len(propensity))]
    return pa.table(
        {"entered_on": on, "propensity": propensity, "treatment_units": treated, "holdout_units": held},
        schema=pa.schema(
            {
                "entered_on": pa.date32(),
                "propensity": pa.float64(),
                "treatment_units": pa.int64(),
                "holdout_units": pa.int64(),
            }
        ),
    )


def test_the_final_test_gives_kohavis_known_answer() -> None:
    """Kohavi, Tang and Xu, Trustworthy Online Controlled Experiments (2020), chapter 21."""
    found = sample_ratio(entries([0.5], [821_588], [815_482]), is_final=True)
    assert found.p_value == pytest.approx(1.82e-6, abs=0.005e-6)
    assert found.verdict == "failed"
    assert "no chance" in found.check.finding


@pytest.mark.parametrize(("counts", "expected"), [((1, 0), 1.0), ((2, 0), 4 / 3), ((10, 0), 1024 / 11)])
def test_the_bayes_factor_gives_the_known_answers_of_lindon_and_malek(counts: tuple[int, int], expected: float) -> None:
    """A uniform prior gives each split of N the probability 1 / (N + 1) over C(N, n): 2^10 / 11 = 93.0909."""
    found = exp(float(log_bayes_factor(counts, [0.5, 0.5], concentration=[1, 1])))
    assert found == pytest.approx(expected, rel=1e-12)


def test_ten_percent_held_out_is_no_mismatch() -> None:
    found = sample_ratio(entries([0.9], [90_100], [9_900]), is_final=True)
    assert found.verdict == "passed"
    assert found.expected_treatment_units == pytest.approx(90_000)
    assert found.p_value == pytest.approx(float(stats.chisquare([90_100, 9_900], [90_000, 10_000]).pvalue))


def test_propensities_may_vary_between_entries() -> None:
    """Half of the units at 0.9 and half at 0.5: 70 % treated in all is right, though neither share is 70 %."""
    found = sample_ratio(entries([0.9, 0.5], [9_000, 5_050], [1_000, 4_950]), is_final=True)
    z = 50 / np.sqrt(10_000 * 0.09 + 10_000 * 0.25)
    assert found.p_value == pytest.approx(float(2 * stats.norm.sf(z)))
    apart = [
        float(log_bayes_factor([9_000, 1_000], [0.9, 0.1], concentration=[90, 10])),
        float(log_bayes_factor([5_050, 4_950], [0.5, 0.5], concentration=[50, 50])),
    ]
    assert found.log_bayes_factor == pytest.approx(sum(apart))
    assert found.verdict == "passed"


def test_hundreds_of_propensities_are_judged_together() -> None:
    """Every unit has its own propensity: one by one they say nothing, and a tenth of the holdout lost is still seen."""
    rng = np.random.default_rng(13)
    propensity = np.round(rng.uniform(0.5, 0.95, 6_000), 5)
    is_treated = rng.random(6_000) < propensity
    days = [i // 100 for i in range(6_000)]
    right = sample_ratio(entries(list(propensity), list(is_treated * 1), list(1 - is_treated), days), is_final=True)
    assert right.verdict == "passed"
    assert right.bayes_factor < 10
    is_lost = ~is_treated & (rng.random(6_000) < 0.25)
    kept = ~is_lost
    wrong = sample_ratio(
        entries(
            list(propensity[kept]), list(is_treated[kept] * 1), list(1 - is_treated[kept]), list(np.array(days)[kept])
        )
    )
    assert wrong.verdict == "failed"
    assert wrong.first_alarm_on is not None
    certain = sample_ratio(entries([*propensity, 1.0], [*(is_treated * 1), 5], [*(1 - is_treated), 0], [*days, 60]))
    assert certain.log_bayes_factor == pytest.approx(right.log_bayes_factor)
    forbidden = sample_ratio(entries([*propensity, 1.0], [*(is_treated * 1), 5], [*(1 - is_treated), 1], [*days, 60]))
    assert forbidden.first_alarm_on == FIRST + timedelta(days=60)


def test_few_units_are_judged_exactly() -> None:
    found = sample_ratio(entries([0.9], [55], [0]), is_final=True)
    assert found.p_value == pytest.approx(float(stats.binomtest(0, 55, 0.1).pvalue))
    mixed = sample_ratio(entries([0.9, 0.8], [10, 9], [1, 2], [0, 0]))
    ones = np.array([0.1] * 11 + [0.2] * 11)
    mass = np.ones(1)
    for one in ones:
        mass = np.convolve(mass, [1 - one, one])
    assert mixed.p_value == pytest.approx(float(mass[mass <= mass[3] * (1 + 1e-9)].sum()))


def test_the_first_day_of_alarm_is_told_and_never_taken_back() -> None:
    """400 of 1,000 held out on the second day; afterwards the other way round, so that the sum is right again."""
    found = sample_ratio(entries([0.9] * 3, [900, 600, 1_200], [100, 400, 100]))
    assert found.first_alarm_on == FIRST + timedelta(days=1)
    assert found.verdict == "failed"
    assert log(found.bayes_factor) == pytest.approx(found.log_bayes_factor)


def test_days_may_come_in_any_order_and_in_pieces() -> None:
    tidy = sample_ratio(entries([0.9, 0.9], [100, 95], [9, 12], [0, 1]))
    pieces = sample_ratio(entries([0.9, 1 - 0.1, 0.9], [95, 40, 60], [12, 4, 5], [1, 0, 0]))
    assert pieces.p_value == pytest.approx(tidy.p_value)
    assert pieces.log_bayes_factor == pytest.approx(tidy.log_bayes_factor)
    assert pieces.first_alarm_on == tidy.first_alarm_on


def test_a_unit_where_its_propensity_forbids_fails_without_infinity() -> None:
    found = sample_ratio(entries([1.0, 0.9], [50, 900], [1, 100]), is_final=True)
    assert (found.verdict, found.p_value) == ("failed", 0.0)
    assert np.isfinite(found.bayes_factor)
    assert np.isfinite(sample_ratio(entries([0.5], [5_000_000], [0])).bayes_factor)


def test_units_without_chance_pass_when_they_are_where_they_must_be() -> None:
    found = sample_ratio(entries([1.0], [50], [0]), is_final=True)
    assert (found.verdict, found.p_value, found.bayes_factor) == ("passed", 1.0, 1.0)


def test_nobody_is_not_checked() -> None:
    assert sample_ratio(entries([], [], [])).check.verdict == "not checked"
    assert sample_ratio(entries([0.9], [0], [0])).verdict == "not checked"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (entries([1.2], [1], [1]), "propensity"),
        (entries([0.9], [-1], [1]), "count"),
        (entries([None], [1], [1]), "propensity"),  # type: ignore[list-item]
        (entries([0.9], [1], [1]).set_column(0, "entered_on", pa.array([None], pa.date32())), "day of entry"),
    ],
)
def test_impossible_entries_are_refused(table: pa.Table, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sample_ratio(table)


@pytest.mark.slow
@pytest.mark.truth
def test_sixty_daily_looks_cry_wolf_in_less_than_one_layer_in_a_thousand() -> None:
    """4,000 right layers at 90/10: at most 1/1000 may fail (Ville), so more than 12 has probability below 1e-3."""
    rng = np.random.default_rng(11)
    worlds, a_day = 4_000, 500
    held = rng.binomial(a_day, 0.1, (worlds, 60)).cumsum(axis=1)
    total = a_day * np.arange(1, 61)
    logs = log_bayes_factor(np.stack([total - held, held], axis=-1), [0.9, 0.1], concentration=[90, 10])
    false = int((logs.max(axis=1) > log(1000)).sum())
    assert stats.binom.sf(12, worlds, 0.001) < 1e-3
    assert false <= 12
    alike = sample_ratio(
        entries([0.9] * 60, list(a_day - np.diff(held[0], prepend=0)), list(np.diff(held[0], prepend=0)))
    )
    assert alike.log_bayes_factor == pytest.approx(float(logs[0, -1]))


@pytest.mark.slow
@pytest.mark.truth
@pytest.mark.parametrize(("real_share", "found_share", "days"), [(0.91, 0.95, 31), (0.93, 0.999, 4)])
def test_a_lost_tenth_of_the_holdout_is_found(real_share: float, found_share: float, days: int) -> None:
    """500 units a day, 90 % planned: found in 95 % (statistics 3d), median day 31 and 4; three standard errors."""
    rng = np.random.default_rng(12)
    worlds = 2_000
    held = rng.binomial(500, 1 - real_share, (worlds, 60)).cumsum(axis=1)
    total = 500 * np.arange(1, 61)
    logs = log_bayes_factor(np.stack([total - held, held], axis=-1), [0.9, 0.1], concentration=[90, 10])
    is_over = logs > log(1000)
    is_found = is_over.any(axis=1)
    assert is_found.mean() >= found_share - 3 * np.sqrt(found_share * (1 - found_share) / worlds)
    assert abs(float(np.median(is_over[is_found].argmax(axis=1) + 1)) - days) <= 2


@pytest.mark.slow
@pytest.mark.truth
def test_sixty_daily_looks_at_many_propensities_cry_wolf_as_rarely() -> None:
    """400 right layers of 1,500 units with a propensity each: at most 1/1000 may fail, more than 4 with P < 1e-4."""
    rng = np.random.default_rng(14)
    worlds, false = 400, 0
    days = [i // 25 for i in range(1_500)]
    for _ in range(worlds):
        propensity = rng.uniform(0.5, 0.95, 1_500)
        treated = (rng.random(1_500) < propensity) * 1
        false += sample_ratio(entries(list(propensity), list(treated), list(1 - treated), days)).verdict == "failed"
    assert stats.binom.sf(4, worlds, 0.001) < 1e-4
    assert false <= 4
