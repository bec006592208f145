"""What learning from a trial promises: the same answer whatever the order, honest folds, and clear refusals."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from holdback.errors import DataError, NotKnowableYet
from tests.training.uplift.worlds import World, world
from training.uplift.fitting import Fitted, fit, out_of_fold
from training.uplift.learnable import folds_of
from training.uplift.learners import Recipe
from training.uplift.lines import PENALTIES, logistic_line, ridge_line
from training.uplift.trial import OutOfFold, Trial

QUICK = Recipe(outcome_trees=40, effect_trees=20)


def reordered(trial: Trial, order: np.ndarray) -> Trial:
    arrays = ("customer_ids", "as_ofs", "treated", "propensity", "good", "value_amounts", "cost_amounts", "risk")
    changed = {name: getattr(trial, name)[order] for name in arrays}
    return replace(trial, frame=trial.frame.iloc[order], **changed)


@pytest.fixture(scope="module")
def small() -> World:
    return world(np.random.default_rng(1), 3000)


@pytest.fixture(scope="module")
def fitted(small: World) -> Fitted:
    return fit(small.trial, threads=1, recipe=QUICK, also=("s_learner",))


@pytest.fixture(scope="module")
def judged(small: World) -> OutOfFold:
    return out_of_fold(small.trial, threads=1, recipe=QUICK, given={"house rule": small.trial.risk})


def test_the_mean_gain_is_the_average_effect_and_near_the_truth(small: World, fitted: Fitted) -> None:
    assert fitted.average.estimate == pytest.approx(float(fitted.gains.mean()), abs=1e-12)
    error = (fitted.average.high - fitted.average.low) / 2 / 1.96
    assert fitted.average.estimate == pytest.approx(float(small.gain.mean()), abs=4 * error)


def test_the_same_rows_in_another_order_and_with_other_threads_give_the_same_model(
    small: World, fitted: Fitted
) -> None:
    order = np.random.default_rng(2).permutation(3000)
    again = fit(reordered(small.trial, order), threads=2, recipe=QUICK, also=("s_learner",))
    for name in ("dr_stack", "s_learner", "t_learner"):
        one, two = (which.model.decided_by(name).uplift(small.trial.frame) for which in (fitted, again))
        assert np.array_equal(one, two)
    assert np.array_equal(again.gains, fitted.gains[order])
    assert np.array_equal(again.untreated, fitted.untreated[order])


def test_another_seed_gives_another_model(small: World, fitted: Fitted) -> None:
    other = fit(small.trial, threads=1, recipe=QUICK, seed=1).model
    assert not np.array_equal(other.uplift(small.trial.frame), fitted.model.uplift(small.trial.frame))


def test_no_customer_stands_in_two_folds_and_each_fold_has_its_share(small: World) -> None:
    trial = replace(small.trial, customer_ids=np.array([f"h-{i // 3}" for i in range(3000)]))
    fold = folds_of(trial, fold_count=3, salt="x")
    per_customer = pd.DataFrame({"customer": trial.customer_ids, "fold": fold}).groupby("customer")["fold"].nunique()
    assert (per_customer == 1).all()
    alone = folds_of(small.trial, fold_count=3, salt="x")
    for arm in (small.trial.treated, ~small.trial.treated):
        for outcome in (0, 1):
            counts = np.bincount(alone[arm & (small.trial.good == outcome)], minlength=3)
            assert np.ptp(counts) <= 1


def test_every_competitor_speaks_of_every_row_by_models_that_did_not_see_it(small: World, judged: OutOfFold) -> None:
    assert set(judged.scores) == {
        "random", "value", "risk", "response", "s_learner", "t_learner", "dr_stack", "house rule"
    }  # fmt: skip
    assert judged.effects == {"value", "s_learner", "t_learner", "dr_stack"}
    assert all(np.isfinite(score).all() and score.shape == (3000,) for score in judged.scores.values())
    # What is said of a fold is what a model of the other folds says.
    held = judged.fold == 0
    model = fit(small.trial.where(~held), threads=1, recipe=QUICK).model
    assert np.array_equal(judged.scores["dr_stack"][held], model.uplift(small.trial.frame.loc[held]))
    assert np.corrcoef(judged.scores["risk"], -small.untreated)[0, 1] > 0.7


def test_out_of_fold_gains_are_honest(small: World, judged: OutOfFold) -> None:
    # Were the row seen, boosters would explain some of its chance: residuals would be too small. Per arm the mean
    # squared residual must be at least the irreducible p(1 - p), up to chance.
    t = small.trial.treated
    residual = (small.trial.good - judged.untreated)[~t]
    p = small.untreated[~t]
    noise = p * (1 - p)
    assert (residual**2).mean() > noise.mean() - 3 * (residual**2).std() / np.sqrt((~t).sum())
    assert np.corrcoef(judged.untreated, small.untreated)[0, 1] > 0.7


def test_an_amount_is_learned_as_an_amount() -> None:
    found = world(np.random.default_rng(7), 3000)
    amounts = found.trial.good * np.random.default_rng(8).gamma(4, 10, 3000)
    trial = replace(found.trial, good=amounts)
    model = fit(trial, threads=1, recipe=QUICK).model
    assert not model.frozen.is_binary
    # 40 per customer kept, 3.8 of 100 kept: 1.5; standard error about .7.
    assert model.average == pytest.approx(1.5, abs=2.8)
    assert np.abs(model.uplift(trial.frame)).max() < 40


def test_the_lines_are_scikit_learns() -> None:
    from sklearn.linear_model import LogisticRegression, RidgeCV

    rng = np.random.default_rng(9)
    x = rng.normal(size=(20_000, 12))
    y = (rng.random(20_000) < 1 / (1 + np.exp(-x[:, :3].sum(axis=1) - 1))).astype(float)
    logistic = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(x, y)
    assert logistic_line(x, y) == pytest.approx(np.r_[logistic.intercept_, logistic.coef_[0]], abs=1e-4)
    g = 0.1 * x[:, 0] + rng.normal(size=20_000)
    ridge = RidgeCV(alphas=PENALTIES).fit(x, g)
    assert ridge_line(x, g) == pytest.approx(np.r_[ridge.intercept_, ridge.coef_], abs=1e-9)


def test_a_logistic_line_survives_separation() -> None:
    x = np.r_[-np.ones(20), np.ones(20)][:, None] * 100
    line = logistic_line(x, np.r_[np.zeros(20), np.ones(20)])
    assert np.isfinite(line).all()
    assert line[1] > 0


def test_thirty_customers_are_too_few_and_it_says_when_it_may_be_enough() -> None:
    found = world(np.random.default_rng(10), 30).trial
    days = np.datetime64("2026-01-01") + np.arange(30).astype("timedelta64[D]")
    good = np.tile([1.0, 0.0, 1.0], 10)
    thin = replace(found, as_ofs=days, treated=np.tile([True, False], 15), good=good)
    with pytest.raises(NotKnowableYet, match=r"'call': too few customers \(10 treated with outcome 1, 5 treated with"):
        fit(thin, threads=1)
    # 5 in 30 days: 25 more need 150 days after 2026-01-30.
    with pytest.raises(NotKnowableYet, match="until about 2026-06-29"):
        out_of_fold(thin, threads=1)
    with pytest.raises(NotKnowableYet, match="There were none so far"):
        fit(replace(thin, good=np.ones(30)), threads=1)


def test_many_rows_of_few_customers_are_few_customers(small: World) -> None:
    few = replace(small.trial, customer_ids=np.array([f"c-{i % 25}" for i in range(3000)]))
    with pytest.raises(NotKnowableYet, match="25 treated with outcome 1"):
        fit(few, threads=1)


def test_an_action_never_tried_and_nobody_held_out_are_refused(small: World) -> None:
    with pytest.raises(NotKnowableYet, match="nobody of 3,000 was given the action"):
        fit(replace(small.trial, treated=np.zeros(3000, bool)), threads=1)
    with pytest.raises(NotKnowableYet, match="nobody of 3,000 was left without it"):
        fit(replace(small.trial, treated=np.ones(3000, bool)), threads=1)


@pytest.mark.parametrize("wrong", [0.0, 1.0, np.nan])
def test_propensities_that_were_not_drawn_are_refused(small: World, wrong: float) -> None:
    propensity = np.where(np.arange(3000) < 7, wrong, 0.5)
    with pytest.raises(DataError, match=f"7 of 3,000 propensities are not strictly between 0 and 1 .got {wrong:g}"):
        fit(replace(small.trial, propensity=propensity), threads=1)


def test_features_without_content_are_refused(small: World) -> None:
    with pytest.raises(DataError, match="every feature is null"):
        fit(replace(small.trial, frame=pd.DataFrame({"a": np.full(3000, np.nan)})), threads=1)
    with pytest.raises(DataError, match="every feature is the same"):
        fit(replace(small.trial, frame=pd.DataFrame({"a": np.ones(3000)})), threads=1)
    with pytest.raises(DataError, match="different lengths"):
        fit(replace(small.trial, frame=small.trial.frame.iloc[:10]), threads=1)
    with pytest.raises(DataError, match="4 of 3,000 outcomes are not known"):
        fit(replace(small.trial, good=np.where(np.arange(3000) < 4, np.nan, small.trial.good)), threads=1)


def test_a_company_scorer_needs_its_own_name_and_all_its_values(small: World) -> None:
    with pytest.raises(DataError, match="'risk' is taken"):
        out_of_fold(small.trial, threads=1, recipe=QUICK, given={"risk": small.trial.risk})
    with pytest.raises(DataError, match="lack values"):
        out_of_fold(small.trial, threads=1, recipe=QUICK, given={"ours": np.full(3000, np.nan)})


def test_a_column_of_one_kind_only_numbers_or_only_categories_is_enough(small: World) -> None:
    for columns in (["spend_amount_365d", "age_years"], ["plan", "region"]):
        model = fit(replace(small.trial, frame=small.trial.frame[columns]), threads=1, recipe=QUICK).model
        assert np.isfinite(model.uplift(small.trial.frame)).all()


def test_two_recipes_are_told_apart() -> None:
    assert Recipe().digest(("a",)) == Recipe().digest(("a",)) != QUICK.digest(("a",))
    assert Recipe().digest(("a",)) != Recipe().digest(("b",))
