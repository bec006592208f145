"""What PostgreSQL as the warehouse promises beyond what every warehouse does."""

from __future__ import annotations

import shutil
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from holdback.errors import Busy, DataError, OperatorError
from holdback.tables import TABLES, Column, Table
from holdback.warehouse import Lake, PostgresWarehouse
from holdback.warehouse.postgres import commits, connections, held
from holdback.warehouse.postgres.checking import check
from holdback.warehouse.postgres.moving import move
from tests.servers import free_port

pytestmark = pytest.mark.postgres

ALL_TYPES = Table(
    "facts",
    "one fact",
    (
        Column("name", "text", ""), Column("value", "integer", ""), Column("cents", "money", ""),
        Column("share", "number", ""), Column("is_so", "flag", ""), Column("on_day", "date", ""),
        Column("at", "instant", ""),
    ),
)  # fmt: skip
Opened = Callable[..., PostgresWarehouse]


@pytest.fixture
def opened(company_database: str, tmp_path: Path) -> Opened:
    """Open the same schema as from another machine: each name has a mirror of its own."""
    schema = f"holdback_{uuid.uuid4().hex[:12]}"

    def open_(machine: str = "here", **changes: str) -> PostgresWarehouse:
        place = {"url": company_database, "schema": schema, **changes}
        return PostgresWarehouse(
            place["url"], place["schema"], tmp_path / machine, {**TABLES, "facts": ALL_TYPES}, threads=1
        )

    return open_


def facts(*values: int) -> pa.Table:
    return pa.table({"value": pa.array(values, pa.int64())})


def values(warehouse: PostgresWarehouse) -> list[int]:
    return sorted(warehouse.query("select value from facts")["value"].to_pylist())


def sql(warehouse: PostgresWarehouse, statement: str) -> list[tuple[object, ...]]:
    with warehouse.database.lent() as connection:
        cursor = connection.execute(statement.replace("{s}", f'"{warehouse.schema}"'))
        return cursor.fetchall() if cursor.description else []


STRANGE = pa.table(
    {
        "name": ["", None, 'a "quoted", one', "two\nlines\r\n", "\\.", "a\n\\.\nb", "\\N", "ñ\u2028\U0001f600", "\t",
                 "é"],
        "value": [0, None, -(2**63), 2**63 - 1, 1, 2, 3, 4, 5, 6],
        "cents": [None, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        "share": [0.1, None, float("inf"), float("-inf"), 5e-324, 1.7976931348623157e308, 1 / 3, -0.0, 1e22, 2.5],
        "is_so": [True, False, None, True, True, True, True, True, True, True],
        "on_day": [date(1, 1, 1), date(9999, 12, 31), None, *[date(2026, 3, 29)] * 7],
        "at": [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999), None,
               *[datetime(2026, 3, 29, 1, 30, 0, 123456)] * 7],
    }
)  # fmt: skip


@pytest.mark.parametrize("without", [(), (4, 5)], ids=["a line that ends a copy", "as CSV"])
def test_every_value_comes_back_as_it_was_put(opened: Opened, without: tuple[int, ...]) -> None:
    rows = STRANGE.take([i for i in range(STRANGE.num_rows) if i not in without])
    here = opened()
    here.append("facts", rows, batch="a")
    found = here.query("select * from facts")
    assert found.num_rows == rows.num_rows
    assert sorted(map(repr, found.to_pylist())) == sorted(map(repr, rows.to_pylist()))
    assert [str(field.type) for field in found.schema] == [str(field.type) for field in here.query(
        "select * from facts where false").schema]  # fmt: skip


def test_a_character_that_no_text_of_postgresql_can_hold_is_marked(opened: Opened) -> None:
    here = opened()
    here.append("facts", pa.table({"name": ["a\0b"]}), batch="a")
    assert here.query("select name from facts")["name"].to_pylist() == ["a\ufffdb"]


def test_what_does_not_fit_a_column_is_refused_whole(opened: Opened) -> None:
    here = opened()
    here.append("facts", pa.table({"value": [1], "more": [1]}), batch="a")
    with pytest.raises(DataError, match="column 'more' is bigint"):
        here.append("facts", pa.table({"value": [2], "more": ["x"]}), batch="b")
    with pytest.raises(DataError, match="has 64 bytes"):
        here.append("facts", pa.table({"value": [2], "m" * 64: [1]}), batch="b")
    with pytest.raises(DataError, match="text, numbers, flags"):
        here.append("facts", pa.table({"value": [2], "list": [[1]]}), batch="b")
    assert here.append("facts", facts(2), batch="b")
    assert values(here) == [1, 2]


def test_each_row_is_fetched_once_per_machine(opened: Opened) -> None:
    here, there = opened("here"), opened("there")
    for number in range(3):
        here.append("facts", facts(number), batch=str(number))
        assert values(there) == list(range(number + 1))
    assert there.file_count("facts") == 3
    parts = sorted(there.root.rglob("*.parquet"))
    assert values(there) == [0, 1, 2]
    assert sorted(there.root.rglob("*.parquet")) == parts
    there.compact("facts", by="value")
    assert there.file_count("facts") == 1
    assert len(list(there.root.rglob("*.parquet"))) == 1
    here.append("facts", facts(3), batch="3")
    assert values(there) == values(here) == [0, 1, 2, 3]
    assert there.file_count("facts") == 2


def test_a_day_that_was_replaced_is_replaced_in_every_mirror(opened: Opened) -> None:
    here, there = opened("here"), opened("there")

    def day(number: int, *customers: str) -> pa.Table:
        return pa.table({"as_of": [date(2026, 3, number)] * len(customers), "customer_id": list(customers)})

    for number, customers in ((1, "ab"), (2, "a"), (1, "c"), (2, "bd"), (2, "")):
        here.replace_day("features", date(2026, 3, number), day(number, *customers))
        asked = "select as_of, customer_id from features order by all"
        assert here.query(asked) == there.query(asked)
    assert there.query("select customer_id from features")["customer_id"].to_pylist() == ["c"]
    assert len(list(there.root.rglob("*.parquet"))) == 1
    assert [one for one in check(there) if not one.is_sound] == []
    here.replace_day("features", date(2026, 3, 3), day(3, "e"))
    here.drop_days("features", date(2026, 3, 2))
    assert here.query(asked)["customer_id"].to_pylist() == ["e"]
    assert here.query(asked) == there.query(asked)
    assert [one for one in check(there) if not one.is_sound] == []


def test_a_mirror_that_is_lost_or_damaged_is_made_anew(opened: Opened) -> None:
    here = opened()
    here.append("facts", facts(1), batch="a")
    here.append("facts", facts(2), batch="b")
    assert values(here) == [1, 2]
    files = sorted(here.root.rglob("*.parquet"))
    files[0].unlink()
    assert values(here) == [1, 2]
    for file in here.root.rglob("*.parquet"):
        file.write_bytes(b"x" * file.stat().st_size)
    assert values(here) == [1, 2]
    for manifest in here.root.rglob("*.json"):
        manifest.write_text("{")
    assert values(here) == [1, 2]
    shutil.rmtree(here.root)
    assert values(here) == [1, 2]


def test_a_mirror_of_another_database_is_not_read(opened: Opened) -> None:
    here, other = opened(), opened(schema=f"holdback_{uuid.uuid4().hex[:12]}")
    here.append("facts", facts(1), batch="a")
    other.append("facts", facts(2), batch="a")
    assert values(here) == [1]
    assert values(other) == [2]
    assert values(here) == [1]
    assert len(list(here.root.rglob("*.parquet"))) == 1


def test_a_database_of_an_older_state_is_read_as_it_is(opened: Opened) -> None:
    """As after a restore: commits are gone, and others come in their places."""
    here = opened()
    for number in range(4):
        here.append("facts", facts(number), batch=str(number))
    assert values(here) == [0, 1, 2, 3]
    sql(here, "delete from {s}.facts where _commit >= 2")
    sql(here, "delete from {s}._commits where version >= 2")
    assert values(here) == [0, 1]
    assert not here.has_batch("facts", "2")
    here.append("facts", facts(7), batch="7")
    here.append("facts", facts(8), batch="8")
    assert values(here) == [0, 1, 7, 8]


def test_rows_changed_by_hand_are_noticed(opened: Opened) -> None:
    here = opened()
    here.append("facts", facts(1, 2), batch="a")
    sql(here, "delete from {s}.facts where value = 2")
    with pytest.raises(OperatorError, match="facts has other rows than its register of commits says"):
        values(here)
    assert [one.table for one in check(here) if not one.is_sound] == ["facts"]


def test_what_was_rewritten_is_nowhere_any_more(opened: Opened) -> None:
    here, there = opened("here"), opened("there")
    for number in range(3):
        here.append("facts", facts(number), batch=str(number))
    assert values(there) == [0, 1, 2]
    gone = sql(here, "select pg_relation_filepath('{s}.facts')")
    here.rewrite("facts", "select * from facts anti join mine using (value)", frames={"mine": facts(1)})
    assert gone != sql(here, "select pg_relation_filepath('{s}.facts')")
    assert values(here) == values(there) == [0, 2]
    assert all(here.has_batch("facts", str(number)) for number in range(3))
    assert here.version("facts") == 3
    for warehouse in (here, there):
        assert len(list(warehouse.root.rglob("*.parquet"))) == 1
    with pytest.raises(DataError, match="the rows to be kept differ in the column"):
        here.rewrite("facts", "select value from facts")
    here.purge("facts")
    with here.connection("facts"):
        here.append("facts", facts(8), batch="8")
    assert values(here) == [0, 2, 8]
    here.append("facts", facts(9), batch="9")
    assert values(there) == [0, 2, 8, 9]


def test_a_query_sees_one_moment_of_all_its_tables(opened: Opened) -> None:
    """A batch goes into `others` first: whoever sees it in `facts` must see it in `others` too."""
    here, there, stop = opened("here"), opened("there"), threading.Event()

    def write() -> None:
        for number in range(60):
            here.append("others", facts(number), batch=str(number))
            here.append("facts", facts(number), batch=str(number))
        stop.set()

    seen = []
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        while not stop.is_set() and not writing.done():
            if here.version("facts") is not None:
                both = "select (select count(*) from facts) as f, (select count(*) from others) as o"
                seen.append(tuple(there.query(both).to_pylist()[0].values()))
        writing.result()
    assert seen
    assert all(o - 1 <= f <= o for f, o in seen)
    assert seen == sorted(seen)


def test_two_processes_of_one_machine_may_catch_up_at_once(opened: Opened) -> None:
    here = opened()
    with ThreadPoolExecutor(4) as pool:
        for number in range(8):
            here.append("facts", facts(number), batch=str(number))
            assert list(pool.map(lambda _: values(opened()), range(4))) == [list(range(number + 1))] * 4
    assert here.file_count("facts") == 8


def test_a_lock_that_was_lost_is_taken_again_unless_somebody_had_it_since(opened: Opened) -> None:
    here = opened()
    lost = (
        "select pg_terminate_backend(pid) from pg_locks join pg_stat_activity using (pid)"
        " where locktype = 'advisory' and pid <> pg_backend_pid()"
    )
    with held(here.url, here.schema, "ledger"):
        sql(here, lost)
        assert here.append("facts", facts(1), batch="a")
        with pytest.raises(Busy), held(here.url, here.schema, "ledger"):
            pass
    with held(here.url, here.schema, "ledger"):
        sql(here, lost)
        with held(here.url, here.schema, "ledger"):
            pass
        with pytest.raises(Busy, match="another process had the lock since"):
            here.append("facts", facts(2), batch="b")
    assert values(here) == [1]
    assert here.append("facts", facts(2), batch="b")


def test_a_place_in_the_ledger_is_taken_once(opened: Opened) -> None:
    """Whatever becomes of the lock: the chain is not forked."""
    here = opened()

    def row(entry: str) -> pa.Table:
        return pa.table({"as_of": [date(2026, 3, 1)], "sequence": [1], "entry_id": [entry], "kind": ["decided"],
                         "previous_hash": ["0"], "hash": [entry]})  # fmt: skip

    needed = {c.name: c for c in TABLES["ledger"].columns if c.required}
    assert {"as_of", "sequence", "entry_id"} <= set(needed)
    here.append("ledger", row("a"), batch="a")
    with pytest.raises(DataError, match="_ledger_place"):
        here.append("ledger", row("b"), batch="b")
    assert here.query("select entry_id from ledger")["entry_id"].to_pylist() == ["a"]


def test_a_business_moves_from_files_into_the_database_and_a_second_time_changes_nothing(
    opened: Opened, tmp_path: Path
) -> None:
    here = opened()
    lake = Lake(tmp_path / "lake", here.tables)
    for number in range(25):
        lake.append("facts", facts(number), batch=str(number))
    lake.append("superseded", pa.table({"feed": ["facts"], "batch_id": ["3"], "row_number": [1],
                "replaced_at": [datetime(2026, 3, 2)], "replaced_by": ["never"]}), batch="never")  # fmt: skip
    lake.replace_day("features", date(2026, 3, 1), pa.table({"customer_id": ["a"], "as_of": [date(2026, 3, 1)],
                     "f": [0.5]}))  # fmt: skip
    moved = {one.table: (one.row_count, one.batch_count, one.was_there) for one in move(lake, here)}
    assert moved == {"facts": (25, 25, False), "features": (1, 0, False), "superseded": (1, 1, False)}
    assert all(one.was_there for one in move(lake, here))
    assert all(not here.append("facts", facts(99), batch=str(number)) for number in range(25))
    assert here.query("select * from superseded").num_rows == 0
    assert here.query("select * from features").to_pylist() == lake.query("select * from features").to_pylist()
    here.append("facts", facts(99), batch="new")
    with pytest.raises(OperatorError, match="table facts: 25 rows in the files, 26 in the database"):
        move(lake, here)


def test_a_server_that_cannot_be_reached_is_said_at_once_and_no_secret_is_told(tmp_path: Path) -> None:
    url = f"postgresql://me:hunter2@127.0.0.1:{free_port()}/x"
    warehouse = PostgresWarehouse(url, "holdback_x", tmp_path, TABLES)
    assert "hunter2" not in repr(warehouse)
    assert "hunter2" not in repr(connections.database(url))
    with pytest.raises(OperatorError, match="Check that the server runs") as caught:
        warehouse.query("select * from batches")
    assert "hunter2" not in str(caught.value)


def test_whoever_waits_for_the_first_writer_sees_what_that_one_made(opened: Opened, company_database: str) -> None:
    """PostgreSQL's own look-up by name is cached, and not renewed within a transaction that waits for a lock."""
    import psycopg

    schema = opened().schema
    with psycopg.connect(company_database) as waiting, psycopg.connect(company_database) as first:
        assert not commits.is_there(waiting, schema)
        commits.make_schema(first, schema)
        first.commit()
        assert commits.is_there(waiting, schema)
        commits.make_schema(waiting, schema)


def test_a_lock_is_free_as_soon_as_it_is_given_back(opened: Opened) -> None:
    warehouse = opened()
    for _ in range(100):
        with held(warehouse.url, warehouse.schema, "decide"):
            pass
