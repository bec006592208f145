"""The ends of a range of customers, written into a statement: it must not mean anything else."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from holdback.tables import Column, Table
from holdback.warehouse import Lake
from holdback.warehouse.ranges import FIRST, LAST, with_ends

VISITS = Table("visits", "one visit", (Column("customer_id", "text", ""), Column("value", "integer", "")))
BETWEEN = f"select customer_id from visits where customer_id >= {FIRST} and customer_id <= {LAST} order by 1"
NAMES = [
    "", "'", "'; drop table visits; --", FIRST, LAST, f"x{LAST}{FIRST}", f"{FIRST}' or ''='", "A", "a\x00b", "O'Hara",
    "Zoë", "a", "a'; drop table visits; --", "z", "ñandú", "||$$x$$; drop table visits; --", "日本",
]  # fmt: skip


def spine(*names: str | None) -> pa.Table:
    return pa.table({"customer_id": pa.array(names, pa.string())})


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "lake", {"visits": VISITS})
    lake.append("visits", pa.table({"customer_id": NAMES, "value": list(range(len(NAMES)))}), batch="a")
    return lake


@pytest.mark.parametrize("first", NAMES)
@pytest.mark.parametrize("last", NAMES)
def test_the_ends_are_those_that_the_engine_finds(lake: Lake, first: str, last: str) -> None:
    range_ = spine(last, None, first)
    assert with_ends(BETWEEN, range_).count("select") == 1 + sum(name.count("select") for name in sorted((first, last)))
    with lake.connection(BETWEEN) as connection:
        connection.register("spine", range_)
        found = [row[0] for row in connection.sql(BETWEEN).fetchall()]
    assert lake.query(BETWEEN, frames={"spine": range_})["customer_id"].to_pylist() == found
    assert {first, last} <= set(found)


@pytest.mark.parametrize("nobody", [spine(), spine(None)])
def test_a_range_of_nobody_is_left_to_the_engine(lake: Lake, nobody: pa.Table) -> None:
    assert with_ends(BETWEEN, nobody) == BETWEEN
    assert lake.query(BETWEEN, frames={"spine": nobody}).num_rows == 0


def test_a_statement_that_means_another_spine_stays() -> None:
    own = f"with\nspine as (\n    select 'b' as customer_id\n)\n{BETWEEN}"
    assert with_ends(own, spine("a", "c")) == own


def test_keys_that_are_no_texts_and_statements_without_a_range_stay() -> None:
    assert with_ends(BETWEEN, pa.table({"customer_id": [1, 2]})) == BETWEEN
    assert with_ends("select 1", pa.table({"anything": [1]})) == "select 1"
