"""What each candidate gets: the same rule for both groups, every limit kept, and chance with a known probability."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from campaigns.decisions.candidates import Candidates, columns_of
from campaigns.decisions.choices import NONE, Choices, choose_actions, explore_salt, explored_reserves
from campaigns.decisions.refusals import Refusal
from campaigns.lifts import lifts
from holdback.business import Business
from tests.campaigns.decisions.world import AS_OF, FILE, actions, company
from tests.features.world import Memory

CALL, MAIL, GIFT = 0, 1, 2
BOTH = [
    {"name": "spring", "actions": ["call", "mail"]},
    {"name": "loyalty", "actions": ["mail", "gift"]},
]


def candidates(
    business: Business,
    at_stake: Sequence[float],
    *,
    campaign: Sequence[int] | None = None,
    is_open: np.ndarray[Any, Any] | None = None,
) -> Candidates:
    """Candidates who lose so many cents with certainty when they leave, all in the first campaign unless stated."""
    columns = columns_of(business, business.campaigns, lifts(Memory(business, {}), business, AS_OF))
    count = len(at_stake)
    own = np.zeros(count, dtype=np.int64) if campaign is None else np.asarray(campaign)
    gain = np.zeros((count, len(columns)))
    refusal = np.full((count, len(columns)), Refusal.NOT_ELIGIBLE, dtype=np.int8)
    for position, column in enumerate(columns):
        refusal[own == column.campaign_index, position] = Refusal.OPEN
        if column.lift is not None:
            gain[:, position] = np.asarray(at_stake) * column.lift.save_rate - column.cost_cents
    if is_open is not None:
        refusal[~is_open & (refusal == Refusal.OPEN)] = Refusal.CHANNEL
    rows = pa.table({"customer_id": [f"c{i:04d}" for i in range(count)], "campaign_index": own})
    return Candidates(rows, columns, refusal, gain, np.full(gain.shape, np.nan))


def choose(business: Business, found: Candidates, held: Sequence[int] = (), *, days: int = 0) -> Choices:
    is_held_out = np.isin(np.arange(found.rows.num_rows), list(held))
    return choose_actions(business, business.campaigns, AS_OF + timedelta(days=days), found, is_held_out)


def exploring(share: float, **changes: Any) -> Business:
    return company(holdout={"explore_share": share}, **changes)


def test_everybody_gets_the_action_with_most_to_gain() -> None:
    business = company()
    found = choose(business, candidates(business, [100_000, 3_000, 1_000, 100]))
    # 30 % less 500 against 5 % less 10: a call from 1,960 cents on, a mail from 200, else nothing.
    assert found.action.tolist() == [CALL, CALL, MAIL, NONE]
    assert found.intended.tolist() == found.action.tolist()
    assert found.enters.tolist() == [True, True, True, False]
    assert not found.is_explorer.any()
    assert found.propensity.tolist() == [1.0, 1.0, 1.0, 1.0]


def test_the_held_out_are_chosen_for_by_the_same_rule_and_get_nothing() -> None:
    """Of two customers who differ in nothing but their group, both enter or none does."""
    business = company(actions=actions(call={"capacity_per_day": 5}))
    twins = [1_000.0 * (1 + i // 2) for i in range(60)]
    found = choose(business, candidates(business, twins), held=range(0, 60, 2))
    held, treated = found.intended[::2], found.intended[1::2]
    differing = np.flatnonzero(held != treated)
    assert differing.size <= 1  # who stands exactly at the price; ties are broken by a hash
    assert found.enters[::2].sum() == pytest.approx(found.enters[1::2].sum(), abs=1)
    assert (found.action[::2] == NONE).all()
    same = held == treated  # what could be drawn is kept of the held-out too: as in the treatment group
    np.testing.assert_array_equal(found.probability[::2][same], found.probability[1::2][same])
    assert (found.propensity == 1.0).all()


def test_the_held_out_use_no_capacity_and_no_budget() -> None:
    limited = actions(call={"capacity_per_day": 3}, mail={"capacity_per_day": 4})
    business = company(actions=limited, budget={"per_day": 15.40})
    found = choose(business, candidates(business, [50_000.0] * 40), held=range(20))
    assert Counter(found.action[20:].tolist())[CALL] <= 3
    assert Counter(found.action[20:].tolist())[MAIL] <= 4
    dear = [100_000.0 + 1_000 * i for i in range(20)]
    found = choose(business, candidates(business, [*(9e6 + i for i in range(20)), *dear]), held=range(20))
    assert Counter(found.action.tolist()) == {NONE: 33, CALL: 3, MAIL: 4}
    assert (found.intended[:20] == CALL).all()


def test_nobody_gets_what_is_left_over_beyond_the_price_rule() -> None:
    business = company(actions=actions(call={"capacity_per_day": 2}), budget={"per_day": 9.0})
    found = choose(business, candidates(business, [90_000.0, 80_000.0, 70_000.0]))
    spent = sum({CALL: 500, MAIL: 10, NONE: 0}[int(action)] for action in found.action)
    assert spent <= 900
    assert (found.action == found.intended).all()


def test_without_exploration_chance_has_no_part() -> None:
    business = company()
    first, second = (choose(business, candidates(business, [9_000.0] * 50), days=day) for day in (0, 1))
    assert first.action.tolist() == second.action.tolist()
    assert explored_reserves(business, candidates(business, [1.0]).columns) == (0, 0)


def test_an_action_without_a_lift_is_only_explored() -> None:
    changes: dict[str, Any] = {"campaigns": [{"name": "spring", "actions": ["gift"]}]}
    business = company(**changes)
    found = choose(business, candidates(business, [9e6] * 30))
    assert (found.action == NONE).all()
    assert (found.note or "").startswith("no action has a positive gain")
    half = exploring(0.5, **changes)
    found = choose(half, candidates(half, [9e6] * 200))
    assert (found.intended == NONE).all()
    assert 20 < (found.action == 0).sum() < 80  # a quarter: who explores draws the gift or nothing
    assert (found.enters == (found.action == 0)).all()
    assert found.probability[0].tolist() == pytest.approx([0.75, 0.25])


def test_explorers_of_both_groups_enter_by_the_same_drawing() -> None:
    business = exploring(0.5, campaigns=[{"name": "spring", "actions": ["gift"]}])
    everybody = choose(business, candidates(business, [9e6] * 100))
    with_held = choose(business, candidates(business, [9e6] * 100), held=range(50))
    assert everybody.enters.tolist() == with_held.enters.tolist()
    assert (with_held.action[:50] == NONE).all()
    assert not with_held.is_explorer[:50].any()
    assert with_held.action[50:].tolist() == everybody.action[50:].tolist()


def test_who_has_nothing_open_neither_explores_nor_enters() -> None:
    business = exploring(1.0)
    none_open = np.zeros((4, 2), dtype=bool)
    found = choose(business, candidates(business, [9e6] * 4, is_open=none_open))
    assert (found.action == NONE).all()
    assert not found.is_explorer.any()
    assert found.probability.tolist() == [[1.0, 0.0, 0.0]] * 4
    assert found.note == "no customer is eligible for any action"


def test_nobody_at_all_is_no_fault() -> None:
    business = exploring(0.3)
    found = choose(business, candidates(business, []))
    assert found.action.size == found.propensity.size == 0
    assert found.note == "there are no customers"


def test_a_customer_draws_only_among_the_actions_of_his_own_campaign() -> None:
    business = exploring(1.0, campaigns=BOTH)
    found = choose(business, candidates(business, [9e6] * 90, campaign=[i % 2 for i in range(90)]))
    names = np.array(["call", "mail", "mail of loyalty", "gift", "none"])[found.action]
    assert set(names[::2]) == {"call", "mail", "none"}
    assert set(names[1::2]) == {"mail of loyalty", "gift", "none"}


def test_each_campaign_and_day_draws_by_itself() -> None:
    business = company(campaigns=BOTH)
    salts = {explore_salt(business, c, AS_OF + timedelta(days=d)) for c in business.campaigns for d in (0, 1)}
    assert salts == {f"acme/{name}/1/explore/{day}" for name in ("spring", "loyalty") for day in
                     ("2026-03-02", "2026-03-03")}  # fmt: skip


def test_what_is_set_aside_for_exploration_is_a_share_of_what_there_is() -> None:
    limited = actions(call={"capacity_per_day": 40}, mail={"capacity_per_day": 9})
    business = exploring(0.1, actions=limited, budget={"per_day": 100.0}, campaigns=BOTH)
    columns = columns_of(business, business.campaigns, {})
    # call: 4 of 40, but a tenth of the budget among four columns pays for none. mail: 1 of 9, for the first column.
    # gift: no capacity; 2.50 pay for two.
    assert explored_reserves(business, columns) == (0, 1, 0, 2)
    unlimited = exploring(0.1)
    assert explored_reserves(unlimited, columns_of(unlimited, unlimited.campaigns, {})) == (None, None)
    scarce = exploring(0.9, actions=actions(call={"capacity_per_day": 1}))
    assert explored_reserves(scarce, columns_of(scarce, scarce.campaigns, {})) == (0, None)


def test_a_budget_pays_for_what_it_says_to_the_cent() -> None:
    """0.29 is 28.999... cents as a binary fraction."""
    business = company(actions=actions(mail={"cost": 0.29}), budget={"per_day": 0.29},
                       campaigns=[{"name": "spring", "actions": ["mail"], "budget_per_day": 0.29}])  # fmt: skip
    assert choose(business, candidates(business, [9e6])).action.tolist() == [0]


SHARES = st.sampled_from([0.0, 0.05, 0.3, 0.7, 1.0])
CAPACITIES = st.none() | st.integers(1, 6)
BUDGETS = st.none() | st.sampled_from([5.0, 5.29, 11.1, 40.0])


@settings(max_examples=60, deadline=None)
@given(
    share=SHARES, call=CAPACITIES, mail=CAPACITIES, gift=CAPACITIES, total=BUDGETS, own=BUDGETS,
    seed=st.integers(0, 2**32 - 1), count=st.integers(0, 60),
)  # fmt: skip
def test_no_capacity_and_no_budget_is_exceeded_and_probabilities_add_up(
    share: float, call: int | None, mail: int | None, gift: int | None, total: float | None, own: float | None,
    seed: int, count: int,
) -> None:  # fmt: skip
    limited = actions(call={"capacity_per_day": call}, mail={"capacity_per_day": mail}, gift={"capacity_per_day": gift})
    first = {**BOTH[0], "budget_per_day": own}
    changes: dict[str, Any] = {"budget": {"per_day": total}} if total is not None else {}
    business = exploring(share, actions=limited, campaigns=[first, BOTH[1]], **changes)
    rng = np.random.default_rng(seed)
    found = candidates(business, rng.gamma(0.7, 9_000, count).tolist(), campaign=rng.integers(0, 2, count).tolist(),
                       is_open=rng.random((count, 4)) < 0.8)  # fmt: skip
    held = np.flatnonzero(rng.random(count) < 0.3)
    chosen = choose(business, found, held=held.tolist())

    done = chosen.action[chosen.action != NONE]
    names = [found.columns[column].action.name for column in done]
    for name, capacity in (("call", call), ("mail", mail), ("gift", gift)):
        assert capacity is None or names.count(name) <= capacity
    costs = found.costs[done]
    assert total is None or costs.sum() <= round(total * 100)
    in_first = np.array([found.columns[column].campaign_index == 0 for column in done], dtype=bool)
    assert own is None or costs[in_first].sum() <= round(own * 100)

    rows = np.arange(count)
    assert (chosen.action[held] == NONE).all()
    given_out = chosen.action != NONE
    assert found.is_open[rows[given_out], chosen.action[given_out]].all()
    assert np.allclose(chosen.probability.sum(axis=1), 1.0)
    assert (chosen.probability >= -1e-12).all()
    assert (chosen.probability[:, 1:][~found.is_open] == 0.0).all()
    assert (chosen.propensity > 0).all()
    assert (chosen.enters | ~given_out).all()


def test_the_logged_propensity_is_the_frequency_over_many_drawings() -> None:
    """300 days draw anew. Each of the 4 x 12 counts lies in the binomial's central 1 - 1e-6: all of them together fail
    by chance at most once in 20,000 changes of the code.
    """
    limited = actions(call={"capacity_per_day": 4}, gift={"capacity_per_day": 6})
    business = exploring(0.4, actions=limited, campaigns=[{"name": "spring", "actions": ["call", "mail", "gift"]}])
    found = candidates(business, [2_500.0 + 10_000 * i for i in range(12)])
    days = 300
    counts = np.zeros((12, 4))
    first = choose(business, found)
    for day in range(days):
        chosen = choose(business, found, days=day)
        assert chosen.intended.tolist() == first.intended.tolist()  # prices do not depend on the drawing
        np.testing.assert_allclose(chosen.probability, first.probability)
        counts[np.arange(12), chosen.action + 1] += 1
    low, high = (stats.binom.ppf(q, days, first.probability) for q in (5e-7, 1 - 5e-7))
    assert (counts >= low).all()
    assert (counts <= high).all()


def test_the_same_choices_in_any_order_of_the_rows() -> None:
    limited = actions(call={"capacity_per_day": 3}, mail={"capacity_per_day": 5})
    business = exploring(0.3, actions=limited)
    found = candidates(business, [1_000.0 + 500 * (i % 7) for i in range(40)])
    order = np.random.default_rng(3).permutation(40)
    mixed = Candidates(
        found.rows.take(pa.array(order)), found.columns, found.refusal[order], found.gain_cents[order],
        found.uplift[order],
    )  # fmt: skip
    held = list(range(0, 40, 3))
    one, other = choose(business, found, held), choose(business, mixed, np.flatnonzero(np.isin(order, held)).tolist())
    assert other.action.tolist() == one.action[order].tolist()
    assert other.enters.tolist() == one.enters[order].tolist()
    np.testing.assert_array_equal(other.probability, one.probability[order])


def test_a_campaign_can_explore_more_than_the_company() -> None:
    business = exploring(0.0, campaigns=[{**FILE["campaigns"][0], "explore_share": 1.0}])
    found = choose(business, candidates(business, [9e6] * 60))
    assert found.is_explorer.all()
    assert set(found.action.tolist()) == {NONE, CALL, MAIL}
