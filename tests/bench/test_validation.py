"""Both sides of the validation benchmark find what was planted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.measuring import Measured
from bench.receipts import contract, judge, split, write
from bench.validation import PEER, faults

ROWS = 2_500


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("receipts")


@pytest.fixture(scope="module")
def planted(folder: Path) -> dict[str, int]:
    return write(folder, ROWS)


def test_the_contract_has_the_25_rules_that_are_promised() -> None:
    assert (len(contract().row_rules), len(contract().batch_rules)) == (18, 7)


def test_the_file_has_faults_of_six_kinds(planted: dict[str, int]) -> None:
    of_rows = {rule.name: planted[rule.name] for rule in contract().row_rules}
    assert sum(count > 0 for count in of_rows.values()) == 6
    assert planted["good"] + planted["bad"] == ROWS
    assert planted["bad"] < sum(of_rows.values())  # a row may break several


def test_judge_and_split_find_what_was_planted(folder: Path, planted: dict[str, int]) -> None:
    assert judge(folder) == {name: count for name, count in planted.items() if name not in ("good", "bad")}
    assert split(folder).items() <= planted.items()


def test_the_peer_finds_the_same(folder: Path, planted: dict[str, int]) -> None:
    done = subprocess.run([sys.executable, str(PEER), str(folder)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == judge(folder)


def test_a_side_that_finds_something_else_is_wrong() -> None:
    right, less = {f"rule {i}": 0 for i in range(25)}, {"rule 0": 1}
    found = {
        "a": Measured(1, 1, json.dumps(right), frozenset("x")),
        "b": Measured(1, 1, json.dumps(less), frozenset("xy")),
    }
    assert list(faults(right, found)) == [
        "validation: b: rule 0: 1 instead of 0",
        "validation: b: 1 figures",
        "validation: b: two runs found different things",
    ]
