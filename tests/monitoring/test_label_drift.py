"""The churn rate of matured cohorts against the one that the model learned from."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from scipy import stats

from monitoring.label_drift import LearnedRate, label_drift, learned_rate
from monitoring.performance import judge
from monitoring.proportions import wilson
from tests.monitoring.company import CHURN, TRAINED_ON, workspace_in

DAY = date(2025, 8, 1)


def cohort_of(left, n):
    churned = np.arange(n) < left
    p = np.full(n, 0.06)
    return judge(DAY, DAY, churned, p, np.zeros(n, bool), model_version="1", scored_count=n)


def learned_of(rate, n):
    return LearnedRate("1", n, wilson(rate * n, n))


@pytest.mark.parametrize(
    ("left", "verdict"), [(138, "as before"), (150, "as before"), (230, "more leave"), (80, "fewer leave")]
)
def test_a_rate_has_changed_when_it_is_far_away_and_beyond_chance(left, verdict):
    found = label_drift(learned_of(0.06, 6_000), [cohort_of(left, 2_300)])
    assert found.newest.verdict == verdict
    assert found.newest.change.difference == pytest.approx(left / 2_300 - 0.06)


def test_many_customers_with_a_small_change_and_few_with_a_large_one_are_no_finding():
    assert label_drift(learned_of(0.06, 10**6), [cohort_of(66_000, 10**6)]).newest.verdict == "as before"
    assert label_drift(learned_of(0.06, 6_000), [cohort_of(5, 40)]).newest.verdict == "as before"


def test_no_change_is_called_a_change_in_one_cohort_of_a_hundred_at_most():
    rng = np.random.default_rng(1)
    alarms = sum(
        label_drift(learned_of(rng.binomial(6_000, 0.06) / 6_000, 6_000), [cohort_of(rng.binomial(2_300, 0.06), 2_300)])
        .newest.verdict != "as before"
        for _ in range(400)
    )  # fmt: skip
    assert alarms <= stats.binom.ppf(0.999, 400, 0.01)


def test_without_a_rate_at_training_nothing_is_said_and_without_a_cohort_neither():
    assert label_drift(None, [cohort_of(138, 2_300)]).newest is None
    assert label_drift(learned_of(0.06, 6_000), []).newest is None


def test_the_rate_at_training_is_what_the_gate_wrote_down(tmp_path):
    workspace = workspace_in(tmp_path)
    churn = workspace.business.churn_named(CHURN)
    figures = {
        "guards": [
            {"name": "leak", "figures": {"rows": 12_000}},
            {"name": "data", "figures": {"training_base_rate": 0.0635}},
        ]
    }
    for version, told in (("1", figures), ("2", {"by": "hand"})):
        workspace.journal.record_verdict(
            "shop-lapsed", version, as_of=TRAINED_ON, decision="promote", champion=None, figures=told
        )

    def found(version, *, of=churn, as_of=TRAINED_ON):
        return learned_rate(workspace.journal, of, model="shop-lapsed", version=version, as_of=as_of)

    assert (found("1").row_count, found("1").share.share) == (12_000, pytest.approx(0.0635))
    assert found("2") is None
    assert found("1", as_of=date(2025, 6, 30)) is None
    # A window of 28 days meets one monthly snapshot; one of 61 days two of them: half as many customers speak.
    assert found("1").share.n == 12_000
    longer = churn.model_copy(update={"outcome_days": 61})
    assert found("1", of=longer).share.n == pytest.approx(12_000 * 30.4375 / 61)


def test_the_rows_of_a_leaver_repeat_so_the_interval_is_as_wide_as_that_of_customers():
    # Customers leave on a random day of a year, are described each month, and are churners when they leave within the
    # next 60 days: the spread of the rate over worlds is that of the effective number of rows.
    rng = np.random.default_rng(2)
    rates, size = [], 800
    for _ in range(300):
        leaves = rng.exponential(900, size=size)
        months = np.arange(12) * 30.4375
        described = leaves[:, None] > months[None, :]
        churned = described & (leaves[:, None] <= months[None, :] + 60)
        rates.append(churned.sum() / described.sum())
    rate, rows = float(np.mean(rates)), size * 12 * 0.82
    told = np.sqrt(rate * (1 - rate) / (rows / (60 / 30.4375)))
    # Standard deviation over 300 worlds is known within 4 % (one standard error); three of them, and 82 % is a mean.
    assert np.std(rates) == pytest.approx(told, rel=0.15)


def test_cohorts_keep_their_order():
    cohorts = [replace(cohort_of(138, 2_300), as_of=date(2025, 8, day)) for day in (20, 13, 6)]
    assert [each.as_of.day for each in label_drift(learned_of(0.06, 6_000), cohorts).cohorts] == [20, 13, 6]
