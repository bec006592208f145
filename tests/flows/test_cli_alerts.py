"""Alerts on the command line: listed, shown, acknowledged; channels tried; training only where evidence asks for it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from flows.alerting import alert_step
from flows.cli.alerts import add_to, tell_alerts
from flows.steps import retrain_if_needed_step
from holdback.errors import BusinessFileError, DataError, OperatorError
from holdback.workspace import Workspace
from monitoring.alerts import read_alerts
from tests.campaigns.delivery.receivers import answer, receiver
from tests.monitoring.alerts.world import MONDAY, alerted, company, late, noon
from tests.monitoring.company import workspace_in

BOOK = {"name": "book", "kind": "file"}
HOOK = {"name": "hook", "kind": "webhook", "url": "$HOOK", "secret": "$KEY"}


def told(folder: Path, *arguments: str, code: int = 0, **environment: str) -> Any:
    """Run a command about alerts; return what it printed, or the error that ended it."""
    app = typer.Typer()
    add_to(app)
    home = {
        "HOLDBACK_HOME": str(folder / ".holdback"), "HOLDBACK_BUSINESS": str(folder / "business.yaml"),
        "COLUMNS": "200",
    }  # fmt: skip
    done = CliRunner(env={**home, **environment}).invoke(app, ["alerts", *arguments])
    assert done.exit_code == code, done.output + str(done.exception)
    return (done.exception, done.output) if code == 1 else done.output


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    made = company(tmp_path, [BOOK])
    late(made, MONDAY, 4)
    alerted(made, MONDAY)
    return made


def test_what_is_open_is_listed_shown_and_acknowledged(shop: Workspace, tmp_path: Path) -> None:
    [alert] = read_alerts(shop.warehouse)
    listed = told(tmp_path, "list")
    assert alert.alert_id in listed
    assert "The newest event (tills) is 4 days old." in listed
    shown = told(tmp_path, "show", alert.alert_id[:4])
    for part in ("Data too old", "Alert above 3.", "docs/runbook.md#feed-too-old", "raised", "book"):
        assert part in shown, part
    done = told(tmp_path, "ack", alert.alert_id[:4], "--by", "Ana", "--note", "known [b]")
    assert "acknowledged by Ana (known [b]). It is told no more until it is worse, or over." in done
    assert "acknowledged by Ana" in told(tmp_path, "list")
    [plain] = json.loads(told(tmp_path, "list", "--json"))
    assert (plain["state"], plain["acknowledged_by"], plain["note"], plain["not_told_yet"]) == (
        "acknowledged", "Ana", "known [b]", [],
    )  # fmt: skip
    assert [event["state"] for event in plain["events"]] == ["raised", "acknowledged"]
    assert "open. It is told again." in told(tmp_path, "ack", alert.alert_id[:4], "--by", "Ana", "--undo")
    late(shop, MONDAY + timedelta(days=1), 1)
    alerted(shop, MONDAY + timedelta(days=1))
    assert told(tmp_path, "list").strip() == "No alert is open."
    assert "over since 2025-09-02" in told(tmp_path, "list", "--all")


def test_an_id_that_nobody_has_is_refused(shop: Workspace, tmp_path: Path) -> None:
    error, _ = told(tmp_path, "show", "zz", code=1)
    assert isinstance(error, DataError)
    assert "no alert has this id" in str(error)


def test_before_any_day_nothing_is_open(tmp_path: Path) -> None:
    company(tmp_path)
    assert told(tmp_path, "list").strip() == "No alert is open."
    assert told(tmp_path, "list", "--all").strip() == "There has been no alert yet."


def test_channels_are_tried_and_each_says_what_happened(tmp_path: Path) -> None:
    company(tmp_path, [BOOK, HOOK])
    with receiver([answer(403)]) as hook:
        error, said = told(tmp_path, "test", code=1, HOOK=hook.url, KEY="k")
        assert isinstance(error, OperatorError)
        assert "book: taken" in said
        assert "hook: NOT TAKEN: answered 403 (1 try)." in said
        assert told(tmp_path, "test", "--channel", "hook", HOOK=hook.url, KEY="k").strip() == "hook: taken"
    assert json.loads(hook.calls[0].body)["is_test"]


def test_a_channel_that_is_not_declared_is_refused(tmp_path: Path) -> None:
    company(tmp_path, [BOOK])
    error, _ = told(tmp_path, "test", "--channel", "boo", code=1)
    assert isinstance(error, BusinessFileError)
    assert "Choose one of: book" in str(error)


def test_without_a_channel_it_says_how_to_add_one(tmp_path: Path) -> None:
    company(tmp_path)
    error, _ = told(tmp_path, "test", code=1)
    assert "none is declared, so nobody is told of an alert" in str(error)


def test_the_step_of_the_day_tells_once_and_says_so(tmp_path: Path) -> None:
    shop = company(tmp_path, [BOOK, HOOK])
    late(shop, MONDAY, 4)
    first = alert_step(shop, MONDAY, now=noon(MONDAY))
    assert first.receipt["told"] == {"book": 2}
    assert not first.was_done_already
    said = "\n".join(tell_alerts(first.receipt))
    assert "2 raised, 0 over; open: 1 warning, 1 notice" in said
    assert "hook: NOT REACHED: channels.hook.url: the environment variable HOOK is not set." in said
    quiet = company(tmp_path / "quiet", [BOOK])
    assert alert_step(quiet, MONDAY, now=noon(MONDAY)).was_done_already


def test_nothing_is_trained_without_evidence_and_it_says_why(tmp_path: Path) -> None:
    shop = workspace_in(tmp_path)
    outcome = retrain_if_needed_step(shop, MONDAY)
    assert outcome.flow == "retrain"
    assert outcome.receipt["waits"] == "There is no model of lapsed yet: nothing can speak against it."
    assert shop.journal.runs() == []
