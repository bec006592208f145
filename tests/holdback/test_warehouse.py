from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from holdback.errors import DataError, OperatorError
from holdback.tables import TABLES, Column, Table
from holdback.warehouse import Lake, WholeWarehouse
from holdback.warehouse.shapes import ROWS_PER_GROUP
from tests.holdback.busy_warehouse import DAY, ROWS, rows
from tests.holdback.conftest import Opener

FACTS = Table("facts", "one fact", (Column("name", "text", "", required=True), Column("value", "integer", "")))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake", {**TABLES, "facts": FACTS})


@pytest.fixture
def warehouse(tmp_path: Path, open_warehouse: Opener) -> WholeWarehouse:
    return open_warehouse(tmp_path, {**TABLES, "facts": FACTS})


def facts(*values: int) -> pa.Table:
    return pa.table({"name": [f"n{v}" for v in values], "value": list(values)})


def values(lake: WholeWarehouse) -> list[int]:
    return sorted(lake.query("select value from facts")["value"].to_pylist())


@pytest.mark.parametrize("is_known", [False, True])
def test_a_file_that_is_gone_is_said_with_its_table_and_what_to_do(lake: Lake, is_known: bool) -> None:
    lake.append("facts", facts(1), batch="a")
    if is_known:
        assert values(lake) == [1]
    [file] = (lake.root / "facts").glob("*.parquet")
    file.unlink()
    with pytest.raises(OperatorError, match=r"a file of the table facts is gone .* back from a backup"):
        values(lake)


def test_rows_come_back_as_they_were_put(warehouse: WholeWarehouse) -> None:
    assert warehouse.append("facts", facts(1, 2), batch="a")
    assert warehouse.append("facts", facts(3), batch="b")
    assert values(warehouse) == [1, 2, 3]


def test_a_batch_is_appended_once_however_often_it_is_offered(warehouse: WholeWarehouse) -> None:
    assert warehouse.append("facts", facts(1), batch="a")
    assert not warehouse.append("facts", facts(1, 2, 3), batch="a")
    assert values(warehouse) == [1]
    assert warehouse.has_batch("facts", "a")
    assert not warehouse.has_batch("facts", "b")
    assert not warehouse.has_batch("nothing", "a")


def test_an_empty_batch_is_a_batch(warehouse: WholeWarehouse) -> None:
    assert warehouse.append("facts", facts(), batch="a")
    assert warehouse.has_batch("facts", "a")
    assert not warehouse.append("facts", facts(1), batch="a")
    assert values(warehouse) == []
    assert warehouse.append("facts", facts(1), batch="b")
    assert values(warehouse) == [1]


def test_batches_are_remembered_through_checkpoints_and_compaction(warehouse: WholeWarehouse) -> None:
    for i in range(25):
        warehouse.append("facts", facts(i), batch=str(i))
    warehouse.compact("facts", by="value")
    assert all(warehouse.has_batch("facts", str(i)) for i in range(25))
    assert not warehouse.append("facts", facts(99), batch="3")
    assert values(warehouse) == list(range(25))


def test_a_range_of_a_large_batch_skips_most_groups_of_its_rows(lake: Lake) -> None:
    count = 2 * ROWS_PER_GROUP + 1
    lake.append("facts", pa.table({"name": [f"n{i:06}" for i in range(count)], "value": range(count)}), batch="a")
    (path,) = (lake.root / "facts").glob("*.parquet")
    assert [pq.ParquetFile(path).metadata.row_group(i).num_rows for i in range(3)] == [ROWS_PER_GROUP] * 2 + [1]


def test_a_version_counts_commits(warehouse: WholeWarehouse) -> None:
    assert warehouse.version("facts") is None
    warehouse.append("facts", facts(1), batch="a")
    first = warehouse.version("facts")
    warehouse.append("facts", facts(1), batch="a")
    assert warehouse.version("facts") == first
    warehouse.append("facts", facts(2), batch="b")
    assert warehouse.version("facts") == (first or 0) + 1


def test_a_day_is_replaced_and_others_are_not(warehouse: WholeWarehouse) -> None:
    def day(number: int, *customers: str) -> pa.Table:
        on = date(2026, 3, number)
        return pa.table({"as_of": [on] * len(customers), "customer_id": list(customers)})

    warehouse.replace_day("features", date(2026, 3, 1), day(1, "a", "b"))
    warehouse.replace_day("features", date(2026, 3, 2), day(2, "a"))
    warehouse.replace_day("features", date(2026, 3, 1), day(1, "c"))
    found = warehouse.query("select as_of, customer_id from features order by all").to_pylist()
    assert [(row["as_of"].day, row["customer_id"]) for row in found] == [(1, "c"), (2, "a")]
    warehouse.replace_day("features", date(2026, 3, 1), day(1))
    assert warehouse.query("select count(*) as n from features")["n"].to_pylist() == [1]
    with pytest.raises(DataError, match="rows of another day than 2026-03-01"):
        warehouse.replace_day("features", date(2026, 3, 1), day(2, "a"))


def test_columns_that_came_later_are_null_in_older_rows_and_missing_ones_are_declared(
    warehouse: WholeWarehouse,
) -> None:
    warehouse.append("facts", pa.table({"name": ["a"]}), batch="a")
    assert warehouse.query("select value from facts")["value"].to_pylist() == [None]
    warehouse.append("facts", pa.table({"name": ["b"], "value": [1], "extra": ["x"]}), batch="b")
    found = warehouse.query("select name, value, extra from facts order by name").to_pylist()
    assert [tuple(row.values()) for row in found] == [("a", None, None), ("b", 1, "x")]
    with pytest.raises(DataError, match="column 'name' is missing"):
        warehouse.append("facts", pa.table({"value": [1]}), batch="c")


def test_a_column_that_came_with_an_empty_batch_is_null_in_what_was_there(warehouse: WholeWarehouse) -> None:
    warehouse.append("facts", facts(1).select(["name"]), batch="a")
    warehouse.append("facts", facts(), batch="b")
    assert warehouse.query("select * from facts").to_pylist() == [{"name": "n1", "value": None}]


def test_a_table_brought_back_from_a_backup_is_read_as_it_is(lake: Lake, tmp_path: Path) -> None:
    lake.append("facts", facts(1), batch="a")
    shutil.copytree(lake.root, tmp_path / "backup")
    lake.append("facts", facts(2), batch="b")
    assert values(lake) == [1, 2]
    shutil.rmtree(lake.root)
    shutil.copytree(tmp_path / "backup", lake.root)
    lake.append("facts", facts(3), batch="c")
    assert values(lake) == [1, 3]
    assert not lake.has_batch("facts", "b")


def test_frames_stand_beside_tables_and_before_them(warehouse: WholeWarehouse) -> None:
    warehouse.append("facts", facts(1), batch="a")
    assert warehouse.query("select * from facts join mine using (name)", frames={"mine": facts(1)}).num_rows == 1
    assert warehouse.query("select value from facts", frames={"facts": facts(7)})["value"].to_pylist() == [7]


def test_instants_are_read_as_they_were_written_whatever_the_machines_time_zone(
    warehouse: WholeWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = datetime(2026, 3, 29, 1, 30, 0, 123456)
    warehouse.append("superseded", superseded("facts", at=at), batch="s")
    warehouse.append("facts", facts(1), batch="new")
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    assert warehouse.query("select replaced_at from superseded")["replaced_at"].to_pylist() == [at]


def superseded(feed: str, at: datetime = datetime(2026, 3, 2)) -> pa.Table:
    return pa.table(
        {"feed": [feed], "batch_id": ["old"], "row_number": [1], "replaced_at": [at], "replaced_by": ["new"]}
    )


def test_a_replacement_counts_only_once_its_batch_is_in_its_feed(warehouse: WholeWarehouse) -> None:
    warehouse.append("facts", facts(1), batch="old")
    warehouse.append("superseded", superseded("facts"), batch="new")
    count = "select count(*) as n from superseded"
    assert warehouse.query(count)["n"].to_pylist() == [0]
    assert warehouse.query(count + ", facts")["n"].to_pylist() == [0]
    warehouse.append("facts", facts(2), batch="new")
    assert warehouse.query(count)["n"].to_pylist() == [1]
    warehouse.append("superseded", superseded("never_written"), batch="other")
    assert warehouse.query(count)["n"].to_pylist() == [1]


def test_writers_at_once_all_get_through_once(warehouse: WholeWarehouse) -> None:
    """Twelve writers of six batches, on a table that none of them has created yet."""

    def write(number: int) -> bool:
        while True:
            try:
                return warehouse.append("facts", facts(number % 6), batch=str(number % 6))
            except Exception as error:
                if type(error).__name__ != "Busy":
                    raise

    with ThreadPoolExecutor(4) as pool:
        written = list(pool.map(write, range(12)))
    assert sum(written) == 6
    assert values(warehouse) == list(range(6))


@contextmanager
def killed_writer(folder: Path, what: str, project_root: Path) -> Iterator[subprocess.Popen[str]]:
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.holdback.busy_warehouse", str(folder), what],
        cwd=project_root, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    try:
        yield writer
    finally:
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        writer.stdout.close()


@pytest.mark.parametrize("what", ["append", "replace"])
def test_readers_see_whole_batches_and_whole_days_while_a_writer_writes_and_is_killed(
    tmp_path: Path, project_root: Path, what: str
) -> None:
    table = "facts" if what == "append" else "features"
    folder = tmp_path / "lake"
    lake = Lake(folder, TABLES, threads=1)
    rng = random.Random(3)

    def whole() -> list[int]:
        counted = lake.query(f"select value, count(*) as n from {table} group by value order by value").to_pylist()
        assert {row["n"] for row in counted} == {ROWS}
        numbers = [row["value"] for row in counted]
        assert numbers == list(range(len(numbers))) if what == "append" else len(numbers) == 1
        return numbers

    for _ in range(3):
        newest = -1
        with killed_writer(folder, what, project_root):
            for _ in range(rng.randint(3, 12)):
                seen = whole()
                assert seen[-1] >= newest
                newest = seen[-1]
        after = whole()
        assert after[-1] >= newest
        if what == "append":
            assert not lake.append("facts", rows(0), batch="0")
            assert lake.append("facts", rows(len(after)), batch=str(len(after)))
        else:
            lake.replace_day("features", DAY, rows(after[0] + 1))
        assert whole() != after


def test_a_query_reads_all_its_tables_as_they_were_when_it_began(warehouse: WholeWarehouse) -> None:
    warehouse.append("facts", facts(*range(1000)), batch="a")
    is_reading, is_written = threading.Event(), threading.Event()
    seen: list[int] = []

    def read() -> None:
        with warehouse.connection("facts") as connection:
            is_reading.set()
            is_written.wait(30)
            seen.extend(connection.sql("select count(*) from facts").fetchall()[0])

    reader = threading.Thread(target=read)
    reader.start()
    assert is_reading.wait(30)
    warehouse.append("facts", facts(1), batch="b")
    warehouse.compact("facts", by="value")
    is_written.set()
    reader.join()
    assert seen == [1000]
