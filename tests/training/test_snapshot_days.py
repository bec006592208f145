"""Snapshots describe customers by data as fresh as today's, whatever rhythm the data arrive in."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from holdback.days import months_before
from holdback.workspace import Workspace
from tests.training.companies import shop
from training.snapshot_days import matured_days

FIRST, LAST = date(2025, 1, 1), date(2025, 12, 31)


def deliver(root: Path, *, monthly: bool, closed_on_sundays: bool = False) -> Workspace:
    """A shop that sells something each day, and delivers its rows the next morning or on the first of the month."""
    workspace = shop(root)
    business = workspace.business
    days = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
    days = [day for day in days if not (closed_on_sundays and day.weekday() == 6)]
    known = [(day.replace(day=28) + timedelta(days=4)).replace(day=1) if monthly else day + timedelta(days=1)
             for day in days]  # fmt: skip
    rows = pa.table(
        {
            "customer_id": ["c-1"] * len(days),
            "event_at": pa.array([datetime(d.year, d.month, d.day, 12) for d in days], pa.timestamp("us")),
            "amount_cents": pa.array([100] * len(days), pa.int64()),
            "batch_id": ["b-1"] * len(days),
            "row_number": pa.array(range(1, len(days) + 1), pa.int64()),
            "loaded_at": pa.array([business.instant(day) for day in known], pa.timestamp("us")),
        }
    )
    workspace.warehouse.append("tills", rows, batch="b-1")
    return workspace


def days_of(workspace: Workspace, as_of: date) -> tuple[date, ...]:
    return matured_days(workspace.warehouse, workspace.business, workspace.business.churn[0], as_of)


def test_with_daily_deliveries_the_newest_matured_day_is_taken(tmp_path: Path) -> None:
    days = days_of(deliver(tmp_path, monthly=False), date(2026, 1, 1))
    assert days[:3] == (date(2025, 12, 1), date(2025, 11, 1), date(2025, 10, 1))
    assert days_of(deliver(tmp_path / "other", monthly=False), date(2025, 12, 20))[0] == date(2025, 11, 19)


def test_with_monthly_deliveries_snapshots_lie_on_the_mornings_after_a_delivery(tmp_path: Path) -> None:
    # The outcome of 30 days is known for every day up to December 1st; a model of a shop that scores on the first of
    # the month must not learn from days on which the newest data were weeks old.
    days = days_of(deliver(tmp_path, monthly=True), date(2026, 1, 1))
    assert {day.day for day in days} == {1}
    assert days[0] == date(2025, 12, 1)
    assert days[-1] >= FIRST + timedelta(days=60)


def test_scores_between_two_deliveries_learn_from_days_that_were_as_stale(tmp_path: Path) -> None:
    # On November 15th the newest data are two weeks old, so snapshots may be up to that stale.
    days = days_of(deliver(tmp_path, monthly=True), date(2025, 11, 15))
    assert days[0] == date(2025, 10, 1)  # the data end on October 31st: outcomes are known up to October 1st


def test_a_closed_day_moves_a_snapshot_by_a_day_at_most(tmp_path: Path) -> None:
    days = days_of(deliver(tmp_path, monthly=False, closed_on_sundays=True), date(2025, 12, 20))
    assert days[0] == date(2025, 11, 19)
    moved = [(months_before(days[0], back) - day).days for back, day in enumerate(days)]
    assert set(moved) <= {0, 1}
