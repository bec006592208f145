"""What is measured, each in a process of its own: ``python -m bench.child TASK FOLDER [CUSTOMERS]``."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from bench.world import AS_OF, business, lake_at


def features(folder: Path) -> dict[str, object]:
    """Compute the feature table of the day, part by part, and say what came out."""
    from features.build import feature_steps
    from features.families import feature_set

    company = business()
    digest, rows, orders = hashlib.sha256(), 0, 0.0
    for part in feature_steps(lake_at(folder), company, company.churn[0], AS_OF):
        for column in part.itercolumns():
            for chunk in column.chunks:
                for buffer in chunk.buffers():
                    digest.update(buffer or b"")
        rows += part.num_rows
        orders += sum(part["order_count_all"].to_pylist())
    return {
        "rows": rows,
        "features": len(feature_set(company)),
        "orders": int(orders),
        "digest": digest.hexdigest(),
    }


def scan(folder: Path) -> dict[str, object]:
    """Read the same columns of the same rows, with the cheapest aggregate there is."""
    from features.clocks import Clock

    company, lake = business(), lake_at(folder)
    now, rows = Clock.of(company, AS_OF).now, 0
    for name, feed in company.feeds.items():
        read = [column for column in feed.mapped_columns if column.name != "campaign"]
        sums = [f"{'sum' if c.type in ('money', 'integer', 'number') else 'max'}({c.name}) as {c.name}" for c in read]
        listed = ", ".join([*sums, "max(loaded_at) as loaded_at", "count(*) as counted"])
        # The condition keeps DuckDB from answering out of the files' statistics without reading a row.
        rows += lake.query(f"select {listed} from {name} where event_at < {now}")["counted"][0].as_py()
    return {"rows": rows}


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
    units = {f"{group}_units": found.groups[group].count for group in GROUPS}
    return units | {f"{group}_churned": round(found.groups[group].total("churned")) for group in GROUPS}


if __name__ == "__main__":
    task, *arguments = sys.argv[1:]
    where = Path(arguments[0])
    if task == "build":
        done = build(where, int(arguments[1]))
    elif task == "campaign":
        done = campaign(where, int(arguments[1]))
    elif task == "allocate":
        done = allocate(int(arguments[0]))
    else:
        done = {"features": features, "scan": scan, "truth": truth, "outcomes": outcomes}[task](where)
    print(json.dumps(done))
