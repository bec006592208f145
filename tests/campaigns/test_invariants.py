"""Whatever company, whatever day: the invariants of the design hold. Hypothesis invents the companies.

What is held against the decisions is computed here once more, in plain Python, from the business file, from what became
known by the day, and from the rows that stand in the ledger; none of it by the code that decides.
"""

from __future__ import annotations

import csv
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.decisions import decide
from campaigns.delivery import deliver
from campaigns.ledger import verify
from holdback.business import Business
from holdback.errors import DataError
from holdback.workspace import Workspace
from tests.campaigns.decisions.histories import History, histories, known_customers, live_until, name_of
from tests.campaigns.decisions.world import ledger, put, uplift

Row = dict[str, Any]
SLOW_ENOUGH = settings(deadline=None, suppress_health_check=list(HealthCheck))


def units_of(people: Mapping[str, Row]) -> dict[str, frozenset[str]]:
    """Everybody's unit: who shares a household or an address, and whoever they share the other one with."""
    found = {name: {name} for name in people}
    seen: dict[tuple[str, str], str] = {}
    for name, row in people.items():
        links = [("home", (row["household_id"] or "").strip()), ("key", (row["contact_key"] or "").strip().lower())]
        for link in links:
            if link[1]:
                first = seen.setdefault(link, name)
                merged = found[name] | found[first]
                for member in merged:
                    found[member] = merged
    return {name: frozenset(members) for name, members in found.items()}


def contacts_of(rows: list[Row], day: date | None = None) -> list[Row]:
    return [
        row for row in rows
        if row["kind"] == "decided" and row["action"] != "none" and (day is None or row["as_of"] == day)
    ]  # fmt: skip


def check_nobody_held_out_is_contacted(
    rows: list[Row], history: History, business: Business, day: date, units: Mapping[str, frozenset[str]]
) -> None:
    assigned = [row for row in rows if row["kind"] == "assigned"]
    in_force = business.holdout.version(day)
    for contact in contacts_of(rows, day):
        unit = units[contact["customer_id"]]
        for row in assigned:
            if row["customer_id"] not in unit:
                continue
            is_open = row["campaign"] is not None and row["as_of"] + history.horizon(row) > day
            own = (row["campaign"], row["version"]) == (contact["campaign"], contact["version"])
            if row["group"] == "holdout":
                assert not (row["campaign"] is None and row["version"] == in_force), "held out globally"
                assert not own, "held out in the campaign"
                assert not is_open, "held out in another campaign"
            elif is_open:
                assert own, "in another campaign"
        layers = {(row["campaign"], row["version"]) for row in assigned if row["customer_id"] in unit}
        assert {(None, in_force), (contact["campaign"], contact["version"])} <= layers


def check_nobody_suppressed_is_contacted(
    rows: list[Row], people: Mapping[str, Row], day: date, sendings: list[Row]
) -> None:
    said_no = {row["customer_id"] for row in sendings if row["outcome"] == "opted_out"}
    said_no |= {name for name, row in people.items() if row["quiet"]}
    keys = {(people[name]["contact_key"] or "").strip().lower() for name in said_no} - {""}
    complained = {row["customer_id"] for row in sendings if row["outcome"] == "complained"}
    bounced = {(row["customer_id"], row["channel"]) for row in sendings if row["outcome"] == "bounced"}
    arrived = {(row["customer_id"], row["channel"]) for row in sendings if row["outcome"] == "delivered"}
    for contact in contacts_of(rows, day):
        name, person = contact["customer_id"], people[contact["customer_id"]]
        assert person["has_consent"] is True
        assert person["vulnerable"] is not True
        assert name not in said_no | complained
        assert (person["contact_key"] or "").strip().lower() not in keys
        assert contact["channel"] != "email" or person["mail_ok"] is True
        assert (name, contact["channel"]) not in bounced - arrived


def check_limits(rows: list[Row], business: Business, day: date) -> None:
    today = contacts_of(rows, day)
    used = Counter(row["action"] for row in today)
    spent: Counter[str] = Counter()
    for row in today:
        cost = round(business.action_named(row["action"]).expected_cost * 100)
        assert row["cost_cents"] == cost
        spent[row["campaign"]] += cost
    for action in business.actions:
        assert action.capacity_per_day is None or used[action.name] <= action.capacity_per_day
    assert business.budget is None or sum(spent.values()) <= round(business.budget.per_day * 100)
    for campaign in business.campaigns:
        own = campaign.budget_per_day
        assert own is None or spent[campaign.name] <= round(own * 100)


def check_how_often(
    rows: list[Row], business: Business, day: date, units: Mapping[str, frozenset[str]], sendings: list[Row]
) -> None:
    """Contacts of others count, but each report of our own decision is the decision, not another contact."""
    contact = business.contact
    since = day - timedelta(days=contact.per_days)
    events = [(row["customer_id"], row["as_of"]) for row in contacts_of(rows) if since <= row["as_of"] <= day]
    foreign = [row for row in sendings if row["decision_id"] is None]
    events += [(row["customer_id"], business.day_of(row["event_at"])) for row in foreign
               if business.day_of(row["event_at"]) >= since]  # fmt: skip
    times: defaultdict[frozenset[str], int] = defaultdict(int)
    for name, _ in events:
        times[units[name]] += 1
    today = Counter(units[row["customer_id"]] for row in contacts_of(rows, day))
    assert all(count == 1 for count in today.values())
    assert all(times[unit] <= contact.at_most for unit in today)


def check_rows_stand(before: list[Row], after: list[Row]) -> None:
    """Whatever was written is there as it was, and nobody stands twice in a layer or in a day."""
    assert after[: len(before)] == before
    assignments = Counter((r["campaign"], r["version"], r["customer_id"]) for r in after if r["kind"] == "assigned")
    assert set(assignments.values()) <= {1}
    decisions = Counter((r["as_of"], r["customer_id"]) for r in after if r["kind"] == "decided")
    assert set(decisions.values()) <= {1}


def check_lists_are_the_decisions(workspace: Workspace, rows: list[Row], day: date) -> None:
    delivered = deliver(workspace, day, now=workspace.business.instant(day) + timedelta(hours=11), wait=lambda _: None)
    assert delivered.refused == {}
    lists = [path for path in delivered.paths if path.suffix == ".csv" and path.stem in delivered.contacts]
    listed: set[str] = set()
    for path in lists:
        listed |= {row["decision_id"] for row in csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())}
    assert listed == {row["entry_id"] for row in contacts_of(rows, day)}


def check_every_day(root: Path, history: History) -> list[Row]:
    """Live the history and hold every invariant against each of its days; return the ledger."""
    rows: list[Row] = []
    workspace = Workspace(root, history.business(0), threads=1)
    for position, day in enumerate(history.dates):
        workspace = live_until(root, history, position)
        business, people = workspace.business, known_customers(history, position)
        units = units_of(people)
        decided = decide(workspace, day)
        assert not decided.was_decided_already
        before, rows = rows, ledger(workspace)
        check_rows_stand(before, rows)
        sendings = workspace.warehouse.query("select * from sendings").to_pylist()
        check_nobody_held_out_is_contacted(rows, history, business, day, units)
        check_nobody_suppressed_is_contacted(rows, people, day, sendings)
        check_limits(rows, business, day)
        check_how_often(rows, business, day, units, sendings)
        check_lists_are_the_decisions(workspace, rows, day)
        again = decide(workspace, day)
        assert again.was_decided_already
        assert {**vars(again), "was_decided_already": False} == vars(decided)
        assert ledger(workspace) == rows
        assert sum(decided.contact_counts.values()) == len(contacts_of(rows, day))
    assert verify(workspace).is_whole
    with pytest.raises(DataError, match="in the past"):
        decide(workspace, history.dates[0] - timedelta(days=1))
    assert ledger(workspace) == rows
    return rows


def check_other_pieces(history: History) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        for position, day in enumerate(history.dates):
            decide(live_until(Path(one), history, position), day)
            decide(live_until(Path(other), history, position, in_other_pieces=True), day)
        ledgers = [ledger(Workspace(Path(root), history.business(0), threads=1)) for root in (one, other)]
        assert ledgers[0] == ledgers[1]


@settings(SLOW_ENOUGH, max_examples=6)
@given(histories())
def test_nobody_held_out_or_suppressed_is_contacted_and_no_limit_exceeded(history: History) -> None:
    with tempfile.TemporaryDirectory() as root:
        check_every_day(Path(root), history)


@pytest.mark.slow
@settings(SLOW_ENOUGH, max_examples=2)
@given(histories())
def test_the_same_rows_in_another_order_and_in_other_batches_give_the_same_ledger(history: History) -> None:
    check_other_pieces(history)


#: What a model says of a customer, an action and a probability.
Says = Callable[[str, str, float], float | None]


def decided_with(root: Path, history: History, says: Says | None) -> list[Row]:
    """Live the history with an uplift model that says this (None: no model); return the ledger."""
    workspace = Workspace(root, history.business(0), threads=1)
    for position, day in enumerate(history.dates):
        workspace = live_until(root, history, position)
        if says is not None:
            scores = workspace.warehouse.query(f"select * from scores where as_of = date '{day}'").to_pylist()
            told = [
                uplift(row["customer_id"], said, action=action.name, on=day)
                for row in scores
                for action in workspace.business.actions
                if (said := says(row["customer_id"], action.name, row["probability"])) is not None
            ]
            put(workspace, "uplifts", told, batch=f"uplifts/{day}")
        decide(workspace, day)
    assert verify(workspace).is_whole
    return ledger(workspace)


def by_rule(rows: list[Row]) -> list[Row]:
    """What the rule decided, chance left out."""
    return [row for row in rows if row["kind"] == "decided" and not row["is_exploration"]]


@pytest.mark.slow
@settings(SLOW_ENOUGH, max_examples=3)
@given(histories())
def test_with_uplifts_that_are_all_zero_nothing_is_spent(history: History) -> None:
    with tempfile.TemporaryDirectory() as root:
        rows = decided_with(Path(root), history, lambda *_: 0.0)
    assert {row["intended_action"] for row in rows if row["kind"] == "decided"} <= {"none"}
    assert sum(row["cost_cents"] for row in by_rule(rows)) == 0


@pytest.mark.slow
@settings(SLOW_ENOUGH, max_examples=3)
@given(histories(), st.sets(st.integers(0, 22)))
def test_a_sleeping_dog_is_never_chosen_by_the_rule(history: History, dogs: set[int]) -> None:
    names = {name_of(number) for number in dogs}
    with tempfile.TemporaryDirectory() as root:
        rows = decided_with(Path(root), history, lambda name, *_: -0.2 if name in names else 0.4)
    asleep = [row for row in rows if row["kind"] == "decided" and row["customer_id"] in names]
    assert {row["intended_action"] for row in asleep} <= {"none"}
    assert {row["action"] for row in by_rule(asleep)} <= {"none"}


@pytest.mark.slow
@settings(SLOW_ENOUGH, max_examples=3)
@given(histories())
def test_an_uplift_that_says_what_the_lift_says_changes_no_choice(history: History) -> None:
    rates = {"call": 0.3, "mail": 0.05}  # as the file assumes; of a gift nobody assumes anything
    chosen = ("as_of", "kind", "customer_id", "unit_id", "campaign", "group", "propensity", "action",
              "intended_action", "is_exploration", "gain_cents", "refused", "eligible", "cost_cents")  # fmt: skip

    def said(name: str, action: str, probability: float) -> float | None:
        return probability * rates[action] if action in rates else None

    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        ledgers = [decided_with(Path(root), history, says) for root, says in ((one, None), (other, said))]
    by_lift, by_model = ([{name: row[name] for name in chosen} for row in rows] for rows in ledgers)
    assert by_lift == by_model
    told = [row for row in ledgers[1] if row["kind"] == "decided" and row["lift_status"] is not None]
    assert {row["lift_status"] for row in told} <= {"modelled"}
    for row in told:
        assert row["lift"] == pytest.approx(rates[row["action"] if row["action"] != "none" else row["intended_action"]])


@pytest.mark.slow
@settings(SLOW_ENOUGH, max_examples=30)
@given(histories())
def test_the_invariants_hold_for_many_more_companies(history: History) -> None:
    with tempfile.TemporaryDirectory() as root:
        check_every_day(Path(root), history)


@pytest.mark.slow
@settings(SLOW_ENOUGH, max_examples=8)
@given(histories())
def test_many_more_companies_decide_the_same_whatever_the_order_of_their_rows(history: History) -> None:
    check_other_pieces(history)
