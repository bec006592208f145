"""Classes beside what happened afterwards."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from campaigns.fit import backtest, classify
from holdback.errors import DataError, NotKnowableYet
from holdback.workspace import Workspace
from tests.campaigns.fit.company import AS_OF, Row, calls, company, contract, days_ago, lift, opened, score

LATER = AS_OF + timedelta(days=90)
USUAL = [f"c{i:03d}" for i in range(60)]
DEAR = [f"dear{i}" for i in range(6)]


def year(root: Path) -> Workspace:
    """Customers who go on as they did: the dear ones call three times a week; one of the usual cancels."""
    some: dict[str, list[Row]] = {
        "contracts": [contract(c) for c in (*USUAL, *DEAR)],
        "customers": [{"customer_id": c, "signed_up_at": days_ago(700)} for c in (*USUAL, *DEAR)],
        "scores": [score(c) for c in (*USUAL, *DEAR)],
        "calls": [row for c in USUAL for row in calls(c, 3)] + [row for c in DEAR for row in calls(c, 150)],
    }
    some["contracts"] += [
        {"customer_id": "c000", "event_at": days_ago(-30), "kind": "cancel"},
        contract("new", days=-89),
    ]
    some["calls"] += [row for c in DEAR for row in calls(c, 30, first=-1, last=-89)]
    some["calls"] += calls("c001", 30, first=-1, last=-89, is_caused_by_us=True)
    some["sent"] = [{"customer_id": "c002", "event_at": days_ago(-5), "campaign": "x", "cost_cents": 700}]
    workspace = opened(root, company(), some)
    classify(workspace.warehouse, company(), AS_OF, lifts=lift())
    return workspace


def test_each_class_stands_beside_what_it_brought(tmp_path: Path) -> None:
    found = backtest(year(tmp_path).warehouse, company(), AS_OF, known_on=LATER, days=90)
    by_class = {outcome.fit_class: outcome for outcome in found.outcomes}
    out, kept = by_class["do_not_spend"], by_class["maintain"]
    full, thirty = round(2000 * 90 / 30.4375), round(2000 * 30 / 30.4375)
    assert (out.customer_count, kept.customer_count, found.customer_count) == (6, 60, 66)
    assert out.cost_cents == 6 * 30 * 420
    assert out.margin_cents == 6 * round(full / 2)
    assert out.net_cents < 0
    assert (out.negative_share, kept.negative_share) == (1.0, 0.0)
    assert kept.margin_cents == 59 * round(full / 2) + round(thirty / 2)
    assert kept.cost_cents == 0  # what we caused is our own
    assert kept.retention_cents == 700
    # Wilson's interval of 6 out of 6: 6 / (6 + 1.96^2) = 0.6097.
    assert (out.negative_share_low, out.negative_share_high) == pytest.approx((0.6097, 1.0), abs=1e-4)
    assert found.rank_correlation is not None
    assert found.rank_correlation > 0.3
    assert "do_not_spend: 6 customers brought" in str(out)


def test_a_period_that_is_not_over_is_not_knowable_yet(tmp_path: Path) -> None:
    warehouse = year(tmp_path).warehouse
    with pytest.raises(NotKnowableYet, match=f"Ask again on {LATER}"):
        backtest(warehouse, company(), AS_OF, known_on=LATER - timedelta(days=1), days=90)
    with pytest.raises(NotKnowableYet, match="the records of feed 'contracts' end on 2026-08-29"):
        backtest(warehouse, company(), AS_OF, known_on=LATER + timedelta(days=365))


def test_a_day_without_classes_has_nothing_to_compare(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the day was not classified"):
        backtest(year(tmp_path).warehouse, company(), AS_OF - timedelta(days=1), known_on=LATER, days=60)
