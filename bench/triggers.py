"""What it costs to ask all triggers of a bank: ``python -m bench.triggers CUSTOMERS``.

Transfers and balances of 42 days (17 % of the customers move money on a day), half a year of month-end balances before,
scores of eight days, answers and complaints; one trigger of each kind that a bank can have.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.measuring import Size, measure, task
from bench.reporting import Theme, seconds

if TYPE_CHECKING:
    from holdback.business import Business
    from holdback.warehouse import Lake

AS_OF = date(2026, 10, 15)
LIMIT_SECONDS = 30.0
MORE: list[dict[str, Any]] = [
    {"name": "outflow", "kind": "drop", "feed": "transfers", "at_least": 10000, "expected_per_day": 2000},
    {"name": "silent", "kind": "overdue", "feed": "transfers", "times": 4, "least_events": 4, "only_open_days": 14},
    {"name": "detractor", "kind": "score_below", "feed": "nps", "at": 7},
    {"name": "risk", "kind": "score_above", "churn": "dormant", "at": 0.97},
    {"name": "risk_jump", "kind": "score_above", "churn": "dormant", "at": 0.9, "by": 0.88},
    {"name": "complaints", "kind": "count_over", "feed": "tickets", "at_least": 2, "where": {"topic": "complaint"}},
    {"name": "payments", "kind": "count_over", "feed": "transfers", "at_least": 15, "where": {"category": "bill"}},
]


def theme(size: Size) -> Theme:
    """Measure one asking of all triggers."""
    customers = size.of(1_000_000, 50_000)
    measured = measure(task("triggers", customers), runs=1, label="triggers")
    found = json.loads(measured.output)
    what = f"all {found['triggers']} triggers of a bank, {customers:,} customers, {found['firings']:,} firings"
    wrong = () if found["firings"] > 0 else ("no trigger of the bank fired",)
    return Theme((seconds(what, float(found["cpu_seconds"]), LIMIT_SECONDS * customers / 1_000_000),), wrong)


def bank() -> Business:
    from holdback.business import Business, load_business

    told = load_business(Path("businesses/bank.yaml")).model_dump(mode="json", exclude_unset=True)
    return Business.model_validate({**told, "triggers": [*told.get("triggers", []), *MORE]})


def fill(lake: Lake, customers: int) -> None:
    import duckdb

    connection = duckdb.connect()
    connection.sql("set threads = 2")
    connection.sql("select setseed(0.5)")

    def put(table: str, batch: str, sql: str) -> None:
        numbered = "" if table == "scores" else f", '{batch}' as batch_id, row_number() over () as row_number"
        rows = connection.sql(f"select *{numbered} from ({sql})").to_arrow_table()
        lake.append(table, rows, batch=batch)

    who = "printf('B%08d', i)"
    everyone = f"(select i, {who} as customer_id from range({customers}) as t(i))"
    movers = f"(select * from {everyone} where random() < 0.17)"
    put(
        "customers", "c", f"select customer_id, 'saver' as segment, timestamp '2025-01-01' as loaded_at from {everyone}"
    )
    for months in range(6, 0, -1):
        day = AS_OF - timedelta(days=17 + 30 * months)
        put("balances", f"m{months}", _balances(everyone, day))
    for days in range(42, 0, -1):
        day = AS_OF - timedelta(days=days)
        put("balances", f"b{days}", _balances(movers, day))
        put(
            "transfers",
            f"t{days}",
            f"""
            select customer_id, timestamp '{day}' + to_seconds(cast(30000 + random() * 40000 as int)) as event_at,
                cast(random() ** 12 * 3000000 as bigint) as amount_cents,
                ['salary', 'card', 'bill', 'cash'][1 + cast(floor(random() * 4) as int)] as category, 'app' as channel,
                case when random() < 0.2 then 'in' else 'out' end as direction,
                ['own_checking', 'merchant', 'other_bank'][1 + cast(floor(random() * 3) as int)] as destination,
                timestamp '{day}' + interval 1 day as loaded_at from {movers}""",
        )
        put(
            "nps",
            f"n{days}",
            f"""
            select customer_id, timestamp '{day} 12:00' as event_at, floor(random() * 11) as score,
                timestamp '{day}' + interval 1 day as loaded_at from {everyone} where random() < 0.003""",
        )
        put(
            "tickets",
            f"k{days}",
            f"""
            select customer_id, timestamp '{day} 12:00:01' as event_at, 'complaint' as topic,
                timestamp '{day}' + interval 1 day as loaded_at from {everyone} where random() < 0.002""",
        )
    for days in range(8):
        put(
            "scores",
            f"s{days}",
            f"""
            select date '{AS_OF - timedelta(days=days)}' as as_of, customer_id, 'dormant' as churn,
                '1' as model_version,
                random() as probability, 'low' as risk_tier, false as is_above_capacity_line from {everyone}""",
        )


def _balances(among: str, day: date) -> str:
    return f"""
        select customer_id, timestamp '{day} 21:59' as event_at, kind as account_kind,
            cast(200000 + random() ** 20 * 4000000 as bigint) as balance_cents,
            timestamp '{day}' + interval 1 day as loaded_at
        from {among}, (values ('checking'), ('savings')) as k(kind)"""


def main() -> None:
    from features.triggers import fire
    from holdback.warehouse import Lake

    business = bank()
    with tempfile.TemporaryDirectory(prefix="holdback-bench-") as folder:
        lake = Lake(Path(folder), business.tables, threads=2)
        fill(lake, int(sys.argv[1]))
        before = time.process_time()
        day = fire(lake, business, AS_OF)
        spent = time.process_time() - before
    told = {"cpu_seconds": spent, "firings": day.fired_count, "triggers": len(business.triggers)}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
