"""Two machines and one database: what one of them sent, the other does not send again."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from campaigns.delivery import deliver, resend
from holdback.errors import Busy, OperatorError
from holdback.nights import take_over
from holdback.warehouse.postgres import held, schema_of
from holdback.workspace import Workspace
from tests.campaigns.delivery.company import AS_OF, NOON, delivery, make_workspace, stock
from tests.campaigns.delivery.receivers import Pauses, answer, receiver
from tests.servers import postgres_server

pytestmark = pytest.mark.postgres


@pytest.fixture
def server() -> Iterator[str]:
    with postgres_server("company") as address:
        yield address


def machine(folder: Path, server: str, hook: str) -> Workspace:
    workspace = make_workspace(
        folder, delivery=delivery(webhook={"url": "$HOOK", "secret": "$KEY"}), environment={"HOOK": hook, "KEY": "k"}
    )
    return replace(workspace, database_url=server)


def test_a_second_machine_makes_no_call_again(server: str, tmp_path: Path) -> None:
    with receiver([]) as calls:
        first, second = (machine(tmp_path / name, server, calls.url) for name in ("first", "second"))
        stock(first, "ana", "ben")
        deliver(first, AS_OF, now=NOON, wait=Pauses())
        assert len(calls.keys) == 2
        with pytest.raises(OperatorError, match="does not run the night"):
            deliver(second, AS_OF, now=NOON, wait=Pauses())
        second.outbox.joinpath(AS_OF.isoformat()).mkdir(parents=True)
        with pytest.raises(OperatorError, match="does not run the night"):
            resend(second, AS_OF, now=NOON, wait=Pauses())
        assert len(calls.keys) == 2


def test_a_machine_that_took_the_night_over_with_its_files_makes_no_call_again(server: str, tmp_path: Path) -> None:
    with receiver([]) as calls:
        first, second = (machine(tmp_path / name, server, calls.url) for name in ("first", "second"))
        stock(first, "ana", "ben")
        deliver(first, AS_OF, now=NOON, wait=Pauses())
        with pytest.raises(OperatorError, match=f"outbox/{AS_OF} is not in"):
            take_over(second)
        second.folder.mkdir(parents=True, exist_ok=True)
        first.outbox.rename(second.outbox)
        take_over(second)
        assert deliver(second, AS_OF, now=NOON, wait=Pauses()).webhook.known == 2  # type: ignore[union-attr]
        assert len(calls.keys) == 2


def test_who_lost_the_lock_to_another_one_makes_no_further_call(server: str, tmp_path: Path) -> None:
    import psycopg

    company: list[Workspace] = []

    def lose_the_lock(connection: socket.socket) -> None:
        """As a network does that fails for a while; another process delivers meanwhile."""
        with psycopg.connect(server, autocommit=True) as other:
            other.execute(
                "select pg_terminate_backend(a.pid, 5000) from pg_stat_activity a join pg_locks l on l.pid = a.pid"
                " where l.locktype = 'advisory' and l.granted"
            )
        with held(server, schema_of(company[0].business.slug), "delivery", wait_seconds=10):
            pass
        answer(200)(connection)

    with receiver([lose_the_lock]) as calls:
        company.append(machine(tmp_path, server, calls.url))
        stock(company[0], "ana", "ben", "eva")
        with pytest.raises(Busy, match="another process had the lock since"):
            deliver(company[0], AS_OF, now=NOON, wait=Pauses())
        assert len(calls.keys) == 1
        done = deliver(company[0], AS_OF, now=NOON, wait=Pauses())
    assert done.webhook is not None
    assert (done.webhook.known, done.webhook.delivered) == (1, 2), "what was answered was written down"
    assert sorted(calls.keys) == sorted(set(calls.keys))
