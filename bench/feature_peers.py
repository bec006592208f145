"""The same features by other tools, from Parquet files of the same rows: equal to 1e-9, and what each costs."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bench.measuring import Size, measure, taking_turns, task
from bench.peers import NotInstalled, python_of
from bench.reporting import Line, at_least
from bench.world import AS_OF, business

PRECISION = 1e-9


@dataclass(frozen=True)
class Peer:
    """Another tool and what of the features it computes.

    Args:
        name: As in ``bench/peers/NAME.txt`` and ``NAME_features.py``.
        told: What stands in the table.
        which: The features (:func:`bench.chosen.chosen`).
        times: How much less CPU was promised.
        option: What its script is told besides.
        customers: A smaller company than the usual one, for a peer that would take too long.
    """

    name: str
    told: str
    which: str
    times: float
    option: str = ""
    customers: int | None = None


PEERS = (
    Peer("pandas", "pandas", "shared", 4),
    Peer("pyspark", "PySpark local[2], Java's CPU included", "shared", 15),
    Peer("featuretools", "featuretools", "shared", 10, customers=20_000),
    Peer("feast", "feast's point-in-time join, its usual store of files, of visible rows only", "newest", 8, "dask"),
    Peer("feast", "feast's point-in-time join, its DuckDB store, of visible rows only", "newest", 8, "duckdb"),
)


def against_peers(folder: Path, customers: int, size: Size) -> tuple[list[Line], list[str]]:
    """Measure every peer beside ours, and compare every value.

    Args:
        folder: The company's warehouse.
        customers: How many it has.
        size: The quick run measures no peer: building an environment takes minutes.

    Returns:
        A line per peer, and what is not equal.
    """
    lines, wrong = [], []
    for peer in PEERS:
        what = f"features against {peer.told}"
        if size.is_quick:
            lines.append(Line(what, "not in the quick run", f"at least {peer.times:g} x less", None))
            continue
        with tempfile.TemporaryDirectory(prefix="holdback-bench-") as place:
            here, count = folder, customers
            if peer.customers is not None and peer.customers < customers:
                here, count = Path(place, "company"), peer.customers
                measure(task("child", "build", here, count), runs=1, label=f"writing {count:,} customers")
            try:
                line, different = _beside(peer, here, count, Path(place), size)
            except NotInstalled as error:
                line, different = Line(what, str(error), f"at least {peer.times:g} x less", None), []
        lines.append(line)
        wrong += different
    return lines, wrong


def _beside(peer: Peer, folder: Path, customers: int, place: Path, size: Size) -> tuple[Line, list[str]]:
    python = python_of(peer.name)
    data = place / "data"
    measure(task("child", "export", folder, data), runs=1, label="exporting")
    theirs, ours = place / "theirs.parquet", place / "ours.parquet"
    script = str(Path(__file__).parent / "peers" / f"{peer.name}_features.py")
    instants = [business().instant(AS_OF - timedelta(days=days)).isoformat() for days in (0, 90, 365)]
    found = taking_turns(
        {
            peer.name: [python, script, str(data), instants[0], str(theirs), *instants[1:], peer.option],
            f"ours beside {peer.name}": task("child", "features", folder, peer.which, ours),
        },
        runs=size.runs,
    )
    built = found[f"ours beside {peer.name}"]
    described = json.loads(built.output)
    what = f"{described['features']} features, {customers:,} customers, against {peer.told}"
    return at_least(what, built, found[peer.name], peer.times), [
        f"{peer.name}: {fault}" for fault in differences(ours, theirs)
    ]


def differences(ours: Path, theirs: Path) -> list[str]:
    """Say which columns of two feature tables, each a Parquet file or a folder of them, are not equal to 1e-9."""
    import numpy as np
    import pandas as pd

    mine, other = (pd.read_parquet(file).set_index("customer_id").sort_index() for file in (ours, theirs))
    if list(mine.index) != list(other.index):
        return [f"{len(other)} customers instead of {len(mine)}, or others"]
    found = []
    for name in mine.columns.drop("as_of"):
        a, b = mine[name], other[name]
        if a.dtype.kind == "f":
            equal = np.isclose(a, b.astype("float64"), rtol=PRECISION, atol=0, equal_nan=True)
        else:
            equal = (a == b) | (a.isna() & b.isna())
        if not equal.all():
            found.append(f"{name} differs for {int((~np.asarray(equal)).sum()):,} customers")
    return found
