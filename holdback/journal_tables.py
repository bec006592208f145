"""The journal's tables, and the connections to where they lie: an SQLite file, or a schema of a PostgreSQL."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_SCHEMA = (
    """create table if not exists {schema}runs (
        run_id text primary key, flow text not null, business text not null, as_of text not null,
        inputs_key text not null, state text not null, started_at text not null, ended_at text, owner text not null,
        receipt text, error text, subject text{run_number})""",
    "create index if not exists runs_by_key on {schema}runs (flow, business, as_of, state)",
    """create table if not exists {schema}champions (
        model text primary key, version text not null, previous text, revision integer not null,
        as_of text not null)""",
    """create table if not exists {schema}verdicts (
        verdict_id {identity} primary key, model text not null, version text not null, as_of text not null,
        decision text not null, champion text, figures text not null)""",
    """create table if not exists {schema}acts (
        sequence integer primary key, act_id text not null, at text not null, who text not null, host text not null,
        what text not null, about text not null, why text not null, outcome text not null, command text not null,
        run_id text not null, previous_hash text not null, hash text not null)""",
    """create table if not exists {schema}ledger_heads (
        as_of text primary key, row_count integer not null, hash text not null)""",
    """create table if not exists {schema}nights (
        place integer primary key check (place = 1), machine text not null, machine_place text not null,
        since text not null)""",
)
_SQLITE = {"schema": "", "identity": "integer", "run_number": ""}  # it numbers rows of itself, as `rowid`
_POSTGRES = {
    "identity": "bigint generated always as identity",
    "run_number": ", run_number bigint generated always as identity",
}
_CONNECT = {
    "connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 6,
    "tcp_user_timeout": 90_000, "application_name": "holdback journal",
}  # fmt: skip
#: What a role may have set otherwise: a statement sees what others committed before it, as compare-and-set needs.
_OPTIONS = r"-c default_transaction_isolation=read\ committed -c timezone=UTC"
#: Pauses before the next try to reach a server that restarts.
_PAUSES_SECONDS = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0)
_MOST_ENGINES = 4
_engines: dict[tuple[int, str, str], Engine] = {}
_guard = threading.Lock()


def postgres_sql(schema: str) -> list[str]:
    """Statements that make the journal's tables in a schema of a PostgreSQL, harmless when they are there."""
    statements = [statement.format(schema=f'"{schema}".', **_POSTGRES) for statement in _SCHEMA]
    return [f'create schema if not exists "{schema}"', *statements]


def make_in_sqlite(connection: Connection) -> None:
    """Make the journal's tables, and mend a journal of an older version."""
    from sqlalchemy import inspect, text

    for statement in _SCHEMA:
        connection.execute(text(statement.format(**_SQLITE)))
    if "subject" not in {column["name"] for column in inspect(connection).get_columns("runs")}:
        connection.execute(text("alter table runs add column subject text"))


def sqlite_engine(url: str) -> Engine:
    """Connections to a file; each is closed when it was used."""
    from sqlalchemy import create_engine, event
    from sqlalchemy.pool import NullPool

    engine = create_engine(url, poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def _wait_for_the_other_writer(connection: Any, _: Any) -> None:
        connection.execute("pragma busy_timeout = 30000")
        connection.execute("pragma journal_mode = wal")

    return engine


def postgres_engine(url: str, schema: str) -> Engine:
    """Connections to a schema, kept by this process; a forked child has others.

    The tables are made if there are none. Two processes may do that at once: they take turns.
    """
    key = (os.getpid(), url, schema)
    with _guard:
        engine = _engines.pop(key, None)
        _engines[key] = engine if engine is not None else _new_postgres_engine(url, schema)
        for old in list(_engines)[:-_MOST_ENGINES]:
            _engines.pop(old).dispose(close=old[0] == os.getpid())
        return _engines[key]


@atexit.register
def _close_engines() -> None:
    for (process, _, _), engine in _engines.items():
        engine.dispose(close=process == os.getpid())


@contextmanager
def connected(engine: Engine) -> Iterator[Connection]:
    """Connect, also to a server that is just starting again; nothing was said to it yet."""
    from sqlalchemy.exc import OperationalError

    pauses = iter(_PAUSES_SECONDS if engine.dialect.name == "postgresql" else ())
    while True:
        try:
            connection = engine.connect()
        except OperationalError:
            pause = next(pauses, None)
            if pause is None:
                raise
            time.sleep(pause)
            continue
        with connection:
            yield connection
        return


def _new_postgres_engine(url: str, schema: str) -> Engine:
    from sqlalchemy import create_engine, event, make_url

    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=1,
        max_overflow=4,
        pool_pre_ping=True,  # a connection that did not live through a restart is not used
        connect_args={**_CONNECT, "options": f"-c search_path={schema} {_OPTIONS}"},
    )

    @event.listens_for(engine, "connect")
    def _make_tables(connection: Any, _: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("select to_regclass(%s) is not null", [f'"{schema}".nights'])
            if not cursor.fetchone()[0]:
                cursor.execute("set local client_min_messages = warning")
                cursor.execute("select pg_advisory_xact_lock(hashtext(%s))", [schema])
                # Read anew: what "if not exists" looks at does not hear, during the wait, of what another has made.
                cursor.execute("select nspname from pg_catalog.pg_namespace")
                for statement in postgres_sql(schema):
                    cursor.execute(statement)
        connection.commit()

    return engine
