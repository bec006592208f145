"""Who enters a campaign is chosen without looking at the group: over many worlds both groups are alike."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from campaigns.decisions.candidates import Candidates, columns_of
from campaigns.decisions.choices import choose_actions
from campaigns.decisions.refusals import Refusal
from campaigns.holdout import assign, campaign_layer, check_balance
from campaigns.holdout.assignments import EARLIER
from campaigns.lifts import lifts
from tests.campaigns.decisions.world import AS_OF, actions, company
from tests.features.world import Memory

DAYS, CUSTOMERS = 3, 120


def entrants(world: int) -> tuple[pa.Table, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Live a few days of scarce contacts; return group and propensity of who entered, and what each had to lose."""
    scarce = actions(call={"capacity_per_day": 9}, mail={"capacity_per_day": 14})
    business = company(
        slug=f"w{world}", actions=scarce, holdout={"campaign_share": 0.4, "explore_share": 0.25},
        campaigns=[{"name": "spring", "actions": ["call", "mail", "gift"], "horizon_days": 30}],
        budget={"per_day": 40.0},
    )  # fmt: skip
    rng = np.random.default_rng(world)
    at_stake = rng.gamma(0.8, 6_000, CUSTOMERS)
    ids = pa.array([f"c{i:03d}" for i in range(CUSTOMERS)])
    layer = campaign_layer(business, business.campaigns[0])
    groups = assign(pa.table({"customer_id": ids, "unit_id": ids}), layer, EARLIER.empty_table())
    is_held_out = np.array(groups["group"].to_pylist()) == "holdout"
    columns = columns_of(business, business.campaigns, lifts(Memory(business, {}), business, AS_OF))
    rows = pa.table({"customer_id": ids, "campaign_index": np.zeros(CUSTOMERS, dtype=np.int64)})
    has_entered = np.zeros(CUSTOMERS, dtype=bool)
    for day in range(DAYS):
        risk = at_stake * rng.uniform(0.5, 1.5, CUSTOMERS)
        gain = np.column_stack(
            [risk * (c.lift.save_rate if c.lift else 0.0) - (c.cost_cents if c.lift else 0) for c in columns]
        )
        refusal = np.full(gain.shape, Refusal.OPEN, dtype=np.int8)
        refusal[has_entered & is_held_out] = Refusal.HELD_OUT  # the treated stay open, and compete for places
        found = choose_actions(
            business, business.campaigns, AS_OF + timedelta(days=day),
            Candidates(rows, columns, refusal, gain, np.full(gain.shape, np.nan)),
            is_held_out,
        )  # fmt: skip
        has_entered |= found.enters
    entered = pa.array(has_entered)
    return groups.filter(entered), at_stake[has_entered]


def check_worlds(count: int) -> None:
    """In A/A worlds the difference of the groups' means has mean 0: that of many standardized ones is within 4.4
    standard errors of it (1 in 100,000). The sample ratio is sound (p >= 0.001) in 99 % of 120 worlds at least: a
    second alarm would come by chance in 1 of 150 changes of the code, a third in 1 of 4,000, and is one.
    """
    differences, alarms, shares = [], 0, []
    for world in range(count):
        groups, at_stake = entrants(world)
        held = np.array(groups["group"].to_pylist()) == "holdout"
        assert 10 < held.sum() < held.size - 10
        spread = np.sqrt(at_stake[held].var(ddof=1) / held.sum() + at_stake[~held].var(ddof=1) / (~held).sum())
        differences.append((at_stake[held].mean() - at_stake[~held].mean()) / spread)
        balance = check_balance(groups.select(["customer_id", "unit_id", "group", "propensity"]))
        alarms += not balance.is_sound
        shares.append(held.mean())
    assert abs(np.mean(differences)) < 4.4 * np.std(differences, ddof=1) / np.sqrt(count)
    assert abs(np.mean(shares) - 0.4) < 4.4 * np.std(shares, ddof=1) / np.sqrt(count)
    assert alarms <= max(1, 0.02 * count)


def test_over_some_worlds_those_who_enter_are_alike_in_both_groups() -> None:
    check_worlds(12)


@pytest.mark.slow
def test_over_many_worlds_those_who_enter_are_alike_in_both_groups() -> None:
    check_worlds(120)
