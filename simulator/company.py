"""One simulated company: play its days, read its files, hand it contact lists."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from simulator.bank import Bank
from simulator.chance import Chance, Floats
from simulator.contacts import CONTACTS_FILE, FEED, Action, Contact, Crm, read_contact_lists
from simulator.dealer import Dealer
from simulator.desk import Desk
from simulator.files import append_dirt, write_csv
from simulator.incidents import decided, returning
from simulator.lives import Lives
from simulator.people import draw_people
from simulator.resort import Resort
from simulator.rows import FeedFile, Outgoing, Rows, as_table, instants
from simulator.scenarios import SCENARIOS
from simulator.telecom import Telecom
from simulator.trades import Today, Trade, customers_file

CompanyKind = Literal["telecom", "bank", "resort", "dealer"]

_TRADES: Mapping[str, type[Trade]] = {"telecom": Telecom, "bank": Bank, "resort": Resort, "dealer": Dealer}
_LOOKS_AHEAD_DAYS = 30


class Company:
    """A company whose truth is known; open one with :func:`open_company`.

    What a real company would not know (``people``, ``lives``, ``hazard``) is for :mod:`simulator.truth` and tests.
    """

    def __init__(self, kind: CompanyKind, *, seed: int, customer_count: int, starts_on: date, scenario: str) -> None:
        self.kind, self.seed, self.starts_on = kind, seed, starts_on
        self.scenario = SCENARIOS[scenario]
        self.played_until = starts_on - timedelta(days=1)
        self.chance = Chance(f"{kind}/{seed}")
        self.trade: Trade = _TRADES[kind]()
        starts = starts_on.toordinal()
        count = min(customer_count, self.scenario.customers_at_most or customer_count)
        self.people = draw_people(
            self.chance, self.trade.market, customer_count=count, starts=starts, scenario=self.scenario
        )
        self.lives = Lives.begin(self.chance, self.people)
        self.desk = Desk.open(self.trade.service, self.chance, self.people)
        self.crm = Crm({action.name: action for action in self.trade.actions}, self.people, self.scenario)
        self.files: Mapping[str, FeedFile] = {
            **self.trade.feeds, FEED: CONTACTS_FILE, "customers": customers_file(self.scenario)
        }  # fmt: skip
        self.out = Outgoing(self.files)
        if self.scenario.plants_incidents:
            self.trade.plant(self.chance, self.people, starts)
        self.trade.begin(self.chance, self.people, starts, self.out)
        self.hazard: Floats = np.zeros(0)
        self.is_frozen = False
        self._rows: dict[str, list[Rows]] = {}

    @property
    def actions(self) -> tuple[Action, ...]:
        """What the company can do to keep its customers."""
        return self.trade.actions

    def play(self, day: date, contacts: Sequence[Contact] = ()) -> None:
        """Let a day happen: contacts are sent first, then customers live, and some leave.

        Args:
            day: The day after the last one played; the first is ``starts_on``.
            contacts: What is on the day's contact lists.

        Raises:
            ValueError: the day is not the next one, or the company knows no newcomers for it any more.
        """
        expected = self.played_until + timedelta(days=1)
        if day != expected:
            raise ValueError(f"day: {day} cannot be played now. Days are played in order. Play {expected}.")
        today = self.today(day)
        if len(today.everyone) == len(self.people) and len(self.people) > self.people.known_on(day.toordinal() - 1):
            raise ValueError(f"day: {day} is too far from {self.starts_on}. Open a company that starts later.")
        self.lives.pass_a_day(self.chance, today.day, today.everyone, self.scenario)
        self.crm.send(self.chance, today.day, contacts, self.lives, self.out)
        self.desk.happen(self.chance, today.day, today.everyone, self.lives, self.out)
        self.hazard = self._hazards(today, self.trade.live(today))
        if not self.is_frozen:
            self._let_leave(today)
        self.played_until = day
        if self.out.is_open:
            if self.files["customers"].is_due(day):
                self.out.add("customers", today.day, self._customers(today))
            self._rows = self.out.collect(day)

    def today(self, day: date) -> Today:
        """Return a day as the company's parts see it."""
        ordinal = day.toordinal()
        everyone = np.arange(self.people.known_on(ordinal), dtype=np.int64)
        after = self.scenario.changes_after_days
        changed = after is not None and (day - self.starts_on).days >= after
        return Today(ordinal, day, everyone, self.chance, self.people, self.lives, self.out, changed, self.is_frozen)

    def _hazards(self, today: Today, pull: Floats) -> Floats:
        """Return everyone's probability of leaving today."""
        if self.scenario.constant_hazard is not None:
            # The log of the odds would be exact at any size; the hazards are small, and the ratio is what was planted.
            return self.scenario.constant_hazard * np.exp(self.lives.nudge[today.first])
        pull += self.people.frailty[today.first]
        pull += self.lives.pull(today.everyone, self.scenario, has_changed=today.has_changed)
        return decided(np.minimum(self.trade.base_hazard * np.exp(pull), 0.2), self.trade.leaves_on, today.day)

    def _let_leave(self, today: Today) -> None:
        leaves = today.is_active & (today.uniform("leave") < self.hazard)
        returns = np.zeros(0, dtype=np.int64)
        if self.trade.returns_per_day:
            returns = np.flatnonzero(~today.is_active & (today.uniform("return") < self.return_probability(today)))
        leaving = np.flatnonzero(leaves)
        self.lives.is_active[leaving] = False
        self.lives.left_on[leaving] = today.day
        self.trade.part(today, leaving)
        if len(returns):
            self.lives.is_active[returns] = True
            self.lives.left_on[returns] = 0

    def return_probability(self, today: Today) -> Floats:
        """Return the probability that a customer who stays away comes back today."""
        back = -1.0 * self.lives.nudge[today.first] - 0.5 * self.people.frailty[today.first]
        return returning(np.minimum(self.trade.returns_per_day * np.exp(back), 0.5), self.trade.leaves_on)

    def feeds(self, day: date) -> Mapping[str, pa.Table]:
        """Return what the files named by the day last played contain, without the faults that files have.

        Args:
            day: The day last played; feeds whose file does not come on it, or has no row, are absent.

        Raises:
            ValueError: another day.
        """
        if day != self.played_until:
            raise ValueError(f"day: {day} is not the day last played ({self.played_until}). Ask on the day itself.")
        return {feed: as_table(self.files[feed], parts, self.people) for feed, parts in self._rows.items()}

    def rows(self, day: date) -> Mapping[str, Sequence[Rows]]:
        """Return what :meth:`feeds` returns, as arrays by feed: positions and codes, corrections not yet applied.

        Raises:
            ValueError: another day than the one last played.
        """
        if day != self.played_until:
            raise ValueError(f"day: {day} is not the day last played ({self.played_until}). Ask on the day itself.")
        return self._rows

    def write_day(self, folder: Path, day: date) -> Mapping[str, int]:
        """Write the files of the day last played, ``<folder>/<feed>/<day>.csv``, with a few spoiled lines.

        Returns:
            How many spoiled lines each file has: all of them belong into quarantine.
        """
        return {feed: self._write(folder, feed, day, table) for feed, table in self.feeds(day).items()}

    def write_history(self, folder: Path, until: date) -> Mapping[str, int]:
        """Play all days up to ``until`` and write one file per feed, named by that day; it ends the newsletter.

        Of rows that were corrected meanwhile the file has the last version; of the customers, those of ``until``.

        Returns:
            How many spoiled lines each file has.
        """
        gathered: dict[str, list[Rows]] = {}
        while self.played_until < until:
            self.play(self.played_until + timedelta(days=1))
            for feed, parts in self._rows.items():
                gathered[feed] = ([] if feed == "customers" else gathered.get(feed, [])) + parts
        gathered["customers"] = [self._customers(self.today(until))]
        self.crm.newsletter_until = until.toordinal()
        tables = {feed: as_table(self.files[feed], parts, self.people) for feed, parts in gathered.items()}
        return {feed: self._write(folder, feed, until, table) for feed, table in tables.items()}

    def take_contacts(self, outbox: Path, day: date) -> tuple[Contact, ...]:
        """Read the contact lists of a day, ``<outbox>/<day>/<channel>.csv``, for :meth:`play` to send on that day."""
        return read_contact_lists(outbox / day.isoformat())

    def fork(self, world: str | None = None) -> Company:
        """Return a copy with a future of its own, whose feeds nobody reads.

        Args:
            world: Names another luck from tomorrow on; None keeps this company's luck, so that only contacts differ.
        """
        forked = copy.copy(self)
        memo = {id(self.people): self.people}
        for name in ("lives", "trade", "desk", "crm", "out"):
            setattr(forked, name, copy.deepcopy(getattr(self, name), memo))
        if world is not None:
            forked.chance = Chance(f"{self.chance.world}/{world}")
        return forked

    def _write(self, folder: Path, feed: str, day: date, table: pa.Table) -> int:
        path = folder / feed / f"{day}.csv"
        write_csv(table, path)
        return append_dirt(path, self.chance, feed, day, table)

    def _customers(self, today: Today) -> Rows:
        """Return the customers' file: all who ever were. A file without those who left would tell who left."""
        people, market, who = self.people, self.trade.market, today.everyone
        rows: dict[str, np.ndarray] = {
            "customer": who,
            "since": instants(0, 0) + people.joined[who] * 86_400 + 36_000,
            "household": np.array([f"H{number:07d}" for number in people.household[who].tolist()], dtype=object),
            "contact_key": np.array(people.contact_keys.take(pa.array(who)).to_pylist(), dtype=object),
            "consent": self.lives.has_consent[who],
            "has_phone": people.has_phone[who],
            "has_email": people.has_email[who],
            "segment": np.array(list(market.segments), dtype=object)[people.segment[who]],
            "province": np.array(list(market.provinces), dtype=object)[people.province[who]],
            "language": people.language[who],
            "gender": people.gender[who],
            "age_band": people.age_band[who],
            "vulnerable": people.is_vulnerable[who],
            "hardship": people.in_hardship[who],
        }
        if self.scenario.knows_the_future:
            ahead = self.fork()
            for _ in range(_LOOKS_AHEAD_DAYS):
                ahead.play(ahead.played_until + timedelta(days=1))
            rows["final_invoice_planned"] = ahead.lives.left_on[today.first] > today.day
        return rows


def open_company(
    kind: CompanyKind, *, seed: int, customer_count: int, starts_on: date, scenario: str = "ordinary"
) -> Company:
    """Open a company whose truth is known. The same arguments give the same company on every machine.

    Args:
        kind: ``telecom`` (contracts), ``bank`` (accounts), ``resort`` (seasonal guests), ``dealer`` (cars).
        seed: Names the world.
        customer_count: Customers on the first day; newcomers join every day for five years.
        starts_on: The first day that is played.
        scenario: What is planted; one of :data:`simulator.scenarios.SCENARIOS`.

    Raises:
        ValueError: an unknown kind or scenario, or no customers.

    Examples:
        >>> company = open_company("telecom", seed=7, customer_count=500, starts_on=date(2025, 1, 1))
        >>> company.play(date(2025, 1, 1))
        >>> company.feeds(date(2025, 1, 1))["contracts"].num_rows > 500
        True
    """
    if kind not in _TRADES:
        raise ValueError(f"kind: {kind!r} is no company. Choose one of: {', '.join(_TRADES)}.")
    if scenario not in SCENARIOS:
        raise ValueError(f"scenario: {scenario!r} is not known. Choose one of: {', '.join(SCENARIOS)}.")
    if customer_count < 1:
        raise ValueError(f"customer_count: must be at least 1 (got {customer_count}).")
    return Company(kind, seed=seed, customer_count=customer_count, starts_on=starts_on, scenario=scenario)
