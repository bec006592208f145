"""Past scores against outcomes: known answers, and honest silence where nothing can be known."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from monitoring.performance import COHORTS, judge, matured_performance, reliability
from tests.monitoring.company import CHURN, FIRST_DAY, LAST_DAY, load_year, score_rows, workspace_in

ENDS_ON = FIRST_DAY + timedelta(days=28)


def judged(churned, probability, above=None):
    churned = np.array(churned, bool)
    above = np.zeros(churned.size, bool) if above is None else np.array(above, bool)
    return judge(
        FIRST_DAY, ENDS_ON, churned, np.array(probability, float), above, model_version="1", scored_count=churned.size
    )


def test_the_figures_are_those_of_the_textbook():
    rng = np.random.default_rng(1)
    p = rng.uniform(size=800)
    left = rng.uniform(size=800) < p
    above = p >= np.sort(p)[-50]
    cohort = judged(left, p, above)
    assert cohort.auc.estimate == pytest.approx(roc_auc_score(left, p))
    assert cohort.observed.share == left.mean()
    assert cohort.predicted_over_actual.estimate == pytest.approx(p.mean() / left.mean())
    assert cohort.reached.n == 50
    assert cohort.lift == pytest.approx(left[above].mean() / left.mean())
    assert sum(point.observed.n for point in cohort.reliability) == 800


def test_a_calibrated_score_lies_within_its_intervals_as_often_as_they_promise():
    rng = np.random.default_rng(2)
    inside = points = fits = 0
    for _ in range(200):
        p = rng.beta(2, 5, size=600)
        cohort = judged(rng.uniform(size=600) < p, p)
        inside += sum(point.observed.low <= point.predicted <= point.observed.high for point in cohort.reliability)
        points += len(cohort.reliability)
        fits += cohort.predicted_over_actual.low <= 1 <= cohort.predicted_over_actual.high
    # Wilson's coverage lies within a point of 95 %, more where a bin's customers differ; three standard errors beside.
    assert inside / points >= 0.94 - 3 * np.sqrt(0.95 * 0.05 / points)
    assert fits >= stats.binom.ppf(0.001, 200, 0.94)


def test_everybody_stayed_or_everybody_left_has_no_auc_and_says_the_rest():
    stayed, gone = judged([False] * 40, np.linspace(0, 1, 40)), judged([True] * 40, np.linspace(0, 1, 40))
    assert stayed.auc is None
    assert stayed.predicted_over_actual is None
    assert stayed.lift is None
    assert gone.auc is None
    assert gone.observed.share == 1


def test_customers_with_one_probability_are_one_point():
    assert len(reliability(np.array([True, False] * 100), np.full(200, 0.3))) == 1
    assert len(reliability(np.array([True] * 3), np.array([0.1, 0.2, 0.3]))) == 1


def test_scores_are_judged_only_when_their_window_is_over(company):
    churn = company.business.churn_named(CHURN)

    def found(day):
        return matured_performance(company.warehouse, company.business, churn, day)

    before = found(FIRST_DAY - timedelta(days=1))
    assert (before.reason, before.newest) == ("never scored", None)
    open_ = found(FIRST_DAY + timedelta(days=27))
    assert (open_.reason, open_.knowable_on, open_.waiting_day_count) == ("window open", ENDS_ON + timedelta(days=1), 1)
    # The window is over, but rows of its last day's morrow, which prove that the data reach so far, come the day after.
    between = found(ENDS_ON)
    assert (between.reason, between.knowable_on) == ("window open", ENDS_ON + timedelta(days=1))
    over = found(LAST_DAY)
    assert over.reason is None
    assert [cohort.as_of for cohort in over.cohorts] == [FIRST_DAY]
    assert over.waiting_day_count == 1
    assert over.newest.matured_count == over.newest.scored_count
    assert over.newest.auc.low > 0.5


def test_of_many_scored_days_the_newest_of_each_month_is_judged(tmp_path):
    workspace = workspace_in(tmp_path)
    load_year(workspace, customers=60)
    days = [date(2025, 5, 1) + timedelta(days=n) for n in range(0, 90, 7)]
    workspace.warehouse.append("scores", score_rows(days, [f"c{n:04d}" for n in range(60)]), batch="scores")
    churn = workspace.business.churn_named(CHURN)
    found = matured_performance(workspace.warehouse, workspace.business, churn, LAST_DAY)
    assert [cohort.as_of for cohort in found.cohorts] == [date(2025, 7, 24), date(2025, 6, 26), date(2025, 5, 29)]


def test_where_data_lag_by_some_days_the_newest_day_that_they_reach_stands_for_its_month(tmp_path):
    workspace = workspace_in(tmp_path)
    load_year(workspace, customers=60)  # until the end of September
    days = [date(2025, 8, 1) + timedelta(days=n) for n in range(60)]
    workspace.warehouse.append("scores", score_rows(days, [f"c{n:04d}" for n in range(60)]), batch="scores")
    churn = workspace.business.churn_named(CHURN)
    found = matured_performance(workspace.warehouse, workspace.business, churn, date(2025, 10, 4))
    assert [cohort.as_of for cohort in found.cohorts] == [date(2025, 9, 2), date(2025, 8, 31)]


def test_of_daily_scores_one_day_of_each_week_is_judged_however_long_the_history(tmp_path):
    workspace = workspace_in(tmp_path)
    load_year(workspace, customers=60)
    days = [date(2025, 4, 1) + timedelta(days=n) for n in range(150)]
    days.remove(date(2025, 8, 10))  # a Sunday that was not scored: the Saturday stands for its week
    workspace.warehouse.append("scores", score_rows(days, [f"c{n:04d}" for n in range(60)]), batch="scores")
    churn = workspace.business.churn_named(CHURN)
    found = matured_performance(workspace.warehouse, workspace.business, churn, LAST_DAY, every="week")
    judged_on = [cohort.as_of for cohort in found.cohorts]
    assert judged_on[:4] == [date(2025, 8, 28), date(2025, 8, 24), date(2025, 8, 17), date(2025, 8, 9)]
    assert len(judged_on) == COHORTS
    assert len({day.isocalendar()[:2] for day in judged_on}) == COHORTS


@pytest.mark.parametrize(("factor", "side"), [(1.0, "fits"), (1.6, "high"), (0.5, "low")])
def test_probabilities_are_out_of_the_band_only_when_their_whole_interval_is(factor, side):
    rng = np.random.default_rng(3)
    p = rng.uniform(0.05, 0.4, size=4_000)
    left = rng.uniform(size=4_000) < p
    cohort = judged(left, p * factor)
    assert cohort.calibration == side
    assert judged(left[:20], p[:20] * factor).calibration == "fits"  # twenty customers prove nothing


def test_the_band_raises_no_alarm_on_true_probabilities():
    rng = np.random.default_rng(4)
    alarms = 0
    for _ in range(300):
        p = rng.beta(1, 15, size=2_300)
        alarms += judged(rng.uniform(size=2_300) < p, p).calibration != "fits"
    # The interval alone misses 1 in 20; the band is far beyond it. At most 1 in 100, refuted above the 99.9 % point.
    assert alarms <= stats.binom.ppf(0.999, 300, 0.01)


def test_what_was_promised_beforehand_stands_beside_what_was_found():
    rng = np.random.default_rng(5)
    p = rng.beta(1, 9, size=3_000)
    cohort = judged(rng.uniform(size=3_000) < p, p)
    assert cohort.expected_auc.low <= cohort.auc.estimate <= cohort.expected_auc.high
    assert judged([True, False] * 9, [0.5] * 18).expected_auc is None


def column_company(tmp_path, said):
    workspace = workspace_in(
        tmp_path,
        feeds={},
        customers={"source": "x.csv", "key": "client", "attributes": {"gone": "label"}},
        churn=[{"name": CHURN, "kind": "column", "attribute": "gone"}],
    )
    rows = [
        {"customer_id": f"c{n}", "gone": value, "batch_id": str(i), "row_number": n + 1,
         "loaded_at": workspace.business.instant(day)}
        for i, (day, value) in enumerate(said) for n in range(40)
    ]  # fmt: skip
    shape = pa.schema([("customer_id", pa.string()), ("gone", pa.bool_()), ("batch_id", pa.string()),
                       ("row_number", pa.int64()), ("loaded_at", pa.timestamp("us"))])  # fmt: skip
    workspace.warehouse.append("customers", pa.Table.from_pylist(rows, schema=shape), batch="c")
    workspace.warehouse.append("scores", score_rows([FIRST_DAY], [f"c{n}" for n in range(40)]), batch="s")
    return workspace


def test_a_label_that_was_known_when_the_customer_was_scored_judges_nothing(tmp_path):
    workspace = column_company(tmp_path, [(FIRST_DAY, True)])
    churn = workspace.business.churn_named(CHURN)
    for day in (FIRST_DAY, LAST_DAY):
        found = matured_performance(workspace.warehouse, workspace.business, churn, day)
        assert (found.reason, found.knowable_on) == ("labels known before", None)


def test_a_label_that_came_later_judges(tmp_path):
    workspace = column_company(tmp_path, [(FIRST_DAY, None), (FIRST_DAY + timedelta(days=9), True)])
    churn = workspace.business.churn_named(CHURN)
    found = matured_performance(workspace.warehouse, workspace.business, churn, LAST_DAY)
    assert found.newest.matured_count == 40
    assert found.newest.auc is None


def test_rows_loaded_later_do_not_count(company):
    churn = company.business.churn_named(CHURN)
    then = matured_performance(company.warehouse, company.business, churn, LAST_DAY - timedelta(days=40))
    now = matured_performance(company.warehouse, company.business, churn, LAST_DAY)
    assert replace(now, waiting_day_count=0) == replace(then, waiting_day_count=0)
