"""Each fuzz target runs: on its corpus with every test, and thousands of times, guided by coverage, among the slow."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.house.tree import ROOT
from tests.security.fuzz import Target

CORPUS = ROOT / "tests" / "security" / "fuzz" / "corpus"
RUNS = {"business_file": 3_000, "csv_reader": 2_000, "webhook": 5_000}


def target(name: str) -> Target:
    made: Target = importlib.import_module(f"tests.security.fuzz.{name}").target()
    return made


def test_every_target_is_run_and_has_a_corpus() -> None:
    written = {path.stem for path in CORPUS.parent.glob("*.py")} - {"__init__"}
    assert written == set(RUNS) == {folder.name for folder in CORPUS.iterdir()}


@pytest.mark.parametrize("name", RUNS)
def test_a_target_holds_on_its_corpus(name: str) -> None:
    one = target(name)
    for path in sorted((CORPUS / name).iterdir()):
        one(path.read_bytes())


@pytest.mark.parametrize("name", RUNS)
def test_a_target_holds_on_noise(name: str) -> None:
    one = target(name)
    settings(max_examples=60, deadline=None)(given(st.binary(max_size=200))(one))()


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_a_target_holds_where_coverage_leads(name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed: it is made for Linux on x86-64")
    found = tmp_path / "found"
    found.mkdir()
    command = [sys.executable, "-W", "ignore", "-m", f"tests.security.fuzz.{name}", f"-runs={RUNS[name]}",
               "-timeout=20",
               "-rss_limit_mb=2048", "-max_len=4096", "-max_total_time=40", "-seed=8", f"-artifact_prefix={tmp_path}/",
               str(found), str(CORPUS / name)]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done " in done.stderr
