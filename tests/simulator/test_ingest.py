"""The simulated files go through the real front door: clean rows in, spoiled ones aside, corrections correct."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from holdback.business import load_business
from holdback.ingest import IngestResult, ingest
from holdback.workspace import Workspace
from simulator import Company
from simulator.company import CompanyKind
from tests.simulator.companies import STARTS_ON, active, company_after, contacts_for, play_on

DAY = timedelta(days=1)
HISTORY_ENDS_ON = STARTS_ON + timedelta(days=45)


def workspace_of(folder: Path, kind: str, project_root: Path) -> Workspace:
    business = load_business(project_root / "businesses" / f"{kind}.yaml")
    return Workspace(folder / "work", business, {f"{kind.upper()}_DAYS": str(folder / "files")})


def load(workspace: Workspace, company: Company, *, history: bool = False) -> IngestResult:
    return ingest(workspace, company.played_until + DAY, history=history)


@pytest.mark.parametrize(
    "kind", ["telecom", "bank", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("resort", "dealer"))]
)
def test_history_and_days_of_every_business_are_loaded(kind: CompanyKind, tmp_path: Path, project_root: Path) -> None:
    workspace = workspace_of(tmp_path, kind, project_root)
    company = company_after(0, kind, customers=250)
    files = tmp_path / "files"
    spoiled = company.write_history(files, HISTORY_ENDS_ON)
    result = load(workspace, company, history=True)
    assert (
        {batch.feed for batch in result.new_batches} == set(company.files) == {"customers", *workspace.business.feeds}
    )
    assert {batch.feed: batch.quarantined for batch in result.new_batches} == spoiled
    assert result.clean == result.offered - sum(spoiled.values()) > 500
    first = HISTORY_ENDS_ON + DAY
    company.play(first, contacts_for(company, active(company)[:60], company.actions[1].name))
    corrected: Counter[str] = Counter()
    for number in range(2):
        spoiled = company.write_day(files, company.played_until)
        result = load(workspace, company)
        assert {batch.feed: batch.quarantined for batch in result.new_batches} == spoiled
        for batch in result.new_batches:
            corrected[batch.feed] += batch.corrected
        if number == 0:
            play_on(company, 1)
    assert corrected["contacts"] > 0  # opened on the next day: the same message, not another one
    count = "count(*) as n, count(distinct customer_id) as customers, count(decision_id) as decisions"
    [row] = workspace.warehouse.query(
        f"select {count} from contacts c where campaign = 'spring' and not exists (select 1 from superseded s"
        " where s.feed = 'contacts' and s.batch_id = c.batch_id and s.row_number = c.row_number)"
    ).to_pylist()
    assert row["n"] == row["decisions"]
    assert 50 <= row["customers"] <= row["n"] <= 62


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bank", "resort", "dealer"])
def test_planted_incidents_are_clean_rows(kind: CompanyKind, tmp_path: Path, project_root: Path) -> None:
    workspace = workspace_of(tmp_path, kind, project_root)
    company = company_after(0, kind, customers=200, scenario="incidents")
    spoiled = company.write_history(tmp_path / "files", STARTS_ON + timedelta(days=120))
    result = load(workspace, company, history=True)
    assert {batch.feed: batch.quarantined for batch in result.new_batches} == spoiled
