"""What a run of the benchmarks says: one line per promise, the table, the page with its chart."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass

from bench.measuring import THREADS, Measured


@dataclass(frozen=True)
class Line:
    """One promise and what was measured of it.

    Args:
        what: The work, its size, and what it is held against.
        measured: What came out, in words: the ratio first, both sides in brackets.
        goal: What was promised, in words.
        used: Share of the promise that is used up: at most 1 is held, 2 is twice what was promised. None when it was
            not measured; ``measured`` then says why.
    """

    what: str
    measured: str
    goal: str
    used: float | None

    @property
    def verdict(self) -> str:
        """``held``, ``MISSED`` or ``not measured``."""
        if self.used is None:
            return "not measured"
        return "held" if self.used <= 1 else "MISSED"


@dataclass(frozen=True)
class Theme:
    """What one part of the benchmarks found.

    Args:
        lines: Its promises.
        wrong: Results that were not what they must be; any makes the whole run fail.
    """

    lines: tuple[Line, ...]
    wrong: tuple[str, ...] = ()


def at_most(what: str, ours: Measured, other: Measured, times: float) -> Line:
    """Ours may cost at most so many times the CPU of the other."""
    ratio = ours.cpu_seconds / other.cpu_seconds
    both = f"{ratio:.2f} x ({ours.cpu_seconds:.2f} s / {other.cpu_seconds:.2f} s of CPU)"
    return Line(what, both, f"at most {times:g} x", ratio / times)


def at_least(what: str, ours: Measured, peer: Measured, times: float) -> Line:
    """A peer must cost at least so many times the CPU of ours."""
    ratio = peer.cpu_seconds / ours.cpu_seconds
    both = f"{ratio:.1f} x less CPU ({ours.cpu_seconds:.2f} s / {peer.cpu_seconds:.2f} s)"
    return Line(what, both, f"at least {times:g} x less", times / ratio)


def seconds(what: str, measured: Measured | float, limit: float) -> Line:
    """A cost in CPU seconds."""
    spent = measured if isinstance(measured, float) else measured.cpu_seconds
    return Line(what, f"{spent:.2f} s of CPU", f"at most {limit:g} s", spent / limit)


def memory(what: str, measured: Measured, limit: float, *, beside: Measured | None = None) -> Line:
    """A peak in MB; ``beside``: another's peak, told with it."""
    told = f"{measured.peak_megabytes:,.0f} MB" + (f" ({beside.peak_megabytes:,.0f} MB)" if beside else "")
    return Line(what, told, f"at most {limit:,.0f} MB", measured.peak_megabytes / limit)


def table(lines: Sequence[Line]) -> str:
    """Write the lines as a Markdown table."""
    rows = [("What", "Measured", "Goal", ""), ("---",) * 4]
    rows += [(line.what, line.measured, line.goal, line.verdict) for line in lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def page(lines: Sequence[Line], *, runs: int) -> str:
    """The page of the documentation."""
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return (
        "# Benchmarks\n\n"
        "Written by `make bench`; do not edit. Every line is a promise and what one run measured of it: CPU time\n"
        "(user and system) or peak memory of whole processes, interpreter and imports included where a line says\n"
        f"nothing else, medians of {runs} runs, {THREADS} threads. What is compared takes turns on the same data, so\n"
        "that a slow minute is everybody's; peers live in environments of their own, built from `bench/peers/*.txt`.\n"
        f"The ratios are the promise; the seconds belong to the machine: {machine}.\n\n"
        "A wrong result fails the run; a missed promise is printed as `MISSED`, and stays in the table until it is\n"
        "held. `python -m bench NAME` measures one theme, `BENCH_QUICK=1 make bench` all of them in small, without\n"
        "peers and without writing this page. To see where the time goes, `make profile` keeps a flame graph of each\n"
        'step of a day in `build/profiles` (`PROFILE_ARGS="--customers 20000"` for a larger company).\n\n'
        "![How much of each promise is used up](benchmarks.svg)\n\n"
        f"{table(lines)}\n"
    )
