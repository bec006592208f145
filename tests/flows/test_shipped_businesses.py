"""Each shipped business goes the whole way from its YAML alone: files, a model, scores, triggers, decisions, lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from campaigns.decisions import decide
from campaigns.delivery import deliver
from campaigns.designs import launch
from features.triggers import fire
from holdback.business import load_business
from holdback.ingest import ingest
from holdback.workspace import Workspace
from simulator import open_company
from simulator.company import CompanyKind
from tests.training.conftest import QUICK
from training.registry import promote_by_hand
from training.retraining import retrain
from training.scoring import score

FindData = Callable[[str], Path]
REASON = "a trial of the shipped business files"
#: A company's first day, and the days that it lives before it is decided about.
LIVES: Mapping[CompanyKind, int] = {"telecom": 300, "bank": 330, "resort": 1_000, "dealer": 1_050}


def opened(project_root: Path, name: str, place: Path, variables: Mapping[str, str]) -> Workspace:
    return Workspace(place, load_business(project_root / "businesses" / f"{name}.yaml"), variables, threads=1)


def scored(workspace: Workspace, as_of: date) -> int:
    """Train on few trees, put the model in office by hand (400 customers prove nothing), and score the day."""
    churn = workspace.business.churn[0].name
    result = retrain(workspace, churn, as_of, threads=1, recipe=replace(QUICK, seed_count=1))
    if result.champion_version is None:
        promote_by_hand(workspace, churn, result.version, as_of)
    return score(workspace, churn, as_of).customer_count


def decided(workspace: Workspace, as_of: date) -> int:
    for campaign in workspace.business.own_campaigns:
        launch(workspace, campaign.name, as_of, force_reason=REASON)
    decide(workspace, as_of)
    deliver(workspace, as_of, now=workspace.business.instant(as_of) + timedelta(hours=11), wait=lambda _: None)
    rows = workspace.warehouse.query("select count(*) as n from ledger where kind = 'decided'")
    return int(rows["n"][0].as_py())


@pytest.mark.slow
@pytest.mark.parametrize("kind", LIVES)
def test_a_simulated_business_goes_from_its_files_to_its_contact_lists(
    kind: CompanyKind, tmp_path: Path, project_root: Path
) -> None:
    files, starts_on = tmp_path / "files", date(2024, 1, 1)
    as_of = starts_on + timedelta(days=LIVES[kind])
    company = open_company(kind, seed=20, customer_count=400, starts_on=starts_on, scenario="incidents")
    company.write_history(files, as_of - timedelta(days=1))
    workspace = opened(project_root, kind, tmp_path / "work", {f"{kind.upper()}_DAYS": str(files)})
    loaded = ingest(workspace, as_of, history=True)
    assert {batch.feed for batch in loaded.new_batches} == {"customers", *workspace.business.feeds}
    assert scored(workspace, as_of) > 100
    fired = fire(workspace.warehouse, workspace.business, as_of)
    assert [one.trigger for one in fired.triggers] == [trigger.name for trigger in workspace.business.triggers]
    assert not any(one.is_flooded for one in fired.triggers)
    assert decided(workspace, as_of) > 0
    assert (workspace.outbox / as_of.isoformat()).is_dir()


@pytest.mark.slow
def test_the_savings_bank_is_scored_and_its_trigger_finds_the_falls(
    tmp_path: Path, project_root: Path, shared_data: FindData
) -> None:
    as_of = date(2020, 4, 1)
    data = shared_data("savings_bank").parent
    workspace = opened(project_root, "savings_bank", tmp_path, {"HOLDBACK_DATA": str(data)})
    ingest(workspace, as_of)
    assert scored(workspace, as_of) == 28_382
    [fired] = fire(workspace.warehouse, workspace.business, as_of).triggers
    assert (fired.fired, fired.is_flooded) == (634, False)


@pytest.mark.slow
def test_telco_is_scored_from_its_one_table(tmp_path: Path, project_root: Path, shared_data: FindData) -> None:
    as_of = date(2020, 1, 2)
    data = shared_data("telco").parent
    workspace = opened(project_root, "telco", tmp_path, {"HOLDBACK_DATA": str(data)})
    ingest(workspace, as_of)
    assert scored(workspace, as_of) == 7_043
