"""Deciding and sending are killed again and again, with the tables in PostgreSQL: nothing is lost, forked or resent."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from campaigns.ledger import verify
from holdback.warehouse import PostgresWarehouse
from holdback.warehouse.postgres.checking import check
from holdback.warehouse.postgres.moving import move
from holdback.workspace import Workspace
from tests.campaigns.decisions.world import ledger
from tests.campaigns.delivery.receivers import Receiver, receiver
from tests.flows.killed_decider import TODAY, open_company
from tests.flows.killed_on_postgres import open_there
from tests.flows.test_postgres_day import found_in
from tests.servers import postgres_server

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

SEED = int(os.environ.get("CHAOS_SEED", "20251122"))
CHAINS, KILLS_PER_CHAIN = 3, 6
PROJECT = Path(__file__).resolve().parents[2]


@dataclass
class Town:
    """One server, one receiver of calls, one process that forks."""

    server: str
    calls: Receiver
    nursery: subprocess.Popen[str]
    morning: Path

    def moved_in(self, folder: Path) -> Workspace:
        """The company as it stands this morning, in a database of its own."""
        import psycopg

        name = f"d{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(f"create database {name}")
        shutil.copytree(self.morning, folder)
        workspace = open_there(folder, self.server.removesuffix("postgres") + name, self.calls.url)
        assert isinstance(workspace.warehouse, PostgresWarehouse)
        move(workspace.lake, workspace.warehouse)
        workspace.journal.take_over(workspace.journal_file)
        shutil.rmtree(workspace.lake.root)
        return workspace

    def live(self, workspace: Workspace, steps: str, moment: int = 0) -> str:
        """Let a process live some steps; how it ended."""
        assert self.nursery.stdin is not None
        assert self.nursery.stdout is not None
        self.nursery.stdin.write(f"{workspace.root} {workspace.database_url} {steps} {moment}\n")
        self.nursery.stdin.flush()
        return self.nursery.stdout.readline().strip()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    base = tmp_path_factory.mktemp("town")
    open_company(base / "morning")
    with postgres_server("company") as server, receiver([]) as calls:
        nursery = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.flows.killed_on_postgres", calls.url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT,
        )  # fmt: skip
        try:
            yield Town(server, calls, nursery, base / "morning")
        finally:
            nursery.kill()
            nursery.communicate()


def left_by(workspace: Workspace) -> dict[str, Any]:
    """All that a day leaves, but for when each call was answered."""
    found = found_in(workspace)
    return {**found, "outbox": {name: kept for name, kept in found["outbox"].items() if "webhook" not in name}}


@pytest.mark.parametrize("name", ["decide", "deliver"])
def test_a_step_that_is_killed_again_and_again_ends_as_the_undisturbed_one(
    town: Town, tmp_path: Path, name: str
) -> None:
    rng = random.Random(f"{SEED}/{name}")
    before = {"decide": "reconcile", "deliver": "reconcile,decide"}[name]
    twin = town.moved_in(tmp_path / "twin")
    assert town.live(twin, before).startswith("finished")
    ended, moments = town.live(twin, name).split()
    assert (ended, int(moments) > 20) == ("finished", True)
    wanted = left_by(twin)
    contacts = sum(row["kind"] == "decided" and row["action"] != "none" for row in ledger(twin, on=TODAY))
    assert contacts > 10
    kills = 0
    for chain in range(CHAINS):
        workspace = town.moved_in(tmp_path / str(chain))
        assert town.live(workspace, before).startswith("finished")
        called, killed = len(town.calls.keys), 0
        for _ in range(KILLS_PER_CHAIN):  # what was done is not done again: later lives are shorter
            if town.live(workspace, name, rng.randint(1, int(moments) // 3)).startswith("finished"):
                break
            killed += 1
        assert town.live(workspace, name).startswith("finished"), f"seed {SEED}, chain {chain}"
        assert left_by(workspace) == wanted, f"seed {SEED}, chain {chain}"
        assert verify(workspace).is_whole
        assert all(one.is_sound for one in check(workspace.warehouse))  # type: ignore[arg-type]
        keys = town.calls.keys[called:]
        if name == "deliver":
            assert len(set(keys)) == contacts
            assert len(keys) <= contacts + killed, "only the call whose answer was not written down comes again"
        kills += killed
    assert kills >= CHAINS, f"seed {SEED}: hardly any life was ended"
    print(f"seed {SEED}: {name}: {kills} kills in {CHAINS} chains")
