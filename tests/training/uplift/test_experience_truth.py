"""The logged probabilities are the right ones: with them, what was planted is found, over many companies."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.training.uplift.ledgers import ACTIONS, lived
from training.uplift.aipw import aipw_scores, average_effect
from training.uplift.experience.entries import DREW_NOTHING, OTHER_MEMBER, read_entries


def errors(worlds: int, *, effect: float) -> dict[str, list[float]]:
    """By action, each world's error of the estimate in its standard errors."""
    found: dict[str, list[float]] = {action: [] for action in ACTIONS}
    for world in range(worlds):
        life = lived(world, effect=effect)
        entries = read_entries(life.warehouse, life.business, "spring", life.warehouse.query(
            "select max(as_of) as d from ledger")["d"][0].as_py())  # fmt: skip
        assert entries.left_out[OTHER_MEMBER] > 0
        assert entries.left_out[DREW_NOTHING] > 0
        ids = entries.table["customer_id"].tolist()
        good = np.array([life.stays[one] for one in ids], dtype=float)
        for position, action in enumerate(ACTIONS, start=1):
            pair = np.isin(entries.chosen, (0, position)) & (entries.probability[:, position] > 0)
            odds = entries.probability[pair, position] / entries.probability[pair][:, [0, position]].sum(axis=1)
            treated = entries.chosen[pair] == position
            truth = float(np.mean([life.effects[action][one] for one, is_in in zip(ids, pair, strict=True) if is_in]))
            middle = float(good[pair].mean())
            units = entries.table.loc[pair, "unit_id"].to_numpy()
            ours = average_effect(aipw_scores(good[pair], treated, odds, middle, middle), units)
            half = (ours.high - ours.low) / 2 / stats.norm.ppf(0.975)
            found[action].append((ours.estimate - truth) / half)
    return found


def check(worlds: int, *, effect: float) -> None:
    """The errors of the estimate, in standard errors, have mean 0 (within 4.4 standard errors of their mean, 1 in
    100,000 each) and lie within 1.96 in 95 % of the worlds, within the binomial's central 1 - 1e-4.
    """
    for action, rows in errors(worlds, effect=effect).items():
        ours = np.array(rows)
        assert abs(ours.mean()) < 4.4 * ours.std(ddof=1) / np.sqrt(worlds), action
        assert np.sum(np.abs(ours) < 1.96) >= stats.binom.ppf(5e-5, worlds, 0.95), action


def test_a_planted_effect_is_found_with_the_logged_probabilities() -> None:
    check(12, effect=0.15)


@pytest.mark.slow
@pytest.mark.truth
@pytest.mark.parametrize("effect", [0.0, 0.15])
def test_over_many_companies_intervals_hold_what_they_promise(effect: float) -> None:
    check(100, effect=effect)
