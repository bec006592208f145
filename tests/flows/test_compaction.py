"""What is written with every batch stays in few files, however many batches come."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa

from flows.compaction import compact, compact_records
from holdback.business import load_business
from holdback.commits import rows_of
from holdback.tables import TABLES
from holdback.workspace import Workspace
from monitoring.history import metric_history
from tests.flows.shop import write_shop

DAY = date(2025, 10, 2)


def test_what_tells_of_batches_lies_in_few_files_after_many_days(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home", load_business(write_shop(tmp_path / "shop", customers=5)))
    warehouse = workspace.warehouse
    most = 0
    for number in range(100):
        day = DAY + timedelta(days=number)
        profile = {
            "batch_id": [f"{number}"], "feed": ["tills"], "as_of": [day], "column_name": ["amount"],
            "statistic": ["null_share"], "value": [0.0], "row_count": [1],
        }  # fmt: skip
        warehouse.append("profiles", pa.table(profile), batch=f"{number}")
        compact(workspace, set())
        most = max(most, warehouse.file_count("profiles"))
    assert most <= 9
    found = warehouse.query("select as_of, batch_id from profiles order by as_of")
    assert found["batch_id"].to_pylist() == [str(number) for number in range(100)]


def test_what_a_day_writes_a_few_rows_of_lies_in_few_files_after_many_days(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home", load_business(write_shop(tmp_path / "shop", customers=5)))
    warehouse, table = workspace.warehouse, "daily_metrics"
    days = [DAY + timedelta(days=number) for number in range(40)]
    for day in days:
        rows = [{"as_of": day, "metric": "auc", "about": "x", "value": 0.5}]
        warehouse.append(table, rows_of(TABLES[table], rows), batch=f"daily_metrics/{day}")
        compact_records(workspace)
        assert warehouse.file_count(table) <= 31
    assert len(metric_history(warehouse, "auc", days[-1], about="x")) == 40
    assert warehouse.has_batch(table, f"daily_metrics/{days[0]}")  # what a batch brought is never brought again


def test_the_scores_of_a_small_company_lie_in_few_files_after_many_days(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home", load_business(write_shop(tmp_path / "shop", customers=5)))
    warehouse, days = workspace.warehouse, [DAY + timedelta(days=number) for number in range(40)]
    for number, day in enumerate(days):
        rows = [{"as_of": day, "churn": "gone", "customer_id": name, "probability": number / 40} for name in "cab"]
        warehouse.append("scores", rows_of(TABLES["scores"], rows), batch=f"scores/{day}")
        compact_records(workspace)
        assert 0 < warehouse.file_count("scores") <= 31
    found = warehouse.query(f"select * from scores where as_of = date '{days[7]}' order by customer_id")
    assert found["customer_id"].to_pylist() == ["a", "b", "c"]
    assert found["probability"].to_pylist() == [7 / 40] * 3
