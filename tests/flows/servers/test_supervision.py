"""A server that ended too often is not given up: what was missing at night may be there in the morning."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from flows.servers import restarts, supervision
from flows.servers.plans import Plan, Server
from flows.servers.ports import LOOPBACK, Listening
from flows.servers.processes import MARK
from flows.servers.supervision import Supervisor, first_state


def test_a_server_that_failed_is_tried_again_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarts, "FIRST_PAUSE_SECONDS", 0.001)  # the same steps, faster
    for module in (restarts, supervision):
        monkeypatch.setattr(module, "SLOW_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(restarts, "MOST_RESTARTS", 1)
    environment = {**os.environ, MARK: "test/portal"}
    command = (sys.executable, "-c", "import sys; sys.exit(3)")
    away = "http://127.0.0.1:9/"
    server = Server("portal", command, environment, away, away, Listening("portal", "X", LOOPBACK, 9))
    planned = Plan((server,), away, {}, ())
    told: list[str] = []

    def tell(said: str) -> None:
        told.append(said)
        if sum("is failed" in one for one in told) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    state = first_state(
        tmp_path, planned, mark="test", business=tmp_path / "shop.yaml", slug="shop", time_zone="Europe/Madrid"
    )
    Supervisor(tmp_path, planned, state, tell).run(when_up=lambda _: None)
    assert told[0].startswith("portal is waiting: ended with exit code 3; started again in")
    assert told[1].startswith("portal is failed: ended with exit code 3, 2 times; tried again in")
    assert told[2].startswith("portal is failed: ended with exit code 3, 3 times")
