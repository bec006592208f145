import numpy as np
import pandas as pd
import pytest
from scipy import special

from tests.training.worlds import logit_world
from training.baselines import (
    best_single_rule,
    linear_logistic,
    recency_rule,
    rfm_logistic,
    single_feature_auc,
    spline_logistic,
)
from training.delong import auc_influence
from training.rows import Rows, rows_sorted


def rows_of(frame: pd.DataFrame, churned: np.ndarray) -> Rows:
    n = len(frame)
    return rows_sorted(
        frame,
        customer_ids=[f"c{i:05d}" for i in range(n)],
        as_ofs=np.full(n, np.datetime64("2025-01-01")),
        churned=churned,
    )


def test_recency_ranks_by_silence_and_those_without_any_event_first() -> None:
    rng = np.random.default_rng(1)
    days = rng.exponential(40, 2000)
    rows = rows_of(pd.DataFrame({"days": days}), rng.uniform(size=2000) < special.expit(np.log1p(days) - 4))
    rule = recency_rule(rows, "days")
    p = rule.probability(pd.DataFrame({"days": [1.0, 30.0, 300.0, np.nan]}))
    assert (np.diff(p) > 0).all()
    assert rule.probability(rows.frame).mean() == pytest.approx(rows.churned.mean(), abs=0.01)


def test_recency_never_turns_round_even_where_the_silent_stay() -> None:
    rng = np.random.default_rng(2)
    days = rng.exponential(40, 2000)
    rows = rows_of(pd.DataFrame({"days": days}), rng.uniform(size=2000) < special.expit(3 - np.log1p(days)))
    assert auc_influence(rows.churned, recency_rule(rows, "days").probability(rows.frame))[0] < 0.5


def test_the_single_rule_is_the_best_one() -> None:
    rows, _ = logit_world(np.random.default_rng(3), n=3000)
    rule = best_single_rule(rows)
    aucs = {str(name): single_feature_auc(rows, str(name)) for name in rows.frame.columns}
    assert rule.columns == (max(aucs, key=lambda name: aucs[name]),)
    assert aucs[rule.columns[0]] > 0.6
    assert np.unique(rule.probability(rows.frame)).size <= 8


def test_a_category_can_be_the_best_rule_and_unseen_levels_get_the_base_rate() -> None:
    rng = np.random.default_rng(4)
    plan = rng.choice(["a", "b", "c"], 1500)
    rows = rows_of(
        pd.DataFrame({"plan": plan, "x": rng.normal(size=1500)}), (plan == "a") ^ (rng.uniform(size=1500) < 0.1)
    )
    rule = best_single_rule(rows)
    assert rule.columns == ("plan",)
    p = rule.probability(pd.DataFrame({"plan": ["a", "b", "never seen", None]}))
    assert p[0] > 0.8 > 0.2 > p[1]


def test_a_useless_feature_has_an_out_of_fold_auc_of_one_half() -> None:
    rows, _ = logit_world(np.random.default_rng(5), n=4000)
    # Standard error of an AUC with 1,200 churners of 4,000 is .01; three of them.
    assert single_feature_auc(rows, "noise_0") == pytest.approx(0.5, abs=0.03)


def test_the_spline_regression_sees_what_a_straight_line_cannot() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=4000)
    rows = rows_of(pd.DataFrame({"x": x}), rng.uniform(size=4000) < special.expit(2 * x**2 - 2))
    spline, line = spline_logistic(rows), linear_logistic(rows)
    assert auc_influence(rows.churned, spline.probability(rows.frame))[0] > 0.75
    assert auc_influence(rows.churned, line.probability(rows.frame))[0] < 0.6


def test_the_spline_regression_is_close_to_the_truth_of_a_logit_world() -> None:
    rows, truth = logit_world(np.random.default_rng(7), n=4000)
    p = spline_logistic(rows).probability(rows.frame)
    assert auc_influence(rows.churned, p)[0] > auc_influence(rows.churned, truth)[0] - 0.01


def test_ties_gaps_constants_and_new_values_are_no_trouble() -> None:
    rng = np.random.default_rng(8)
    n = 800
    frame = pd.DataFrame(
        {
            "mostly_zero": rng.poisson(0.05, n).astype(float),
            "constant": np.ones(n),
            "gaps": np.where(rng.uniform(size=n) < 0.4, np.nan, rng.normal(size=n)),
            "plan": pd.Series(np.array(["a", "b", None], dtype=object)[rng.integers(0, 3, n)], dtype="str"),
        }
    )
    rows = rows_of(frame, rng.uniform(size=n) < 0.3)
    model = spline_logistic(rows)
    new = pd.DataFrame(
        {"mostly_zero": [1e9], "constant": [np.nan], "gaps": [-1e9], "plan": pd.Series(["new"], dtype="str")}
    )
    assert 0 < model.probability(new)[0] < 1


def test_a_gap_that_means_something_is_used() -> None:
    rng = np.random.default_rng(9)
    missing = rng.uniform(size=2000) < 0.5
    rows = rows_of(
        pd.DataFrame({"x": np.where(missing, np.nan, rng.normal(size=2000))}),
        rng.uniform(size=2000) < np.where(missing, 0.6, 0.1),
    )
    assert auc_influence(rows.churned, spline_logistic(rows).probability(rows.frame))[0] > 0.7


def test_rfm_reads_three_features_on_a_logarithmic_scale() -> None:
    rng = np.random.default_rng(10)
    frame = pd.DataFrame(
        {
            "r": rng.exponential(40, 3000),
            "f": rng.poisson(5, 3000).astype(float),
            "m": rng.normal(50, 60, 3000),
            "z": 1.0,
        }
    )
    logit = np.log1p(frame["r"]) - np.log1p(frame["f"]) - 2
    rows = rows_of(frame, rng.uniform(size=3000) < special.expit(logit.to_numpy()))
    model = rfm_logistic(rows, recency="r", frequency="f", amount="m")
    assert model.columns == ("r", "f", "m")
    best, _ = auc_influence(rows.churned, logit.to_numpy())
    assert auc_influence(rows.churned, model.probability(rows.frame))[0] > best - 0.01
