import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special

from holdback.errors import DataError, OperatorError
from tests.training.worlds import Floats, logit_world
from training.calibration import Line
from training.churn import Fit, Recipe, fit, load, merge, quick_out_of_fold
from training.delong import auc_influence
from training.rows import Rows, rows_sorted

QUICK = Recipe(learning_rate=0.2, most_trees=200, patience=20)


@pytest.fixture(scope="module")
def world() -> tuple[Rows, Floats]:
    return logit_world(np.random.default_rng(1), n=3000)


@pytest.fixture(scope="module")
def fitted(world: tuple[Rows, Floats]) -> Fit:
    return fit(world[0], threads=1)


def test_it_ranks_almost_as_well_as_the_truth_and_its_probabilities_are_true(
    world: tuple[Rows, Floats], fitted: Fit
) -> None:
    fresh, truth = logit_world(np.random.default_rng(2), n=20_000)
    p = fitted.model.probability(fresh.frame)
    best, _ = auc_influence(fresh.churned, truth)
    assert auc_influence(fresh.churned, p)[0] > best - 0.015
    # 3,000 training rows with 30 % churn fix the level to a standard error of .008; three of them.
    assert p.mean() == pytest.approx(truth.mean(), abs=0.025)
    assert np.abs(p - truth).mean() < 0.06


def test_out_of_fold_scores_are_an_honest_estimate(world: tuple[Rows, Floats], fitted: Fit) -> None:
    fresh, _ = logit_world(np.random.default_rng(3), n=20_000)
    promised, _ = auc_influence(world[0].churned, fitted.out_of_fold)
    found, _ = auc_influence(fresh.churned, fitted.model.probability(fresh.frame))
    # The out-of-fold AUC of 3,000 rows has a standard error of about .009; two and a half of them.
    assert promised == pytest.approx(found, abs=0.023)


def test_one_thread_and_two_give_the_same_model_to_the_last_bit(world: tuple[Rows, Floats]) -> None:
    rows = world[0].where(np.arange(3000) < 800)
    one, two = (fit(rows, threads=threads, recipe=QUICK).model.probability(rows.frame) for threads in (1, 2))
    assert np.array_equal(one, two)


def test_rows_offered_in_another_order_give_the_same_model(world: tuple[Rows, Floats]) -> None:
    rows = world[0].where(np.arange(3000) < 800)
    order = np.random.default_rng(5).permutation(800)
    shuffled = rows_sorted(
        rows.frame.iloc[order],
        customer_ids=rows.customer_ids[order],
        as_ofs=rows.as_ofs[order],
        churned=rows.churned[order],
    )
    first, second = (fit(r, threads=1, recipe=QUICK).model.probability(rows.frame) for r in (rows, shuffled))
    assert np.array_equal(first, second)


def test_the_file_gives_back_the_same_probabilities_and_facts(
    world: tuple[Rows, Floats], fitted: Fit, tmp_path: Path
) -> None:
    path = tmp_path / "model.cbm"
    fitted.model.save(path)
    read = load(path)
    assert np.array_equal(read.probability(world[0].frame), fitted.model.probability(world[0].frame))
    assert read.information == json.loads(json.dumps(fitted.model.information))
    assert read.encoding == fitted.model.encoding
    assert path.stat().st_size < 1_000_000


def test_reasons_add_up_to_the_calibrated_probability(world: tuple[Rows, Floats], fitted: Fit) -> None:
    frame = world[0].frame.head(500)
    contributions, base = fitted.model.contributions(frame, threads=1)
    assert np.abs(special.expit(base + contributions.sum(axis=1)) - fitted.model.probability(frame)).max() < 1e-9


def test_importance_sums_to_one_and_finds_the_signal(fitted: Fit) -> None:
    importance = fitted.model.importance()
    assert sum(importance.values()) == pytest.approx(1.0)
    assert max(importance, key=lambda name: importance[name]) == "spend_amount_365d"


def test_unseen_categories_gaps_and_reordered_columns_are_scored(world: tuple[Rows, Floats], fitted: Fit) -> None:
    frame = world[0].frame.head(3).copy()
    frame["plan"] = pd.Series(["unheard of", None, "pro"], dtype="str")
    frame.loc[0, "tenure_days"] = np.nan
    p = fitted.model.probability(frame[list(reversed(frame.columns))].assign(extra=1))
    assert np.isfinite(p).all()
    assert fitted.model.probability(frame.head(0)).shape == (0,)


def test_a_missing_column_is_named_with_what_to_do(world: tuple[Rows, Floats], fitted: Fit) -> None:
    with pytest.raises(DataError, match=r"plan.*Build the features"):
        fitted.model.probability(world[0].frame.drop(columns="plan"))


def test_pure_noise_gives_everybody_about_the_base_rate() -> None:
    rng = np.random.default_rng(6)
    rows = rows_sorted(
        pd.DataFrame(rng.normal(size=(2000, 5)), columns=list("abcde")),
        customer_ids=[f"c{i}" for i in range(2000)],
        as_ofs=np.full(2000, np.datetime64("2025-01-01")),
        churned=rng.uniform(size=2000) < 0.3,
    )
    p = fit(rows, threads=1, recipe=QUICK).model.probability(rows.frame)
    # Standard error of the base rate: .0102; Platt's targets shrink it by less than .001.
    assert p.mean() == pytest.approx(0.3, abs=0.032)
    assert p.std() < 0.05


def test_a_feature_that_is_all_null_is_left_out_and_named(world: tuple[Rows, Floats]) -> None:
    rows = world[0].where(np.arange(3000) < 600)
    empty = replace(rows, frame=rows.frame.assign(nothing=np.nan))
    found = fit(empty, threads=1, recipe=QUICK)
    assert found.dropped == ("nothing",)
    assert "nothing" not in found.model.encoding.names


def test_nothing_but_null_features_cannot_be_learned_from(world: tuple[Rows, Floats]) -> None:
    rows = world[0].where(np.arange(3000) < 600)
    with pytest.raises(DataError, match="every feature is null"):
        fit(replace(rows, frame=pd.DataFrame({"nothing": np.full(600, np.nan)})), threads=1)


@pytest.mark.parametrize("churners", [0, 9, 591, 600])
def test_too_few_of_one_class_is_refused_in_words(world: tuple[Rows, Floats], churners: int) -> None:
    rows = replace(world[0].where(np.arange(3000) < 600), churned=np.arange(600) < churners)
    with pytest.raises(DataError, match=rf"{churners} rows left and {600 - churners} stayed.*at least 10 of each"):
        fit(rows, threads=1)


def test_a_cap_that_was_nearly_reached_is_a_warning(world: tuple[Rows, Floats]) -> None:
    found = fit(world[0].where(np.arange(3000) < 600), threads=1, recipe=replace(QUICK, most_trees=5))
    assert "close to the cap of 5" in found.warnings[0]
    assert fit(world[0].where(np.arange(3000) < 600), threads=1, recipe=QUICK).warnings == ()


def test_very_large_data_is_validated_on_its_last_day_apart_from_its_training() -> None:
    rows, _ = logit_world(np.random.default_rng(8), n=500, days=4)  # days 0, 30, 60, 90
    found = fit(rows, threads=1, recipe=replace(QUICK, most_rows_in_folds=1000), outcome_days=60)
    newest = rows.as_ofs.max()
    assert found.validation == f"one validation day, {newest}, apart from its training by 60 days"
    assert np.isnan(found.out_of_fold[rows.as_ofs < newest]).all()
    assert not np.isnan(found.out_of_fold[rows.as_ofs == newest]).any()


def test_very_large_data_of_one_day_is_validated_on_other_customers() -> None:
    rows, _ = logit_world(np.random.default_rng(9), n=1500)
    found = fit(rows, threads=1, recipe=replace(QUICK, most_rows_in_folds=1000))
    assert found.validation.startswith("one fifth of the customers")
    # One fifth of 1,500 customers by hash: standard deviation 15.5; four of them.
    assert (~np.isnan(found.out_of_fold)).sum() == pytest.approx(300, abs=62)


def test_a_sum_of_models_that_is_not_exact_is_refused() -> None:
    # Above the one-hot limit categories get target statistics, which the sum of models averages wrongly.
    from catboost import CatBoostClassifier

    rng = np.random.default_rng(10)
    branch = rng.integers(0, 50, 3000)
    frame = pd.DataFrame({"branch": [f"branch-{i}" for i in branch]})
    churned = rng.uniform(size=3000) < branch / 50
    halves = (slice(0, 1500), slice(1500, 3000))
    boosters = [
        CatBoostClassifier(
            iterations=20, one_hot_max_size=2, cat_features=("branch",), thread_count=1, verbose=False,
            allow_writing_files=False,
        ).fit(frame.iloc[half], churned[half])
        for half in halves
    ]  # fmt: skip
    with pytest.raises(OperatorError, match="differs from their mean"):
        merge(boosters, frame, Line(1.0, 0.0), {})


def test_categories_at_the_limit_are_still_one_hot_and_exact(world: tuple[Rows, Floats]) -> None:
    rng = np.random.default_rng(11)
    rows = world[0].where(np.arange(3000) < 1500)
    names = np.array([*(f"branch-{i}" for i in range(64)), None], dtype=object)
    levels = pd.Series(names[rng.integers(0, 65, 1500)], dtype="str")
    rows = replace(rows, frame=rows.frame.assign(branch=levels))
    assert rows.frame["branch"].nunique() == 64
    assert "branch" not in fit(rows, threads=1, recipe=QUICK).model.encoding.kept


def test_a_file_that_is_not_ours_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "model.cbm"
    path.write_bytes(b"not a model")
    with pytest.raises(OperatorError, match="rollback"):
        load(path)


def test_training_writes_no_file(world: tuple[Rows, Floats], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fit(world[0].where(np.arange(3000) < 600), threads=1, recipe=QUICK)
    assert list(tmp_path.iterdir()) == []


def test_equal_recipes_and_features_have_equal_digests() -> None:
    assert Recipe().digest(("a", "b")) == Recipe().digest(("a", "b"))
    assert Recipe().digest(("a", "b")) != Recipe().digest(("a", "c"))
    assert Recipe().digest(("a",)) != Recipe(depth=6).digest(("a",))


def test_the_coarse_scores_see_what_a_column_is_worth(world: tuple[Rows, Floats]) -> None:
    rows = world[0]
    whole, _ = auc_influence(rows.churned, quick_out_of_fold(rows, threads=1))
    without, _ = auc_influence(rows.churned, quick_out_of_fold(rows.without(["spend_amount_365d"]), threads=1))
    assert whole - without > 0.05
    assert np.array_equal(quick_out_of_fold(rows.without(list(rows.frame.columns)), threads=1), np.zeros(3000))


def test_importing_the_module_does_not_load_catboost() -> None:
    code = "import sys, training.churn; sys.exit('catboost' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
