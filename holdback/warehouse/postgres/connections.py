"""Connections to a company's PostgreSQL: lent, kept, opened again after a restart. The one door to its driver."""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from holdback.errors import Busy, DataError, OperatorError

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]

_T = TypeVar("_T")

_IDLE = 4  # connections that wait for the next statement, at most
#: Pauses before the next try: together longer than a server takes to restart.
_PAUSES_SECONDS = (0.05, 0.25, 1.0, 2.0, 4.0, 8.0)

#: A server that is gone is noticed in a minute and a half, not when the system's own patience ends (hours).
_KEEPALIVE: Mapping[str, int] = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 6,
    "tcp_user_timeout": 90_000,
}
#: So does the server with a machine of ours that is gone: what it held (locks, a transaction) is released.
_SESSION = (
    "set timezone = 'UTC'",
    "set datestyle = 'ISO, YMD'",
    "set client_min_messages = warning",
    "set synchronize_seqscans = off",  # rows come in the order in which they were written
    # What a role or a database may set otherwise, and what we rely on: a number comes back as it was written; each
    # statement of a write sees what others committed before it; what was told as written survives a crash.
    "set extra_float_digits = 1",
    "set default_transaction_isolation = 'read committed'",
    "select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'",
    "set max_parallel_workers_per_gather = 0",
    "set tcp_keepalives_idle = 30",
    "set tcp_keepalives_interval = 10",
    "set tcp_keepalives_count = 6",
    "set idle_in_transaction_session_timeout = '15min'",
    "set lock_timeout = '10min'",
)

_ADVICE = {
    "42501": "The role lacks the right to do it: see infra/postgres/roles.sql, or ask whoever runs the database.",
    "53100": "The server's disk is full. Free space there, then run this again.",
    "53300": "The server has no connection left. Raise max_connections, or end what is idle.",
    "3D000": "Create the database first, or mend HOLDBACK_DATABASE_URL.",
    "28P01": "Mend the password in HOLDBACK_DATABASE_URL.",
    "25006": "It is a standby or set to read only. Point HOLDBACK_DATABASE_URL at the server that is written to.",
}
#: A serialisation failure, a deadlock, and a transaction that the server ended because its process was long elsewhere.
_PASSING = ("40001", "40P01", "25P03")
_FAULTS_OF_DATA = ("22", "23")  # classes of SQLSTATE: a value that does not fit, a constraint that does not hold


@dataclass(eq=False)
class Database:
    """A company's PostgreSQL, as one process talks to it.

    Args:
        url: Connection string; shown nowhere.
    """

    url: str = field(repr=False)
    _idle: list[Connection] = field(default_factory=list, repr=False)
    _was_reached: bool = False

    @property
    def address(self) -> str:
        """Where it is, without user and password."""
        from psycopg.conninfo import conninfo_to_dict

        parts = conninfo_to_dict(self.url)
        return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"

    def connect(self) -> Connection:
        """Open a connection of one's own; every statement is a transaction unless one is begun."""
        import psycopg

        connection = psycopg.connect(self.url, autocommit=True, application_name="holdback", **_KEEPALIVE)  # type: ignore[arg-type]
        connection.execute("; ".join(_SESSION))
        self._was_reached = True
        return connection

    @contextmanager
    def lent(self) -> Iterator[Connection]:
        """Lend a connection; one whose work failed is not used again."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self.connect()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        if len(self._idle) < _IDLE and not connection.closed:
            self._idle.append(connection)
        else:
            connection.close()

    def run(self, what: str, work: Callable[[Connection], _T], *, tries: int = len(_PAUSES_SECONDS) + 1) -> _T:
        """Do a piece of work that leaves nothing behind when it fails; do it again after what passes by itself.

        That is a lost connection, a server that starts, a deadlock, a serialisation failure, a transaction ended by
        the server because this process was stopped.

        Args:
            what: What it is about, for the error.
            work: Gets a connection. Must be a read, or one transaction that can be done twice.
            tries: How often it may be done.

        Raises:
            Busy: somebody else held what it needs for too long.
            DataError: a value does not fit; nothing was written.
            OperatorError: the database cannot be reached, or refuses.
        """
        import psycopg

        pauses = iter(_PAUSES_SECONDS[: tries - 1])
        while True:
            try:
                with self.lent() as connection:
                    return work(connection)
            except psycopg.Error as error:
                pause = next(pauses, None) if self._passes(error) else None
                if pause is None:
                    raise self._told(what, error) from None
                self.close_idle()
                time.sleep(pause)

    def _passes(self, error: psycopg.Error) -> bool:
        """True for what is over by itself; a server that was never reached is not waited for."""
        import psycopg

        state = error.sqlstate or ""
        if state in _PASSING or state.startswith("57P") or state.startswith("08"):
            return True
        if state == "23505" and error.diag.constraint_name == "_commits_pkey":
            return True  # another writer took the number first
        if state in ("XX000",) and "could not open relation" in str(error):
            return True  # the table was put in place anew in between
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and not state and self._was_reached

    def _told(self, what: str, error: psycopg.Error) -> Exception:
        """Say what failed without the driver's own words: they can repeat a password or a row."""
        state = error.sqlstate or ""
        kind = f"{type(error).__name__}, SQLSTATE {state}" if state else type(error).__name__
        where = f"database {self.address}: {what}"
        if state == "55P03":
            return Busy(f"{where}: another process held it for too long. Nothing was changed; run the command again.")
        if state[:2] in _FAULTS_OF_DATA:
            column = getattr(error.diag, "column_name", None) or getattr(error.diag, "constraint_name", None)
            named = f" ({column})" if column else ""
            return DataError(f"{where}: a value does not fit{named} ({kind}). Nothing was written; mend the data.")
        advice = _ADVICE.get(state, "Check that the server runs and can be reached, then run this again.")
        return OperatorError(f"{where}: the database cannot be used ({kind}). Nothing was changed. {advice}")

    def close_idle(self) -> None:
        """Close the connections that nobody has."""
        while self._idle:
            with suppress(IndexError):
                self._idle.pop().close()


@contextmanager
def one_moment(connection: Connection) -> Iterator[None]:
    """A transaction that only reads, and sees everything as it was at its first statement."""
    import psycopg

    connection.isolation_level, connection.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True
    try:
        with connection.transaction():
            yield
    finally:
        if not connection.closed:
            connection.isolation_level = connection.read_only = None


_databases: dict[tuple[int, str], Database] = {}


def database(url: str) -> Database:
    """The database of this process: a forked child has connections of its own."""
    key = (os.getpid(), url)
    if key not in _databases:
        _databases.setdefault(key, Database(url))
    return _databases[key]


@atexit.register
def _close_databases() -> None:
    for (process, _), opened in _databases.items():
        if process == os.getpid():
            opened.close_idle()
