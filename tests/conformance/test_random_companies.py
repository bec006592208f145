"""Companies that Hypothesis makes up: every feature of every feed on the other engines; few on Spark."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from features.on_spark import OnSpark
from holdback.warehouse import Lake, Warehouse
from tests.conformance.engines import OnPostgres, lake_of
from tests.conformance.test_engines import compared
from tests.conformance.worlds import World, feature_questions
from tests.features.test_families import COLUMNS, CUSTOMERS, histories
from tests.features.world import Row, company


@st.composite
def companies(draw: st.DrawFn) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = {"superseded": []}
    for feed in COLUMNS:
        rows[feed], replaced = draw(histories(feed))
        rows["superseded"] += replaced
    return rows


def quietly(examples: int) -> Callable[[Any], Any]:
    health = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
    # What differs is named with its column: making it smaller would take an hour in Spark.
    phases = [Phase.explicit, Phase.generate]
    return settings(max_examples=examples, deadline=None, suppress_health_check=health, derandomize=True, phases=phases)


def compare(rows: dict[str, list[Row]], place: Path, other: Callable[[Lake], Warehouse]) -> None:
    business = company()
    world = World(business, rows, dict(feature_questions(business, sorted(CUSTOMERS))))
    lake = lake_of(place / uuid.uuid4().hex, business, rows)
    assert compared(world, lake, other(lake)) == []


@pytest.mark.slow
@pytest.mark.postgres
def test_postgresql_answers_alike_for_any_company(postgres: Any, tmp_path: Path) -> None:
    @given(rows=companies())
    @quietly(8)
    def holds(rows: dict[str, list[Row]]) -> None:
        compare(rows, tmp_path, lambda lake: OnPostgres.of(postgres, lake))

    holds()


@pytest.mark.slow
def test_spark_answers_alike_for_any_company(spark_master: str, tmp_path: Path) -> None:
    @given(rows=companies())
    @quietly(2)
    def holds(rows: dict[str, list[Row]]) -> None:
        compare(rows, tmp_path, lambda lake: OnSpark.of(lake, spark_master))

    holds()
