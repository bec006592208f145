"""A telephone company: contracts with a commitment, price rounds in spring and autumn, use that fades first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from simulator.chance import Chance, Floats, Integers
from simulator.contacts import Action, shifts
from simulator.desk import Service
from simulator.people import Market, People
from simulator.rows import UNKNOWN, FeedFile, FileColumn, Outgoing, instants
from simulator.scenarios import LOST_CAUSE
from simulator.trades import Today, competitor_pull

PLANS = ("mobile", "fibre", "bundle", "flex")
_PRICES = np.array([1490, 3190, 5490, 1190])
EVENTS = ("start", "renew", "change", "pause", "cancel")
_START, _RENEW, _CHANGE, _PAUSE, _CANCEL = range(len(EVENTS))
REASONS = ("competitor", "price", "service", "moving", "other")
METRICS = ("data_gb", "call_minutes")

_COMMITMENT_DAYS = 365
_BILLING_DAYS = 28
#: First day of each price round (month, day), the share of contracts it touches.
_PRICE_ROUNDS = (((3, 1), 0.35), ((10, 1), 0.20))

MARKET = Market(
    prefix="T",
    joined_share_per_day=0.00085,
    tenure_days=900,
    provinces={"Madrid": 0.26, "Barcelona": 0.22, "Valencia": 0.14, "Sevilla": 0.12, "Bizkaia": 0.08, "Málaga": 0.10,
               "Murcia": 0.08},
    segments={"mobile": 0.30, "fibre": 0.26, "bundle": 0.30, "flex": 0.14},
    later_segments=(0.25, 0.10, 0.15, 0.50),
    kind_shares=(
        (0.48, 0.32, 0.11, 0.09), (0.42, 0.36, 0.11, 0.11), (0.32, 0.48, 0.07, 0.13), (0.34, 0.20, 0.35, 0.11),
    ),
    segment_offsets=(0.15, 0.0, -0.45, 0.7),
)  # fmt: skip

SERVICE = Service(
    topics=("billing", "outage", "speed", "coverage", "moving", "offer", "complaint"),
    our_faults=("outage", "billing"),
    tickets_per_day=0.0022,
    fade_topic="offer",
)


@dataclass
class Telecom:
    """Contracts and their prices; use by week."""

    market: ClassVar[Market] = MARKET
    service: ClassVar[Service] = SERVICE
    actions: ClassVar[tuple[Action, ...]] = (
        Action("retention_call", "phone", 450, 0, shifts(persuadable=-2.0, sleeping_dog=0.9)),
        Action("loyalty_offer", "email", 5, 600, shifts(persuadable=-1.4, sleeping_dog=0.6)),
    )
    base_hazard: ClassVar[float] = 0.00038
    returns_per_day: ClassVar[float] = 0.0
    leaves_on: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    plan: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    price: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    ends: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    habit: Floats = field(default_factory=lambda: np.zeros(0))
    billing_day: Integers = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def feeds(self) -> Mapping[str, FeedFile]:
        """Contracts and tickets come daily, use and feedback weekly."""
        return {
            "contracts": FeedFile(
                "daily",
                (
                    FileColumn("customer", "customer"),
                    FileColumn("contract", "customer"),
                    FileColumn("at", "instant"),
                    FileColumn("kind", "word", EVENTS),
                    FileColumn("plan", "word", PLANS),
                    FileColumn("price", "money"),
                    FileColumn("ends_on", "day"),
                    FileColumn("reason", "word", REASONS),
                ),
            ),
            "tickets": self.service.tickets_file,
            "usage": FeedFile(
                "weekly",
                (
                    FileColumn("customer", "customer"),
                    FileColumn("measured_at", "instant"),
                    FileColumn("metric", "word", METRICS),
                    FileColumn("quantity", "number"),
                ),
            ),
            "nps": self.service.nps_file,
        }

    def plant(self, chance: Chance, people: People, starts: int) -> None:
        """Nothing is planted among contracts: their ends are announced anyway."""

    def begin(self, chance: Chance, people: People, starts: int, out: Outgoing) -> None:
        """Give everybody a contract; those at the start have renewed theirs, or let its commitment run out."""
        everyone = np.arange(len(people), dtype=np.int64)
        self.plan = people.segment.copy()
        self.price = (_PRICES[self.plan] * (0.9 + 0.3 * chance.uniform("telecom/price", 0, everyone))).astype(np.int64)
        commits = (chance.uniform("telecom/commits", 0, everyone) < 0.7) & (self.plan != PLANS.index("flex"))
        first_end = np.where(commits, people.joined + _COMMITMENT_DAYS, 0)
        years = np.maximum(starts - 1 - people.joined, 0) // _COMMITMENT_DAYS
        renews = commits & (years > 0) & (chance.uniform("telecom/renewed", 0, everyone) < 0.55)
        renewed_on = people.joined + years * _COMMITMENT_DAYS
        self.ends = np.where(renews, renewed_on + _COMMITMENT_DAYS, first_end)
        self.habit = np.exp(0.5 * chance.bell("telecom/habit", 0, everyone))
        self.billing_day = (chance.uniform("telecom/billing", 0, everyone) * _BILLING_DAYS).astype(np.int64)
        signed = 36_000 + chance.uniform("telecom/signed", 0, everyone) * 32_400
        known = everyone[: people.known_on(starts - 1)]
        first_price = (self.price * np.where(years > 0, 0.93, 1.0)).astype(np.int64)
        self._tell(out, starts, known, people.joined, signed, _START, first_price, first_end)
        renewed = known[renews[: len(known)]]
        self._tell(out, starts, renewed, renewed_on, signed, _RENEW, self.price, self.ends)

    def live(self, today: Today) -> Floats:
        """Sign up newcomers, renew, raise prices, measure use; return the pull of contract, price and competitors."""
        self._contracts(today)
        self._prices(today)
        if self.feeds_usage(today):
            self._use(today)
        first, day = today.first, today.day
        ends = self.ends[first]
        left = ends - day
        pull = np.where(left > 30, -1.2, 0.1)
        pull[np.abs(left) <= 30] = 1.1
        tenure = day - today.people.joined[first]
        pull += 0.5 * np.exp(tenure * (-1 / 120))
        pull += competitor_pull(today)
        pull += 0.15 * today.season(260)
        return pull

    def feeds_usage(self, today: Today) -> bool:
        """True on the day on which a week's use is measured."""
        return today.out.is_open and today.on.weekday() == 6

    def part(self, today: Today, leaving: Integers) -> None:
        """Cancel contracts, with the reason that people give."""
        lives = today.lives
        reason = np.full(len(leaving), REASONS.index("other"))
        reason[today.people.kind[leaving] == LOST_CAUSE] = REASONS.index("moving")
        reason[lives.pain[leaving] > 0.3] = REASONS.index("price")
        reason[lives.mood[leaving] < 0.5] = REASONS.index("service")
        reason[lives.fade[leaving] > 0.5] = REASONS.index("competitor")
        at = np.zeros(len(today.people))
        at[leaving] = 32_400 + today.uniform("telecom/cancels_at", leaving) * 36_000
        self._tell(today.out, today.day, leaving, today.day, at, _CANCEL, self.price, self.ends, reason)

    def purchase_probability(self, today: Today) -> Floats:
        """Leaving is told: no purchase is waited for."""
        return np.zeros(len(today.everyone))

    def margin_per_day(self, today: Today) -> Floats:
        """Six tenths of the monthly price are margin."""
        return np.asarray(self.price[today.first] * (0.6 / 100 * 12 / 365))

    def _contracts(self, today: Today) -> None:
        day, known = today.day, today.first
        new = np.flatnonzero(today.people.joined[known] == day)
        opened = np.zeros(len(today.people))
        opened[new] = 36_000 + today.uniform("telecom/signs_at", new) * 32_400
        self._tell(today.out, day, new, day, opened, _START, self.price, self.ends)
        ending = np.flatnonzero((self.ends[known] == day) & today.is_active)
        renewing = ending[today.uniform("telecom/renews", ending) < 0.55]
        self.ends[renewing] = day + _COMMITMENT_DAYS
        opened[renewing] = 33_000 + today.uniform("telecom/renews_at", renewing) * 30_000
        self._tell(today.out, day, renewing, day, opened, _RENEW, self.price, self.ends)
        drawn = today.uniform("telecom/changes")
        changing = np.flatnonzero((drawn < 0.0004) & today.is_active & (self.plan[known] < PLANS.index("bundle")))
        self.plan[changing] += 1
        self.price[changing] = (_PRICES[self.plan[changing]] * (0.9 + 500 * drawn[changing])).astype(np.int64)
        opened[changing] = 38_000 + today.uniform("telecom/changes_at", changing) * 30_000
        self._tell(today.out, day, changing, day, opened, _CHANGE, self.price, self.ends)

    def _prices(self, today: Today) -> None:
        """Raise prices in rounds, each contract on its billing day; who committed lately is spared."""
        for (month, first_day), share in _PRICE_ROUNDS:
            since = today.day - today.on.replace(month=month, day=first_day).toordinal()
            if not 0 <= since < _BILLING_DAYS:
                continue
            known = today.first
            named = today.chance.uniform(f"telecom/round/{month}", today.on.year, today.everyone)
            touched = (self.billing_day[known] == since) & (named < share) & today.is_active
            who = np.flatnonzero(touched & (today.day - today.people.joined[known] > 90))
            rise = 0.05 + 0.10 * named[who] / share
            self.price[who] = np.rint(self.price[who] * (1 + rise)).astype(np.int64)
            today.lives.pain[who] += 0.5 + 8 * rise
            today.lives.upset(who, 0.05)
            at = np.zeros(len(today.people))
            at[who] = 3600 * 6 + today.uniform("telecom/raised_at", who) * 3600
            self._tell(today.out, today.day, who, today.day, at, _CHANGE, self.price, self.ends)

    def _use(self, today: Today) -> None:
        who = np.flatnonzero(today.is_active)
        interest = self.habit[who] * (1 - 0.85 * today.lives.fade[who]) * (1 + 0.10 * today.season(220))
        late = today.uniform("telecom/use_late", who) < 0.01
        for metric, mean, habits in ((0, 6.0, today.people.streams), (1, 45.0, today.people.talks)):
            noise = 0.75 + 0.5 * today.uniform(f"telecom/use/{metric}", who)
            rows = {
                "customer": who,
                "measured_at": instants(today.day, np.full(len(who), 23 * 3600)),
                "metric": np.full(len(who), metric),
                "quantity": np.round(mean * interest * noise * np.exp(habits[who]), 2),
            }
            for delay, chosen in ((0, ~late), (7, late)):
                today.out.add("usage", today.day + delay, {name: values[chosen] for name, values in rows.items()})

    def _tell(
        self,
        out: Outgoing,
        due: int,
        who: Integers,
        on: Integers | int,
        seconds: Floats,
        kind: int,
        price: Integers,
        ends: Integers,
        reason: Integers | None = None,
    ) -> None:
        """Hand in one contract event of each of some customers; ``on``, ``price``, ... are everybody's."""
        days = np.full(len(who), on) if isinstance(on, int) else on[who]
        rows = {
            "customer": who,
            "contract": who,
            "at": instants(0, 0) + days * 86_400 + seconds[who].astype(np.int64),
            "kind": np.full(len(who), kind),
            "plan": self.plan[who],
            "price": price[who],
            "ends_on": np.where(ends[who] >= days, ends[who], UNKNOWN),  # a commitment that ran out has no end
            "reason": np.full(len(who), UNKNOWN) if reason is None else reason,
        }
        out.add("contracts", due, rows)
