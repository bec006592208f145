"""What customers paid, by every kind of feed: in plain Python, straight from the feed, and as effects are read."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdback.business import Business
from monitoring.outcomes import Cohort, read_outcomes
from monitoring.pnl.receipts import paid
from tests.features.world import Memory, Row
from tests.monitoring.pnl.shop import AS_OF, HORIZON_DAYS, shop

ENTERED_ON = (date(2026, 1, 5), date(2026, 2, 3))
START = datetime(2025, 11, 1)
ROLES: dict[str, dict[str, str]] = {
    "transactions": {"amount": "x"},
    "balances": {"account_kind": "k", "balance": "x"},
    "subscriptions": {"kind": "k", "subscription_id": "s", "price": "x"},
}


def company(role: str) -> Business:
    columns = {"customer_id": "who", "event_at": "at", **ROLES[role]}
    return shop(
        customers={"source": "c.csv", "key": "id", "columns": {}, "attributes": {"gone": "label"}},
        feeds={"money": {"role": role, "source": "m.csv", "columns": columns}},
        churn=[{"name": "left", "kind": "column", "attribute": "gone"}],
        value={"feed": "money", "margin_rate": 0.4},
    )


def ledger(day_of: dict[str, date]) -> list[Row]:
    return [
        {"kind": "assigned", "campaign": "spring", "version": 1, "customer_id": name, "unit_id": name, "as_of": day,
         "sequence": position, "group": "holdout" if position % 2 else "treatment", "propensity": 0.5}
        for position, (name, day) in enumerate(day_of.items(), start=1)
    ]  # fmt: skip


def both_ways(role: str, day_of: dict[str, date], events: list[Row]) -> tuple[int, float]:
    """Straight from the feed, and as effects are read."""
    business = company(role)
    reaching = {"customer_id": "other", "event_at": datetime(2026, 3, 30), "kind": "start", "amount_cents": 1}
    memory = Memory(business, {"ledger": ledger(day_of), "money": [*events, reaching]})
    cohort = Cohort("spring", 1, business.churn[0], HORIZON_DAYS, None)
    months = sorted({f"{day:%Y-%m}" for day in day_of.values()})
    outcomes = read_outcomes(memory, business, cohort, AS_OF)
    assert outcomes.maturity.matured_count == len(day_of)
    read = sum(group.total("revenue_cents") for group in outcomes.groups.values())
    return paid(memory, business, cohort, AS_OF, months), read


def window(business: Business, day: date) -> tuple[datetime, datetime]:
    return business.instant(day), business.instant(day + timedelta(days=HORIZON_DAYS))


def minutes(most: int = 140 * 24 * 60) -> st.SearchStrategy[datetime]:
    return st.integers(0, most).map(lambda m: START + timedelta(minutes=m))


NAMES = {"ann": ENTERED_ON[0], "bea": ENTERED_ON[1], "cid": ENTERED_ON[0]}
WHO = st.sampled_from(sorted(NAMES))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(WHO, minutes(), st.integers(-5_000, 20_000)), max_size=40))
def test_purchases_and_money_that_went_back(lines: list[tuple[str, datetime, int]]) -> None:
    events = [{"customer_id": who, "event_at": at, "amount_cents": cents} for who, at, cents in lines]
    found, read = both_ways("transactions", NAMES, events)
    business = company("transactions")
    windows = {who: window(business, day) for who, day in NAMES.items()}
    expected = sum(cents for who, at, cents in lines if windows[who][0] <= at < windows[who][1])
    assert found == expected
    assert read == pytest.approx(expected, abs=1e-6)


KINDS = st.sampled_from(["start", "renew", "change", "pause", "cancel"])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(WHO, st.sampled_from(["s1", "s2"]), minutes(), KINDS, st.none() | st.integers(0, 9_000)),
        max_size=25,
        unique_by=lambda event: (event[0], event[1], event[2]),
    )
)
def test_contracts_that_change_their_price_pause_and_end(history: list[tuple[str, str, datetime, str, Any]]) -> None:
    events: list[Row] = [
        {"customer_id": who, "subscription_id": contract, "event_at": at, "kind": kind, "price_cents": price}
        for who, contract, at, kind, price in history
    ]
    found, read = both_ways("subscriptions", NAMES, events)
    assert found == contracts_by_hand(history)
    assert read == pytest.approx(found, abs=1e-6)


def contracts_by_hand(history: list[tuple[str, str, datetime, str, Any]]) -> int:
    """Walk through each contract from event to event: while it runs, its last known price is due."""
    business, total = company("subscriptions"), 0
    for who, day in NAMES.items():
        start, end = window(business, day)
        due = Fraction(0)
        for contract in ("s1", "s2"):
            own = sorted((e for e in history if e[:2] == (who, contract)), key=lambda event: event[2])
            price = 0
            for position, (_, _, at, kind, stated) in enumerate(own):
                price = price if stated is None else stated
                until = own[position + 1][2] if position + 1 < len(own) else end
                seconds = (min(until, end) - max(at, start)).total_seconds()
                if kind not in ("pause", "cancel") and seconds > 0:
                    due += price * Fraction(seconds)
        total += int(due / Fraction(86_400 * 304_375, 10_000) + Fraction(1, 2))
    return total


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(WHO, st.sampled_from(["a", "b"]), minutes(), st.integers(0, 1_000_000)), max_size=30))
def test_balances_as_their_share_of_a_year(history: list[tuple[str, str, datetime, int]]) -> None:
    events: list[Row] = [
        {"customer_id": who, "account_kind": account, "event_at": at, "balance_cents": cents}
        for who, account, at, cents in history
    ]
    found, read = both_ways("balances", NAMES, events)
    business, expected = company("balances"), 0
    for who, day in NAMES.items():
        start, end = window(business, day)
        means = Fraction(0)
        for account in ("a", "b"):
            own = [cents for name, kind, at, cents in history if (name, kind) == (who, account) and start <= at < end]
            means += Fraction(sum(own), len(own)) if own else 0
        expected += int(means * HORIZON_DAYS / 365 + Fraction(1, 2))
    assert found == expected
    assert read == pytest.approx(expected, abs=1e-6)
