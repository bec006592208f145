"""Outcomes that are missing, and questions that were answered."""

import numpy as np
import pytest
from scipy import stats

from monitoring.effects.missing import coverage, response_rates
from monitoring.effects.moments import Moments, moments_of
from monitoring.proportions import newcombe


def group(count: int, part: int, *, whole: str = "present", name: str = "known") -> Moments:
    """Single customers, ``part`` of whom are known (or answered)."""
    return moments_of({whole: np.ones(count), name: np.arange(count) < part})


def test_the_interval_of_single_customers_is_newcombes_known_answer() -> None:
    """Newcombe (1998), 56/70 against 48/80: (.0524, .3339)."""
    found = coverage({"treatment": group(70, 56), "holdout": group(80, 48)})
    assert found.difference is not None
    assert (found.difference.low, found.difference.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert found.p_value is not None
    expected = stats.chi2_contingency([[56, 14], [48, 32]], correction=False).pvalue
    assert found.p_value == pytest.approx(float(expected))


def test_outcomes_known_alike_pass() -> None:
    found = coverage({"treatment": group(9_000, 8_910), "holdout": group(1_000, 988)})
    assert found.check.verdict == "passed"
    assert found.overall is not None
    assert found.overall.share == pytest.approx(0.9898)


def test_outcomes_missing_by_group_fail_by_size_and_by_chance_both() -> None:
    """4 points in 10,000 customers are no chance; half a point in a million is none either, but biases little."""
    failed = coverage({"treatment": group(9_000, 8_900), "holdout": group(1_000, 950)})
    assert failed.verdict == "failed"
    assert "depends on the group" in failed.finding
    slight = coverage({"treatment": group(500_000, 490_000), "holdout": group(500_000, 487_500)})
    assert slight.verdict == "warning"
    by_chance = coverage({"treatment": group(900, 882), "holdout": group(100, 95)})
    assert by_chance.verdict == "passed"
    strict = coverage(
        {"treatment": group(500_000, 490_000), "holdout": group(500_000, 487_500)}, largest_difference=0.001
    )
    assert strict.verdict == "failed"


def test_little_coverage_warns_and_then_fails() -> None:
    assert coverage({"treatment": group(9_000, 8_100), "holdout": group(1_000, 900)}).verdict == "warning"
    lost = coverage({"treatment": group(9_000, 6_300), "holdout": group(1_000, 700)})
    assert lost.verdict == "failed"
    assert "late or lost" in lost.finding


def test_everything_missing_fails_and_everything_known_passes() -> None:
    assert coverage({"treatment": group(900, 0), "holdout": group(100, 0)}).verdict == "failed"
    assert coverage({"treatment": group(900, 900), "holdout": group(100, 100)}).verdict == "passed"


def test_an_empty_group_is_not_checked() -> None:
    for groups in ({"treatment": group(10, 10)}, {"treatment": group(10, 10), "holdout": group(0, 0)}):
        found = coverage(groups)
        assert (found.check.verdict, found.check.value) == ("not checked", None)
        assert response_rates(groups, asked="present", answered="known").verdict == "not checked"


def test_households_that_go_together_count_once() -> None:
    """1,000 households of two, both known or neither: the interval is that of 1,000 customers."""
    treated = moments_of({"present": np.full(1_000, 2), "known": 2 * (np.arange(1_000) < 900)})
    held = moments_of({"present": np.full(500, 2), "known": 2 * (np.arange(500) < 440)})
    found = coverage({"treatment": treated, "holdout": held})
    alone = newcombe((440, 500), (900, 1_000))
    assert found.difference is not None
    assert (found.difference.low, found.difference.high) == pytest.approx((alone.low, alone.high))


def test_households_without_any_variance_are_read_conservatively() -> None:
    treated = moments_of({"present": np.full(100, 2), "known": np.full(100, 1)})
    held = moments_of({"present": np.full(50, 4), "known": np.full(50, 4)})
    found = coverage({"treatment": treated, "holdout": held})
    assert found.difference is not None
    assert found.difference.second.n == pytest.approx(100)
    assert found.difference.first.n == pytest.approx(50)


@pytest.mark.parametrize(
    ("treated", "held", "verdict"),
    [(2_700, 300, "passed"), (2_790, 280, "passed"), (2_840, 280, "warning"), (2_910, 280, "failed")],
)
def test_answers_of_different_people_are_withheld(treated: int, held: int, verdict: str) -> None:
    """Of 9,000 and 1,000 asked: z = 0, 1.95, 2.3 and 2.8, against 1.960 (warning) and 2.576 (failed)."""
    found = response_rates(
        {
            "treatment": group(9_000, treated, whole="asked", name="answered"),
            "holdout": group(1_000, held, whole="asked", name="answered"),
        }
    )
    assert found.check.verdict == verdict
    assert found.p_value is not None


def test_nobody_asked_is_not_checked() -> None:
    found = response_rates(
        {
            "treatment": group(9, 3, whole="asked", name="answered"),
            "holdout": group(0, 0, whole="asked", name="answered"),
        }
    )
    assert found.verdict == "not checked"
    assert "too few" in found.finding


def test_more_known_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="known is 2 of present"):
        coverage({"treatment": moments_of({"present": [1, 1], "known": [2, 2]}), "holdout": group(10, 10)})


@pytest.mark.slow
@pytest.mark.truth
def test_groups_that_answer_alike_are_withheld_in_one_of_a_hundred() -> None:
    """4,000 worlds, 90/10, households of two that answer together or not: .01 within 3.1 binomial errors."""
    rng = np.random.default_rng(31)
    worlds, failed = 4_000, 0
    for _ in range(worlds):
        groups = {}
        for name, count in (("treatment", 1_800), ("holdout", 200)):
            own = rng.random((count, 2)) < 0.3
            alike = rng.random(count) < 0.3
            answered = np.where(alike, 2 * own[:, 0], own.sum(axis=1))
            groups[name] = moments_of({"asked": np.full(count, 2), "answered": answered})
        failed += response_rates(groups).verdict == "failed"
    assert failed / worlds <= 0.01 + 3.1 * np.sqrt(0.01 * 0.99 / worlds)
