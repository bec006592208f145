"""A disk that is full or read-only stops a run with a message for the operator, and never leaves half a batch."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from holdback.errors import OperatorError
from holdback.ingest import ingest
from tests.holdback.shop import AS_OF, TABLES, contents, make_workspace, order, write_csv

NEXT = AS_OF + timedelta(days=1)
KEYED: dict[str, Any] = {"key": "order_id"}


def load_first(folder: Path) -> None:
    write_csv(folder / "orders" / "a.csv", [order(1), order(2), order(3, amount="x")])
    ingest(make_workspace(folder, **KEYED), AS_OF)


def used_kilobytes(folder: Path) -> int:
    usage = shutil.disk_usage(folder)
    return -(-usage.used // 1024)


def test_a_full_disk_at_whatever_moment_leaves_yesterday_and_a_later_run_makes_it_today(
    tmp_path: Path, small_disk: Callable[[str], None]
) -> None:
    load_first(tmp_path)
    rows = [order(2, amount="5"), *(order(i, amount="x" if i % 5 == 0 else "7") for i in range(3, 3000))]
    write_csv(tmp_path / "orders" / "b.csv", rows)
    undisturbed = tmp_path / "elsewhere"
    shutil.copytree(tmp_path / "orders", undisturbed / "orders")
    for name, day in (("a.csv", AS_OF), ("b.csv", NEXT)):
        ingest(make_workspace(undisturbed, **KEYED, source=f"orders/{name}"), day)
    wanted = contents(make_workspace(undisturbed, **KEYED))
    workspace = make_workspace(tmp_path, **KEYED)
    yesterday = contents(workspace, ["orders", "batches"])

    refusals: list[str] = []
    for room in range(8, 2000, 48):
        small_disk(f"size={used_kilobytes(tmp_path / 'work') + room}k")
        try:
            ingest(workspace, NEXT)
            break
        except OperatorError as error:
            refusals.append(str(error))
        small_disk("size=64m")
        seen = contents(workspace, ["orders", "batches"])
        assert seen["orders"] in (yesterday["orders"], wanted["orders"])
        if seen["orders"] != yesterday["orders"]:
            break
    assert len(refusals) >= 3
    assert all("space" in message.lower() for message in refusals)
    small_disk("size=64m")
    ingest(workspace, NEXT)
    assert contents(workspace) == wanted
    assert sorted(TABLES) == sorted(wanted)


def test_a_read_only_disk_is_for_an_operator_and_readers_go_on(
    tmp_path: Path, small_disk: Callable[[str], None]
) -> None:
    load_first(tmp_path)
    workspace = make_workspace(tmp_path, **KEYED)
    before = contents(workspace)
    write_csv(tmp_path / "orders" / "b.csv", [order(9)])
    small_disk("ro")
    with pytest.raises(OperatorError) as caught:
        ingest(workspace, NEXT)
    assert caught.value.exit_code == 6
    assert "Check" in str(caught.value)
    assert contents(workspace) == before
    small_disk("rw")
    assert ingest(workspace, NEXT).clean == 1


def test_a_landing_folder_that_is_a_file_is_for_an_operator(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    write_csv(tmp_path / "orders" / "a.csv", [order(1)])
    workspace.folder.mkdir(parents=True)
    workspace.landing.write_text("in the way")
    with pytest.raises(OperatorError, match="The warehouse was not changed"):
        ingest(workspace, AS_OF)
    assert workspace.warehouse.version("orders") is None
