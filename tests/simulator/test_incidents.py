"""What is planted for triggers shows in the files exactly as the truth says, and nowhere else."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from simulator import Company
from simulator.bank import Bank
from simulator.dealer import Dealer
from simulator.incidents import REPLACED_AFTER_YEARS, falls_of, regulars_of, replacement_days_of
from simulator.resort import Resort
from tests.simulator.companies import company_after, play_on


def played(company: Company, days: int, *feeds: str) -> dict[str, list[dict[str, Any]]]:
    """Play some days; return all rows of some feeds."""
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for _ in range(days):
        play_on(company, 1)
        told = company.feeds(company.played_until)
        for feed in feeds:
            rows[feed] += told[feed].to_pylist() if feed in told else []
    return rows


@pytest.fixture(scope="module")
def bank() -> tuple[Company, dict[str, list[dict[str, Any]]]]:
    company = company_after(0, "bank", customers=700, scenario="incidents")
    return company, played(company, 250, "transfers", "balances")


def fallen(company: Company) -> list[dict[str, Any]]:
    assert isinstance(company.trade, Bank)
    found: list[dict[str, Any]] = falls_of(company.trade.falls, company.people).to_pylist()
    return found


def test_a_fall_stands_in_the_balances_of_its_day_to_the_cent(
    bank: tuple[Company, dict[str, list[dict[str, Any]]]],
) -> None:
    company, rows = bank
    savings: dict[str, list[tuple[date, float]]] = defaultdict(list)
    for row in rows["balances"]:
        if row["account"] == "savings":
            savings[row["customer"]].append((row["at"].date(), row["balance"]))
    falls = fallen(company)
    assert len(falls) > 30
    for fall in falls:
        told = savings[fall["customer_id"]]
        before = [balance for day, balance in told if day < fall["fell_on"]][-1]
        [after] = [balance for day, balance in told if day == fall["fell_on"]]
        assert before - after == pytest.approx(0 if fall["is_undone"] else fall["amount"])


def test_a_transfer_says_where_the_money_went_and_some_stand_twice(
    bank: tuple[Company, dict[str, list[dict[str, Any]]]],
) -> None:
    company, rows = bank
    told: dict[tuple[str, date], list[dict[str, Any]]] = defaultdict(list)
    for row in rows["transfers"]:
        told[row["customer"], row["booked_at"].date()].append(row)
    falls = fallen(company)
    for fall in falls:
        found = [row for row in told[fall["customer_id"], fall["fell_on"]] if row["amount"] == fall["amount"]]
        away = [row for row in found if row["direction"] == "out"]
        back = [row for row in found if row["direction"] == "in"]
        assert {row["destination"] for row in away} == {fall["destination"]}
        assert (len(away), len(back)) == (1 + fall["is_doubled"], int(fall["is_undone"]))
        assert len({row["booked_at"] for row in away}) == 1
    assert min(Counter(fall["destination"] for fall in falls).values()) > 5
    assert any(fall["is_undone"] for fall in falls)
    assert any(fall["is_doubled"] for fall in falls)


def test_whoever_moves_the_savings_away_moves_the_last_money_on_the_day_of_leaving() -> None:
    company = company_after(0, "bank", customers=700, scenario="incidents")
    rows = played(company, 310, "transfers")["transfers"]
    last = {row["customer"]: row["booked_at"].date() for row in sorted(rows, key=lambda row: row["booked_at"])}
    leavers = [fall for fall in fallen(company) if fall["leaves_on"] is not None]
    assert len(leavers) > 10
    assert [last[fall["customer_id"]] for fall in leavers] == [fall["leaves_on"] for fall in leavers]


def test_regular_guests_come_in_their_week_of_each_year_until_they_stop() -> None:
    company = company_after(0, "resort", customers=600, scenario="incidents")
    assert isinstance(company.trade, Resort)
    visits: dict[str, list[date]] = defaultdict(list)
    for row in played(company, 370, "stays")["stays"]:
        visits[row["customer"]].append(row["arrived_at"].date())
    regulars = regulars_of(company.trade.regulars, company.people).to_pylist()
    assert len(regulars) > 50
    assert sum(guest["stops_on"] is not None for guest in regulars) > 10
    for guest in regulars:
        expected = [guest["usual_on"] - timedelta(days=365 * back) for back in (4, 3, 2, 1, 0)]
        if guest["stops_on"] is not None:
            expected.pop()
        found = sorted(visits[guest["customer_id"]])
        assert len(found) == len(expected)
        assert all(abs((one - usual).days) <= 5 for one, usual in zip(found, expected, strict=True))


def test_cars_are_replaced_at_the_age_of_their_model() -> None:
    company = company_after(0, "dealer", customers=1500, scenario="incidents")
    assert isinstance(company.trade, Dealer)
    rows = played(company, 120, "vehicles", "mileage")
    bought = {row["car"]: row["at"].date() for row in rows["vehicles"] if row["kind"] == "start"}
    ages: dict[str, list[int]] = defaultdict(list)
    for row in rows["vehicles"]:
        if row["kind"] == "cancel":
            ages[row["model"]].append((row["at"].date() - bought[row["car"]]).days)
    truth = replacement_days_of(("city", "compact", "estate", "suv", "van"))
    assert truth == {model: 365 * years for model, years in zip(truth, REPLACED_AFTER_YEARS, strict=True)}
    for model, found in ages.items():
        assert len(found) > 20
        assert max(abs(age - truth[model]) for age in found) <= 92
    assert min(row["quantity"] for row in rows["mileage"]) >= 0


@pytest.mark.parametrize("kind", ["telecom", "bank", "resort", "dealer"])
def test_the_same_seed_plants_the_same(kind: Any) -> None:
    one, other = (company_after(40, kind, customers=60, scenario="incidents") for _ in range(2))
    assert one.feeds(one.played_until).keys() == other.feeds(other.played_until).keys()
    assert all(
        table.equals(other.feeds(other.played_until)[name]) for name, table in one.feeds(one.played_until).items()
    )
    assert (one.lives.left_on == other.lives.left_on).all()


def test_an_ordinary_company_has_no_incidents() -> None:
    bank, resort = company_after(1, "bank"), company_after(1, "resort")
    assert isinstance(bank.trade, Bank)
    assert isinstance(resort.trade, Resort)
    with pytest.raises(ValueError, match="no falls are planted"):
        falls_of(bank.trade.falls, bank.people)
    with pytest.raises(ValueError, match="no regular guests are planted"):
        regulars_of(resort.trade.regulars, resort.people)


def test_planted_leavers_do_not_come_back() -> None:
    company = company_after(330, "bank", customers=700, scenario="incidents")
    planted = np.flatnonzero(company.trade.leaves_on > 0)
    planted = planted[company.trade.leaves_on[planted] <= company.played_until.toordinal()]
    happened = [fall["customer_id"] for fall in fallen(company) if fall["leaves_on"] is not None]
    who = company.people.positions(happened)
    assert set(who.tolist()) <= set(planted.tolist())
    assert not company.lives.is_active[who].any()
