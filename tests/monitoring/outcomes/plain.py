"""What became of a cohort, computed a second time, the slow and obvious way: customer by customer, in plain Python."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np

from holdback.business import Business, CancellationChurn, InactivityChurn
from monitoring.effects import Moments, moments_of
from monitoring.outcomes import TOTALS, Cohort
from tests.monitoring.outcomes.company import Past

Row = dict[str, Any]
REACHED = ("sent", "delivered", "opened", "answered", "redeemed")


@dataclass
class Person:
    """One customer of the cohort."""

    who: str
    unit: str
    group: str
    entered_on: date
    propensity: float
    row: Row
    is_mature: bool = False
    churned: bool | None = None
    left_on: date | None = None
    is_followed: bool = False
    was_gone: bool = False
    totals: dict[str, float] = field(default_factory=dict)


class Plain:
    """The cohort of a past, followed by hand."""

    def __init__(self, past: Past, business: Business, cohort: Cohort, as_of: date) -> None:
        self.past, self.business, self.cohort, self.as_of = past, business, cohort, as_of
        self.now = business.instant(as_of)
        self.gone = [(r["old"]["batch_id"], r["old"]["row_number"], r["feed"]) for r in past.rows["superseded"]
                     if r["replaced_at"] <= self.now]  # fmt: skip
        self.feeds = {name: self._visible(name) for name in business.feeds}
        self.taken_back = {
            row["corrects"] for row in past.rows["ledger"] if row["kind"] == "corrected" and row["as_of"] <= as_of
        }
        self.ledger = [
            row for row in past.rows["ledger"] if row["as_of"] <= as_of and row["entry_id"] not in self.taken_back
        ]
        self.people = self._people()
        reaches = [self._reach(name) for name in self._proving()]
        self.reach = None if None in reaches else min([as_of, *(day for day in reaches if day is not None)])
        for person in self.people:
            ends = person.entered_on + timedelta(days=cohort.horizon_days)
            person.is_mature = self.reach is not None and ends <= self.reach
            self._leaving(person)
        mature = [person for person in self.people if person.is_mature]
        for person in mature:
            self._follow(person)
        before = [person.totals["before"] for person in mature]
        cap = float(np.quantile(before, 0.995)) if before else 0.0
        self.cap = cap if cap > 0 else None
        risks = [p.row["probability"] for p in mature if p.row.get("probability") is not None]
        for person in mature:
            self._sum_up(person, float(np.mean(risks)) if risks else 0.0)
        self.mature = mature

    def moments(self, among: Callable[[Person], bool] = lambda _: True) -> dict[str, Moments]:
        """Return the moments by group, over the units of the mature customers that are meant."""
        names = (*TOTALS, *(outcome.name for outcome in self.business.outcomes))
        found = {}
        for group in ("treatment", "holdout"):
            units: dict[str, dict[str, float]] = defaultdict(lambda: dict.fromkeys(names, 0.0))
            for person in self.mature:
                if person.group == group and among(person):
                    for name in names:
                        units[person.unit][name] += person.totals[name]
            found[group] = moments_of({name: [unit[name] for unit in units.values()] for name in names})
        return found

    def survival(self) -> dict[tuple[str, int], tuple[int, int]]:
        """Return customers at risk and leavers, by group and day since the entry."""
        reach = self._churn_reach()
        found: dict[tuple[str, int], tuple[int, int]] = {}
        for person in self.people:
            ends = person.entered_on + timedelta(days=self.cohort.horizon_days)
            known = (min(ends, reach) - person.entered_on).days
            if not person.is_followed or known <= 0:
                continue
            last = (person.left_on - person.entered_on).days if person.left_on else known - 1
            for day in range(last + 1):
                at_risk, left = found.get((person.group, day), (0, 0))
                found[person.group, day] = (at_risk + 1, left + (day == last and person.left_on is not None))
        return found

    def churners(self) -> dict[tuple[date, str], int]:
        """Return units by the day on which their first member left."""
        first: dict[tuple[str, str], date] = {}
        for person in self.people:
            if person.left_on is not None:
                key = (person.unit, person.group)
                first[key] = min(first.get(key, date.max), person.left_on)
        found: dict[tuple[date, str], int] = defaultdict(int)
        for (_, group), day in first.items():
            found[day, group] += 1
        return dict(found)

    def entries(self) -> dict[date, dict[str, int]]:
        """Return units by the day on which their first member entered, and by group."""
        first: dict[tuple[str, str], date] = {}
        for person in self.people:
            key = (person.unit, person.group)
            first[key] = min(first.get(key, date.max), person.entered_on)
        found: dict[date, dict[str, int]] = defaultdict(lambda: {"treatment": 0, "holdout": 0})
        for (_, group), day in first.items():
            found[day][group] += 1
        return found

    def region(self, person: Person) -> str:
        """Return the region as it was known when the customer entered; else the first that became known."""
        entered = self.business.instant(person.entered_on)
        own = [row for row in self.past.rows["customers"] if row["customer_id"] == person.who]
        own = sorted((r for r in own if r["loaded_at"] <= self.now), key=_order_of_version)
        gone = {
            (r["old"]["batch_id"], r["old"]["row_number"])
            for r in self.past.rows["superseded"]
            if r["feed"] == "customers" and r["replaced_at"] <= entered
        }
        known = [r for r in own if r["loaded_at"] <= entered and (r["batch_id"], r["row_number"]) not in gone]
        chosen = known[-1] if known else own[0] if own else None
        return str(chosen["region"]) if chosen and chosen["region"] else "not known"

    def intended(self, person: Person) -> str:
        """Return what the policy chose on the day of the entry."""
        own = [r for r in self.past.rows["ledger"] if r["kind"] == "decided" and r["campaign"] == self.cohort.campaign]
        mine = [r for r in own if r["customer_id"] == person.who and r["as_of"] == person.entered_on]
        return str(mine[0]["intended_action"]) if mine else "not known"

    def _visible(self, feed: str) -> list[Row]:
        return [
            row
            for row in self.past.rows[feed]
            if row["event_at"] < self.now
            and row["loaded_at"] <= self.now
            and (row["batch_id"], row["row_number"], feed) not in self.gone
        ]

    def _proving(self) -> list[str]:
        churn, revenue = self.cohort.churn, self.business.value.feed
        feeds = [churn.feed] if isinstance(churn, CancellationChurn | InactivityChurn) else []
        return [*feeds, *([revenue] if revenue else [])]

    def _reach(self, feed: str) -> date | None:
        known = [r for r in self.past.rows[feed] if r["event_at"] < self.now and r["loaded_at"] <= self.now]
        return self.business.day_of(max(row["event_at"] for row in known)) if known else None

    def _churn_reach(self) -> date:
        churn = self.cohort.churn
        if isinstance(churn, CancellationChurn | InactivityChurn):
            return min(self.as_of, self._reach(churn.feed) or date.min)
        return self.as_of

    def _people(self) -> list[Person]:
        if self.cohort.assigned_by is None:
            rows = [r for r in self.past.rows["ledger"] if r["kind"] == "assigned" and r["as_of"] <= self.as_of]
            rows = [r for r in rows if (r["campaign"], r["version"]) == (self.cohort.campaign, self.cohort.version)]
            return [Person(r["customer_id"], r["unit_id"], r["group"], r["as_of"], 0.8, r) for r in rows]
        words = {"mail": "treatment", "call": "treatment", "nothing": "holdout"}
        return [
            Person(r["customer_id"], r["unit_id"], words[r["group"]], self.business.day_of(r["event_at"]), 0.6, r)
            for r in self.feeds[self.cohort.assigned_by]
            if r["campaign"] == self.cohort.campaign
        ]

    def _own(self, feed: str, person: Person) -> list[Row]:
        return [row for row in self.feeds[feed] if row["customer_id"] == person.who]

    def _days(self, person: Person) -> tuple[datetime, datetime, datetime]:
        """Return the instants of the entry, of the horizon's end, and of the same time before the entry."""
        length = timedelta(days=self.cohort.horizon_days)
        instant = self.business.instant
        return instant(person.entered_on), instant(person.entered_on + length), instant(person.entered_on - length)

    def _leaving(self, person: Person) -> None:
        churn = self.cohort.churn
        _, ends, _ = self._days(person)
        if isinstance(churn, InactivityChurn):
            lead = self.business.instant(person.entered_on + timedelta(days=churn.lead_days))
            bought = [
                r for r in self._own(churn.feed, person) if lead <= r["event_at"] < ends and r["amount_cents"] >= 0
            ]
            person.churned = not bought if person.is_mature else None
        elif isinstance(churn, CancellationChurn):
            self._contract_life(person, churn)
            return
        else:
            rows = [r for r in self.past.rows["customers"] if r["customer_id"] == person.who]
            rows = [r for r in rows if r["loaded_at"] <= self.now
                    and (r["batch_id"], r["row_number"], "customers") not in self.gone]  # fmt: skip
            newest = max(rows, key=_order_of_version, default=None)
            person.churned = newest["gone"] if newest and person.is_mature else None
        if person.churned:
            person.left_on = person.entered_on + timedelta(days=self.cohort.horizon_days)

    def _contract_life(self, person: Person, churn: CancellationChurn) -> None:
        events = sorted(self._own(churn.feed, person), key=_order_of_event)
        known_until = min(person.entered_on + timedelta(days=self.cohort.horizon_days), self._churn_reach())

        def open_before(day: date) -> bool:
            states: dict[str, str] = {}
            for event in events:
                if event["event_at"] < self.business.instant(day):
                    states[event["subscription_id"]] = event["kind"]
            return any(kind != "cancel" for kind in states.values())

        lead = person.entered_on + timedelta(days=churn.lead_days)
        last = max(known_until, person.entered_on)
        was_in_time = open_before(min(lead, last))
        person.is_followed = was_in_time
        had_any = any(event["event_at"] < self.business.instant(person.entered_on) for event in events)
        person.was_gone = had_any and not open_before(person.entered_on) and not was_in_time
        if (was_in_time or open_before(person.entered_on)) and not open_before(last):
            states: dict[str, str] = {}
            for event in events:
                if event["event_at"] < self.business.instant(last):
                    was_open = states.get(event["subscription_id"], "cancel") != "cancel"
                    states[event["subscription_id"]] = event["kind"]
                    if was_open and all(kind == "cancel" for kind in states.values()):
                        person.left_on = self.business.day_of(event["event_at"])
        if person.is_mature and was_in_time:
            person.churned = person.left_on is not None

    def _follow(self, person: Person) -> None:
        entry, ends, before = self._days(person)
        totals = person.totals
        totals["revenue_cents"] = self._revenue(person, entry, ends)
        totals["before"] = self._revenue(person, before, entry)
        asked = [r for r in self._own("surveys", person) if entry <= r["event_at"] < ends]
        answers = sorted((r for r in asked if r["score"] is not None), key=_order_of_event)
        score = answers[-1]["score"] if answers else None
        totals["asked"], totals["answered"] = float(bool(asked)), float(bool(answers))
        totals["score"] = score or 0.0
        totals["nps"] = 0.0 if score is None else 100.0 if score >= 9 else -100.0 if score <= 6 else 0.0
        meters = [r["quantity"] for r in self._own("meters", person) if entry <= r["event_at"] < ends]
        bills = [r["amount_cents"] for r in self._own("tills", person) if entry <= r["event_at"] < ends]
        totals["visited"], totals["metered"] = float(any(q > 0 for q in meters)), sum(meters)
        totals["bought"], totals["spend"] = float(bool(bills)), float(sum(bills))
        totals["reached"] = float(self._is_reached(person, entry, ends))
        totals["cost_cents"] = self._cost(person)

    def _is_reached(self, person: Person, entry: datetime, ends: datetime) -> bool:
        told = [r["happened_at"] for r in self.ledger if r["kind"] in REACHED and r["customer_id"] == person.who
                and r["campaign"] == self.cohort.campaign]  # fmt: skip
        for row in self._own("mails", person):
            outcome = (row["outcome"] or "sent").strip().lower()
            if row["campaign"] == self.cohort.campaign and outcome in REACHED:
                told.append(row["event_at"])
        return any(entry <= at < ends for at in told)

    def _cost(self, person: Person) -> float:
        if self.cohort.assigned_by is not None:
            return 50.0 + 0.3 * 1_000 if person.group == "treatment" else 0.0  # nothing is redeemed or paid for there
        last = person.entered_on + timedelta(days=self.cohort.horizon_days)
        mine = {p.who: p for p in self.people}
        decided = [r for r in self.ledger if r["kind"] == "decided" and r["action"] != "none"
                   and r["campaign"] == self.cohort.campaign]  # fmt: skip
        inside = {
            r["entry_id"]: r
            for r in decided
            if r["customer_id"] in mine
            and mine[r["customer_id"]].entered_on <= r["as_of"]
            and r["as_of"] < mine[r["customer_id"]].entered_on + timedelta(days=self.cohort.horizon_days)
        }
        redeemed = {r["decision_id"] for r in self.ledger if r["kind"] == "redeemed"}
        reporting = {inside[name]["action"] for name in redeemed if name in inside}
        paid: dict[str, list[int]] = defaultdict(list)
        given: dict[str, list[int]] = defaultdict(list)
        redemptions = {hashlib.sha256(f"cost{r['entry_id']}".encode()).hexdigest()
                       for r in self.past.rows["ledger"] if r["kind"] == "redeemed"}  # fmt: skip
        for row in self.ledger:
            if row["kind"] == "cost":
                side = given if row["entry_id"] in redemptions else paid
                side[row["decision_id"]].append(row["cost_cents"])
        reports = [r for r in self.ledger if r["kind"] in (*REACHED, "bounced", "opted_out", "complained", "cost")
                   and r["campaign"] == self.cohort.campaign]  # fmt: skip
        told = {r["decision_id"] for r in reports}
        heard = {r["action"]: max(o["as_of"] for o in reports if o["action"] == r["action"]) for r in reports}
        total = 0.0
        for name, row in inside.items():
            if row["customer_id"] != person.who or row["as_of"] >= last:
                continue
            if name not in told and heard.get(row["action"], date.min) >= row["as_of"] + timedelta(days=3):
                continue
            incentive = 1_000.0 if row["action"] == "gift" else 0.0
            expected = 0.3 * incentive
            total += float(sum(paid[name])) if paid[name] else row["cost_cents"] - expected
            if given[name]:
                total += float(sum(given[name]))
            else:
                total += incentive * (name in redeemed) if row["action"] in reporting else expected
        return total

    def _revenue(self, person: Person, starts: datetime, ends: datetime) -> float:
        feed = self.business.value.feed
        assert feed is not None
        rows = self._own(feed, person)
        inside = [row for row in rows if starts <= row["event_at"] < ends]
        if feed == "tills":
            return float(sum(row["amount_cents"] for row in inside))
        if feed == "levels":
            accounts: dict[str, list[int]] = defaultdict(list)
            for row in inside:
                accounts[row["account_kind"]].append(row["balance_cents"])
            means = sum(sum(values) / len(values) for values in accounts.values())
            return _whole(means * self.cohort.horizon_days / 365)
        contracts: dict[str, list[Row]] = defaultdict(list)
        for row in sorted(rows, key=_order_of_event):
            contracts[row["subscription_id"]].append(row)
        due = 0.0
        for events in contracts.values():
            price = None
            for position, event in enumerate(events):
                price = event["price_cents"] if event["price_cents"] is not None else price
                until = events[position + 1]["event_at"] if position + 1 < len(events) else ends
                seconds = (min(until, ends) - max(event["event_at"], starts)).total_seconds()
                if event["kind"] not in ("cancel", "pause") and price is not None and seconds > 0:
                    due += price * seconds
        return _whole(due / (86_400 * 30.4375))

    def _sum_up(self, person: Person, mean_risk: float) -> None:
        totals, row = person.totals, person.row
        cap = float("inf") if self.cap is None else self.cap
        totals["customers"], totals["present"] = 1.0, float(not person.was_gone)
        totals["known"] = float(person.churned is not None)
        totals["churned"] = float(bool(person.churned))
        totals["risk"] = mean_risk if row.get("probability") is None else row["probability"]
        totals["revenue_capped_cents"] = min(totals["revenue_cents"], cap)
        totals["margin_cents"] = 0.4 * totals["revenue_capped_cents"]
        totals["net_cents"] = totals["margin_cents"] - totals["cost_cents"]
        kept = (row.get("kept_cents") or 0.0) if person.churned is False else 0.0
        totals["value_kept_cents"] = kept - totals["cost_cents"]
        totals["before_cents"] = min(totals.pop("before"), cap)


def _order_of_event(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["event_at"], row["loaded_at"], row["batch_id"], row["row_number"]


def _order_of_version(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["loaded_at"], row["batch_id"], row["row_number"]


def _whole(value: float) -> float:
    return float(Decimal(value).quantize(Decimal(1), rounding=ROUND_HALF_UP))
