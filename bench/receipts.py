"""A file of receipts with planted faults: ``python -m bench.receipts write|judge|split FOLDER [ROWS]``.

The file is what ingest stages for the judge: typed rows, and what could not be read. The contract is the one that a
business file makes of a feed with ten columns, less the rules that are queries of our own, which pandas cannot judge.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdback.contracts.judging import Judge
from holdback.contracts.rules import Parameter
from holdback.contracts.splitting import JUDGED, contract_of, split_rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from holdback.contracts import Contract
    from holdback.contracts.rules import Bound

NOW = datetime(2026, 1, 2)
BROKEN_EVERY = 997
"""Each kind of fault is in one row of so many."""
TWICE_EVERY = 100_000
"""So many rows after each other have one key that stands twice."""
WORDS = {
    "category": tuple(f"category {i}" for i in range(12)),
    "channel": ("store", "web", "app"),
    "direction": ("in", "out"),
    "destination": ("bank", "card", "cash"),
}
_KEYS = ("customer_id", "event_at", "amount", "order_id", "quantity", "discount", *WORDS)
_FEED: dict[str, Any] = {
    "role": "transactions",
    "source": "receipts.csv",
    "columns": {key: key for key in _KEYS},
    "key": ["order_id"],
    "accepts": {key: list(words) for key, words in WORDS.items()},
    "expects": {
        "between": {"amount": [-100, 1000], "quantity": [-10, 50], "discount": [0, 100]},
        "rows": [1, 10**9],
        "fresh_within_days": 30,
        "reference": {"amount": {"mean": [0, 500], "median": [0, 500], "minimum": [-200, 0], "maximum": [0, 500]}},
    },
}


def contract() -> Contract:
    """Return the contract: 18 rules on rows, 7 on the batch."""
    from holdback.business import Business
    from holdback.contracts import Contract
    from holdback.mapping import shape_of

    company = Business.model_validate(
        {
            "slug": "shop",
            "name": "Shop",
            "currency": "EUR",
            "time_zone": "UTC",
            "feeds": {"receipts": _FEED},
            "churn": [
                {"name": "lapse", "kind": "inactivity", "feed": "receipts", "outcome_days": 90, "active_days": 800}
            ],
        }
    )
    whole = contract_of(shape_of(company, "receipts"))
    return Contract(whole.feed, tuple(r for r in whole.rules if r.expectation.kind != "UnexpectedRowsExpectation"))


def parameters() -> dict[str, Bound]:
    """Return the bounds that ingest sets for each batch."""
    return {
        "loaded_before": NOW + timedelta(days=1), "fewest_rows": 1, "most_rows": 10**9,
        "fresh_after": NOW - timedelta(days=30),
    }  # fmt: skip


def write(folder: Path, rows: int) -> dict[str, int]:
    """Write the staged file and the expectations in the vendor's words.

    Returns:
        What was planted: bad rows of each rule on rows; of each rule on the batch, 1 if it holds; ``good`` and ``bad``
        rows.
    """
    import numpy as np
    import pyarrow.parquet as pq

    rng, number = np.random.default_rng(23), np.arange(rows)
    unsplit, dear, nameless, late, strange = (number % BROKEN_EVERY == i for i in range(5))
    order = number.copy()
    order[1::TWICE_EVERY] = order[::TWICE_EVERY][: len(order[1::TWICE_EVERY])]
    is_twice = np.zeros(rows, dtype=bool)
    is_twice[1::TWICE_EVERY] = True
    is_twice[:-1] |= is_twice[1:]
    at = np.datetime64(NOW, "us") - rng.integers(1, 300 * 86_400, rows) * np.timedelta64(1, "s")
    columns = {
        "row_number": number + 1,
        "is_parsed": ~unsplit,
        "customer_id": _named("customer", number // 30, mask=nameless),
        "event_at": np.where(late, np.datetime64(NOW, "us") + np.timedelta64(5, "D"), at),
        "amount_cents": np.where(dear, 1_000_000, rng.integers(-500, 20_000, rows)),
        "order_id": _named("receipt", order),
        "quantity": rng.integers(1, 9, rows).astype(float),
        "discount_cents": rng.integers(0, 500, rows),
    }
    for key, words in WORDS.items():
        chosen = rng.integers(0, len(words), rows)
        columns[key] = _worded(words, np.where(strange, len(words), chosen) if key == "category" else chosen)
    pq.write_table(_table(columns), folder / f"{JUDGED}.parquet")
    judged = contract()
    told = json.dumps(_as_the_vendor_says(judged), default=str)
    (folder / "expectations.json").write_text(told, encoding="utf-8")
    bad = int((unsplit | dear | nameless | late | strange | is_twice).sum())
    return {
        **dict.fromkeys((rule.name for rule in judged.row_rules), 0),
        "line_can_be_split": int(unsplit.sum()),
        "customer_id_is_given": int((nameless & ~unsplit).sum()),
        "order_id_is_unique": int(is_twice.sum()),
        "amount_is_in_range": int(dear.sum()),
        "category_is_in_vocabulary": int(strange.sum()),
        "event_at_is_not_in_the_future": int(late.sum()),
        **{rule.name: int(rule.name != "amount_maximum_is_as_known") for rule in judged.batch_rules},
        "good": rows - bad,
        "bad": bad,
    }


def judge(folder: Path) -> dict[str, int]:
    """Have the file judged, as ingest does; return what :func:`write` planted, as it was found."""
    judged = contract()
    judge = Judge(folder)
    verdict = judge.judge(judged, JUDGED, parameters())
    judge.close()
    holds = {rule.name: int(verdict.is_passed[rule.name]) for rule in judged.batch_rules}
    return {**verdict.unexpected_counts, **holds}


def split(folder: Path) -> dict[str, int]:
    """Split good rows from bad ones, as ingest does, and write both, the bad ones with their reasons."""
    import duckdb

    from holdback.mapping import OFFERED
    from holdback.sql import literal

    def path(name: str) -> str:
        return literal(str(folder / f"{name}.parquet"))

    with duckdb.connect(config={"threads": 2, "memory_limit": "2GB", "temp_directory": str(folder)}) as connection:
        connection.execute(f"create view {OFFERED} as select * from read_parquet({path(JUDGED)})")
        counts = split_rows(connection, contract(), parameters())
        good = connection.execute(
            f"copy (select * exclude (failed_rules, is_clean) from {JUDGED} where is_clean) to {path('good')}"
        ).fetchall()
        bad = connection.execute(
            f"copy (select * exclude (is_clean) from {JUDGED} where not is_clean) to {path('bad')}"
        ).fetchall()
    return {**counts, "good": good[0][0], "bad": bad[0][0]}


def _as_the_vendor_says(judged: Contract) -> list[dict[str, Any]]:
    known, said = parameters(), []
    for rule in judged.rules:
        expectation = rule.expectation
        arguments = {name: known[v.name] if isinstance(v, Parameter) else v for name, v in expectation.arguments}
        is_true, is_null = expectation.where_true, expectation.where_null
        said.append(
            {"rule": rule.name, "scope": rule.scope, "kind": expectation.kind, "arguments": arguments,
             "where_true": is_true, "where_null": is_null}
        )  # fmt: skip
    return said


def _table(columns: dict[str, Any]) -> pa.Table:
    import pyarrow as pa

    unread = ("event_at", "amount_cents", "quantity", "discount_cents")
    nothing = pa.nulls(len(columns["row_number"]), pa.string())
    return pa.table({**columns, **{f"{name}_unreadable": nothing for name in unread}})


def _named(what: str, number: npt.NDArray[np.int64], mask: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    return pa.array(np.char.add(f"{what}-", np.char.zfill(number.astype(str), 9)), mask=mask)


def _worded(words: tuple[str, ...], chosen: npt.NDArray[np.int64]) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    drawn = pa.array(chosen.astype(np.int32))
    return pa.DictionaryArray.from_arrays(drawn, pa.array([*words, "?"])).cast(pa.string())


if __name__ == "__main__":
    name, where = sys.argv[1], Path(sys.argv[2])
    done = write(where, int(sys.argv[3])) if name == "write" else {"judge": judge, "split": split}[name](where)
    print(json.dumps(done))
