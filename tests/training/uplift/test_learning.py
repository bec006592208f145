"""From a ledger to an office: what is learned, who may decide, and what the models in office say of a day."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from features.build import build_features
from holdback.business import Business
from holdback.errors import BusinessFileError, DataError, NotKnowableYet
from holdback.workspace import Workspace
from tests.monitoring.measurement.experiment import FILE, HORIZON_DAYS, STARTS_ON, World, run
from training.registry import list_models, model_name, promote_by_hand, rollback, show_model, uplift_subject
from training.registry.store import mlflow_at
from training.scoring import keep_features
from training.uplift.learners import Recipe
from training.uplift.learning import learn, model_in_office, settle
from training.uplift.model import load
from training.uplift.today import offices, uplifts_by_fifth, write_uplifts

QUICK = Recipe(outcome_trees=40, effect_trees=20)
READS_ON = STARTS_ON + timedelta(days=60 + HORIZON_DAYS + 10)
CALL = uplift_subject("call")

#: The dear contracts are kept by a call, the cheap ones are driven away.
DIFFERENT = World(customers=3000, held_rate=0.25, treated_rate=0.35, dear_treated_rate=0.05)
EQUAL = World(customers=1500, held_rate=0.2, treated_rate=0.2)


@pytest.fixture(scope="module")
def different(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = run(tmp_path_factory.mktemp("different"), DIFFERENT, until=READS_ON)
    learn(workspace, READS_ON, threads=1, recipe=QUICK)
    return workspace


@pytest.fixture
def copied(different: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(different.root, tmp_path / "copy")
    return replace(different, root=tmp_path / "copy")


def described(workspace: Workspace, day: date) -> None:
    company = workspace.business
    rows = build_features(workspace.warehouse, company, company.churn[0], day)
    keep_features(workspace.warehouse, day, rows)
    # Somebody at a risk that no campaign ever considered is among them: nothing was learned about her.
    risk = [0.9] + [0.1] * (rows.num_rows - 1)
    scores = {"as_of": [day] * rows.num_rows, "customer_id": rows["customer_id"], "probability": risk}
    same = {"churn": "left", "model_version": "1", "risk_tier": "low", "is_above_capacity_line": False}
    scores |= {name: [value] * rows.num_rows for name, value in same.items()}
    workspace.warehouse.append("scores", pa.table(scores), batch=f"scores/left/{day}")


def test_who_wins_the_league_takes_office_with_the_league_beside_it(different: Workspace) -> None:
    found = model_in_office(different, "call")
    assert found is not None
    champion, model = found
    assert model.information["as_of"] == str(READS_ON)
    assert (model.information["outcome"], model.information["action"]) == ("churned", "call")
    summary = show_model(different, CALL, champion.version).summary
    assert summary.decision == "promote"
    assert summary.metric == "gain"
    assert summary.figure is not None
    assert summary.figure.low < summary.figure.estimate < summary.figure.high
    assert summary.reason is not None
    assert summary.reason.startswith("promoted:")


def test_the_card_says_what_was_compared_and_promises_nothing_about_one_customer(different: Workspace) -> None:
    card = show_model(different, CALL).card
    assert "| competitor | gain per customer |" in card
    assert "No interval is given for a single customer" in card
    assert "Customers differ in how much it changes them" in card


def test_the_whole_league_lies_beside_the_model_and_in_the_evaluations(different: Workspace) -> None:
    summary = list_models(different, CALL)[0]
    with mlflow_at(different) as mlflow:
        league = mlflow.artifacts.load_text(f"runs:/{summary.run_id}/league.md")
    assert league.startswith("# League of call")
    rows = different.warehouse.query("select model, metric, slice from evaluations").to_pylist()
    assert {row["slice"] for row in rows} == {"action=call"}
    assert {row["model"] for row in rows if row["metric"] == "incremental_margin"} == {
        "random", "value", "risk", "response", "s_learner", "t_learner", "dr_stack", "rule",
    }  # fmt: skip


def test_mlflow_answers_as_the_model_does(different: Workspace) -> None:
    champion, model = model_in_office(different, "call") or pytest.fail("nobody is in office")
    described(different, READS_ON)
    rows = different.warehouse.query("select * from features order by customer_id limit 50")
    frame = rows.select(list(model.encoding.names)).to_pandas()
    with mlflow_at(different) as mlflow:
        served = mlflow.pyfunc.load_model(f"models:/{model_name(different.business, CALL)}/{champion.version}")
        told = served.predict(frame)["uplift"].to_numpy()
    assert np.abs(told - model.uplift(frame)).max() < 1e-12


def test_without_evidence_nobody_takes_office_and_the_challenger_stays_registered(tmp_path: Path) -> None:
    workspace = run(tmp_path, EQUAL, until=READS_ON)
    found = learn(workspace, READS_ON, threads=1, recipe=QUICK)
    (call,) = found.actions
    assert (call.decision, call.champion_version, call.decided_by) == ("keep", None, None)
    assert "treat by value, keep exploring" in call.reason.lower()
    assert [model.decision for model in list_models(workspace, CALL)] == ["keep"]
    assert model_in_office(workspace, "call") is None
    assert offices(workspace)[0].version is None
    assert write_uplifts(workspace, READS_ON).actions == ()


def test_learning_before_anything_matured_says_when_it_can(tmp_path: Path) -> None:
    workspace = run(tmp_path, EQUAL, until=STARTS_ON + timedelta(days=30))
    with pytest.raises(NotKnowableYet, match=r"The first can be read on 2026-03-07"):
        learn(workspace, STARTS_ON + timedelta(days=30), threads=1, recipe=QUICK)


def test_who_is_in_office_is_learned_anew_when_nobody_beats_him(copied: Workspace) -> None:
    later = READS_ON + timedelta(days=1)
    before = model_in_office(copied, "call")
    found = learn(copied, later, threads=1, recipe=QUICK).actions[0]
    after = model_in_office(copied, "call")
    assert before is not None
    assert after is not None
    assert found.decision in ("refresh", "promote")
    assert (after[0].version, after[0].previous) == ("2", "1")
    if found.decision == "refresh":
        assert after[1].information["decided_by"] == before[1].information["decided_by"]
    assert "rule" not in {row["competitor"] for row in found.standings}


def test_a_day_is_asked_once_and_never_rewritten(copied: Workspace) -> None:
    described(copied, READS_ON)
    first = write_uplifts(copied, READS_ON)
    stored = copied.warehouse.query("select * from uplifts order by customer_id")
    assert [one.was_there_already for one in first.actions] == [False]
    described_count = copied.warehouse.query("select * from features").num_rows
    assert stored.num_rows == first.actions[0].customer_count == described_count - 1
    learn(copied, READS_ON, threads=1, recipe=Recipe(outcome_trees=20, effect_trees=10))
    again = write_uplifts(copied, READS_ON)
    assert [one.was_there_already for one in again.actions] == [True]
    assert copied.warehouse.query("select * from uplifts order by customer_id").equals(stored)


def test_fifths_of_a_day_fall_from_the_best_to_the_worst(copied: Workspace) -> None:
    described(copied, READS_ON)
    write_uplifts(copied, READS_ON)
    fifths = uplifts_by_fifth(copied, READS_ON)
    assert [one.fifth for one in fifths] == [1, 2, 3, 4, 5]
    means = [one.mean_uplift for one in fifths]
    assert means == sorted(means, reverse=True)
    # The truth: a call raises the chance to stay by .20 of the dear, and lowers it by .10 of the cheap.
    assert means[0] > 0.1
    assert means[-1] < 0


def test_a_day_without_features_is_refused(copied: Workspace) -> None:
    with pytest.raises(DataError, match="nobody is described on that day"):
        write_uplifts(copied, READS_ON + timedelta(days=3))


def test_a_model_never_speaks_of_a_day_before_it_learned(copied: Workspace) -> None:
    described(copied, READS_ON - timedelta(days=1))
    assert write_uplifts(copied, READS_ON - timedelta(days=1)).actions == ()


def test_a_damaged_copy_is_fetched_again(copied: Workspace) -> None:
    path = copied.models / f"{model_name(copied.business, CALL)}-1.uplift"
    path.write_bytes(path.read_bytes()[:200])
    assert model_in_office(copied, "call") is not None


def test_a_version_can_be_put_in_office_by_hand_and_is_then_who_decides(tmp_path: Path) -> None:
    workspace = run(tmp_path, EQUAL, until=READS_ON)
    learn(workspace, READS_ON, threads=1, recipe=QUICK)
    promote_by_hand(workspace, CALL, "1", READS_ON)
    described(workspace, READS_ON)
    (told,) = write_uplifts(workspace, READS_ON).actions
    assert (told.model_version, told.decided_by) == ("1", "dr_stack")
    assert offices(workspace)[0].version == "1"


def test_what_was_found_can_be_kept_as_json(different: Workspace) -> None:
    verdict = different.journal.verdicts(model_name(different.business, CALL))[0]
    assert json.dumps(verdict.figures)
    assert verdict.figures["league"]["winner"] is not None


def test_only_a_winner_changes_who_decides() -> None:
    assert settle("dr_stack", None) == ("promote", "dr_stack")
    assert settle("dr_stack", "risk") == ("promote", "dr_stack")
    assert settle(None, "risk") == ("refresh", "risk")
    assert settle(None, None) == ("keep", None)
    assert settle(None, "risk", is_learnable=False) == ("keep", "risk")


@pytest.mark.slow
def test_a_companys_own_score_competes_as_it_stands_and_can_decide(different: Workspace, tmp_path: Path) -> None:
    shutil.copytree(different.root, tmp_path / "copy")
    told = {**FILE, "training": {"scorers": ["contract_price_amount"]}}
    workspace = replace(different, root=tmp_path / "copy", business=Business.model_validate(told))
    learn(workspace, READS_ON, threads=1, recipe=QUICK)
    (found,) = learn(workspace, READS_ON, threads=1, recipe=QUICK).actions
    own = next(row for row in found.standings if row["competitor"] == "column:contract_price_amount")
    # The dear are kept by a call: their price says whom to call, as well as anything that was learned.
    assert own["gain_low"] > 0
    model = (model_in_office(workspace, "call") or pytest.fail("nobody is in office"))[1]
    decided = model.decided_by("column:contract_price_amount", (0.0, 0.01))
    decided.save(tmp_path / "own.uplift")
    described(workspace, READS_ON)
    rows = workspace.warehouse.query("select * from features order by customer_id limit 20")
    frame = rows.select(list(model.encoding.names)).to_pandas()
    assert load(tmp_path / "own.uplift").uplift(frame) == pytest.approx(
        np.clip(0.01 * frame["contract_price_amount"].to_numpy(), -1, 1)
    )


def test_a_score_that_is_no_feature_is_refused_with_the_nearest_name(different: Workspace, tmp_path: Path) -> None:
    shutil.copytree(different.root, tmp_path / "copy")
    told = {**FILE, "training": {"scorers": ["contract_price_amont"]}}
    workspace = replace(different, root=tmp_path / "copy", business=Business.model_validate(told))
    with pytest.raises(BusinessFileError, match="Did you mean"):
        learn(workspace, READS_ON, threads=1, recipe=QUICK)


def test_a_model_of_another_outcome_decides_about_nobody(copied: Workspace) -> None:
    described(copied, READS_ON)
    shorter = {**FILE, "campaigns": [{"name": "spring", "actions": ["call"], "horizon_days": 30}]}
    other = replace(copied, business=Business.model_validate(shorter))
    assert model_in_office(other, "call") is not None
    assert offices(other)[0].version is None
    assert write_uplifts(other, READS_ON).actions == ()


def test_what_is_learned_for_an_earlier_day_does_not_replace_a_later_model(copied: Workspace) -> None:
    earlier = READS_ON - timedelta(days=5)
    (found,) = learn(copied, earlier, threads=1, recipe=QUICK).actions
    assert found.decision == "keep"
    assert "an earlier day does not follow" in found.reason
    assert "**keep**" in show_model(copied, CALL, "2").card
    assert (model_in_office(copied, "call") or pytest.fail("nobody"))[0].version == "1"


def test_where_nobody_has_a_risk_that_the_model_has_seen_it_says_nothing(copied: Workspace) -> None:
    company, later = copied.business, READS_ON + timedelta(days=1)
    rows = build_features(copied.warehouse, company, company.churn[0], later)
    keep_features(copied.warehouse, later, rows)  # and nobody was scored
    assert write_uplifts(copied, later).actions == ()
    assert copied.warehouse.query("select * from uplifts").num_rows == 0


def test_a_model_learned_at_another_price_decides_about_nobody(copied: Workspace) -> None:
    described(copied, READS_ON)
    dearer = {**FILE, "actions": [{**FILE["actions"][0], "cost": 9.0}]}
    other = replace(copied, business=Business.model_validate(dearer))
    assert offices(other)[0].version is None
    assert write_uplifts(other, READS_ON).actions == ()


def test_the_first_model_can_leave_its_office_empty(copied: Workspace) -> None:
    assert rollback(copied, CALL, READS_ON) is None
    assert model_in_office(copied, "call") is None
    assert [model.aliases for model in list_models(copied, CALL)] == [()]
    verdict = copied.journal.verdicts(model_name(copied.business, CALL))[-1]
    assert (verdict.decision, verdict.figures["reasons"]) == ("keep", ["rolled back: the office is empty"])
