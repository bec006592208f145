"""Finance: lines that add up, and what other prices would change."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from campaigns.fit import classify, finance_export, sensitivity, stored_fit
from campaigns.fit.booked import booked
from holdback.errors import DataError
from holdback.workspace import Workspace
from tests.campaigns.fit.company import (
    AS_OF,
    CALLS,
    LEVELS,
    SENT,
    TILLS,
    Row,
    calls,
    company,
    contract,
    days_ago,
    lift,
    opened,
    score,
)

STARTS_ON = AS_OF - timedelta(days=365)
SHOP: dict[str, Any] = {
    "feeds": {"tills": TILLS, "calls": CALLS, "sent": SENT},
    "churn": [{"name": "left", "kind": "inactivity", "feed": "tills", "outcome_days": 60}],
}
CUSTOMERS = [f"c{i:02d}" for i in range(40)]


def shop(root: Path) -> Workspace:
    tills = [
        {"customer_id": c, "event_at": days_ago(d), "amount_cents": 1999 + 7 * i - d, "discount_cents": 101 + i}
        for i, c in enumerate(CUSTOMERS)
        for d in (3, 99, 200, 364, 400)
    ]
    tills.append({"customer_id": "c00", "event_at": days_ago(2), "amount_cents": -700, "discount_cents": None})
    some: dict[str, list[Row]] = {
        "tills": tills,
        "calls": [row for i, c in enumerate(CUSTOMERS) for row in calls(c, 3 + i, is_caused_by_us=i % 7 == 0)],
        "sent": [{"customer_id": "c01", "event_at": days_ago(9), "campaign": "x", "cost_cents": 35}],
        "scores": [score(c, 0.3) for c in CUSTOMERS],
    }
    some["calls"] += calls("c02", 4, channel="email")
    return opened(root, company(**SHOP), some)


def sums(table: pa.Table, *by: str) -> dict[Any, int]:
    found: dict[Any, int] = defaultdict(int)
    for row in table.to_pylist():
        found[tuple(row[name] for name in by) if len(by) > 1 else row[by[0]]] += row["amount_cents"]
    return dict(found)


def test_the_lines_add_up_to_the_ledger_and_to_the_cost_centre(tmp_path: Path) -> None:
    workspace, business = shop(tmp_path), company(**SHOP)
    classify(workspace.warehouse, business, AS_OF, lifts=lift())
    start, end = business.instant(STARTS_ON), business.instant(AS_OF)
    period = f"event_at >= timestamp '{start}' and event_at < timestamp '{end}'"
    ledger = workspace.warehouse.query(f"select sum(amount_cents) as paid from tills where {period}")["paid"][0].as_py()
    contacts = workspace.warehouse.query(f"select channel, count(*) as n from calls where {period} group by channel")
    unit = {"phone": 420, "email": 50}
    spent = sum(unit[row["channel"]] * row["n"] for row in contacts.to_pylist()) + 35
    export = finance_export(
        workspace.warehouse,
        business,
        AS_OF,
        starts_on=STARTS_ON,
        revenue_cents=int(ledger),
        cost_centre_cents=spent + 12_345,
    )
    lines = sums(export.table.filter(pa.compute.equal(export.table["basis"], "booked")), "line")
    assert lines["revenue"] + lines["discounts"] == ledger
    assert lines["unallocated"] == -12_345
    assert lines["retention"] == -35
    assert "faults by phone" in lines
    costs = [cents for line, cents in lines.items() if line not in ("revenue", "discounts", "cost_of_sales")]
    assert sum(costs) == -(spent + 12_345)
    assert [(r.agrees, r.difference_cents) for r in export.reconciliations] == [(True, 0), (True, 0)]


def test_the_expected_lines_of_each_customer_are_the_fit_to_the_cent(tmp_path: Path) -> None:
    workspace, business = shop(tmp_path), company(**SHOP)
    classify(workspace.warehouse, business, AS_OF, lifts=lift())
    export = finance_export(workspace.warehouse, business, AS_OF, starts_on=STARTS_ON)
    expected = export.table.filter(pa.compute.equal(export.table["basis"], "expected"))
    fit = stored_fit(workspace.warehouse, AS_OF)
    net = dict(zip(fit["customer_id"].to_pylist(), fit["net_cents"].to_pylist(), strict=True))
    assert sums(expected, "customer_id") == net
    by_line = sums(expected, "line")
    assert by_line["retention"] == -sum(fit["retention_cents"].to_pylist())
    assert by_line["contacts by phone"] + by_line["contacts by email"] == -sum(fit["cost_to_serve_cents"].to_pylist())
    assert [r.agrees for r in export.reconciliations] == [None, None]


def test_totals_more_than_one_percent_apart_do_not_agree(tmp_path: Path) -> None:
    workspace, business = shop(tmp_path), company(**SHOP)
    classify(workspace.warehouse, business, AS_OF, lifts=lift())
    export = finance_export(workspace.warehouse, business, AS_OF, starts_on=STARTS_ON, revenue_cents=10_000_000)
    assert export.reconciliations[0].agrees is False


def test_a_contract_is_booked_for_the_time_it_ran_at_the_price_it_had(tmp_path: Path) -> None:
    rows = [
        contract("a", 3000, days=1000),
        {"customer_id": "a", "event_at": days_ago(100), "kind": "change", "price_cents": 6000},
        {"customer_id": "a", "event_at": days_ago(50), "kind": "pause"},
        {"customer_id": "a", "event_at": days_ago(30), "kind": "renew"},
        {"customer_id": "a", "event_at": days_ago(10), "kind": "cancel"},
    ]
    workspace = opened(tmp_path, company(), {"contracts": rows})
    lines = booked(workspace.warehouse, company(), STARTS_ON, AS_OF, known_on=AS_OF)
    # The period has 365 days; 265 at 30, then 50 + 20 at 60; days x price / 30.4375.
    revenue = round((265 * 3000 + 70 * 6000) / 30.4375)
    assert lines.to_pylist() == [
        {"customer_id": "a", "line": "cost_of_sales", "amount_cents": -(revenue - round(revenue / 2))},
        {"customer_id": "a", "line": "revenue", "amount_cents": revenue},
    ]


def test_a_bank_books_the_margin_on_the_mean_balance(tmp_path: Path) -> None:
    business = company(feeds={"levels": LEVELS, "contracts": company().feeds["contracts"]}, value={"feed": "levels"})
    rows = [
        {"customer_id": "a", "event_at": days_ago(d), "balance_cents": b} for d, b in ((300, 100_000), (20, 300_000))
    ]
    workspace = opened(tmp_path, business, {"levels": rows})
    lines = booked(workspace.warehouse, business, STARTS_ON, AS_OF, known_on=AS_OF)
    assert lines.to_pylist() == [{"customer_id": "a", "line": "revenue", "amount_cents": 100_000}]


def test_other_prices_reclassify_some_and_never_the_wrong_way(tmp_path: Path) -> None:
    workspace, business = shop(tmp_path), company(**SHOP)
    found = {(w.price, w.factor): w for w in sensitivity(workspace.warehouse, business, AS_OF, lifts=lift())}
    now = found["as it is", 1.0]
    assert now.reclassified_count == 0
    assert found["unit_cost", 0.8].net_cents > now.net_cents > found["unit_cost", 1.2].net_cents
    assert found["margin", 0.8].net_cents < now.net_cents < found["margin", 1.2].net_cents
    assert found["discount", 0.8].net_cents > now.net_cents > found["discount", 1.2].net_cents
    assert (
        found["unit_cost", 0.8].do_not_spend_count
        <= now.do_not_spend_count
        <= found["unit_cost", 1.2].do_not_spend_count
    )
    assert str(now).startswith("as it is x 1: 0 of 40 change class (0.0%)")


def test_a_day_that_was_not_classified_has_no_export(tmp_path: Path) -> None:
    workspace = shop(tmp_path)
    with pytest.raises(DataError, match="the day was not classified"):
        finance_export(workspace.warehouse, company(**SHOP), AS_OF, starts_on=STARTS_ON)
