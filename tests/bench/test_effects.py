"""Ten effects by our aggregation are those of tea-tasting, run by the same script as the benchmark runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.effects import METRICS, ten_effects, write_table
from bench.measuring import ROOT


def test_ten_effects_agree_with_tea_tasting(tmp_path: Path) -> None:
    write_table(tmp_path, 5_000)
    script = ROOT / "bench" / "peers" / "tea_tasting_effects.py"
    told = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "customers.parquet"), json.dumps(METRICS)],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    expected, found = json.loads(told)["effects"], ten_effects(tmp_path)["effects"]
    assert len(found) == 10
    for name, (estimate, low, high) in expected.items():
        assert found[name] == pytest.approx((estimate, low, high), rel=1e-9, abs=1e-9 * (high - low)), name
