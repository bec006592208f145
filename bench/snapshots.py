"""The features of twenty-four days that a model is trained on, against those of one day.

Run as a module it is what is measured: ``python -m bench.snapshots TASK FOLDER [TO]``.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measuring import Size, measure, taking_turns, task
from bench.reporting import Line, Theme, at_most, memory
from bench.world import AS_OF, business, lake_at

if TYPE_CHECKING:
    import pyarrow as pa

#: First days of twenty-four months, oldest first; the oldest one has two months of history.
DAYS = tuple(date(2024 + (1 + month) // 12, (1 + month) % 12 + 1, 1) for month in range(24))

#: Share of the rows that come up to three days late in the company that loads every night.
LATE_SHARE = 0.02


def theme(size: Size) -> Theme:
    """Measure many days against one, where months are loaded whole, and where nights are and some rows come late."""
    customers = size.of(100_000, 10_000)
    lines: list[Line] = []
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="holdback-bench-") as folder:
        monthly, nightly = Path(folder, "monthly"), Path(folder, "nightly")
        measure(task("child", "build", monthly, customers), runs=1, label="writing the company")
        measure(task("snapshots", "delay", monthly, nightly), runs=1, label="the same, loaded every night")
        for where, how in (
            (monthly, "loaded month by month"),
            (nightly, f"loaded every night, {LATE_SHARE:.0%} of the rows up to three days late"),
        ):
            found = taking_turns(
                {f"{name}, {where.name}": task("snapshots", name, where) for name in ("one", "many")}, runs=size.runs
            )
            one, many = found.values()
            what = f"{len(DAYS)} training snapshots of {customers:,} customers, {how}, against one snapshot"
            lines += [
                at_most(what, many, one, 7),
                memory("peak memory of the same (one snapshot)", many, 600, beside=one),
            ]
            checked = measure(task("snapshots", "compare", where), runs=1, label="comparing with each day alone")
            wrong += json.loads(checked.output)["wrong"]
    return Theme(tuple(lines), tuple(wrong))


def one(folder: Path) -> dict[str, object]:
    """Compute the newest day, part by part."""
    from features.build import feature_steps

    company = business()
    return _received((AS_OF, part) for part in feature_steps(lake_at(folder), company, company.churn[0], AS_OF))


def many(folder: Path) -> dict[str, object]:
    """Compute all days, part by part."""
    from features.snapshots.building import snapshot_steps

    company = business()
    return _received(snapshot_steps(lake_at(folder), company, company.churn[0], DAYS))


def _received(parts: Iterator[tuple[date, pa.Table]]) -> dict[str, object]:
    import pyarrow.compute as pc

    rows, orders = 0, 0.0
    for _, part in parts:
        rows += part.num_rows
        orders += pc.sum(part["order_count_all"]).as_py() or 0.0
        del part  # or it would be held while the next one is computed
    return {"rows": rows, "orders": int(orders)}


def compare(folder: Path, days: tuple[date, ...] = (DAYS[1], DAYS[12], DAYS[-1])) -> dict[str, list[str]]:
    """Compare some days of a run over all of them with what each is alone: every bit of every value."""
    import pyarrow as pa

    from features.build import build_features
    from features.snapshots.building import snapshot_steps

    company, lake = business(), lake_at(folder)
    kept: dict[date, list[pa.Table]] = {day: [] for day in days}
    for day, part in snapshot_steps(lake, company, company.churn[0], DAYS):
        if day in kept:
            kept[day].append(part)
    wrong = []
    for day, parts in kept.items():
        together, alone = pa.concat_tables(parts), build_features(lake, company, company.churn[0], day)
        if together.column_names != alone.column_names or together.num_rows != alone.num_rows:
            wrong.append(f"snapshots: {day}: other columns or rows than alone")
            continue
        differing = [name for name in alone.column_names if not together[name].equals(alone[name])]
        wrong += [f"snapshots: {day}: {name} differs from the day alone" for name in differing]
    return {"wrong": wrong}


def delay(folder: Path, to: Path) -> dict[str, object]:
    """Write the same company once more, loaded at the midnight after each event, and some rows later than that."""
    lake, target = lake_at(folder), lake_at(to)
    local = "timezone('Europe/Madrid', timezone('UTC', event_at))"
    midnight = f"timezone('UTC', timezone('Europe/Madrid', date_trunc('day', {local}) + interval 1 day))"
    is_late = f"hash(batch_id, row_number) % 1000 < {round(LATE_SHARE * 1000)}"
    late = f"to_days(cast(case when {is_late} then hash(row_number) % 3 + 1 else 0 end as integer))"
    for feed in business().feeds:
        rows = lake.query(f"select * replace ({midnight} + {late} as loaded_at) from {feed}")
        target.append(feed, rows, batch=feed)
        target.compact(feed, by="customer_id")
    return {}


if __name__ == "__main__":
    asked, where, *others = sys.argv[1:]
    tasks: dict[str, Callable[..., object]] = {"one": one, "many": many, "compare": compare, "delay": delay}
    print(json.dumps(tasks[asked](*map(Path, [where, *others]))))
