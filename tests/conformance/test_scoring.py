"""A day scored by executors is the day that one process scores: the same rows in the same one commit."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped]
import pyarrow as pa
import pytest

from holdback.errors import DataError, OperatorError
from holdback.warehouse.spark import stop
from holdback.workspace import Workspace
from tests.training.companies import open_shop
from tests.training.conftest import QUICK, TODAY, copy_of
from training.retraining import retrain
from training.scoring import score, stored_scores
from training.scoring_on_spark import score_on_spark

CLUSTER = "local-cluster[2,1,1024]"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    pytest.importorskip("pyspark", reason="pyspark is not installed (the extra `spark`)")
    workspace = open_shop(tmp_path_factory.mktemp("shop"))
    retrain(workspace, "lapsed", TODAY, threads=1, recipe=QUICK)
    return workspace


@pytest.fixture(scope="module")
def a_cluster() -> Iterator[str]:
    """Two worker processes of this machine. They write beside Spark itself, whatever they are told."""
    import pyspark

    work = Path(pyspark.__file__).parent / "work"
    known = set(work.glob("app-*"))
    yield CLUSTER
    stop()
    for folder in set(work.glob("app-*")) - known:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def here(trained: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The day as one process scores it."""
    workspace = copy_of(trained, tmp_path_factory.mktemp("here"))
    score(workspace, "lapsed", TODAY)
    return workspace


def there(trained: Workspace, place: Path, master: str) -> Workspace:
    return dataclasses.replace(copy_of(trained, place), spark_master=master)


def features_of(workspace: Workspace) -> pa.Table:
    return workspace.warehouse.query("select * from features order by customer_id")


def assert_same_day(found: Workspace, expected: Workspace) -> None:
    rows, reference = (stored_scores(w.warehouse, "lapsed", TODAY) for w in (found, expected))
    assert rows.drop_columns("probability").equals(reference.drop_columns("probability"))
    np.testing.assert_allclose(rows["probability"].to_numpy(), reference["probability"].to_numpy(), rtol=0, atol=1e-12)
    kept, known = features_of(found), features_of(expected)
    assert kept.column_names == known.column_names
    for name in known.column_names:
        if pa.types.is_floating(known[name].type):
            found_values, values = (table[name].to_numpy() for table in (kept, known))
            np.testing.assert_allclose(found_values, values, rtol=1e-9, atol=1e-9, err_msg=name)
        else:
            assert kept[name].equals(known[name]), name


@contextmanager
def killing(workspace: Workspace, is_victim: Callable[[psutil.Process], bool]) -> Iterator[list[int]]:
    """Kill one process of Spark, as the system does it, as soon as executors write down what they computed."""
    killed: list[int] = []
    ended = threading.Event()

    def watch() -> None:
        scratch = workspace.folder / "warehouse" / ".spill" / "spark"
        while not ended.wait(0.02):
            if not killed and any(scratch.glob("*/asked")):
                for process in psutil.Process().children(recursive=True):
                    if is_victim(process):
                        os.kill(process.pid, signal.SIGKILL)
                        killed.append(process.pid)
                        break

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield killed
    finally:
        ended.set()
        thread.join()


def command_holds(word: str) -> Callable[[psutil.Process], bool]:
    def holds(process: psutil.Process) -> bool:
        try:
            return any(word in part for part in process.cmdline())
        except psutil.Error:
            return False

    return holds


@pytest.mark.slow
def test_two_executors_score_as_one_process_does_and_one_may_be_killed(
    trained: Workspace, here: Workspace, a_cluster: str, tmp_path: Path
) -> None:
    workspace = there(trained, tmp_path, a_cluster)
    with killing(workspace, command_holds("CoarseGrainedExecutorBackend")) as killed:
        try:
            score_on_spark(workspace, "lapsed", TODAY)
        except OperatorError:  # lost too much at once: then nothing at all was written
            assert not stored_scores(workspace.warehouse, "lapsed", TODAY).num_rows
    assert killed
    result = score_on_spark(workspace, "lapsed", TODAY)
    assert result.customer_count == stored_scores(here.warehouse, "lapsed", TODAY).num_rows
    assert_same_day(workspace, here)
    assert workspace.warehouse.version("scores") == here.warehouse.version("scores")
    assert not [
        path for path in (workspace.folder / "warehouse" / ".spill" / "spark").iterdir() if len(path.name) == 32
    ]


@pytest.mark.slow
def test_a_worker_that_dies_leaves_the_day_whole_or_absent(
    trained: Workspace, here: Workspace, spark_master: str, tmp_path: Path
) -> None:
    workspace = there(trained, tmp_path, spark_master)
    with killing(workspace, command_holds("pyspark.daemon")) as killed:
        try:
            score_on_spark(workspace, "lapsed", TODAY)
        except OperatorError:
            assert not stored_scores(workspace.warehouse, "lapsed", TODAY).num_rows
    assert killed
    score_on_spark(workspace, "lapsed", TODAY)
    assert_same_day(workspace, here)
    again = score_on_spark(workspace, "lapsed", TODAY)
    assert again.was_scored_already


@pytest.mark.slow
def test_a_day_without_customers_is_refused_as_elsewhere(trained: Workspace, spark_master: str, tmp_path: Path) -> None:
    from datetime import date

    with pytest.raises(DataError, match="nobody is described on 2027-10-01"):
        score_on_spark(there(trained, tmp_path, spark_master), "lapsed", date(2027, 10, 1))


def test_without_a_master_it_is_said_what_to_set(trained: Workspace, tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="HOLDBACK_SPARK_MASTER names its master"):
        score_on_spark(copy_of(trained, tmp_path), "lapsed", TODAY)
