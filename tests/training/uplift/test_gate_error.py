"""The gate from end to end on simulated customers; 200 worlds are in docs/studies/gate-error.md."""

import pytest
from scipy import stats

from bench.gate_error import INCUMBENTS, clopper_pearson, study


def test_the_exact_interval_of_none_in_two_hundred() -> None:
    """1 - (.05 / 2) ** (1 / 200) = .01828, in closed form."""
    assert list(clopper_pearson(0, 200)) == pytest.approx([0.0, 1 - 0.025 ** (1 / 200)])
    assert list(clopper_pearson(200, 200)) == pytest.approx([0.025 ** (1 / 200), 1.0])


@pytest.mark.slow
@pytest.mark.truth
def test_an_action_that_does_nothing_is_rarely_given_a_ranking() -> None:
    """40 worlds: a gate that errs in 5 % promotes more than `binom.isf(.001, 40, .05)` times once in 1,000 tests."""
    found = study("zero", worlds=40, n=5000, seed=7)
    for incumbent in INCUMBENTS:
        assert found[f"against {incumbent}"]["promoted"] <= stats.binom.isf(0.001, 40, 0.05)
        assert found[f"against {incumbent}"]["too_small_to_see"] < 20, "else nothing was tried"


@pytest.mark.slow
@pytest.mark.truth
def test_customers_who_differ_are_found_to_and_the_winner_earns_more() -> None:
    """All worth the same, so by value is by lot: at 20,000 the stack earns .010 more, four errors of the bootstrap."""
    found = study("varied", worlds=5, n=20_000, seed=8, value_spread=0.0)["against value"]
    assert found["promoted"] >= 3
    assert found["winner_earns_more"] == found["promoted"]
