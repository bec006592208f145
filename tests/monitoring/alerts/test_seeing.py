"""What the default rules see in the tables, the journal and the ledger themselves."""

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from campaigns.designs import resume
from campaigns.ledger import record
from holdback.commits import rows_of
from holdback.tables import TABLES
from holdback.workspace import Workspace
from monitoring.alerts import read_alerts
from monitoring.alerts.rules import rules_of
from monitoring.alerts.seeing import see
from monitoring.measurement import measure
from tests.monitoring.alerts.world import MONDAY, alerted, company, events, figures, noon, ran
from tests.monitoring.company import BUSINESS, CHURN, receive
from tests.monitoring.company import workspace_in as company_with
from tests.monitoring.measurement.experiment import STARTS_ON, World, run


def _flags(workspace: Workspace, day: date) -> dict[tuple[str, str], tuple[float | None, str]]:
    figures_seen = see(workspace, rules_of(workspace.business), day)
    return {(seen.metric, seen.about): (seen.days[-1].value, seen.detail) for seen in figures_seen}


def test_a_company_without_anything_breaks_no_rule(tmp_path: Path) -> None:
    shop = company(tmp_path)
    assert _flags(shop, MONDAY) == {
        ("ledger_broken", ""): (0.0, ""),
        ("model_blocked", CHURN): (0.0, ""),
        ("retraining_due", CHURN): (0.0, ""),
    }


def test_broken_rules_are_named_and_what_was_in_the_data_is_not(tmp_path: Path) -> None:
    shop = company(tmp_path)
    receive(shop, MONDAY)
    row = {
        "batch_id": "b2", "feed": "tills", "as_of": MONDAY, "is_accepted": False, "expectation": "x",
        "rule": "amount_is_a_number", "column_name": "amount", "severity": "critical", "scope": "row",
        "is_passed": False, "unexpected_count": 3, "observed": "Ana Garcia, 600 123 123", "expected": "a number",
    }  # fmt: skip
    shop.warehouse.append("validations", rows_of(TABLES["validations"], [row]), batch="b2/validations")
    figures(shop, MONDAY, critical_rules_broken__tills=1, critical_rules_broken=1)
    alerted(shop, MONDAY)
    [alert] = read_alerts(shop.warehouse)
    assert (alert.rule, alert.about, alert.newest.severity) == ("contract_broken", "tills", "critical")
    assert alert.newest.message == (
        "Critical rules of the data contract were broken (tills): 1 (tills: amount is a number)."
    )


def test_a_flooded_trigger_is_told_and_is_over_on_the_next_quiet_day(tmp_path: Path) -> None:
    shop = company(tmp_path)
    for number, is_flooded in enumerate([True, False]):
        day = MONDAY + timedelta(days=number)
        row = {
            "as_of": day, "trigger": "savings_drop", "seen_at": noon(day), "holding": 900, "fired": 800, "cooling": 0,
            "expected": 12.5, "is_flooded": is_flooded,
        }  # fmt: skip
        shop.warehouse.append("trigger_runs", rows_of(TABLES["trigger_runs"], [row]), batch=f"runs/{day}")
        alerted(shop, day)
    # The trigger is not in the business file: what is over is over because it is quiet, or because it is gone.
    assert [state for _, _, state in events(shop)] == ["raised", "over"]
    assert "(savings_drop) (800 / 12.5)" in read_alerts(shop.warehouse)[0].events[0].message


def test_a_blocked_model_is_told_with_its_reason_until_one_passes(tmp_path: Path) -> None:
    shop = company(tmp_path)
    for number, decision in enumerate(["blocked", "keep"]):
        shop.journal.record_verdict(
            f"shop-{CHURN}", str(number), as_of=MONDAY + timedelta(days=number), decision=decision, champion=None,
            figures={"reasons": ["leak: refund_date knows the outcome."]},
        )  # fmt: skip
        alerted(shop, MONDAY + timedelta(days=number))
    first, last = read_alerts(shop.warehouse)[0].events
    assert "refund_date knows the outcome" in first.message
    assert (first.state, last.state) == ("raised", "over")


def test_a_step_that_failed_is_told_until_it_succeeds_also_when_it_comes_after_the_alerts(tmp_path: Path) -> None:
    shop = company(tmp_path)
    day, after = MONDAY, MONDAY + timedelta(days=1)

    ran(shop, "ingest_daily", day, "tills: 3 of 4 columns are missing. Have the file made again.")
    alerted(shop, day)
    [ingest] = read_alerts(shop.warehouse)
    assert (ingest.rule, ingest.about, ingest.newest.severity) == ("step_failed", "ingest_daily", "critical")
    assert ingest.newest.message.endswith("(tills: 3 of 4 columns are missing).")
    ran(shop, "ingest_daily", day)
    ran(shop, "portal", day, "s3://site: cannot be reached.")  # after the day's alerts
    alerted(shop, after)
    states = {alert.about: alert.state for alert in read_alerts(shop.warehouse)}
    assert states == {"ingest_daily": "over", "portal": "open"}


def _steps(shop: Workspace) -> dict[str, tuple[str, str]]:
    return {alert.about: (alert.state, alert.newest.severity) for alert in read_alerts(shop.warehouse)}


def test_what_waits_has_not_failed_and_what_the_day_can_do_without_is_a_warning(tmp_path: Path) -> None:
    shop = company(tmp_path)
    ran(shop, "train_value", MONDAY, "values: knowable from 2026-01-01 on.", waits=True)
    ran(shop, "segments", MONDAY, "segments: the disk is full.")
    ran(shop, "score_daily", MONDAY, "lapsed: the disk is full.", subject=CHURN)
    ran(shop, "retrain", MONDAY, "lapsed: the disk is full.", subject=CHURN)  # the first one: nobody can be scored
    alerted(shop, MONDAY)
    assert _steps(shop) == {
        "segments": ("open", "warning"), "score_daily": ("open", "critical"), "retrain": ("open", "critical")
    }  # fmt: skip


def test_a_step_that_failed_stays_told_until_it_is_done_however_long_it_was_not_tried(tmp_path: Path) -> None:
    shop = company(tmp_path)
    ran(shop, "learn", MONDAY, "the registry is away.")
    for number in range(4):
        ran(shop, "ingest_daily", MONDAY + timedelta(days=number))
        alerted(shop, MONDAY + timedelta(days=number))
    assert _steps(shop) == {"learn": ("open", "warning")}
    ran(shop, "learn", MONDAY + timedelta(days=4))
    alerted(shop, MONDAY + timedelta(days=4))
    assert _steps(shop) == {"learn": ("over", "warning")}


def test_one_churn_definition_that_is_done_hides_no_other_that_failed(tmp_path: Path) -> None:
    second = {"name": "gone", "kind": "inactivity", "feed": "tills", "outcome_days": 56, "active_days": 56}
    shop = company_with(tmp_path, churn=[*BUSINESS["churn"], second])  # type: ignore[misc]
    ran(shop, "score_daily", MONDAY, "lapsed: the disk is full.", subject=CHURN)
    ran(shop, "score_daily", MONDAY, subject="gone")
    alerted(shop, MONDAY)
    assert _steps(shop) == {"score_daily": ("open", "critical")}
    ran(shop, "score_daily", MONDAY, subject=CHURN)
    alerted(shop, MONDAY + timedelta(days=1))
    assert _steps(shop)["score_daily"][0] == "over"


def test_of_an_error_a_sentence_is_told_and_no_page(tmp_path: Path) -> None:
    shop = company(tmp_path)
    ran(shop, "portal", MONDAY, f"page: {'x' * 1000}. And more.\nTraceback")
    ran(shop, "report", MONDAY, "report: cannot be written. Free the disk.\nlast lines of a log")
    alerted(shop, MONDAY)
    long, short = (alert.newest.message for alert in sorted(read_alerts(shop.warehouse), key=lambda one: one.about))
    assert len(long) < 400
    assert short.endswith("(report: cannot be written).")


def test_a_changed_ledger_is_critical(tmp_path: Path) -> None:
    shop = company(tmp_path)
    row = pa.table({"kind": ["assigned"], "customer_id": ["c1"], "unit_id": ["c1"], "group": ["holdout"],
                    "salt": ["s"], "version": pa.array([1], pa.int64()), "propensity": [0.05]})  # fmt: skip
    record(shop, MONDAY, row, batch="decide")
    assert _flags(shop, MONDAY)["ledger_broken", ""] == (0.0, "")
    [path] = (shop.warehouse.root / "ledger").rglob("*.parquet")
    written = pq.ParquetFile(path).read()
    forged = [{**one, "group": "treatment"} for one in written.to_pylist()]  # behind the table's back
    pq.write_table(pa.Table.from_pylist(forged, schema=written.schema), path)
    alerted(shop, MONDAY)
    [alert] = read_alerts(shop.warehouse)
    assert (alert.rule, alert.newest.severity) == ("ledger_broken", "critical")


def test_a_campaign_that_holdback_halted_is_told_until_a_person_resumes_it(tmp_path: Path) -> None:
    day = STARTS_ON + timedelta(days=70)
    phones = run(tmp_path, World(held_rate=0.064, treated_rate=0.2), until=day)
    assert measure(phones, day).halted == ("spring/1",)
    alerted(phones, day)
    [told] = [alert for alert in read_alerts(phones.warehouse) if alert.rule == "campaign_halted"]
    assert (told.about, told.state, told.newest.severity) == ("spring", "open", "critical")
    assert "customers leave" in told.newest.message
    after = day + timedelta(days=1)
    resume(phones, "spring", after, reason="the script was mended", by="Ana Ruiz")
    alerted(phones, after)
    [told] = [alert for alert in read_alerts(phones.warehouse) if alert.rule == "campaign_halted"]
    assert told.state == "over"


def _came(shop: Workspace, day: date, *, feed: str = "tills") -> None:
    """Keep that a batch came, whose newest event is an hour before the day."""
    at = shop.business.instant(day)
    row = {
        "batch_id": f"{feed}{day}", "sequence": 1, "feed": feed, "source": "x.csv", "as_of": day, "rows_offered": 9,
        "rows_clean": 9, "rows_quarantined": 0, "last_event_at": at - timedelta(hours=1), "loaded_at": at,
        "is_load_time_assumed": False,
    }  # fmt: skip
    shop.warehouse.append("batches", rows_of(TABLES["batches"], [row]), batch=f"{feed}{day}/batches")


def test_a_feed_that_is_too_old_is_told_also_of_a_day_that_is_not_recorded(tmp_path: Path) -> None:
    shop = company(tmp_path)  # at most three days
    _came(shop, MONDAY)
    for day, state in ((2, None), (3, "warning"), (6, "critical")):
        alerted(shop, MONDAY + timedelta(days=day))
        found = {alert.about: alert.newest.severity for alert in read_alerts(shop.warehouse)}
        assert found == ({"tills": state} if state else {})
    [alert] = read_alerts(shop.warehouse)
    assert (alert.rule, alert.newest.value) == ("feed_too_old", 7.0)


def test_a_broken_rule_is_told_also_of_a_day_that_is_not_recorded(tmp_path: Path) -> None:
    shop = company(tmp_path)
    row = {
        "batch_id": "b2", "feed": "customers", "as_of": MONDAY, "is_accepted": False, "expectation": "x",
        "rule": "key_is_there", "column_name": "client", "severity": "critical", "scope": "row",
        "is_passed": False, "unexpected_count": 3, "observed": "x", "expected": "a key",
    }  # fmt: skip
    shop.warehouse.append("validations", rows_of(TABLES["validations"], [row]), batch="b2/validations")
    alerted(shop, MONDAY)
    [alert] = read_alerts(shop.warehouse)
    assert (alert.rule, alert.about, alert.newest.severity) == ("contract_broken", "customers", "critical")


def test_three_weeks_without_data_are_told_where_no_limit_is_declared(tmp_path: Path) -> None:
    tills = {key: value for key, value in BUSINESS["feeds"]["tills"].items() if key != "expects"}  # type: ignore[index]
    shop = company_with(tmp_path, feeds={"tills": tills})
    for number in range(6):
        _came(shop, MONDAY + timedelta(days=number))
    last = MONDAY + timedelta(days=5)  # its newest event is of the day before
    said = {}
    for quiet in (2, 3, 6, 21):
        alerted(shop, last + timedelta(days=quiet))
        said[quiet] = [(alert.rule, alert.newest.severity) for alert in read_alerts(shop.warehouse)]
    assert said == {
        2: [], 3: [("nothing_came_in", "warning")], 6: [("nothing_came_in", "critical")],
        21: [("nothing_came_in", "critical")],
    }  # fmt: skip
    [alert] = read_alerts(shop.warehouse)
    assert alert.newest.message == "Nothing has come in for unusually long (tills) (22 days; at most 1 is usual)."
    _came(shop, last + timedelta(days=22))
    alerted(shop, last + timedelta(days=22))
    assert read_alerts(shop.warehouse)[0].state == "over"


def test_a_feed_that_comes_once_a_week_is_not_missed_on_the_fourth_day(tmp_path: Path) -> None:
    tills = {key: value for key, value in BUSINESS["feeds"]["tills"].items() if key != "expects"}  # type: ignore[index]
    shop = company_with(tmp_path, feeds={"tills": tills})
    for number in range(5):
        _came(shop, MONDAY + timedelta(days=7 * number))
    assert alerted(shop, MONDAY + timedelta(days=28 + 20)).raised == 0
    assert alerted(shop, MONDAY + timedelta(days=28 + 21)).raised == 1
