"""What is measured, each in a process of its own: ``python -m bench.child TASK FOLDER [ARGUMENTS]``."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bench.chosen import chosen
from bench.world import AS_OF, business, lake_at

if TYPE_CHECKING:
    import pyarrow as pa


def features(folder: Path, which: str = "all", file: str = "") -> dict[str, object]:
    """Compute the feature table of the day, part by part, and say what came out.

    Args:
        folder: The company's warehouse.
        which: See :func:`bench.chosen.chosen`.
        file: Where the table is written; it is not kept when empty.
    """
    from features.build import feature_steps

    company, declared, before = business(), chosen(which), time.process_time()
    parts = feature_steps(lake_at(folder), company, company.churn[0], AS_OF, features=declared)
    told = received(parts, file)
    return told | {"features": len(declared), "cpu_seconds": time.process_time() - before}


def hand(folder: Path, file: str = "") -> dict[str, object]:
    """Compute the shared features with SQL written by hand, over the same ranges of customers, handed on alike."""
    from features.computation import customers_per_step
    from features.spine import build_spine

    company, lake = business(), lake_at(folder)
    declared = chosen("shared")
    statements = [sql.read_text(encoding="utf-8") for sql in sorted((Path(__file__).parent / "hand_sql").glob("*.sql"))]

    def parts() -> Iterator[pa.Table]:
        spine = build_spine(lake, company, company.churn[0], AS_OF)
        size = customers_per_step(lake, declared, spine.num_rows)
        for start in range(0, spine.num_rows, size):
            described = spine.slice(start, size)
            frames = {"spine": described}
            for sql in statements:
                part = lake.query(sql, frames=frames)
                for name in part.column_names[2:]:
                    described = described.append_column(name, part[name])
            yield described.select(["customer_id", "as_of", *declared.names])

    before = time.process_time()
    told = received(parts(), file)
    return told | {"features": len(declared), "cpu_seconds": time.process_time() - before}


def received(parts: Iterator[pa.Table], file: str) -> dict[str, object]:
    """Take a feature table in parts, none of which is kept; say what came, as a digest of every value."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    digest, rows, orders, writer = hashlib.sha256(), 0, 0.0, None
    for part in parts:
        for column in part.itercolumns():
            # What is sliced is copied out of what it was sliced from, or all of that would be read for every part.
            digest.update(pa.record_batch([column.combine_chunks()], [""]).serialize())
        rows += part.num_rows
        orders += pc.sum(part["order_count_all"]).as_py() if "order_count_all" in part.column_names else 0
        if file:
            writer = writer or pq.ParquetWriter(file, part.schema)
            writer.write_table(part)
        del part  # or it would be held while the next one is computed
    if writer:
        writer.close()
    return {"rows": rows, "orders": int(orders), "digest": digest.hexdigest()}


def scan(folder: Path, which: str = "all") -> dict[str, object]:
    """Read the columns that the features read, of the same rows, with the cheapest aggregate there is."""
    from features.clocks import Clock
    from features.compiler import compile_features

    company, lake = business(), lake_at(folder)
    clock = Clock.of(company, AS_OF)
    rows = 0
    for name, sql in compile_features(chosen(which), clock).items():
        words = set(re.findall(r"\w+", sql))
        read = [column for column in company.feeds[name].mapped_columns if column.name in words]
        sums = [f"{'sum' if c.type in ('money', 'integer', 'number') else 'max'}({c.name}) as {c.name}" for c in read]
        listed = ", ".join([*sums, "max(loaded_at) as loaded_at", "count(*) as counted"])
        # The condition keeps DuckDB from answering out of the files' statistics without reading a row.
        rows += lake.query(f"select {listed} from {name} where event_at < {clock.now}")["counted"][0].as_py()
    return {"rows": rows}


def export(folder: Path, to: str) -> dict[str, object]:
    """Write what other tools read: each feed as one Parquet file, and whom the day describes.

    ``FEED_visible`` holds only the rows that both clocks let through, with their instant as a value besides.
    """
    import pyarrow.parquet as pq

    from features.spine import build_spine

    company, lake, target = business(), lake_at(folder), Path(to)
    target.mkdir(exist_ok=True)
    now = company.instant(AS_OF)
    visible = f"where event_at < timestamp '{now}' and loaded_at <= timestamp '{now}'"
    with lake.connection() as connection:
        for name in company.feeds:
            connection.execute(f"copy (select * from {name}) to '{target}/{name}.parquet' (format parquet)")
            kept = f"select *, event_at as happened_at from {name} {visible}"
            connection.execute(f"copy ({kept}) to '{target}/{name}_visible.parquet' (format parquet)")
        for kind in ("savings", "checking"):
            kept = f"select * from levels {visible} and account_kind = '{kind}'"
            connection.execute(f"copy ({kept}) to '{target}/levels_{kind}_visible.parquet' (format parquet)")
    pq.write_table(build_spine(lake, company, company.churn[0], AS_OF), target / "spine.parquet")
    return {"now": now.isoformat()}


def build(folder: Path, customers: int) -> dict[str, object]:
    """Write the company's warehouse."""
    import numpy as np

    from bench.world import write_world

    return dict(write_world(lake_at(folder), customers, rng=np.random.default_rng(7)))


def truth(folder: Path) -> dict[str, object]:
    """Count customers and orders a second time, without the feature code."""
    now = business().instant(AS_OF).isoformat(sep=" ")
    found = lake_at(folder).query(
        "select count(distinct customer_id) as customers, count(distinct customer_id || order_id) as orders from tills "
        f"where amount_cents >= 0 and event_at < timestamp '{now}' and loaded_at <= timestamp '{now}'"
    )
    return {"rows": found["customers"][0].as_py(), "orders": found["orders"][0].as_py()}


def allocate(customers: int) -> dict[str, object]:
    """Allocate five actions of two campaigns under every kind of limit."""
    import numpy as np

    from campaigns import allocation

    rng = np.random.default_rng(5)
    costs = np.array([5, 50, 300, 1200, 3000])
    at_stake = (rng.beta(1.5, 8, customers) * rng.lognormal(6.5, 0.8, customers) * 100)[:, None]
    saved = np.array([0.03, 0.06, 0.1, 0.15, 0.2]) * rng.uniform(0.3, 1.7, (customers, 5))
    found = allocation.allocate(
        at_stake * saved - costs, costs, keys=[f"c{i}" for i in range(customers)],
        eligible=rng.random((customers, 5)) < 0.9, budget=customers * 55,
        capacities=[customers * share for share in (0.3, 0.1, 0.05, 0.02, 0.004)],
        groups=[0, 0, 0, 1, 1], group_budgets=[customers * 100.0, customers * 30.0],
    )  # fmt: skip
    return {"share_of_bound": found.value / found.upper_bound, "not_by_price": int((~found.by_price).sum())}


def campaign(folder: Path, customers: int) -> dict[str, object]:
    """Write a finished campaign; say what a measurement of it must find."""
    import numpy as np

    from bench.campaign import business, write_campaign
    from holdback.warehouse import Lake

    lake = Lake(folder, business().tables, threads=2)
    return dict(write_campaign(lake, customers, rng=np.random.default_rng(11)))


def outcomes(folder: Path) -> dict[str, object]:
    """Read what became of everybody in the campaign."""
    from bench.campaign import HORIZON_DAYS, READ_ON, business
    from holdback.warehouse import Lake
    from monitoring.outcomes import GROUPS, Cohort, read_outcomes

    company = business()
    cohort = Cohort("spring", 1, company.churn[0], HORIZON_DAYS, None)
    found = read_outcomes(Lake(folder, company.tables, threads=2), company, cohort, READ_ON)
    units: dict[str, object] = {f"{group}_units": found.groups[group].count for group in GROUPS}
    return units | {f"{group}_churned": round(found.groups[group].total("churned")) for group in GROUPS}


#: Tasks of one company's features: each takes its folder, and further arguments as texts.
SIDES: Mapping[str, Callable[..., dict[str, object]]] = {
    "features": features, "hand": hand, "scan": scan, "export": export,
}  # fmt: skip


if __name__ == "__main__":
    task, *arguments = sys.argv[1:]
    where = Path(arguments[0])
    if task == "build":
        done = build(where, int(arguments[1]))
    elif task == "campaign":
        done = campaign(where, int(arguments[1]))
    elif task == "allocate":
        done = allocate(int(arguments[0]))
    elif task in SIDES:
        done = SIDES[task](where, *arguments[1:])
    else:
        done = {"truth": truth, "outcomes": outcomes}[task](where)
    print(json.dumps(done))
