"""What stands between a client and a server in a company: it asks for a password, forwards, and sometimes fails."""

from __future__ import annotations

import base64
import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass
class Front:
    """A reverse proxy before ``port``. Change its fields to change how it behaves from the next request on.

    Attributes:
        port: Of the server behind it.
        credentials: ``user:password`` that it asks for; None lets everybody in.
        answer: Status, headers and body that it gives instead of asking the server.
        host: The name by which it calls the server; None: the one by which it was called.
        before: Called with method and path before a request is forwarded: the moment at which something happens.
        is_deaf: True: it takes requests and never answers.
    """

    port: int
    credentials: str | None = None
    answer: tuple[int, dict[str, str], bytes] | None = None
    host: str | None = None
    before: Callable[[str, str], None] | None = None
    is_deaf: bool = False
    seen: list[tuple[str, str]] = field(default_factory=list)
    own_port: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.own_port}"

    def as_it_was(self) -> None:
        self.credentials = self.answer = self.host = self.before = None
        self.is_deaf = False


@contextmanager
def front_of(port: int) -> Iterator[Front]:
    """Put a front before a server on this machine."""
    front = Front(port)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(front))
    server.daemon_threads = True
    front.own_port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield front
    finally:
        front._over.set()
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)


def _handler(front: Front) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
            pass

        def _say(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                whole = b""
                while size := int(self.rfile.readline().strip(), 16):
                    whole += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return whole
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _forward(self) -> None:
            body = self._body()
            front.seen.append((self.command, self.path))
            if front.is_deaf:
                front._over.wait(timeout=120)
                self.close_connection = True
                return
            if front.answer is not None:
                self._say(*front.answer)
                return
            if front.credentials is not None:
                wanted = "Basic " + base64.b64encode(front.credentials.encode()).decode()
                if self.headers.get("Authorization") != wanted:
                    self._say(401, {"WWW-Authenticate": 'Basic realm="x"', "Content-Type": "text/plain"}, b"who?")
                    return
            if front.before is not None:
                front.before(self.command, self.path)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            headers["Host"] = front.host or f"127.0.0.1:{front.port}"
            connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=60)
            try:
                connection.request(self.command, self.path, body=body, headers=headers)
                found = connection.getresponse()
                whole = found.read()
            except OSError:
                self.close_connection = True  # as if nobody were there
                return
            finally:
                connection.close()
            self._say(found.status, {n: v for n, v in found.getheaders() if n.lower() not in _HOP}, whole)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _forward  # noqa: N815 - the standard library's names

    return Handler
