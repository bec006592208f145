"""A company that was lived undisturbed, kept as it stood before each step of its last day, and what it was after it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from holdback.workspace import Workspace
from simulator import open_company
from tests.chaos.company import (
    CAMPAIGNS,
    CUSTOMERS,
    DAYS,
    FIRST_DAY,
    SEED,
    STARTS_ON,
    House,
    workspace_in,
    write_business,
)
from tests.chaos.lives import DAY
from tests.chaos.nursery import Nursery
from tests.chaos.receivers import Receiver
from tests.chaos.states import State, broken_invariants, differences, state_of

LAST: date = DAYS[-1]
TWIN = "twin"


@dataclass
class World:
    """Everything lives in one folder, because paths are written down in places; what it was is copied beside it.

    Args:
        base: Folder of everything.
        receiver: What takes the calls.
    """

    base: Path
    receiver: Receiver
    nursery: Nursery
    states: dict[str, State] = field(default_factory=dict)
    works: dict[str, float] = field(default_factory=dict)
    moments: dict[str, list[str]] = field(default_factory=dict)

    @property
    def house(self) -> House:
        """The company's files."""
        return House(self.base / "house")

    @property
    def root(self) -> Path:
        """The folder of the workspace."""
        return self.base / "root"

    @property
    def workspace(self) -> Workspace:
        """The workspace, to look into."""
        return workspace_in(self.house, self.root)

    def keep(self, name: str) -> None:
        """Copy what the workspace is now."""
        shutil.copytree(self.root, self.base / "kept" / name, symlinks=True)

    def bring_back(self, name: str) -> None:
        """Make the workspace what it was."""
        shutil.rmtree(self.root, ignore_errors=True)  # the folder itself stays where a disk is mounted
        shutil.copytree(self.base / "kept" / name, self.root, symlinks=True, dirs_exist_ok=True)

    def complaints(self, who: str, *, since: str = DAY[0], until: str = DAY[-1]) -> list[str]:
        """What differs from the twin after the same step, and what must never be.

        Args:
            who: Who called since the workspace was brought back.
            since: The step before which it was brought back: what the twin called before counts as called.
            until: The last step that was done.
        """
        calls = self.calls(who, since)
        return [
            *differences(state_of(self.workspace, calls), self.states[until]),
            *broken_invariants(self.workspace, {**self.receiver.of(TWIN), **calls}),
        ]

    def disturb(self, names: Sequence[str], deaths: Iterable[Mapping[str, Any]], *, who: str, day: date = LAST) -> int:
        """Live some steps again and again, each life ended as told, until one comes through; return the kills.

        Args:
            names: The steps.
            deaths: How each life ends: ``moment=n`` or ``cpu_seconds=s``; the one after the last of them lives.
            who: Who calls.
            day: The day.
        """
        kills = 0
        for death in deaths:
            end = self.nursery.live(day, names, who=who, **death)
            assert end.how in ("killed", "finished"), f"after {kills} kills: {end.how}\n{end.words}"
            if end.how == "finished":
                return kills
            kills += 1
        self.nursery.live_to_the_end(day, names, who=who)
        return kills

    def calls(self, who: str, since: str) -> dict[str, list[bytes]]:
        """What was called on the last day: by the twin until a step, and then by somebody else."""
        before = [self.receiver.of(f"{TWIN}-{name}") for name in DAY[: DAY.index(since)]]
        return {key: bodies for found in (*before, self.receiver.of(who)) for key, bodies in found.items()}


def live_undisturbed(world: World) -> None:
    """Live the company's days; keep the workspace before each step of the last one, and its state after each."""
    world.house.folder.mkdir(parents=True)
    write_business(world.house.folder)
    company = open_company("telecom", seed=SEED, customer_count=CUSTOMERS, starts_on=STARTS_ON)
    company.write_history(world.house.files, FIRST_DAY - timedelta(days=1))
    nursery = world.nursery
    nursery.live_to_the_end(FIRST_DAY, ["history"], who=TWIN)
    nursery.live_to_the_end(FIRST_DAY, ["retrain"], who=TWIN)
    nursery.live_to_the_end(FIRST_DAY, [], who=TWIN, by_hand=[("promote", "1")])
    for day in DAYS[:-1]:
        nursery.live_to_the_end(day, DAY, who=TWIN)
        if day == FIRST_DAY:
            nursery.live_to_the_end(day, [], who=TWIN, by_hand=[("launch", name) for name in CAMPAIGNS])
        lists = company.take_contacts(world.workspace.outbox, day)
        company.play(day, lists)
        company.write_day(world.house.files, day)
    calls_before = len(world.receiver.calls)
    for name in DAY:
        world.keep(name)
        end = nursery.live_to_the_end(LAST, [name], who=f"{TWIN}-{name}")
        world.works[name], world.moments[name] = end.cpu_seconds, list(end.moments)
        world.states[name] = state_of(world.workspace, world.calls(f"{TWIN}-{name}", since=name))
    world.keep("end")
    assert len(world.receiver.calls) > calls_before
