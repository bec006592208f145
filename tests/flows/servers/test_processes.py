"""A process is known for certain, and nobody else is ended in its place."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from flows.servers.processes import MARK, end, identify, is_alive, marked, wait_for_end

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
)


@contextmanager
def started(code: str = "import time; print('ready', flush=True); time.sleep(60)", **environment: str) -> Iterator[int]:
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().strip() == "ready"
        yield process.pid
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_process_is_itself_and_is_gone_when_it_has_ended() -> None:
    with started() as pid:
        process = identify(pid)
        assert process is not None
        assert is_alive(process)
    assert not is_alive(process)
    assert identify(pid) is None


def test_a_number_that_was_used_again_is_another_process_and_is_never_ended() -> None:
    with started() as pid:
        now = identify(pid)
        assert now is not None
        of_yesterday = replace(now, started=f"{now.started}0")
        assert not is_alive(of_yesterday)
        assert end([of_yesterday], grace_seconds=0.1) == []
        assert is_alive(now)


def test_who_does_not_end_when_asked_is_killed() -> None:
    with started(STUBBORN) as pid:
        process = identify(pid)
        assert process is not None
        assert end([process], grace_seconds=0.3) == [process]
        assert wait_for_end([process], seconds=5)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="marks are read from /proc")
def test_whatever_carries_the_mark_is_found_and_nothing_else() -> None:
    mark = secrets.token_hex(16)
    child = (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],"
        " start_new_session=True); print('ready', flush=True); p.wait()"
    )
    with started(child, **{MARK: f"{mark}/worker"}) as pid, started(**{MARK: f"{mark}1/worker"}) as stranger:
        found = marked(mark)
        assert pid in {process.pid for process in found}
        assert len(found) == 2, "its child in a session of its own is found, too"
        assert stranger not in {process.pid for process in found}
        assert marked(mark, "work") == []
        assert {process.pid for process in marked(mark, "worker")} == {process.pid for process in found}
        end(found, grace_seconds=2)
        assert marked(mark) == []
