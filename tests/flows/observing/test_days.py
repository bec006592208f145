"""Every way in which a day can end is explained on one screen, with what to do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.cli.runs import lines_of
from flows.observing.days import Contacts, DayStory, _written, tell_day
from flows.observing.reactions import DIED, REACTIONS, reaction_to
from flows.runs import once
from holdback import errors
from holdback.business import load_business
from holdback.errors import Busy, HoldbackError, NotKnowableYet, OperatorError
from holdback.workspace import Workspace
from tests.flows.shop import LAST_DAY_OF_HISTORY, write_shop
from tests.training.companies import shop

DAY = date(2026, 11, 10)
NOW = datetime(2026, 11, 10, 6, 0)
USUAL = ("ingest_daily", "score_daily", "segments", "record_daily", "report")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A shop that lived the three days before."""
    workspace = shop(tmp_path / "home")
    for back in (3, 2, 1):
        for position, step in enumerate(USUAL):
            _ran(workspace, step, DAY - timedelta(days=back), start=position * 60, seconds=20)
    return workspace


def _ran(workspace: Workspace, step: str, day: date, *, start: int, seconds: int | None) -> None:
    began = datetime.combine(day, datetime.min.time()) + timedelta(hours=5, seconds=start)
    run_id = f"{day:%m%d}{start:04d}abcdef"
    journal = workspace.journal
    journal.start_run(
        run_id, flow=step, business="shop", as_of=day, inputs_key="", owner="here:1", now=began, subject=""
    )  # fmt: skip
    if seconds is not None:
        journal.end_run(run_id, now=began + timedelta(seconds=seconds), receipt={"customer_count": 7}, error=None)


def _told(workspace: Workspace, day: date = DAY, **more: Any) -> tuple[DayStory, str]:
    story = tell_day(workspace, day, now=NOW, **more)
    lines = lines_of(story)
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 100
    json.dumps(asdict(story), default=str)
    return story, _joined(lines)


def _joined(lines: list[str]) -> str:
    """The screen as one line: where a sentence breaks is no matter."""
    return " ".join(" ".join(lines).split())


def test_a_day_that_was_done_says_that_nothing_is_to_do(workspace: Workspace) -> None:
    story, text = _told(workspace, DAY - timedelta(days=1))
    assert (story.state, story.fault, story.not_done) == ("done", None, ())
    assert [step.usual_seconds for step in story.steps] == [20.0] * len(USUAL)
    assert "not needed. It is safe at any time" in text


def test_a_day_that_never_ran_is_missed_and_today_is_not_run_yet(workspace: Workspace) -> None:
    assert _told(workspace)[0].state == "not yet"
    story = tell_day(workspace, DAY, now=NOW + timedelta(days=2))
    assert (story.state, story.newest_done_day) == ("missed", DAY - timedelta(days=1))
    text = _joined(lines_of(story))
    assert "MISSED: it never ran. The newest day before that was done: 2026-11-09" in text
    assert "The next `holdback daily` makes the day good before its own" in text
    assert f"`holdback daily --as-of {DAY}` does it alone" in text


def test_of_today_the_plain_command_is_advised_for_it_makes_missed_days_good_too(workspace: Workspace) -> None:
    with pytest.raises(OperatorError):
        once("ingest_daily", workspace, DAY, _away)
    text = _told(workspace)[1]
    assert "`holdback daily` takes up where it stopped" in text
    assert "--as-of" not in text


def _away() -> dict[str, int]:
    raise OperatorError("tills: the server does not answer. Run it again.")


def test_a_day_of_which_only_the_hourly_flow_ran_says_so(workspace: Workspace) -> None:
    for step in ("ingest_daily", "triggers"):
        _ran(workspace, step, DAY, start=0 if step == "triggers" else 60, seconds=20)
    assert "not run yet: only the hourly flow ran (began 2026-11-10 05:00:00 UTC)" in _told(workspace)[1]
    text = _joined(lines_of(tell_day(workspace, DAY, now=NOW + timedelta(days=2))))
    assert "MISSED: only the hourly flow ran (began" in text
    assert "it never ran" not in text


def test_a_missed_day_that_was_made_good_is_no_measure_of_another_and_lacks_nothing(tmp_path: Path) -> None:
    workspace = shop(tmp_path / "home")
    whole = ("ingest_daily", "score_daily", "decide_daily", "deliver", "record_daily", "report")
    for back in (5, 4, 3):
        for position, step in enumerate(whole):
            _ran(workspace, step, DAY - timedelta(days=back), start=position * 60, seconds=20)
    for back in (2, 1):
        for position, step in enumerate(("ingest_daily", "score_daily", "record_daily")):
            _ran(workspace, step, DAY - timedelta(days=back), start=position * 60, seconds=20)
    made_good, _ = _told(workspace, DAY - timedelta(days=1))
    assert (made_good.state, made_good.not_done) == ("done", ())
    with pytest.raises(OperatorError):
        once("ingest_daily", workspace, DAY, _away)
    assert tell_day(workspace, DAY, now=NOW).not_done == whole


def test_lists_that_a_period_removed_were_written(tmp_path: Path) -> None:
    contacts = Contacts(True, True, 12, (), ("phone.csv",), is_past=True)
    story = DayStory("shop", DAY, "done", (), (), None, contacts, True, None, None, ())
    text = _joined(lines_of(story))
    assert "lists were written (phone.csv), and removed since: receipts and the manifest stay" in text
    assert "nobody was contacted" not in text
    folder = tmp_path / DAY.isoformat()
    folder.mkdir()
    manifest: dict[str, Any] = {"files": {"phone.csv": {}, "phone.parquet": {}, "_refused.csv": {}}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert _written(folder, []) == ["phone.csv"]
    assert _written(tmp_path / "away", []) == []


def test_a_day_that_was_scored_in_part_is_made_good_by_nobody_else(workspace: Workspace) -> None:
    day = DAY - timedelta(days=1)
    with pytest.raises(OperatorError):
        once("score_daily", workspace, day, _away, subject="")
    story, text = _told(workspace, day)
    assert (story.state, story.was_lived) == ("failed", True)
    assert f"`holdback daily --as-of {day}` takes up where it stopped, which no other run does by itself" in text


def test_days_before_that_are_missing_are_told_and_this_one_is_what_it_is(workspace: Workspace) -> None:
    for position, step in enumerate(USUAL):
        _ran(workspace, step, DAY, start=position * 60, seconds=20)
    with pytest.raises(OperatorError):
        once("catch_up", workspace, DAY, _away)
    story, text = _told(workspace)
    assert story.state == "done"
    assert "catch_up: OperatorError, exit code 6" in text


def test_a_failed_step_is_told_with_its_sentence_what_to_do_and_what_was_not_done(workspace: Workspace) -> None:
    _ran(workspace, "ingest_daily", DAY, start=0, seconds=21)

    def broken() -> dict[str, int]:
        raise OperatorError("model shop-lapsed: there is no champion to score with. Train with `holdback retrain`.")

    with pytest.raises(OperatorError):
        once("score_daily", workspace, DAY, broken, subject="")
    story, text = _told(workspace)
    assert story.state == "failed"
    assert story.fault is not None
    assert (story.fault.step, story.fault.error_class, story.fault.exit_code) == ("score_daily", "OperatorError", 6)
    assert story.not_done == ("score_daily", "segments", "record_daily", "report")
    for words in ("there is no champion to score with", "Call whoever looks after the machine", "docs/runbook.md#",
                  "nobody is ever contacted", "safe at any time", "step_failed score_daily OperatorError"):  # fmt: skip
        assert words in text


def test_a_run_that_is_going_on_says_since_when_and_how_long_it_usually_takes(workspace: Workspace) -> None:
    _ran(workspace, "ingest_daily", DAY, start=0, seconds=20)
    _ran(workspace, "score_daily", DAY, start=3590, seconds=None)
    with workspace.lock("score_daily"):
        story, text = _told(workspace)
    assert story.state == "running"
    assert story.remaining_seconds == 10 + 3 * 20 + 20  # the other three, and what is left of this one
    assert "left)" in text


def test_a_run_whose_process_is_gone_died(workspace: Workspace) -> None:
    _ran(workspace, "score_daily", DAY, start=0, seconds=None)
    story, text = _told(workspace)
    assert story.state == "died"
    assert story.fault is not None
    assert (story.fault.error_class, story.fault.exit_code) == (DIED, None)
    assert "dmesg" in text


def test_a_step_that_another_process_holds_is_told_from_the_log(workspace: Workspace) -> None:
    with workspace.lock("ingest_daily"), pytest.raises(Busy):
        once("ingest_daily", workspace, DAY, dict)
    story, text = _told(workspace)
    assert story.state == "busy"
    assert "Wait for the other run" in text


def test_what_cannot_be_known_yet_is_no_fault(workspace: Workspace) -> None:
    for position, step in enumerate(USUAL):
        _ran(workspace, step, DAY, start=position * 60, seconds=20)

    def waits() -> dict[str, int]:
        raise NotKnowableYet("lapsed: no outcome is known before 2026-12-01. Nothing was computed.")

    with pytest.raises(NotKnowableYet):
        once("train_value", workspace, DAY, waits)
    story, text = _told(workspace)
    assert story.state == "waits"
    assert "train_value: waits for lapsed: no outcome is known before 2026-12-01." in text


def test_a_slow_step_stands_out_and_many_usual_ones_share_a_row(workspace: Workspace) -> None:
    for back in range(1, 4):
        for number in range(14):
            _ran(workspace, f"step_{number:02d}", DAY - timedelta(days=back), start=1000 + number, seconds=5)
    for number in range(14):
        _ran(workspace, f"step_{number:02d}", DAY, start=number, seconds=200 if number == 7 else 5)
    _ran(workspace, "score_daily", DAY, start=300, seconds=None)
    story, text = _told(workspace)
    assert [step.step for step in story.steps if step.is_slow] == ["step_07"]
    assert "step_00 .. step_06 (7)" in text
    assert "done SLOW" in text


def test_a_run_can_be_asked_for_that_a_later_one_mended(workspace: Workspace) -> None:
    def broken() -> dict[str, int]:
        raise errors.DataError("tills: column 'paid' is missing.")

    with pytest.raises(errors.DataError):
        once("ingest_daily", workspace, DAY, broken)
    [failed] = [run for run in workspace.journal.runs() if run.state == "failed"]
    once("ingest_daily", workspace, DAY, dict)
    assert tell_day(workspace, DAY, now=NOW).fault is None
    story, text = _told(workspace, run_id=failed.run_id)
    assert story.fault is not None
    assert "column 'paid' is missing" in text


def test_every_class_of_errors_has_its_reaction_and_each_entry_of_the_runbook_is_there(project_root: Path) -> None:
    ours = {name: one for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, HoldbackError)}
    assert set(REACTIONS) == set(ours) - {"HoldbackError"} | {DIED}
    assert {name: reaction.exit_code for name, reaction in REACTIONS.items() if name != DIED} == {
        name: one.exit_code for name, one in ours.items() if name != "HoldbackError"
    }
    runbook = (project_root / "docs" / "runbook.md").read_text()
    for reaction in REACTIONS.values():
        page, anchor = reaction.runbook.split("#")
        assert page == "docs/runbook.md"
        assert f"\n## {anchor}\n" in runbook
    assert reaction_to("ValueError") == REACTIONS["Unforeseen"]


class TestRealFailures:
    """The steps themselves fail, on real files, and the screen says how."""

    pytestmark = pytest.mark.slow
    day = LAST_DAY_OF_HISTORY + timedelta(days=1)

    @pytest.fixture
    def company(self, tmp_path: Path) -> Workspace:
        return Workspace(tmp_path / "home", load_business(write_shop(tmp_path, customers=60, days_after=1)))

    def _after(
        self, company: Workspace, work: Callable[[], object], error: type[HoldbackError]
    ) -> tuple[DayStory, str]:
        with pytest.raises(error):
            work()
        story = tell_day(company, self.day, now=company.business.instant(self.day) + timedelta(hours=6))
        lines = lines_of(story)
        assert len(lines) <= 25, lines
        return story, _joined(lines)

    def test_a_broken_contract_names_the_page_with_every_rule(self, company: Workspace) -> None:
        from flows.steps import ingest_step

        source = Path(company.business.feeds["tills"].source.replace("{date}", str(LAST_DAY_OF_HISTORY)))
        source.write_text("customer;at;paid\nc-1;2025-10-05 10:00:00;3.00\n")
        story, text = self._after(company, lambda: ingest_step(company, self.day), errors.ContractBroken)
        assert story.fault is not None
        assert story.fault.error_class == "ContractBroken"
        assert "docs/runbook.md#contract-broken" in text
        if story.fault.page is not None:  # some files are refused before any rule is judged
            assert Path(story.fault.page).exists()

    def test_a_day_that_is_too_young_to_learn_from_waits(self, company: Workspace) -> None:
        from flows.steps import ingest_step, retrain_step

        ingest_step(company, self.day, history=True)
        young = company.business.model_copy(
            update={"training": company.business.training.model_copy(update={"min_history_days": 4000})}
        )
        story, _ = self._after(
            company, lambda: retrain_step(Workspace(company.root, young), self.day), NotKnowableYet
        )  # fmt: skip
        assert story.fault is not None
        assert story.fault.error_class == "NotKnowableYet"

    def test_no_champion(self, company: Workspace) -> None:
        from flows.steps import score_step

        story, text = self._after(company, lambda: score_step(company, self.day), OperatorError)
        assert story.state == "failed"
        assert "there is no champion to score with" in text

    def test_a_missing_source(self, company: Workspace) -> None:
        from flows.steps import ingest_step

        feed = company.business.feeds["tills"].model_copy(
            update={"is_required": True, "source": "/nowhere/{date}.csv"}
        )  # fmt: skip
        without = Workspace(company.root, company.business.model_copy(update={"feeds": {"tills": feed}}))
        story, text = self._after(company, lambda: ingest_step(without, self.day), HoldbackError)  # type: ignore[type-abstract]
        assert story.state == "failed"
        assert "/nowhere" in text

    def test_a_full_disk(self, tmp_path: Path, small_disk: Callable[[str], None]) -> None:
        from flows.steps import ingest_step

        business = load_business(write_shop(tmp_path, customers=60, days_after=1))
        company = Workspace(tmp_path / "work" / "home", business)
        once("segments", company, self.day, dict)  # the journal is there
        small_disk("size=300k")  # full from now on
        with pytest.raises(OperatorError):
            ingest_step(company, self.day, history=True)
        small_disk("size=64m")
        story = tell_day(company, self.day, now=company.business.instant(self.day) + timedelta(hours=6))
        assert story.state in ("failed", "died", "not yet")
        assert len(lines_of(story)) <= 25

    def test_a_killed_step(self, company: Workspace, tmp_path: Path) -> None:
        code = (
            "import os, signal, sys; from datetime import date; from pathlib import Path\n"
            "from flows.runs import once; from holdback.business import load_business\n"
            "from holdback.workspace import Workspace\n"
            "workspace = Workspace(Path(sys.argv[1]), load_business(sys.argv[2]))\n"
            f"once('score_daily', workspace, date.fromisoformat('{self.day}'),"
            " lambda: os.kill(os.getpid(), signal.SIGKILL))"
        )
        killed = subprocess.run(
            [sys.executable, "-c", code, str(company.root), str(tmp_path / "shop.yaml")],
            check=False, env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        )  # fmt: skip
        assert killed.returncode == -signal.SIGKILL
        story = tell_day(company, self.day, now=company.business.instant(self.day) + timedelta(hours=6))
        assert (story.state, story.fault.error_class if story.fault else "") == ("died", DIED)
