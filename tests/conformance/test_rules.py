"""The suite would see a rule of a dialect that was forgotten: without the rule, a question fails or differs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from features.dialects import RULES, Dialect
from features.on_spark import OnSpark
from holdback.errors import HoldbackError
from holdback.warehouse import Lake, Warehouse
from tests.conformance.engines import OnPostgres, lake_of
from tests.conformance.test_engines import compared
from tests.conformance.worlds import World, the_described, the_triggered

#: Rules whose absence no engine complains of aloud, or only some statements, and a question that needs them.
ON_POSTGRES = (
    ("lower case", "features of calls"),
    ("as of", "segments of lapse"),
    ("group by all", "segments of lapse"),
    ("largest of a row", "features of levels"),
    ("doubles", "trigger detractor"),
    ("json", "trigger fall"),
)
ON_SPARK = (
    ("lower case", "features of calls"),
    ("named groups", "features of calls"),
    ("hugeint", "features of tills"),
    ("local time", "trigger complaints"),
    ("ordered lists", "trigger fall at 22"),
)


@contextmanager
def without(dialect: Dialect, rule: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    kept = {name: apply for name, apply in RULES[dialect].items() if name != rule}
    assert len(kept) == len(RULES[dialect]) - 1
    with monkeypatch.context() as patched:
        patched.setattr("features.dialects.rendering.RULES", {**RULES, dialect: kept})
        yield


def is_seen(world: World, lake: Lake, other: Warehouse, question: str) -> bool:
    import psycopg

    try:
        return bool(compared(world, lake, other, only=question))
    except (HoldbackError, psycopg.Error, ValueError):
        return True


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[World, Lake], ...]:
    found = []
    for make in (the_described, the_triggered):
        world = make()
        found.append((world, lake_of(tmp_path_factory.mktemp("world"), world.business, world.rows)))
    return tuple(found)


def world_of(question: str, worlds: tuple[tuple[World, Lake], ...]) -> tuple[World, Lake]:
    return next((world, lake) for world, lake in worlds if any(question in name for name in world.questions))


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.parametrize(("rule", "question"), ON_POSTGRES)
def test_a_rule_that_postgresql_lacks_is_seen(
    rule: str, question: str, worlds: Any, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, lake = world_of(question, worlds)
    with without("postgres", rule, monkeypatch):
        assert is_seen(world, lake, OnPostgres.of(postgres, lake), question)


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "question"), ON_SPARK)
def test_a_rule_that_spark_lacks_is_seen(
    rule: str, question: str, worlds: Any, spark_master: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, lake = world_of(question, worlds)
    with without("spark", rule, monkeypatch):
        assert is_seen(world, lake, OnSpark.of(lake, spark_master), question)
