"""What the signals of a day say of themselves: for whom triggers fired, how customers are grouped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flows.cli.options import bold, table_of

Receipt = Mapping[str, Any]


def tell_triggers(receipt: Receipt) -> Iterator[Any]:
    """For whom each trigger fired."""
    if "waits" in receipt:
        yield receipt["waits"]
        return
    if receipt["was_fired_already"]:
        yield f"the triggers were asked already at {receipt['seen_at']} UTC"
        return
    table = table_of("", "trigger", "#condition holds", "#fired", "#cooling", "#expected")
    for one in receipt["triggers"]:
        expected = "-" if one["expected"] is None else f"{one['expected']:,.1f}"
        table.add_row(one["trigger"], f"{one['holding']:,}", f"{one['fired']:,}", f"{one['cooling']:,}", expected)
    yield table
    yield from (
        bold(f"worth a look: {one['trigger']} fired far more often than it should: nobody is contacted for it")
        for one in receipt["triggers"]
        if one["is_flooded"]
    )
    yield from (f"{one['trigger']}: {one['note']}" for one in receipt["triggers"] if one["note"])


def tell_segments(receipt: Receipt) -> Iterator[Any]:
    """How many customers were grouped."""
    if "waits" in receipt:
        yield receipt["waits"]
        return
    for churn in receipt["churns"]:
        yield f"{churn['churn']}: {churn['customer_count']:,} customers; `holdback segments show` tells their groups"
