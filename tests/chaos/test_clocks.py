"""Days are days of the business: whole through every change of its clocks, none lost, none twice, none too long."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from holdback.ingest import ingest
from tests.holdback.shop import make_business, make_workspace, order, write_csv

#: Clocks that change at night, at midnight itself, by half an hour, on the other side of the world, and never.
ZONES = (
    "Europe/Madrid", "America/New_York", "America/Santiago", "America/Havana", "Africa/Cairo", "Asia/Beirut",
    "Australia/Lord_Howe", "Pacific/Auckland", "America/Asuncion", "Atlantic/Azores", "UTC",
)  # fmt: skip
FIRST, LAST = date(2024, 1, 1), date(2025, 12, 31)


@pytest.mark.parametrize("zone", ZONES)
def test_every_instant_belongs_to_one_day_and_days_follow_each_other_without_a_gap(tmp_path: Path, zone: str) -> None:
    business = make_business(tmp_path, time_zone=zone)
    days = [FIRST + timedelta(days=number) for number in range((LAST - FIRST).days + 1)]
    starts = [business.instant(day) for day in days]
    lengths = {later - former for former, later in itertools.pairwise(starts)}
    assert lengths <= {timedelta(hours=h) for h in (23, 23.5, 24, 24.5, 25)}
    assert [business.day_of(start) for start in starts] == days
    before = [business.day_of(start - timedelta(microseconds=1)) for start in starts]
    assert before == [day - timedelta(days=1) for day in days]
    assert date(2024, 2, 29) in days


@pytest.mark.parametrize("zone", ZONES)
def test_a_history_is_known_on_the_morning_after_each_row_also_in_nights_when_clocks_change(
    tmp_path: Path, zone: str
) -> None:
    """Each row is known from the start of its next local day on, as Python's zones have it: DuckDB's must agree."""
    known = ZoneInfo(zone)
    start = datetime(2025, 1, 1)
    hours = [start + timedelta(hours=n) for n in range(24 * 364)]
    offsets = [known.utcoffset(hour.replace(tzinfo=UTC).astimezone(known)) for hour in hours]
    changes = [hour for hour, former, later in zip(hours, offsets, offsets[1:], strict=False) if former != later]
    around = sorted({hour + timedelta(minutes=m) for hour in changes for m in range(-1560, 1560, 15)}) or hours[:100]
    rows = [order(number, at=f"{instant:%Y-%m-%d %H:%M:%S}+00:00") for number, instant in enumerate(around)]
    write_csv(tmp_path / "orders" / "a.csv", rows)
    workspace = make_workspace(tmp_path, time_zone=zone)
    ingest(workspace, date(2026, 1, 1), history=True)
    stored: pa.Table = workspace.warehouse.query("select event_at, loaded_at from orders order by event_at")
    assert stored.num_rows == len(around)
    business = workspace.business
    for row in stored.to_pylist():
        next_day = business.day_of(row["event_at"]) + timedelta(days=1)
        assert row["loaded_at"] == business.instant(next_day), row["event_at"]
