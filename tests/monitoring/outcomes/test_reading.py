"""What is read of a cohort equals what plain Python finds customer by customer, for every kind of churn and revenue."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
import pytest

from holdback.business import Business
from monitoring.effects import Moments
from monitoring.outcomes import TOTALS, Cohort, Outcomes, cohort_of, read_outcomes
from tests.monitoring.outcomes.company import AS_OF, KINDS, ROLES, Past, company
from tests.monitoring.outcomes.plain import Plain

#: Seeds, and the days on which each past is read: when nearly all are mature, and when few are.
PASTS = ((0, AS_OF), (1, date(2026, 4, 20)))


def cohort(business: Business, name: str = "spring") -> Cohort:
    campaign = business.campaign_named(name)
    if campaign.assigned_by is not None:
        return cohort_of(business, campaign, None)
    return Cohort(name, 1, business.churn[0], business.horizon_days(campaign), None)


def same(found: Mapping[str, Moments], expected: Mapping[str, Moments]) -> None:
    """Fail unless names, counts, means and covariances agree to 1e-9."""
    for group, moments in expected.items():
        assert found[group].names == moments.names
        assert found[group].count == moments.count, group
        np.testing.assert_allclose(found[group].mean, moments.mean, rtol=1e-9, atol=1e-9, err_msg=group)
        scale = np.abs(moments.covariance).max(initial=1.0)
        np.testing.assert_allclose(found[group].covariance, moments.covariance, rtol=1e-9, atol=1e-12 * scale)


@pytest.mark.parametrize("revenue", ROLES, ids=ROLES.values())
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["spring", "elsewhere"])
def test_moments_survival_and_entries_are_those_of_plain_python(kind: str, revenue: str, name: str) -> None:
    for seed, as_of in PASTS:
        past, business = Past(seed), company(kind, revenue)
        followed = cohort(business, name)
        warehouse = past.warehouse(business)
        plain = Plain(past, business, followed, as_of)
        segments = ["fit_class", "entry_month", "region", ("fit_class", "entry_month")]
        found = read_outcomes(warehouse, business, followed, as_of, segments=segments)
        assert 0 < len(plain.mature) < len(plain.people)
        assert found.groups["treatment"].names == (*TOTALS, "visited", "metered", "bought", "spend")
        same(found.groups, plain.moments())
        assert found.cap_cents == pytest.approx(plain.cap, rel=1e-12)
        _same_segments(found, plain)
        _same_counts(found, plain, kind)


def _same_segments(found: Outcomes, plain: Plain) -> None:
    ways = {
        "fit_class": lambda p: p.row.get("fit_class") or "not known",
        "entry_month": lambda p: f"{p.entered_on:%Y-%m}",
        "region": plain.region,
    }
    for name, way in ways.items():
        assert set(found.segments[name]) == {way(person) for person in plain.mature}
        for value, groups in found.segments[name].items():
            same(groups, plain.moments(lambda person, way=way, value=value: way(person) == value))  # type: ignore[misc]
    both = found.segments["fit_class", "entry_month"]
    for value, groups in both.items():
        same(groups, plain.moments(lambda p, v=value: (ways["fit_class"](p), ways["entry_month"](p)) == v))  # type: ignore[misc]


def _same_counts(found: Outcomes, plain: Plain, kind: str) -> None:
    maturity = found.maturity
    assert maturity.assigned_count == len(plain.people)
    assert maturity.matured_count == len(plain.mature)
    assert maturity.known_count == sum(person.churned is not None for person in plain.mature)
    assert maturity.first_entry_on == min(person.entered_on for person in plain.people)
    assert maturity.last_entry_on == max(person.entered_on for person in plain.people)
    rows = found.churners.to_pylist()
    assert [row["churned_on"] for row in rows] == sorted(row["churned_on"] for row in rows)
    assert {(row["churned_on"], row["group"]): row["unit_count"] for row in rows} == plain.churners()
    entries = plain.entries()
    assert {row["entered_on"]: (row["treatment_units"], row["holdout_units"]) for row in found.entries.to_pylist()} == {
        day: (units["treatment"], units["holdout"]) for day, units in entries.items()
    }
    assert {row["propensity"] for row in found.entries.to_pylist()} == {plain.people[0].propensity}
    if kind != "cancellation":
        assert found.survival is None
        assert any("no survival curve" in note for note in found.notes)
        return
    assert found.survival is not None
    told = {(row["group"], row["day"]): (row["at_risk"], row["churned"]) for row in found.survival.to_pylist()}
    assert told == plain.survival()
