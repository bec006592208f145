"""A model's probabilities and their reasons: ``python -m bench.models build|describe|ours|catboost|reasons FOLDER``.

The model is one of the platform's own (three seeds in one booster, calibrated, four categories); the customers are
those of the bench's company, told several times where more rows are wanted than were described. Imports, loading and
what CatBoost is given ready-made are left out: these lines are about the work alone.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.inside import counted, inside, results
from bench.measuring import THREADS, Measured, Size, measure, taking_turns, task
from bench.reporting import Line, Theme
from bench.world import AS_OF, business

if TYPE_CHECKING:
    import pyarrow as pa

EXPLAINED_SHARE = 0.05
_CHECKED = 500  # customers whose reasons are added up again


def theme(size: Size) -> Theme:
    """Measure predicting against CatBoost alone and against describing, and reasons against predicting."""
    customers, rows = size.of(100_000, 8_000), size.of(1_000_000, 40_000)
    with tempfile.TemporaryDirectory(prefix="holdback-bench-") as name:
        folder = Path(name)
        measure(task("models", "build", folder, customers), runs=1, label="writing the company and its model")
        described = measure(task("models", "describe", folder), runs=size.runs, label="describing customers")
        found = taking_turns(
            {name: task("models", name, folder, rows) for name in ("ours", "catboost", "reasons")}
            | {"ours, once": task("models", "ours", folder, customers)},
            runs=size.runs,
        )
    ours, peer, reasons, once = (found[name] for name in ("ours", "catboost", "reasons", "ours, once"))
    told = json.loads(ours.output)
    of = f"{told['trees']} trees on {told['columns']} columns"
    lines = (
        _line(f"{rows:,} rows, {of}: from the feature table to probabilities, against CatBoost's own predict on ready "
              "columns, one thread each (imports and loading left out)", ours, peer, 1.3),
        _line(f"predicting {customers:,} customers, against building their features (the same)", once, described, 0.1),
        _line(f"reasons for {EXPLAINED_SHARE:.0%} of {rows:,} customers, against predicting everybody (the same)",
              reasons, ours, 10),
    )  # fmt: skip
    return Theme(lines, tuple(_wrong(ours, peer, reasons, round(rows * EXPLAINED_SHARE))))


def _line(what: str, ours: Measured, other: Measured, times: float) -> Line:
    mine, theirs = inside(ours).cpu_seconds, inside(other).cpu_seconds
    ratio = mine / theirs
    whole = f"whole processes {ours.cpu_seconds:.1f} s / {other.cpu_seconds:.1f} s"
    both = f"{ratio:.3g} x ({mine:.2f} s / {theirs:.2f} s of CPU; {whole})"
    return Line(what, both, f"at most {times:g} x", ratio / times)


def _wrong(ours: Measured, peer: Measured, reasons: Measured, expected: int) -> list[str]:
    wrong = []
    if len({told["digest"] for told in (*results(ours), *results(peer))}) > 1:
        wrong.append("predicting: not the bits of CatBoost's own predict on the plain path's columns")
    for told in results(reasons):
        if told["explained"] != expected or told["error"] > 1e-9:
            wrong.append(f"reasons: {told['explained']:,} customers, off by {told['error']:.2g} of a probability")
    return wrong


def describe(folder: Path) -> dict[str, Any]:
    """Build the features of the day, and keep them."""
    import pyarrow as pa

    from features.build import feature_steps
    from holdback.workspace import Workspace
    from training.scoring.part_files import write

    company, told = business(), dict[str, Any]()
    warehouse = Workspace(folder, company).warehouse
    with counted(told):
        table = pa.concat_tables(feature_steps(warehouse, company, company.churn[0], AS_OF))
    write(folder / "described.arrow", table)
    return told | {"rows": table.num_rows}


def ours(folder: Path, rows: int) -> dict[str, Any]:
    """Give every row its probability as :func:`training.scoring.score_part` does, part by part."""
    from features.families import feature_set
    from training.churn import load
    from training.scoring.predicting import probability_of

    model, declared, told = load(folder / "model.cbm"), feature_set(business()), dict[str, Any]()
    parts = _parts(folder, rows)
    with counted(told):
        found = [probability_of(model, part, declared) for part in parts]
    size = {"trees": model.booster.tree_count_, "columns": len(model.encoding.names)}
    return told | size | {"digest": _digest(np.concatenate(found))}


def catboost(folder: Path, rows: int) -> dict[str, Any]:
    """Let CatBoost predict all rows at once, of columns that the plain path made ready for it."""
    import pandas as pd
    import pyarrow as pa

    from features.families import feature_set
    from training.churn import load
    from training.datasets import feature_frame

    model, told = load(folder / "model.cbm"), dict[str, Any]()
    table = pa.concat_tables(_parts(folder, rows))
    ready = model.encoding.apply(feature_frame(table, feature_set(business())))
    for name in model.encoding.categories:
        ready[name] = pd.Categorical(ready[name])  # its fastest kind of a category
    with counted(told):
        found = model.booster.predict_proba(ready, thread_count=1)  # as ours: a second one costs CPU time
    return told | {"digest": _digest(np.ascontiguousarray(found[:, 1]))}


def reasons(folder: Path, rows: int) -> dict[str, Any]:
    """Write down the reasons of the riskiest as :func:`training.scoring.explain_part` does, part by part."""
    import pyarrow as pa
    from scipy import special

    from features.families import feature_set
    from training.churn import load
    from training.datasets import feature_frame
    from training.reasons import explain, to_json
    from training.scoring.predicting import probability_of

    model, declared, told = load(folder / "model.cbm"), feature_set(business()), dict[str, Any]()
    parts = _parts(folder, rows)
    risk = np.concatenate([probability_of(model, part, declared) for part in parts])
    chosen = np.sort(np.argsort(-risk, kind="stable")[: round(rows * EXPLAINED_SHARE)])
    texts: list[str] = []
    with counted(told):
        start = 0
        for part in parts:
            own = chosen[(chosen >= start) & (chosen < start + part.num_rows)] - start
            frame = feature_frame(part.take(pa.array(own)), declared)
            found = explain(model, frame, declared, language="en", currency="EUR", threads=THREADS)
            texts += [to_json(one) for one in found]
            start += part.num_rows
    some = feature_frame(pa.concat_tables(parts).take(pa.array(chosen[:_CHECKED])), declared)
    contributions, base = model.contributions(some, threads=THREADS)
    error = np.abs(special.expit(base + contributions.sum(axis=1)) - risk[chosen[:_CHECKED]]).max()
    return told | {"explained": len(texts), "error": float(error)}


def _parts(folder: Path, rows: int) -> list[pa.Table]:
    """The described customers, as often as it takes, in parts of whole steps as a day's plan makes them."""
    import pyarrow as pa

    from training.scoring.parts import divided

    with pa.OSFile(str(folder / "described.arrow")) as source:
        table = pa.ipc.open_file(source).read_all()
    steps = table.to_batches()
    largest = max(step.num_rows for step in steps)
    whole = [step for step in steps if step.num_rows == largest]
    at_once = divided(rows, largest) // largest
    needed = [whole[number % len(whole)] for number in range(-(-rows // largest))]
    parts = [pa.Table.from_batches(needed[start : start + at_once]) for start in range(0, len(needed), at_once)]
    return [*parts[:-1], parts[-1].slice(0, rows - sum(part.num_rows for part in parts[:-1]))]


def _digest(found: np.ndarray) -> str:
    return hashlib.sha256(found.tobytes()).hexdigest()


if __name__ == "__main__":
    which, where, *count = sys.argv[1:]
    if which == "build":
        from bench.spark import build

        build(Path(where), int(count[0]))
    elif which == "describe":
        print(json.dumps(describe(Path(where))))
    else:
        print(json.dumps({"ours": ours, "catboost": catboost, "reasons": reasons}[which](Path(where), int(count[0]))))
