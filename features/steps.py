"""SQL in the house's style: one common table expression per step, each with the reason why it is there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One common table expression: its name, why it is there, its SELECT.

    Names begin with an underscore: no feed's name does, so a step never hides a table.
    """

    name: str
    comment: str
    sql: str


def select(columns: Iterable[str], rest: str) -> str:
    """Write a SELECT with one column per line; ``rest`` begins with its FROM."""
    return "select\n        " + ",\n        ".join(columns) + f"\n    {rest}"


def with_steps(steps: Iterable[Step]) -> str:
    """Write the WITH clause of a statement."""
    return "with\n" + ",\n\n".join(f"-- {s.name}: {s.comment}\n{s.name} as (\n    {s.sql}\n)" for s in steps)
