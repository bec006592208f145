"""The flows run the whole loop on a real Prefect server, once per business and day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from flows import settings
from flows.runs import Outcome
from holdback.errors import ContractBroken
from holdback.workspace import Workspace
from tests.flows.shop import LAST_DAY_OF_HISTORY, write_shop

HISTORY_DAY = LAST_DAY_OF_HISTORY + timedelta(days=1)
TODAY = LAST_DAY_OF_HISTORY + timedelta(days=4)

pytestmark = pytest.mark.slow  # Prefect's own engine, a model trained


@pytest.fixture(scope="module")
def business(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("company")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLDBACK_HOME", str(folder / "home"))
        patch.setenv("HOLDBACK_THREADS", "2")
        yield str(write_shop(folder))


@pytest.fixture(scope="module")
def days(business: str, prefect_harness: None) -> dict[str, list[Outcome]]:
    """The history loaded, then the days since run twice over."""
    from flows import pipelines

    history = pipelines.ingest_daily(business=business, as_of=HISTORY_DAY, history=True)
    first = pipelines.backfill(business=business, since=TODAY - timedelta(days=1), until=TODAY)
    workspace = settings.open_workspace(business)
    before = _versions(workspace)
    again = pipelines.daily(business=business, as_of=TODAY)
    assert _versions(workspace) == before
    return {"history": [history], "first": first, "again": again}


def _versions(workspace: Workspace) -> dict[str, int | None]:
    return {table: workspace.warehouse.version(table) for table in (*workspace.business.tables, "features")}


def test_the_history_is_loaded_as_assumed(days: dict[str, list[Outcome]], business: str) -> None:
    warehouse = settings.open_workspace(business).warehouse
    [row] = warehouse.query(
        "select is_load_time_assumed from batches where feed = 'tills' order by loaded_at limit 1"
    ).to_pylist()
    assert row["is_load_time_assumed"]
    assert days["history"][0].receipt["batches"][0]["quarantined"] == 0


def test_a_day_ingests_trains_the_first_model_scores_and_reports(days: dict[str, list[Outcome]]) -> None:
    flows = [(outcome.flow, outcome.as_of) for outcome in days["first"]]
    yesterday = TODAY - timedelta(days=1)
    assert flows == [
        ("ingest_daily", yesterday), ("retrain", yesterday), ("score_daily", yesterday), ("train_value", yesterday),
        ("value_daily", yesterday), ("segments", yesterday), ("record_daily", yesterday), ("report", yesterday),
        ("portal", yesterday),
        ("ingest_daily", TODAY), ("score_daily", TODAY), ("value_daily", TODAY), ("record_daily", TODAY),
        ("alerts", TODAY), ("report", TODAY), ("portal", TODAY),
    ]  # fmt: skip
    stands = [(outcome.flow, outcome.as_of) for outcome in days["first"] if outcome.was_done_already]
    # What customers are worth moves slowly, and so do their groups; there was nothing to alert anybody of.
    assert stands == [("value_daily", TODAY), ("alerts", TODAY)]
    assert days["first"][1].receipt["decision"] == "promote"


def test_the_bad_row_is_in_quarantine_with_its_reason(days: dict[str, list[Outcome]]) -> None:
    ingested = next(o for o in days["first"] if (o.flow, o.as_of) == ("ingest_daily", TODAY))
    assert {rule: n for batch in ingested.receipt["batches"] for rule, n in batch["reasons"].items()} == {
        "amount_is_money": 1
    }


def test_a_rerun_changes_nothing_and_says_so(days: dict[str, list[Outcome]]) -> None:
    assert [outcome.flow for outcome in days["again"]] == [
        "ingest_daily", "score_daily", "value_daily", "record_daily", "alerts", "report", "portal", "retention"
    ]  # fmt: skip
    assert [outcome.flow for outcome in days["again"] if not outcome.was_done_already] == ["retention"], (
        "a backfill's days have none: the day itself has, once"
    )


def test_the_report_is_where_the_flow_says(days: dict[str, list[Outcome]]) -> None:
    reported, shown, _ = days["again"][-3:]
    for path in (reported.receipt["path"], shown.receipt["first_page"]):
        assert Path(str(path)).read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html>")
    assert shown.receipt["failed"] == []


def test_a_broken_contract_fails_once_and_is_not_retried(days: dict[str, list[Outcome]], business: str) -> None:
    from flows import pipelines

    workspace = settings.open_workspace(business)
    landing = Path(business).parent / "landing" / f"{TODAY}.csv"
    landing.write_text("customer;at;paid\nc-1;2025-10-05 10:00:00;3.00\n")
    before = _versions(workspace)
    with pytest.raises(ContractBroken):
        pipelines.ingest_daily(business=business, as_of=TODAY + timedelta(days=1))
    landing.unlink()
    newest = [run for run in workspace.journal.runs() if run.flow == "ingest_daily"]
    assert [run.state for run in newest[:2]] == ["failed", "done"]  # one attempt, not three
    assert {table: n for table, n in _versions(workspace).items() if n != before[table]}.keys() <= {"validations"}


def test_days_of_a_backfill_run_backwards_by_calendar_months() -> None:
    from flows.pipelines import _days

    assert _days(date(2025, 12, 1), date(2026, 3, 31), "month") == [
        date(2025, 12, 31), date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31),
    ]  # fmt: skip
    assert _days(date(2026, 3, 1), date(2026, 3, 15), "week") == [date(2026, 3, 1), date(2026, 3, 8), date(2026, 3, 15)]


def test_a_day_too_early_to_learn_from_loads_reports_and_says_when_it_will_be_known(
    tmp_path: Path, prefect_harness: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import pipelines

    monkeypatch.setenv("HOLDBACK_HOME", str(tmp_path / "home"))
    young = str(write_shop(tmp_path, customers=50, days_after=1))
    path = Path(young)
    path.write_text(path.read_text().replace("min_history_days: 60", "min_history_days: 400"))
    loaded, waiting, grouped, *_, reported, shown, _ = pipelines.daily(business=young, as_of=HISTORY_DAY)
    assert loaded.receipt["batches"][0]["clean"] > 0
    assert "no outcome is known on" in waiting.receipt["waits"]
    assert grouped.receipt["churns"], "in which groups customers are needs no model"
    assert Path(str(reported.receipt["path"])).exists()
    assert shown.receipt["failed"] == []
