"""What a command used is its own: not what the caller holds, and with what its children used."""

from __future__ import annotations

import sys
import tempfile

from bench.apart import run_apart

PYTHON = (sys.executable, "-I", "-S", "-c")


def test_the_memory_of_the_caller_is_not_the_commands() -> None:
    held = bytearray(b"x" * 400_000_000)
    used = run_apart([*PYTHON, "pass"])
    assert used.peak_megabytes < 100
    assert len(held) > 0


def test_what_a_command_and_its_children_use_is_counted() -> None:
    child = "held = b'x' * 200_000_000; sum(i * i for i in range(3_000_000))"
    used = run_apart([*PYTHON, f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"])
    assert used.exit_code == 0
    assert 190 < used.peak_megabytes < 300
    assert used.cpu_seconds > 0.05


def test_how_it_ended_is_told() -> None:
    assert run_apart([*PYTHON, "raise SystemExit(3)"]).exit_code == 3
    assert run_apart([*PYTHON, "import os; os.kill(os.getpid(), 9)"]).exit_code == -9


def test_what_it_prints_goes_where_it_was_sent() -> None:
    with tempfile.TemporaryFile() as said:
        run_apart([*PYTHON, "print('done')"], stdout=said)
        said.seek(0)
        assert said.read() == b"done\n"


def test_a_command_killed_together_with_what_watches_it_has_failed() -> None:
    assert run_apart([*PYTHON, "import os, signal; os.killpg(0, signal.SIGKILL)"], start_new_session=True).exit_code


def test_what_a_command_leaves_behind_in_its_session_is_ended() -> None:
    left = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid)"
    with tempfile.TemporaryFile("w+") as said:
        assert run_apart([*PYTHON, left], stdout=said, start_new_session=True).exit_code == 0  # it does not wait for it
