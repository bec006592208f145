"""The day's scores in numbers, without small groups."""

from datetime import timedelta

import pyarrow as pa
import pytest

from monitoring.evidently_page import EvidentlyPage
from monitoring.report import draw
from monitoring.report_content import gather
from monitoring.summary import scored_day
from tests.monitoring.company import CHURN, LAST_DAY, score_rows, workspace_in
from tests.monitoring.html import read_page


@pytest.fixture
def scored(company):
    return scored_day(company.warehouse, company.business, company.business.churn_named(CHURN), LAST_DAY)


def test_the_numbers_are_those_of_the_rows(company, scored):
    rows = company.warehouse.query(f"select * from scores where as_of = date '{LAST_DAY}'").to_pylist()
    assert scored.customer_count == len(rows)
    assert scored.expected == pytest.approx(sum(row["probability"] for row in rows))
    assert scored.expected_low < scored.expected < scored.expected_high
    assert scored.at_risk.count == sum(row["risk_tier"] != "low" for row in rows)
    assert scored.line_count == 20
    assert scored.line_probability == min(row["probability"] for row in rows if row["is_above_capacity_line"])


def test_the_range_of_expected_leavers_covers_what_happens_if_the_probabilities_are_right(company, scored):
    import numpy as np

    found = company.warehouse.query(f"select probability from scores where as_of = date '{LAST_DAY}'")
    p = found["probability"].to_numpy()
    rng = np.random.default_rng(1)
    leavers = (rng.uniform(size=(4_000, p.size)) < p).sum(axis=1)
    inside = np.mean((leavers >= scored.expected_low) & (leavers <= scored.expected_high))
    # A whole number has no exact 95 % range: it may cover one count more or less at either end.
    assert 0.93 <= inside <= 0.97 + 2 * np.mean(leavers == round(scored.expected_low))


def test_no_reason_of_fewer_than_five_customers_is_counted(scored):
    assert scored.reasons
    assert all(reason.count is None or reason.count >= 5 for reason in scored.reasons)


def test_a_day_that_was_not_scored_has_no_numbers(company):
    churn = company.business.churn_named(CHURN)
    assert scored_day(company.warehouse, company.business, churn, LAST_DAY + timedelta(days=1)) is None


def test_a_tier_that_hides_with_a_small_one_is_not_called_small(tmp_path):
    # Three customers at high risk and 170 at medium: to say "172 at risk, 169 of them medium" would count the three.
    workspace = workspace_in(tmp_path)
    lake = workspace.warehouse
    groups = (("high", 0.7, 3), ("medium", 0.3, 170), ("low", 0.1, 900))
    for tier, probability, count in groups:
        rows = score_rows([LAST_DAY], [f"{tier}{n}" for n in range(count)], probability=probability).to_pandas()
        lake.append("scores", pa.Table.from_pandas(rows.assign(risk_tier=tier), preserve_index=False), batch=tier)
    churn = workspace.business.churn_named(CHURN)
    found = scored_day(lake, workspace.business, churn, LAST_DAY)
    assert [(tier.count, tier.is_small) for tier in found.tiers] == [(None, True), (None, False), (900, False)]
    html, _ = draw(gather(workspace, LAST_DAY, churn), EvidentlyPage("", 0, 0))
    page = read_page(html)
    rows = [[cell.all_text().strip() for cell in row.every("th", "td")] for row in page.every("tr")]
    assert ["High from 50%", "< 5", "–", "–"] in rows
    assert ["Medium from 25%", "not shown", "–", "–"] in rows
    assert "< 5 of them high" in page.all_text()
