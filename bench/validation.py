"""Judging a file by the rules of a contract: against Great Expectations on pandas, and what the split of rows adds.

Both sides begin at the same Parquet file of typed rows, as ingest stages it (``bench/receipts.py``). Ours is the judge
of :mod:`holdback.contracts`: Great Expectations over DuckDB. The peer's (``bench/peers/frame_validation.py``) is the
same version with the same expectations on a pandas frame of the columns that they name, asked for counts without
examples. Both import Great Expectations, which is four of our seconds. The split reads the file, finds the rows that
broke a rule, and writes the good ones to one file and the bad ones, with their reasons, to another.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.measuring import Measured, Size, measure, taking_turns, task
from bench.peers import NotInstalled, python_of
from bench.reporting import Line, Theme, at_least, at_most

PEER = Path(__file__).parent / "peers" / "frame_validation.py"
_VERDICT, _SPLIT, _PANDAS = "the verdict", "the split", "Great Expectations on pandas"


def theme(size: Size) -> Theme:
    """Measure the verdict against the peer's, and the split against the verdict."""
    rows = size.of(5_000_000, 100_000)
    with tempfile.TemporaryDirectory(prefix="holdback-bench-") as folder:
        written = measure(task("receipts", "write", folder, rows), runs=1, label="writing receipts")
        commands = {_VERDICT: task("receipts", "judge", folder), _SPLIT: task("receipts", "split", folder)}
        why = "a quick run builds no peers"
        if not size.is_quick:
            try:
                commands[_PANDAS] = [python_of("frame_validation"), str(PEER), folder]
            except NotInstalled as error:
                why = str(error)
        found = taking_turns(commands, runs=size.runs)
    return Theme(_lines(found, rows, why), tuple(faults(json.loads(written.output), found)))


def _lines(found: Mapping[str, Measured], rows: int, why: str) -> tuple[Line, ...]:
    what = f"validation, 25 rules, {rows:,} rows, against {_PANDAS}"
    ours, split, peer = found[_VERDICT], found[_SPLIT], found.get(_PANDAS)
    beside = f"quarantine split of {rows:,} rows, against their validation"
    less, third = "peak memory of the same", "at most 0.33 x"
    if peer is None:
        unknown = Line(what, why, "at least 4 x less", None), Line(less, why, third, None)
        return (*unknown, at_most(beside, split, ours, 2))
    share = ours.peak_megabytes / peer.peak_megabytes
    told = f"{share:.2f} x ({ours.peak_megabytes:,.0f} MB / {peer.peak_megabytes:,.0f} MB)"
    return at_least(what, ours, peer, 4), Line(less, told, third, share * 3), at_most(beside, split, ours, 2)


def faults(planted: Mapping[str, int], found: Mapping[str, Measured]) -> Iterator[str]:
    """Say where a side found something else than was planted: bad rows of a rule, or whether it holds.

    Args:
        planted: What ``bench.receipts write`` printed.
        found: Each side's measure; all that is planted must be found by one or the other.
    """
    for side, measured in found.items():
        said = json.loads(measured.output)
        for name, count in said.items():
            if count != planted[name]:
                yield f"validation: {side}: {name}: {count} instead of {planted[name]}"
        if len(said) != {_SPLIT: 20}.get(side, 25):
            yield f"validation: {side}: {len(said)} figures"
        if len(measured.outputs) > 1:
            yield f"validation: {side}: two runs found different things"
