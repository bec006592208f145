"""Killed at any moment, again and again, a day ends as the undisturbed one: nothing is lost, nothing is sent twice.

More than 200 kills with SIGKILL, over all steps: at counted moments (before and after renames, syncs, commits,
statements of the journal, calls) and after random amounts of work. The seed is printed; CHAOS_SEED sets it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.chaos.lives import DAY
from tests.chaos.states import broken_invariants, tables_of
from tests.chaos.world import LAST, TWIN, World

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("CHAOS_SEED", "20251122"))
KILLS_PER_STEP, KILLS_OF_DAYS, KILLS_OF_TRAININGS = 16, 10, 8


def deaths(rng: random.Random, moments: int, work: float) -> Iterator[Mapping[str, Any]]:
    """Ends of lives, for ever: at a counted moment or after a random amount of work, by turns."""
    while True:
        yield {"moment": rng.randint(1, moments)}
        yield {"cpu_seconds": rng.uniform(0.0, work)}


@pytest.mark.parametrize("name", DAY)
def test_a_step_that_is_killed_again_and_again_ends_as_the_undisturbed_one(world: World, name: str) -> None:
    rng = random.Random(f"{SEED}/{name}")
    ends = deaths(rng, len(world.moments[name]), world.works[name])
    kills = chains = 0
    while kills < KILLS_PER_STEP:
        world.bring_back(name)
        who = f"{name}-{chains}"
        left = KILLS_PER_STEP - kills
        kills += world.disturb([name], (next(ends) for _ in range(left)), who=who)
        assert world.complaints(who, since=name, until=name) == [], f"seed {SEED}, {name}, chain {chains}"
        chains += 1
        assert chains < 4 * KILLS_PER_STEP, "hardly any life was ended"
    print(f"seed {SEED}: {name}: {kills} kills in {chains} chains")


def test_a_whole_day_that_is_killed_again_and_again_ends_as_the_undisturbed_one(world: World) -> None:
    rng = random.Random(f"{SEED}/day")
    ends = deaths(rng, sum(map(len, world.moments.values())), sum(world.works.values()))
    kills = chains = 0
    while kills < KILLS_OF_DAYS:
        world.bring_back(DAY[0])
        who = f"day-{chains}"
        kills += world.disturb(DAY, (next(ends) for _ in range(KILLS_OF_DAYS - kills)), who=who)
        assert world.complaints(who) == [], f"seed {SEED}, chain {chains}"
        chains += 1
    print(f"seed {SEED}: whole days: {kills} kills in {chains} chains")


def test_a_training_that_is_killed_leaves_who_is_in_office_and_what_the_data_say(world: World) -> None:
    """A killed training may leave a version that nobody uses; the gate's word on what it learned is the same."""
    rng = random.Random(f"{SEED}/retrain")
    world.bring_back("score")
    undisturbed = world.nursery.live_to_the_end(LAST, ["retrain"], who="trained")
    wanted = tables_of(world.workspace)
    [verdict] = {(v.decision, str(v.figures)) for v in world.workspace.journal.verdicts("telecom-cancelled")[-1:]}
    world.bring_back("score")
    ends = deaths(rng, len(undisturbed.moments), undisturbed.cpu_seconds)
    kills = world.disturb(["retrain"], (next(ends) for _ in range(KILLS_OF_TRAININGS)), who="training")
    found = tables_of(world.workspace)
    assert found.keys() == wanted.keys()
    for name in wanted:  # a training that was killed at its very end has written its figures too
        assert found[name] == wanted[name] if name != "evaluations" else set(found[name]) == set(wanted[name]), name
    told = world.workspace.journal.verdicts("telecom-cancelled")[-1]
    assert (told.decision, str(told.figures)) == verdict
    champion = world.workspace.journal.champion("telecom-cancelled")
    assert champion is not None
    assert champion.version == "1"
    assert broken_invariants(world.workspace, world.receiver.of(TWIN)) == []
    assert kills > 0
    print(f"seed {SEED}: retrain: {kills} kills")
