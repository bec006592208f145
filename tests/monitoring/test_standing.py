"""The model beside its baselines, and what was decided about it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from monitoring.report_cards import first_screen
from monitoring.standing import GuardSeen, model_standing
from monitoring.words import Words
from tests.monitoring.company import CHURN, TRAINED_ON, judge, workspace_in


def standing(workspace, version="1", as_of=TRAINED_ON):
    return model_standing(
        workspace.warehouse, workspace.journal, model=f"shop-{CHURN}", churn_name=CHURN, version=version, as_of=as_of
    )


@pytest.fixture
def workspace(tmp_path):
    workspace = workspace_in(tmp_path)
    judge(workspace, TRAINED_ON, version="1")
    return workspace


def test_the_figures_of_the_version_that_scored_are_shown_ours_first(workspace):
    found = standing(workspace)
    assert found.models == ("catboost", "rule", "spline_logistic")
    assert found.figures["catboost", "auc"].estimate == 0.8
    assert found.metrics == ("auc", "value_at_capacity", "log_loss")
    assert [gain.baseline for gain in found.gains] == ["spline_logistic", "rule"]
    assert [gain.is_better for gain in found.gains] == [False, True]


def test_of_two_runs_on_one_day_the_one_that_made_the_version_is_shown(workspace):
    judge(workspace, TRAINED_ON, version="2", auc=0.75, run_id="a later run")
    assert standing(workspace, "1").figures["catboost", "auc"].estimate == 0.8
    assert standing(workspace, "2").figures["catboost", "auc"].estimate == 0.75


def test_a_decision_of_a_later_day_is_not_shown(workspace):
    assert standing(workspace).newest.version == "1"
    judge(workspace, TRAINED_ON + timedelta(days=30), version="2", run_id="later")
    assert standing(workspace).newest.version == "1"
    assert standing(workspace, as_of=TRAINED_ON + timedelta(days=30)).newest.version == "2"


def test_a_decision_by_hand_says_so_and_keeps_the_figures_of_the_training(workspace):
    workspace.journal.record_verdict(
        f"shop-{CHURN}", "1", as_of=TRAINED_ON, decision="promote", champion="2",
        figures={"by": "hand", "reasons": ["rolled back from version 2"]},
    )  # fmt: skip
    found = standing(workspace)
    assert found.newest.is_by_hand
    assert found.newest.guards == ()
    assert found.figures["catboost", "auc"].estimate == 0.8
    assert [guard.name for guard in found.trained.guards] == ["signal", "leak"]


def test_a_model_that_a_guard_stopped_is_not_called_better(content):
    stopped = GuardSeen("leak", "block", "a column knows the outcome.")
    trained = replace(content.standing.trained, guards=(stopped,))
    standing = replace(content.standing, trained=trained)
    assert standing.blocking_guards == (stopped,)
    cards = {card.name: card for card in first_screen(replace(content, standing=standing), Words("en"))}
    assert (cards["model"].state, cards["model"].big) == ("bad", "Stopped")
    assert "Leaks" in cards["model"].note


@pytest.mark.parametrize("version", [None, "9"])
def test_a_model_nobody_judged_has_no_figures(workspace, version):
    assert standing(workspace, version).figures == {}
