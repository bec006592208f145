"""What is written down is read back, or not at all."""

from __future__ import annotations

import stat
from datetime import datetime
from pathlib import Path

import pytest

from flows.servers.processes import Identity
from flows.servers.states import FILE, ServerState, UpState, forget_state, read_state, write_state

UP = ServerState(
    "mlflow", "up", "http://127.0.0.1:5000", "http://127.0.0.1:5000/health", Identity(12, "a/1"), Identity(11, "a/0"),
    datetime(2026, 3, 1, 5), 2, "/home/logs/mlflow.log",
)  # fmt: skip
WAITING = ServerState(
    "worker", "waiting", "http://x", "http://x", None, None, None, 0, "/log", "ended with exit code 1"
)
STATE = UpState(
    "mark", Identity(10, "a/0"), "/shop.yaml", "shop", "Europe/Madrid", datetime(2026, 3, 1, 5), (UP, WAITING),
    "http://127.0.0.1:4200/api", {"prefect": "https://prefect.example.org/api"},
)  # fmt: skip


def test_the_state_is_read_as_it_was_written_and_is_its_owners_alone(tmp_path: Path) -> None:
    write_state(tmp_path, STATE)
    assert read_state(tmp_path) == STATE
    assert not STATE.is_healthy
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    forget_state(tmp_path)
    forget_state(tmp_path)
    assert read_state(tmp_path) is None


@pytest.mark.parametrize("damaged", ["", "{", "[]", "{}", '{"servers": [{"name": "x"}]}', "null"])
def test_a_damaged_state_is_none(tmp_path: Path, damaged: str) -> None:
    (tmp_path / FILE).write_text(damaged)
    assert read_state(tmp_path) is None
