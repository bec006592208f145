"""A real HTTP server on this machine that answers as it is told, and remembers what it was asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

Answer = Callable[[socket.socket], None]


def answer(status: int, **headers: str) -> Answer:
    """Answer with a status and headers."""
    lines = [f"HTTP/1.1 {status} Word", *(f"{name.replace('_', '-')}: {text}" for name, text in headers.items())]
    reply = "\r\n".join([*lines, "Content-Length: 2", "", "ok"]).encode()
    return lambda connection: connection.sendall(reply)


def answer_twice(connection: socket.socket) -> None:
    """Say 200, and 500 behind it on the same connection."""
    answer(200)(connection)
    answer(500)(connection)


def hang_up(connection: socket.socket) -> None:
    """Close the connection without a word."""


def talk_nonsense(connection: socket.socket) -> None:
    """Answer, but not in HTTP."""
    connection.sendall(b"\x00\xff\r\n\r\n")


def stay_silent(connection: socket.socket) -> None:
    """Say nothing until the caller has gone."""
    connection.settimeout(30)
    connection.recv(1)


@dataclass(frozen=True)
class Call:
    """What the server was asked."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """The server: its address, and the calls so far."""

    url: str
    calls: list[Call] = field(default_factory=list)

    @property
    def keys(self) -> list[str]:
        return [call.headers["idempotency-key"] for call in self.calls]


@contextmanager
def receiver(answers: Sequence[Answer], then: Answer | None = None) -> Iterator[Receiver]:
    """Answer one call after the other; after the last one, ``then`` (200) for ever."""
    server = socket.create_server(("127.0.0.1", 0))
    found = Receiver(f"http://127.0.0.1:{server.getsockname()[1]}/hook?list=1")
    waiting = list(answers)

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                call = _read(connection)
                if call is None:
                    continue
                found.calls.append(call)
                (waiting.pop(0) if waiting else then or answer(200))(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(timeout=30)


def _read(connection: socket.socket) -> Call | None:
    with connection.makefile("rb") as stream:
        request = stream.readline().decode().split()
        if not request:
            return None
        headers = {}
        while (line := stream.readline().decode().strip()) != "":
            name, _, text = line.partition(":")
            headers[name.lower()] = text.strip()
        return Call(request[1], headers, stream.read(int(headers.get("content-length", 0))))


@dataclass
class Pauses:
    """Waits for nothing and remembers for how long it was asked to."""

    seconds: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)

    @property
    def total(self) -> timedelta:
        return timedelta(seconds=sum(self.seconds))


NOON = datetime(2026, 3, 2, 11)
