"""Whatever ends a day tells its alerts, and alerts that could not be told are no success."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from flows import settings
from flows.one_day import one_day as whole_day
from flows.runs import Outcome, once, reap_the_dead
from holdback.errors import NotKnowableYet, OperatorError, Unforeseen
from holdback.workspace import Workspace
from tests.monitoring.alerts.world import MONDAY, company, lines, noon, ran

BOOK = {"name": "book", "kind": "file"}
HOOK = {"name": "hook", "kind": "webhook", "url": "$HOOK", "secret": "$KEY"}


def _begun(shop: Workspace, flow: str, day: date) -> None:
    shop.journal.start_run(
        flow, flow=flow, business="shop", as_of=day, inputs_key="", owner="night:1", now=noon(day)
    )  # fmt: skip


def test_a_fault_that_nobody_foresaw_and_a_run_that_was_killed_are_told(
    tmp_path: Path, prefect_harness: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = company(tmp_path, [BOOK])
    today = shop.business.day_of(settings.now())
    _begun(shop, "score_daily", today)

    def breaks(*_: Any, **__: Any) -> Iterator[Outcome]:
        raise ZeroDivisionError
        yield

    monkeypatch.setattr("flows.one_day._worked", breaks)
    one_day = flow(validate_parameters=False)(whole_day)
    with pytest.raises(Unforeseen):
        one_day(shop, today)
    assert {told["about"] for told in lines(shop)} == {"daily", "score_daily"}
    [told] = [told for told in lines(shop) if told["about"] == "score_daily"]
    assert (told["rule"], told["about"], told["severity"]) == ("step_failed", "score_daily", "critical")
    assert "the process ended without a word" in told["seen"]


def test_a_day_whose_alerts_reach_nobody_fails_when_everything_else_is_done(
    tmp_path: Path, prefect_harness: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = company(tmp_path, [HOOK])
    today = shop.business.day_of(settings.now())
    ran(shop, "segments", today, "the disk is full.")
    monkeypatch.setattr("flows.one_day._worked", lambda *_, **__: iter(()))
    one_day = flow(validate_parameters=False)(whole_day)
    with pytest.raises(OperatorError, match="not told through hook"):
        one_day(shop, today, with_portal=False)
    assert {run.flow: run.state for run in shop.journal.runs()} == {
        "segments": "failed", "record_daily": "done", "alerts": "done", "report": "done"
    }  # fmt: skip


def test_what_a_dead_process_left_running_has_failed_and_what_lives_has_not(tmp_path: Path) -> None:
    shop = company(tmp_path)
    for name in ("score_daily", "portal"):
        _begun(shop, name, MONDAY)
    with shop.lock("portal"):
        reap_the_dead(shop)
    assert {run.flow: run.state for run in shop.journal.runs()} == {"score_daily": "failed", "portal": "running"}


def test_what_is_not_knowable_yet_waits_and_has_not_failed(tmp_path: Path) -> None:
    shop = company(tmp_path)

    def work() -> dict[str, Any]:
        raise NotKnowableYet("lapsed: no outcome is known before 2025-10-01.")

    with pytest.raises(NotKnowableYet):
        once("retrain", shop, MONDAY, work, subject="lapsed")
    [run] = shop.journal.runs()
    assert (run.state, run.subject, run.owner.endswith(f":{os.getpid()}")) == ("waits", "lapsed", True)
