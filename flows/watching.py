"""Progress of long work: a bar on a terminal, plain lines elsewhere, nothing for machines."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from holdback.progress import Progress, silent

_SECONDS_BETWEEN_LINES = 2.0

_current: ContextVar[Progress] = ContextVar("progress", default=silent)


def tell(step: str, done: int, total: int) -> None:
    """Pass a step on to whoever watches this run; give this function to the packages below as ``progress``."""
    _current.get()(step, done, total)


@contextmanager
def watched(title: str, *, quiet: bool = False) -> Iterator[None]:
    """Show on stderr how far the work inside is."""
    if quiet:
        yield
    elif sys.stderr.isatty():
        with _bar(title) as progress, _watching(progress):
            yield
    else:
        with _watching(_lines(title)):
            yield


@contextmanager
def _watching(progress: Progress) -> Iterator[None]:
    token = _current.set(progress)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def _bar(title: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        SpinnerColumn(),
        TextColumn("[bold]{task.fields[title]}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("starting", total=None, title=title)

        def show(step: str, done: int, total: int) -> None:
            bars.update(bar, description=step, completed=done, total=total)

        yield show


def _lines(title: str) -> Progress:
    last = [float("-inf")]

    def show(step: str, done: int, total: int) -> None:
        if time.monotonic() - last[0] >= _SECONDS_BETWEEN_LINES:
            last[0] = time.monotonic()
            sys.stderr.write(f"{title}: {step} ({done} of {total})\n")
            sys.stderr.flush()

    return show
