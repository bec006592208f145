"""The benchmark runs, and what it computes is right."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.child import campaign, features, outcomes, scan, truth
from bench.world import lake_at, write_world


def test_a_small_company_gives_the_counts_that_plain_sql_finds(tmp_path: Path) -> None:
    counts = write_world(lake_at(tmp_path), 300, rng=np.random.default_rng(7))
    found, expected = features(tmp_path), truth(tmp_path)
    assert {key: found[key] for key in expected} == expected
    assert found["digest"] == features(tmp_path)["digest"]
    assert 0 < int(str(scan(tmp_path)["rows"])) < sum(counts.values())


def test_a_small_campaign_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert campaign(tmp_path, 2_000) == outcomes(tmp_path)


@pytest.mark.slow
def test_the_quick_benchmark_prints_every_ratio_and_ends_well(project_root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench"], cwd=project_root, capture_output=True, text=True, check=False,
        env={**os.environ, "BENCH_QUICK": "1"}, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for what in ("against a bare scan", "peak memory", "declaring and compiling", "holdback --help"):
        assert what in done.stdout
    assert "WRONG" not in done.stdout
