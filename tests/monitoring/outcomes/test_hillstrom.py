"""Hillstrom's experiment, brought in by the business file, says what pandas says of the publisher's file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

from holdback.business import load_business
from holdback.ingest import ingest
from holdback.workspace import Workspace
from monitoring.effects import Moments
from monitoring.measurement import measure, stored_effects
from monitoring.outcomes import cohort_of, read_outcomes
from tests.monitoring.outcomes.hillstrom import read_hillstrom, write_company

AS_OF = date(2008, 3, 22)
MAILS = {"mens": "Mens E-Mail", "womens": "Womens E-Mail"}
#: Counts of shared/data/hillstrom/PROVENANCE.md.
SIZES = {"mens": 21_307, "womens": 21_387, "none": 21_306}


@pytest.fixture(scope="module")
def frame(shared_data: Callable[[str], Path]) -> pd.DataFrame:
    return read_hillstrom(shared_data("hillstrom/hillstrom.csv"))


@pytest.fixture(scope="module")
def company(frame: pd.DataFrame, project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("hillstrom")
    write_company(frame, folder)
    business = load_business(project_root / "businesses" / "hillstrom.yaml")
    workspace = Workspace(folder / "work", business, {"HILLSTROM": str(folder)}, threads=2)
    result = ingest(workspace, AS_OF, history=True)
    assert result.quarantined == 0
    return workspace


def rate(groups: Mapping[str, Moments], group: str, name: str) -> float:
    moments = groups[group]
    return moments.total(name) / moments.total("customers")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "visits", "orders", "spend"), [("mens", 7.66, 0.68, 0.77), ("womens", 4.52, 0.31, 0.42)]
)
def test_the_mails_brought_what_the_publisher_s_file_says(
    company: Workspace, frame: pd.DataFrame, name: str, visits: float, orders: float, spend: float
) -> None:
    """Source: differences of means by segment of the publisher's file (shared/design/statistics.md, section 2a)."""
    business = company.business
    cohort = cohort_of(business, business.campaign_named(name), None)
    found = read_outcomes(company.warehouse, business, cohort, AS_OF, segments=["channel", ("channel", "zip_code")])
    groups = found.groups
    assert (groups["treatment"].count, groups["holdout"].count) == (SIZES[name], SIZES["none"])
    assert found.maturity.matured_count == found.maturity.assigned_count == SIZES[name] + SIZES["none"]
    effects = {
        outcome: rate(groups, "treatment", outcome) - rate(groups, "holdout", outcome)
        for outcome in ("visited", "bought", "spend")
    }
    assert round(100 * effects["visited"], 2) == visits
    assert round(100 * effects["bought"], 2) == orders
    assert round(effects["spend"] / 100, 2) == spend

    arms = {"treatment": frame[frame.segment == MAILS[name]], "holdout": frame[frame.segment == "No E-Mail"]}
    for group, arm in arms.items():
        _same(groups[group], arm)
        for channel, segment in found.segments["channel"].items():
            _same(segment[group], arm[arm.channel == channel])
    assert set(found.segments["channel", "zip_code"]) == set(
        frame[["channel", "zip_code"]].itertuples(index=False, name=None)
    )
    assert found.cap_cents is None
    assert found.exposure["treatment"].decided_count == SIZES[name]
    assert groups["treatment"].total("cost_cents") == pytest.approx(SIZES[name])  # a cent each
    assert groups["holdout"].total("cost_cents") == 0


def _same(found: Moments, arm: pd.DataFrame) -> None:
    cents = (arm.spend * 100).round()
    expected = {"visited": arm.visit, "bought": arm.conversion, "spend": cents, "churned": 1 - arm.conversion,
                "revenue_cents": cents}  # fmt: skip
    places = [found.position(name) for name in expected]
    assert found.count == len(arm)
    np.testing.assert_allclose(found.mean[places], [column.mean() for column in expected.values()], rtol=1e-9)
    covariance = pd.DataFrame(expected).cov().to_numpy()
    np.testing.assert_allclose(found.covariance[np.ix_(places, places)], covariance, rtol=1e-9)


@pytest.mark.slow
def test_the_daily_measurement_takes_the_official_reading_of_both_mails(
    company: Workspace, frame: pd.DataFrame
) -> None:
    """The interval is that of statsmodels (Newcombe 1998, method 10) on the publisher's counts."""
    done = measure(company, AS_OF)
    assert done.failed == ()
    assert done.official == ("mens/1", "womens/1")
    for name, mail in MAILS.items():
        rows = [row for row in stored_effects(company.warehouse, AS_OF, campaign=name) if row["reading"] == "official"]
        (visited,) = [row for row in rows if row["metric"] == "visited" and row["segment"] == "all"]
        treated, held = frame[frame.segment == mail].visit, frame[frame.segment == "No E-Mail"].visit
        assert visited["method"] == "newcombe"
        assert visited["estimate"] == pytest.approx(treated.mean() - held.mean(), rel=1e-9)
        low, high = confint_proportions_2indep(
            treated.sum(), treated.size, held.sum(), held.size, method="newcomb", alpha=1 - visited["level"]
        )
        assert (visited["low"], visited["high"]) == pytest.approx((low, high), rel=1e-9)
