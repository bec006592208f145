"""Intervals of shares, against published figures and by simulation."""

import numpy as np
import pytest

from monitoring.proportions import newcombe, wilson


def test_wilson_gives_the_published_interval():
    # Newcombe, Statistics in Medicine 17 (1998) 857, table I, method 3: 81 of 263.
    share = wilson(81, 263)
    assert (round(share.low, 4), round(share.high, 4)) == (0.2553, 0.3662)


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [(15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],  # same table
)
def test_wilson_gives_the_published_intervals_of_small_counts(count, n, low, high):
    share = wilson(count, n)
    assert (round(share.low, 4), round(share.high, 4)) == (low, high)


def test_newcombe_gives_the_published_interval():
    # Newcombe, Statistics in Medicine 17 (1998) 873, table II, method 10, contrast (a): 56/70 - 48/80.
    gap = newcombe((48, 80), (56, 70))
    assert (round(gap.low, 4), round(gap.high, 4)) == (0.0524, 0.3339)


def test_newcombe_of_two_zeros_still_has_a_width():
    # Same table, contrast (h): 0/10 - 0/10 -> -0.2775 to 0.2775.
    gap = newcombe((0, 10), (0, 10))
    assert (round(gap.low, 4), round(gap.high, 4)) == (-0.2775, 0.2775)


def test_wilson_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    truths, sims, n = (0.02, 0.1, 0.4), 2_000, 400
    for truth in truths:
        hits = sum(s.low <= truth <= s.high for s in (wilson(k, n) for k in rng.binomial(n, truth, sims)))
        # Wilson's own coverage wanders within 1.5 points of 95 %; three binomial standard errors on top are 1.5 more.
        assert abs(hits / sims - 0.95) <= 0.03


@pytest.mark.parametrize(("count", "n"), [(1, 0), (-1, 5), (6, 5), (float("nan"), 5)])
def test_a_share_of_nothing_is_refused(count, n):
    with pytest.raises(ValueError, match="needs 0 <= count <= n"):
        wilson(count, n)
