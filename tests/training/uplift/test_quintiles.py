"""Effects by fifths: by hand, with ties, in worlds with a known slope, and what is not shown."""

import numpy as np
import pytest

from tests.training.uplift.leagues import league_of
from training.uplift.quintiles import FEWEST_OF_AN_ARM, GROUP_COUNT, membership, quintiles_of


def test_five_groups_of_equal_size_best_first() -> None:
    score = np.arange(1000)
    trial, said = league_of({"rule": score}, np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], 200) + np.tile([-1, 1], 500))
    found = quintiles_of(trial, said, "rule")
    assert [group.rank for group in found.groups] == [1, 2, 3, 4, 5]
    effects = [group.effect for group in found.groups if group.effect is not None]
    assert [each.estimate for each in effects] == pytest.approx([5, 4, 3, 2, 1])
    # Deviations are all 1: the error of a mean of 200 is 1 / sqrt(200), but for the n / (n - 1) of 1,000.
    assert effects[0].high - effects[0].low == pytest.approx(2 * 1.96 / np.sqrt(200), rel=1e-3)
    assert found.first_minus_last is not None
    assert found.first_minus_last.estimate == pytest.approx(4)
    assert found.first_minus_last.high - found.first_minus_last.low == pytest.approx(2 * 1.96 / 10, rel=1e-3)
    assert found.is_monotonic
    assert "puts first gain more" in found.sentence
    assert [group.predicted for group in found.groups] == pytest.approx([899.5, 699.5, 499.5, 299.5, 99.5])


def test_a_score_that_is_upside_down_is_called_so() -> None:
    trial, said = league_of({"rule": np.arange(1000)}, np.repeat([5.0, 4.0, 3.0, 2.0, 1.0], 200))
    found = quintiles_of(trial, said, "rule")
    assert "upside down" in found.sentence
    assert found.is_monotonic is False


def test_a_constant_score_shows_the_average_five_times() -> None:
    rng = np.random.default_rng(90)
    trial, said = league_of({"value": np.ones(600)}, rng.normal(size=600), fold=np.arange(600) % 3)
    found = quintiles_of(trial, said, "value")
    effects = [group.effect.estimate for group in found.groups if group.effect is not None]
    assert effects == pytest.approx([said.gains.mean()] * GROUP_COUNT)
    assert "cannot be told apart" in found.sentence


def test_a_tie_over_a_border_belongs_to_both_groups_in_part() -> None:
    """Ten rows, two places a group: places 2 to 4 tie, so a third of their weight is in the first group."""
    score = np.array([9, 8, 8, 8, 5, 4, 3, 2, 1, 0.0])
    member = membership(score, np.zeros(10, dtype=np.intp))
    assert member.sum(axis=1) == pytest.approx(np.ones(10))
    assert member.sum(axis=0) == pytest.approx(np.full(5, 2.0))
    assert member[1] == pytest.approx([1 / 3, 2 / 3, 0, 0, 0])
    assert (member[1] == member[3]).all()


def test_groups_are_ranked_within_their_fold() -> None:
    fold = np.repeat([0, 1], 5)
    member = membership(np.r_[np.arange(5), 100 + np.arange(5)].astype(float), fold)
    assert member.argmax(axis=1).tolist() == [4, 3, 2, 1, 0] * 2


def test_small_groups_are_not_shown() -> None:
    n = FEWEST_OF_AN_ARM * 2 * GROUP_COUNT - 10
    trial, said = league_of({"rule": np.arange(n)}, np.random.default_rng(91).normal(size=n))
    found = quintiles_of(trial, said, "rule")
    assert [group.effect for group in found.groups] == [None] * 5
    assert (found.first_minus_last, found.is_monotonic) == (None, None)
    assert "fewer than 50" in found.sentence


def test_customers_with_several_rows_count_once() -> None:
    rng = np.random.default_rng(92)
    score, gains = rng.random(1000), rng.normal(size=1000)
    alone = quintiles_of(*league_of({"rule": score}, gains), "rule").groups[0].effect
    twice = quintiles_of(
        *league_of({"rule": np.repeat(score, 2)}, np.repeat(gains, 2), customer=np.repeat(np.arange(1000), 2)), "rule"
    )
    effect = twice.groups[0].effect
    assert alone is not None
    assert effect is not None
    assert (effect.estimate, effect.low) == pytest.approx((alone.estimate, alone.low))


@pytest.mark.slow
@pytest.mark.truth
def test_the_intervals_of_groups_cover_their_effects() -> None:
    """1,000 worlds, effect s - .5 plus noise: the fifths have .4, .2, 0, -.2, -.4; .95 within 3 errors and .005."""
    rng = np.random.default_rng(93)
    covered = np.zeros(GROUP_COUNT)
    for _ in range(1000):
        s = rng.random(1000)
        found = quintiles_of(*league_of({"rule": s}, s - 0.5 + rng.normal(size=1000)), "rule")
        truth = (0.4, 0.2, 0.0, -0.2, -0.4)
        groups = zip(found.groups, truth, strict=True)
        covered += [g.effect is not None and g.effect.low <= t <= g.effect.high for g, t in groups]
    assert np.abs(covered / 1000 - 0.95).max() <= 3 * np.sqrt(0.95 * 0.05 / 1000) + 0.005
