from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from holdback.errors import ContractBroken
from holdback.ingest import ingest
from holdback.workspace import Workspace
from tests.holdback.shop import AS_OF, CUSTOMERS, make_workspace, order, orders, stored, write_csv

LOADED = datetime(2026, 3, 1, 23)  # midnight in Madrid, as UTC


def test_an_unkeyed_file_that_changed_under_its_name_is_refused(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    path = write_csv(tmp_path / "orders" / "a.csv", orders(3))
    ingest(workspace, AS_OF)
    write_csv(path, orders(4))
    with pytest.raises(ContractBroken, match=r"a\.csv: was loaded as of 2026-03-02 with other content.*declare.*key"):
        ingest(workspace, AS_OF)
    assert len(stored(workspace, "order_id")) == 3


def live(workspace: Workspace, columns: str, as_of: datetime) -> list[tuple[Any, ...]]:
    """Rows of the feed as they were known at an instant."""
    at = f"timestamp '{as_of}'"
    return stored(
        workspace,
        columns,
        where=f"loaded_at <= {at} and not exists (select 1 from superseded s where s.feed = 'orders'"
        f" and s.batch_id = orders.batch_id and s.row_number = orders.row_number and s.replaced_at <= {at})",
    )


def test_a_correction_is_a_new_version_and_the_old_one_is_still_known_before_it(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, key="order_id")
    path = write_csv(tmp_path / "orders" / "a.csv", [order(1), order(2), order(3)])
    ingest(workspace, AS_OF)
    write_csv(path, [order(1), order(2, amount="5"), order(4)])
    (batch,) = ingest(workspace, AS_OF + timedelta(days=1)).batches
    assert (batch.clean, batch.unchanged, batch.corrected) == (3, 1, 1)
    assert sorted(live(workspace, "order_id, amount_cents", LOADED)) == [("o1", 999), ("o2", 999), ("o3", 999)]
    now = LOADED + timedelta(days=1)
    assert sorted(live(workspace, "order_id, amount_cents", now)) == [
        ("o1", 999), ("o2", 500), ("o3", 999), ("o4", 999),
    ]  # fmt: skip


def test_a_file_that_goes_back_to_what_it_was_is_news(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, key="order_id")
    path = tmp_path / "orders" / "a.csv"
    for day, amount in enumerate(["1", "2", "1", "1"]):
        write_csv(path, [order(1, amount=amount)])
        result = ingest(workspace, AS_OF + timedelta(days=day))
        assert result.is_unchanged == (day == 3)
        assert live(workspace, "amount_cents", LOADED + timedelta(days=day)) == [(100 * int(amount),)]


def test_a_daily_file_that_is_delivered_again_replaces_its_rows(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, source="orders/{date}.csv", is_required=False)
    path = write_csv(tmp_path / "orders" / "2026-03-01.csv", [order(1), order(1), order(2), order(3, customer="")])
    ingest(workspace, AS_OF)
    write_csv(path, [order(1), order(2, amount="5"), order(4), order(4)])
    (batch,) = ingest(workspace, AS_OF + timedelta(days=1)).batches
    assert (batch.clean, batch.unchanged, batch.corrected) == (4, 1, 2)
    assert sorted(live(workspace, "order_id", LOADED + timedelta(days=1))) == [("o1",), ("o2",), ("o4",), ("o4",)]
    assert sorted(live(workspace, "order_id", LOADED)) == [("o1",), ("o1",), ("o2",)]


def test_a_new_mapping_reads_known_files_anew_without_counting_a_row_twice(tmp_path: Path) -> None:
    write_csv(tmp_path / "orders" / "a.csv", [order(1), order(2, amount="5,00".replace(",", ".")), order(2)])
    ingest(make_workspace(tmp_path), AS_OF)
    columns = {"customer_id": "customer", "event_at": "at", "amount": "amount", "order_id": "order", "channel": "kind"}
    workspace = make_workspace(tmp_path, columns=columns)
    (batch,) = ingest(workspace, AS_OF).batches
    assert (batch.was_known_already, batch.clean, batch.corrected) == (False, 3, 3)
    assert live(workspace, "order_id, category, channel", LOADED) == [
        ("o1", None, "book"), ("o2", None, "book"), ("o2", None, "book"),
    ]  # fmt: skip
    assert ingest(workspace, AS_OF).is_unchanged


def test_customers_are_versions_and_an_unchanged_one_is_not_stored_again(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, customers=CUSTOMERS)
    header = ("id", "since", "city", "age", "member")
    write_csv(tmp_path / "orders" / "a.csv", orders(1))
    rows = [["c1", "2025-01-01", "Vigo", "30", "yes"], ["c2", "2025-01-01", "Lugo", "", "no"]]
    write_csv(tmp_path / "customers.csv", rows, header)
    ingest(workspace, AS_OF)
    rows[1][2] = "Bilbao"
    write_csv(tmp_path / "customers.csv", [*rows, ["c3", "2099-01-01", "x", "1", "n"]], header)
    batch = ingest(workspace, AS_OF + timedelta(days=1)).batches[0]
    assert (batch.clean, batch.unchanged, batch.corrected) == (2, 1, 1)
    assert batch.reasons == {"signed_up_at_is_not_in_the_future": 1}
    versions = workspace.warehouse.query(
        "select customer_id, city, age, member, loaded_at from customers order by customer_id, loaded_at"
    ).to_pylist()
    assert [tuple(v.values()) for v in versions] == [
        ("c1", "Vigo", 30.0, True, LOADED),
        ("c2", "Lugo", None, False, LOADED),
        ("c2", "Bilbao", None, False, LOADED + timedelta(days=1)),
    ]


def test_two_versions_of_a_customer_on_one_day_leave_one(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, customers={**CUSTOMERS, "source": "customers/*.csv"})
    header = ("id", "since", "city", "age", "member")
    write_csv(tmp_path / "orders" / "a.csv", orders(1))
    for name, city in (("1", "Vigo"), ("2", "Lugo")):
        write_csv(tmp_path / "customers" / f"{name}.csv", [["c1", "2025-01-01", city, "30", "yes"]], header)
    ingest(workspace, AS_OF)
    kept = workspace.warehouse.query(
        "select city from customers c where not exists (select 1 from superseded s where s.feed = 'customers'"
        " and s.batch_id = c.batch_id and s.row_number = c.row_number)"
    ).to_pylist()
    assert kept == [{"city": "Lugo"}]
