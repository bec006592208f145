"""A day's drift beside Evidently's own preset: ``python -m bench.drift write|reference|day FOLDER [ROWS]``.

Two tables of twenty columns with a drift planted in five of them. Both sides read the same files. Evidently is the
version that our own environment pins (``constraints.txt``), run by our own Python. The reference is computed once for
each model; what a day costs is the day alone, where Evidently reads both tables again: both are told.
"""

from __future__ import annotations

import json
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench.inside import results
from bench.measuring import Measured, Size, measure, taking_turns, task
from bench.reporting import Theme, at_least
from holdback.warehouse import Lake
from monitoring.drift import Kind

NUMBERS, CATEGORIES = 14, 6
REFERENCE_DAY, DAY = date(2025, 10, 1), date(2026, 1, 1)
DRIFTED = ("number_0", "number_5", "number_9", "category_1", "category_4")
KINDS: dict[str, Kind] = {
    **{f"number_{i}": "number" for i in range(NUMBERS)},
    **{f"category_{i}": "category" for i in range(CATEGORIES)},
}
_PEER = str(Path(__file__).parent / "peers" / "evidently_preset.py")


def theme(size: Size) -> Theme:
    """Measure a day's drift, with its reference and without, against Evidently."""
    rows = size.of(1_000_000, 20_000)
    with tempfile.TemporaryDirectory(prefix="holdback-bench-") as folder:
        measure(task("drift", "write", folder, rows), runs=1, label="writing two tables")
        measure(task("drift", "reference", folder), runs=1, label="keeping the reference")
        found = taking_turns(
            {
                "a day's drift": task("drift", "day", folder),
                "with its reference": task("drift", "both", folder),
                "Evidently": [sys.executable, _PEER, folder, *KINDS],
            },
            runs=size.runs,
        )
    day, both, peer = (found[name] for name in ("a day's drift", "with its reference", "Evidently"))
    of = f"{len(KINDS)} columns x {rows:,} rows"
    lines = (
        at_least(f"drift of {of} against the kept reference, against Evidently's DataDriftPreset", day, peer, 20),
        at_least("the same, with the reference (as many rows) computed anew", both, peer, 20),
    )
    return Theme(lines, tuple(wrong(day, both, peer)))


def wrong(*sides: Measured) -> list[str]:
    """Whoever did not find the columns that were moved, and no others."""
    return [
        f"drift: {told['drifted']} instead of {sorted(DRIFTED)}"
        for side in sides
        for told in results(side)
        if told["drifted"] != sorted(DRIFTED)
    ]


def write(folder: Path, rows: int) -> None:
    """Write the tables ``described`` and ``today``, with the kind of numbers and categories that features are."""
    for name, day, is_moved, seed in (("described", REFERENCE_DAY, False, 1), ("today", DAY, True, 2)):
        rng = np.random.default_rng(seed)
        moved = set(DRIFTED) if is_moved else set()
        columns: dict[str, Any] = {
            "customer_id": [f"c-{i:08d}" for i in range(rows)],
            "as_of": pa.array([day] * rows, pa.date32()),
        }
        for place, column in enumerate(KINDS):
            columns[column] = _drawn(rng, place, rows, KINDS[column], is_moved=column in moved)
        _lake(folder).append(name, pa.table(columns), batch=name)


def _drawn(rng: np.random.Generator, place: int, rows: int, kind: Kind, *, is_moved: bool) -> pa.Array:
    """Amounts, counts with many zeros and shares with gaps; categories of 4 to 14 values."""
    if kind == "category":
        levels = [f"value {i}" for i in range(4 + 2 * (place - NUMBERS))]
        odds = np.arange(len(levels), 0, -1.0) + (np.arange(len(levels)) * 2.0 if is_moved else 0.0)
        drawn = pa.array(rng.choice(len(levels), rows, p=odds / odds.sum()).astype(np.int32))
        return pa.DictionaryArray.from_arrays(drawn, pa.array(levels)).cast(pa.string())
    if place % 3 == 0:
        return pa.array(rng.lognormal(4 + 0.5 * is_moved, 1, rows).round(2))
    if place % 3 == 1:
        return pa.array(rng.poisson(1.5 + is_moved, rows).astype(float))
    return pa.array(rng.beta(2 + is_moved, 3, rows), mask=rng.random(rows) < 0.1)


def keep_reference(folder: Path) -> None:
    """Compute the reference and keep it, as the first report of a model does."""
    from monitoring.drift import reference_bins
    from monitoring.drift.storage import to_rows

    reference = reference_bins(_lake(folder), "described", KINDS)
    rows = to_rows(reference, batch_id="-", feed="features", as_of=DAY)
    (folder / "reference.json").write_text(json.dumps(rows, default=str), encoding="utf-8")


def day(folder: Path, *, is_kept: bool) -> dict[str, Any]:
    """Compare the day with the reference, which is kept or computed anew."""
    from monitoring.drift import bin_counts, day_drift, largest_unknown, reference_bins
    from monitoring.drift.storage import from_rows

    lake = _lake(folder)
    if is_kept:
        reference = from_rows(json.loads((folder / "reference.json").read_text(encoding="utf-8")))
        assert reference is not None
    else:
        reference = reference_bins(lake, "described", KINDS)
    counts = bin_counts(lake, "today", reference.columns)
    unknown = largest_unknown(lake, "today", reference.columns)
    rows = int(lake.query("select count(*) as n from today")["n"][0].as_py())
    found = day_drift(reference, counts, row_count=rows, unknown=unknown)
    return {"drifted": sorted(column.name for column in found.drifted), "rows": rows}


def _lake(folder: Path) -> Lake:
    return Lake(folder, {})


if __name__ == "__main__":
    which, where, *count = sys.argv[1:]
    if which == "write":
        write(Path(where), int(count[0]))
    elif which == "reference":
        keep_reference(Path(where))
    else:
        print(json.dumps(day(Path(where), is_kept=which == "day")))
