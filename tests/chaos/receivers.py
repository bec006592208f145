"""A real HTTP server on this machine that takes every call and remembers it by address and idempotency key."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Receiver:
    """The server: its address, and what it was asked, in order."""

    url: str
    calls: list[tuple[str, str, bytes]] = field(default_factory=list)

    def of(self, name: str) -> dict[str, list[bytes]]:
        """What one workspace asked for: the bodies by what was called and the key, as a receiver counts."""
        found: dict[str, list[bytes]] = {}
        for path, key, body in list(self.calls):
            _, what, who = path.split("/")
            if who == name:
                found.setdefault(f"/{what}/{key}", []).append(body)
        return found


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Take calls on a free port of this machine until the end."""
    found = Receiver("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            found.calls.append((self.path, self.headers.get("Idempotency-Key", ""), body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:
                self.close_connection = True  # the caller was killed

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=30)
