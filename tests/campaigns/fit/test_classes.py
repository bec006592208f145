"""From an interval to a class, and what protects."""

from __future__ import annotations

from typing import Any

import numpy as np

from campaigns.fit.arithmetic import Interval
from campaigns.fit.classes import best_actions, classes, is_worth_it
from holdback.business.deciding import Action
from tests.campaigns.fit.company import lift


def classed(high: list[float], *, low: list[float] | None = None, **changes: Any) -> tuple[list[str], list[str | None]]:
    ends = np.array(high)
    given: dict[str, Any] = {"floor_cents": 0.0, "protections": {}, "largest_share": 1.0} | changes
    given.setdefault("invest", np.zeros(ends.size, bool))
    found = classes(Interval(np.array(low) if low else ends - 100, ends), **given)
    return found.names.tolist(), found.guardrails.tolist()


def test_only_who_surely_brings_less_than_the_floor_is_classed_out() -> None:
    assert classed([-1, 0, 1])[0] == ["do_not_spend", "maintain", "maintain"]
    assert classed([-1, 499, 501], floor_cents=500)[0] == ["do_not_spend", "do_not_spend", "maintain"]


def test_every_guardrail_that_protects_is_named() -> None:
    names, guardrails = classed(
        [-5, -5, -5, 5],
        protections={
            "vulnerable": np.array([True, True, False, True]),
            "open_complaint": np.array([True, False, False, True]),
        },
    )
    assert names == ["maintain", "maintain", "do_not_spend", "maintain"]
    assert guardrails == ["vulnerable, open_complaint", "vulnerable", None, None]


def test_the_largest_share_takes_the_surest_losses_first() -> None:
    names, guardrails = classed([-1, -9, -5, 7, 7, 7, 7, 7, 7, 7], largest_share=0.2)
    assert names[:4] == ["maintain", "do_not_spend", "do_not_spend", "maintain"]
    assert guardrails[:3] == ["largest_share", None, None]


def test_a_protected_customer_takes_no_place_in_the_largest_share() -> None:
    protected = np.array([True, False, False, False, False])
    names, guardrails = classed([-9, -1, 5, 5, 5], largest_share=0.2, protections={"vulnerable": protected})
    assert (names[1], guardrails[:2]) == ("do_not_spend", ["vulnerable", None])


def test_ties_go_to_the_smaller_key() -> None:
    assert classed([-1, -1, 5, 5], largest_share=0.25)[0][:2] == ["do_not_spend", "maintain"]


def test_the_best_action_gains_most_from_those_it_saves() -> None:
    call = Action(name="call", channel="phone", cost=5.0)
    gift = Action(name="gift", channel="email", cost=0.0, incentive_amount=30.0, incentive_taken_share=0.5)
    untried = Action(name="untried", channel="email", cost=0.0)
    both = [np.ones(3, bool)] * 3
    found = best_actions(
        [call, gift, untried],
        lift("call", 0.2) | lift("gift", 0.5),
        both,
        np.array([0.5, 0.5, 0.1]),
        np.array([20_000.0, 3_000.0, -500.0]),
    )
    # 0.5 x 0.2 x 200 - 5 = 15 against 0.5 x 0.5 x 200 - 15 = 35; -2 against -7.5; the cheapest for who brings nothing.
    assert found.position.tolist() == [1, 0, 0]
    assert found.expected_cost.tolist() == [1500.0, 500.0, 500.0]


def test_invest_needs_a_gain_at_the_lower_ends() -> None:
    call = Action(name="call", channel="phone", cost=5.0)
    action = best_actions([call], lift(), [np.array([True, True, False])], np.full(3, 0.5), np.full(3, 20_000.0))
    worth = is_worth_it(action, np.array([0.4, 0.4, 0.4]), np.array([10_000.0, 6_000.0, 10_000.0]))
    # 0.4 x 0.2 x 100 - 5 = 3; 0.4 x 0.2 x 60 - 5 = -0.2; the third may not be called.
    assert worth.tolist() == [True, False, False]


def test_without_a_lift_nothing_is_planned() -> None:
    call = Action(name="call", channel="phone", cost=5.0)
    found = best_actions([call], {}, [np.ones(1, bool)], np.array([0.9]), np.array([1e6]))
    assert (found.position.tolist(), found.expected_cost.tolist()) == ([-1], [0.0])
