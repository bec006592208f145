"""The drivers of the churn table that everyone quotes are those that everyone knows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from holdback.business import load_business
from holdback.ingest import ingest
from holdback.workspace import Workspace
from monitoring.causes import Causes, FeatureDriver, find_causes
from training.churn import Recipe, fit
from training.datasets import build_dataset

AS_OF = date(2020, 1, 2)


@pytest.fixture(scope="module")
def telco(
    project_root: Path, shared_data: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Causes, dict[str, FeatureDriver]]:
    data = shared_data("telco").parent
    business = load_business(project_root / "businesses" / "telco.yaml")
    workspace = Workspace(tmp_path_factory.mktemp("telco"), business, {"HOLDBACK_DATA": str(data)}, threads=1)
    ingest(workspace, AS_OF)
    churn = business.churn[0]
    rows = build_dataset(workspace, churn, AS_OF).training
    recipe = Recipe(learning_rate=0.2, most_trees=200, patience=20, seed_count=2)
    model = fit(rows, threads=1, recipe=recipe, information={"as_of": AS_OF.isoformat()}).model
    workspace.models.mkdir(parents=True)
    model.save(workspace.models / f"{business.slug}-{churn.name}-1.cbm")
    workspace.journal.crown(f"{business.slug}-{churn.name}", "1", seen=None, as_of=AS_OF)
    found = find_causes(workspace, churn.name, AS_OF, segments=["contract"])
    drivers = [theme.driver for theme in found.themes if theme.driver is not None]
    return found, {driver.family: driver.features[0] for driver in drivers}


@pytest.mark.slow
def test_telco_tenure_lowers_and_monthly_contracts_raise_the_risk(
    telco: tuple[Causes, dict[str, FeatureDriver]],
) -> None:
    found, features = telco
    # Measured before this was built (2026-11): tenure rho -.98, month-to-month +.52 and two-year -.84 logits.
    assert found.days[-1].customer_count == 7043
    assert {"tenure", "contract", "internet_service"} == {theme.name for theme in found.themes[:3]}
    tenure = features["tenure"].rank_correlation
    assert tenure is not None
    assert tenure < -0.95
    riskiest, safest = features["contract"].riskiest, features["contract"].safest
    assert riskiest is not None
    assert safest is not None
    assert (riskiest.value, safest.value) == ("Month-to-month", "Two year")
    assert riskiest.points > 0 > safest.points
    assert riskiest.customer_count == 3875
    internet = features["internet_service"].riskiest
    assert internet is not None
    assert internet.value == "Fiber optic"


@pytest.mark.slow
def test_telco_tells_segments_and_has_nothing_stated(telco: tuple[Causes, dict[str, FeatureDriver]]) -> None:
    found, _ = telco
    assert {segment.value: segment.sample_count for segment in found.segments} == {
        "Month-to-month": 3875, "One year": 1473, "Two year": 1695,
    }  # fmt: skip
    assert all(not theme.sayings for theme in found.themes)
    assert (found.left_count, found.stayed_count) == (1869, 5174)  # as published
    assert found.cancelled is None
