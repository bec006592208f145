"""What was planted is found: who, on which day, by which branch, how long before; and nothing where nothing was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import poisson

from features.triggers import evaluate, examine
from holdback.business import Trigger
from holdback.workspace import Workspace
from monitoring.triggers import TriggerRecord, judge
from monitoring.triggers.leaving import judgement_of, left_after
from simulator import Company
from simulator.bank import Bank
from simulator.dealer import Dealer
from simulator.incidents import LEAD_DAYS, falls_of, regulars_of, replacement_days_of
from simulator.resort import Resort
from tests.simulator.companies import STARTS_ON, company_after
from tests.simulator.warehouses import DAY, business_of, live

pytestmark = [pytest.mark.slow, pytest.mark.truth]

#: One world in ten thousand fires more often by chance.
SURELY = 0.9999
LEAST = 10_000.0
SAVINGS_DROP = {
    "name": "savings_drop", "kind": "drop", "feed": "balances", "where": {"account_kind": ["savings"]},
    "at_least": LEAST, "over_days": 7, "went": "transfers", "cooldown_days": 30,
    "then": [
        {"when": {"destination": ["other_bank"]}, "action": "adviser_call"},
        {"when": {"destination": ["own_checking"]}, "action": "loan_offer"},
        {"action": "none"},
    ],
}  # fmt: skip
BRANCHES = {"other_bank": (0, "adviser_call"), "own_checking": (1, "loan_offer"), "merchant": (2, "none")}
MISSED_SEASON = {
    "name": "missed_season", "kind": "overdue", "feed": "stays", "by": "calendar", "least_events": 4, "grace_days": 14,
    "only_open_days": 60, "cooldown_days": 300,
}  # fmt: skip
OLD_CAR = {
    "name": "old_car", "kind": "due", "feed": "vehicles", "by": "plan", "ahead_days": 180, "cooldown_days": 365,
}  # fmt: skip


@dataclass(frozen=True)
class World:
    """A company that was played into a warehouse, with its only trigger; ``until`` is the day after the last one."""

    company: Company
    workspace: Workspace
    until: date

    @property
    def trigger(self) -> Trigger:
        return self.workspace.business.triggers[0]

    def seen(self, day: date) -> dict[str, dict[str, Any]]:
        """For whom the condition holds on a day."""
        found = evaluate(self.workspace.warehouse, self.workspace.business, self.trigger, day).to_pylist()
        return {row["customer_id"]: row for row in found}

    def judged(self, **how: Any) -> TriggerRecord:
        return judge(self.workspace.warehouse, self.workspace.business, self.trigger, self.until, **how)


def world(
    folder: Path, project_root: Path, kind: Any, trigger: dict[str, Any], *, customers: int, days: int,
    scenario: str = "incidents", feeds: tuple[str, ...] = (), **how: Any,
) -> World:  # fmt: skip
    read = dict.fromkeys((trigger["feed"], *feeds))
    workspace = Workspace(folder, business_of(project_root, kind, tuple(read), triggers=[trigger]), {})
    company = company_after(0, kind, customers=customers, scenario=scenario)
    return World(company, workspace, live(company, days, workspace, history=company.starts_on, **how))


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> World:
    folder = tmp_path_factory.mktemp("bank")
    return world(folder, project_root, "bank", SAVINGS_DROP, customers=1200, days=380, feeds=("transfers",))


@pytest.fixture(scope="module")
def falls(bank: World) -> list[dict[str, Any]]:
    assert isinstance(bank.company.trade, Bank)
    found: list[dict[str, Any]] = falls_of(bank.company.trade.falls, bank.company.people).to_pylist()
    return found


def test_every_planted_fall_is_found_the_day_after_by_the_right_branch(
    bank: World, falls: list[dict[str, Any]]
) -> None:
    by_day = defaultdict(list)
    for fall in falls:
        by_day[fall["fell_on"]].append(fall)
    found = 0
    for day, of_day in by_day.items():
        before, after = bank.seen(day), bank.seen(day + DAY)
        for fall in of_day:
            who = fall["customer_id"]
            assert who not in before
            if fall["is_undone"] or fall["amount"] < LEAST:
                assert who not in after
                continue
            found += 1
            # A doubled transfer is one: the level of the account decides, not the lines of the file.
            assert after[who]["size"] == pytest.approx(fall["amount"])
            assert (after[who]["branch"], after[who]["action"]) == BRANCHES[fall["destination"]]
    assert found > 70


def test_a_fall_is_not_seen_for_longer_than_it_was_asked_for(bank: World, falls: list[dict[str, Any]]) -> None:
    real = [fall for fall in falls if not fall["is_undone"] and fall["amount"] >= LEAST][:12]
    for fall in real:
        assert fall["customer_id"] in bank.seen(fall["fell_on"] + 7 * DAY)
        assert fall["customer_id"] not in bank.seen(fall["fell_on"] + 8 * DAY)


def test_the_lead_time_found_is_the_planted_one(bank: World, falls: list[dict[str, Any]]) -> None:
    warehouse, business = bank.workspace.warehouse, bank.workspace.business
    judgement = judgement_of(business, bank.trigger)
    away = [fall for fall in falls if fall["leaves_on"] is not None and fall["amount"] >= LEAST]
    judged = [fall for fall in away if fall["fell_on"] + (judgement.known_after_days + 1) * DAY < bank.until]
    assert len(judged) > 25
    for fall in judged:
        day = fall["fell_on"] + DAY  # it fires on the day after
        who = pa.table({"customer_id": [fall["customer_id"]], "as_of": pa.array([day], pa.date32())})
        [left] = left_after(warehouse, business, judgement, day, known_on=bank.until, spine=who).to_pylist()
        assert (left["has_left"], left["left_on"]) == (True, fall["leaves_on"])


def test_the_record_tells_harmful_from_harmless_and_a_trigger_from_chance(bank: World) -> None:
    record = bank.judged()
    shares = {branch.branch: branch.precision for branch in record.branches}
    away, within = shares[0], shares[1]
    assert away is not None
    assert within is not None
    assert record.base is not None
    assert away.low > within.high
    assert within.low < record.base.share
    assert record.lift is not None
    assert record.lift.low is not None
    assert record.lift.low > 2
    # Planted leads, up to a week less because it is replayed once a week; a few who leave at once, or by chance.
    assert record.lead is not None
    assert LEAD_DAYS[0] - 7 <= record.lead.median <= LEAD_DAYS[1] - 1


def test_guests_who_do_not_come_in_their_week_are_found_and_only_they(tmp_path: Path, project_root: Path) -> None:
    resort = world(tmp_path, project_root, "resort", MISSED_SEASON, customers=700, days=395)
    assert isinstance(resort.company.trade, Resort)
    regulars = regulars_of(resort.company.trade.regulars, resort.company.people).to_pylist()
    stops = {guest["customer_id"]: guest["stops_on"] for guest in regulars if guest["stops_on"] is not None}
    assert len(stops) > 40
    first: dict[str, date] = {}
    for day in _days(STARTS_ON, resort.until, 3):
        for who in resort.seen(day):
            first.setdefault(who, day)
    # Visits stray by up to five days from the usual one; so does their median, on which the fourteen of grace follow.
    assert set(stops) <= set(first)
    late = [(first[who] - on).days for who, on in stops.items()]
    assert min(late) >= 14 - 5
    assert max(late) <= 14 + 5 + 1 + 3
    assert not {guest["customer_id"] for guest in regulars} - set(stops) & set(first)


def test_the_age_at_which_each_model_is_replaced_is_learned_within_a_month(tmp_path: Path, project_root: Path) -> None:
    dealer = world(tmp_path, project_root, "dealer", OLD_CAR, customers=3000, days=200, feeds=("invoices",))
    assert isinstance(dealer.company.trade, Dealer)
    truth = replacement_days_of(("city", "compact", "estate", "suv", "van"))
    found = examine(dealer.workspace.warehouse, dealer.workspace.business, dealer.trigger, dealer.until)
    assert {learned.plan for learned in found.learned} == set(truth)
    for learned in found.learned:
        assert learned.plan is not None
        assert learned.age_days == pytest.approx(truth[learned.plan], abs=31)
    assert found.rows.num_rows > 50


def test_a_bank_without_incidents_fires_as_often_as_savings_really_leave(tmp_path: Path, project_root: Path) -> None:
    expected: dict[date, float] = {}

    def watch(company: Company) -> None:
        """Reckon how many falls the day was to bring: those who leave take a share of their savings along."""
        assert isinstance(company.trade, Bank)
        known = len(company.hazard)
        savings = np.maximum(company.trade.balances[1][:known], 1.0)
        # The share is 0.95 - 1.8 u with u uniform, and nothing below 0.3: see Bank.part.
        enough = np.maximum(0.95 - np.maximum(100 * LEAST / savings, 0.3), 0) / 1.8
        expected[company.played_until] = float((company.hazard * company.lives.is_active[:known] * enough).sum())

    ordinary = world(
        tmp_path, project_root, "bank", SAVINGS_DROP, customers=2000, days=300, scenario="ordinary",
        feeds=("transfers",), watch=watch,
    )  # fmt: skip
    since = STARTS_ON + 30 * DAY
    fired = _fired(ordinary, _days(since, ordinary.until, 7))
    due = sum(count for day, count in expected.items() if since - 7 * DAY <= day < ordinary.until)
    assert due > 5
    assert poisson.ppf(1 - SURELY, due) <= fired <= poisson.ppf(SURELY, due)


def test_a_resort_whose_guests_come_by_chance_fires_no_more_than_chance_allows(
    tmp_path: Path, project_root: Path
) -> None:
    three = {**MISSED_SEASON, "least_events": 3}
    ordinary = world(tmp_path, project_root, "resort", three, customers=700, days=700, scenario="ordinary")
    days = _days(STARTS_ON + 330 * DAY, ordinary.until, 7)
    # Whoever comes in a season of a year with probability p, each year anew, came in three and not in the fourth with
    # p^3 (1 - p), at most 27/256; a year has three seasons of 121 days at most. Interest that wanes is small beside it.
    guests = ordinary.company.people.known_on(ordinary.until.toordinal())
    due = 27 / 256 * 3 * guests * len(days) * 7 / 365
    assert 0 < _fired(ordinary, days) <= poisson.ppf(SURELY, due)


def test_a_dealer_fires_once_for_each_car_that_comes_of_age(tmp_path: Path, project_root: Path) -> None:
    ordinary = world(
        tmp_path, project_root, "dealer", {**OLD_CAR, "by": None}, customers=2000, days=330, scenario="ordinary",
        feeds=("invoices",),
    )  # fmt: skip
    assert isinstance(ordinary.company.trade, Dealer)
    found = examine(ordinary.workspace.warehouse, ordinary.workspace.business, ordinary.trigger, ordinary.until)
    [learned] = found.learned
    assert learned.age_days is not None
    days = _days(STARTS_ON + 200 * DAY, ordinary.until, 7)
    joined = ordinary.company.people.joined.astype(np.int64)
    # The age is learned anew each day and moves by a few weeks: cars that come of age within 60 days of it may be seen.
    ages = days[-1].toordinal() - joined, days[0].toordinal() - joined
    line = learned.age_days - 180
    due = int(((ages[0] >= line - 60) & (ages[1] < line + 60)).sum())
    assert due > 20
    assert 0 < _fired(ordinary, days) <= due


def _days(since: date, until: date, step: int = 1) -> list[date]:
    return [since + timedelta(days=back) for back in range(0, (until - since).days, step)]


def _fired(world: World, days: list[date]) -> int:
    """Count firings as :func:`features.triggers.fire` does with a cooldown; a stock on the first day is no volume."""
    return sum(len(customers) for customers in _firings(world, days))


def _firings(world: World, days: list[date]) -> Iterator[set[str]]:
    last = dict.fromkeys(world.seen(days[0]), days[0])
    for day in days[1:]:
        fires = {who for who in world.seen(day) if (day - last.get(who, date.min)).days >= world.trigger.cooldown_days}
        last |= dict.fromkeys(fires, day)
        yield fires
