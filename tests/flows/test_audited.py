"""Who does something by hand is written down, for every command there is, and the record shows when it was touched."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli.audited import ACTS, READS, ROUTINE, commands_of
from flows.cli.customers import names_one_of
from flows.cli.main import app
from flows.forgetting.retention import retention_step
from holdback.audit import Actor, acts, record, recorded, verify
from holdback.workspace import Workspace
from tests.holdback.shop import AS_OF, make_workspace

NOW = datetime(2026, 3, 2, 9)
ANA = Actor("ana", "desk-1", "models promote --version")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path)


def test_every_command_is_recorded_or_is_known_to_change_nothing_by_hand() -> None:
    names = [name for name, _ in commands_of(app)]
    unsorted = [name for name in names if (name in ACTS) + (name in ROUTINE) + (name in READS) != 1]
    assert unsorted == [], "say in flows/cli/audited.py what each of them is"
    assert sorted({*ACTS, *ROUTINE, *READS} - set(names)) == []


def test_every_act_s_callback_records() -> None:
    recording = {name for name, command in commands_of(app) if hasattr(command.callback, "__act__")}
    assert recording == set(ACTS)


def test_options_that_are_recorded_exist_and_none_names_a_customer() -> None:
    for name, command in commands_of(app):
        act = ACTS.get(name)
        if act is not None:
            options = set(command.callback.__wrapped__.__annotations__)
            assert {*act.about, *act.only_if, *([act.why] if act.why else [])} <= options, name
            assert not {"customer", "customer_id", "customer_ids", "file", "business"} & set(act.about)


def test_an_act_is_there_before_it_is_done_and_says_how_it_ended(workspace: Workspace) -> None:
    with recorded(workspace, ANA, "promoted a model", now=lambda: NOW, about="version 4", why="better"):
        assert [act.outcome for act in acts(workspace)] == ["begun"]
    with pytest.raises(ValueError, match="no"), recorded(workspace, ANA, "promoted a model", now=lambda: NOW):
        raise ValueError("no")
    found = acts(workspace)
    assert [act.outcome for act in found] == ["begun", "done", "begun", "failed: ValueError"]
    assert found[0].act_id == found[1].act_id != found[2].act_id
    assert (found[1].about, found[1].why, found[1].actor) == ("version 4", "better", ANA)
    assert verify(workspace).is_whole
    assert acts(workspace, who="ben") == []
    assert acts(workspace, since=datetime(2026, 3, 3)) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("update acts set who = 'ben' where sequence = 2", "row 2 was changed"),
        ("delete from acts where sequence = 2", "row 2 is missing"),
        ("delete from acts where sequence >= 2", "the tail is cut off: rows 2 to 3"),
        ("delete from acts", "rows 1 to 3 are gone"),
        ("update acts set previous_hash = hash where sequence = 3", "row 3 does not follow"),
    ],
)
def test_a_record_that_was_touched_is_found(workspace: Workspace, change: str, fault: str) -> None:
    for number in range(3):
        record(workspace, ANA, f"act {number}", at=NOW)
    assert str(verify(workspace)).startswith("whole: 3 rows")
    with sqlite3.connect(workspace.folder / "journal.db") as connection:
        connection.execute(change)
    connection.close()
    assert fault in (verify(workspace).fault or "")


def test_a_tail_cut_off_together_with_its_anchor_is_found(workspace: Workspace) -> None:
    assert verify(workspace).is_whole  # nothing was ever done by hand: nothing to anchor
    for number in range(3):
        record(workspace, ANA, f"act {number}", at=NOW)
    with sqlite3.connect(workspace.folder / "journal.db") as connection:
        connection.execute("delete from acts where sequence > 2")
    connection.close()
    (workspace.folder / "audit-head.json").unlink()
    assert "audit-head.json is gone" in (verify(workspace).fault or "")


def test_the_newest_row_of_the_record_is_told_elsewhere_every_day(workspace: Workspace) -> None:
    made = record(workspace, ANA, "act", at=NOW)
    assert retention_step(workspace, AS_OF).receipt["record"] == f"1 {made.hash}"


@pytest.fixture
def line(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.setenv("HOLDBACK_BUSINESS", str(workspace.business.folder / "shop.yaml"))
    monkeypatch.setenv("HOLDBACK_HOME", str(workspace.root))
    monkeypatch.setenv("HOLDBACK_OPERATOR", "Ana")

    def run(*arguments: str, fails: bool = False) -> str:
        result = CliRunner().invoke(app, list(arguments))
        assert (result.exit_code != 0) == fails, result.output
        return result.output

    return run


def test_the_command_line_records_who_and_never_whom(line: Callable[..., str], workspace: Workspace) -> None:
    line("customer", "forget", "c-SECRET", "--why", "request 17")
    line("customer", "forget", "c-SECRET", "--why", "it was c-SECRET", fails=True)
    found = json.loads(line("audit", "--json"))
    assert [row["outcome"] for row in found[:2]] == ["begun", "done"]
    assert found[0]["what"] == "forgot customers"
    assert found[0]["why"] == "request 17"
    assert found[0]["actor"]["who"].startswith("Ana (as ")
    told = line("audit")
    assert "forgot customers" in told
    assert "whole" in line("audit", "verify")
    stored = (workspace.folder / "journal.db").read_bytes()
    assert b"c-SECRET" not in stored


LOOKS = (
    ("decisions", "explain", "c-SECRET"),
    ("features", "explain", "c-SECRET"),
    ("fit", "explain", "c-SECRET"),
    ("quarantine", "show", "0123456789abcdef"),
    ("customer", "show", "c-SECRET"),
)


@pytest.mark.parametrize("look", LOOKS, ids=" ".join)
def test_every_look_at_a_person_is_recorded_and_not_at_whom(
    line: Callable[..., str], workspace: Workspace, look: tuple[str, ...]
) -> None:
    CliRunner().invoke(app, [*look])  # also a look at somebody who is not there
    found = acts(workspace)
    assert found[0].outcome == "begun"
    assert found[0].what.startswith("looked at")
    assert b"c-SECRET" not in (workspace.folder / "journal.db").read_bytes()


@pytest.mark.parametrize(
    ("why", "ids", "is_named"),
    [
        ("request 17 of 2026", ["7"], False),
        ("request 17 of 2026", ["17"], True),
        ("it was 1042.", ["1042"], True),
        ("it was Ana Ruiz of Lugo", ["Ana Ruiz"], True),
        ("customer=1042;", ["1042"], True),
        ("asked by c-1", ["c-10", "c"], False),
    ],
)
def test_a_reason_names_a_customer_when_the_id_stands_in_it_by_itself(why: str, ids: list[str], is_named: bool) -> None:
    assert names_one_of(why, ids) is is_named


def test_who_returns_is_asked_for_consent_anew(line: Callable[..., str]) -> None:
    line("customer", "forget", "c1", "--why", "request 17")
    said = " ".join(line("customer", "return", "c1", "--why", "signed up again").split())
    assert "Not remembered: the group they were drawn into" in said
    assert "ask for it anew" in said


def test_what_is_held_is_written_for_its_owner_alone(line: Callable[..., str], tmp_path: Path) -> None:
    target = tmp_path / "answer.json"
    line("customer", "show", "c1", "--out", str(target))
    assert target.stat().st_mode & 0o777 == 0o600
    assert json.loads(target.read_text())["customer_id"] == "c1"
    line("customer", "show", "c1", "--out", str(target), fails=True)
    assert "Nothing is held" in line("customer", "show", "c1")


def test_periods_are_shown_and_applied(line: Callable[..., str]) -> None:
    assert "Kept for ever: feed orders, landing" in line("retention", "show")
    assert "Nothing was changed" in line("retention", "apply", "--dry-run")
