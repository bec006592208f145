"""The NPS and the mean score keep what their intervals promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from monitoring.feedback.intervals import mean_score, net_promoter_score


def test_the_interval_is_that_of_bonett_and_price() -> None:
    """R package statpsych 1.8, ci.prop.ps(.05, 12, 4, 26, 6): 0.44, SE 0.09448809, 0.2548067 to 0.6251933."""
    score = net_promoter_score(26, 4, 48)
    assert (score.low, score.high) == pytest.approx((25.48067, 62.51933), abs=1e-5)
    assert score.estimate == pytest.approx(100 * 22 / 48)


def test_the_score_turns_with_the_answers() -> None:
    up, down = net_promoter_score(7, 2, 20), net_promoter_score(2, 7, 20)
    assert (up.estimate, up.low, up.high) == pytest.approx((-down.estimate, -down.high, -down.low))


def test_everybody_alike_is_no_certainty_and_the_scale_ends_at_100() -> None:
    score = net_promoter_score(5, 0, 5)
    assert (score.estimate, score.high) == (100.0, 100.0)
    assert score.low < 30


@pytest.mark.parametrize("counts", [(0, 0, 0), (3, 3, 5), (-1, 0, 5)])
def test_answers_that_cannot_be_are_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="net_promoter_score"):
        net_promoter_score(*counts)


@pytest.mark.parametrize(("promoters", "detractors"), [(0.3, 0.3), (0.7, 0.1), (0.05, 0.6), (0.9, 0.02)])
@pytest.mark.parametrize("n", [10, 30, 90])
def test_the_interval_covers(promoters: float, detractors: float, n: int) -> None:
    """Exact coverage over all samples of three shares. Bonett and Price report close to and seldom below nominal."""
    truth, covered = 100 * (promoters - detractors), 0.0
    up = np.arange(n + 1)
    weights = stats.binom.pmf(up, n, promoters)
    for count, weight in zip(up, weights, strict=True):
        down = np.arange(n - count + 1)
        chances = stats.binom.pmf(down, n - count, detractors / (1 - promoters))
        for other, chance in zip(down[chances > 1e-7], chances[chances > 1e-7], strict=True):
            score = net_promoter_score(int(count), int(other), n)
            covered += weight * chance * (score.low <= truth <= score.high)
    assert 0.93 < covered <= 1


def test_the_mean_is_students() -> None:
    scores = np.array([7.0, 8.0, 10.0, 3.0, 9.0])
    found = mean_score(scores, lowest=0, highest=10)
    assert found is not None
    known = stats.ttest_1samp(scores, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((known.low, min(known.high, 10.0)))
    assert mean_score(np.array([7.0]), lowest=0, highest=10) is None


def test_a_mean_of_equal_answers_has_an_interval_too() -> None:
    found = mean_score(np.full(10, 5.0), lowest=1, highest=5)
    assert found is not None
    assert found.estimate == found.high == 5.0
    assert 3.5 < found.low < 4.5  # Wilson, 10 of 10: 0.722 of the scale
