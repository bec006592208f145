"""What the machine lets this process have."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path

_MOST_FOR_QUERIES = 2 * 2**30
#: Queries, the judge of incoming rows and what is made of both are held at the same time.
_SHARE_FOR_QUERIES = 4


@functools.cache
def query_memory_limit() -> str:
    """What one DuckDB of this process may hold before it spills to disk, such as ``"2048MiB"``.

    A quarter of the memory that the process may use, at most 2 GiB.
    """
    return f"{min(_MOST_FOR_QUERIES, memory_bytes() // _SHARE_FOR_QUERIES) // 2**20}MiB"


def memory_bytes(
    groups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup"), installed: int | None = None
) -> int:
    """Memory that this process may use: what is installed, or less where a control group (a container) says so.

    Args:
        groups: Where the control groups are mounted.
        own: The file that says in which of them this process is.
        installed: Bytes that the machine has; asked of the system by default.
    """
    if installed is None:
        installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([installed, *_limits(groups, own)])


def _limits(groups: Path, own: Path) -> Iterator[int]:
    """What the process' control groups of memory allow, of version 1 and 2, their parents' included."""
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        return  # another system than Linux
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        root, file = (groups / "memory", "memory.limit_in_bytes") if controllers else (groups, "memory.max")
        # Within a container its own group is the root of what is mounted, whatever it is called outside.
        folder = root / path.lstrip("/")
        for group in (folder, *folder.parents):
            if group.is_relative_to(root):
                yield from _number_in(group / file)


def _number_in(file: Path) -> Iterator[int]:
    try:
        said = file.read_text(encoding="utf-8").strip()
    except OSError:
        return
    if said.isdigit():  # "max" is no limit
        yield int(said)
