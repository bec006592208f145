from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.declarations import Feature, Meaning
from tests.training.worlds import logit_world
from training.churn import Recipe, fit
from training.guards import Guard
from training.leaks import availability_guard, leak_guard
from training.rows import Rows

QUICK = Recipe(learning_rate=0.2, most_trees=200, patience=20, seed_count=1)


def attribute(name: str, observed_on: date | None = None) -> Feature:
    return Feature(
        name, feed="customers", role="customers", family="attributes", aggregate="value", unit="",
        meaning=Meaning(name, name), observed_on=observed_on,
    )  # fmt: skip


def looked_at(rows: Rows, *, starts_on: date | None = None, dated: dict[str, date] | None = None) -> Guard:
    features = [attribute(str(name), (dated or {}).get(str(name))) for name in rows.frame.columns]
    model = fit(rows, threads=1, recipe=QUICK).model
    return leak_guard(rows, model.importance(), features, outcome_starts_on=starts_on, threads=1)


@pytest.fixture(scope="module")
def honest() -> Rows:
    return logit_world(np.random.default_rng(1), n=2500)[0]


def with_column(rows: Rows, **columns: Any) -> Rows:
    return replace(rows, frame=rows.frame.assign(**columns))


def test_honest_columns_pass(honest: Rows) -> None:
    guard = looked_at(honest)
    assert (guard.severity, guard.columns) == ("pass", ())


def test_a_column_that_is_the_outcome_in_disguise_is_named(honest: Rows) -> None:
    # Like BankChurners' Naive_Bayes column or Telco's Churn Score: ranks alone with .90 and more.
    rng = np.random.default_rng(2)
    guard = looked_at(with_column(honest, churn_score=honest.churned * 60 + rng.normal(30, 22, 2500)))
    assert guard.is_blocking
    assert guard.columns == ("churn_score",)
    assert {s["kind"] for s in guard.figures["suspicions"]} >= {"single"}


def test_a_leaking_category_is_named(honest: Rows) -> None:
    rng = np.random.default_rng(3)
    status = np.where(honest.churned ^ (rng.uniform(size=2500) < 0.03), "closed", "open")
    assert looked_at(with_column(honest, account_status=status)).columns == ("account_status",)


def test_a_column_that_only_the_model_can_read_is_found_by_leaving_it_out(honest: Rows) -> None:
    # Like bank marketing's call duration: below .90 alone, but the AUC falls by .10 without it.
    rng = np.random.default_rng(4)
    duration = np.where(honest.churned, rng.normal(1.5, 1.0, 2500), rng.normal(0.0, 1.0, 2500))
    guard = looked_at(with_column(honest, duration=duration))
    kinds = {s["kind"]: s for s in guard.figures["suspicions"]}
    assert "single" not in kinds
    assert kinds["drop"]["columns"] == ["duration"]
    assert kinds["drop"]["figure"] >= 0.10


def test_a_model_that_stands_on_one_column_is_suspicious() -> None:
    rows, _ = logit_world(np.random.default_rng(5), n=2500, intercept=-1.0)
    guard = leak_guard(rows, {"spend_amount_365d": 0.72, "plan": 0.28}, [], outcome_starts_on=None, threads=1)
    assert "spend_amount_365d carries 72% of the model" in guard.reason


def test_a_column_observed_in_the_outcomes_time_is_named_whatever_it_predicts(honest: Rows) -> None:
    # Like the hotel's reservation_status_date, which no statistic of the three finds.
    guard = looked_at(honest, starts_on=date(2019, 12, 1), dated={"noise_1": date(2019, 12, 31)})
    assert guard.columns == ("noise_1",)
    assert "noise_1 describe a day on or after 2019-12-01" in guard.reason
    assert not looked_at(honest, starts_on=date(2019, 12, 1), dated={"noise_1": date(2019, 11, 30)}).is_blocking


def family_leak(honest: Rows) -> Rows:
    """Four columns of one moment after the outcome began; each holds a quarter of what they know together."""
    rng = np.random.default_rng(6)
    names = ("balance", "debit", "credit", "month")
    return with_column(honest, **{f"current_{n}": honest.churned * 0.75 + rng.normal(0, 1.0, 2500) for n in names})


def test_a_family_of_undated_columns_is_found_though_no_single_one_stands_out(honest: Rows) -> None:
    guard = looked_at(family_leak(honest))
    assert [s["kind"] for s in guard.figures["suspicions"]] == ["family"]
    assert guard.columns == ("current_balance", "current_debit", "current_credit", "current_month")
    assert "state the day it describes under observed_on" in guard.reason


def test_a_family_that_states_an_earlier_day_is_believed(honest: Rows) -> None:
    rows = family_leak(honest)
    dated = {str(name): date(2019, 10, 31) for name in rows.frame.columns if str(name).startswith("current")}
    assert not looked_at(rows, starts_on=date(2019, 12, 1), dated=dated).is_blocking


def test_undated_columns_are_a_warning_when_the_outcome_has_a_date() -> None:
    features = [attribute("age"), attribute("balance", date(2019, 11, 30))]
    guard = availability_guard(features, outcome_starts_on=date(2019, 12, 1))
    assert (guard.severity, guard.columns) == ("warn", ("age",))
    assert availability_guard(features, outcome_starts_on=None).severity == "pass"


def test_a_column_of_nulls_is_no_trouble(honest: Rows) -> None:
    assert not looked_at(with_column(honest, empty=pd.Series(np.full(2500, np.nan)))).is_blocking
