"""Both ways of predicting give the same bits, and every one of the riskiest is told reasons that add up."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.models import catboost, describe, ours, reasons
from bench.spark import build


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("models")
    build(place, 2_000)
    describe(place)
    yield place
    shutil.rmtree(place)


def test_both_ways_of_predicting_give_the_same_bits(folder: Path) -> None:
    assert ours(folder, 5_000)["digest"] == catboost(folder, 5_000)["digest"]


def test_the_riskiest_twentieth_is_explained_and_its_reasons_add_up(folder: Path) -> None:
    told = reasons(folder, 1_000)
    assert told["explained"] == 50
    assert told["error"] < 1e-9
