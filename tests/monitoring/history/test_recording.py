"""A day's figures: known answers, what cannot be known, and a past that nothing rewrites."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from shutil import copytree
from typing import Any

import pytest

from holdback.commits import rows_of
from holdback.errors import OperatorError
from holdback.tables import TABLES
from holdback.workspace import Workspace
from monitoring.history import METRICS, DayValue, RecordedDay, metric_history, newest, record_day
from monitoring.history.figures import Asked, answered
from monitoring.performance import matured_performance
from monitoring.proportions import wilson
from monitoring.report_content import ReportContent, gather
from tests.monitoring.company import CHURN, FIRST_DAY, LAST_DAY, TRAINED_ON, receive
from tests.monitoring.history.shop import DAY, TRIGGER, ask, score_day, shop, value_customers
from tests.monitoring.measurement.experiment import STARTS_ON, World, run

TOMORROW = DAY + timedelta(days=1)


def values(workspace: Workspace, day: Any = DAY) -> dict[tuple[str, str], DayValue]:
    return {name: value for name, value in newest(workspace.warehouse, day).items() if value.as_of == day}


def reasons(recorded: RecordedDay) -> dict[tuple[str, str], str]:
    return {(one.metric, one.about): one.reason for one in recorded.not_known}


# --- Known answers ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A day on which 20 customers were scored, 120 rows came, 12 customers had been asked, and a trigger had fired."""
    workspace = shop(tmp_path_factory.mktemp("shop"), triggers=[TRIGGER])
    score_day(workspace, DAY, [0.6] * 4 + [0.3] * 6 + [0.1] * 10)
    value_customers(workspace, DAY, [10_000] * 20)
    receive(workspace, DAY, offered=120, bad=6)
    ask(workspace, DAY, [10, 10, 9, 9, 9, 8, 7, 7, 3, 0, None, None])
    run_of_trigger = {
        "as_of": DAY, "trigger": "angry", "seen_at": workspace.business.instant(DAY), "holding": 5, "fired": 2,
        "cooling": 3, "expected": 1.0, "is_flooded": False, "note": None,
    }  # fmt: skip
    workspace.warehouse.append("trigger_runs", rows_of(TABLES["trigger_runs"], [run_of_trigger]), batch="t")
    record_day(workspace, DAY)
    return workspace


def test_who_was_scored_is_counted(lived):
    found = values(lived)
    assert found["customers_scored", ""] == DayValue(DAY, 20.0)
    assert found["customers_at_risk", ""] == DayValue(DAY, 10.0, n=20)
    assert found["mean_probability", ""].value == pytest.approx((4 * 0.6 + 6 * 0.3 + 10 * 0.1) / 20)


def test_the_margin_at_risk_is_the_probability_times_the_margin_of_those_at_risk(lived):
    margin = values(lived)["margin_at_risk_amount", ""]
    assert margin.value == pytest.approx((4 * 0.6 + 6 * 0.3) * 100)
    spread = 1.96 * 100 * (4 * 0.6 * 0.4 + 6 * 0.3 * 0.7) ** 0.5  # what chance does to a sum of independent outcomes
    assert (margin.low, margin.high) == pytest.approx((margin.value - spread, margin.value + spread), rel=1e-4)
    assert margin.n == 10


def test_what_came_in_is_counted_of_each_feed_and_of_all(lived):
    found, share = values(lived), wilson(6, 120)
    for about in ("", "tills"):
        assert found["offered_rows", about].value == 120
        kept = found["quarantined_share", about]
        assert (kept.value, kept.low, kept.high, kept.n) == (0.05, share.low, share.high, 120)
        assert found["critical_rules_broken", about].value == 0
    assert found["offered_rows", "customers"].value == 0
    assert found["feed_age_days", "survey"].value == 2


def test_answers_are_told_of_the_feed_that_asked(lived):
    found = values(lived)
    assert found["nps", "survey"].value == pytest.approx(100 * (5 - 2) / 10)
    assert found["nps", "survey"].n == 10
    share = wilson(10, 12)
    response = found["response_rate", "survey"]
    assert (response.value, response.low, response.high, response.n) == (share.share, share.low, share.high, 12)


def test_firings_are_counted_by_trigger(lived):
    assert values(lived)["trigger_firings", "angry"].value == 2


def test_every_figure_is_declared_and_none_is_recorded_twice(lived):
    rows = lived.warehouse.query("select metric, about from daily_metrics").to_pylist()
    assert {row["metric"] for row in rows} <= set(METRICS)
    assert len({(row["metric"], row["about"]) for row in rows}) == len(rows)


def test_what_a_company_does_not_have_is_not_asked(lived):
    kept = {metric for metric, _ in values(lived)}
    assert not kept & {"decided_contacts", "spent_amount", "held_out_customers", "effect", "integrity_failures"}


# --- A real model ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def with_model(company: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The shop with a real model, in a folder of its own; its last day is recorded."""
    root = tmp_path_factory.mktemp("model")
    copytree(company.root, root / ".holdback")
    workspace = replace(company, root=root / ".holdback")
    record_day(workspace, LAST_DAY)
    return workspace


@pytest.fixture(scope="module")
def content(with_model: Workspace) -> ReportContent:
    """What the day's report says."""
    return gather(with_model, LAST_DAY, with_model.business.churn_named(CHURN))


def test_matured_scores_are_judged_as_the_report_judges_them(with_model):
    found, churn = values(with_model, LAST_DAY), with_model.business.churn_named(CHURN)
    cohort = matured_performance(with_model.warehouse, with_model.business, churn, LAST_DAY).newest
    assert cohort.as_of == FIRST_DAY
    assert found["auc", ""].value == cohort.auc.estimate
    assert (found["auc", ""].low, found["auc", ""].high) == (cohort.auc.low, cohort.auc.high)
    assert found["predicted_over_actual", ""].value == cohort.predicted_over_actual.estimate
    assert found["calibration_error", ""].value == cohort.calibration_error
    assert found["calibration_error", ""].n == cohort.matured_count


def test_drift_and_age_are_those_of_the_model_that_scored(with_model, content):
    found = values(with_model, LAST_DAY)
    assert found["drifted_features", ""].value == len(content.drift.drifted)
    assert found["drifted_features", ""].n == len(content.drift.measured)
    assert found["score_change", ""].value == pytest.approx(content.score_drift.found.excess)
    assert found["days_since_training", ""].value == (LAST_DAY - TRAINED_ON).days
    assert 0.5 < found["expected_auc", ""].value < 1


def test_the_churn_rate_is_that_of_the_newest_complete_month(with_model, content):
    month = [month for month in content.history if month.left is not None][-1]
    rate = values(with_model, LAST_DAY)["churn_rate", ""]
    assert (rate.value, rate.low, rate.high) == (month.left.share, month.left.low, month.left.high)


def test_on_the_models_first_day_there_is_no_change_of_scores_and_no_outcome(with_model):
    recorded = record_day(with_model, FIRST_DAY)
    said = reasons(recorded)
    assert "first day in use" in said["score_change", ""]
    # Scored on July 2, an outcome window of 28 days, and a day until the rows of its end are known.
    assert said["auc", ""].startswith("not knowable before 2025-07-31")


def test_one_figure_that_fails_leaves_the_others_alone(with_model, tmp_path):
    copytree(with_model.root, tmp_path / ".holdback")
    workspace = replace(with_model, root=tmp_path / ".holdback")
    broken = {
        "batch_id": f"drift/{CHURN}/2", "feed": "features", "as_of": DAY, "column_name": "x", "statistic": "bins",
        "key": "{", "value": 1.0, "row_count": 1,
    }  # fmt: skip
    workspace.warehouse.append("profiles", rows_of(TABLES["profiles"], [broken]), batch=f"drift/{CHURN}/2")
    day = LAST_DAY + timedelta(days=1)
    rows = workspace.warehouse.query(f"select * from scores where as_of = date '{LAST_DAY}'").to_pylist()
    later = [{**row, "as_of": day, "model_version": "2"} for row in rows]
    workspace.warehouse.append("scores", rows_of(TABLES["scores"], later), batch="later")
    recorded = record_day(workspace, day)
    assert "JSONDecodeError" in reasons(recorded)["drifted_features", ""]
    assert reasons(recorded)["days_since_training", ""] == "no verdict says when version 2 was trained"
    assert values(workspace, day)["customers_scored", ""].value == len(rows)
    assert values(workspace, day)["auc", ""].value is not None


# --- Campaigns -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    from monitoring.measurement import measure

    until = STARTS_ON + timedelta(days=90)
    workspace = run(tmp_path_factory.mktemp("campaign"), World(customers=1200, entry_days=24), until=until)
    measure(workspace, until)
    for day in (STARTS_ON, until):
        record_day(workspace, day)
    return workspace


def test_the_days_decision_is_counted(measured):
    found = values(measured, STARTS_ON)
    rows = measured.warehouse.query(
        'select "group", count(*) as n from ledger '
        f"where kind = 'decided' and as_of = date '{STARTS_ON}' group by all"
    ).to_pylist()
    counts = {row["group"]: row["n"] for row in rows}
    assert found["decided_contacts", ""].value == counts["treatment"]
    assert found["spent_amount", ""].value == counts["treatment"] * 4.0
    assert found["held_out_customers", ""].value == counts["holdout"]
    assert found["held_out_customers", ""].n == sum(counts.values())


def test_an_effect_is_turned_so_that_more_is_better(measured):
    day = STARTS_ON + timedelta(days=90)
    row = measured.warehouse.query(
        "select * from effects where campaign = 'spring' and metric = 'churned' and segment = 'all' "
        "and reading = 'daily'"
    ).to_pylist()[0]
    effect = values(measured, day)["effect", "spring"]
    assert (effect.value, effect.low, effect.high) == (-row["estimate"], -row["high"], -row["low"])
    assert effect.n == row["treatment_count"] + row["holdout_count"]
    assert effect.low < effect.value < effect.high


def test_integrity_is_counted_of_each_campaign_and_of_all(measured):
    found = values(measured, STARTS_ON + timedelta(days=90))
    for about in ("", "spring"):
        assert found["integrity_failures", about].value == 0
        assert found["integrity_failures", about].n > 0


def test_a_day_that_was_not_decided_or_measured_says_so(measured):
    recorded = record_day(measured, STARTS_ON + timedelta(days=50))
    said = reasons(recorded)
    assert said["decided_contacts", ""] == "the day was not decided"
    assert said["effect", "spring"].startswith("not measured on the day")


# --- What is missing -------------------------------------------------------------------------------------------------


def test_the_first_day_of_all_is_kept_with_reasons(tmp_path):
    workspace = shop(tmp_path)
    recorded = record_day(workspace, DAY)
    said = reasons(recorded)
    assert said["customers_scored", ""] == f"lapsed: nobody was scored on {DAY}"
    assert said["auc", ""] == "nobody was ever scored"
    assert "nobody is described" in said["churn_rate", ""]
    assert said["feed_age_days", "tills"] == "no event is known"
    assert said["quarantined_share", ""] == "nothing came in on the day"
    assert said["nps", "survey"].startswith("fewer than 5 customers answered")
    assert recorded.known_count == len(values(workspace)) - len(recorded.not_known)
    assert values(workspace)["offered_rows", ""].value == 0
    assert all(value.reason for value in values(workspace).values() if value.value is None)


def test_one_customer_is_counted_and_his_answer_is_not_told(tmp_path):
    workspace = shop(tmp_path)
    score_day(workspace, DAY, [0.4])
    ask(workspace, DAY, [9])
    said = reasons(record_day(workspace, DAY))
    assert values(workspace)["customers_scored", ""].value == 1
    assert values(workspace)["mean_probability", ""].value == 0.4
    assert {("nps", "survey"), ("response_rate", "survey"), ("expected_auc", ""), ("margin_at_risk_amount", "")} <= set(
        said
    )


def test_a_second_churn_definition_has_its_own_name(tmp_path):
    second = {"name": "silent", "kind": "inactivity", "feed": "tills", "outcome_days": 60, "active_days": 56}
    first = {"name": CHURN, "kind": "inactivity", "feed": "tills", "outcome_days": 28, "active_days": 56}
    workspace = shop(tmp_path, churn=[first, second])
    score_day(workspace, DAY, [0.4] * 7)
    score_day(workspace, DAY, [0.1] * 9, churn="silent")
    record_day(workspace, DAY)
    found = values(workspace)
    assert (found["customers_scored", ""].value, found["customers_scored", "silent"].value) == (7, 9)


# --- A past that nothing rewrites ------------------------------------------------------------------------------------


def test_recorded_twice_nothing_is_added_and_nothing_computed(tmp_path):
    workspace = shop(tmp_path)
    score_day(workspace, DAY, [0.4] * 7)
    first = record_day(workspace, DAY)
    version = workspace.warehouse.version("daily_metrics")
    steps: list[str] = []
    second = record_day(workspace, DAY, progress=lambda step, *_: steps.append(step))
    assert (first.was_recorded_already, second.was_recorded_already, steps) == (False, True, [])
    assert replace(second, was_recorded_already=False) == first
    assert workspace.warehouse.version("daily_metrics") == version


def test_a_day_whose_work_failed_is_kept_until_it_is_done(tmp_path):
    workspace = shop(tmp_path)
    assert record_day(workspace, DAY, is_partial=True).not_known == ()
    assert ("offered_rows", "") in values(workspace)
    assert ("customers_scored", "") not in values(workspace)
    assert record_day(workspace, DAY, is_partial=True).was_recorded_already
    score_day(workspace, DAY, [0.6] * 10)
    assert not record_day(workspace, DAY).was_recorded_already
    assert values(workspace)["customers_scored", ""].value == 10.0
    count = workspace.warehouse.query("select metric, about from daily_metrics").num_rows
    assert count == len(values(workspace))
    assert record_day(workspace, DAY).was_recorded_already
    assert record_day(workspace, DAY, is_partial=True).was_recorded_already


def test_what_a_vendor_says_of_the_data_is_not_kept(tmp_path):
    def breaks():
        raise ValueError("could not convert 'Ana Garcia'")

    [figure] = answered(Asked((("auc", ""),), breaks))
    assert figure.reason.startswith("it could not be computed (ValueError, test_recording.py:")
    assert "Ana" not in figure.reason


def test_late_data_do_not_rewrite_the_past(tmp_path):
    workspace = shop(tmp_path)
    receive(workspace, DAY, offered=120, bad=6)
    record_day(workspace, DAY)
    before = values(workspace)
    receive(workspace, DAY, offered=80, bad=40, batch_id="late")
    score_day(workspace, DAY, [0.4] * 7)
    record_day(workspace, DAY)
    assert values(workspace) == before
    record_day(workspace, TOMORROW)
    assert values(workspace) == before
    assert metric_history(workspace.warehouse, "customers_scored", TOMORROW)[0].value is None


def test_a_day_in_between_that_was_not_recorded_is_not_there(tmp_path):
    workspace = shop(tmp_path)
    for day in (DAY, DAY + timedelta(days=2)):
        score_day(workspace, day, [0.4] * 7)
        record_day(workspace, day)
    history = metric_history(workspace.warehouse, "customers_scored", DAY + timedelta(days=2))
    assert [value.as_of for value in history] == [DAY, DAY + timedelta(days=2)]


def test_of_two_at_once_one_is_kept(tmp_path):
    workspace = shop(tmp_path)
    score_day(workspace, DAY, [0.4] * 7)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: record_day(workspace, DAY), range(2)))
    assert sorted(one.was_recorded_already for one in both) == [False, True]
    rows = workspace.warehouse.query("select metric, about from daily_metrics").to_pylist()
    assert len({(row["metric"], row["about"]) for row in rows}) == len(rows)


def test_when_the_machine_fails_nothing_is_kept_and_the_day_can_be_recorded_again(tmp_path):
    workspace = shop(tmp_path)
    score_day(workspace, DAY, [0.4] * 7)
    [file] = (workspace.folder / "warehouse" / "scores").rglob("*.parquet")
    away = tmp_path / "away"

    def lose_the_disk(step: str, _done: int, _total: int) -> None:
        if step == "recording customers scored":
            file.rename(away)

    with pytest.raises(OperatorError, match="a file of the table scores is gone"):
        record_day(workspace, DAY, progress=lose_the_disk)
    assert newest(workspace.warehouse, DAY) == {}
    away.rename(file)
    assert not record_day(workspace, DAY).was_recorded_already
