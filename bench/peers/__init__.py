"""Other tools that do the same work, each in an environment of its own, built from a pinned requirements file."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from bench.measuring import ROOT, say

_FOLDER = Path(__file__).parent


class NotInstalled(Exception):
    """The peer's environment cannot be built here; the message says why."""


def python_of(peer: str) -> str:
    """Return the Python of a peer's environment, building it the first time and when its requirements change.

    Args:
        peer: Name of a requirements file beside this one, without ``.txt``.

    Raises:
        NotInstalled: pip failed.
    """
    requirements = _FOLDER / f"{peer}.txt"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    folder = ROOT / "build" / "peers" / f"{peer}-{digest}"
    python, stamp = folder / "bin" / "python", folder / "installed"
    if not stamp.exists():
        say(f"{peer}: building its environment")
        clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(folder)],
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(requirements)],
        ):
            done = subprocess.run(command, env=clean, capture_output=True, text=True, check=False)
            if done.returncode:
                last = (done.stderr.strip().splitlines() or ["no message"])[-1]
                raise NotInstalled(f"{' '.join(command[1:4])} ended with {done.returncode}: {last[:160]}")
        stamp.touch()
    return str(python)
