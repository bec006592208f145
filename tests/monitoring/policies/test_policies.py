"""Rules that have a name: whom they treat, how many of them, and that they keep to what could have been drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from monitoring.policies import MEANINGS, aipw, ipw
from monitoring.policies.expectations import expected_rewards
from monitoring.policies.policies import Policy, folds_of, policy, rewards
from tests.monitoring.policies.logs import gains, logged, truth

ROOM = {"call": 0.1, "mail": 0.2}
LOG = logged(1)
UPLIFTS = dict(zip(LOG.actions, gains(LOG.risk).T, strict=True))


def rule(name: str, **changes: Any) -> Policy:
    found = policy(name, logged(1, **changes), ROOM, UPLIFTS)
    assert isinstance(found, Policy), found
    return found


@pytest.mark.parametrize("name", MEANINGS)
def test_no_rule_gives_what_could_not_have_been_drawn(name: str) -> None:
    target = rule(name).target
    assert target.sum(axis=1) == pytest.approx(np.ones(len(LOG)))
    assert (target >= 0).all()
    assert (target[LOG.probability == 0] == 0).all()


@pytest.mark.parametrize("name", ["random", "risk", "value", "model"])
def test_a_limited_rule_keeps_to_the_room(name: str) -> None:
    shares = rule(name).target.mean(axis=0)
    assert shares[1] <= ROOM["call"] + 1e-9
    assert shares[2] <= ROOM["mail"] + 1e-9


def test_nobody_everybody_and_current_have_no_limit() -> None:
    assert rule("nobody").treated_share == 0.0
    assert rule("everybody").treated_share == 1.0
    current = rule("current").target
    assert (current[np.arange(len(LOG)), LOG.intended] == 1.0).all()


def test_random_uses_all_the_room_and_asks_for_nothing() -> None:
    assert rule("random").target[:, 1:].mean(axis=0) == pytest.approx([0.1, 0.2])
    assert len(set(rule("random").target[LOG.probability[:, 1] > 0][:, 1].round(12))) == 1


def test_risk_and_value_begin_with_the_highest() -> None:
    for name, first in (("risk", LOG.risk), ("value", LOG.value_amounts)):
        target = rule(name).target
        for column in (1, 2):
            mine = target[:, column] == 1.0
            others = (target[:, 0] == 1.0) & (rule("everybody").target[:, column] == 1.0)
            assert mine.sum() == int(ROOM[LOG.actions[column - 1]] * len(LOG))
            assert first[mine].min() >= first[others].max()


def test_equals_are_not_picked_by_their_name() -> None:
    target = rule("value", value_amounts=np.where(np.arange(len(LOG)) < 5, 200.0, 100.0)).target
    places = np.flatnonzero(target[:, 1:].sum(axis=1))
    assert set(places) > {0, 1, 2, 3, 4}
    assert np.median(places) == pytest.approx(len(LOG) / 2, rel=0.2)


def test_the_best_action_is_learned_from_other_households() -> None:
    """Calls earn most where they could be had. Outcomes of a fold do not change what is best in it."""
    can_call = LOG.probability[:, 1] > 0
    kept = np.where(LOG.chosen == 1, 1.0, LOG.good)
    best = rule("everybody", good=kept).target.argmax(axis=1)
    assert set(best[can_call]) == {1}
    assert set(best[~can_call]) == {2}
    fold = folds_of(LOG)
    # Calls drive away, in the first fold only.
    good = np.where(fold == 0, np.where(LOG.chosen == 1, 0.0, 1.0), kept)
    changed = rule("everybody", good=good).target.argmax(axis=1)
    assert (changed[fold == 0] == best[fold == 0]).all()
    assert not (changed[fold != 0] == best[fold != 0]).all()


def test_the_model_gives_the_places_to_whom_they_are_worth_most() -> None:
    target = rule("model").target
    net = LOG.value_amounts * UPLIFTS["call"] - LOG.costs[0]
    called = target[:, 1] == 1.0
    left = (LOG.probability[:, 1] > 0) & (target[:, 0] == 1.0)
    assert called.sum() == int(0.1 * len(LOG))
    assert net[called].min() > net[left].max()
    nothing = policy("model", LOG, ROOM, {action: np.full(len(LOG), -0.01) for action in LOG.actions})
    assert isinstance(nothing, Policy)
    assert nothing.treated_share == 0.0


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("current", {"intended": np.full(1_500, -1)}, "was not written down for 1,500 of 1,500"),
        ("risk", {"risk": np.full(1_500, np.nan)}, "no risk was frozen"),
        ("value", {"value_amounts": np.ones(1_500)}, "the value is the same for everybody"),
    ],
)
def test_a_rule_that_cannot_be_followed_says_why(name: str, changes: dict[str, Any], reason: str) -> None:
    found = policy(name, logged(1, **changes), ROOM)
    assert isinstance(found, str)
    assert reason in found
    assert policy("model", LOG, ROOM) == "no uplift model is in office"


def test_a_rule_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="oracle"):
        policy("oracle", LOG, ROOM)


WORLDS = 100


def test_what_a_rule_earns_is_covered_and_told_more_sharply_with_expectations() -> None:
    """Over 100 companies of 600 customers: hits of the 95 % interval within the binomial's central 1 - 1e-4."""
    hits, sharper = 0, []
    for world in range(WORLDS):
        log = logged(100 + world, n=600)
        found = policy("risk", log, {"call": 0.25, "mail": 0.25})
        assert isinstance(found, Policy)
        given = (found.target, log.chosen, log.probability, rewards(log))
        value = aipw(*given, expected_rewards(log))
        hits += value.low <= truth(log, found.target) <= value.high
        sharper.append(value.standard_error / ipw(*given).standard_error)
    assert stats.binom.ppf(5e-5, WORLDS, 0.95) <= hits
    assert np.mean(sharper) < 0.8
