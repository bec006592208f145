from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from holdback.tables import TABLES, Column, Table
from holdback.warehouse import Lake
from holdback.warehouse.snapshots import followed

FACTS = Table("facts", "one fact", (Column("value", "integer", ""), Column("batch_id", "text", "")))
NOW = datetime(2026, 3, 2)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake", {**TABLES, "facts": FACTS})


def fact(value: int, batch: str = "a") -> pa.Table:
    return pa.table({"value": [value], "batch_id": [batch]})


def values(lake: Lake) -> list[int]:
    return sorted(lake.query("select value from facts")["value"].to_pylist())


def written_elsewhere(lake: Lake, value: int, batch: str) -> None:
    """Append as another process does, which this one does not follow."""
    properties = CommitProperties(app_transactions=[Transaction(batch, 1)])
    write_deltalake(DeltaTable(str(lake.root / "facts")), fact(value), mode="append", commit_properties=properties)


def test_what_another_process_writes_is_seen_and_built_upon(lake: Lake) -> None:
    lake.append("facts", fact(1), batch="a")
    for number in range(2, 30):
        written_elsewhere(lake, number, f"there {number}")
        assert values(lake) == sorted([*range(1, number + 1), *range(101, 99 + number)])
        assert not lake.append("facts", fact(0), batch=f"there {number}")
        assert lake.append("facts", fact(99 + number), batch=f"here {number}")
    assert values(lake) == [*range(1, 30), *range(101, 129)]
    assert lake.version("facts") == 56


@pytest.mark.parametrize("name", ["two words", "año", "a#b", "a?b", "a+b"])
def test_a_folder_may_be_called_anything_that_people_call_folders(tmp_path: Path, name: str) -> None:
    lake = Lake(tmp_path / name / "lake", {**TABLES, "facts": FACTS})
    lake.append("facts", fact(1), batch="a")
    lake.append("facts", fact(2), batch="b c")
    assert values(lake) == [1, 2]
    lake.compact("facts", by="value")
    assert values(lake) == [1, 2]


def test_a_version_keeps_its_batches_when_the_table_goes_on(lake: Lake) -> None:
    lake.append("facts", fact(1), batch="a")
    before = followed(lake.root / "facts").snapshot()
    lake.append("facts", fact(2), batch="b")
    after = followed(lake.root / "facts").snapshot()
    assert before is not None
    assert after is not None
    assert (before.version, before.has("a"), before.has("b")) == (0, True, False)
    assert (after.version, after.has("a"), after.has("b")) == (1, True, True)
    assert len(before.files) == 1


def test_a_write_that_failed_leaves_the_table_as_it_was(lake: Lake) -> None:
    lake.append("facts", fact(1), batch="a")
    with pytest.raises(pa.ArrowInvalid):
        lake.append("facts", pa.table({"value": ["x"]}), batch="b")
    assert lake.append("facts", fact(2), batch="b")
    assert values(lake) == [1, 2]


def test_a_table_is_corrected_from_the_moment_on_that_its_replaced_rows_are_named(lake: Lake) -> None:
    replaced = {"feed": ["facts"], "batch_id": ["a"], "row_number": [1], "replaced_at": [NOW], "replaced_by": ["b"]}
    assert lake.corrected() == frozenset()
    lake.append("facts", fact(1), batch="a")
    assert lake.corrected() == frozenset()
    lake.append("superseded", pa.table(replaced), batch="b")
    assert lake.corrected() == {"facts"}
    assert lake.query("select * from superseded").num_rows == 0
    lake.append("facts", fact(2, "b"), batch="b")
    assert lake.corrected() == {"facts"}
    assert lake.query("select * from superseded").num_rows == 1


def test_a_table_is_let_go_after_some_commits(lake: Lake) -> None:
    """What is held in memory of each commit would otherwise pile up in a process that lives for a year."""
    table_files = followed(lake.root / "facts")
    seen: list[DeltaTable] = []
    for number in range(30):
        lake.append("facts", fact(number), batch=f"{number}")
        with table_files.to_write() as held:
            assert held is not None
            assert held.version() == number
            seen += [] if seen and held is seen[-1] else [held]
    assert 3 <= len(seen) <= 4


def test_a_table_that_an_earlier_version_stored_by_day_goes_on_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_day = Table("facts", "one fact", (Column("value", "integer", ""), Column("as_of", "date", "")))
    whole = replace(by_day, is_in_one_piece=True)

    def of(number: int) -> pa.Table:
        return pa.table({"value": [number], "as_of": [date(2026, 3, number)]})

    monkeypatch.setattr("holdback.warehouse.lake._ROWS_OF_A_FOLDER", 1)
    Lake(tmp_path, {"facts": by_day}).append("facts", of(1), batch="a")
    lake = Lake(tmp_path, {"facts": whole})
    for number in range(2, 6):
        lake.append("facts", of(number), batch=str(number))
        lake.compact("facts", by="as_of")
    assert lake.query("select value, as_of from facts order by value").to_pylist() == [
        {"value": number, "as_of": date(2026, 3, number)} for number in range(1, 6)
    ]


def test_files_of_which_a_table_no_longer_consists_go_when_nobody_can_need_them(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def files() -> int:
        return len(list((lake.root / "facts").glob("*.parquet")))

    for number in range(5):
        lake.append("facts", fact(number), batch=str(number))
    lake.compact("facts", by="value")
    assert files() == 6  # the week is not over
    monkeypatch.setattr("holdback.warehouse.lake._KEPT_HOURS", 0)
    lake.append("facts", fact(5), batch="5")
    lake.compact("facts", by="value")
    assert files() == lake.file_count("facts") == 1
    assert values(lake) == list(range(6))
    assert not lake.append("facts", fact(0), batch="0")


def test_the_first_work_of_a_new_warehouse_may_need_more_memory_than_there_is(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "new" / "lake", memory_limit="64MB", threads=1)
    with lake.connection("") as connection:
        sorted_ = "select i, repeat(i::varchar, 4) as text from range(1_500_000) t(i) order by hash(i)"
        connection.execute(f"create temp table rows as {sorted_}")
        assert connection.sql("select count(*), sum(i) from rows").fetchall() == [(1_500_000, 1_499_999 * 750_000)]


def test_the_log_names_no_value_of_a_row(lake: Lake) -> None:
    days = pa.table({"value": [1, 2], "batch_id": ["ann", "bob"], "as_of": pa.array([date(2026, 3, 2)] * 2)})
    lake.replace_day("days", date(2026, 3, 2), days)
    for number in range(12):  # a checkpoint comes after ten
        lake.append("facts", fact(number, "ann"), batch=f"b{number}")
    lake.compact("facts", by="value")
    for log in ("days", "facts"):
        said = b"".join(path.read_bytes() for path in sorted((lake.root / log / "_delta_log").iterdir()))
        assert b"ann" not in said


@pytest.mark.parametrize(("rows_a_day", "is_large"), [(4, False), (5, True)])
def test_days_of_a_large_company_lie_apart_and_those_of_a_small_one_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_a_day: int, is_large: bool
) -> None:
    monkeypatch.setattr("holdback.warehouse.lake._ROWS_OF_A_FOLDER", 5)
    shape = Table("facts", "one fact", (Column("value", "integer", ""), Column("as_of", "date", "")))
    lake = Lake(tmp_path, {"facts": shape})
    days = [date(2026, 3, number) for number in range(1, 8)]
    for day in days:  # a day that is larger or smaller than the first changes nothing
        count = rows_a_day if day == days[0] else day.day
        lake.append("facts", pa.table({"value": range(count), "as_of": [day] * count}), batch=str(day))
    folders = {path.name for path in (tmp_path / "facts").iterdir() if path.name != "_delta_log" and path.is_dir()}
    assert folders == ({f"as_of={day}" for day in days} if is_large else set())
    assert lake.file_count("facts") == (0 if is_large else 7)
    lake.compact("facts", by="as_of")
    assert lake.file_count("facts") == (0 if is_large else 1)
    found = lake.query("select as_of, count(*) as n from facts group by as_of order by as_of").to_pylist()
    assert found == [{"as_of": day, "n": rows_a_day if day == days[0] else day.day} for day in days]
