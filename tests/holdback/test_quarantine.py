from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from holdback.errors import Busy, DataError, OperatorError
from holdback.ingest import ingest
from holdback.quarantine import Balance, balance, list_quarantine, release, show_rows
from holdback.workspace import Workspace
from tests.holdback.shop import AS_OF, contents, make_workspace, order, stored, write_csv

STRICT: dict[str, Any] = {"accepts": {"category": ["book"]}}
NEXT = AS_OF + timedelta(days=1)


def load_bad_rows(folder: Path, **changes: Any) -> tuple[Workspace, str]:
    rows = [order(1), [*order(2)[:4], "toy"], [*order(3, amount="x")[:4], "toy"], order(4, amount="x"), ["c9,1"]]
    write_csv(folder / "orders" / "a.csv", rows)
    workspace = make_workspace(folder, **{**STRICT, **changes})
    return workspace, ingest(workspace, AS_OF).batches[0].batch_id


def test_what_waits_is_listed_by_batch_and_reason(tmp_path: Path) -> None:
    workspace, batch_id = load_bad_rows(tmp_path)
    (batch,) = list_quarantine(workspace)
    assert (batch.batch_id, batch.feed, batch.source, batch.as_of) == (batch_id, "orders", "a.csv", AS_OF)
    assert (batch.quarantined, batch.released, batch.open) == (4, 0, 4)
    assert batch.reasons == {"category_is_in_vocabulary": 2, "amount_is_money": 2, "line_can_be_split": 1}
    assert list_quarantine(workspace, feed="orders", reason="line_can_be_split") == (batch,)
    assert list_quarantine(workspace, feed="calls") == list_quarantine(workspace, reason="no_such_rule") == ()


def test_rows_are_shown_as_they_came(tmp_path: Path) -> None:
    workspace, batch_id = load_bad_rows(tmp_path)
    rows = show_rows(workspace, batch_id=batch_id)
    assert [(row.row_number, row.failed_rules) for row in rows] == [
        (2, ("category_is_in_vocabulary",)),
        (3, ("amount_is_money", "category_is_in_vocabulary")),
        (4, ("amount_is_money",)),
        (5, ("line_can_be_split",)),
    ]
    assert rows[1].raw == {"customer": "c1", "at": "2026-03-01 10:00:00", "amount": "x", "order": "o3", "kind": "toy"}
    assert rows[3].raw == "c9,1"
    assert [row.row_number for row in show_rows(workspace, reason="amount_is_money", limit=1)] == [3]
    with pytest.raises(DataError, match="no batch 'nonsense' was accepted"):
        show_rows(workspace, batch_id="nonsense")


def test_a_mended_vocabulary_lets_its_rows_in_and_the_others_wait_on(tmp_path: Path) -> None:
    _, batch_id = load_bad_rows(tmp_path)
    workspace = make_workspace(tmp_path)
    done = release(workspace, batch_id, as_of=NEXT)
    assert (done.chosen, done.released, done.still_bad) == (4, 1, 3)
    assert done.reasons == {"amount_is_money": 2, "line_can_be_split": 1}
    assert stored(workspace, "order_id, row_number, batch_id, loaded_at", where="order_id = 'o2'") == [
        ("o2", 2, done.released_batch_id, datetime(2026, 3, 2, 23))
    ]
    (batch,) = list_quarantine(workspace)
    assert (batch.quarantined, batch.released, batch.open) == (4, 1, 3)
    assert [row.row_number for row in show_rows(workspace)] == [3, 4, 5]
    assert balance(workspace) == Balance(offered=5, clean=2, waiting=3)


def test_a_release_done_twice_changes_nothing(tmp_path: Path) -> None:
    _, batch_id = load_bad_rows(tmp_path)
    workspace = make_workspace(tmp_path)
    release(workspace, batch_id, as_of=NEXT)
    before = contents(workspace)
    again = release(workspace, batch_id, as_of=NEXT)
    assert (again.chosen, again.released, again.released_batch_id) == (3, 0, None)
    assert contents(workspace) == before
    assert ingest(workspace, NEXT).is_unchanged


def test_only_chosen_rows_are_tried(tmp_path: Path) -> None:
    _, batch_id = load_bad_rows(tmp_path)
    workspace = make_workspace(tmp_path)
    assert release(workspace, batch_id, as_of=NEXT, row_numbers=[4]).released == 0
    assert release(workspace, batch_id, as_of=NEXT, reason="line_can_be_split").chosen == 1
    assert release(workspace, batch_id, as_of=NEXT, row_numbers=[2, 99]).released == 1
    assert release(workspace, batch_id, as_of=NEXT, row_numbers=[2]).chosen == 0


def test_a_mended_mapping_works_without_the_source_and_ingest_does_not_count_the_rows_again(tmp_path: Path) -> None:
    _, batch_id = load_bad_rows(tmp_path)
    away = shutil.move(tmp_path / "orders" / "a.csv", tmp_path / "a.csv")
    mended = make_workspace(tmp_path, csv={"nulls": ["x"]}, columns={
        "customer_id": "customer", "event_at": "at", "order_id": "order", "quantity": "amount",
        "amount": {"constant": 1},
    })  # fmt: skip
    done = release(mended, batch_id, as_of=NEXT)
    assert (done.released, done.reasons) == (3, {"line_can_be_split": 1})
    assert balance(mended) == Balance(offered=5, clean=4, waiting=1)
    shutil.move(away, tmp_path / "orders" / "a.csv")
    (again,) = ingest(mended, NEXT).batches
    assert (again.clean, again.unchanged, again.corrected) == (4, 3, 1)  # the row that had passed, read anew
    assert balance(mended) == Balance(offered=5, clean=4, waiting=1)
    assert balance(mended).is_even
    live = stored(
        mended,
        "order_id",
        where="not exists (select 1 from superseded s"
        " where s.batch_id = orders.batch_id and s.row_number = orders.row_number)",
    )
    assert sorted(live) == [("o1",), ("o2",), ("o3",), ("o4",)]


def test_rows_that_wait_under_a_newer_reading_are_released_there(tmp_path: Path) -> None:
    _, batch_id = load_bad_rows(tmp_path)
    workspace = make_workspace(tmp_path, date_format=["%Y-%m-%d %H:%M:%S"])
    newer = ingest(workspace, NEXT).batches[0].batch_id
    assert [batch.batch_id for batch in list_quarantine(workspace)] == [newer]
    with pytest.raises(DataError, match=f"was read again as {newer!r}"):
        release(workspace, batch_id, as_of=NEXT)


def test_of_two_rows_with_one_key_a_person_may_choose_one(tmp_path: Path) -> None:
    write_csv(tmp_path / "orders" / "a.csv", [order(1), order(2, amount="1"), order(2, amount="2")])
    workspace = make_workspace(tmp_path, key="order_id")
    batch_id = ingest(workspace, AS_OF).batches[0].batch_id
    assert release(workspace, batch_id, as_of=NEXT).reasons == {"order_id_is_unique": 2}
    assert release(workspace, batch_id, as_of=NEXT, row_numbers=[3]).released == 1
    assert stored(workspace, "order_id, amount_cents") == [("o1", 999), ("o2", 200)]


def test_a_release_needs_the_original_and_the_lock(tmp_path: Path) -> None:
    workspace, batch_id = load_bad_rows(tmp_path)
    with workspace.lock("ingest"), pytest.raises(Busy):
        release(workspace, batch_id, as_of=NEXT)
    shutil.rmtree(workspace.landing / batch_id)
    with pytest.raises(OperatorError, match=r"the landed original of a\.csv is not there"):
        release(workspace, batch_id, as_of=NEXT)
    with pytest.raises(DataError, match="no batch 'nonsense'"):
        release(workspace, "nonsense", as_of=NEXT)
