"""What customers bring a month, from the records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from campaigns.margins import (
    DAYS_PER_MONTH,
    MonthlyMargins,
    current_customers,
    monthly_margins,
    revenue_feed,
    survived_months,
)
from holdback.business import Business
from holdback.errors import BusinessFileError
from tests.campaigns.fit.company import (
    AS_OF,
    CALLS,
    CONTRACTS,
    LEVELS,
    TILLS,
    Row,
    company,
    contract,
    days_ago,
    opened,
)
from tests.features.world import Memory

LAPSED = [{"name": "lapsed", "kind": "inactivity", "feed": "tills", "outcome_days": 60}]
SHOP: dict[str, Any] = {"feeds": {"tills": TILLS}, "churn": LAPSED}
BANK: dict[str, Any] = {
    "feeds": {
        "levels": LEVELS,
        "contracts": {**CONTRACTS, "columns": {"customer_id": "c", "event_at": "a", "kind": "k"}},
    }
}


def margins(business: Business, rows: Mapping[str, Iterable[Row]]) -> MonthlyMargins:
    return monthly_margins(Memory(business, {name: list(some) for name, some in rows.items()}), business, AS_OF)


def by_customer(found: MonthlyMargins, column: str = "margin_cents") -> dict[str, float]:
    return dict(zip(found.table["customer_id"].to_pylist(), found.table[column].to_pylist(), strict=True))


def bought(customer: str, cents: int, days: float, **more: Any) -> Row:
    return {"customer_id": customer, "event_at": days_ago(days), "amount_cents": cents, **more}


def test_a_subscriber_brings_the_price_of_the_open_contracts_times_the_margin_rate() -> None:
    rows = [
        contract("one", 2000),
        contract("two", 2000, subscription_id="a"),
        contract("two", 500, subscription_id="b"),
        contract("left", 2000, subscription_id="a"),
        contract("left", 900, subscription_id="b"),
        {"customer_id": "left", "event_at": days_ago(3), "kind": "cancel", "subscription_id": "a"},
        contract("gone", 2000),
        {"customer_id": "gone", "event_at": days_ago(3), "kind": "cancel"},
    ]
    found = margins(company(), {"contracts": rows})
    assert by_customer(found) == {"left": 450.0, "one": 1000.0, "two": 1250.0}
    assert found.method == "price of the open contracts x 0.5"


def test_the_newest_price_known_at_as_of_counts_by_both_clocks() -> None:
    rows = [
        contract("c", 2000, days=100),
        {"customer_id": "c", "event_at": days_ago(50), "kind": "change", "price_cents": 3000},
        {"customer_id": "c", "event_at": days_ago(40), "kind": "renew", "price_cents": None},
        {
            "customer_id": "c",
            "event_at": days_ago(20),
            "kind": "change",
            "price_cents": 4000,
            "loaded_at": days_ago(-1),
        },
        {"customer_id": "c", "event_at": days_ago(0), "kind": "change", "price_cents": 5000},
    ]
    assert by_customer(margins(company(), {"contracts": rows})) == {"c": 1500.0}


def test_a_row_that_was_corrected_is_out() -> None:
    rows = [contract("c", 2000), contract("c", 2400, row_number=2, days=699)]
    replaced = [{"feed": "contracts", "batch_id": "b", "row_number": 2, "replaced_at": days_ago(1), "replaced_by": "n"}]
    assert by_customer(margins(company(), {"contracts": rows, "superseded": replaced})) == {"c": 1000.0}


def test_a_paused_contract_or_one_without_a_price_is_no_known_margin() -> None:
    rows = [
        contract("paused", 2000),
        {"customer_id": "paused", "event_at": days_ago(9), "kind": "pause"},
        contract("unpriced", None),
        contract("fine", 2000),
    ]
    known = by_customer(margins(company(), {"contracts": rows}), "is_known")
    assert known == {"fine": True, "paused": False, "unpriced": False}


def test_a_bank_earns_the_margin_rate_on_the_mean_balance_of_90_days() -> None:
    def level(customer: str, cents: int, days: float, kind: str = "savings") -> Row:
        return {"customer_id": customer, "event_at": days_ago(days), "balance_cents": cents, "account_kind": kind}

    rows = [
        level("a", 1_000_000, 200), level("a", 100_000, 80), level("a", 300_000, 10),
        level("a", 40_000, 30, "checking"),
        level("silent", 500_000, 400), level("silent", 10, 5, "checking"),
    ]  # fmt: skip
    business = company(**BANK, value={"margin_rate": 0.06})
    found = margins(business, {"levels": rows})
    # (200,000 + 40,000) x 0.06 / 12; an account without a balance in 90 days has its last one.
    assert by_customer(found) == pytest.approx({"a": 1200.0, "silent": 2500.05})
    # Population deviation of 100,000 and 300,000 is 100,000.
    assert by_customer(found, "margin_sd_cents") == pytest.approx({"a": 500.0, "silent": 0.0})


def test_spending_is_drawn_towards_the_others_as_far_as_a_customers_own_purchases_say_little() -> None:
    rng = np.random.default_rng(3)
    rows = [
        bought(f"c{i:03d}", int(cents), float(days))
        for i, count in enumerate(rng.poisson(rng.gamma(1.5, 8.0, 300)))
        for days, cents in zip(rng.uniform(1, 364, count), rng.normal(5000, 500, count), strict=True)
    ]
    rows += [bought(f"c{i:03d}", 5000, 366) for i in range(300)]
    rows += [bought("once", 5000, 360), bought("never", 5000, 500), bought("new", 5000, 3)]
    business = company(**SHOP)
    memory = Memory(business, {"tills": rows})
    asked = memory.query("select distinct customer_id from tills order by customer_id")
    found = by_customer(monthly_margins(memory, business, AS_OF, customers=asked))
    usual = 0.5 * 5000 * 12 / (365 / DAYS_PER_MONTH)  # 12 purchases a year on average
    raw_once, raw_new = (0.5 * 5000 / (days / DAYS_PER_MONTH) for days in (360, 3))
    assert 0 < found["never"] < found["once"] < usual
    assert raw_once < found["once"]  # bought once in a year: rarer than most, but not as rare as that
    assert usual < found["new"] < raw_new / 5  # one purchase in three days says little about a month


def test_expected_spending_adds_up_to_what_was_spent() -> None:
    # The posterior means of a well-fitted prior keep the total: 5,000 customers, gamma rates, lognormal amounts.
    rng = np.random.default_rng(4)
    counts = rng.poisson(rng.gamma(0.7, 0.5 / 0.7, 5000) * 12)
    who = np.repeat(np.arange(5000), counts)
    own = np.exp(rng.normal(8, 0.5, 5000))
    cents = (own[who] * rng.lognormal(0, 0.4, who.size)).astype(int)
    rows = [
        bought(f"c{w:04d}", int(c), float(d))
        for w, c, d in zip(who, cents, rng.uniform(0.1, 364, who.size), strict=True)
    ]
    rows += [bought(f"c{i:04d}", 0, 400.0) for i in range(5000)]
    business = company(**SHOP)
    memory = Memory(business, {"tills": rows})
    asked = memory.query("select distinct customer_id from tills order by customer_id")
    found = monthly_margins(memory, business, AS_OF, customers=asked)
    total = sum(found.table["revenue_cents"].to_pylist()) * 365 / DAYS_PER_MONTH
    # Monte Carlo: the amounts' own mean over 30,000 purchases has a relative error near 1 %; 5 % is generous.
    assert total == pytest.approx(cents.sum(), rel=0.05)


def test_money_that_went_back_is_negative_and_can_make_a_margin_negative() -> None:
    rows = [bought(f"c{i:02d}", 2000 + 10 * i, float(d)) for i in range(40) for d in (10, 50, 90, 300)]
    rows += [bought("returner", 3000, d) for d in (10.0, 50.0, 90.0, 300.0)]
    rows += [bought("returner", -9000, d) for d in (5.0, 45.0, 85.0)]
    found = by_customer(margins(company(**SHOP), {"tills": rows}))
    assert found["returner"] < 0 < found["c00"]


def test_a_discount_is_shown_beside_what_was_paid() -> None:
    rows = [bought(f"c{i:02d}", 2000, float(d), discount_cents=500) for i in range(40) for d in (10, 364.9)]
    found = by_customer(margins(company(**SHOP), {"tills": rows}), "discount_cents")
    assert found["c00"] == pytest.approx(1000 / (364.9 / DAYS_PER_MONTH))


def test_a_customer_is_who_has_a_contract_or_bought_within_a_year_or_has_a_balance() -> None:
    rows = [contract("open"), contract("gone"), {"customer_id": "gone", "event_at": days_ago(3), "kind": "cancel"}]
    assert _current(company(), {"contracts": rows}) == ["open"]
    tills = [bought("recent", 1, 364), bought("old", 1, 366), bought("returner", -1, 5), bought("today", 1, 0)]
    assert _current(company(**SHOP), {"tills": tills}) == ["recent"]
    levels = [{"customer_id": c, "event_at": days_ago(d), "balance_cents": 1} for c, d in (("in", 89), ("out", 91))]
    assert _current(company(**BANK), {"levels": levels}) == ["in"]


def _current(business: Business, rows: dict[str, list[Row]]) -> list[str]:
    return list(current_customers(Memory(business, rows), business, AS_OF)["customer_id"].to_pylist())


def test_the_feed_of_the_revenue_is_the_one_named_else_the_first_that_can() -> None:
    both = {"tills": TILLS, "contracts": CONTRACTS}
    assert revenue_feed(company(feeds=both)) == "contracts"
    assert revenue_feed(company(feeds=both, value={"feed": "tills"})) == "tills"
    assert revenue_feed(company(**BANK)) == "levels"  # its contracts carry no price


def test_a_company_without_revenue_is_told_what_to_add() -> None:
    unpriced = BANK["feeds"]["contracts"]
    with pytest.raises(BusinessFileError, match="Add a feed of role subscriptions"):
        revenue_feed(company(feeds={"contracts": unpriced, "calls": CALLS}))
    with pytest.raises(BusinessFileError, match=r"Add feeds\.contracts\.columns\.price"):
        revenue_feed(company(feeds={"contracts": unpriced}, value={"feed": "contracts"}))


def test_survived_months_are_the_sum_of_the_formula() -> None:
    # churn-model.md G1: sum over k of S(k) / (1 + d)^(k / 12), S(k) = (1 - p)^(k * 30.4375 / outcome_days).
    p, d, days = 0.2, 0.08, 60
    expected = sum((1 - p) ** (k * 30.4375 / days) / (1 + d) ** (k / 12) for k in range(1, 13))
    found = survived_months(np.array([p, 0.0]), outcome_days=days, discount_rate=d, horizon_days=365)
    assert found[0] == pytest.approx(expected, abs=1e-12)
    assert found[1] == pytest.approx(sum(1.08 ** (-k / 12) for k in range(1, 13)), abs=1e-12)


def test_the_margins_are_equal_however_the_rows_are_ordered_and_stored(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    rows = [
        bought(f"c{i % 50:02d}", int(rng.integers(-500, 5000)), float(d))
        for i, d in enumerate(rng.uniform(1, 400, 800))
    ]
    business = company(**SHOP)
    memory = margins(business, {"tills": rows}).table
    lake = opened(tmp_path, business, {"tills": [dict(row, row_number=i) for i, row in enumerate(rows[::-1], 1)]})
    assert monthly_margins(lake.warehouse, business, AS_OF).table.equals(memory)
