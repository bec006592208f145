"""Record days in a ledger until killed: `python -m tests.campaigns.killed_recorder FOLDER DAYS`.

Day after day, two batches each: decisions, then what came back. Prints each batch when it is recorded.
"""

from __future__ import annotations

import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from campaigns.ledger import record
from holdback.workspace import Workspace
from tests.holdback.shop import make_workspace

FIRST = date(2026, 3, 2)
ROWS = 40


def decided(day: date, count: int = ROWS, **columns: Any) -> pa.Table:
    """Decisions of one campaign for customers c0, c1, ..."""
    numbers = range(count)
    return pa.table(
        {
            "kind": ["decided"] * count,
            "customer_id": [f"c{i}" for i in numbers],
            "unit_id": [f"c{i - i % 2}" for i in numbers],
            "campaign": ["loyalty"] * count,
            "version": [1] * count,
            "group": ["holdout" if i % 5 == 0 else "treatment" for i in numbers],
            "propensity": [0.2 if i % 5 == 0 else 0.8 for i in numbers],
            "action": ["none" if i % 5 == 0 else "call" for i in numbers],
            "is_exploration": [i % 7 == 0 for i in numbers],
            "probability": [i / 100 for i in numbers],
            "gain_cents": [None if i % 3 == 0 else 100 * i for i in numbers],
            "reason": ["Sin compras — 40 días; 'ó'" if i % 2 else None for i in numbers],
            "detail": [f'{{"day":"{day}"}}'] * count,
            **columns,
        }
    )


def sent(day: date, count: int = ROWS // 2) -> pa.Table:
    """What came back of the day's decisions."""
    return pa.table(
        {
            "kind": ["sent"] * count,
            "customer_id": [f"c{i}" for i in range(count)],
            "campaign": ["loyalty"] * count,
            "version": [1] * count,
            "happened_at": [datetime(day.year, day.month, day.day, 9, 30, i % 60, 125) for i in range(count)],
            "cost_cents": [1200] * count,
        }
    )


def record_days(workspace: Workspace, days: int, *, said: bool = False) -> None:
    """What a scheduler does, and does again after a crash: every batch from the first day on."""
    for number in range(days):
        day = FIRST + timedelta(days=number)
        for name, rows in (("decide", decided(day)), ("reconcile", sent(day))):
            record(workspace, day, rows, batch=f"{name}/{day}")
            if said:
                sys.stdout.write(f"{name}/{day}\n")
                sys.stdout.flush()


def record_beside(folder: str, name: str, barrier: Any) -> None:
    """What one of two processes does at the same time as the other."""
    workspace = make_workspace(Path(folder))
    barrier.wait()
    for number in range(4):
        rows = decided(FIRST, 10, campaign=[f"{name}-{number}"] * 10)
        record(workspace, FIRST, rows, batch=f"{name}/{number}")
        record(workspace, FIRST, sent(FIRST, 5), batch="of both")


if __name__ == "__main__":
    record_days(make_workspace(Path(sys.argv[1])), int(sys.argv[2]), said=True)
