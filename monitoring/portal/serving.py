"""Serve the site on this machine: pages that are read, nothing that is asked for beside them.

By default only this machine can ask (loopback), and only under its own names: a page on the internet that makes its own
name point here (DNS rebinding) is refused. Nothing is written; a folder is never listed.
"""

from __future__ import annotations

import errno
import html
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from socketserver import TCPServer
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from holdback.errors import BusinessFileError, OperatorError

LOOPBACK: Final = "127.0.0.1"
PORT: Final = 8642

#: What the site is made of; any other file is not there.
KINDS: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".csv": "text/csv; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
}
HEADERS: Final = {
    # Plotly writes style attributes and makes its pictures from data: and blob: addresses.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_ALWAYS_ASK = "private, no-cache"
_FOR_EVER = "private, max-age=31536000, immutable"
_PATIENCE_SECONDS = 30
_NO_SITE_YET = (
    "warning: {folder}: there is no site yet. A page says so until the first daily run, or `holdback portal build`, "
    "has built it."
)
_OPEN_TO_OTHERS = (
    "warning: every machine that reaches {host} can read this site: it has no password and is not encrypted. "
    "Put a server with both in front of it, or leave --host out."
)


#: What is shown at the site's address until the first site was built.
_WAITING = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="30"><title>{name}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body {{font: 1.1rem/1.5 system-ui, sans-serif; margin: 4rem auto; max-width: 40rem; padding: 0 1rem}}
</style></head>
<body><main><h1>{name}</h1>
<p>There is no site yet. The first one is here after the first daily run; <code>holdback status</code> says when that
is, and <code>holdback portal build</code> builds it now.</p>
<p lang="es">Todavía no hay portal. Aparecerá aquí tras la primera ejecución diaria.</p></main></body></html>
"""


def serve(
    folder: Path,
    *,
    host: str = LOOPBACK,
    port: int = PORT,
    name: str = "Holdback",
    tell: Callable[[str], None] | None = None,
) -> None:
    """Serve a site until the process is asked to stop (Ctrl-C, SIGTERM); before there is one, a page that says so.

    Args:
        folder: The site; only what lies in it is shown, whatever links lead out of it.
        name: Whose site it is: for the page that is shown until there is one.
        host: The address to listen on; every other than loopback opens the site to other machines.
        port: 1 to 65535.
        tell: Is given the address once it can be asked, after a warning when other machines can ask it too.

    Raises:
        OperatorError: the port is taken or may not be used.
        BusinessFileError: the port is no port.
    """
    with serving(folder, host=host, port=port, name=name) as server, _stops_when_asked(server):
        if tell is not None and not server.is_for_this_machine_only:
            tell(_OPEN_TO_OTHERS.format(host=host))
        if tell is not None and not server.has_site:
            tell(_NO_SITE_YET.format(folder=folder))
        if tell is not None:
            tell(server.address)
        server.serve_forever(poll_interval=0.2)


@contextmanager
def serving(folder: Path, *, host: str = LOOPBACK, port: int = PORT, name: str = "Holdback") -> Iterator[SiteServer]:
    """Lend a server that listens and does not answer yet; see :func:`serve`."""
    if not 1 <= port <= 65_535:
        raise BusinessFileError(f"--port: must lie between 1 and 65535 (got {port}). Choose one, such as {PORT}.")
    try:
        server = SiteServer(folder, host, port, name=name)
    except OSError as error:
        raise OperatorError(f"--port: {host}:{port}: {_why_not(error, host)}") from error
    try:
        yield server
    finally:
        server.server_close()


def _why_not(error: OSError, host: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program listens there. Stop it, or choose another --port."
    if error.errno == errno.EACCES:
        return "this account may not listen there. Choose a --port above 1023."
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return f"this machine has no address {host!r}. Leave --host out, or name one that it has."
    return f"cannot listen there ({error.strerror or error}). Choose another --port or --host."


class SiteServer(ThreadingHTTPServer):
    """A server for one folder, also before there is a site in it.

    Attributes:
        root: The folder.
        waiting: The page that is shown until there is a site.
        address: What to type into a browser.
        is_for_this_machine_only: True on loopback.
    """

    daemon_threads = True
    block_on_close = False  # a browser that keeps its connection open does not keep the server alive

    def __init__(self, folder: Path, host: str, port: int, *, name: str) -> None:
        self.root = folder.resolve()
        self.waiting = _WAITING.format(name=html.escape(name)).encode()
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Reader)
        self.server_name, self.server_port = host, port
        self.is_for_this_machine_only = ip_address(str(self.server_address[0])).is_loopback
        shown = f"[{host}]" if ":" in host else host
        self.address = f"http://{shown}:{port}/"
        self._names = {"localhost", LOOPBACK, "[::1]", shown.lower()}

    @property
    def has_site(self) -> bool:
        """True once a site was built; asked anew for each request."""
        return (self.root / "index.html").is_file()

    def server_bind(self) -> None:
        """Listen, without asking the network for this machine's name, which can take long."""
        TCPServer.server_bind(self)

    def answers_to(self, host: str | None) -> bool:
        """True when a request named this server; other machines may know it under names that it does not know."""
        if not self.is_for_this_machine_only:
            return True
        name, _, port = (host or "").lower().rpartition(":")
        if not port.isdigit():
            return False
        return name in self._names and int(port) == self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that went away in the middle of an answer."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Reader(BaseHTTPRequestHandler):
    """Answers GET and HEAD with files of the site."""

    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE_SECONDS
    server: SiteServer

    def do_GET(self) -> None:
        self._answer(with_content=True)

    def do_HEAD(self) -> None:
        self._answer(with_content=False)

    def _answer(self, *, with_content: bool) -> None:
        if not self.server.answers_to(self.headers.get("Host")):
            self.close_connection = True
            self._say(HTTPStatus.MISDIRECTED_REQUEST)
            return
        path = urlsplit(self.path).path if self.path.startswith("/") else ""
        if path == "/" and not self.server.has_site:
            self._wait(with_content=with_content)
            return
        file = self._file(path)
        if file is None:
            self._say(HTTPStatus.NOT_FOUND)
            return
        try:
            changed_at = int(file.stat().st_mtime)
            content = file.read_bytes()
        except OSError:  # an edition that went while it was asked for
            self._say(HTTPStatus.NOT_FOUND)
            return
        if file.name == "index.html" and not path.endswith(("/", "/index.html")):
            # The links of a page start at its folder, so the folder's address ends in a stroke.
            self._say(HTTPStatus.MOVED_PERMANENTLY, {"Location": f"{path.rstrip('/').rpartition('/')[2]}/"})
            return
        stable = {
            "Cache-Control": _FOR_EVER if path.startswith("/assets/") else _ALWAYS_ASK,
            "Last-Modified": formatdate(changed_at, usegmt=True),
        }
        if self._is_known(changed_at):
            self._say(HTTPStatus.NOT_MODIFIED, stable)
            return
        self.send_response(HTTPStatus.OK)
        for name, value in {**stable, "Content-Type": KINDS[file.suffix], "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_content:
            self.wfile.write(content)

    def _wait(self, *, with_content: bool) -> None:
        """Answer with the page that says that there is no site yet."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Type", KINDS[".html"])
        self.send_header("Content-Length", str(len(self.server.waiting)))
        self.end_headers()
        if with_content:
            self.wfile.write(self.server.waiting)

    def _file(self, path: str) -> Path | None:
        """Return the file that a path means; None when it is none of the site's."""
        asked = unquote(path)
        parts = [part for part in asked.split("/") if part]
        if not asked.startswith("/") or any(part.startswith(".") or set(part) & set("\\\0:") for part in parts):
            return None
        place = self.server.root.joinpath(*parts)
        try:
            if place.is_dir() or asked.endswith("/"):
                place /= "index.html"
            found = place.resolve(strict=True)
        except (OSError, ValueError, RuntimeError):  # not there, no name of a file, a circle of links
            return None
        inside = found.is_relative_to(self.server.root)
        hidden = inside and any(part.startswith(".") for part in found.relative_to(self.server.root).parts)
        return found if inside and not hidden and found.is_file() and found.suffix in KINDS else None

    def _is_known(self, changed_at: int) -> bool:
        """True when the browser has this state of the file."""
        try:
            return parsedate_to_datetime(self.headers.get("If-Modified-Since", "")).timestamp() >= changed_at
        except (TypeError, ValueError, IndexError):
            return False

    def _say(self, status: HTTPStatus, headers: dict[str, str] | None = None) -> None:
        """Answer with a status and no page of ours."""
        said = b"" if status == HTTPStatus.NOT_MODIFIED else f"{status.value} {status.phrase}\n".encode()
        self.send_response(status)
        for name, value in (headers or {"Cache-Control": "no-store"}).items():
            self.send_header(name, value)
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(said)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if said and self.command != "HEAD":
            self.wfile.write(said)

    def send_error(self, code: int, *_: object) -> None:
        """Answer what is no request of ours, without repeating it; what it sent along is not read."""
        self.close_connection = True
        if code == HTTPStatus.NOT_IMPLEMENTED:  # so the library says of a method that nobody wrote
            self._say(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"})
        else:
            self._say(HTTPStatus(code))

    def version_string(self) -> str:
        """Name the server, without the versions that somebody could look up."""
        return "Holdback"

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Keep no record of who reads what."""


@contextmanager
def _stops_when_asked(server: SiteServer) -> Iterator[None]:
    """End the server in order when the process is asked to stop; leave the process' own ways as they were."""

    def stop(_number: int, _frame: object) -> None:
        threading.Thread(target=server.shutdown).start()  # it waits for the loop, which this thread runs

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
