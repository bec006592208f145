"""What a rule would have earned: known answers, honest intervals over many drawings, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from monitoring.effects import NotMeasurable
from monitoring.policies import PolicyValue, aipw, difference, ipw, snipw

Floats = npt.NDArray[np.float64]

#: Three actions, logged by a rule that favours the second one for large x; the judged rule gives the third to large x.
N, WORLDS = 2_000, 400


def drawn(seed: int) -> tuple[Floats, npt.NDArray[np.int64], Floats, Floats, Floats, float]:
    """Draw customers; return target, actions, logged probabilities, rewards, expected rewards and the truth."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, N)
    means = np.column_stack([0.30 + 0.1 * x, 0.35 + 0.2 * x, 0.30 + 0.3 * x])
    raw = np.exp(np.column_stack([np.zeros(N), 1.2 * x, -0.5 * x]))
    probability = 0.9 * raw / raw.sum(axis=1, keepdims=True) + 0.1 / 3
    cumulated = probability.cumsum(axis=1)
    chosen = (rng.random(N)[:, None] > cumulated).sum(axis=1).clip(0, 2)
    reward = (rng.random(N) < means[np.arange(N), chosen]).astype(float)
    target = np.zeros((N, 3))
    target[np.arange(N), np.where(x > 0.2, 2, 0)] = 1.0
    # Over x uniform on [-1, 1]: the mean of .3 + .1 x below .2 (60 %) and of .3 + .3 x above it (40 %).
    truth = 0.6 * (0.30 + 0.1 * -0.4) + 0.4 * (0.30 + 0.3 * 0.6)
    return target, chosen, probability, reward, means, truth


def test_with_even_odds_and_no_expectations_aipw_is_ipw() -> None:
    """Source: shared/design/statistics.md, section 4."""
    target, _, _, _, _, _ = drawn(1)
    rng = np.random.default_rng(2)
    half, done, earned = np.full((N, 2), 0.5), rng.integers(0, 2, N), rng.normal(size=N)
    rule = target[:, [0, 2]]
    one, other = ipw(rule, done, half, earned), aipw(rule, done, half, earned, np.zeros((N, 2)))
    assert (one.estimate, one.low, one.high) == pytest.approx((other.estimate, other.low, other.high), rel=1e-12)


def test_the_rule_that_was_followed_earned_what_was_earned() -> None:
    """Source: shared/design/statistics.md, section 4."""
    _, chosen, probability, reward, _, _ = drawn(1)
    found = snipw(probability, chosen, probability, reward)
    assert found.estimate == pytest.approx(reward.mean(), rel=1e-12)
    assert found.standard_error == pytest.approx(reward.std(ddof=1) / np.sqrt(N), rel=1e-12)
    assert found.effective_count == pytest.approx(N)


METHODS: dict[str, Callable[..., PolicyValue]] = {
    "ipw": lambda t, c, p, r, _: ipw(t, c, p, r),
    "snipw": lambda t, c, p, r, _: snipw(t, c, p, r),
    "aipw": lambda t, c, p, r, q: aipw(t, c, p, r, q),
    "aipw with a bad model": lambda t, c, p, r, q: aipw(t, c, p, r, 0.9 - q),
}


@pytest.mark.parametrize("method", METHODS)
def test_the_interval_covers_the_truth_as_often_as_it_promises(method: str) -> None:
    """Over 400 drawings of a 95 % interval: the count of hits lies in the binomial's central 1 - 1e-4."""
    estimate = METHODS[method]
    found = [(estimate(*world[:5]), world[5]) for world in map(drawn, range(WORLDS))]
    hits = sum(value.low <= truth <= value.high for value, truth in found)
    assert hits >= stats.binom.ppf(5e-5, WORLDS, 0.95)
    assert hits <= stats.binom.ppf(1 - 5e-5, WORLDS, 0.95)
    errors = np.array([value.estimate - truth for value, truth in found])
    assert abs(errors.mean()) < 4 * errors.std(ddof=1) / np.sqrt(WORLDS)


def test_a_constant_in_place_of_the_logged_probability_is_biased_and_ours_is_not() -> None:
    """Customers with much to earn were treated more often: their share would be taken for the action's work."""
    logged, constant = [], []
    for world in range(60):
        target, chosen, probability, reward, _, truth = drawn(world)
        mean = np.broadcast_to(np.bincount(chosen, minlength=3) / N, probability.shape)
        logged.append(snipw(target, chosen, probability, reward).estimate - truth)
        constant.append(snipw(target, chosen, mean, reward).estimate - truth)
    errors = [np.std(found, ddof=1) / np.sqrt(len(found)) for found in (logged, constant)]
    assert abs(np.mean(logged)) < 4 * errors[0]
    assert abs(np.mean(constant)) > 4 * errors[1]


def test_two_rules_are_compared_more_sharply_than_each_is_known() -> None:
    target, chosen, probability, reward, means, _ = drawn(3)
    one = aipw(target, chosen, probability, reward, means)
    nearly = target.copy()
    nearly[:100] = [1.0, 0.0, 0.0]
    other = aipw(nearly, chosen, probability, reward, means)
    found = difference(one, other)
    assert found.estimate == pytest.approx(one.estimate - other.estimate)
    assert found.standard_error < 0.5 * np.hypot(one.standard_error, other.standard_error)
    same = difference(one, one)
    assert (same.estimate, same.low, same.high, same.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_a_household_counts_once() -> None:
    """Everybody twice, as one household, says no more than everybody once."""
    target, chosen, probability, reward, means, _ = drawn(4)
    twice = [np.repeat(values, 2, axis=0) for values in (target, chosen, probability, reward, means)]
    unit = np.repeat(np.arange(N), 2)
    alone = aipw(target, chosen, probability, reward, means)
    together = aipw(*twice, unit=unit)
    assert (together.estimate, together.standard_error) == pytest.approx((alone.estimate, alone.standard_error))
    assert (together.n, together.unit_count) == (2 * N, N)
    assert aipw(*twice).standard_error < 0.8 * alone.standard_error


def test_what_was_never_tried_is_refused() -> None:
    done, earned = np.tile([0, 1], 100), np.ones(200)
    logged = np.tile([0.5, 0.5, 0.0], (200, 1))
    rule = np.tile([0.0, 0.0, 1.0], (200, 1))
    with pytest.raises(NotMeasurable, match=r"nobody like them could have got, for 100\.0% of the customers"):
        ipw(rule, done, logged, earned)


def test_what_was_hardly_ever_done_is_refused() -> None:
    done = np.r_[np.zeros(1990, dtype=int), np.ones(10, dtype=int)]
    logged = np.tile([0.995, 0.005], (2000, 1))
    with pytest.raises(NotMeasurable, match="2,000 customers say as much as 10, and it takes 50"):
        snipw(np.tile([0.0, 1.0], (2000, 1)), done, logged, np.ones(2000))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reward": [1.0, np.nan]}, "a reward is missing"),
        ({"target": [[0.5, 0.4]] * 2}, "target probabilities must be at least 0 and add up to 1"),
        ({"probability": [[1.5, -0.5]] * 2}, "logged probabilities must be at least 0 and add up to 1"),
        ({"probability": [[0.0, 1.0]] * 2}, "an action was done that had no chance"),
        ({"chosen": [0]}, "shapes do not fit"),
        ({"level": 1.0}, "level must lie in"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(changes: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {
        "target": [[1.0, 0.0]] * 2, "chosen": [0, 0], "probability": [[1.0, 0.0]] * 2, "reward": [1.0, 2.0], **changes,
    }  # fmt: skip
    rows = {name: np.repeat(np.asarray(value), 60, axis=0) for name, value in given.items() if name != "level"}
    with pytest.raises(ValueError, match=message):
        ipw(**rows, level=given.get("level", 0.95))
