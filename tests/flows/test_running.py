"""A Prefect that does not let us in is told in a sentence: which variable, and no password."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from flows.running import run
from holdback.errors import OperatorError
from tests.flows.shop import BUSINESS
from tests.servers import free_port


class _Refuses(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Keep silent."""


@pytest.fixture
def refusing() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refuses) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}/api"
        server.shutdown()
        thread.join()


@pytest.fixture
def business(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HOLDBACK_HOME", str(tmp_path / "home"))
    path = tmp_path / "shop.yaml"
    path.write_text(BUSINESS.format(folder=tmp_path))
    return str(path)


def refused_by(address: str, business: str, monkeypatch: pytest.MonkeyPatch) -> str:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    monkeypatch.setenv("PREFECT_API_URL", address)
    with temporary_settings({PREFECT_API_URL: address}), pytest.raises(OperatorError) as refused:
        run("ingest_daily", quiet=True, business=business)
    return str(refused.value)


def test_a_server_that_wants_a_password_is_told_with_the_variable(
    refusing: str, business: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = refused_by(f"http://{refusing}", business, monkeypatch)
    assert "does not let us in (401). Set PREFECT_API_AUTH_STRING=NAME:PASSWORD" in said


def test_an_address_with_a_password_is_not_repeated(business: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = refused_by(f"http://ann:hunter2@127.0.0.1:{free_port()}/api", business, monkeypatch)
    assert "Failed to reach API at http://127.0.0.1" in said
    assert "hunter2" not in said
