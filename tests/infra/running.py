"""Start a real server for a test, wait until it answers, and surely end all its processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.servers import free_port

START_SECONDS = 150.0  # seen: 10 s alone, 60 s on two cores with a load of 20
QUIET = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_ENABLED": "false",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


def eventually(look: Callable[[], bool], *, within_seconds: float, what: str) -> None:
    """Look again and again until it is so; fail and say ``what`` was awaited when it never is."""
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        if look():
            return
        time.sleep(0.2)
    pytest.fail(f"{what}: not within {within_seconds:.0f} s")


@dataclass
class Running:
    """A started process with everything it starts; ``kill``, ``stop`` and ``go_on`` reach all of them."""

    process: subprocess.Popen[bytes]
    log: Path

    def _tell(self, what: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, what)

    def kill(self) -> None:
        self._tell(signal.SIGKILL)
        self.process.wait(timeout=15)

    def stop(self) -> None:
        self._tell(signal.SIGSTOP)

    def go_on(self) -> None:
        self._tell(signal.SIGCONT)

    def end(self) -> None:
        self.go_on()
        self._tell(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=20)
        self._tell(signal.SIGKILL)
        self.process.wait(timeout=15)

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


def start(command: Sequence[str], *, environment: Mapping[str, str], log: Path, cwd: Path) -> Running:
    """Start a command in a session of its own, so that everything it starts can be ended with it."""
    with log.open("ab") as stream:
        process = subprocess.Popen(
            list(command), env={**os.environ, **QUIET, **environment}, cwd=cwd, stdout=stream,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    return Running(process, log)


def answers(url: str, running: Running) -> None:
    """Wait until a server answers 200; fail with the end of its log when it ends instead."""

    def is_so() -> bool:
        assert running.process.poll() is None, f"it ended:\n{running.said()[-3000:]}"
        try:
            return httpx.get(url, timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    eventually(is_so, within_seconds=START_SECONDS, what=f"{url} answers")


@contextmanager
def started(
    command: Sequence[str], *, environment: Mapping[str, str], log: Path, cwd: Path, ready: str | None = None
) -> Iterator[Running]:
    """Run a command until the block ends; ``ready``: wait until this address answers."""
    running = start(command, environment=environment, log=log, cwd=cwd)
    try:
        if ready is not None:
            answers(ready, running)
        yield running
    finally:
        running.end()


@dataclass
class MlflowServer:
    """MLflow's own server on files of one folder, that can be killed and started again on the same port."""

    folder: Path
    port: int = field(default_factory=free_port)
    allowed_hosts: str = ""
    running: Running | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.running = start(
            [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers",
             "1", "--allowed-hosts", self.allowed_hosts or f"127.0.0.1:{self.port}"],
            environment={
                "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{self.folder / 'mlflow.db'}",
                "MLFLOW_ARTIFACTS_DESTINATION": str(self.artifacts),
            },
            log=self.folder / "server.log", cwd=self.folder,
        )  # fmt: skip
        answers(f"{self.url}/health", self.running)

    def kill(self) -> None:
        assert self.running is not None
        self.running.kill()

    def end(self) -> None:
        if self.running is not None:
            self.running.end()
