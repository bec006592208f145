from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from holdback.tables import Column, Table
from holdback.warehouse import Lake, sessions

FACTS = Table("facts", "one fact", (Column("value", "integer", ""),))
OTHERS = Table("others", "one other", (Column("value", "integer", ""),))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake", {"facts": FACTS, "others": OTHERS})


def numbers(*values: int) -> pa.Table:
    return pa.table({"value": list(values)})


def values(lake: Lake, table: str) -> list[int]:
    return sorted(lake.query(f"select value from {table}")["value"].to_pylist())


def test_every_query_sees_the_newest_rows_whatever_was_asked_in_between(lake: Lake) -> None:
    for number in range(6):
        lake.append("facts" if number % 2 else "others", numbers(number), batch=str(number))
        assert values(lake, "facts") == [n for n in range(number + 1) if n % 2]
        assert values(lake, "others") == [n for n in range(number + 1) if not n % 2]


def test_a_table_in_capitals_is_the_same_table(lake: Lake) -> None:
    lake.append("facts", numbers(1), batch="a")
    assert values(lake, "facts") == [1]
    lake.append("facts", numbers(2), batch="b")
    assert values(lake, "FACTS") == [1, 2]


def test_a_table_that_is_gone_is_not_seen_any_more(lake: Lake) -> None:
    lake.append("facts", numbers(1), batch="a")
    lake.append("undeclared", numbers(1), batch="a")
    assert values(lake, "facts") == values(lake, "undeclared") == [1]
    shutil.rmtree(lake.root / "facts")
    shutil.rmtree(lake.root / "undeclared")
    assert values(lake, "facts") == []
    with pytest.raises(duckdb.CatalogException, match="undeclared"):
        values(lake, "undeclared")


def test_a_frame_stands_before_a_table_for_one_query(lake: Lake) -> None:
    lake.append("facts", numbers(1), batch="a")
    assert values(lake, "facts") == [1]
    assert lake.query("select value from facts", frames={"facts": numbers(7)})["value"].to_pylist() == [7]
    assert values(lake, "facts") == [1]
    lake.query("select value from mine", frames={"mine": numbers(7)})
    with pytest.raises(duckdb.CatalogException, match="mine"):
        lake.query("select value from mine")


def test_a_query_that_fails_spoils_none_that_follows(lake: Lake) -> None:
    lake.append("facts", numbers(1), batch="a")
    for _ in range(6):
        with pytest.raises(duckdb.ConversionException):
            lake.query("select cast('x' as integer) from facts, mine", frames={"mine": numbers(7)})
        assert values(lake, "facts") == [1]


def test_queries_at_once_do_not_see_each_others_frames(lake: Lake) -> None:
    lake.append("facts", numbers(1), batch="a")

    def ask(number: int) -> list[int]:
        sql = "select mine.value from mine, facts"
        return [lake.query(sql, frames={"mine": numbers(number)})["value"][0].as_py() for _ in range(10)]

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(ask, range(6))) == [[number] * 10 for number in range(6)]


def test_an_engine_that_answered_much_makes_way_for_a_new_one(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_MOST_LENT", 10)
    lake.append("facts", numbers(1), batch="a")
    engines: list[sessions.Engine] = []
    with lake.connection() as lent:
        for _ in range(50):
            assert values(lake, "facts") == [1]
            found = lake._engine()
            engines += [] if engines and found is engines[-1] else [found]
        assert 4 <= len(engines) <= 6
        assert lent.sql("select value from facts").fetchall() == [(1,)]  # of an engine that has made way


def test_engines_of_many_warehouses_do_not_pile_up(tmp_path: Path) -> None:
    lakes = [Lake(tmp_path / str(number), {"facts": FACTS}) for number in range(12)]
    for lake in lakes:
        lake.append("facts", numbers(1), batch="a")
    assert all(values(lake, "facts") == [1] for lake in [*lakes, *lakes])
    assert len(sessions._engines) <= 4
