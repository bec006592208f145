"""A company whose figures are written down by hand, and a real mail server that remembers what it took."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from campaigns.delivery import Patience
from holdback.commits import rows_of
from holdback.tables import TABLES
from holdback.workspace import Workspace
from monitoring.alerts import AlertedDay, raise_alerts
from tests.monitoring.company import workspace_in

MONDAY = date(2025, 9, 1)
HASTY = Patience(attempts=2, timeout_seconds=5, first_wait_seconds=0)


def noon(day: date) -> datetime:
    """Noon of a day, as naive UTC."""
    return datetime(day.year, day.month, day.day, 10)


def company(folder: Path, channels: Sequence[Mapping[str, Any]] = (), **alerts: Any) -> Workspace:
    """The shop with these channels and this section ``alerts``."""
    return workspace_in(folder, channels=[dict(channel) for channel in channels], alerts=alerts)


def figures(workspace: Workspace, day: date, **values: float | tuple[float, float, float] | None) -> None:
    """Keep figures of a day: ``metric=value``, or ``metric=(value, low, high)``; ``metric__feed`` is about a feed."""
    rows = []
    for name, told in values.items():
        metric, _, about = name.partition("__")
        value, low, high = told if isinstance(told, tuple) else (told, None, None)
        rows.append(
            {"as_of": day, "metric": metric, "about": about, "value": value, "low": low, "high": high, "n": 100}
        )
    batch = f"by hand/{day}/{sorted(values)}/{sorted(map(str, values.values()))}"
    workspace.warehouse.append("daily_metrics", rows_of(TABLES["daily_metrics"], rows), batch=batch)


def alerted(workspace: Workspace, day: date, *, now: datetime | None = None, **environment: str) -> AlertedDay:
    """Raise a day's alerts at its noon, without waiting for anything."""
    return raise_alerts(
        workspace, day, now=now or noon(day), environment=environment, wait=lambda _: None, patience=HASTY
    )


def late(workspace: Workspace, day: date, age: float) -> None:
    """Keep the age of the feed ``tills``, whose limit is three days."""
    figures(workspace, day, feed_age_days__tills=age)


def days_from(first: date, count: int) -> list[date]:
    """Return consecutive days."""
    return [first + timedelta(days=number) for number in range(count)]


def events(workspace: Workspace) -> list[tuple[str, str, str]]:
    """Return what happened: rule, subject, state."""
    rows = workspace.warehouse.query("select rule, about, state from alerts order by sequence").to_pylist()
    return [(row["rule"], row["about"], row["state"]) for row in rows]


def states(workspace: Workspace) -> list[str]:
    """Return what happened, by its state alone."""
    return [state for _, _, state in events(workspace)]


def lines(workspace: Workspace, name: str = "alerts.jsonl") -> list[dict[str, Any]]:
    """Return what the channel ``file`` wrote."""
    path = workspace.folder / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@dataclass
class MailServer:
    """A mail server on this machine."""

    port: int
    mails: list[str] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    sign_ins: int = 0
    was_encrypted: list[bool] = field(default_factory=list)


@contextmanager
def mail_server(
    *, certificate: tuple[Path, Path] | None = None, password: str | None = None, refuses: Sequence[str] = (),
    greets_with: str = "220 here",
) -> Iterator[MailServer]:  # fmt: skip
    """Speak SMTP (RFC 5321) as far as a client needs it; STARTTLS with a certificate, AUTH PLAIN with a password."""
    server = socket.create_server(("127.0.0.1", 0))
    found = MailServer(server.getsockname()[1])

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    def talk(connection: socket.socket) -> None:
        try:
            _talk(connection, found, certificate, password, refuses, greets_with)
        except OSError:
            pass
        finally:
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield found
    finally:
        server.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for the next caller
        server.close()


def _talk(
    connection: socket.socket, found: MailServer, certificate: tuple[Path, Path] | None, password: str | None,
    refuses: Sequence[str], greets_with: str | None,
) -> None:  # fmt: skip
    connection.settimeout(10)
    stream = connection.makefile("rb")
    is_encrypted, to = isinstance(connection, ssl.SSLSocket), []

    def say(line: str) -> None:
        connection.sendall(f"{line}\r\n".encode())

    if greets_with is not None:
        say(greets_with)
    while line := stream.readline().decode().strip():
        word = line.split()[0].upper()
        if word == "EHLO":
            offers = ["STARTTLS"] * (certificate is not None) + ["AUTH PLAIN"] * bool(password)
            names = ["here", *offers]
            for position, name in enumerate(names):
                say(f"250{'-' if position < len(names) - 1 else ' '}{name}")
        elif word == "STARTTLS" and certificate is not None:
            say("220 go on")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            stream.close()
            with context.wrap_socket(connection, server_side=True) as encrypted:
                _talk(encrypted, found, None, password, refuses, None)
            return
        elif word == "AUTH":
            is_right = password is not None and base64.b64decode(line.split()[2]).split(b"\0")[2].decode() == password
            found.sign_ins += is_right
            say("235 welcome" if is_right else f"535 wrong: {line}")
        elif word == "RCPT":
            is_refused = any(name in line for name in refuses)
            to += [] if is_refused else [line]
            say("550 nobody" if is_refused else "250 fine")
        elif word == "DATA":
            say("354 go on")
            content = b""
            while (part := stream.readline()) != b".\r\n":
                content += part
            found.mails.append(content.decode())
            found.recipients.append(to)
            found.was_encrypted.append(is_encrypted)
            to = []
            say("250 taken")
        elif word == "QUIT":
            say("221 bye")
            return
        else:
            say("250 fine")


def ran(
    workspace: Workspace, flow: str, on: date, error: str | None = None, *, subject: str = "", waits: bool = False
) -> None:
    """Keep a run of a step in the journal, as the flows do."""
    number = len(workspace.journal.runs(limit=10_000))
    run_id = f"run {number}"
    workspace.journal.start_run(
        run_id, flow=flow, business="shop", as_of=on, inputs_key="", owner="night:1",
        now=noon(on) + timedelta(seconds=number), subject=subject,
    )  # fmt: skip
    workspace.journal.end_run(run_id, now=noon(on), receipt=None if error else {}, error=error, waits=waits)
