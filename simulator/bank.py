"""A bank: daily balances and transfers with their destination. Nobody cancels: money goes elsewhere, then silence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from simulator.chance import Chance, Floats, Integers
from simulator.contacts import Action, shifts
from simulator.desk import Service
from simulator.incidents import FALL_DESTINATIONS, Falls, plan_falls
from simulator.people import Market, People
from simulator.rows import FeedFile, FileColumn, Outgoing, instants
from simulator.trades import Today, competitor_pull

CATEGORIES = ("salary", "card", "bill", "cash", "transfer")
_SALARY, _CARD, _BILL, _CASH, _TRANSFER = range(len(CATEGORIES))
CHANNELS = ("app", "web", "branch", "atm")
DIRECTIONS = ("in", "out")
_IN, _OUT = range(len(DIRECTIONS))
DESTINATIONS = ("own_checking", "own_savings", "merchant", "cash", "other_bank")
_OWN_CHECKING, _OWN_SAVINGS, _MERCHANT, _CASH_DRAWN, _OTHER_BANK = range(len(DESTINATIONS))
_FALL_DESTINATIONS = tuple(DESTINATIONS.index(name) for name in FALL_DESTINATIONS)
#: At most this much is left to be taken along on the day of leaving by those who moved their savings before.
_REST_CENTS = 50_000
ACCOUNTS = ("checking", "savings")
_CHECKING, _SAVINGS = range(len(ACCOUNTS))

MARKET = Market(
    prefix="B",
    joined_share_per_day=0.0006,
    tenure_days=1600,
    provinces={"Madrid": 0.30, "Sevilla": 0.18, "Granada": 0.12, "Zaragoza": 0.14, "A Coruña": 0.14, "Alicante": 0.12},
    segments={"youth": 0.22, "salary": 0.42, "saver": 0.24, "affluent": 0.12},
    later_segments=(0.60, 0.20, 0.15, 0.05),
    kind_shares=(
        (0.40, 0.26, 0.24, 0.10), (0.42, 0.38, 0.10, 0.10), (0.34, 0.42, 0.08, 0.16), (0.46, 0.32, 0.12, 0.10),
    ),
    segment_offsets=(0.5, 0.0, -0.3, 0.1),
)  # fmt: skip
SERVICE = Service(
    topics=("card", "fees", "app", "transfer", "mortgage", "complaint"),
    our_faults=("app", "fees"),
    tickets_per_day=0.0018,
    fade_topic="fees",
)
#: By category of the transfer, the shares of the channels.
_CHANNEL_SHARES = np.array(
    [(0.6, 0.4, 0, 0), (0.7, 0.3, 0, 0), (0.5, 0.4, 0.1, 0), (0, 0, 0.15, 0.85), (0.6, 0.3, 0.1, 0)], dtype=np.float64
)
_MONEY_PER_MONTH = np.array([90_000, 190_000, 160_000, 420_000])
_SAVINGS_MONTHS = np.array([1.5, 4.0, 14.0, 22.0])


@dataclass
class Bank:
    """Two accounts for each customer; amounts are cents."""

    market: ClassVar[Market] = MARKET
    service: ClassVar[Service] = SERVICE
    actions: ClassVar[tuple[Action, ...]] = (
        Action("adviser_call", "phone", 800, 0, shifts(persuadable=-2.0, sleeping_dog=0.9)),
        Action("savings_bonus", "email", 5, 2000, shifts(persuadable=-1.5, sleeping_dog=0.5)),
    )
    base_hazard: ClassVar[float] = 0.00042
    returns_per_day: ClassVar[float] = 0.004
    leaves_on: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    falls: Falls | None = None
    rate: Floats = field(default_factory=lambda: np.zeros(0))
    income: Floats = field(default_factory=lambda: np.zeros(0))
    balances: Floats = field(default_factory=lambda: np.zeros((2, 0)))
    bought_today: Integers = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def feeds(self) -> Mapping[str, FeedFile]:
        """Transfers, and the balances that changed, come daily; all balances on the last day of the month."""
        return {
            "transfers": FeedFile(
                "daily",
                (
                    FileColumn("customer", "customer"),
                    FileColumn("booked_at", "instant"),
                    FileColumn("amount", "money"),
                    FileColumn("category", "word", CATEGORIES),
                    FileColumn("channel", "word", CHANNELS),
                    FileColumn("direction", "word", DIRECTIONS),
                    FileColumn("destination", "word", DESTINATIONS),
                ),
            ),
            "balances": FeedFile(
                "daily",
                (
                    FileColumn("customer", "customer"),
                    FileColumn("at", "instant"),
                    FileColumn("account", "word", ACCOUNTS),
                    FileColumn("balance", "money"),
                ),
            ),
            "tickets": self.service.tickets_file,
            "nps": self.service.nps_file,
        }

    def plant(self, chance: Chance, people: People, starts: int) -> None:
        """Plan who moves much of the savings at once, and who leaves some weeks later."""
        self.falls = plan_falls(chance, people, starts)
        self.leaves_on = self.falls.leaves_on

    def begin(self, chance: Chance, people: People, starts: int, out: Outgoing) -> None:
        """Open the accounts, each with the money that its customer has."""
        everyone = np.arange(len(people), dtype=np.int64)
        segment = people.segment
        spread = np.exp(0.4 * chance.bell("bank/wealth", 0, everyone))
        self.income = _MONEY_PER_MONTH[segment] * spread
        self.rate = np.array([0.16, 0.20, 0.09, 0.18])[segment] * np.exp(0.4 * chance.bell("bank/rate", 0, everyone))
        savings = self.income * _SAVINGS_MONTHS[segment] * chance.uniform("bank/savings", 0, everyone)
        if self.falls is not None:
            savings += 2 * self.falls.cents  # there must be something to move
        self.balances = np.rint(np.stack([self.income * chance.uniform("bank/checking", 0, everyone), savings]))
        self._report(out, starts, everyone[: people.known_on(starts - 1)], instants(starts - 1, 86_340))

    def live(self, today: Today) -> Floats:
        """Book a day's transfers; return the pull of fees, competitors and the season."""
        who = today.buyers(self.purchase_probability(today))
        self.bought_today = who
        category = today.chance.choice("bank/category", today.day, who, (0.12, 0.48, 0.18, 0.10, 0.12))
        size = today.uniform("bank/amount", who)
        amount = np.array([1.0, 0.06, 0.09, 0.10, 0.30])[category] * self.income[who] * (0.4 + 1.2 * size**2)
        amount = np.rint(np.maximum(amount, 100))
        comes = category == _SALARY
        saves = (category == _TRANSFER) & (today.uniform("bank/saves", who) > today.lives.fade[who] * 0.8)
        if self.falls is not None:
            saves &= ~self.falls.is_quiet(today.day, who)
        self.balances[_CHECKING, who] += np.where(comes, amount, -amount)
        self.balances[_SAVINGS, who] += np.where(saves, amount, 0)
        # Who is overdrawn brings money back from savings; the rest stays an overdraft.
        cover = np.minimum(np.maximum(-self.balances[_CHECKING, who], 0), self.balances[_SAVINGS, who])
        if self.falls is not None:
            cover = np.where(self.falls.is_quiet(today.day, who), 0, cover)
        self.balances[_CHECKING, who] += cover
        self.balances[_SAVINGS, who] -= cover
        destination = np.array([_OWN_CHECKING, _MERCHANT, _MERCHANT, _CASH_DRAWN, _OTHER_BANK])[category]
        destination[saves] = _OWN_SAVINGS
        self._book(today, who, amount, category, np.where(comes, _IN, _OUT), destination)
        new = np.flatnonzero(today.people.joined[today.first] == today.day)
        monthly = today.on.day == 28
        fallen = self._let_fall(today)
        changed = np.flatnonzero(today.is_active) if monthly else np.union1d(who, np.union1d(new, fallen))
        self._report(today.out, today.day, changed, instants(today.day, 86_340))
        pull = competitor_pull(today)
        pull += 0.10 * today.season(20)
        return pull

    def part(self, today: Today, leaving: Integers) -> None:
        """Move savings to another bank on the last day: every third customer, most of them."""
        share = 0.95 - 1.8 * today.uniform("bank/drains", leaving)
        amount = np.rint(self.balances[_SAVINGS, leaving] * np.where(share > 0.3, share, 0.0))
        if self.falls is not None:
            # Who moved the savings before takes the small rest along: the last transfer is on the day of leaving.
            rest = np.minimum(0.5 * self.balances[_SAVINGS, leaving], _REST_CENTS)
            amount = np.where(self.falls.leaves_on[leaving] > 0, np.rint(rest), amount)
        some = amount > 0
        who, amount = leaving[some], amount[some]
        self.balances[_SAVINGS, who] -= amount
        many = np.full(len(who), _TRANSFER)
        self._book(today, who, amount, many, np.full(len(who), _OUT), np.full(len(who), _OTHER_BANK), late=True)
        self._report(today.out, today.day + 1, who, instants(today.day + 1, 60))

    def _let_fall(self, today: Today) -> Integers:
        """Let today's planted falls of savings happen; return whose."""
        falls = self.falls
        if falls is None or today.is_frozen:
            return np.zeros(0, np.int64)
        planned = (falls.on[today.first] == today.day) & today.is_active
        who = np.flatnonzero(planned & (self.balances[_SAVINGS, today.first] >= falls.cents[today.first]))
        falls.happened[who] = True
        amount, destination = falls.cents[who], np.array(_FALL_DESTINATIONS)[falls.destination[who]]
        moved = np.where(falls.is_undone[who], 0, amount)
        self.balances[_SAVINGS, who] -= moved
        self.balances[_CHECKING, who] += np.where(destination == _OWN_CHECKING, moved, 0)
        transfer, out = np.full(len(who), _TRANSFER), np.full(len(who), _OUT)
        self._book(today, who, amount, transfer, out, destination, purpose="fall")
        twice, undone = np.flatnonzero(falls.is_doubled[who]), np.flatnonzero(falls.is_undone[who])
        self._book(today, who[twice], amount[twice], transfer[twice], out[twice], destination[twice], purpose="fall")
        back = np.full(len(undone), _IN)
        self._book(
            today, who[undone], amount[undone], transfer[undone], back, np.full(len(undone), _OWN_SAVINGS),
            purpose="undone",
        )  # fmt: skip
        return who

    def purchase_probability(self, today: Today) -> Floats:
        """Transfers thin out as interest wanes."""
        return np.minimum(self.rate[today.first] * (1 - 0.8 * today.lives.fade[today.first]), 0.95)

    def margin_per_day(self, today: Today) -> Floats:
        """Interest margin on the balances and the fees of a salary account."""
        held = np.maximum(self.balances[:, today.first], 0).sum(axis=0)
        return np.asarray((held / 100 * 0.018 + 36) / 365)

    def _book(
        self,
        today: Today,
        who: Integers,
        amount: Floats,
        category: Integers,
        direction: Integers,
        destination: Integers,
        *,
        late: bool = False,
        purpose: str | None = None,
    ) -> None:
        """Hand in one transfer of each of some customers; a few reach the file two days later."""
        hours = (21.0, 23.5) if late else (7.0, 21.0)
        name = f"{late}" if purpose is None else purpose
        rows = {
            "customer": who,
            "booked_at": today.times(f"bank/time/{name}", who, *hours),
            "amount": amount,
            "category": category,
            "channel": today.chance.choice("bank/channel", today.day, who, _CHANNEL_SHARES[category]),
            "direction": direction,
            "destination": destination,
        }
        delayed = (today.uniform(f"bank/late/{name}", who) < 0.005) & (purpose is None)
        for delay, chosen in ((0, ~delayed), (2, delayed)):
            today.out.add("transfers", today.day + delay, {name: values[chosen] for name, values in rows.items()})

    def _report(self, out: Outgoing, due: int, who: Integers, at: Integers) -> None:
        for account in (_CHECKING, _SAVINGS):
            rows = {
                "customer": who,
                "at": np.full(len(who), at),
                "account": np.full(len(who), account),
                "balance": self.balances[account, who],
            }
            out.add("balances", due, rows)
