"""Scoring by ranges of customers gives the same rows whoever does the parts, and does each part once."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pytest

from flows import partitions
from flows.partitions import chosen_runner, part_runner
from holdback.errors import DataError, OperatorError
from holdback.progress import Progress
from holdback.workspace import Workspace
from tests.training.companies import open_shop
from training.churn import Recipe
from training.retraining import retrain
from training.scoring import PartReceipt, ScorePlan, TablesChanged, champion_for, plan_parts, score, score_part
from training.scoring.parts import MOST_PARTS, RunParts, divided

R = TypeVar("R")

TODAY = date(2025, 10, 1)
PER_PART = 60
ROWS = ("select * from scores order by customer_id", "select * from features order by customer_id")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A shop with a champion of few trees: what is asked is who computes, not how well."""
    workspace = open_shop(tmp_path_factory.mktemp("trained"), customers=500)
    recipe = Recipe(learning_rate=0.3, most_trees=30, patience=5, seed_count=1, fold_count=2)
    result = retrain(workspace, "lapsed", TODAY, threads=1, recipe=recipe)
    if result.champion_version is None:
        from training.registry import promote_by_hand

        promote_by_hand(workspace, "lapsed", result.version, TODAY)
    return workspace


@pytest.fixture(scope="module")
def expected(trained: Workspace, tmp_path_factory: pytest.TempPathFactory) -> list[pa.Table]:
    """What one process writes that does everything as one part."""
    whole = _copy(trained, tmp_path_factory.mktemp("whole"))
    score(whole, "lapsed", TODAY, customers_per_part=1_000_000)
    return [whole.warehouse.query(sql) for sql in ROWS]


@pytest.fixture
def shop(trained: Workspace, tmp_path: Path) -> Workspace:
    return _copy(trained, tmp_path)


def _copy(workspace: Workspace, place: Path) -> Workspace:
    shutil.copytree(workspace.root, place / "home")
    return Workspace(place / "home", workspace.business, threads=2)


def _plan(workspace: Workspace) -> ScorePlan:
    churn = workspace.business.churn[0]
    return plan_parts(
        workspace, churn, TODAY, *champion_for(workspace, churn, TODAY), customers_per_part=PER_PART
    )  # fmt: skip


def _written(workspace: Workspace) -> list[pa.Table]:
    return [workspace.warehouse.query(sql) for sql in ROWS]


def test_many_parts_write_the_rows_of_one_to_the_bit_and_leave_nothing_behind(
    shop: Workspace, expected: list[pa.Table]
) -> None:
    result = score(shop, "lapsed", TODAY, customers_per_part=PER_PART)
    assert result.customer_count > 3 * PER_PART
    assert all(found.equals(known) for found, known in zip(_written(shop), expected, strict=True))
    assert list((shop.folder / "parts").iterdir()) == []


def test_a_part_that_is_done_is_not_done_again_and_is_not_trusted_when_it_was_cut_off(shop: Workspace) -> None:
    plan = _plan(shop)
    first, again = score_part(shop, plan, 0), score_part(shop, plan, 0)
    assert (first.was_done_already, again.was_done_already) == (False, True)
    assert (again.customer_count, again.null_counts) == (first.customer_count, first.null_counts)
    [file] = Path(plan.folder).glob("part-*.arrow")
    assert file.stat().st_mode & 0o077 == 0  # it holds what customers wrote
    file.write_bytes(file.read_bytes()[:-100])
    assert not score_part(shop, plan, 0).was_done_already


def test_other_data_are_another_plan_and_what_a_dead_run_left_is_removed(shop: Workspace) -> None:
    before = _plan(shop)
    assert _plan(shop) == before
    rows = shop.warehouse.query("select * from tills limit 1")
    shop.warehouse.append("tills", rows, batch="b-2")
    after = _plan(shop)
    assert after.folder != before.folder
    assert not Path(before.folder).exists()


def _with_rows_that_come_in(times: int) -> RunParts:
    """Parts between which somebody loads rows: the first ``times`` times that they are done."""
    left = [times]

    def run_parts(
        work: Callable[[Workspace, ScorePlan, int], R], workspace: Workspace, plan: ScorePlan, progress: Progress
    ) -> list[R]:
        found = [work(workspace, plan, 0)]
        if work is score_part and left[0]:
            left[0] -= 1
            rows = workspace.warehouse.query("select * from tills order by all limit 400")
            workspace.warehouse.append("tills", rows, batch=f"late/{left[0]}")
        return found + [work(workspace, plan, number) for number in range(1, plan.part_count)]

    return run_parts


def test_rows_that_come_in_meanwhile_are_known_to_all_customers_of_the_day_or_to_none(
    shop: Workspace, tmp_path: Path
) -> None:
    twin = _copy(shop, tmp_path / "twin")
    rows = twin.warehouse.query("select * from tills order by all limit 400")
    twin.warehouse.append("tills", rows, batch="late/0")
    score(twin, "lapsed", TODAY, customers_per_part=PER_PART)
    score(shop, "lapsed", TODAY, customers_per_part=PER_PART, run_parts=_with_rows_that_come_in(1))
    assert all(found.equals(known) for found, known in zip(_written(shop), _written(twin), strict=True))


def test_a_day_whose_rows_keep_coming_in_is_not_scored(shop: Workspace) -> None:
    with pytest.raises(TablesChanged, match="No score was written"):
        score(shop, "lapsed", TODAY, customers_per_part=PER_PART, run_parts=_with_rows_that_come_in(99))
    assert shop.warehouse.query("select * from scores").num_rows == 0
    assert list((shop.folder / "parts").iterdir()) == []


def test_a_worker_that_reads_another_warehouse_does_no_part(shop: Workspace) -> None:
    plan = _plan(shop)
    with pytest.raises(TablesChanged, match="HOLDBACK_DATABASE_URL must be the same"):
        score_part(shop, dataclasses.replace(plan, key="of a company's database"), 0)
    assert list(Path(plan.folder).glob("part-*")) == []


def test_a_day_that_is_refused_leaves_no_parts(shop: Workspace) -> None:
    plan = _plan(shop)
    [name, *_] = plan.watched
    from training.scoring import draw_line

    empty = PartReceipt(0, plan.customer_count, {**dict.fromkeys(plan.watched, 0), name: plan.customer_count})
    with pytest.raises(DataError, match=f"{name} in 100.0%"):
        draw_line(shop, plan, [empty])
    assert not Path(plan.folder).exists()


@pytest.mark.parametrize(
    ("customers", "step", "expected"),
    [
        (1, 25_000, 25_000),
        (100_000, 25_000, 100_000),
        (100_001, 25_000, 75_000),  # five steps: three and two, not four and one
        (100_000, 22_519, 67_557),
        (1_000_000, 22_519, 90_076),
        (30_000_000, 25_000, 600_000),  # fifty parts
        (1_000_000, 250_000, 250_000),  # a step is not divided
    ],
)
def test_parts_are_whole_steps_about_as_many_in_each(customers: int, step: int, expected: int) -> None:
    size = divided(customers, step)
    assert (size, size % step) == (expected, 0)
    assert -(-customers // size) <= MOST_PARTS


def test_a_small_company_is_one_part_and_parts_are_everybody_once(shop: Workspace) -> None:
    churn = shop.business.churn[0]
    plan = plan_parts(shop, churn, TODAY, *champion_for(shop, churn, TODAY))
    assert plan.part_count == 1
    many = plan_parts(shop, churn, TODAY, *champion_for(shop, churn, TODAY), customers_per_part=PER_PART)
    spans = [many.span(number) for number in range(many.part_count)]
    assert sum(count for _, count in spans) == many.customer_count
    assert spans[-1][0] + spans[-1][1] == many.customer_count


def test_an_unknown_runner_is_refused_with_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDBACK_TASK_RUNNER", "spork")
    with pytest.raises(OperatorError, match=r"must be one of threads, dask, ray \(got 'spork'\)"):
        chosen_runner()
    monkeypatch.setenv("HOLDBACK_TASK_RUNNER", "")
    assert chosen_runner() is None


#: Scores a part at a time and kills itself when the given part begins.
KILLED = """
import os, signal, sys
from datetime import date
from pathlib import Path
from holdback.business import Business
from holdback.workspace import Workspace
from training.scoring import one_after_another, score, score_part

workspace = Workspace(Path(sys.argv[1]), Business.model_validate_json(Path(sys.argv[2]).read_text()), threads=2)
done = []

def deadly(work, workspace, plan, progress):
    def told(workspace, plan, number):
        if number == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)
        found = work(workspace, plan, number)
        if work is score_part:
            done.append(found.was_done_already)
        return found
    return one_after_another(told, workspace, plan, progress)

score(workspace, "lapsed", date(2025, 10, 1), run_parts=deadly, customers_per_part=60)
print("".join("-" if already else "x" for already in done))
"""


@pytest.mark.slow
def test_after_a_kill_in_the_middle_only_the_missing_parts_are_done(
    shop: Workspace, expected: list[pa.Table], tmp_path: Path
) -> None:
    business = tmp_path / "business.json"
    business.write_text(shop.business.model_dump_json())

    def live(kill_at: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", KILLED, str(shop.root), str(business), str(kill_at)],
            capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        )  # fmt: skip

    killed = live(2)
    assert killed.returncode == -signal.SIGKILL
    assert not shop.warehouse.has_batch("scores", f"scores/lapsed/{TODAY}")
    rerun = live(-1)
    assert rerun.returncode == 0, rerun.stderr[-2000:]
    assert rerun.stdout.strip().startswith("--x")
    assert set(rerun.stdout.strip()[2:]) == {"x"}
    assert all(found.equals(known) for found, known in zip(_written(shop), expected, strict=True))


@contextmanager
def _runner(kind: str, shop: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    monkeypatch.setenv("HOLDBACK_TASK_RUNNER", kind)
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))  # of workers that are started here
    for address in ("DASK_ADDRESS", "RAY_ADDRESS"):
        monkeypatch.delenv(address, raising=False)
    with part_runner(shop) as run_parts:
        yield run_parts


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["threads", "dask", "ray"])
def test_every_runner_writes_the_same_rows(
    kind: str, shop: Workspace, expected: list[pa.Table], prefect_harness: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip({"threads": "prefect", "dask": "prefect_dask", "ray": "prefect_ray"}[kind])
    with _runner(kind, shop, monkeypatch) as run_parts:
        score(shop, "lapsed", TODAY, run_parts=run_parts, customers_per_part=PER_PART)  # type: ignore[arg-type]
    assert all(found.equals(known) for found, known in zip(_written(shop), expected, strict=True))


@pytest.mark.slow
def test_the_part_of_a_worker_that_dies_is_done_by_another(
    shop: Workspace, expected: list[pa.Table], prefect_harness: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("prefect_dask")
    from tests.flows.dying_worker import dies_once

    monkeypatch.setattr(partitions, "work_on_part", dies_once)
    with _runner("dask", shop, monkeypatch) as run_parts:
        score(shop, "lapsed", TODAY, run_parts=run_parts, customers_per_part=PER_PART)  # type: ignore[arg-type]
    assert (shop.root / "died").exists()
    assert all(found.equals(known) for found, known in zip(_written(shop), expected, strict=True))
