"""Who said no is left alone for ever: also when the rows that say so are erased, or are older than a period."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from campaigns.delivery import contacts
from campaigns.ledger import record
from campaigns.suppression import Reason, Remembered, suppressed
from flows.forgetting import forget, welcome_back
from flows.forgetting.retention import apply_retention
from holdback.errors import OperatorError
from holdback.workspace import Workspace
from tests.campaigns.delivery.company import (
    AS_OF,
    assigned,
    customer,
    decided,
    make_business,
    make_workspace,
    put,
    sending,
    write_ledger,
)
from tests.flows.forgetting.company import traces
from tests.servers import postgres_server

NOW = datetime(2026, 3, 2, 9)
ADDRESS = "ana@example.com"


@pytest.fixture(params=["lake", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.slow])])
def workspace(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    if request.param == "lake":
        yield make_workspace(tmp_path)
        return
    with postgres_server("company") as address:
        yield Workspace(tmp_path / "work", make_business(tmp_path), database_url=address, threads=1)


def say_no(workspace: Workspace, *, years_ago: int = 2, outcome: str = "opted_out") -> None:
    """Ana says no under two customer numbers with one address; Ben does not."""
    put(workspace, "customers", customer("ana", contact_key=f" {ADDRESS.upper()} "), customer("ben"),
        customer("ana again", contact_key=ADDRESS))  # fmt: skip
    at = datetime(2026 - years_ago, 3, 1)
    put(workspace, "sendings", {**sending("ana", outcome, at=at, decision=None), "loaded_at": at})


def left_alone(workspace: Workspace, *names: str) -> list[str]:
    asked = pa.table({"customer_id": list(names), "unit_id": list(names)})
    said = suppressed(
        workspace.warehouse, workspace.business, AS_OF, asked, remembered=Remembered.read(workspace)
    ).to_pylist()
    return [row["customer_id"] for row in said if row["reason"] == Reason.OPTED_OUT]


def test_an_opt_out_outlives_its_person_for_the_recipient_and_for_the_return(workspace: Workspace) -> None:
    say_no(workspace)
    assert left_alone(workspace, "ana", "ana again", "ben") == ["ana", "ana again"]
    forget(workspace, ["ana"], as_of=AS_OF, now=NOW)
    assert left_alone(workspace, "ana again", "ben") == ["ana again"]
    assert list(traces(workspace.folder / "warehouse", ("ANA@", f"{ADDRESS.upper()}"))) == []
    welcome_back(workspace, ["ana"], as_of=AS_OF, now=NOW)
    put(workspace, "customers", customer("ana", contact_key="elsewhere@example.com"), customer("wife", contact_key="x"))
    assert left_alone(workspace, "ana", "ana again", "ben", "wife") == ["ana", "ana again"]
    forget(workspace, ["ana", "ana again"], as_of=AS_OF, now=NOW)
    put(workspace, "customers", customer("new", contact_key=ADDRESS),
        customer("newer", contact_key="Elsewhere@example.com"), customer("eva"))  # fmt: skip
    assert left_alone(workspace, "new", "newer", "ben", "eva") == ["new", "newer"]


@pytest.mark.parametrize("way", ["flag", "ledger"])
def test_every_way_to_say_no_is_kept(tmp_path: Path, way: str) -> None:
    workspace = make_workspace(tmp_path)
    put(workspace, "customers", customer("ana", contact_key=ADDRESS, no_mail=way == "flag"),
        customer("twin", contact_key=ADDRESS))  # fmt: skip
    kind = "opted_out" if way == "ledger" else "assigned"
    record(workspace, AS_OF, pa.Table.from_pylist([{**assigned("ana"), "kind": kind}]), batch=kind)
    forget(workspace, ["ana"], as_of=AS_OF, now=NOW)
    assert left_alone(workspace, "twin", "ana") == ["ana", "twin"]


def test_who_never_said_no_leaves_nothing_behind(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    say_no(workspace, outcome="sent")
    forget(workspace, ["ana"], as_of=AS_OF, now=NOW)
    assert workspace.warehouse.version("do_not_contact") is None
    assert left_alone(workspace, "ana again") == []


def test_a_report_that_is_newer_than_the_day_counts_and_once_more_adds_nothing(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    say_no(workspace, years_ago=-1)
    for _ in range(2):
        forget(workspace, ["ana"], as_of=AS_OF, now=NOW)
    assert left_alone(workspace, "ana again") == ["ana again"]
    assert workspace.warehouse.query("select about from do_not_contact order by all")["about"].to_pylist() == [
        "customer", "recipient",
    ]  # fmt: skip


def test_without_the_key_nobody_is_taken_for_willing(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    say_no(workspace)
    forget(workspace, ["ana"], as_of=AS_OF, now=NOW)
    remembered = Remembered.read(workspace)
    assert remembered.key not in repr(remembered)
    (workspace.folder / "keys" / "tombstones.key").unlink()
    with pytest.raises(OperatorError, match="the key with which people were forgotten"):
        left_alone(workspace, "ben")


def test_a_contact_that_was_decided_before_is_withheld(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    say_no(workspace)
    write_ledger(workspace, assigned("ana again"), decided("ana again"), assigned("ben"), decided("ben"))
    forget(workspace, ["ana"], as_of=AS_OF, now=NOW)
    assert contacts(workspace, AS_OF)["customer_id"].to_pylist() == ["ben"]


def test_a_period_takes_reports_away_and_never_an_opt_out(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, retention={"feeds": {"sendings": 460}})
    say_no(workspace)
    old: dict[str, Any] = {"at": datetime(2024, 3, 1), "decision": None}
    put(workspace, "sendings", sending("ben", **old), sending("ben", None, **old), sending("ben", " Opted_Out ", **old))
    assert apply_retention(workspace, AS_OF + timedelta(days=1)).removed == {"feed sendings": 2}
    assert left_alone(workspace, "ana", "ana again", "ben") == ["ana", "ana again", "ben"]
