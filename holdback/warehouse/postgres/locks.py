"""Locks of a business that all machines respect: held by a connection, released by the server when it ends.

A lock that lives as long as a connection can be lost while its holder works on: the network fails, the server restarts.
So every time that a lock changes hands is counted, and before each write of the warehouse the holder looks whether it
still has what it took. A lost lock is taken again if nobody had it in between; if somebody had, the write is refused.
What decides in the end are transactions: a batch is written once, a place in the ledger is taken once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdback.errors import Busy
from holdback.warehouse.postgres.commits import is_there, make_schema
from holdback.warehouse.postgres.connections import database
from holdback.warehouse.postgres.definitions import lock_key, quoted

if TYPE_CHECKING:
    from holdback.warehouse.postgres.connections import Connection


@dataclass(eq=False)
class _Held:
    process: int
    url: str
    schema: str
    name: str
    connection: Connection
    generation: int


_held: list[_Held] = []
_guard = threading.RLock()


@contextmanager
def held(url: str, schema: str, name: str, *, wait_seconds: float = 0) -> Iterator[None]:
    """Hold a lock of a business.

    Args:
        url: The database.
        schema: The business' schema.
        name: Which lock.
        wait_seconds: How long to wait for who has it.

    Raises:
        Busy: somebody else has it after ``wait_seconds``.
        OperatorError: the database cannot be reached.
    """
    connections = database(url)

    def prepare(connection: Connection) -> None:
        if not is_there(connection, schema):
            make_schema(connection, schema)

    connections.run("locks", prepare)
    lock = connections.run(f"lock {name}", lambda _: _taken(url, schema, name, wait_seconds))
    with _guard:
        _held.append(lock)
    try:
        yield
    finally:
        with _guard:
            _held.remove(lock)
        with suppress(Exception):  # whoever asks next must find it free: at a mere close the server takes its time
            lock.connection.execute("select pg_advisory_unlock_all()")
        with suppress(Exception):
            lock.connection.close()


def check_held(url: str, schema: str) -> None:
    """Make sure that this process still has the locks that it took; call it before a write.

    Raises:
        Busy: one was lost, and somebody else had it meanwhile.
        psycopg.Error: the database cannot be reached; try again.
    """
    with _guard:
        for lock in _held:
            if (lock.process, lock.url, lock.schema) == (os.getpid(), url, schema) and not _is_alive(lock):
                _take_again(lock)


def _taken(url: str, schema: str, name: str, wait_seconds: float) -> _Held:
    import psycopg

    connection = database(url).connect()
    try:
        connection.execute("set idle_session_timeout = 0")
        if not _locked(connection, schema, name, wait_seconds):
            raise _busy(schema, name)
        taken = connection.execute(
            f"insert into {quoted(schema)}._locks as l (name, generation) values (%s, 1)"
            " on conflict (name) do update set generation = l.generation + 1 returning generation",
            [name],
        ).fetchone()
        assert taken is not None
        return _Held(os.getpid(), url, schema, name, connection, int(taken[0]))
    except psycopg.errors.LockNotAvailable:
        connection.close()
        raise _busy(schema, name) from None
    except BaseException:
        connection.close()
        raise


def _locked(connection: Connection, schema: str, name: str, wait_seconds: float) -> bool:
    key = lock_key(schema, "lock", name)
    if wait_seconds > 0:
        connection.execute(f"set lock_timeout = {max(int(wait_seconds * 1000), 1)}")
        connection.execute("select pg_advisory_lock(%s)", [key])
        return True
    found = connection.execute("select pg_try_advisory_lock(%s)", [key]).fetchone()
    return found is not None and bool(found[0])


def _busy(schema: str, name: str) -> Busy:
    slug = schema.removeprefix("holdback_")
    return Busy(f"{slug}: another process is busy with {name!r}. Wait for it, then run this again.")


def _is_alive(lock: _Held) -> bool:
    import psycopg

    try:
        lock.connection.execute("select 1")
    except psycopg.Error:
        return False
    return True


def _take_again(lock: _Held) -> None:
    connection = database(lock.url).connect()
    try:
        connection.execute("set idle_session_timeout = 0")
        is_mine = _locked(connection, lock.schema, lock.name, 0)
        found = connection.execute(
            f"select generation from {quoted(lock.schema)}._locks where name = %s", [lock.name]
        ).fetchone()
        if not is_mine or found is None or int(found[0]) != lock.generation:
            raise Busy(
                f"{lock.schema}: the connection that held the lock {lock.name!r} was lost, and another process had the"
                " lock since. Nothing was written; run the command again."
            )
    except BaseException:
        connection.close()
        raise
    lock.connection = connection
