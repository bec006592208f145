"""Effects of a finished campaign: ``python -m bench.effects table|effects FOLDER [CUSTOMERS]``.

Two questions. What ten effects with their intervals cost beside tea-tasting, both from one table of what became of each
customer; and what it takes to find that out from the events. tea-tasting is the version that our own environment pins
(``constraints.txt``), run by our own Python.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bench.inside import counted, inside, results
from bench.measuring import Measured, Size, measure, taking_turns, task
from bench.reporting import Line, Theme, memory, seconds

METRICS: tuple[tuple[str, str, str | None, str | None], ...] = (
    ("churned", "churned", None, None),
    ("margin", "margin_cents", None, "before_cents"),
    ("revenue", "revenue_cents", None, "before_cents"),
    ("cost", "cost_cents", None, None),
    ("kept", "kept_cents", None, None),
    ("reached", "reached", None, None),
    ("visits", "visits", None, None),
    ("nps", "nps", "answered", None),
    ("score", "score", "answered", None),
    ("per visit", "revenue_cents", "visits", None),
)
"""Name, numerator, denominator (None: per customer) and covariate of each."""
TOTALS = tuple(dict.fromkeys(name for _, *named in METRICS for name in named if name is not None))
_PEER = str(Path(__file__).parent / "peers" / "tea_tasting_effects.py")
_LEVEL = 0.95


def theme(size: Size) -> Theme:
    """Measure ten effects against tea-tasting, and the reading of a finished campaign's outcomes."""
    customers = size.of(1_000_000, 50_000)
    with tempfile.TemporaryDirectory(prefix="holdback-bench-") as folder:
        beside = _beside_tea_tasting(Path(folder) / "table", customers, size)
        read = _read(Path(folder) / "lake", size.of(1_000_000, 200_000), size)
    return Theme((*beside.lines, *read.lines), (*beside.wrong, *read.wrong))


def _beside_tea_tasting(folder: Path, customers: int, size: Size) -> Theme:
    measure(task("effects", "table", folder, customers), runs=1, label="writing what became of customers")
    found = taking_turns(
        {
            "ten effects": task("effects", "effects", folder),
            "tea-tasting": [sys.executable, _PEER, str(folder / "customers.parquet"), json.dumps(METRICS)],
        },
        runs=size.runs,
    )
    ours, peer = found["ten effects"], found["tea-tasting"]
    mine, theirs = inside(ours).cpu_seconds, inside(peer).cpu_seconds
    whole = f"whole processes {ours.cpu_seconds:.2f} s / {peer.cpu_seconds:.2f} s"
    line = Line(
        f"{len(METRICS)} effects with intervals of {customers:,} customers, one row each in a Parquet file, against "
        "tea-tasting on pandas (imports left out)",
        f"{theirs / mine:.1f} x less CPU ({mine:.2f} s / {theirs:.2f} s; {whole})",
        "at least 5 x less",
        5 * mine / theirs,
    )
    return Theme((line,), tuple(_differing(ours, peer)))


def _differing(ours: Measured, peer: Measured) -> list[str]:
    """Every estimate and every end of an interval must agree to 1e-9 of the interval's size."""
    mine, theirs = (results(side)[0]["effects"] for side in (ours, peer))
    return [
        f"effect on {name}: {mine[name]} instead of {theirs[name]}"
        for name, *_ in METRICS
        if not np.allclose(mine[name], theirs[name], rtol=1e-9, atol=1e-9 * (theirs[name][2] - theirs[name][1]))
    ]


def _read(folder: Path, customers: int, size: Size) -> Theme:
    written = measure(task("child", "campaign", folder, customers), runs=1, label="writing the campaign")
    read = measure(task("child", "outcomes", folder), runs=size.runs, label="outcomes")
    expected, found = json.loads(written.output), json.loads(read.output)
    wrong = [f"{key}: {found[key]} instead of {expected[key]}" for key in expected if found[key] != expected[key]]
    what = f"16 totals of {customers:,} customers in a campaign, with all their covariances"
    return Theme((seconds(what, read, 10), memory("peak memory of the same", read, 2000)), tuple(wrong))


def write_table(folder: Path, customers: int) -> None:
    """Write what became of each customer: one in five held out, money in cents, one in six answered a survey."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(17)
    treated = rng.random(customers) < 0.8
    likes = rng.lognormal(0, 0.8, customers)
    revenue = (3_000 * likes * rng.lognormal(0, 0.6, customers) * (1 + 0.03 * treated)).round()
    cost = np.where(treated, 400.0 * (rng.random(customers) < 0.9), 0.0)
    churned = rng.random(customers) < np.where(treated, 0.10, 0.12)
    answered = (rng.random(customers) < 0.17).astype(float)
    score = answered * rng.integers(0, 11, customers)
    columns = {
        "variant": treated.astype(np.int64),
        "churned": churned.astype(float),
        "margin_cents": 0.4 * revenue - cost,
        "before_cents": (3_000 * likes * rng.lognormal(0, 0.6, customers)).round(),
        "revenue_cents": revenue,
        "cost_cents": cost,
        "kept_cents": np.where(churned, 0.0, rng.integers(0, 90_000, customers)),
        "reached": (treated & (rng.random(customers) < 0.7)).astype(float),
        "visits": rng.poisson(3, customers).astype(float),
        "nps": answered * ((score >= 9).astype(float) - (score <= 6)),
        "answered": answered,
        "score": score,
    }
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), folder / "customers.parquet")


def ten_effects(folder: Path) -> dict[str, Any]:
    """Aggregate the customers as outcomes are, and compute the effects as campaigns' are."""
    from holdback.warehouse import Lake
    from monitoring.effects import mean_effect
    from monitoring.outcomes.aggregates import centred, moment_columns, moments_from

    names, told = ("customers", *TOTALS), dict[str, Any]()
    lake = Lake(folder, {})
    rows = f"(select variant, 1e0 as customers, {', '.join(TOTALS)} from read_parquet('{folder}/customers.parquet'))"
    about = ", ".join(f"round(avg({name})) as {name}" for name in names)
    lake.query("select 1")  # DuckDB is started before, as pandas is imported
    with counted(told):
        centre = lake.query(f"select {about} from {rows} as units").to_pylist()[0]
        values = ", ".join(f"{value!r}::double as {name}" for name, value in centre.items())
        found = lake.query(
            f"with _centre as (select {values}) select variant, {moment_columns(names)} from (select "
            f"{centred(names, 'variant')} from {rows} as units cross join _centre) group by variant"
        ).to_pylist()
        middle = np.array([centre[name] for name in names])
        groups = {row["variant"]: moments_from(row, names, np.eye(len(names)), middle) for row in found}
        effects = {
            name: mean_effect(
                groups[1], groups[0], above, metric=name, level=_LEVEL, denominator=below or "customers",
                covariate=covariate,
            )
            for name, above, below, covariate in METRICS
        }  # fmt: skip
    return told | {"effects": {name: [one.estimate, one.low, one.high] for name, one in effects.items()}}


if __name__ == "__main__":
    which, where, *count = sys.argv[1:]
    if which == "table":
        write_table(Path(where), int(count[0]))
    else:
        import monitoring.effects  # noqa: F401 - what is imported here is not measured

        print(json.dumps(ten_effects(Path(where))))
