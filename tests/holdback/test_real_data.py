"""The real files under `shared/data` load with the counts that are known of them."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from holdback.business import load_business
from holdback.ingest import ingest
from holdback.quarantine import Balance, balance, list_quarantine
from holdback.workspace import Workspace


@pytest.fixture(scope="module")
def days(shared_data: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Online Retail as it came to the company: one file a day."""
    folder = tmp_path_factory.mktemp("days")
    with gzip.open(shared_data("online_retail/online_retail.csv.gz"), "rt", encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        header = next(rows)
        at = header.index("InvoiceDate")
        by_day: dict[str, list[list[str]]] = {}
        for row in rows:
            by_day.setdefault(row[at][:10], []).append(row)
    for day, its_rows in by_day.items():
        with (folder / f"{day}.csv").open("w", encoding="utf-8", newline="") as target:
            csv.writer(target).writerows([header, *its_rows])
    assert len(by_day) == 305
    return folder


def workspace(folder: Path, project_root: Path, slug: str, **environment: str) -> Workspace:
    return Workspace(folder, load_business(project_root / "businesses" / f"{slug}.yaml"), environment)


def test_a_week_of_online_retail_loads_day_by_day(tmp_path: Path, project_root: Path, days: Path) -> None:
    shop = workspace(tmp_path, project_root, "online_retail", ONLINE_RETAIL_DAYS=str(days))
    first, results = date(2010, 12, 2), []
    for day in range(6):
        results.append(ingest(shop, first + timedelta(days=day)))
        assert balance(shop).is_even
    assert [len(result.new_batches) for result in results] == [1, 1, 1, 0, 1, 1]  # no trade on Saturdays
    assert set().union(*(result.reasons for result in results)) == {"customer_id_is_given"}
    known = shop.warehouse.query(
        "select count(*) as n from purchases where loaded_at < event_at or loaded_at > event_at + interval 3 day"
    )
    assert known["n"].to_pylist() == [0]


@pytest.mark.slow
def test_a_year_of_online_retail_adds_up_to_what_is_known_of_it(tmp_path: Path, project_root: Path, days: Path) -> None:
    """541,909 lines, 135,080 of them without a customer, 9,747,747.93 in all (PROVENANCE.md)."""
    shop = workspace(tmp_path, project_root, "online_retail", ONLINE_RETAIL_DAYS=str(days))
    result = ingest(shop, date(2011, 12, 10), history=True)
    assert (len(result.new_batches), result.offered, result.quarantined) == (305, 541_909, 135_080)
    assert balance(shop) == Balance(offered=541_909, clean=406_829, waiting=135_080)
    assert [finding for batch in result.batches for finding in batch.findings] == []
    found = shop.warehouse.query(
        "select count(distinct customer_id) as customers, sum(amount_cents) as cents,"
        " count(*) filter (order_id like 'C%') as cancellations, min(event_at) as first, max(event_at) as last"
        " from purchases"
    ).to_pylist()[0]
    kept = shop.warehouse.query(
        "select sum(round(cast(raw->>'Quantity' as decimal(18, 2)) * cast(raw->>'UnitPrice' as decimal(18, 2)), 2))"
        " as amount, count(*) filter (raw->>'InvoiceNo' like 'C%') as cancellations"
        " from (select cast(raw as json) as raw from quarantine)"
    ).to_pylist()[0]
    assert found["customers"] == 4_372
    assert found["cents"] + round(kept["amount"] * 100) == 974_774_793
    assert found["cancellations"] + kept["cancellations"] == 9_288
    assert sum(batch.open for batch in list_quarantine(shop)) == 135_080


def test_telco_and_the_savings_bank_load_as_they_are(
    tmp_path: Path, project_root: Path, shared_data: Callable[[str], Path]
) -> None:
    root = shared_data("telco/Telco-Customer-Churn.csv").parents[1]
    telco = workspace(tmp_path, project_root, "telco", HOLDBACK_DATA=str(root))
    assert str(ingest(telco, date(2026, 3, 2))).endswith("7,043 rows offered: 7,043 clean, 0 quarantined")
    shared_data("savings_bank/churn_prediction.csv")
    bank = workspace(tmp_path, project_root, "savings_bank", HOLDBACK_DATA=str(root))
    assert ingest(bank, date(2026, 3, 2)).clean == 28_382
    rate = "select avg(churned::int) as r from customers"
    rates = [shop.warehouse.query(rate)["r"].to_pylist()[0] for shop in (telco, bank)]
    assert rates == [pytest.approx(0.265370, abs=1e-6), pytest.approx(0.185329, abs=1e-6)]
