"""The judge of a process, kept from one run to the next: most days are judged by the contracts of the day before."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from holdback.contracts.judging import Judge
from holdback.sources import disk_errors


@dataclass(frozen=True)
class _Kept:
    process: int
    home: Path
    judge: Judge


#: At most one, and nobody's while it is lent.
_waiting: list[_Kept] = []


@contextmanager
def lent_judge(home: Path, *, threads: int) -> Iterator[Judge]:
    """Lend a judge with a private staging folder in ``home``; the folder is gone afterwards, the judge is kept.

    The folder has the same name each time, because the judge's expectations name it; no other judge's has it. A run
    that failed takes its judge with it.

    Args:
        home: Folder of the business; must exist.
        threads: Threads that DuckDB may use.
    """
    judge = _taken(home, threads)
    try:
        with disk_errors(home):
            judge.folder.mkdir(mode=0o700)
        yield judge
    except BaseException:
        judge.close()
        raise
    else:
        _keep(_Kept(os.getpid(), home, judge))
    finally:
        shutil.rmtree(judge.folder, ignore_errors=True)


def _taken(home: Path, threads: int) -> Judge:
    """Take the judge that waits, if it is ours; one of another business is let go."""
    while _waiting:
        try:
            kept = _waiting.pop()
        except IndexError:  # another thread was faster
            break
        if (kept.process, kept.home, kept.judge.threads) == (os.getpid(), home, threads):
            return kept.judge
        if kept.process == os.getpid():
            kept.judge.close()
    return Judge(home / f"staging-{uuid.uuid4().hex[:12]}", threads)


def _keep(kept: _Kept) -> None:
    _close_at_exit()
    _waiting.append(kept)
    while len(_waiting) > 1:
        _waiting.pop(0).judge.close()


@functools.cache
def _close_at_exit() -> None:
    """Register what must run before the vendors take themselves apart, which they registered earlier."""

    @atexit.register
    def close() -> None:
        while _waiting:
            kept = _waiting.pop()
            if kept.process == os.getpid():
                kept.judge.close()
