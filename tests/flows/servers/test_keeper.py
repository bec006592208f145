"""A keeper writes the log, tells how its server ended, and leaves nothing of it."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
from pathlib import Path

from flows.servers.keeper import RotatingLog
from flows.servers.processes import identify, wait_for_end

FAMILY = (
    "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
    " print(p.pid, flush=True); {then}"
)


def kept(log: Path, code: str, grace: str = "5") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "flows.servers.keeper", str(log), grace, sys.executable, "-c", code],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def first_line(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def close(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.stdout.close()


def eventually_said(log: Path) -> int:
    """The number that the server wrote into its log: of its own child."""
    for _ in range(400):
        if log.exists() and log.read_text().strip():
            return int(log.read_text().split()[0])
        subprocess.run([sys.executable, "-c", ""], check=True)
    raise AssertionError("the server said nothing")


def test_what_the_server_says_is_in_the_log_and_its_exit_code_is_passed_on(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "server.log"
    process = kept(log, "import sys; print('hello'); print('oh', file=sys.stderr); sys.exit(7)")
    assert first_line(process) > 0
    assert process.wait(30) == 7
    close(process)
    assert log.read_text().split() == ["hello", "oh"] or log.read_text().split() == ["oh", "hello"]
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_server_killed_by_a_signal_says_which(tmp_path: Path) -> None:
    process = kept(tmp_path / "log", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert process.wait(30) == 128 + signal.SIGKILL
    close(process)


def test_when_the_supervisor_is_gone_the_server_and_its_children_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = kept(log, FAMILY.format(then="time.sleep(60)"))
    family = [identify(first_line(process)), identify(eventually_said(log))]
    close(process)  # as the system does for a supervisor that was killed
    assert process.wait(30) == 128 + signal.SIGTERM
    assert wait_for_end([one for one in family if one is not None], seconds=5)


def test_children_of_a_server_that_ended_by_itself_end_too(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = kept(log, FAMILY.format(then="time.sleep(0.5)"))
    first_line(process)
    child = identify(eventually_said(log))
    assert process.wait(30) == 0
    close(process)
    assert child is None or wait_for_end([child], seconds=5)


def test_a_server_that_does_not_end_is_killed_after_its_time(tmp_path: Path) -> None:
    log = tmp_path / "log"
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    process = kept(log, deaf, grace="0.3")
    first_line(process)
    eventually_said(log)
    process.terminate()
    assert process.wait(30) == 128 + signal.SIGKILL
    close(process)
    assert "killed" in log.read_text()


def test_a_log_that_has_grown_starts_anew_and_the_last_ones_are_kept(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "server.log", most_bytes=10, count=2)
    for line in (b"first...\n", b"second..\n", b"third...\n", b"fourth..\n"):
        log.write(line)
    log.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["server.log", "server.log.1", "server.log.2"]
    assert (tmp_path / "server.log").read_bytes() == b"fourth..\n"
    assert (tmp_path / "server.log.2").read_bytes() == b"second..\n"
    again = RotatingLog(tmp_path / "server.log", most_bytes=10, count=2)
    again.write(b"fifth...\n")
    again.close()
    assert (tmp_path / "server.log.1").read_bytes() == b"fourth..\n"


def test_a_log_that_cannot_be_begun_anew_grows_and_stops_nobody(tmp_path: Path) -> None:
    in_the_way = tmp_path / "server.log.1" / "x"
    in_the_way.mkdir(parents=True)  # a file cannot take the place of a folder
    log = RotatingLog(tmp_path / "server.log", most_bytes=10, count=1)
    for line in (b"first...\n", b"second..\n", b"third...\n"):
        log.write(line)
    assert (tmp_path / "server.log").read_bytes() == b"first...\nsecond..\nthird...\n"
    in_the_way.rmdir()
    in_the_way.parent.rmdir()
    log.write(b"fourth..\n")
    log.close()
    assert (tmp_path / "server.log").read_bytes() == b"fourth..\n"
    log.write(b"after it was closed")
