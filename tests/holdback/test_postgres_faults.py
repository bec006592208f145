"""Connections cut at every statement, deadlocks, restarts, kills: never half a batch, never a batch twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from holdback.errors import Busy, OperatorError
from holdback.tables import TABLES
from holdback.warehouse import PostgresWarehouse
from tests.holdback.busy_database import ROWS, rows
from tests.servers import find_postgres, postgres_server

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres_server("company") as address:
        yield address


@pytest.fixture
def warehouse(server: str, tmp_path: Path) -> PostgresWarehouse:
    return PostgresWarehouse(server, f"holdback_{uuid.uuid4().hex[:12]}", tmp_path / "mirror", TABLES, threads=1)


def facts(*values: int) -> pa.Table:
    return pa.table({"value": list(values)})


def values(warehouse: PostgresWarehouse) -> list[int]:
    return sorted(warehouse.query("select value from facts")["value"].to_pylist())


def ended(url: str, pid: int) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as other:
        other.execute("select pg_terminate_backend(%s, 5000)", [pid])


def restarted(url: str, mode: str) -> None:
    """Restart the server as an operator does (`fast`), or as a crash does (`immediate`)."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("show data_directory").fetchone()
    programs = find_postgres()
    assert found is not None
    assert programs is not None
    user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.getuid() == 0 else []
    subprocess.run(
        [*user, str(programs / "pg_ctl"), "-D", found[0], "-m", mode, "-w", "-t", "60", "-l", "/dev/null", "restart"],
        check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture
def before_statement(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int, Any], None]], None]:
    """Call a function with the number of each statement (and each commit) before it is sent, and its connection."""
    import psycopg

    def install(happens: Callable[[int, Any], None]) -> None:
        count = 0
        execute, commit, copy = psycopg.Connection.execute, psycopg.Connection.commit, psycopg.Cursor.copy
        leave = psycopg.Transaction.__exit__

        def counted(connection: Any) -> None:
            nonlocal count
            count += 1
            happens(count, connection)

        def counted_execute(self: Any, *arguments: Any, **named: Any) -> Any:
            counted(self)
            return execute(self, *arguments, **named)

        def counted_copy(self: Any, *arguments: Any, **named: Any) -> Any:
            counted(self.connection)
            return copy(self, *arguments, **named)

        def counted_exit(self: Any, *arguments: Any) -> Any:
            counted(self.connection)
            return leave(self, *arguments)

        assert commit is not None
        monkeypatch.setattr(psycopg.Connection, "execute", counted_execute)
        monkeypatch.setattr(psycopg.Cursor, "copy", counted_copy)
        monkeypatch.setattr(psycopg.Transaction, "__exit__", counted_exit)

    return install


def test_a_connection_cut_at_any_statement_of_an_append_leaves_the_batch_once(
    warehouse: PostgresWarehouse, before_statement: Callable[..., None]
) -> None:
    warehouse.append("facts", facts(0), batch="0")
    cut_at, last = [0], [0]

    def cut(number: int, connection: Any) -> None:
        last[0] = number
        if number == cut_at[0]:
            cut_at[0] = 0
            ended_quietly(warehouse.url, connection.info.backend_pid)

    def ended_quietly(url: str, pid: int) -> None:
        subprocess.run(
            [sys.executable, "-c", "import psycopg, sys; psycopg.connect(sys.argv[1], autocommit=True)"
             ".execute('select pg_terminate_backend(%s, 5000)', [int(sys.argv[2])])", url, str(pid)],
            check=True, capture_output=True,
        )  # fmt: skip

    before_statement(cut)
    start = last[0]
    warehouse.append("facts", facts(1), batch="1")
    statements = last[0] - start
    assert statements >= 6
    for place in range(1, statements + 1):
        cut_at[0] = last[0] + place
        assert warehouse.append("facts", facts(place + 1), batch=str(place + 1)), place
        assert cut_at[0] == 0, "the connection was cut"
        assert not warehouse.append("facts", facts(-1), batch=str(place + 1))
    assert values(warehouse) == list(range(statements + 2))
    assert warehouse.version("facts") == statements + 1


def test_a_connection_lost_after_the_commit_but_before_the_answer_is_known_again(
    warehouse: PostgresWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    warehouse.append("facts", facts(0), batch="0")
    leave, is_lost = psycopg.Transaction.__exit__, [False]

    def lost(self: Any, *arguments: Any) -> Any:
        done = leave(self, *arguments)
        if not is_lost[0]:
            is_lost[0] = True
            self.connection.close()
            raise psycopg.OperationalError("the answer did not come")
        return done

    monkeypatch.setattr(psycopg.Transaction, "__exit__", lost)
    assert warehouse.append("facts", facts(1), batch="1"), "it was written, by this very call"
    assert is_lost[0]
    assert values(warehouse) == [0, 1]


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_restarts_between_and_inside_transactions(
    warehouse: PostgresWarehouse, before_statement: Callable[..., None], mode: str
) -> None:
    warehouse.append("facts", facts(0), batch="0")
    assert values(warehouse) == [0]
    restarted(warehouse.url, mode)
    assert warehouse.append("facts", facts(1), batch="1")
    assert values(warehouse) == [0, 1]
    at = [0, 4]

    def happens(number: int, _: Any) -> None:
        at[0] = number
        if number == at[1]:
            at[1] = 0
            before, after = signal.getsignal(signal.SIGINT), threading.Thread(target=restart_elsewhere)
            after.start()
            after.join()
            signal.signal(signal.SIGINT, before)

    def restart_elsewhere() -> None:
        subprocess.run(
            [sys.executable, "-c", "import sys; from tests.holdback.test_postgres_faults import restarted;"
             " restarted(*sys.argv[1:])", warehouse.url, mode],
            check=True, cwd=Path(__file__).parents[2],
        )  # fmt: skip

    before_statement(happens)
    at[1] = at[0] + 4
    assert warehouse.append("facts", facts(2), batch="2")
    assert at[1] == 0, "it was restarted"
    assert values(warehouse) == [0, 1, 2]


def test_a_deadlock_is_tried_again(warehouse: PostgresWarehouse, before_statement: Callable[..., None]) -> None:
    """Somebody else's transaction locks the table, and then waits for what the append has."""
    import psycopg

    from holdback.warehouse.postgres.definitions import lock_key

    warehouse.append("facts", facts(0), batch="0")
    other = psycopg.Connection.connect(warehouse.url)
    other.execute("set deadlock_timeout = '10s'")  # the append finds out first, and gives way
    other.commit()
    other.execute(f'lock table "{warehouse.schema}".facts in access exclusive mode')
    key, done = lock_key(warehouse.schema, "facts"), threading.Event()

    def wait_for_the_append() -> None:
        other.execute("select pg_advisory_xact_lock(%s)", [key])
        other.commit()
        done.set()

    deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"
    seen, waiter = [0], threading.Thread(target=wait_for_the_append)

    def happens(_: int, connection: Any) -> None:
        seen[0] += 1
        if seen[0] == 4 and connection is not other:  # the append holds its lock by now
            waiter.start()

    with warehouse.database.lent() as connection:
        before = connection.execute(deadlocks).fetchall()
    before_statement(happens)
    assert warehouse.append("facts", facts(1), batch="1")
    waiter.join(60)
    assert done.is_set()
    other.close()
    with warehouse.database.lent() as connection:
        assert connection.execute(deadlocks).fetchall() > before  # the server itself says that there was one
    assert values(warehouse) == [0, 1]


def test_a_writer_that_waits_too_long_for_another_is_told_so(warehouse: PostgresWarehouse) -> None:
    import psycopg

    from holdback.warehouse.postgres.definitions import lock_key

    warehouse.append("facts", facts(0), batch="0")
    with psycopg.connect(warehouse.url) as other, warehouse.database.lent() as connection:
        other.execute("select pg_advisory_xact_lock(%s)", [lock_key(warehouse.schema, "facts")])
        connection.execute("set lock_timeout = '200ms'")
        warehouse.database._idle.append(connection)
        with pytest.raises(Busy, match="another process held it for too long"):
            warehouse.append("facts", facts(1), batch="1")
    assert values(warehouse) == [0]


def test_a_server_that_does_not_come_back_is_for_an_operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdback.warehouse.postgres.connections._PAUSES_SECONDS", (0.01, 0.01))
    with postgres_server("short") as url:
        here = PostgresWarehouse(url, "holdback_short", tmp_path, TABLES)
        here.append("facts", facts(1), batch="1")
    with pytest.raises(OperatorError, match="Check that the server runs"):
        here.append("facts", facts(2), batch="2")


def test_a_killed_writer_leaves_whole_batches_each_once(
    warehouse: PostgresWarehouse, tmp_path: Path, project_root: Path
) -> None:
    rng, kills = random.Random(8), 20
    for _ in range(kills):
        writer = subprocess.Popen(
            [sys.executable, "-m", "tests.holdback.busy_database", warehouse.url, warehouse.schema, str(tmp_path)],
            cwd=project_root, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        for _ in range(rng.randint(0, 3)):
            writer.stdout.readline()
        threading.Event().wait(rng.uniform(0, 0.03))  # anywhere within a batch
        os.kill(writer.pid, signal.SIGKILL)
        said = [int(line) for line in writer.stdout.read().split()]
        writer.wait()
        writer.stdout.close()
        counted = warehouse.query("select value, count(*) as n from facts group by value order by value").to_pylist()
        assert [row["value"] for row in counted] == list(range(len(counted)))
        assert {row["n"] for row in counted} <= {ROWS}
        assert all(number < len(counted) for number in said)
        if counted:
            assert not warehouse.append("facts", rows(0), batch="0")
