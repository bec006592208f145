"""A person who asks is told everything, and is gone everywhere when he asks for that; nobody else is touched."""

from __future__ import annotations

import itertools
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from campaigns.delivery.deliveries import deliver
from campaigns.ledger import verify
from flows.forgetting import count_held, forget, held_about, welcome_back
from holdback.errors import Busy, DataError
from holdback.forgotten import Tombstones
from holdback.ingest import ingest
from holdback.quarantine import balance
from holdback.workspace import Workspace
from tests.campaigns.delivery.company import AS_OF
from tests.flows.forgetting.company import GONE, MARKS, NEXT, NOW, STAYS, build, customers, opened, traces

PROJECT = Path(__file__).resolve().parents[3]
STEPS = (
    "asked",
    "outbox",
    "landed file",
    "landing",
    "leftovers",
    "profiles",
    "quarantine",
    "tables",
    "ledger",
    "forgotten",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("company")
    build(folder)
    return folder


@pytest.fixture
def company(built: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "company"
    shutil.copytree(built, folder)
    return folder


def others(workspace: Workspace) -> dict[str, list[str]]:
    """What is held about those who stay."""
    listed = ", ".join(f"'{name}'" for name in STAYS)
    found = {}
    for table in ("customers", "plans", "sendings", "scores", "features"):
        rows = workspace.warehouse.query(f"select * from {table} where customer_id in ({listed})").to_pylist()
        found[table] = sorted(map(str, rows))
    return found


def forgotten(folder: Path) -> Workspace:
    workspace = opened(folder)
    forget(workspace, GONE, as_of=NEXT, now=NOW)
    return workspace


def test_a_person_is_told_everything_that_is_held(company: Path) -> None:
    held = held_about(opened(company), GONE[0])
    assert held.counts == {
        "table customers": 2, "table features": 1, "table plans": 1, "table scores": 1, "table sendings": 1,
        "ledger": 4, "quarantine": 1, "landed files": 5, "outbox": 2,
    }  # fmt: skip
    assert held.tables["customers"][0]["city"] == "City MARK1"
    assert not held.is_forgotten
    assert "backups" in held.notes[-1]


def test_what_would_go_is_counted_first_and_nothing_changes(company: Path) -> None:
    workspace = opened(company)
    before = sorted((str(p), p.stat().st_mtime_ns) for p in workspace.folder.rglob("*.parquet"))
    counted = count_held(workspace, GONE)
    assert counted.tables == {"customers": 4, "features": 2, "plans": 2, "scores": 2, "sendings": 2}
    assert (counted.ledger, counted.quarantine, counted.landed_files) == (6, 2, 4)
    assert sorted((str(p), p.stat().st_mtime_ns) for p in workspace.folder.rglob("*.parquet")) == before


def test_not_a_byte_of_them_is_left_in_the_workspace_and_nobody_else_is_touched(company: Path) -> None:
    workspace = opened(company)
    decisions = [
        row["entry_id"]
        for row in workspace.warehouse.query(
            "select entry_id from ledger where starts_with(customer_id, 'c-MARK')"
        ).to_pylist()
    ]
    before = others(workspace)
    assert list(traces(workspace.folder, MARKS))
    done = forget(workspace, GONE, as_of=NEXT, now=NOW)
    assert list(traces(workspace.folder, (*MARKS, *decisions))) == []
    assert others(workspace) == before
    assert done.delivered_on == (AS_OF,)
    assert done.removed.tables["customers"] == 4
    assert verify(workspace).is_whole
    assert balance(workspace).is_even
    assert held_about(workspace, GONE[0]).counts == {}
    assert held_about(workspace, GONE[0]).is_forgotten


def test_once_more_changes_nothing_and_says_so(company: Path) -> None:
    workspace = forgotten(company)
    ledger = workspace.warehouse.version("ledger")
    again = forget(workspace, GONE, as_of=NEXT, now=NOW)
    assert again.was_done_already
    assert workspace.warehouse.version("ledger") == ledger
    assert workspace.warehouse.query("select count(*) as n from forgotten")["n"][0].as_py() == 4


def test_the_same_original_is_known_and_another_one_is_refused(company: Path) -> None:
    workspace = forgotten(company)
    (company / "customers.csv").write_text(customers().replace(",40,", ",41,"), encoding="utf-8")
    assert ingest(workspace, NEXT).is_unchanged
    (company / "customers.csv").write_text(customers().replace(",40,", ",42,"), encoding="utf-8")
    result = ingest(workspace, NEXT)
    assert result.reasons["customer_is_not_forgotten"] == result.quarantined == 2
    found = workspace.warehouse.query("select distinct customer_id from customers order by 1")["customer_id"]
    assert found.to_pylist() == sorted(STAYS)
    assert list(traces(workspace.folder, MARKS)) == []


def test_who_returns_comes_in_with_the_next_file(company: Path) -> None:
    workspace = forgotten(company)
    assert welcome_back(workspace, GONE[:1], as_of=NEXT, now=NOW) == 1
    (company / "customers.csv").write_text(customers().replace(",40,", ",43,"), encoding="utf-8")
    assert ingest(workspace, NEXT).reasons == {"customer_is_not_forgotten": 1}
    assert "c-MARK1" in workspace.warehouse.query("select customer_id from customers")["customer_id"].to_pylist()
    with pytest.raises(DataError, match="was not forgotten"):
        welcome_back(workspace, ["c-001"], as_of=NEXT, now=NOW)


def test_a_household_keeps_its_group_and_a_delivery_names_nobody_who_is_gone(company: Path) -> None:
    workspace = forgotten(company)
    rows = workspace.warehouse.query(f"select * from ledger where customer_id = '{STAYS[0]}'").to_pylist()
    assert {row["group"] for row in rows} == {"treatment"}
    assert all(row["unit_id"].startswith("forgotten:") for row in rows)
    shutil.rmtree(workspace.outbox / AS_OF.isoformat())
    deliver(workspace, AS_OF, now=NOW.replace(day=2, hour=11), wait=lambda _seconds: None)
    assert list(traces(workspace.outbox, (*MARKS, "forgotten:"))) == []


@pytest.mark.parametrize("flow", ["score_daily", "report", "record_daily"])  # these two write profiles
def test_nobody_is_forgotten_while_a_run_writes(company: Path, flow: str) -> None:
    workspace = opened(company)
    with workspace.lock(flow), pytest.raises(Busy, match=flow):
        forget(workspace, GONE, as_of=NEXT, now=NOW)
    assert not Tombstones.read(workspace).states


@pytest.mark.parametrize("ids", [[], [" "], ["forgotten:12"]])
def test_an_id_that_names_nobody_is_refused(company: Path, ids: list[str]) -> None:
    with pytest.raises(DataError, match="customer: an id"):
        forget(opened(company), ids, as_of=NEXT, now=NOW)


def test_values_that_others_have_too_stay_in_the_profiles(company: Path) -> None:
    workspace = opened(company)
    sql = "select distinct key from profiles where feed = 'customers' and column_name = 'city' and statistic = 'share'"
    assert set(workspace.warehouse.query(sql)["key"].to_pylist()) == {"City MARK1", "City MARK2", "City Lugo"}
    forget(workspace, GONE, as_of=NEXT, now=NOW)
    assert set(workspace.warehouse.query(sql)["key"].to_pylist()) == {"City Lugo"}


def command(folder: Path, step: str, count: int) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", "tests.flows.forgetting.company", str(folder), step, str(count)]


def finished_after_a_kill(folder: Path) -> None:
    workspace = opened(folder)
    assert verify(workspace).is_whole
    assert Tombstones.read(workspace).refused  # nothing brings them back, from the first step on
    forget(workspace, GONE, as_of=NEXT, now=NOW)
    assert list(traces(workspace.folder, MARKS)) == []
    assert not Tombstones.read(workspace).open
    assert verify(workspace).is_whole
    assert verify(workspace).unconfirmed == 0


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_killed_after_any_step_the_next_call_finishes(company: Path, step: str) -> None:
    killed = subprocess.run(
        command(company, step, 2 if step == "landed file" else 1), check=False, cwd=PROJECT, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    finished_after_a_kill(company)


def seconds_from_the_first_mark(folder: Path, killed_after: float | None) -> float | None:
    """Forget them in another process from when their tombstones are set; None when it was killed, as it was to be."""
    process = subprocess.Popen(command(folder, "never", 1), cwd=PROJECT)
    limit = time.monotonic() + 60
    marked = folder / "work" / "carrier" / "warehouse" / "forgotten" / "_delta_log"
    while not list(marked.glob("*.json")):
        assert time.monotonic() < limit
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.005)
    begun = time.monotonic()
    try:
        assert process.wait(timeout=60 if killed_after is None else killed_after) == 0
    except subprocess.TimeoutExpired:
        process.kill()
        assert process.wait() == -signal.SIGKILL
        return None
    return time.monotonic() - begun


@pytest.mark.slow
def test_killed_at_any_moment_the_next_call_finishes(built: Path, tmp_path: Path) -> None:
    copies = (shutil.copytree(built, tmp_path / f"{number}") for number in itertools.count())
    whole = seconds_from_the_first_mark(next(copies), None)
    assert whole is not None
    for share in (0.0, 0.2, 0.4, 0.65):
        folder = next(copies)
        while (took := seconds_from_the_first_mark(folder, share * whole)) is not None:
            whole, folder = min(took, whole / 2), next(copies)  # the machine is less busy than it was
        finished_after_a_kill(folder)
