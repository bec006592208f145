"""What became of a campaign, summed up by Spark's executors: the same counts and moments, so the same intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from features.on_spark import OnSpark
from monitoring.outcomes import SegmentName, read_outcomes
from tests.conformance.engines import lake_of
from tests.monitoring.outcomes.company import AS_OF, Past, company
from tests.monitoring.outcomes.test_reading import cohort

SEGMENTS: list[SegmentName] = ["fit_class", "entry_month", "region", ("fit_class", "entry_month")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "revenue", "campaign"), [("cancellation", "deals", "spring"), ("inactivity", "levels", "elsewhere")]
)
def test_spark_sums_up_a_cohort_as_duckdb_does(
    kind: str, revenue: str, campaign: str, spark_master: str, tmp_path: Path
) -> None:
    business = company(kind, revenue)
    lake = lake_of(tmp_path, business, Past(0).warehouse(business).rows)
    followed = cohort(business, campaign)
    here = read_outcomes(lake, business, followed, AS_OF, segments=SEGMENTS)
    there = read_outcomes(OnSpark.of(lake, spark_master), business, followed, AS_OF, segments=SEGMENTS)
    for name in ("maturity", "exposure", "duplicate_count", "changed_count", "notes", "is_reach_known"):
        assert getattr(there, name) == getattr(here, name), name
    for name in ("churners", "entries", "ranks"):
        assert getattr(there, name).equals(getattr(here, name)), name
    if here.survival is None or there.survival is None:
        assert here.survival is there.survival
    else:
        assert there.survival.equals(here.survival)
    assert there.cap_cents == pytest.approx(here.cap_cents, rel=1e-12)
    pairs = [(here.groups, there.groups)]
    for segment, values in here.segments.items():
        assert there.segments[segment].keys() == values.keys()
        pairs += [(groups, there.segments[segment][value]) for value, groups in values.items()]
    for expected, found in pairs:
        for group, moments in expected.items():
            assert found[group].count == moments.count
            np.testing.assert_allclose(found[group].mean, moments.mean, rtol=1e-9, atol=1e-9)
            scale = np.abs(moments.covariance).max(initial=1.0)
            np.testing.assert_allclose(found[group].covariance, moments.covariance, rtol=1e-9, atol=1e-12 * scale)
