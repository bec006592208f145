"""The year that passes in half an hour passes for what goes by the time of files, too."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa

from bench.soak import grow_older
from holdback.tables import TABLES
from holdback.warehouse import Lake


def test_a_log_keeps_what_it_would_keep_of_a_year(tmp_path: Path) -> None:
    lake = Lake(tmp_path, TABLES)
    log = tmp_path / "daily_metrics" / "_delta_log"
    days = [date(2025, 1, 1) + timedelta(days=number) for number in range(60)]
    for day in days:
        row = {"as_of": pa.array([day], pa.date32()), "metric": ["auc"], "about": ["x"], "value": [0.5]}
        lake.append("daily_metrics", pa.table(row), batch=str(day))
        grow_older(tmp_path)
    assert 30 <= len(list(log.glob("*.json"))) <= 42
    assert Lake(tmp_path, TABLES).query("select count(*) as n from daily_metrics")["n"].to_pylist() == [60]
    assert lake.has_batch("daily_metrics", str(days[0]))  # what a batch brought is known for ever
