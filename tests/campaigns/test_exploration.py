"""Random actions whose probability is known exactly."""

from __future__ import annotations

import time
from itertools import product

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from campaigns.exploration import Exploration, explore, taken_probabilities

Flags = npt.NDArray[np.bool_]


def ids(count: int) -> pa.Array:
    return pa.array([f"c{i}" for i in range(count)])


def eligibility(count: int, actions: int, *, seed: int = 1, share: float = 0.6) -> Flags:
    eligible = np.random.default_rng(seed).random((count, actions + 1)) < share
    eligible[:, 0] = True
    return eligible


def explored(eligible: Flags, *, share: float = 0.3, salt: str = "day", reserve: list[int | None]) -> Exploration:
    return explore(ids(len(eligible)), eligible, share=share, salt=salt, reserve=reserve)


def by_recursion(eligible: Flags, share: float, reserve: list[int | None]) -> npt.NDArray[np.float64]:
    """q from the Poisson-binomial recursion over every other candidate, one by one: slow, and plainly right."""
    choices = eligible.sum(axis=1)
    q = np.zeros(eligible.shape)
    for action, limit in enumerate(reserve, start=1):
        for i in np.flatnonzero(eligible[:, action]):
            rivals = np.array([1.0])
            for j in np.flatnonzero(eligible[:, action]):
                if j != i:
                    p = share / choices[j]
                    rivals = np.append(rivals, 0.0) * (1 - p) + np.append(0.0, rivals) * p
            room = np.ones(len(rivals)) if limit is None else np.minimum(1, limit / (1 + np.arange(len(rivals))))
            q[i, action] = (rivals * room).sum() / choices[i]
    q[:, 0] = 1 - q.sum(axis=1)
    return q


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("reserve", [[3, 1, None], [0, 40, 2]])
def test_the_probabilities_are_those_of_the_recursion_over_all_rivals(share: float, reserve: list[int | None]) -> None:
    eligible = eligibility(60, 3)
    found = explored(eligible, share=share, reserve=reserve).probability
    np.testing.assert_allclose(found, by_recursion(eligible, share, reserve), atol=1e-12)


def test_two_rivals_for_one_place_by_hand() -> None:
    # Each draws the action with 1/2; alone he keeps it, against the other with 1/2: 1/2 (1/2 + 1/2 * 1/2) = 3/8.
    found = explored(np.ones((2, 2), dtype=bool), share=1.0, reserve=[1])
    assert found.probability.tolist() == [[pytest.approx(5 / 8), pytest.approx(3 / 8)]] * 2


def test_the_error_at_a_million_candidates_is_below_a_billionth() -> None:
    # One number of choices k: then E[min(1, r / (1 + B))] has a closed form in sums of one binomial (n - 1, share / k):
    # E = P(B < r) + r / (n p) * P(binomial(n, p) > r), as (1/(1+b)) C(n-1, b) = C(n, b+1) / n.
    count, share, limit = 1_000_000, 0.05, 25_010
    found = explored(np.ones((count, 2), dtype=bool), share=share, reserve=[limit]).probability[0, 1]
    p = share / 2
    kept = stats.binom.cdf(limit - 1, count - 1, p) + limit / (count * p) * stats.binom.sf(limit, count, p)
    assert found == pytest.approx(kept / 2, abs=1e-9)


def test_over_many_days_everybody_gets_each_action_as_often_as_it_says() -> None:
    eligible = eligibility(30, 3)
    days = 1500
    reserve: list[int | None] = [2, 1, None]
    counts = np.zeros((2, *eligible.shape))
    chosen = np.arange(30) % 4 * eligible[np.arange(30), np.arange(30) % 4]
    for day in range(days):
        found = explored(eligible, share=0.4, salt=f"day {day}", reserve=reserve)
        who = np.flatnonzero(found.is_explorer)
        counts[0, who, found.action[who]] += 1
        taken = np.where(found.is_explorer, found.action, chosen)
        counts[1, np.arange(30), taken] += 1
    exploring = 0.4 * found.probability
    for times, probability in ((counts[0], exploring), (counts[1], taken_probabilities(found, chosen))):
        assert (times[probability == 0] == 0).all()
        error = np.sqrt(days * probability * (1 - probability)) + 1e-9
        # 240 comparisons; a normal deviate above 5.5 in any of them has a probability of 1e-5.
        assert (np.abs(times - days * probability) / error).max() < 5.5


@settings(max_examples=80, deadline=None)
@example(3, 4, np.finfo(float).tiny, [None, None, 0, None], 0)
@given(
    st.integers(0, 40),
    st.integers(1, 4),
    st.floats(0, 1),
    st.lists(st.one_of(st.none(), st.integers(0, 6)), min_size=4, max_size=4),
    st.integers(0, 1000),
)
def test_reserves_and_eligibility_are_kept_and_probabilities_add_up(
    count: int, actions: int, share: float, reserves: list[int | None], seed: int
) -> None:
    eligible = eligibility(count, actions, seed=seed)
    reserve = reserves[:actions]
    found = explored(eligible, share=share, salt=str(seed), reserve=reserve)
    assert eligible[np.arange(count), found.action].all()
    assert (found.action[~found.is_explorer] == 0).all()
    for action, limit in enumerate(reserve, start=1):
        assert limit is None or (found.action == action).sum() <= limit
    np.testing.assert_allclose(found.probability.sum(axis=1), 1.0)
    assert ((found.probability >= 0) & (found.probability <= 1)).all()
    assert (found.probability[~eligible] == 0).all()
    # What happened had a probability above zero: nobody can be given what the ledger calls impossible.
    assert (found.probability[np.arange(count), found.action][found.is_explorer] > 0).all()


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(25)), st.integers(0, 100))
def test_the_order_of_the_candidates_does_not_matter(order: list[int], seed: int) -> None:
    eligible = eligibility(25, 3, seed=seed)
    reserve: list[int | None] = [1, 2, None]
    whole = explore(ids(25), eligible, share=0.7, salt="s", reserve=reserve)
    moved = explore(ids(25).take(pa.array(order)), eligible[order], share=0.7, salt="s", reserve=reserve)
    np.testing.assert_array_equal(moved.action, whole.action[order])
    np.testing.assert_array_equal(moved.is_explorer, whole.is_explorer[order])
    np.testing.assert_allclose(moved.probability, whole.probability[order], atol=1e-14)


def test_without_reserves_each_part_of_the_candidates_gives_the_same() -> None:
    eligible = eligibility(200, 3)
    whole = explore(ids(200), eligible, share=0.5, salt="s", reserve=[None] * 3)
    part = explore(ids(200).slice(50, 70), eligible[50:120], share=0.5, salt="s", reserve=[None] * 3)
    np.testing.assert_array_equal(part.action, whole.action[50:120])
    np.testing.assert_array_equal(part.probability, whole.probability[50:120])


def test_who_explores_does_not_depend_on_what_he_may_get() -> None:
    narrow, wide = (explored(eligibility(300, 3, share=s), reserve=[0, 1, None]) for s in (0.1, 0.9))
    np.testing.assert_array_equal(narrow.is_explorer, wide.is_explorer)
    assert stats.binomtest(int(wide.is_explorer.sum()), 300, 0.3).pvalue > 1e-6


def test_another_day_draws_independently() -> None:
    eligible = np.ones((20_000, 4), dtype=bool)
    one, other = (explored(eligible, share=0.5, salt=day, reserve=[None] * 3) for day in ("2026-01-01", "2026-01-02"))
    both = one.is_explorer & other.is_explorer
    assert stats.binomtest(int(both.sum()), 20_000, 0.25).pvalue > 1e-6
    pairs = [[(both & (one.action == a) & (other.action == b)).sum() for a in range(4)] for b in range(4)]
    assert stats.chi2_contingency(np.array(pairs)).pvalue > 1e-6


def test_the_policys_own_choice_has_the_rest_of_the_probability() -> None:
    found = explored(np.ones((2, 3), dtype=bool), share=0.3, reserve=[None, None])
    taken = taken_probabilities(found, np.array([2, 0]))
    np.testing.assert_allclose(taken, [[0.1, 0.1, 0.8], [0.8, 0.1, 0.1]])


@pytest.mark.parametrize(
    ("count", "columns", "reserve", "none", "fault"),
    [
        (2, 3, [1], True, "2 ids and 1 reserves"),
        (3, 3, [1, 1], True, "3 ids and 2 reserves"),
        (2, 3, [1, -1], True, "a reserve is negative"),
        (2, 3, [1, 1], False, "everybody is eligible for column 0"),
    ],
)
def test_what_does_not_fit_is_refused(count: int, columns: int, reserve: list[int], none: bool, fault: str) -> None:
    eligible = np.ones((2, columns), dtype=bool)
    eligible[0, 0] = none
    with pytest.raises(ValueError, match=fault):
        explore(ids(count), eligible, share=0.1, salt="s", reserve=reserve)


def test_every_way_to_draw_adds_up_to_the_probability() -> None:
    # Three candidates, everything enumerated: who explores, what each draws, who keeps the one place.
    eligible = np.array([[1, 1], [1, 1], [1, 1]], dtype=bool)
    share, expected = 0.5, 0.0
    for explores, draws in product(product([0, 1], repeat=2), product([0, 1], repeat=2)):
        rivals = sum(e and d for e, d in zip(explores, draws, strict=True))
        expected += (1 / 16) * 0.5 * 1 / (1 + rivals)
    assert explored(eligible, share=share, reserve=[1]).probability[0, 1] == pytest.approx(expected)


def test_a_million_candidates_take_seconds() -> None:
    eligible = eligibility(1_000_000, 5)
    candidates = ids(1_000_000)
    started = time.process_time()
    explore(candidates, eligible, share=0.05, salt="s", reserve=[40, 1000, None, 10_000, 0])
    assert time.process_time() - started < 10  # takes about 1 s; 10 catches a loop over candidates and actions
