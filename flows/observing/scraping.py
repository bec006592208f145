"""A page that Prometheus scrapes, on this machine's own address only: read anew at each scrape."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from flows import settings
from flows.observing.prometheus import CONTENT_TYPE, exposition
from holdback.errors import HoldbackError, OperatorError
from holdback.workspace import Workspace


def server_of(workspace: Workspace, port: int) -> ThreadingHTTPServer:
    """Return a server for ``/metrics`` at 127.0.0.1; whoever has it lets it serve and closes it.

    Args:
        workspace: The business.
        port: 0 takes a free one.

    Raises:
        OperatorError: the port is taken, or may not be used.
    """

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self._answer(404, "there is /metrics\n")
                return
            try:
                self._answer(200, exposition(workspace, now=settings.now()))
            except HoldbackError as error:
                self._answer(503, f"{type(error).__name__}\n")

        def _answer(self, status: int, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing about each scrape."""

    try:
        return ThreadingHTTPServer(("127.0.0.1", port), Page)
    except OSError as error:
        raise OperatorError(f"port {port}: cannot be used ({error.strerror}). Name another with --serve.") from error
