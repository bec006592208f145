"""Which values count on a day; each kind of row that cannot be used has its answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from campaigns.values import DECILE_GROUPS, decile_group, read_values, value_version
from tests.campaigns.company import warehouse
from tests.campaigns.decisions.world import AS_OF, Row, company, value


def read(*rows: Row) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_values(warehouse(company(), customer_values=list(rows)), AS_OF).to_pylist()
    return found


def ago(days: int) -> Any:
    return AS_OF - timedelta(days=days)


def test_each_customers_newest_value_counts() -> None:
    found = read(value("bea", 4, 100, on=ago(30)), value("bea", 5, 200, on=ago(2)), value("ann", 9, 300, on=ago(31)))
    assert [(row["customer_id"], row["valued_on"], row["margin_cents"], row["value_decile"]) for row in found] == [
        ("ann", ago(31), 300, 9), ("bea", ago(2), 200, 5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "unusable",
    [
        value("ann", 5, on=ago(32)),
        value("ann", 5, on=ago(-1)),
        value("ann", 5, months=float("nan")),
        value("ann", 5, months=-1.0),
        value("ann", 0),
        value("ann", 11),
        {**value("ann", 5), "margin_cents": None},
    ],
    ids=["too old", "of tomorrow", "months nan", "months negative", "decile 0", "decile 11", "no amount"],
)
def test_a_value_that_cannot_be_used_counts_as_none(unusable: Row) -> None:
    assert read(unusable) == []
    older = value("ann", 7, on=ago(3))
    assert [row["value_decile"] for row in read(unusable, older)] == [7]


def test_a_value_of_zero_is_a_value() -> None:
    assert [row["margin_cents"] for row in read(value("ann", 1, 0, months=0.0))] == [0]


def test_of_two_models_on_one_day_the_newer_counts_and_of_contradictions_the_least() -> None:
    rows = [value("ann", 9, 900, model_version="9"), value("ann", 5, 500, model_version="10")]
    assert [row["margin_cents"] for row in read(*rows, value("ann", 4, 400, model_version="10"))] == [400]


def test_the_version_is_that_of_the_newest_valued_day() -> None:
    def version(*rows: Row) -> str | None:
        return value_version(warehouse(company(), customer_values=list(rows)), AS_OF)

    lagging = value("bea", 5, on=ago(20), model_version="1")
    assert version(lagging, value("ann", 5, on=ago(1), model_version="2")) == "2"
    assert version(lagging) == "1"
    assert version() is None


def test_every_tenth_is_in_one_group() -> None:
    assert sorted(decile for group in DECILE_GROUPS.values() for decile in group) == list(range(1, 11))
    sql = f"select d, {decile_group('d')} as name from (select unnest(range(0, 12)) as d) order by d"
    named = warehouse(company()).query(sql).to_pylist()
    assert {row["d"]: row["name"] for row in named if row["name"]} == {
        decile: name for name, deciles in DECILE_GROUPS.items() for decile in deciles
    }
