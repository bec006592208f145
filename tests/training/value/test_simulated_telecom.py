"""The telephone company of the examples goes through the front door, is valued, and then really lives on for a year."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from holdback.business import Business
from holdback.ingest import ingest
from holdback.workspace import Workspace
from tests.simulator.companies import active, company_after, play_on
from tests.simulator.examples import example_with
from tests.training.value.panel import decile_error
from training.value.hazard import DAYS_PER_MONTH
from training.value.training import train_value
from training.value.valuing import stored_values, value_day

pytestmark = [pytest.mark.slow, pytest.mark.truth]

DAY = timedelta(days=1)
MONTHS = 12


def business_of(project_root: Path) -> Business:
    """The company with its contracts alone, undiscounted, valued over a year."""
    content = example_with(project_root, "telecom", ("contracts",))
    content["customers"]["attributes"] = {}
    content["customers"]["protected"] = []
    content["value"] = {"feed": "contracts", "margin_rate": 0.6, "discount_rate": 0.0, "horizon_days": 365}
    return Business.model_validate(content)


def test_a_year_lasts_as_long_as_it_was_expected_to(tmp_path: Path, project_root: Path) -> None:
    files = tmp_path / "files"
    workspace = Workspace(tmp_path / "work", business_of(project_root), {"TELECOM_DAYS": str(files)}, threads=1)
    company = company_after(0, customers=2500, seed=20)
    company.write_history(files, company.played_until + 365 * DAY)
    today = company.played_until + DAY
    ingest(workspace, today, history=True)
    result = train_value(workspace, today, threads=1)
    told = value_day(workspace, today)
    assert result.is_in_office
    assert result.figures["total_ratio"].estimate == pytest.approx(1, abs=0.1)
    # The company kept no ends of contracts before its records began: of a year ahead only eight months were ever seen.
    assert told.extrapolated_share is not None
    assert 0.15 < told.extrapolated_share < 0.5

    here = active(company)
    lasted = np.zeros(here.size)
    for month in range(1, MONTHS + 1):
        play_on(company, round(month * DAYS_PER_MONTH) - round((month - 1) * DAYS_PER_MONTH))
        lasted += company.lives.is_active[here]
    truth = {company.people.ids[int(who)].as_py(): months for who, months in zip(here, lasted, strict=True)}
    rows = [row for row in stored_values(workspace.warehouse, today).to_pylist() if row["customer_id"] in truth]
    assert len(rows) > 0.98 * here.size
    expected = np.array([row["months"] for row in rows])
    actual = np.array([truth[row["customer_id"]] for row in rows])
    # Months of one customer vary by about 4: the mean of 2,400 by 0.08, which is 1 %; the season adds to that.
    assert expected.sum() / actual.sum() == pytest.approx(1, abs=0.05)
    assert decile_error(expected, actual) < 0.6
    # Most of one life is chance (.15 seen); without any order the correlation lies below three standard errors, .06.
    assert np.corrcoef(expected, actual)[0, 1] > 0.06
