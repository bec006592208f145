"""One body, three engines: what Delta and DuckDB answer, PostgreSQL and Spark answer too, column by column."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from features.on_spark import OnSpark
from holdback.warehouse import Lake, Warehouse
from tests.conformance.engines import OnPostgres, lake_of
from tests.conformance.worlds import World, differences, the_described, the_triggered

WORLDS: tuple[Callable[[], World], ...] = (the_described, the_triggered)


def compared(world: World, lake: Lake, other: Warehouse, only: str = "") -> list[str]:
    found = []
    for name, ask in world.questions.items():
        if only in name:
            expected = ask(lake)
            found += differences(name, expected, ask(other))
    return found


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.parametrize("make", WORLDS, ids=["described", "triggered"])
def test_postgresql_answers_as_duckdb_does(make: Callable[[], World], postgres: Any, tmp_path: Path) -> None:
    world = make()
    lake = lake_of(tmp_path, world.business, world.rows)
    assert compared(world, lake, OnPostgres.of(postgres, lake)) == []


@pytest.mark.slow
@pytest.mark.parametrize("make", WORLDS, ids=["described", "triggered"])
def test_spark_answers_as_duckdb_does(make: Callable[[], World], spark_master: str, tmp_path: Path) -> None:
    world = make()
    lake = lake_of(tmp_path, world.business, world.rows)
    assert compared(world, lake, OnSpark.of(lake, spark_master)) == []
