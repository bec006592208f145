"""A car dealer: cars that are serviced when they are due, grow old and are replaced, here or elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from simulator.chance import Chance, Flags, Floats, Integers
from simulator.contacts import Action, shifts
from simulator.desk import Service
from simulator.incidents import replacement_days
from simulator.people import Market, People
from simulator.rows import UNKNOWN, FeedFile, FileColumn, Outgoing, instants
from simulator.trades import Today, competitor_pull

CATEGORIES = ("service", "repair", "tyres", "car")
_SERVICE, _REPAIR, _TYRES, _CAR = range(len(CATEGORIES))
MODELS = ("city", "compact", "estate", "suv", "van")
EVENTS = ("start", "renew", "change", "pause", "cancel")
_START, _CANCEL = EVENTS.index("start"), EVENTS.index("cancel")
METRICS = ("kilometres",)
_PRICES = np.array([1_490_000, 2_190_000, 2_790_000, 3_390_000, 2_990_000])
_WARRANTY_DAYS = 3 * 365

MARKET = Market(
    prefix="D",
    joined_share_per_day=0.0005,
    tenure_days=1300,
    provinces={"Navarra": 0.3, "Álava": 0.2, "La Rioja": 0.2, "Gipuzkoa": 0.3},
    segments={"private": 0.62, "self_employed": 0.22, "fleet": 0.16},
    later_segments=(0.30, 0.20, 0.50),
    kind_shares=((0.44, 0.34, 0.12, 0.10), (0.40, 0.34, 0.16, 0.10), (0.30, 0.50, 0.08, 0.12)),
    segment_offsets=(0.1, 0.1, -0.4),
)
SERVICE = Service(
    topics=("repair", "delay", "part", "invoice", "appointment", "complaint"),
    our_faults=("delay", "invoice"),
    tickets_per_day=0.0012,
    fade_topic="invoice",
)


@dataclass
class Dealer:
    """One car for each customer; amounts are cents, days are ordinals."""

    market: ClassVar[Market] = MARKET
    service: ClassVar[Service] = SERVICE
    actions: ClassVar[tuple[Action, ...]] = (
        Action("workshop_call", "phone", 500, 0, shifts(persuadable=-1.8, sleeping_dog=0.9)),
        Action("service_voucher", "email", 5, 2500, shifts(persuadable=-1.5, sleeping_dog=0.4)),
    )
    base_hazard: ClassVar[float] = 0.00040
    returns_per_day: ClassVar[float] = 0.0008
    leaves_on: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    planted_days: Floats | None = None
    model: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    bought_on: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    visited_on: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    replaces_after_days: Floats = field(default_factory=lambda: np.zeros(0))
    kilometres_per_day: Floats = field(default_factory=lambda: np.zeros(0))
    bought_today: Integers = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def feeds(self) -> Mapping[str, FeedFile]:
        """Invoices, cars, mileage and tickets come daily, feedback weekly."""
        return {
            "invoices": FeedFile(
                "daily",
                (
                    FileColumn("customer", "customer"),
                    FileColumn("at", "instant"),
                    FileColumn("amount", "money"),
                    FileColumn("category", "word", CATEGORIES),
                ),
            ),
            "vehicles": FeedFile(
                "daily",
                (
                    FileColumn("customer", "customer"),
                    FileColumn("car", "text"),
                    FileColumn("at", "instant"),
                    FileColumn("kind", "word", EVENTS),
                    FileColumn("model", "word", MODELS),
                    FileColumn("warranty_until", "day"),
                ),
            ),
            "mileage": FeedFile(
                "daily",
                (
                    FileColumn("customer", "customer"),
                    FileColumn("read_at", "instant"),
                    FileColumn("metric", "word", METRICS),
                    FileColumn("quantity", "number"),
                ),
            ),
            "tickets": self.service.tickets_file,
            "nps": self.service.nps_file,
        }

    def plant(self, chance: Chance, people: People, starts: int) -> None:  # noqa: ARG002 - other trades need the day
        """Cars are replaced at an age that is their model's, on the day on which they reach it."""
        everyone = np.arange(len(people), dtype=np.int64)
        self.planted_days = replacement_days(chance, everyone, self._models(chance, everyone))

    def begin(self, chance: Chance, people: People, starts: int, out: Outgoing) -> None:
        """Give everybody the car with which they became customers, and the yearly visits since."""
        everyone = np.arange(len(people), dtype=np.int64)
        self.model = self._models(chance, everyone)
        self.bought_on = people.joined.copy()
        self.replaces_after_days = 365 * (5 + 5 * chance.uniform("dealer/replaces", 0, everyone))
        self.kilometres_per_day = 25 + 50 * chance.uniform("dealer/drives", 0, everyone)
        self.visited_on = people.joined.copy()
        known = everyone[: people.known_on(starts - 1)]
        if self.planted_days is not None:
            self.replaces_after_days = self.planted_days
            self._tell_earlier_cars(out, starts, known)
        self._tell_cars(out, starts, known, _START)
        for year in range(1, 12):
            on = people.joined[known] + 365 * year + (40 * chance.uniform("dealer/past", year, known)).astype(np.int64)
            came = (on < starts) & (chance.uniform("dealer/came", year, known) < 0.9)
            who = known[came]
            self.visited_on[who] = on[came]
            self._visit(chance, out, starts, on[came], who, chance.uniform("dealer/why", year, who))

    def live(self, today: Today) -> Floats:
        """Serve who comes, sell to who replaces; return the pull of old cars and competitors."""
        day, first = today.day, today.first
        age = day - self.bought_on[first]
        who = today.buyers(self.purchase_probability(today))
        self.bought_today = who
        replacing = self._is_worn_out(age)[who]
        buyers = who[replacing]
        self._tell_cars(today.out, day, buyers, _CANCEL)
        self.bought_on[buyers] = day
        new = np.flatnonzero(today.people.joined[first] == day)
        self._tell_cars(today.out, day, np.union1d(buyers, new), _START)
        self._sell(today, np.union1d(buyers, new))
        served = who[~replacing]
        self.visited_on[who] = day
        self._visit(
            today.chance, today.out, day, np.full(len(served), day), served, today.uniform("dealer/why", served)
        )
        pull = competitor_pull(today)
        pull += np.where(age > self.replaces_after_days[first] - 180, 0.5, 0.0)  # who replaces looks around
        pull += np.where(age > _WARRANTY_DAYS, 0.2, -0.3)
        return pull

    def part(self, today: Today, leaving: Integers) -> None:
        """Whoever goes to another workshop tells nobody."""

    def purchase_probability(self, today: Today) -> Floats:
        """A visit is rare until it is due, a year after the last one; interest that wanes puts it off."""
        since = today.day - self.visited_on[today.first]
        due = 1 / (1 + np.exp(-(since - 340) / 15))
        usual = np.asarray((0.0008 + 0.022 * due) * (1 - 0.75 * today.lives.fade[today.first]))
        if self.planted_days is None:
            return usual
        return np.where(self._is_worn_out(today.day - self.bought_on[today.first]), 1.0, usual)

    def margin_per_day(self, today: Today) -> Floats:
        """A visit a year, and a car when its time has come."""
        car = _PRICES[self.model[today.first]] / 100 * 0.06 / self.replaces_after_days[today.first]
        return np.asarray(car + 140 / 365)

    def _models(self, chance: Chance, everyone: Integers) -> Integers:
        return chance.choice("dealer/model", 0, everyone, (0.25, 0.30, 0.18, 0.20, 0.07))

    def _is_worn_out(self, age: Integers) -> Flags:
        """True for the first customers whose car is to be replaced; a planted age holds to the day."""
        limit = self.replaces_after_days[: len(age)]
        return np.asarray(age > limit if self.planted_days is None else age >= limit)

    def _tell_earlier_cars(self, out: Outgoing, starts: int, who: Integers) -> None:
        """Hand in the cars that were replaced before the first day."""
        ages = self.replaces_after_days[who].astype(np.int64)
        while True:
            over = self.bought_on[who] + ages < starts
            who, ages = who[over], ages[over]
            if not len(who):
                return
            self._tell_cars(out, starts, who, _START)
            self._tell_cars(out, starts, who, _CANCEL, on=self.bought_on[who] + ages)
            self.bought_on[who] += ages

    def _visit(self, chance: Chance, out: Outgoing, due: int, on: Integers, who: Integers, why: Floats) -> None:
        """Hand in the invoice and the mileage of one visit of each of some customers, on days of their own."""
        category = np.where(why < 0.7, _SERVICE, np.where(why < 0.85, _REPAIR, _TYRES))
        size = 0.7 + 0.6 * chance.uniform("dealer/amount", due, who)
        amount = np.array([24_000, 38_000, 42_000, 0])[category] * size
        at = instants(0, 0) + on * 86_400 + (29_000 + 30_000 * chance.uniform("dealer/time", due, who)).astype(np.int64)
        late = chance.uniform("dealer/late", due, who) < 0.01
        rows = {"customer": who, "at": at, "amount": np.rint(amount), "category": category}
        for delay, chosen in ((0, ~late), (2, late)):
            out.add("invoices", due + delay, _only(rows, chosen))
        owned = on - self.bought_on[who]
        if self.planted_days is not None:  # visits of the years before came with an earlier car
            owned %= self.replaces_after_days[who].astype(np.int64)
        driven = owned * self.kilometres_per_day[who]
        metric = np.zeros(len(who), np.int64)
        out.add("mileage", due, {"customer": who, "read_at": at, "metric": metric, "quantity": np.rint(driven)})

    def _sell(self, today: Today, who: Integers) -> None:
        amount = _PRICES[self.model[who]] * (0.92 + 0.1 * today.uniform("dealer/haggles", who))
        at = today.times("dealer/sells_at", who, 10, 19)
        category = np.full(len(who), _CAR)
        rows = {"customer": who, "at": at, "amount": np.rint(amount), "category": category}
        today.out.add("invoices", today.day, rows)

    def _tell_cars(self, out: Outgoing, due: int, who: Integers, kind: int, *, on: Integers | None = None) -> None:
        """Hand in that a car came (sold before noon) or went (traded in before that)."""
        if on is None:
            on = self.bought_on[who] if kind == _START else np.full(len(who), due)
        hour = 3600 * (10 if kind == _START else 9)
        names = [f"{customer + 1:07d}/{bought}" for customer, bought in zip(who, self.bought_on[who], strict=True)]
        rows = {
            "customer": who,
            "car": np.array(names, dtype=object),
            "at": instants(0, 0) + on * 86_400 + hour,
            "kind": np.full(len(who), kind),
            "model": self.model[who],
            "warranty_until": self.bought_on[who] + _WARRANTY_DAYS if kind == _START else np.full(len(who), UNKNOWN),
        }
        out.add("vehicles", due, rows)


def _only(rows: Mapping[str, np.ndarray], chosen: Flags) -> dict[str, np.ndarray]:
    return {name: values[chosen] for name, values in rows.items()}
