"""What a kind of company must say of itself: its market, its feeds, and what pulls its customers away."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Protocol

import numpy as np

from simulator.chance import Chance, Flags, Floats, Integers
from simulator.contacts import Action
from simulator.desk import Service
from simulator.lives import Lives
from simulator.people import AGE_BANDS, GENDERS, LANGUAGES, Market, People
from simulator.rows import FeedFile, FileColumn, Outgoing, instants
from simulator.scenarios import Scenario


@dataclass(frozen=True)
class Today:
    """A day of the company, as its parts see it.

    Args:
        day: Its ordinal.
        on: Its date.
        everyone: Positions of all who have ever been customers, ``0..known-1``.
        chance: The world.
        people: Who they are.
        lives: What changes in them.
        out: Where rows go.
        has_changed: True once a scenario's second half has begun.
        is_frozen: True in a world in which nobody buys or leaves, because the truth is reckoned in it.
    """

    day: int
    on: date
    everyone: Integers
    chance: Chance
    people: People
    lives: Lives
    out: Outgoing
    has_changed: bool = False
    is_frozen: bool = False

    @property
    def first(self) -> slice:
        """Selects the state of everyone who has ever been a customer."""
        return slice(0, len(self.everyone))

    def buyers(self, probability: Floats) -> Integers:
        """Return the positions of those who buy today, given everyone's probability as a customer."""
        if self.is_frozen:
            return np.zeros(0, dtype=np.int64)
        return np.flatnonzero((self.uniform("buys") < probability) & self.is_active)

    @property
    def is_active(self) -> Flags:
        """Who is a customer today."""
        return self.lives.is_active[self.first]

    def uniform(self, purpose: str, customers: Integers | None = None) -> Floats:
        """Today's luck for a purpose, of everyone or of some."""
        return self.chance.uniform(purpose, self.day, self.everyone if customers is None else customers)

    def times(self, purpose: str, customers: Integers, since_hour: float, until_hour: float) -> Integers:
        """An instant within today's opening hours for each of some customers."""
        return instants(self.day, 3600 * (since_hour + (until_hour - since_hour) * self.uniform(purpose, customers)))

    def season(self, peak: int) -> float:
        """1 on the day of the year ``peak``, -1 half a year away from it."""
        return math.cos(2 * math.pi * (self.on.timetuple().tm_yday - peak) / 365.25)


class Trade(Protocol):
    """A kind of company. Its state is its own; a forked world has a copy of it."""

    market: ClassVar[Market]
    service: ClassVar[Service]
    actions: ClassVar[tuple[Action, ...]]
    base_hazard: ClassVar[float]
    returns_per_day: ClassVar[float]
    #: Ordinals of the days on which planted leavers leave (0: by chance, below: never); empty when nothing is planted.
    leaves_on: Integers

    @property
    def feeds(self) -> Mapping[str, FeedFile]:
        """The files of its own; those of contacts and customers are everybody's."""

    def plant(self, chance: Chance, people: People, starts: int) -> None:
        """Plan the incidents of scenario ``incidents``, before anything begins."""

    def begin(self, chance: Chance, people: People, starts: int, out: Outgoing) -> None:
        """Set up the state in which the company is found, and hand in what the feeds tell of the time before."""

    def live(self, today: Today) -> Floats:
        """Let a day's business happen; return what it adds to everyone's log hazard of leaving."""

    def part(self, today: Today, leaving: Integers) -> None:
        """Tell the feeds of those who leave today."""

    def purchase_probability(self, today: Today) -> Floats:
        """Return everyone's probability of a purchase today, as customers; only where leaving is silence."""

    def margin_per_day(self, today: Today) -> Floats:
        """Return the expected margin of a day of each customer, in currency units."""


def competitor_pull(today: Today) -> Floats:
    """Return a log hazard for customers in provinces where a competitor is at work.

    In each period of 45 days a competitor attacks each province with a probability of one in six.
    """
    provinces = np.arange(len(today.people.market.provinces), dtype=np.int64)
    attacked = today.chance.uniform("market/competitor", today.day // 45, provinces) < 1 / 6
    return np.asarray(0.6 * attacked[today.people.province[today.first]])


def customers_file(scenario: Scenario) -> FeedFile:
    """The file of all customers; scenario ``leaky`` gives away who will leave in the month to come."""
    columns: tuple[FileColumn, ...] = (
        FileColumn("customer", "customer"),
        FileColumn("since", "instant"),
        FileColumn("household", "text"),
        FileColumn("contact_key", "text"),
        FileColumn("consent", "flag"),
        FileColumn("has_phone", "flag"),
        FileColumn("has_email", "flag"),
        FileColumn("segment", "text"),
        FileColumn("province", "text"),
        FileColumn("language", "word", LANGUAGES),
        FileColumn("gender", "word", GENDERS),
        FileColumn("age_band", "word", AGE_BANDS),
        FileColumn("vulnerable", "flag"),
        FileColumn("hardship", "flag"),
    )
    if scenario.knows_the_future:
        columns += (FileColumn("final_invoice_planned", "flag"),)
    return FeedFile("weekly", columns)
