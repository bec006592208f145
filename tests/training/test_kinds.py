"""Churn by a broken rhythm and by a balance that fell: trained, judged and scored like any other kind."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from features.spine import build_spine
from holdback.business import Business, load_business
from holdback.ingest import ingest
from holdback.workspace import Workspace
from simulator import open_company
from tests.training.companies import open_shop
from tests.training.conftest import QUICK, TODAY
from training.datasets import build_dataset
from training.registry import promote_by_hand, show_model
from training.retraining import retrain
from training.scoring import score, stored_scores

RHYTHM = {"name": "out_of_rhythm", "kind": "rhythm", "feed": "tills", "times": 3, "least_days": 7, "outcome_days": 60}
DROP = {
    "name": "drained", "kind": "balance_drop", "feed": "balances", "account_kind": "savings", "drop_share": 0.3,
    "least_amount": 500, "outcome_days": 60, "active_days": 45,
}  # fmt: skip


def with_churn(business: Business, *churn: dict[str, object], **changes: object) -> Business:
    content = business.model_dump(mode="json", exclude_none=True)
    own = {"churn": list(churn), "triggers": [], "campaigns": [], **changes}
    return Business.model_validate({**content, **own})


def test_a_shop_learns_who_breaks_his_rhythm_and_scores_who_has_one(tmp_path: Path) -> None:
    workspace = open_shop(tmp_path, customers=600, churn=[RHYTHM])
    churn = workspace.business.churn[0]
    dataset = build_dataset(workspace, churn, TODAY)
    # Everybody's outcome waits for the longest window, and no training outcome ends after the holdout's day.
    assert dataset.knows_until is not None
    assert dataset.plan.judge_on[-1] + timedelta(days=60) <= TODAY
    assert dataset.knows_until <= dataset.plan.judge_on[0]
    result = retrain(workspace, "out_of_rhythm", TODAY, threads=1, recipe=replace(QUICK, seed_count=1))
    assert result.evaluation.auc.estimate > 0.55
    assert "days_since_last_order" in result.baselines[0].meaning  # recency, as for every feed of purchases
    if result.decision != "promote":
        promote_by_hand(workspace, "out_of_rhythm", result.version, TODAY)
    scored = score(workspace, "out_of_rhythm", TODAY)
    spine = build_spine(workspace.warehouse, workspace.business, churn, TODAY)
    assert scored.customer_count == spine.num_rows > 200
    assert "usual gaps" in show_model(workspace, "out_of_rhythm", result.version).card


@pytest.mark.slow
def test_a_simulated_bank_learns_whose_savings_will_be_gone(tmp_path: Path, project_root: Path) -> None:
    shipped = load_business(project_root / "businesses" / "bank.yaml")
    feeds = {name: feed.model_dump(mode="json", exclude_none=True) for name, feed in shipped.feeds.items()}
    business = with_churn(
        shipped, DROP, feeds={name: feeds[name] for name in ("balances", "transfers")}, value={}, fit={},
        training={"snapshots": 2, "min_history_days": 270},
    )  # fmt: skip
    workspace = Workspace(tmp_path / "work", business, {"BANK_DAYS": str(tmp_path / "files")}, threads=1)
    starts_on = date(2024, 1, 1)
    as_of = starts_on + timedelta(days=450)
    company = open_company("bank", seed=5, customer_count=500, starts_on=starts_on, scenario="incidents")
    company.write_history(tmp_path / "files", as_of - timedelta(days=1))
    ingest(workspace, as_of, history=True)
    result = retrain(workspace, "drained", as_of, threads=1, recipe=replace(QUICK, seed_count=1))
    assert result.evaluation.churner_count > 5
    promote_by_hand(workspace, "drained", result.version, as_of)
    scored = score(workspace, "drained", as_of)
    assert scored.customer_count > 300
    probability = stored_scores(workspace.warehouse, "drained", as_of)["probability"].to_numpy()
    assert 0 < np.mean(probability) < 0.3
    assert "30% of the balance" in show_model(workspace, "drained", result.version).card
