"""How long work tells whoever watches how far it is. The command line draws a bar; flows and tests stay silent."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called at the start of each step of a longer work."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """Say that ``done`` of ``total`` steps are over and ``step`` begins."""
        ...


def silent(step: str, done: int, total: int) -> None:
    """Say nothing."""
