"""Run a command with no more memory and cores than a small machine has, by the operating system's own limits."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.apart import run_apart

_GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Spent:
    """What a command cost, its children included, and what it printed."""

    wall_seconds: float
    cpu_seconds: float
    peak_megabytes: float
    exit_code: int
    output: str


@dataclass(frozen=True)
class Limit:
    """What a command may use.

    Args:
        megabytes: Memory of all its processes together (control group), or of each process (its own data, where no
            control group can be made).
        cores: How many.
        group: The control group's folder; None where none can be made.
    """

    megabytes: int
    cores: int
    group: Path | None

    @property
    def says(self) -> str:
        """How the limit is set, in words."""
        how = "a control group" if self.group is not None else "RLIMIT_DATA of each process"
        return f"{self.cores} cores, {self.megabytes:,} MB set with {how}"

    def run(self, command: Sequence[str], *, environment: Mapping[str, str], cwd: Path) -> Spent:
        """Run a command to its end."""
        began = time.monotonic()
        with tempfile.TemporaryFile("w+") as said:  # a pipe would stay open as long as any child of it lives
            used = run_apart(
                command, cwd=cwd, env=dict(environment), stdout=said, stderr=said, start_new_session=True,
                preexec_fn=self._enter,
            )  # fmt: skip
            spent = time.monotonic() - began
            said.seek(0)
            return Spent(spent, used.cpu_seconds, used.peak_megabytes, used.exit_code, said.read())

    def _enter(self) -> None:
        """Put the new process under the limit, before it becomes the command."""
        if self.group is not None:
            (self.group / "cgroup.procs").write_text(str(os.getpid()))
        else:
            allowed = self.megabytes * 2**20
            resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: self.cores])


@contextmanager
def limited(megabytes: int, cores: int) -> Iterator[Limit]:
    """Lend a limit, and take its control group down again."""
    group = _control_group(megabytes)
    try:
        yield Limit(megabytes, cores, group)
    finally:
        if group is not None:
            group.rmdir()


def _control_group(megabytes: int) -> Path | None:
    """Make a control group with the limit: of version 2 or 1, as the machine has; None without the right to."""
    for parent, file in ((_GROUPS, "memory.max"), (_GROUPS / "memory", "memory.limit_in_bytes")):
        group = parent / f"holdback-bench-{os.getpid()}"
        try:
            if not (parent / "cgroup.procs").exists():
                continue  # an ordinary folder: what is made in it limits nothing
            group.mkdir()
        except OSError:
            continue
        try:
            (group / file).write_text(str(megabytes * 2**20))
        except OSError:
            group.rmdir()
            continue
        return group
    return None
