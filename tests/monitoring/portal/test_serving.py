"""A real server, asked as a browser asks and as somebody asks who should not."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from holdback.errors import BusinessFileError, OperatorError
from monitoring.portal.serving import HEADERS, LOOPBACK, serve, serving


def free_port(host: str = LOOPBACK) -> int:
    with closing(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `build_portal` leaves it, with things in and beside it that nobody may read."""
    root = tmp_path_factory.mktemp("workspace") / "portal"
    edition = root / "2025-10-01.abc"
    for folder in (edition / "es", root / "assets" / "9f", root / "secrets", root / ".part-7"):
        folder.mkdir(parents=True)
    (root.parent / "journal.db").write_text("secret")
    (root.parent / "page.html").write_text("secret")
    (root / "index.html").write_text("leads on")
    (edition / "index.html").write_text("a day")
    (edition / "es" / "today.html").write_text("<p>Hoy: ñ</p>", encoding="utf-8")
    (edition / "edition.json").write_text("{}")
    (root / "assets" / "9f" / "portal.js").write_text("run()")
    (root / ".publishing.lock").write_text("secret")
    (root / ".part-7" / "today.html").write_text("secret")
    (root / "secrets" / "notes.txt").write_text("secret")
    (root / "2025-10-01").symlink_to("2025-10-01.abc")
    (root / "out.html").symlink_to("../page.html")
    (root / "up").symlink_to("..")
    (root / "circle").symlink_to("circle")
    (root / "hidden.html").symlink_to(".part-7/today.html")
    return root


@pytest.fixture(scope="module")
def port(site: Path) -> Iterator[int]:
    with serving(site, port=free_port()) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def ask(
    port: int, path: str, *, method: str = "GET", host: str | None = None, headers: dict[str, str] | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    with closing(http.client.HTTPConnection(LOOPBACK, port, timeout=10)) as connection:
        connection.putrequest(method, path, skip_host=True)
        for name, value in {"Host": host or f"{LOOPBACK}:{port}", **(headers or {})}.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer, answer.read()


def test_a_page_is_answered_with_every_header_that_protects_it(port: int) -> None:
    answer, content = ask(port, "/2025-10-01/es/today.html")
    assert (answer.status, content.decode()) == (200, "<p>Hoy: ñ</p>")
    assert answer.getheader("Content-Type") == "text/html; charset=utf-8"
    assert answer.getheader("Content-Length") == str(len(content))
    assert answer.getheader("Cache-Control") == "private, no-cache"
    assert answer.getheader("Server") == "Holdback"
    for name, value in HEADERS.items():
        assert answer.getheader(name) == value
    policy = answer.getheader("Content-Security-Policy") or ""
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "http" not in policy


@pytest.mark.parametrize("path", ["/", "/index.html"])
def test_the_address_alone_leads_to_the_site(port: int, path: str) -> None:
    assert ask(port, path)[1] == b"leads on"


@pytest.mark.parametrize("day", ["/2025-10-01", "/2025-10-01.abc"])
def test_a_folder_opens_with_its_own_page_so_that_its_links_lead_on(port: int, day: str) -> None:
    answer, _ = ask(port, day)
    assert (answer.status, answer.getheader("Location")) == (301, f"{day[1:]}/")
    assert ask(port, f"{day}/")[1] == b"a day"


def test_what_is_named_by_its_content_is_kept_for_ever(port: int) -> None:
    answer, content = ask(port, "/assets/9f/portal.js")
    assert content == b"run()"
    assert answer.getheader("Content-Type") == "text/javascript; charset=utf-8"
    assert "immutable" in (answer.getheader("Cache-Control") or "")


def test_a_browser_that_has_a_page_is_told_so(port: int) -> None:
    changed = ask(port, "/index.html")[0].getheader("Last-Modified") or ""
    answer, content = ask(port, "/index.html", headers={"If-Modified-Since": changed})
    assert (answer.status, content) == (304, b"")
    old = {"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}
    assert ask(port, "/index.html", headers=old)[0].status == 200
    assert ask(port, "/index.html", headers={"If-Modified-Since": "yesterday"})[0].status == 200


def test_head_answers_without_content(port: int) -> None:
    answer, content = ask(port, "/2025-10-01/es/today.html", method="HEAD")
    assert (answer.status, answer.getheader("Content-Length"), content) == (200, "14", b"")
    assert ask(port, "/nothing.html", method="HEAD")[1] == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"])
def test_only_get_and_head_are_answered(port: int, method: str) -> None:
    answer, _ = ask(port, "/index.html", method=method)
    assert (answer.status, answer.getheader("Allow")) == (405, "GET, HEAD")
    assert answer.getheader("X-Frame-Options") == "DENY"


@pytest.mark.parametrize(
    "path",
    [
        "/nothing.html", "/2025-10-01/en/today.html",
        "/assets", "/assets/", "/assets/9f/", "/secrets/", "/2025-10-01/es/",  # no listing
        "/../journal.db", "/../page.html", "/%2e%2e/page.html", "/2025-10-01/../../page.html", "/..%2fpage.html",
        "/%2e%2e%2fpage.html", "/..%5cpage.html", "//../page.html", "/./index.html", "/2025-10-01/%2e/es/today.html",
        "/.publishing.lock", "/.part-7/today.html", "/%2epublishing.lock",  # nothing hidden
        "/out.html", "/up/page.html", "/up/journal.db", "/circle", "/hidden.html",  # no link that leads out
        "/secrets/notes.txt", "/2025-10-01/es/today.html%00", "/2025-10-01/es/today.html::$DATA", "/index.html/",
        "/%ff", "/" + "a" * 5000, "index.html", "*", "http://example.org/index.html/x",
    ],
)  # fmt: skip
def test_what_is_no_page_of_the_site_is_not_there(port: int, path: str) -> None:
    answer, content = ask(port, path)
    assert answer.status == 404
    assert content == b"404 Not Found\n"
    assert answer.getheader("Content-Security-Policy") == HEADERS["Content-Security-Policy"]


@pytest.mark.parametrize(
    "host",
    [
        "holdback.example.org", "holdback.example.org:{port}", "127.0.0.1", "127.0.0.1:1", "[::2]:{port}",
        "localhost.evil.example:{port}", ":{port}", "0.0.0.0:{port}",
    ],
)  # fmt: skip
def test_a_name_that_somebody_made_point_here_is_refused(port: int, host: str) -> None:
    answer, content = ask(port, "/index.html", host=host.format(port=port))
    assert answer.status == 421
    assert b"leads" not in content


@pytest.mark.parametrize("host", ["localhost:{port}", "LOCALHOST:{port}", "[::1]:{port}"])
def test_the_names_of_this_machine_are_answered(port: int, host: str) -> None:
    assert ask(port, "/index.html", host=host.format(port=port))[0].status == 200


def test_what_is_no_request_is_refused_and_the_server_goes_on(port: int) -> None:
    for sent in (
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 200 + b"\r\n",
    ):
        with closing(socket.create_connection((LOOPBACK, port), timeout=10)) as line:
            line.sendall(sent)
            line.shutdown(socket.SHUT_WR)
            said = b"".join(iter(lambda line=line: line.recv(65_536), b""))
            assert b"leads on" not in said
            assert b"Traceback" not in said
    assert ask(port, "/")[0].status == 200


def test_a_browser_that_goes_away_leaves_no_trace(port: int, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(5):
        line = socket.create_connection((LOOPBACK, port))
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        line.sendall(f"GET / HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\n\r\n".encode())
        line.close()  # with a reset
    assert ask(port, "/")[0].status == 200
    assert capfd.readouterr().err == ""


def test_many_ask_at_once(port: int) -> None:
    with ThreadPoolExecutor(16) as many:
        found = list(many.map(lambda _: ask(port, "/2025-10-01/es/today.html")[0].status, range(100)))
    assert found == [200] * 100


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_a_port_that_is_none_is_refused(site: Path, port: int) -> None:
    with pytest.raises(BusinessFileError, match=rf"--port: must lie between 1 and 65535 \(got {port}\)"):
        serve(site, port=port)


def test_a_port_that_is_taken_says_so(site: Path, port: int) -> None:
    with pytest.raises(OperatorError, match="another program listens there"):
        serve(site, port=port)


def test_an_address_that_this_machine_has_not_says_so(site: Path) -> None:
    with pytest.raises(OperatorError, match=r"this machine has no address '192.0.2.1'"):
        serve(site, host="192.0.2.1", port=free_port())


def test_before_the_first_site_there_is_a_page_that_says_so_and_then_there_is_the_site(tmp_path: Path) -> None:
    folder = tmp_path / "portal"  # not even the folder is there
    with serving(folder, port=free_port(), name="Müller & <Sons>") as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            waits, other = asked(server.server_port, "/"), asked(server.server_port, "/latest/en/today.html")
            folder.mkdir()
            (folder / "index.html").write_text("the site")
            then = asked(server.server_port, "/")
        finally:
            server.shutdown()
            thread.join()
    assert (waits[0], other[0], then) == (200, 404, (200, "the site"))
    assert "There is no site yet" in waits[1]
    assert "Todavía no hay portal" in waits[1]
    assert "<h1>Müller &amp; &lt;Sons&gt;</h1>" in waits[1]


def test_who_serves_a_folder_without_a_site_is_told(tmp_path: Path) -> None:
    told: list[str] = []

    class Enough(Exception):
        pass

    def tell(sentence: str) -> None:
        told.append(sentence)
        if not sentence.startswith("warning"):
            raise Enough

    with pytest.raises(Enough):
        serve(tmp_path, port=free_port(), tell=tell)
    assert told[0].startswith(f"warning: {tmp_path}: there is no site yet.")
    assert "`holdback portal build`" in told[0]


def asked(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
    with closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_other_machines_are_let_in_only_with_a_warning(site: Path) -> None:
    told: list[str] = []

    class Enough(Exception):
        pass

    def tell(sentence: str) -> None:
        told.append(sentence)
        if len(told) == 2:
            raise Enough

    with pytest.raises(Enough):
        serve(site, host="0.0.0.0", port=free_port(), tell=tell)
    assert told[0].startswith("warning: every machine that reaches 0.0.0.0 can read this site")
    with serving(site, host="0.0.0.0", port=free_port()) as server:
        assert server.answers_to("portal.acme.example")
        assert not server.is_for_this_machine_only


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly_when_asked(site: Path, number: signal.Signals) -> None:
    port = free_port()
    program = (
        "import sys; from pathlib import Path; from monitoring.portal.serving import serve\n"
        "serve(Path(sys.argv[1]), port=int(sys.argv[2]), tell=lambda said: print(said, flush=True))\n"
        "print('stopped')"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", program, str(site), str(port)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).resolve().parents[3],
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )  # fmt: skip
    assert server.stdout is not None
    assert server.stdout.readline() == f"http://127.0.0.1:{port}/\n"
    held = http.client.HTTPConnection(LOOPBACK, port, timeout=10)  # a browser keeps its connection
    held.request("GET", "/")
    assert held.getresponse().read() == b"leads on"
    server.send_signal(number)
    out, err = server.communicate(timeout=10)
    held.close()
    assert (server.returncode, out, err) == (0, "stopped\n", "")
    with closing(socket.socket()) as probe:
        assert probe.connect_ex((LOOPBACK, port)) != 0
