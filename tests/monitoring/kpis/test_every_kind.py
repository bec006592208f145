"""Every kind of churn definition passes through, and a simulated company's churn rate is the planted one."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from holdback.business import Business, load_business
from holdback.errors import DataError
from monitoring.kpis import GONE, churn_rates, group_sizes, retention_curve, revenue_churn, transitions
from simulator import open_company
from tests.features.world import AS_OF, Memory, Row, company
from tests.monitoring.kpis.lively import lively_rows

SEEDS = range(12)
STARTS_ON = date(2025, 6, 1)
#: Sixty days after the first of August, and a day on which the files prove it.
KNOWN_ON = date(2025, 10, 8)
DAY = timedelta(days=1)
#: Planted by the scenario: what leaves within sixty days when nobody is contacted.
PLANTED = 0.064


@pytest.fixture(scope="module")
def lively() -> Memory:
    return Memory(company(), lively_rows())


@pytest.mark.parametrize("name", [churn.name for churn in company().churn])
def test_every_kind_passes_through_without_a_case_of_its_own(name: str, lively: Memory) -> None:
    churn = company().churn_named(name)
    by_stage = churn_rates(lively, company(), churn, AS_OF, by="stage")
    assert by_stage.total is not None
    assert by_stage.total.left is not None
    described = group_sizes(lively, company(), churn, by_stage.described_on or AS_OF).customer_count
    assert described == by_stage.total.customer_count
    months = churn_rates(lively, company(), churn, AS_OF)
    assert any(row.left is not None and row.left.count for row in months.groups)
    assert 0 <= revenue_churn(lively, company(), churn, AS_OF).lost.estimate < 0.5
    if name == "said":
        return  # a snapshot: no moves, no curve
    moves = transitions(lively, company(), churn, AS_OF, since=AS_OF - timedelta(days=400)).moves
    assert any(move.went_to == GONE and move.customer_count != 0 for move in moves)
    [curve] = retention_curve(lively, company(), churn, AS_OF).curves
    retained = [point.retained for point in curve.points]
    assert retained == sorted(retained, reverse=True)
    assert 0.3 < retained[-1] < 1


@pytest.mark.parametrize("name", ["lapse", "habit"])
def test_days_long_after_the_data_have_one_answer(name: str, lively: Memory) -> None:
    churn, long_after = company().churn_named(name), date(2032, 6, 1)
    for by in ("month", "stage"):
        with pytest.raises(DataError, match="nobody is described"):
            churn_rates(lively, company(), churn, long_after, by=by)
    for tell in (revenue_churn, retention_curve, group_sizes, transitions):
        with pytest.raises(DataError, match="nobody is described"):
            tell(lively, company(), churn, long_after)


def simulated(seed: int, business: Business) -> Memory:
    """A telephone company in which everybody leaves with the same hazard, without the faults of its files."""
    played = open_company("telecom", seed=seed, customer_count=400, starts_on=STARTS_ON, scenario="harmful_campaign")
    rows: list[Row] = []
    while played.played_until < KNOWN_ON - DAY:
        day = played.played_until + DAY
        played.play(day)
        for table in filter(None, [played.feeds(day).get("contracts")]):
            rows += [
                {"customer_id": row["customer"], "event_at": row["at"], "kind": row["kind"], "plan": row["plan"],
                 "subscription_id": row["contract"], "price_cents": round(100 * row["price"]),
                 "loaded_at": business.instant(day + DAY)}
                for row in table.to_pylist()
            ]  # fmt: skip
    return Memory(business, {"contracts": rows})


@pytest.mark.slow
@pytest.mark.truth
def test_the_planted_churn_rate_lies_in_its_interval(project_root: Path) -> None:
    """A 95 % interval misses four or more of twelve worlds once in 400 runs (binomial)."""
    business = load_business(project_root / "businesses" / "telecom.yaml")
    covered, counted, described, at_risk, left = 0, 0.0, 0.0, 0, 0
    for seed in SEEDS:
        warehouse = simulated(seed, business)
        found = churn_rates(warehouse, business, business.churn[0], KNOWN_ON, by="plan")
        assert found.described_on == date(2025, 8, 1)
        assert found.total is not None
        assert found.total.left is not None
        covered += found.total.left.low <= PLANTED <= found.total.left.high
        counted, described = counted + found.total.left.count, described + found.total.left.n
        shown = [row.left.count for row in found.groups if row.left is not None]
        assert sum(shown) <= found.total.left.count
        [curve] = retention_curve(warehouse, business, business.churn[0], KNOWN_ON).curves
        at_risk, left = at_risk + sum(p.at_risk for p in curve.points), left + sum(p.left for p in curve.points)
    assert covered >= len(SEEDS) - 3
    # All worlds together: four standard errors of a binomial share.
    assert abs(counted / described - PLANTED) < 4 * (PLANTED * (1 - PLANTED) / described) ** 0.5
    # The curves' months, from June to September, have 30.5 days on average.
    monthly = 1 - (1 - PLANTED) ** (30.5 / 60)
    assert abs(left / at_risk - monthly) < 4 * (monthly * (1 - monthly) / at_risk) ** 0.5


def test_segments_are_arrow_tables_of_the_declared_columns(lively: Memory) -> None:
    from features.segments import build_segments
    from holdback.tables import TABLES

    found = build_segments(lively, company(), company().churn[0], AS_OF)
    assert found.column_names == list(TABLES["segments"].column_names)
    assert found.schema.field("value_decile").type == pa.int64()
