"""One day's features and scores on DuckDB and on Spark, side by side: ``python -m bench.spark --customers 100000``.

Both score the same warehouse with the same model, each in a process of its own; what is counted is the CPU time and the
memory of that process with everything that it starts (Java, Python workers). A cluster divides Spark's CPU time among
its machines; what one machine pays for it is told here.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped]

from bench.measuring import ROOT, say
from bench.world import AS_OF, business, write_world
from holdback.warehouse import Lake
from holdback.workspace import Workspace

_LEARNED_FROM = 8_000  # customers: the model's size is what matters here, not its quality


def build(folder: Path, customers: int) -> None:
    """Write the company and put a model in office."""
    from features.build import build_features
    from features.families import feature_set
    from features.labels import build_labels
    from features.spine import build_spine
    from training.churn import Recipe, fit
    from training.datasets import feature_frame
    from training.rows import Rows

    workspace = Workspace(folder, business())
    company, lake = workspace.business, workspace.warehouse
    assert isinstance(lake, Lake)
    write_world(lake, customers, rng=np.random.default_rng(7))
    churn, day = company.churn[0], AS_OF - timedelta(days=200)
    spine = build_spine(lake, company, churn, day).slice(0, _LEARNED_FROM)
    labels = build_labels(lake, company, churn, day, known_on=AS_OF, spine=spine)
    described = build_features(lake, company, churn, day, spine=spine)
    frame = feature_frame(described, feature_set(company).without_texts)
    keys = np.asarray(described["customer_id"].to_pylist(), dtype=object)
    # A company made of random numbers: who leaves is drawn anew, so that there are leavers of every kind.
    churned = np.random.default_rng(1).random(labels.num_rows) < 0.2 + 0.3 * (frame["order_count_90d"].to_numpy() < 1)
    rows = Rows(frame, keys, np.full(len(keys), np.datetime64(day)), churned)
    recipe = Recipe(most_trees=600, fold_count=2, learning_rate=0.03)
    model = fit(rows, threads=2, recipe=recipe, information={"as_of": str(day)}).model
    model.save(folder / "model.cbm")
    say(f"a model of {model.booster.tree_count_} trees")


def score_once(folder: Path, master: str | None) -> dict[str, float]:
    """Score the day; return seconds, CPU seconds and peak memory (MB) of this process and all it started."""
    from training import scoring_on_spark
    from training.churn import load
    from training.scoring import days

    workspace = dataclasses.replace(Workspace(folder, business()), spark_master=master)
    champion = "1", load(folder / "model.cbm")
    # No registry: what it costs is not the question.
    for module in (days, scoring_on_spark):
        vars(module)["champion_for"] = lambda *_: champion
    for table in ("scores", "features"):
        shutil.rmtree(workspace.folder / "warehouse" / table, ignore_errors=True)
    ended, peak, own = threading.Event(), [0.0], psutil.Process()

    def watch() -> None:
        while not ended.wait(0.5):
            peak[0] = max(peak[0], sum(_megabytes(p) for p in (own, *own.children(recursive=True))))

    thread = threading.Thread(target=watch)
    thread.start()
    began = time.perf_counter()
    result = days.score(workspace, workspace.business.churn[0].name, AS_OF)
    seconds = time.perf_counter() - began
    cpu = sum(_cpu_seconds(process) for process in (own, *own.children(recursive=True)))
    ended.set()
    thread.join()
    return {
        "seconds": seconds, "cpu": cpu, "megabytes": peak[0], "customers": result.customer_count,
        "sum": result.expected_churner_count,
    }  # fmt: skip


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        return float(sum(process.cpu_times()[:4]))  # its own, and of the children that have ended
    except psutil.Error:
        return 0.0


def _megabytes(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss) / 1e6  # what processes share is counted once
    except psutil.Error:
        return 0.0


def main() -> None:
    """Build the company, score its day twice, print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.spark", description=__doc__)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--master", default="local[2]")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--once", choices=("duckdb", "spark"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.once:
        print(json.dumps(score_once(given.folder, given.master if given.once == "spark" else None)))
        return
    folder = given.folder or Path(tempfile.mkdtemp(prefix="holdback-spark-"))
    if not (folder / "model.cbm").exists():
        build(folder, given.customers)
    print("| engine | CPU s | CPU ms per 1,000 customers | wall s | peak MB | customers | expected churners |")
    print("|---|---|---|---|---|---|---|")
    for engine in ("duckdb", "spark"):
        command = [sys.executable, "-m", "bench.spark", "--once", engine, "--folder", str(folder)]
        told = subprocess.run(
            [*command, "--master", given.master], capture_output=True, text=True, check=True, cwd=ROOT
        )
        found = json.loads(told.stdout.splitlines()[-1])
        each = 1e6 * found["cpu"] / found["customers"]
        print(f"| {engine} | {found['cpu']:.1f} | {each:.0f} | {found['seconds']:.1f} | {found['megabytes']:.0f} "
              f"| {found['customers']:,} | {found['sum']:.6f} |")  # fmt: skip
    if given.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
