"""What is older than its period goes, once, and only that; the ledger is never cut."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from campaigns.ledger import record, verify
from flows.forgetting.retention import apply_retention, due_on, retention_step
from holdback.business.retention import needs_of_feed
from holdback.quarantine import balance
from holdback.warehouse.postgres import journal_schema_of, schema_of, set_up
from holdback.workspace import Workspace
from tests.campaigns.company import company
from tests.campaigns.delivery.company import AS_OF, make_business, make_workspace, put
from tests.campaigns.killed_recorder import decided
from tests.flows.forgetting.company import build, traces
from tests.servers import postgres_server

#: 365 for features, 60 for the outcome of churn and 35 to read it.
LEAST = 460
LATER = AS_OF + timedelta(days=LEAST)


def plan(customer: str, kind: str, on: date) -> dict[str, Any]:
    return {"customer_id": customer, "kind": kind, "event_at": datetime(on.year, on.month, on.day)}


def kept(workspace: Workspace, table: str) -> list[str]:
    return workspace.warehouse.query(f"select customer_id from {table} order by all")["customer_id"].to_pylist()


def test_old_rows_go_and_younger_ones_stay(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, retention={"feeds": {"sendings": LEAST}})
    for name, day in (("old", AS_OF - timedelta(days=1)), ("young", AS_OF + timedelta(days=1))):
        at = datetime(day.year, day.month, day.day, 12)
        put(workspace, "sendings", {"customer_id": name, "event_at": at, "campaign": "x"})
    due = {one.what: one for one in due_on(workspace, LATER)}
    assert (due["feed sendings"].count, due["feed sendings"].before) == (1, AS_OF)
    assert due["feed plans"].days is None
    assert apply_retention(workspace, LATER, dry_run=True).removed == {}
    assert kept(workspace, "sendings") == ["old", "young"]
    assert apply_retention(workspace, LATER).removed == {"feed sendings": 1}
    assert kept(workspace, "sendings") == ["young"]
    assert apply_retention(workspace, LATER).removed == {}
    assert not list(traces(workspace.folder / "warehouse" / "sendings", ("old",)))


def test_the_day_s_flow_removes_whole_weeks(tmp_path: Path) -> None:
    """AS_OF is a Monday: the six days before the next one leave it where it is."""
    assert AS_OF.weekday() == 0
    workspace = make_workspace(tmp_path, retention={"feeds": {"sendings": LEAST}, "scores": 95, "reports": 30})
    at = datetime(AS_OF.year, AS_OF.month, AS_OF.day, 12)
    put(workspace, "sendings", {"customer_id": "old", "event_at": at, "campaign": "x"})
    workspace.reports.mkdir(parents=True)
    (workspace.reports / f"{LATER - timedelta(days=31)}.html").write_text("x")
    assert [one.count for one in due_on(workspace, LATER + timedelta(days=6)) if one.days == LEAST] == [1]
    gone = [retention_step(workspace, LATER + timedelta(days=days)).receipt["removed"] for days in range(8)]
    assert [number for number, removed in enumerate(gone) if "feed sendings" in removed] == [7]
    assert [number for number, removed in enumerate(gone) if "reports" in removed] == [
        next(n for n in range(8) if (LATER + timedelta(days=n - 30)).weekday() == 0)
    ]  # fmt: skip


def test_a_contract_that_still_runs_stays_however_old(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, retention={"roles": {"subscriptions": LEAST}})
    old, older = AS_OF - timedelta(days=10), AS_OF - timedelta(days=2000)
    put(workspace, "plans", plan("runs", "start", older), plan("gone", "start", older), plan("gone", "cancel", old),
        plan("left lately", "start", older), plan("left lately", "cancel", AS_OF + timedelta(days=3)))  # fmt: skip
    apply_retention(workspace, LATER)
    assert kept(workspace, "plans") == ["left lately", "left lately", "runs"]


@pytest.fixture(scope="module")
def aged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("aged")
    build(folder)
    return folder


def test_files_and_days_go_and_what_must_be_known_stays(aged: Path) -> None:
    periods = {"landing": 30, "quarantine": 30, "outbox": 30, "features": 95, "scores": 95, "reports": 30}
    workspace = Workspace(aged / "work", make_business(aged, retention=periods), threads=1)
    (workspace.reports / "2026-03-02").mkdir(parents=True)
    (workspace.reports / "2026-03-02" / "a.html").write_text("x")
    day = AS_OF + timedelta(days=95 + 7)
    ledger = workspace.warehouse.query("select * from ledger order by as_of, sequence").to_pylist()
    outcome = retention_step(workspace, day)
    assert set(outcome.receipt["removed"]) == {"landing", "quarantine", "outbox", "features", "scores", "reports"}
    assert sorted(path.name for path in (workspace.outbox / AS_OF.isoformat()).iterdir()) == [
        "manifest.json", "webhook.jsonl",
    ]  # fmt: skip
    assert workspace.warehouse.query("select count(*) as n from scores")["n"][0].as_py() == 0
    assert not [path for path in workspace.landing.iterdir() if path.is_dir()]
    assert balance(workspace).is_even
    assert workspace.warehouse.query("select * from ledger order by as_of, sequence").to_pylist() == ledger
    assert verify(workspace).is_whole
    assert retention_step(workspace, day).was_done_already


def test_a_ledger_of_any_age_is_whole(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, retention={"scores": 95})
    record(workspace, date(2020, 1, 1), decided(date(2020, 1, 1)), batch="a")
    apply_retention(workspace, LATER)
    assert verify(workspace).rows == 40


def test_a_quarantined_row_goes_whatever_words_are_in_it(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, retention={"quarantine": 30})
    words = '{"customer": "MARK1", "remark": "my card expired, call 600123456"}'
    told = {"failed_rules": "[]", "feed": "plans", "loaded_at": datetime(2025, 1, 1), "batch_id": "x"}
    put(workspace, "quarantine", {**told, "raw": words, "is_parsed": True}, {**told, "raw": "expired; MARK1",
        "is_parsed": False}, {**told, "raw": "expired", "is_parsed": False})  # fmt: skip
    assert apply_retention(workspace, LATER).removed == {"quarantine": 2}
    left = workspace.warehouse.query("select raw from quarantine order by row_number")["raw"].to_pylist()
    assert left == ['{"expired": true}', "expired", "expired"]
    assert apply_retention(workspace, LATER).removed == {}


def test_one_business_s_period_leaves_the_logs_of_another_alone(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, retention={"logs": 30, "outbox": 30})
    folders = [workspace.root / "logs" / name for name in (workspace.business.slug, "other")]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "2025-01-01.jsonl").write_text("{}")
    workspace.outbox.mkdir(parents=True)
    (workspace.outbox / "2025-01-01.csv").write_text("left by hand")
    assert apply_retention(workspace, LATER).removed == {"outbox": 1, "logs": 1}
    assert [sorted(path.name for path in folder.iterdir()) for folder in folders] == [[], ["2025-01-01.jsonl"]]
    assert list(workspace.outbox.iterdir()) == []


def test_a_report_of_a_contact_stays_as_long_as_a_bounce_or_a_complaint_counts() -> None:
    needs = dict(needs_of_feed(company(), "mails"))
    assert needs["a channel that bounced stays closed"] == 180
    assert needs["contact.open_complaint_days"] == 90


@pytest.mark.postgres
@pytest.mark.slow
def test_who_may_only_add_rows_says_what_is_due_and_the_day_goes_on(tmp_path: Path, project_root: Path) -> None:
    import psycopg

    business = make_business(tmp_path, retention={"feeds": {"sendings": LEAST}, "reports": 30})
    with postgres_server("owner") as url:
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute((project_root / "infra" / "postgres" / "roles.sql").read_text())
            owner.execute("create role keeper login in role holdback_admin")
            owner.execute("create role night login in role holdback_scorer, holdback_trainer")
        urls = {name: url.replace("//owner:", f"//{name}:") for name in ("keeper", "night")}
        set_up(urls["keeper"], schema_of("carrier"), journal_schema_of("carrier"), business.tables)
        keeper, night = (Workspace(tmp_path / "work", business, threads=1, database_url=one) for one in urls.values())
        old = {"customer_id": "old", "event_at": datetime(2026, 3, 1, 12), "campaign": "x"}
        put(night, "sendings", old)
        night.reports.mkdir(parents=True)
        (night.reports / "2025-01-01.html").write_text("x")
        outcome = retention_step(night, LATER)
        assert outcome.receipt["removed"] == {"reports": 1}
        assert outcome.receipt["left"] == {"feed sendings": 1}
        assert "run `holdback retention apply` as keeper" in outcome.receipt["to_do"]
        assert kept(night, "sendings") == ["old"]
        assert not retention_step(night, LATER).was_done_already  # as long as it is due, each run says so
        assert apply_retention(keeper, LATER).removed == {"feed sendings": 1}
        assert retention_step(night, LATER).receipt["to_do"] == ""
        assert kept(night, "sendings") == []
