"""`holdback status` asks Prefect for this business alone, and says so when it is not let in."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

from flows.cli.servers import add_to
from flows.servers.looking import look
from flows.servers.processes import identify
from flows.servers.states import UpState, write_state

DAILY = {"start_time": "2026-03-10T04:15:00Z", "state": {"name": "Completed", "message": ""}, "flow_id": "1"}


class Prefect(ThreadingHTTPServer):
    """Answers as Prefect does: two businesses share it."""

    def __init__(self, password: str | None) -> None:
        self.password = password
        super().__init__(("127.0.0.1", 0), _Answers)


class _Answers(BaseHTTPRequestHandler):
    server: Prefect

    def do_GET(self) -> None:
        self._say(404, {})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.password is not None and self.headers.get("Authorization") is None:
            self._say(401, {"detail": "Unauthorized"})
        elif self.path == "/api/flows/filter":
            self._say(200, [{"id": "1", "name": "daily"}])
        elif asked["flow_runs"].get("state"):
            self._say(200, [])
        else:  # the newest daily run is the kiosk's, unless somebody asks for the shop's
            is_ours = asked["flow_runs"].get("tags") == {"all_": ["holdback:shop"]}
            state = {"name": "Completed" if is_ours else "Failed", "message": ""}
            self._say(200, [{**DAILY, "state": state}])

    def _say(self, status: int, what: Any) -> None:
        said = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        """Keep silent."""


@contextmanager
def prefect(home: Path, password: str | None = None) -> Iterator[None]:
    with Prefect(password) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        supervisor = identify(os.getpid())
        assert supervisor is not None
        api = f"http://127.0.0.1:{server.server_address[1]}/api"
        write_state(
            home,
            UpState("mark", supervisor, "/shop.yaml", "shop", "Europe/Madrid", datetime(2026, 3, 10), (), api, {}),
        )
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def test_another_business_daily_run_is_not_shown_as_ours(tmp_path: Path) -> None:
    with prefect(tmp_path):
        seen = look(tmp_path)
    assert seen.last_daily is not None
    assert seen.last_daily.state == "Completed"
    assert seen.prefect_fault == ""


def test_a_server_that_wants_a_password_is_not_one_without_runs(tmp_path: Path, monkeypatch: Any) -> None:
    for name in ("PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOLDBACK_HOME", str(tmp_path))
    app = typer.Typer()
    add_to(app)
    app.callback()(lambda: None)
    with prefect(tmp_path, password="ann:secret"):
        said = " ".join(CliRunner().invoke(app, ["status"]).output.split())
        monkeypatch.setenv("PREFECT_API_AUTH_STRING", "ann:secret")
        let_in = look(tmp_path)
    assert "Prefect could not be asked (401): it wants a name and a password. Set PREFECT_API_AUTH_STRING=" in said
    assert "none that Prefect knows of" not in said
    assert let_in.last_daily is not None


def test_a_server_that_is_away_is_told(tmp_path: Path) -> None:
    with prefect(tmp_path):
        pass
    assert "could not be asked (URLError)" in look(tmp_path).prefect_fault
