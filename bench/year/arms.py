"""One policy in one world: its own copy of the company with the same luck, and what its decisions are truly worth."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bench.year.oracle import know
from bench.year.plan import Integers, Plan, value_amounts
from bench.year.watching import Flags, Watched
from campaigns.holdout import draw
from simulator import Company, Contact

CAMPAIGN = "year"


class Policy(Protocol):
    """Decides whom of those who are looked at to contact."""

    def choose(self, arm: Arm, week: int, who: Integers) -> Integers:
        """Return the positions of those to contact, at most ``arm.capacity(who)`` of them where the policy is bound."""


@dataclass
class Told:
    """What became of a week's decisions.

    Attributes:
        contacts: How many were contacted.
        spent_amount: What their contacts are expected to cost.
        kept_count: How many of them stay within the horizon who would have left: expected, by the truth.
        earned_amount: Value of those kept, less the cost: expected, by the truth.
        best_amount: What the best list of the same candidates under the same capacity would have earned.
        margin_amount: Margin of the week's active customers, as it happened.
        active_count: Customers at the end of the week.
        book_amount: What they are worth.
    """

    contacts: int = 0
    spent_amount: float = 0.0
    kept_count: float = 0.0
    earned_amount: float = 0.0
    best_amount: float = 0.0
    margin_amount: float = 0.0
    active_count: int = 0
    book_amount: float = 0.0


@dataclass
class Arm:
    """A policy at work.

    Args:
        name: Of the policy.
        plan: What the study does.
        company: Its world.
        policy: Who decides.
        watched: What the files told it; None for policies that need no files.
    """

    name: str
    plan: Plan
    company: Company
    policy: Policy
    watched: Watched | None = None
    told: list[Told] = field(default_factory=list)

    def live(self, week: int, wave: Integers) -> None:
        """Decide on Monday, then let the week pass."""
        who = np.flatnonzero(self.is_open & (wave == week % self.plan.wave_weeks))
        true = know(self.company, who)
        kept, cost = true.kept[self.plan.action], true.cost_amounts[self.plan.action]
        gains = kept * value_amounts(self.prices[who]) - cost
        chosen = self.policy.choose(self, week, who)
        is_chosen = np.isin(who, chosen)
        told = Told(
            contacts=len(chosen),
            spent_amount=float(cost[is_chosen].sum()),
            kept_count=float(kept[is_chosen].sum()),
            earned_amount=float(gains[is_chosen].sum()),
            best_amount=float(np.sort(np.maximum(gains, 0.0))[::-1][: self.capacity(who)].sum()),
        )
        contacts = self._contacts(chosen)
        for _ in range(7):
            self.play(contacts)
            contacts = []
            told.margin_amount += self._margin()
        active = self.company.lives.is_active[: self.known]
        told.active_count = int(active.sum())
        told.book_amount = float(value_amounts(self.prices[: self.known])[active].sum())
        self.told.append(told)

    def play(self, contacts: list[Contact] | None = None) -> None:
        """Let the next day happen, and read its files."""
        day = self.company.played_until + timedelta(days=1)
        self.company.play(day, contacts or [])
        if self.watched is not None:
            self.watched.read(day)

    def capacity(self, who: Integers) -> int:
        """How many of those who are looked at can be contacted."""
        return round(self.plan.capacity_share * len(who))

    @property
    def known(self) -> int:
        """Everybody who has ever been a customer."""
        return self.company.people.known_on(self.company.played_until.toordinal())

    @property
    def prices(self) -> Integers:
        """Monthly prices in cents, as they are on the invoices."""
        prices: Integers = self.company.trade.price  # type: ignore[attr-defined]
        return prices

    @property
    def is_open(self) -> Flags:
        """Who may be contacted by telephone: by the files where there are any, else as it is, which is the same."""
        if self.watched is not None:
            return self.watched.is_eligible & self.watched.may_call
        people, lives = self.company.people, self.company.lives
        is_open = lives.is_active & lives.has_consent & people.has_phone & ~people.is_vulnerable & ~people.in_hardship
        is_open[self.known :] = False
        return is_open

    def ids(self, who: Integers) -> pa.Array:
        """Names of customers."""
        return self.company.people.ids.take(pa.array(who))

    def _contacts(self, chosen: Integers) -> list[Contact]:
        action = next(action for action in self.company.actions if action.name == self.plan.action)
        return [Contact(None, name, CAMPAIGN, action.name, action.channel) for name in self.ids(chosen).to_pylist()]

    def _margin(self) -> float:
        today = self.company.today(self.company.played_until)
        return float(self.company.trade.margin_per_day(today)[today.is_active].sum())


def waves(company: Company, plan: Plan) -> npt.NDArray[np.int64]:
    """Return the week of the wave in which each customer is looked at, from 0."""
    return (draw(company.people.ids, salt=f"{CAMPAIGN}/wave") * plan.wave_weeks).astype(np.int64)
