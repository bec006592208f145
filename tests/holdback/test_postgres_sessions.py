"""What a role's own settings must not change, and processes of one machine that share its mirror."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from holdback.errors import Busy
from holdback.journal import Journal
from holdback.tables import TABLES
from holdback.warehouse import PostgresWarehouse
from holdback.warehouse.postgres import connections, folders
from tests.servers import postgres_server

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres_server("company") as address:
        yield address


@pytest.fixture
def warehouse(server: str, tmp_path: Path) -> PostgresWarehouse:
    return opened(server, tmp_path / "mirror", f"holdback_{uuid.uuid4().hex[:12]}")


@pytest.fixture
def odd_role(server: str) -> Iterator[str]:
    """A role whose settings are others than PostgreSQL's."""
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("create role odd superuser login")
        for setting in ("extra_float_digits = 0", "default_transaction_isolation = 'repeatable read'",
                        "synchronous_commit = off"):  # fmt: skip
            connection.execute(f"alter role odd set {setting}")
        yield server.replace("company:", "odd:")
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'odd'")
        connection.execute("drop owned by odd cascade")
        connection.execute("drop role odd")


def opened(url: str, folder: Path, schema: str) -> PostgresWarehouse:
    return PostgresWarehouse(url, schema, folder, TABLES, threads=1)


def facts(*values: float) -> pa.Table:
    return pa.table({"value": pa.array(values, pa.float64())})


def values(warehouse: PostgresWarehouse) -> list[float]:
    return sorted(warehouse.query("select value from facts")["value"].to_pylist())


def test_a_number_comes_back_to_the_last_bit_whatever_the_role_has_set(odd_role: str, tmp_path: Path) -> None:
    warehouse = opened(odd_role, tmp_path, "holdback_odd_numbers")
    warehouse.append("facts", facts(0.1 + 0.2), batch="1")
    assert values(warehouse) == [0.1 + 0.2]
    with warehouse.database.lent() as connection:
        assert connection.execute("show synchronous_commit").fetchone() == ("on",), "what is told as written stays"


def test_writers_at_once_all_come_through_whatever_isolation_the_role_has_set(odd_role: str, tmp_path: Path) -> None:
    opened(odd_role, tmp_path / "first", "holdback_odd_writers").append("facts", facts(-1), batch="first")
    failed: list[Exception] = []

    def write(writer: int) -> None:
        mine = opened(odd_role, tmp_path / str(writer), "holdback_odd_writers")
        for number in range(8):
            try:
                mine.append("facts", facts(10 * writer + number), batch=f"{writer}-{number}")
            except Exception as error:  # noqa: BLE001 - each is a failure of the test
                failed.append(error)

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    assert failed == []
    assert len(values(opened(odd_role, tmp_path / "first", "holdback_odd_writers"))) == 33


def test_the_journal_sees_what_others_committed_whatever_isolation_the_role_has_set(odd_role: str) -> None:
    from sqlalchemy import text

    with Journal(odd_role, "holdback_odd_journal").transaction() as connection:
        assert connection.execute(text("show transaction_isolation")).scalar() == "read committed"


def test_a_transaction_that_the_server_ended_while_this_process_was_stopped_is_done_again(
    warehouse: PostgresWarehouse,
) -> None:
    warehouse.append("facts", facts(1), batch="1")
    tries: list[int] = []

    def work(connection: connections.Connection) -> int:
        tries.append(1)
        with connections.one_moment(connection):
            connection.execute("select 1")
            if len(tries) == 1:
                connection.execute("set idle_in_transaction_session_timeout = '50ms'")
                threading.Event().wait(0.3)  # the server ends it meanwhile
            connection.execute("select 1")
        return len(tries)

    assert warehouse.database.run("a read", work) == 2


def test_who_waits_for_another_process_to_fetch_a_table_keeps_no_transaction_open(
    warehouse: PostgresWarehouse,
) -> None:
    """A first mirror may take longer than the server lets a transaction stand idle."""
    import psycopg

    warehouse.append("facts", facts(1), batch="1")
    newest = warehouse._newest(["facts"])["facts"]
    folder = warehouse.root / newest.identity / "facts"
    found: list[list[float]] = []
    with folders.alone(folder):
        reader = threading.Thread(target=lambda: found.append(values(warehouse)))
        reader.start()
        threading.Event().wait(0.5)
        with psycopg.connect(warehouse.url) as other:
            idle = other.execute(
                "select count(*) from pg_stat_activity where application_name = 'holdback' and state like 'idle in%'"
            ).fetchone()
        assert found == []
    reader.join(30)
    assert idle == (0,)
    assert found == [[1.0]]


def test_removing_old_rows_from_the_mirror_lets_other_queries_fetch_what_they_need(
    server: str, warehouse: PostgresWarehouse
) -> None:
    warehouse.append("facts", facts(1, 2), batch="1")
    assert values(warehouse) == [1.0, 2.0]
    reads, may_end, done = threading.Event(), threading.Event(), []

    def read_slowly() -> None:
        with warehouse.connection("select value from facts"):
            reads.set()
            may_end.wait(30)

    def rewrite() -> None:
        warehouse.rewrite("facts", "select * from facts where value > 1")
        done.append("rewritten")

    threads = [threading.Thread(target=read_slowly), threading.Thread(target=rewrite)]
    threads[0].start()
    reads.wait(30)
    threads[1].start()
    while warehouse.version("facts") != 1:
        threading.Event().wait(0.01)
    threading.Event().wait(0.3)  # it waits for the reader now
    warehouse.append("facts", facts(7), batch="2")
    began = time.monotonic()
    reader = threading.Thread(target=lambda: done.append("read" if values(warehouse) == [2.0, 7.0] else "wrong"))
    reader.start()
    reader.join(10)
    waited = time.monotonic() - began
    may_end.set()
    for thread in (*threads, reader):
        thread.join(90)
    assert done == ["read", "rewritten"]
    assert waited < 10


def test_a_query_that_reads_for_ever_is_told_of(warehouse: PostgresWarehouse) -> None:
    warehouse.append("facts", facts(1), batch="1")
    assert values(warehouse) == [1.0]
    with warehouse.connection("select value from facts"):
        copy = warehouse._copies(["facts"])["facts"]
        with pytest.raises(Busy, match="a query still reads files"):
            warehouse.mirror.keep_only(copy, wait_seconds=0.2)


def test_a_query_that_reads_is_not_disturbed_by_a_copy_that_another_one_drops(warehouse: PostgresWarehouse) -> None:
    """Of a damaged table, and of another database: both are removed when nobody reads them any more."""
    warehouse.append("facts", facts(1), batch="1")
    other = opened(warehouse.url, warehouse.root, f"{warehouse.schema}_2")
    other.append("facts", facts(5), batch="1")
    with warehouse.connection("select value from facts") as connection:
        warehouse.mirror.forget(["facts"])
        assert values(other) == [5.0]
        assert connection.sql("select value from facts").fetchall() == [(1.0,)]
    assert values(other) == [5.0]
    assert [path for path in warehouse.root.iterdir() if not path.name.startswith(".")] == [
        warehouse.root / other._newest(["facts"])["facts"].identity
    ]
    assert values(warehouse) == [1.0]
