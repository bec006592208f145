"""The model's one file, who decides in it, and that MLflow's copy answers the same."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import training.encoding
import training.uplift.frozen
from holdback.errors import DataError, OperatorError
from tests.training.uplift.worlds import World, world
from training.uplift.fitting import Fitted, fit
from training.uplift.learners import Recipe
from training.uplift.model import UpliftModel, load

COMPETITORS = ("dr_stack", "value", "risk", "response", "s_learner", "t_learner")


@pytest.fixture(scope="module")
def small() -> World:
    return world(np.random.default_rng(1), 3000)


@pytest.fixture(scope="module")
def fitted(small: World) -> Fitted:
    return fit(
        small.trial,
        threads=1,
        recipe=Recipe(outcome_trees=60, effect_trees=40),
        also=("s_learner",),
        information={"business": "shop"},
    )


@pytest.fixture(scope="module")
def model(fitted: Fitted) -> UpliftModel:
    return fitted.model


@pytest.fixture
def file(model: UpliftModel, tmp_path: Path) -> Path:
    model.save(tmp_path / "model.uplift")
    return tmp_path / "model.uplift"


def test_it_is_the_combination_that_it_says_it_is(small: World, model: UpliftModel) -> None:
    bases = model.bases(small.trial.frame)
    assert set(bases) == set(training.uplift.frozen.NEEDED)
    assert bases["t_difference"] == pytest.approx(bases["response"] + bases["risk"], abs=1e-12)
    stack = model.information["stack"]
    by_hand = stack["average"] + sum(w * (bases[j] - stack["means"][j]) for j, w in stack["weights"].items())
    assert model.uplift(small.trial.frame) == pytest.approx(np.clip(by_hand, -1, 1), abs=1e-12)
    assert model.average == pytest.approx(model.information["average"][0])


def test_a_saved_model_answers_the_same_whoever_decides(small: World, model: UpliftModel, file: Path) -> None:
    found = load(file)
    assert found.information == model.information
    for name in COMPETITORS:
        before, after = (which.decided_by(name, (0.01, 0.5)).uplift(small.trial.frame) for which in (model, found))
        assert np.abs(before - after).max() <= 1e-12


def test_equal_models_give_equal_files_and_nothing_in_them_is_pickled(
    small: World, model: UpliftModel, file: Path, tmp_path: Path
) -> None:
    load(file).save(tmp_path / "again.uplift")
    assert (tmp_path / "again.uplift").read_bytes() == file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        assert set(archive.namelist()) == {
            "model.json",
            "treated.cbm",
            "untreated.cbm",
            "shift.cbm",
            "effect.cbm",
            "both.cbm",
        }
        assert all(not archive.read(name).startswith(b"\x80") for name in archive.namelist())


def test_the_line_turns_a_score_into_an_effect(small: World, model: UpliftModel) -> None:
    frame = small.trial.frame
    bases = model.bases(frame)
    for name, score in (("risk", bases["risk"]), ("response", bases["response"]), ("s_learner", bases["s_difference"]),
                        ("t_learner", bases["t_difference"]), ("dr_stack", model.uplift(frame))):  # fmt: skip
        decided = model.decided_by(name, (0.02, 0.1))
        assert decided.uplift(frame) == pytest.approx(0.02 + 0.1 * score, abs=1e-12)
        assert decided.information["decided_by"] == name
    assert model.decided_by("value").uplift(frame) == pytest.approx(np.full(3000, model.average))
    assert model.decided_by("value", (0.03, 0.0)).uplift(frame) == pytest.approx(np.full(3000, 0.03))
    back = model.decided_by("risk", (0.5, 2.0)).decided_by("dr_stack")
    assert np.array_equal(back.uplift(frame), model.uplift(frame))


def test_an_effect_on_a_probability_stays_within_one(small: World, model: UpliftModel) -> None:
    assert model.decided_by("t_learner", (0.0, 1e6)).uplift(small.trial.frame).min() == -1.0
    assert model.decided_by("t_learner", (0.0, 1e6)).uplift(small.trial.frame).max() == 1.0


def test_who_was_not_fitted_cannot_decide(small: World, model: UpliftModel) -> None:
    plain = fit(small.trial, threads=1, recipe=Recipe(outcome_trees=10, effect_trees=5)).model
    with pytest.raises(ValueError, match=r"'s_learner' cannot decide\. It must be one of dr_stack, value, risk"):
        plain.decided_by("s_learner")
    with pytest.raises(ValueError, match="'house rule' cannot decide"):
        model.decided_by("house rule")


def test_columns_may_come_in_any_order_with_gaps_and_unknown_levels(small: World, model: UpliftModel) -> None:
    frame = small.trial.frame.iloc[:50].copy()
    turned = frame[frame.columns[::-1]].assign(extra=1.0)
    assert np.array_equal(model.uplift(turned), model.uplift(frame))
    frame["plan"], frame["age_years"] = "never seen", np.nan
    assert np.isfinite(model.uplift(frame)).all()
    absurd = frame.assign(spend_amount_365d=1e12)
    assert np.isfinite(model.uplift(absurd)).all()
    assert model.uplift(frame.iloc[:0]).shape == (0,)
    with pytest.raises(DataError, match="needs the columns plan, which are missing"):
        model.uplift(frame.drop(columns="plan"))
    with pytest.raises(DataError, match="no customer was offered"):
        model.bases(frame.iloc[:0])


def test_a_damaged_file_is_told_from_a_model(file: Path, tmp_path: Path) -> None:
    content = file.read_bytes()
    for damaged in (b"", b"nothing", content[:-100], content.replace(b'"average"', b'"averagf"', 1)):
        (tmp_path / "damaged.uplift").write_bytes(damaged)
        with pytest.raises(
            OperatorError, match=r"damaged.uplift: cannot be read \(\w+\). It must be a file written by"
        ):
            load(tmp_path / "damaged.uplift")
    with pytest.raises(OperatorError, match="FileNotFoundError"):
        load(tmp_path / "absent.uplift")
    with zipfile.ZipFile(tmp_path / "parts.uplift", "w") as archive, zipfile.ZipFile(file) as whole:
        archive.writestr("model.json", whole.read("model.json"))
    with pytest.raises(OperatorError, match="cannot be read"):
        load(tmp_path / "parts.uplift")


def test_facts_can_be_told(model: UpliftModel, tmp_path: Path) -> None:
    told = model.told(business="other", as_of="2026-02-01")
    told.save(tmp_path / "told.uplift")
    assert load(tmp_path / "told.uplift").information["business"] == "other"
    assert model.information["business"] == "shop"
    with pytest.raises(TypeError):
        model.told(day=object())


@pytest.mark.filterwarnings("ignore:.*Any type hint:UserWarning")
def test_the_model_inside_mlflow_answers_the_same(small: World, model: UpliftModel, file: Path, tmp_path: Path) -> None:
    import mlflow

    beside = {"encoding": training.encoding.__file__, "frozen": training.uplift.frozen.__file__}
    mlflow.pyfunc.save_model(
        str(tmp_path / "kept"),
        python_model=str(Path(training.uplift.frozen.__file__).with_name("uplift_model.py")),
        artifacts={"file": str(file), **{name: str(path) for name, path in beside.items()}},
        pip_requirements=["catboost"],
    )
    frame = small.trial.frame.iloc[:200].set_index(pd.Index(range(500, 700)))
    answer = mlflow.pyfunc.load_model(str(tmp_path / "kept")).predict(frame)
    assert list(answer.columns) == ["uplift"]
    assert answer.index.equals(frame.index)
    assert np.abs(answer["uplift"].to_numpy() - model.uplift(frame)).max() <= 1e-12
