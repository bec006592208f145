from __future__ import annotations

import multiprocessing
import sqlite3
import uuid
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest

from holdback.errors import Busy, OperatorError, PromotionConflict
from holdback.journal import Journal, LedgerHead, Run
from tests.holdback.shop import make_workspace

AS_OF, NOW = date(2026, 3, 2), datetime(2026, 3, 2, 5, 15)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    if request.param == "sqlite":
        return Journal(f"sqlite:///{tmp_path / 'journal.db'}")
    return Journal(request.getfixturevalue("company_database"), f"holdback_{uuid.uuid4().hex[:12]}_journal")


def start(journal: Journal, run_id: str, **changes: str) -> None:
    values = {"flow": "score_daily", "business": "shop", "inputs_key": "k", **changes}
    journal.start_run(run_id, as_of=AS_OF, owner="me", now=NOW, **values)


def find(journal: Journal, flow: str = "score_daily", inputs_key: str = "k") -> Run | None:
    return journal.find_done(flow=flow, business="shop", as_of=AS_OF, inputs_key=inputs_key)


def test_a_run_that_was_done_with_the_same_inputs_is_found(journal: Journal) -> None:
    start(journal, "1")
    assert find(journal) is None
    journal.end_run("1", now=NOW, receipt={"rows": 7}, error=None)
    found = find(journal)
    assert found is not None
    assert (found.run_id, found.state, found.receipt, found.as_of) == ("1", "done", {"rows": 7}, AS_OF)
    assert find(journal, inputs_key="other") is None
    assert find(journal, flow="report") is None


def test_a_failed_run_is_not_done_and_keeps_its_error(journal: Journal) -> None:
    start(journal, "1")
    journal.end_run("1", now=NOW, receipt=None, error="the disk is full")
    assert find(journal) is None
    assert [(run.state, run.error) for run in journal.runs()] == [("failed", "the disk is full")]


def test_a_run_that_waits_has_not_failed_and_the_newest_of_each_subject_is_found(journal: Journal) -> None:
    for run_id, subject, error in (("1", "left", "full"), ("2", "gone", "full"), ("3", "left", "")):
        start(journal, run_id, subject=subject)
        journal.end_run(run_id, now=NOW, receipt={}, error=error or None)
    start(journal, "4", flow="learn")
    journal.end_run("4", now=NOW, receipt=None, error="knowable later", waits=True)
    found = journal.newest_runs(business="shop", since=AS_OF, until=AS_OF)
    assert {(run.flow, run.subject): run.state for run in found} == {
        ("score_daily", "left"): "done", ("score_daily", "gone"): "failed", ("learn", ""): "waits",
    }  # fmt: skip


def test_the_run_of_each_state_that_began_last_is_found_however_long_ago(journal: Journal) -> None:
    for run_id, error in (("1", ""), ("2", ""), ("3", "full")):  # of one second: the later one is the newer
        start(journal, run_id)
        journal.end_run(run_id, now=NOW, receipt={"n": run_id}, error=error or None)
    start(journal, "4", subject="left")
    start(journal, "5", business="bank")
    found = journal.newest_by_state(business="shop")
    assert [(run.run_id, run.state, run.subject) for run in found] == [
        ("4", "running", "left"), ("3", "failed", ""), ("2", "done", ""),
    ]  # fmt: skip
    assert found[2].receipt == {"n": "2"}


def test_a_journal_of_before_subjects_is_read_and_written(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with closing(sqlite3.connect(path)) as old, old:
        old.execute(
            "create table runs (run_id text primary key, flow text not null, business text not null, as_of text not"
            " null, inputs_key text not null, state text not null, started_at text not null, ended_at text, owner text"
            " not null, receipt text, error text)"
        )
        old.execute(
            "insert into runs values ('0', 'score_daily', 'shop', '2026-03-01', 'k', 'done', '2026-03-01T05:00:00',"
            " '2026-03-01T05:01:00', 'me', '{}', null)"
        )
    journal = Journal(f"sqlite:///{path}")
    start(journal, "1", subject="left")
    assert [(run.run_id, run.subject) for run in journal.runs()] == [("1", "left"), ("0", "")]


def test_an_ended_run_is_never_changed(journal: Journal) -> None:
    start(journal, "1")
    journal.end_run("1", now=NOW, receipt={"rows": 7}, error=None)
    journal.end_run("1", now=NOW, receipt=None, error="too late")
    assert journal.runs()[0].receipt == {"rows": 7}


def test_runs_of_dead_processes_are_reaped_and_others_are_not(journal: Journal) -> None:
    start(journal, "1")
    start(journal, "2", business="bank")
    start(journal, "3", flow="report")
    assert journal.reap_runs(flow="score_daily", business="shop", now=NOW) == 1
    assert {run.run_id: run.state for run in journal.runs()} == {"1": "failed", "2": "running", "3": "running"}
    assert [run.run_id for run in journal.runs(business="bank")] == ["2"]
    assert [run.run_id for run in journal.runs(limit=1)] == ["3"]


def test_the_first_champion_and_its_successor(journal: Journal) -> None:
    assert journal.champion("lapsed") is None
    first = journal.crown("lapsed", "1", seen=None, as_of=AS_OF)
    second = journal.crown("lapsed", "2", seen=first, as_of=AS_OF)
    assert (second.version, second.previous, second.revision) == ("2", "1", 2)
    assert journal.champion("lapsed") == second
    assert journal.champion("other") is None


def test_who_compared_with_a_champion_of_yesterday_has_to_compare_again(journal: Journal) -> None:
    first = journal.crown("lapsed", "1", seen=None, as_of=AS_OF)
    journal.crown("lapsed", "2", seen=first, as_of=AS_OF)
    for seen in (first, None):
        with pytest.raises(PromotionConflict, match="champion changed while version 3 was being compared"):
            journal.crown("lapsed", "3", seen=seen, as_of=AS_OF)
    assert journal.champion("lapsed").version == "2"  # type: ignore[union-attr]


def test_a_champion_that_left_and_came_back_is_not_the_one_that_was_seen(journal: Journal) -> None:
    first = journal.crown("lapsed", "1", seen=None, as_of=AS_OF)
    second = journal.crown("lapsed", "2", seen=first, as_of=AS_OF)
    journal.crown("lapsed", "1", seen=second, as_of=AS_OF)
    with pytest.raises(PromotionConflict):
        journal.crown("lapsed", "3", seen=first, as_of=AS_OF)


def _try_to_crown(url: str, schema: str | None, version: str, start_line: object, results: object) -> None:
    journal = Journal(url, schema)
    seen = journal.champion("lapsed")
    start_line.wait()  # type: ignore[attr-defined]
    try:
        journal.crown("lapsed", version, seen=seen, as_of=AS_OF)
        results.put(version)  # type: ignore[attr-defined]
    except PromotionConflict:
        results.put(None)  # type: ignore[attr-defined]


@pytest.mark.parametrize("has_champion", [False, True], ids=["an empty office", "an office held"])
def test_of_several_processes_that_promote_at_once_exactly_one_wins(journal: Journal, has_champion: bool) -> None:
    if has_champion:
        journal.crown("lapsed", "0", seen=None, as_of=AS_OF)
    context = multiprocessing.get_context("spawn")
    start_line, results = context.Barrier(4), context.Queue()
    rivals = [
        context.Process(target=_try_to_crown, args=(journal.url, journal.schema, str(i), start_line, results))
        for i in range(1, 5)
    ]
    for rival in rivals:
        rival.start()
    outcomes = [results.get(timeout=60) for _ in rivals]
    for rival in rivals:
        rival.join()
    winners = [version for version in outcomes if version is not None]
    assert len(winners) == 1
    champion = journal.champion("lapsed")
    assert champion is not None
    assert (champion.version, champion.revision) == (winners[0], 2 if has_champion else 1)


def test_verdicts_are_only_added(journal: Journal) -> None:
    for version in ("1", "2"):
        journal.record_verdict(
            "lapsed", version, as_of=AS_OF, decision="promoted", champion=None, figures={"auc": 0.8, "n": 10}
        )
    assert [(v.version, v.figures, v.as_of) for v in journal.verdicts("lapsed")] == [
        ("1", {"auc": 0.8, "n": 10}, AS_OF), ("2", {"auc": 0.8, "n": 10}, AS_OF),
    ]  # fmt: skip
    assert journal.verdicts("other") == []


@pytest.mark.postgres
class TestAJournalThatMoves:
    """From this machine's file into a database in which something may stand already."""

    @pytest.fixture
    def here(self, tmp_path: Path) -> Journal:
        journal = Journal(f"sqlite:///{tmp_path / 'journal.db'}")
        journal.crown("lapsed", "1", seen=None, as_of=AS_OF)
        journal.move_ledger_head(LedgerHead(AS_OF, 5, "h"))
        journal.record_verdict("lapsed", "1", as_of=AS_OF, decision="promoted", champion=None, figures={})
        start(journal, "old")
        return journal

    @pytest.fixture
    def there(self, company_database: str) -> Journal:
        return Journal(company_database, f"holdback_{uuid.uuid4().hex[:12]}_journal")

    def test_a_run_that_stands_there_already_keeps_nothing_back(self, here: Journal, there: Journal) -> None:
        start(there, "status")
        assert there.take_over(here) == 4
        assert there.champion("lapsed") == here.champion("lapsed")
        assert there.ledger_heads() == here.ledger_heads()
        assert there.verdicts("lapsed") == here.verdicts("lapsed")
        assert {run.run_id for run in there.runs()} == {"old", "status"}
        assert there.take_over(here) == 0, "all is there"

    def test_another_model_in_office_is_not_passed_over_in_silence(self, here: Journal, there: Journal) -> None:
        there.crown("lapsed", "7", seen=None, as_of=AS_OF)
        with pytest.raises(OperatorError, match=r"table champions is not empty and lacks .* \(lapsed, 1\)"):
            there.take_over(here)
        assert there.runs() == [], "all or nothing"

    def test_another_end_of_the_ledger_is_not_passed_over_in_silence(self, here: Journal, there: Journal) -> None:
        there.move_ledger_head(LedgerHead(AS_OF, 6, "x"))
        with pytest.raises(OperatorError, match="table ledger_heads is not empty"):
            there.take_over(here)


def test_a_ledger_that_cannot_be_written_is_for_an_operator(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="Check that the folder can be written"):
        Journal(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder' / 'journal.db'}").runs()


@pytest.mark.parametrize("place", ["files", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_a_lock_is_held_by_one_and_released_at_the_end(
    request: pytest.FixtureRequest, tmp_path: Path, place: str
) -> None:
    workspace = make_workspace(tmp_path)
    if place == "postgres":
        workspace = replace(workspace, database_url=request.getfixturevalue("company_database"))
    with workspace.lock("score"):
        with pytest.raises(Busy, match="shop: another process is busy with 'score'"), workspace.lock("score"):
            pass
        with pytest.raises(Busy), workspace.lock("score", wait_seconds=0.2):
            pass
        with workspace.lock("report"):
            pass
    with workspace.lock("score", wait_seconds=5):
        pass


def test_secrets_of_the_environment_are_not_shown(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, environment={"DB": "postgresql://me:hunter2@db/x"})
    assert "hunter2" not in repr(workspace)


def test_a_workspace_keeps_everything_under_its_root(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    root = str(tmp_path / "work")
    places = [workspace.warehouse.root, workspace.landing, workspace.reports, workspace.models]
    assert all(str(place).startswith(f"{root}/shop/") for place in places)
    assert root in workspace.mlflow_uri
    assert workspace.journal.url == f"sqlite:///{tmp_path / 'work' / 'shop' / 'journal.db'}"
