"""What a task measures of itself, when imports and loading are not the question."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from bench.measuring import Measured

CPU = "cpu_seconds"
"""Under which a task prints the CPU seconds (user and system, all threads) of its work alone."""


@contextmanager
def counted(told: dict[str, Any]) -> Iterator[None]:
    """Write into ``told`` what the block costs."""
    before = time.process_time()
    yield
    told[CPU] = time.process_time() - before


def inside(measured: Measured) -> Measured:
    """The same task by what it counted of itself; the median of its runs."""
    return replace(measured, cpu_seconds=statistics.median(json.loads(told)[CPU] for told in measured.outputs))


def results(measured: Measured) -> list[dict[str, Any]]:
    """What every run found, its cost left out; runs that agree are told once."""
    found: list[dict[str, Any]] = []
    for told in sorted(measured.outputs):
        result = {name: value for name, value in json.loads(told).items() if name != CPU}
        if result not in found:
            found.append(result)
    return found
