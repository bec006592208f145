from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from campaigns.margins import survived_months
from holdback.errors import DataError
from tests.training.value.panel import FIRST_DAY, Panel, decile_error, panel
from training.value.hazard import (
    DAYS_PER_MONTH,
    HazardModel,
    HazardRecipe,
    Landmark,
    constant_hazards,
    discounted_survival,
    fit_hazard,
)

NOW, HORIZON = 60, 24


@pytest.fixture(scope="module")
def world() -> Panel:
    return panel(np.random.default_rng(1))


def fitted(world: Panel, *, first: int = 12, recipe: HazardRecipe | None = None) -> HazardModel:
    landmarks = [world.landmark(month, NOW) for month in range(first, NOW, 6)]
    return fit_hazard(landmarks, threads=1, recipe=recipe, age_column="age_days", commitment_column="days_left")


@pytest.fixture(scope="module")
def model(world: Panel) -> HazardModel:
    return fitted(world)


def test_a_constant_hazard_is_worth_what_the_bookkeeping_says() -> None:
    monthly = np.array([0.0, 0.05, 0.5])
    months = discounted_survival(constant_hazards(monthly, 12), discount_rate=0.08).sum(axis=1)
    # The bookkeeping writes the geometric sum in closed form, from the probability of leaving within a day.
    daily = 1 - (1 - monthly) ** (1 / DAYS_PER_MONTH)
    closed = survived_months(daily, outcome_days=1, discount_rate=0.08, horizon_days=365)
    assert months == pytest.approx(closed, rel=1e-12)
    assert discounted_survival(constant_hazards(monthly, 12), discount_rate=0.0)[0].sum() == 12


def test_planted_lifetimes_come_out(world: Panel, model: HazardModel) -> None:
    # Design, section E: total error -2 % to +5 %; decile error 1.01 months where a constant hazard had 2.12.
    found = model.hazards(world.landmark(NOW, NOW).frame, HORIZON)
    expected = discounted_survival(found, discount_rate=0.0).sum(axis=1)
    constant = discounted_survival(constant_hazards(found[:, 0], HORIZON), discount_rate=0.0).sum(axis=1)
    true = discounted_survival(world.true_hazards(NOW, HORIZON), discount_rate=0.0).sum(axis=1)
    assert expected.sum() / true.sum() == pytest.approx(1, abs=0.05)
    assert decile_error(expected, true) < 0.6
    assert decile_error(constant, true) > 3 * decile_error(expected, true)
    assert np.corrcoef(expected, true)[0, 1] > 0.85 > np.corrcoef(constant, true)[0, 1]


def test_the_month_of_renewal_stands_out(world: Panel, model: HazardModel) -> None:
    landmark = world.landmark(NOW, NOW)
    renews_in_five = landmark.frame["days_left"] == 5 * DAYS_PER_MONTH
    by_month = model.hazards(landmark.frame.loc[renews_in_five], 8).mean(axis=0)
    assert int(np.argmax(by_month)) + 1 == 5
    assert by_month[4] > 5 * by_month[[0, 1, 2, 6, 7]].max()


def test_months_that_nobody_has_seen_are_carried_on_and_said(world: Panel) -> None:
    short = fitted(world, first=NOW - 12)
    landmark = world.landmark(NOW, NOW)
    assert short.last_lead == 12
    found = short.expected(landmark.frame, HORIZON, discount_rate=0.0)
    true = discounted_survival(world.true_hazards(NOW, HORIZON), discount_rate=0.0)
    assert 0.3 < found.extrapolated_share < 0.5
    assert found.extrapolated_share == pytest.approx(true[:, 12:].sum() / true.sum(), abs=0.05)
    assert found.months.sum() / true.sum() == pytest.approx(1, abs=0.1)
    assert short.expected(landmark.frame, 12, discount_rate=0.0).extrapolated_share == 0


def test_a_discount_makes_months_ahead_worth_less(world: Panel, model: HazardModel) -> None:
    frame = world.landmark(NOW, NOW).frame
    plain = model.expected(frame, HORIZON, discount_rate=0.0).months
    discounted = model.expected(frame, HORIZON, discount_rate=0.1).months
    assert (discounted < plain).all()
    assert (discounted > plain / 1.1**2).all()


def test_leaving_customers_out_moves_no_hazard(world: Panel) -> None:
    # A tenth of the rows: both kinds of customers are left out alike, so that the mean hazard stays.
    few = fitted(world, recipe=HazardRecipe(most_rows=30_000))
    many = fitted(world, recipe=HazardRecipe(most_rows=300_000))
    frame = world.landmark(NOW, NOW).frame
    ratio = few.hazards(frame, 12).mean() / many.hazards(frame, 12).mean()
    # About 1,000 leavers among the few: their number is known to 1 / sqrt(1,000) = 3 %; three of these.
    assert ratio == pytest.approx(1, abs=0.1)


def test_the_number_of_threads_changes_nothing(world: Panel, model: HazardModel) -> None:
    landmarks = [world.landmark(month, NOW) for month in range(12, NOW, 6)]
    two = fit_hazard(landmarks, threads=2, age_column="age_days", commitment_column="days_left")
    frame = world.landmark(NOW, NOW).frame
    assert (two.hazards(frame, 6, threads=2) == model.hazards(frame, 6)).all()


def test_customers_are_valued_alike_in_parts_and_in_any_company(world: Panel, model: HazardModel) -> None:
    frame = world.landmark(NOW, NOW).frame
    whole = model.hazards(frame, 6)
    assert (model.hazards(frame.iloc[10:12], 6) == whole[10:12]).all()
    assert model.hazards(frame.iloc[:0], 6).shape == (0, 6)


def test_a_landmark_knows_what_was_known_when_fewer_months_had_passed(world: Panel) -> None:
    late, early = world.landmark(40, NOW), world.landmark(40, 45)
    found = late.seen_for(5)
    assert found.seen_months == 5
    assert (found.left_in == early.left_in).all()
    assert found.row_count == early.row_count < late.row_count
    assert late.seen_for(99).seen_months == late.seen_months


def test_without_age_or_commitment_the_month_ahead_is_enough(world: Panel) -> None:
    landmarks = [world.landmark(month, NOW) for month in range(12, NOW, 12)]
    model = fit_hazard(landmarks, threads=1, age_column="no such feature")
    assert (model.age_column, model.commitment_column) == (None, None)
    assert np.isfinite(model.hazards(world.landmark(NOW, NOW).frame, 3)).all()


def test_too_few_leavers_are_refused(world: Panel) -> None:
    landmark = world.landmark(30, NOW)
    thirty = Landmark(landmark.on, landmark.frame[:30], landmark.customer_ids[:30], landmark.left_in[:30], 30)
    nobody = replace(landmark, left_in=np.zeros(len(landmark), dtype=np.int64))
    for given in ([thirty.seen_for(2)], [nobody], [], [landmark.seen_for(0)]):
        with pytest.raises(DataError, match=r"at least 20 who left.*Wait for more history"):
            fit_hazard(given, threads=1)


def test_a_world_in_which_all_leave_at_once_is_refused() -> None:
    frame = pd.DataFrame({"x": np.zeros(40)})
    all_leave = Landmark(FIRST_DAY, frame, np.arange(40).astype(str), np.ones(40, dtype=np.int64), 3)
    with pytest.raises(DataError, match="some who stayed"):
        fit_hazard([all_leave], threads=1)


def test_features_that_are_null_everywhere_teach_nothing(world: Panel) -> None:
    landmark = world.landmark(30, NOW)
    empty = replace(landmark, frame=pd.DataFrame({"x": np.full(len(landmark), np.nan)}))
    with pytest.raises(DataError, match="every feature is null"):
        fit_hazard([empty], threads=1)


def test_a_feature_that_is_gone_is_named(world: Panel, model: HazardModel) -> None:
    with pytest.raises(DataError, match=r"dearness.*holdback value train"):
        model.hazards(world.landmark(NOW, NOW).frame.drop(columns="dearness"), 3)
