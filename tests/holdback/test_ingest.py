from __future__ import annotations

import gc
import shutil
import threading
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from holdback.errors import BusinessFileError, Busy, ContractBroken
from holdback.ingest import ingest
from tests.holdback.shop import (
    AS_OF,
    CUSTOMERS,
    contents,
    make_workspace,
    order,
    orders,
    stored,
    write_csv,
)

LOADED = datetime(2026, 3, 1, 23)  # midnight in Madrid, as UTC


def test_clean_rows_are_loaded_and_bad_ones_kept_with_their_reasons(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    rows = [order(1), order(2, customer=""), order(3, amount="ten"), order(4, at="2026-03-05", amount="x"), ["c9,1"]]
    write_csv(tmp_path / "orders" / "a.csv", rows)
    result = ingest(workspace, AS_OF)
    (batch,) = result.batches
    assert (batch.offered, batch.clean, batch.quarantined) == (5, 1, 4)
    assert batch.reasons == {
        "customer_id_is_given": 1, "amount_is_money": 2, "event_at_is_not_in_the_future": 1, "line_can_be_split": 1,
    }  # fmt: skip
    assert (batch.verdict, batch.was_known_already, batch.source) == ("warning", False, "a.csv")
    assert stored(workspace, "customer_id, event_at, amount_cents, order_id, category, row_number, loaded_at") == [
        ("c1", datetime(2026, 3, 1, 9), 999, "o1", "book", 1, LOADED)
    ]
    kept = stored(workspace, "row_number, raw, is_parsed, failed_rules", "quarantine")
    assert kept[2] == (
        4,
        '{"customer":"c1","at":"2026-03-05","amount":"x","order":"o4","kind":"book"}',
        True,
        '["amount_is_money","event_at_is_not_in_the_future"]',
    )
    assert kept[3] == (5, "c9,1", False, '["line_can_be_split"]')
    assert str(result) == "shop as of 2026-03-02: 1 batches, 5 rows offered: 1 clean, 4 quarantined"


def test_a_delivery_lies_by_customers_whatever_its_order_so_that_some_of_them_are_read_alone(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    write_csv(tmp_path / "orders" / "a.csv", orders(20))  # c1, c2, ... c0, c1 again, as days follow one another
    ingest(workspace, AS_OF)
    (path,) = (workspace.warehouse.root / "orders").glob("*.parquet")
    lying = [(row["customer_id"], row["row_number"]) for row in pq.ParquetFile(path).read().to_pylist()]
    assert lying == sorted(lying)
    assert stored(workspace, "order_id") == [(f"o{number}",) for number in range(1, 21)]


def test_loading_twice_changes_nothing_and_says_so(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    write_csv(tmp_path / "orders" / "a.csv", [*orders(5), order(9, amount="x")])
    ingest(workspace, AS_OF)
    before = contents(workspace)
    again = ingest(workspace, AS_OF + timedelta(days=1))
    assert again.is_unchanged
    assert again.batches[0].was_known_already
    assert str(again) == "shop as of 2026-03-03: nothing new; 1 batches were known already"
    assert contents(workspace) == before


def test_the_same_bytes_under_another_name_are_known_too(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    first = write_csv(tmp_path / "orders" / "a.csv", orders(5))
    ingest(workspace, AS_OF)
    shutil.copy(first, tmp_path / "orders" / "b.csv")
    assert ingest(workspace, AS_OF).is_unchanged


def test_the_original_is_kept_byte_for_byte_when_its_source_changes_or_goes(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    source = write_csv(tmp_path / "orders" / "a.csv", orders(5))
    content = source.read_bytes()
    (batch,) = ingest(workspace, AS_OF).batches
    source.write_bytes(b"overwritten in place")
    assert (workspace.landing / batch.batch_id / "a.csv").read_bytes() == content
    assert sorted(path.name for path in workspace.landing.iterdir()) == [batch.batch_id, "seen.json"]


def test_what_was_remembered_of_files_is_only_a_cache(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    write_csv(tmp_path / "orders" / "a.csv", orders(5))
    ingest(workspace, AS_OF)
    for content in (b"{broken", b"[]", None):
        path = workspace.landing / "seen.json"
        path.write_bytes(content) if content else path.unlink()
        assert ingest(workspace, AS_OF).is_unchanged


def test_daily_files_are_loaded_in_order_and_only_those_of_days_that_are_over(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, source="orders/{date}.csv")
    for day in (2, 1, 3):
        write_csv(tmp_path / "orders" / f"2026-03-{day:02d}.csv", [order(day, at=f"2026-03-{day:02d} 10:00")])
    write_csv(tmp_path / "orders" / "2026-02-30.csv", [])
    write_csv(tmp_path / "orders" / "latest.csv", [])
    result = ingest(workspace, date(2026, 3, 3))
    assert [batch.source for batch in result.batches] == ["2026-03-01.csv", "2026-03-02.csv"]
    covered = workspace.warehouse.query("select covers_on from batches order by sequence")["covers_on"].to_pylist()
    assert covered == [date(2026, 3, 1), date(2026, 3, 2)]


def test_a_day_that_is_made_good_leaves_what_names_no_day_to_today(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)  # its files name no day: one export, made on the 5th, of four days
    lines = [order(day, at=f"2026-03-{day:02d} 10:00") for day in (1, 2, 3, 4)]
    write_csv(tmp_path / "orders" / "all.csv", lines)
    for missed in (2, 3, 4):
        assert ingest(workspace, date(2026, 3, missed), is_made_good=True).batches == ()
    result = ingest(workspace, date(2026, 3, 5))
    assert (result.clean, result.quarantined) == (4, 0)  # not one of them lies in the future any more
    assert {at for (at,) in stored(workspace, "loaded_at")} == {datetime(2026, 3, 4, 23)}


def test_a_day_that_is_made_good_takes_its_own_file_and_misses_it(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, source="orders/{date}.csv")
    write_csv(tmp_path / "orders" / "2026-03-01.csv", [order(1, at="2026-03-01 10:00")])
    assert ingest(workspace, date(2026, 3, 2), is_made_good=True).clean == 1
    with pytest.raises(ContractBroken, match="no file for 2026-03-02"):
        ingest(workspace, date(2026, 3, 3), is_made_good=True)


def test_a_missing_file_is_a_failure_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    with pytest.raises(ContractBroken, match=r"orders: no file \(looked for .*orders/\*\.csv\)\. Put it there"):
        ingest(workspace, AS_OF)
    relaxed = ingest(make_workspace(tmp_path, is_required=False), AS_OF)
    assert relaxed.notes == ("orders: no file (not required)",)


def test_yesterdays_file_must_be_there_even_when_older_ones_are(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, source="orders/{date}.csv")
    write_csv(tmp_path / "orders" / "2026-02-27.csv", [order(1, at="2026-02-27")])
    with pytest.raises(ContractBroken, match="orders: no file for 2026-03-01"):
        ingest(workspace, AS_OF)
    assert workspace.warehouse.version("orders") is None
    ingest(workspace, date(2026, 2, 28))
    assert ingest(workspace, date(2026, 2, 28)).is_unchanged


def test_a_source_may_name_environment_variables(tmp_path: Path) -> None:
    write_csv(tmp_path / "elsewhere" / "in" / "a.csv", orders(2))
    environment = {"SHOP_FILES": str(tmp_path / "elsewhere"), "UNUSED": "hunter2"}
    workspace = make_workspace(tmp_path, source="$SHOP_FILES/${IN}/*.csv", environment={**environment, "IN": "in"})
    assert ingest(workspace, AS_OF).clean == 2
    with pytest.raises(BusinessFileError, match="variable IN is not set") as caught:
        ingest(make_workspace(tmp_path, source="$SHOP_FILES/${IN}/*.csv", environment=environment), AS_OF)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"customer,at,amount,order,kind\n", "has a header but no row"),
        (b"customer,at,order,kind\nc,2026-03-01,o,k\n", r"column 'amount' \(our 'amount'\) is missing"),
        (b"customer,at,Amount,order,kind\nc,2026-03-01,1,o,k\n", "the nearest one there is 'Amount'"),
        (b"customer;at;amount;order;kind\nc;2026-03-01;1;o;k\n", r"one column only: is csv\.delimiter ',' right"),
    ],
    ids=["empty", "header only", "missing column", "renamed column", "wrong delimiter"],
)
def test_a_file_of_another_form_is_refused_and_nothing_written(tmp_path: Path, content: bytes, message: str) -> None:
    workspace = make_workspace(tmp_path)
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders" / "a.csv").write_bytes(content)
    with pytest.raises(ContractBroken, match=message) as caught:
        ingest(workspace, AS_OF)
    assert caught.value.exit_code == 3
    assert "othing was written" in str(caught.value)
    assert all(workspace.warehouse.version(table) is None for table in ("orders", "batches", "validations"))
    assert list(workspace.landing.iterdir()) == []


def test_extra_columns_are_noted_and_no_fault(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    rows = [[*row, "hello"] for row in orders(3)]
    write_csv(tmp_path / "orders" / "a.csv", rows, header=("customer", "at", "amount", "order", "kind", "note"))
    (batch,) = ingest(workspace, AS_OF).batches
    assert (batch.verdict, batch.clean) == ("info", 3)


def test_bytes_of_another_encoding_cost_their_rows_only(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    path = write_csv(tmp_path / "orders" / "a.csv", orders(3))
    path.write_bytes(path.read_bytes() + "c8,2026-03-01,1.00,o8,café\n".encode("latin-1"))
    (batch,) = ingest(workspace, AS_OF).batches
    assert (batch.clean, batch.reasons) == (3, {"line_can_be_split": 1})
    assert stored(workspace, "raw", "quarantine") == [("c8,2026-03-01,1.00,o8,caf\\xe9",)]
    declared = make_workspace(tmp_path, csv={"encoding": "latin-1"})
    assert ingest(declared, AS_OF).batches[0].clean == 4
    assert stored(declared, "category", where="row_number = 4") == [("café",)]


def test_dates_in_three_formats_are_three_reasons_to_ask_and_one_to_load(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, date_format="%d/%m/%Y")
    days = ["01/03/2026", "2026-03-01", "1 March 2026"]
    write_csv(tmp_path / "orders" / "a.csv", [order(i, at=day) for i, day in enumerate(days)])
    (batch,) = ingest(workspace, AS_OF).batches
    assert (batch.clean, batch.reasons) == (1, {"event_at_is_instant": 2})


def test_parquet_goes_through_the_same_mapping(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, source="orders/*.parquet", csv={"decimal": ",", "delimiter": ";"})
    (tmp_path / "orders").mkdir()
    table = pa.table(
        {
            "customer": [1, None],
            "at": [datetime(2026, 3, 1, 10), datetime(2026, 3, 1, 10)],
            "amount": [0.1 + 0.2, float("nan")],
            "order": ["a", "b"],
            "kind": pa.array([None, None], pa.string()),
        }
    )
    pq.write_table(table, tmp_path / "orders" / "a.parquet")
    (batch,) = ingest(workspace, AS_OF).batches
    assert batch.reasons == {"customer_id_is_given": 1, "amount_is_money": 1}
    assert stored(workspace, "customer_id, amount_cents, category") == [("1", 30, None)]


def test_rows_are_never_known_from_an_earlier_instant_than_rows_before_them(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    write_csv(tmp_path / "orders" / "a.csv", orders(2))
    ingest(workspace, AS_OF)
    write_csv(tmp_path / "orders" / "b.csv", [order(9, at="2026-02-01")])
    late = ingest(workspace, date(2026, 2, 10))
    assert late.loaded_at == LOADED
    assert "rows are known from 2026-03-01 23:00 UTC on, not from the start of 2026-02-10" in late.notes[0]


def test_history_is_taken_as_known_on_the_morning_after_it_and_says_so(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    write_csv(tmp_path / "orders" / "a.csv", [order(1, at="2025-01-01 12:00"), order(2, at="2026-02-27 00:30")])
    ingest(workspace, AS_OF, history=True)
    # Madrid is an hour ahead of UTC in winter.
    assert stored(workspace, "loaded_at") == [(datetime(2025, 1, 1, 23),), (datetime(2026, 2, 27, 23),)]
    assumed = workspace.warehouse.query("select is_load_time_assumed, loaded_at from batches").to_pylist()
    assert assumed == [{"is_load_time_assumed": True, "loaded_at": LOADED}]


def test_rows_of_unknown_customers_are_kept_aside_where_customers_are_declared_complete(tmp_path: Path) -> None:
    expects = {"known_customers": True, "quarantined_share": 1}
    workspace = make_workspace(tmp_path, customers=CUSTOMERS, expects=expects)
    write_csv(tmp_path / "customers.csv", [["c1", "2025-01-01", "", "", ""]], ("id", "since", "city", "age", "member"))
    write_csv(tmp_path / "orders" / "a.csv", [order(1), order(2, customer="stranger")])
    assert ingest(workspace, AS_OF).batches[1].reasons == {"customer_id_is_known": 1}
    with pytest.raises(BusinessFileError, match="known_customers: the business file has no customers section"):
        ingest(make_workspace(tmp_path, expects=expects), AS_OF)


def test_a_broken_batch_stops_the_run_and_leaves_its_verdict_only(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, expects={"rows": [10, 20], "quarantined_share": 0.1})
    write_csv(tmp_path / "orders" / "a.csv", [*orders(3), order(4, amount="x")])
    with pytest.raises(ContractBroken):
        ingest(workspace, AS_OF)
    with pytest.raises(ContractBroken) as caught:
        ingest(workspace, AS_OF)
    message = str(caught.value)
    assert "a.csv (4 rows): the batch breaks its contract: row_count_is_in_range: 4" in message
    assert "quarantined_share_is_small: 0.25" in message
    assert "amount_is_money: 1 row (" in message
    verdicts = workspace.warehouse.query("select rule, is_accepted from validations where not is_passed").to_pylist()
    assert sorted(v["rule"] for v in verdicts) == [
        "amount_is_money", "quarantined_share_is_small", "row_count_is_in_range",
    ]  # fmt: skip
    assert not any(v["is_accepted"] for v in verdicts)
    assert all(workspace.warehouse.version(table) is None for table in ("orders", "batches", "quarantine", "profiles"))
    relaxed = make_workspace(tmp_path)
    assert ingest(relaxed, AS_OF).clean == 3


def test_a_feed_to_which_nothing_new_comes_is_stale(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, expects={"fresh_within_days": 3, "quarantined_share": 1})
    write_csv(tmp_path / "orders" / "a.csv", orders(1))
    ingest(workspace, AS_OF)
    ingest(workspace, AS_OF + timedelta(days=2))
    with pytest.raises(ContractBroken, match="orders: the newest event is 2026-03-01 09:00 UTC, more than 3 days"):
        ingest(workspace, AS_OF + timedelta(days=4))


def test_a_batch_with_far_fewer_rows_than_usual_is_reported(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, source="orders/{date}.csv", is_required=False)
    for week in range(5):
        on = date(2026, 1, 4) + timedelta(days=7 * week)
        write_csv(tmp_path / "orders" / f"{on}.csv", orders(40 if week < 4 else 4, at=f"{on} 12:00"))
    result = ingest(workspace, AS_OF)
    assert [batch.verdict for batch in result.batches] == ["passed"] * 4 + ["warning"]
    assert result.batches[4].findings[0].startswith("row_count_is_as_usual: 4 ")


def test_a_column_that_drifts_from_the_batches_before_is_reported_or_refused(tmp_path: Path) -> None:
    def load(day: int, amount: str, **expects: Any) -> tuple[str, ...]:
        workspace = make_workspace(tmp_path, expects={"quarantined_share": 1, **expects})
        rows = [order(i, customer=f"c{i}", amount=f"{amount}{i % 9}") for i in range(300)]
        write_csv(tmp_path / "orders" / f"{day}.csv", [[*row[:3], f"{day}-{row[3]}", row[4]] for row in rows])
        return ingest(workspace, AS_OF).batches[-1].findings

    assert load(1, "10.") == ()
    assert load(2, "10.") == ()
    assert load(3, "90.")[0].startswith("amount_has_not_drifted: ")
    with pytest.raises(ContractBroken, match="amount_has_not_drifted"):
        load(4, "900.", on_drift="critical")


def test_only_chosen_feeds_are_loaded_and_an_unknown_one_is_named(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, customers=CUSTOMERS)
    write_csv(tmp_path / "orders" / "a.csv", orders(1))
    assert [batch.feed for batch in ingest(workspace, AS_OF, feeds=["orders"]).batches] == ["orders"]
    with pytest.raises(BusinessFileError, match=r"feed 'order' does not exist\. Did you mean 'orders'\?"):
        ingest(workspace, AS_OF, feeds=["order"])


def test_two_loaders_cannot_interleave(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    write_csv(tmp_path / "orders" / "a.csv", orders(2))
    is_inside, may_go_on = threading.Event(), threading.Event()

    def hold(step: str) -> None:
        if step == "landed":
            is_inside.set()
            may_go_on.wait(60)

    first = threading.Thread(target=ingest, args=(workspace, AS_OF), kwargs={"checkpoint": hold})
    first.start()
    assert is_inside.wait(60)
    with pytest.raises(Busy, match="another process is busy with 'ingest'") as caught:
        ingest(workspace, AS_OF)
    assert caught.value.exit_code == 5
    may_go_on.set()
    assert ingest(workspace, AS_OF, wait_seconds=60).is_unchanged
    first.join()


def test_progress_is_told_of_every_offer(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    for name in "ab":
        write_csv(tmp_path / "orders" / f"{name}.csv", [order(ord(name))])
    told: list[tuple[str, int, int]] = []
    ingest(workspace, AS_OF, progress=lambda what, done, total: told.append((what, done, total)))
    assert told == [("orders: a.csv", 0, 2), ("orders: b.csv", 1, 2), ("done", 2, 2)]


def test_a_batch_of_bad_rows_only_is_loaded_as_such_where_that_is_allowed(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    write_csv(tmp_path / "orders" / "a.csv", [order(1, amount="x")])
    result = ingest(workspace, AS_OF)
    assert (result.clean, result.quarantined) == (0, 1)
    assert stored(workspace, "*") == []
    assert ingest(workspace, AS_OF).is_unchanged


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="another system than Linux says it otherwise")
def test_the_rows_of_a_delivery_are_let_go_as_soon_as_they_are_loaded(tmp_path: Path) -> None:
    held: list[bool] = []

    def look(step: str) -> None:
        if step == "decided":
            held.append("_changes.arrow" in Path("/proc/self/maps").read_text())

    write_csv(tmp_path / "orders" / "a.csv", [order(1)])
    gc.disable()  # it would help by chance
    try:
        ingest(make_workspace(tmp_path), AS_OF, checkpoint=look)
        held.append("_changes.arrow" in Path("/proc/self/maps").read_text())
    finally:
        gc.enable()
    assert held == [True, False]
