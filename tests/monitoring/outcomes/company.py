"""A company with every kind of churn and revenue, and a past that chance made: late, corrected and missing rows."""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from holdback.business import Business
from tests.features.world import Memory, Row

FIRST_ENTRY = date(2026, 3, 2)
AS_OF = date(2026, 6, 20)
KINDS = ("cancellation", "inactivity", "column")
ROLES = {"deals": "subscriptions", "tills": "transactions", "levels": "balances"}

_EVENT = {"customer_id": "who", "event_at": "at"}
_CHURN: dict[str, dict[str, Any]] = {
    "cancellation": {"name": "leave", "kind": "cancellation", "feed": "deals", "lead_days": 3, "outcome_days": 27},
    "inactivity": {"name": "lapse", "kind": "inactivity", "feed": "tills", "lead_days": 3, "outcome_days": 27},
    "column": {"name": "said", "kind": "column", "attribute": "gone"},
}
_FILE: dict[str, Any] = {
    "slug": "acme",
    "name": "Acme",
    "currency": "EUR",
    "time_zone": "Europe/Madrid",
    "customers": {
        "source": "customers.csv",
        "key": "who",
        "attributes": {"region": "category", "origin": "category", "gone": "label"},
        "protected": ["origin"],
    },
    "feeds": {
        "deals": {
            "role": "subscriptions",
            "source": "deals.csv",
            "columns": {**_EVENT, "kind": "k", "subscription_id": "s", "price": "x"},
        },
        "tills": {"role": "transactions", "source": "tills.csv", "columns": {**_EVENT, "amount": "a"}},
        "levels": {
            "role": "balances",
            "source": "levels.csv",
            "columns": {**_EVENT, "account_kind": "k", "balance": "b"},
        },
        "surveys": {"role": "feedback", "source": "surveys.csv", "columns": {**_EVENT, "score": "s"}, "scale": "nps"},
        "meters": {"role": "usage", "source": "meters.csv", "columns": {**_EVENT, "quantity": "q"}},
        "mails": {
            "role": "campaign_contacts",
            "source": "mails.csv",
            "columns": {**_EVENT, "campaign": "c", "outcome": "o", "cost": "x"},
        },
        "drawn": {
            "role": "assignments",
            "source": "drawn.csv",
            "columns": {**_EVENT, "campaign": "c", "group": "g", "action": "a", "propensity": "p", "unit_id": "u"},
            "groups": {"treatment": ["mail", "call"], "holdout": "nothing"},
        },
    },
    "actions": [
        {"name": "gift", "channel": "email", "cost": 0.5, "incentive_amount": 10.0, "incentive_taken_share": 0.3},
        {"name": "call", "channel": "phone", "cost": 4.0},
    ],
    "outcomes": [
        {"name": "visited", "feed": "meters", "kind": "event", "of": "quantity"},
        {"name": "metered", "feed": "meters", "kind": "total", "of": "quantity"},
        {"name": "bought", "feed": "tills", "kind": "event"},
        {"name": "spend", "feed": "tills", "kind": "total", "of": "amount"},
    ],
    "campaigns": [
        {"name": "spring", "actions": ["gift", "call"], "horizon_days": 30},
        {"name": "autumn", "actions": ["call"], "horizon_days": 30},
        {"name": "elsewhere", "actions": ["gift"], "horizon_days": 30, "assigned_by": "drawn"},
    ],
}


def company(kind: str = "cancellation", revenue: str = "deals", **changes: Any) -> Business:
    """Return the company with one kind of churn and one feed that carries revenue; sections can be replaced."""
    value = {"feed": revenue, "margin_rate": 0.4}
    return Business.model_validate({**_FILE, "churn": [_CHURN[kind]], "value": value, **changes})


def warehouse(business: Business, **tables: list[Row]) -> Memory:
    """Return a warehouse in memory that holds these rows; columns that a row lacks are null."""
    return Memory(business, tables)


def assigned(customer_id: str, group: str, day: date, **rest: Any) -> Row:
    """Return a row of kind ``assigned`` of the first version of the campaign ``spring``."""
    propensity = 0.8 if group == "treatment" else 0.2
    told = {"kind": "assigned", "campaign": "spring", "version": 1, "propensity": propensity, **rest}
    told.setdefault("entry_id", f"assigned/{told['campaign']}/{told['version']}/{customer_id}/{day}/{group}")
    return {"customer_id": customer_id, "unit_id": customer_id, "group": group, "as_of": day, "sequence": 1, **told}


def contract(customer_id: str, kind: str, at: datetime, **rest: Any) -> Row:
    """Return one event of a contract that costs 20.00 a month."""
    return {"customer_id": customer_id, "kind": kind, "event_at": at, "price_cents": 2_000, **rest}


def noon(day: date) -> datetime:
    """Return an instant inside the business' day."""
    return datetime(day.year, day.month, day.day, 11)


class Past:
    """A past of one company, drawn once: the same for the same seed.

    Attributes:
        rows: By table.
    """

    def __init__(self, seed: int, *, people: int = 60) -> None:
        self.chance = np.random.default_rng(seed)
        self.rows: dict[str, list[Row]] = {name: [] for name in (*_FILE["feeds"], "customers", "ledger", "superseded")}
        homes = self.chance.integers(0, people, people)
        for number in range(people):
            self._person(f"c{number:03d}", f"c{homes[number]:03d}" if number % 3 == 0 else f"c{number:03d}")
        for feed in ("deals", "tills", "levels", "meters"):
            reach = datetime(2026, 6, int(self.chance.integers(1, 19)), 9)
            self.rows[feed] = [row for row in self.rows[feed] if row["event_at"] <= reach]
            self._correct(feed)
        self._correct("customers")
        for name, rows in self.rows.items():
            for position, row in enumerate(rows, start=1):
                row["row_number"] = position
                row.setdefault("batch_id", name)

    def _at(self, low: float, high: float) -> datetime:
        """Return an instant so many days after the first entry."""
        return datetime(2026, 3, 2) + timedelta(seconds=int(86_400 * self.chance.uniform(low, high)))

    def _put(self, table: str, **row: Any) -> Row:
        lag = timedelta(days=float(self.chance.choice([0.1, 1, 2, 40], p=[0.5, 0.3, 0.17, 0.03])))
        made = {"loaded_at": row["event_at"] + lag, **row}
        self.rows[table].append(made)
        return made

    def _correct(self, table: str) -> None:
        """Replace a few rows by others, some of them only after the day of the question."""
        for row in list(self.rows[table]):
            if self.chance.random() < 0.05:
                new = {**row, "batch_id": "corrected", "loaded_at": row["loaded_at"] + timedelta(days=3)}
                for name in ("amount_cents", "price_cents", "balance_cents"):
                    if row.get(name) is not None:
                        new[name] = row[name] + 1_234
                if "region" in row:
                    new["region"] = "east"
                self.rows[table].append(new)
                gone = self.rows["superseded"]
                gone.append({"feed": table, "old": row, "replaced_at": new["loaded_at"], "replaced_by": "corrected"})

    def _person(self, who: str, unit: str) -> None:
        chance = self.chance
        day = FIRST_ENTRY + timedelta(days=int(chance.integers(0, 100)))
        group = "holdout" if (hash_of(unit) % 10) < 4 else "treatment"
        entered = (day - FIRST_ENTRY).days
        if chance.random() < 0.9:
            score = None if chance.random() < 0.1 else round(float(chance.uniform(0, 1)), 3)
            kept = None if chance.random() < 0.1 else int(chance.integers(0, 90_000))
            fit = ("invest", "maintain", None)[int(chance.integers(0, 3))]
            facts = {"unit_id": unit, "probability": score, "kept_cents": kept, "fit_class": fit}
            self.rows["ledger"].append(assigned(who, group, day, **facts))
            self._contacts(who, unit, group, day)
        self._lives(who, entered)
        self._asked(who, entered)
        words = {"treatment": "mail", "holdout": "nothing"}[group]
        drawn = {"campaign": "elsewhere", "group": words, "unit_id": unit, "propensity": 0.6}
        self._put("drawn", customer_id=who, event_at=noon(day), **drawn)
        for version in range(int(chance.integers(0, 3))):
            region = ("north", "south", None)[int(chance.integers(0, 3))]
            self.rows["customers"].append(
                {
                    "customer_id": who,
                    "region": region,
                    "gone": (True, False, None)[int(chance.integers(0, 3))],
                    "loaded_at": datetime(2026, 2, 1) + timedelta(days=70 * version),
                    "batch_id": f"customers/{version}",
                }
            )

    def _contacts(self, who: str, unit: str, group: str, day: date) -> None:
        chance, ledger = self.chance, self.rows["ledger"]
        action = ("gift", "call")[int(chance.integers(0, 2))]
        intended = action if chance.random() < 0.9 else "none"
        for again in range(1 + int(chance.random() < 0.3)):
            on = day + timedelta(days=20 * again)
            carried = action if group == "treatment" else "none"
            own = {"customer_id": who, "unit_id": unit, "campaign": "spring", "version": 1, "action": carried}
            decision = f"decided/{who}/{on}"
            cost = {"gift": 350, "call": 400, "none": 0}[carried]
            decided = {"kind": "decided", "as_of": on, "entry_id": decision, "intended_action": intended}
            ledger.append({**own, **decided, "cost_cents": cost, "group": group})
            if carried == "none" or chance.random() < 0.3:
                continue
            sent_at = noon(on) + timedelta(days=1)
            told = {**own, "decision_id": decision, "as_of": on + timedelta(days=2), "happened_at": sent_at}
            ledger.append({**told, "kind": "sent", "entry_id": f"sent/{decision}"})
            if chance.random() < 0.5:
                paid = int(chance.integers(10, 500))
                ledger.append({**told, "kind": "cost", "entry_id": f"cost/{decision}", "cost_cents": paid})
            if chance.random() < 0.4:
                redemption = f"redeemed/{decision}"
                ledger.append({**told, "kind": "redeemed", "entry_id": redemption})
                if on.day % 2:  # what it really cost is reported for some
                    name = hashlib.sha256(f"cost{redemption}".encode()).hexdigest()
                    ledger.append({**told, "kind": "cost", "entry_id": name, "cost_cents": 700 + on.day})
            if chance.random() < 0.1:
                took = {"kind": "corrected", "corrects": f"sent/{decision}", "entry_id": f"took/{decision}"}
                ledger.append({**own, **took, "as_of": on + timedelta(days=5)})
        if chance.random() < 0.1:
            outcome = ("sent", " Delivered ", "bounced", None)[int(chance.integers(0, 4))]
            name = ("spring", "autumn")[int(chance.integers(0, 2))]
            at = noon(day) + timedelta(days=int(chance.integers(-5, 40)))
            self._put("mails", customer_id=who, event_at=at, campaign=name, outcome=outcome)

    def _lives(self, who: str, entered: int) -> None:
        chance = self.chance
        for number in range(1 + int(chance.integers(0, 2))):
            key, since = f"{who}/{number}", float(chance.uniform(-200, entered + 20))
            price = int(chance.integers(500, 9_000))
            own = {"customer_id": who, "subscription_id": key}
            self._put("deals", event_at=self._at(since, since), kind="start", price_cents=price, **own)
            while chance.random() < 0.6:
                since += float(chance.exponential(25))
                kind = ("change", "pause", "renew", "cancel")[int(chance.choice(4, p=[0.2, 0.15, 0.15, 0.5]))]
                price = int(chance.integers(500, 9_000)) if chance.random() < 0.5 else 0
                self._put("deals", event_at=self._at(since, since), kind=kind, price_cents=price or None, **own)
        for _ in range(int(chance.integers(0, 9))):
            at, amount = self._at(entered - 40, entered + 45), int(chance.integers(-3_000, 20_000))
            self._put("tills", customer_id=who, event_at=at, amount_cents=amount)
        for _ in range(int(chance.integers(0, 9))):
            kind, at = ("savings", "checking")[int(chance.integers(0, 2))], self._at(entered - 40, entered + 45)
            cents = int(chance.integers(-5_000, 900_000))
            self._put("levels", customer_id=who, event_at=at, account_kind=kind, balance_cents=cents)
        for _ in range(int(chance.integers(0, 4))):
            at, quantity = self._at(entered - 10, entered + 45), float(chance.integers(0, 3))
            self._put("meters", customer_id=who, event_at=at, quantity=quantity)

    def _asked(self, who: str, entered: int) -> None:
        for _ in range(int(self.chance.integers(0, 3))):
            score = float(self.chance.integers(0, 11)) if self.chance.random() < 0.6 else None
            self._put("surveys", customer_id=who, event_at=self._at(entered - 10, entered + 45), score=score)

    def warehouse(self, business: Business) -> Memory:
        """Return the past as a warehouse."""
        tables = {name: list(rows) for name, rows in self.rows.items()}
        tables["superseded"] = [
            {**row, "batch_id": row["old"]["batch_id"], "row_number": row["old"]["row_number"]}
            for row in self.rows["superseded"]
        ]
        return Memory(business, tables)


def hash_of(text: str) -> int:
    """Return a number that is the same on every run."""
    return sum(ord(letter) * 31**place for place, letter in enumerate(text)) % 9_973
