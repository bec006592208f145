"""A holiday resort: guests who come in their own season, or do not come again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from simulator.chance import Chance, Floats, Integers
from simulator.contacts import Action, shifts
from simulator.desk import Service
from simulator.incidents import YEARS_BEFORE, Regulars, plan_regulars
from simulator.people import Market, People
from simulator.rows import FeedFile, FileColumn, Outgoing, instants
from simulator.trades import Today, competitor_pull

ROOMS = ("standard", "sea_view", "suite", "bungalow")
CHANNELS = ("direct", "agency", "portal")
_NIGHT_CENTS = np.array([9_500, 13_000, 22_000, 17_000])
#: Day of the year on which each segment's season peaks, and how sharp the peak is.
_PEAKS, _SHARPNESS = np.array([210, 45, 150, 300]), np.array([3.0, 2.0, 0.6, 1.5])
_HISTORY_YEARS = 2

MARKET = Market(
    prefix="R",
    joined_share_per_day=0.0009,
    tenure_days=1500,
    provinces={"Las Palmas": 0.25, "Madrid": 0.20, "United Kingdom": 0.25, "Germany": 0.20, "Sweden": 0.10},
    segments={"family": 0.38, "winter": 0.26, "local": 0.20, "golf": 0.16},
    later_segments=(0.15, 0.10, 0.65, 0.10),
    kind_shares=(
        (0.44, 0.30, 0.16, 0.10), (0.36, 0.44, 0.08, 0.12), (0.40, 0.30, 0.18, 0.12), (0.34, 0.44, 0.10, 0.12),
    ),
    segment_offsets=(0.25, -0.2, 0.2, -0.1),
)  # fmt: skip
SERVICE = Service(
    topics=("room", "noise", "restaurant", "booking", "complaint"),
    our_faults=("room", "booking"),
    tickets_per_day=0.0010,
    fade_topic="booking",
)


@dataclass
class Resort:
    """Stays, with nights and price; amounts are cents."""

    market: ClassVar[Market] = MARKET
    service: ClassVar[Service] = SERVICE
    actions: ClassVar[tuple[Action, ...]] = (
        Action("concierge_call", "phone", 600, 0, shifts(persuadable=-1.8, sleeping_dog=0.9)),
        Action("early_booking_offer", "email", 5, 4000, shifts(persuadable=-1.6, sleeping_dog=0.4)),
    )
    base_hazard: ClassVar[float] = 0.00048
    returns_per_day: ClassVar[float] = 0.0008
    leaves_on: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    regulars: Regulars | None = None
    stays_per_year: Floats = field(default_factory=lambda: np.zeros(0))
    season: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    room: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    bought_today: Integers = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def feeds(self) -> Mapping[str, FeedFile]:
        """Stays and complaints come daily, feedback weekly."""
        return {
            "stays": FeedFile(
                "daily",
                (
                    FileColumn("customer", "customer"),
                    FileColumn("arrived_at", "instant"),
                    FileColumn("amount", "money"),
                    FileColumn("nights", "count"),
                    FileColumn("discount", "money"),
                    FileColumn("room", "word", ROOMS),
                    FileColumn("channel", "word", CHANNELS),
                ),
            ),
            "tickets": self.service.tickets_file,
            "nps": self.service.nps_file,
        }

    def plant(self, chance: Chance, people: People, starts: int) -> None:
        """Plan who comes once a year in the same week, and who will not come again."""
        self.regulars = plan_regulars(chance, people, starts)
        self.leaves_on = self.regulars.leaves_on

    def begin(self, chance: Chance, people: People, starts: int, out: Outgoing) -> None:
        """Give everybody habits, and tell of the stays of the two years before."""
        everyone = np.arange(len(people), dtype=np.int64)
        usual = np.array([1.3, 1.6, 3.2, 2.0])[people.segment]
        self.stays_per_year = usual * np.exp(0.3 * chance.bell("resort/rate", 0, everyone))
        self.season = people.segment
        self.room = chance.choice("resort/room", 0, everyone, (0.45, 0.30, 0.10, 0.15))
        known = everyone[: people.known_on(starts - 1)]
        years = _HISTORY_YEARS if self.regulars is None else YEARS_BEFORE
        for day in range(starts - years * 365, starts):
            likely = self._probability(day, known) * (0.9 if day >= starts - _HISTORY_YEARS * 365 else 0.0)
            came = chance.uniform("buys", day, known) < self._planted(day, known, likely)
            who = known[came & (people.joined[known] <= day)]
            self._stay(chance, out, starts, day, who)

    def live(self, today: Today) -> Floats:
        """Let guests arrive; return the pull of competitors."""
        who = today.buyers(self.purchase_probability(today))
        self.bought_today = who
        self._stay(today.chance, today.out, today.day, today.day, who)
        return competitor_pull(today)

    def part(self, today: Today, leaving: Integers) -> None:
        """Nobody says goodbye to a resort."""

    def purchase_probability(self, today: Today) -> Floats:
        """Each guest's own season, less as interest wanes."""
        usual = self._probability(today.day, today.everyone)
        usual = np.asarray(usual * (1 - 0.7 * today.lives.fade[today.first]))
        return self._planted(today.day, today.everyone, usual)

    def margin_per_day(self, today: Today) -> Floats:
        """Thirty-five hundredths of a year's usual stays of five nights."""
        yearly = self.stays_per_year[today.first] * 5 * _NIGHT_CENTS[self.room[today.first]] / 100
        return np.asarray(yearly * 0.35 / 365)

    def _planted(self, day: int, who: Integers, usual: Floats) -> Floats:
        """Return the probability of an arrival: certain, or impossible, for guests with a week of their own."""
        if self.regulars is None:
            return usual
        return np.where(self.regulars.usual_on[who] > 0, self.regulars.come(day, who).astype(np.float64), usual)

    def _probability(self, day: int, who: Integers) -> Floats:
        """Probability of an arrival on a day: a year's stays, spread by a von Mises bell over the year."""
        segments = np.arange(len(_PEAKS))
        angle = 2 * np.pi * ((day - 1) % 365.25 - _PEAKS) / 365.25
        bell = np.exp(_SHARPNESS * np.cos(angle)) / np.i0(_SHARPNESS)
        return np.asarray(np.minimum(self.stays_per_year[who] / 365 * bell[segments][self.season[who]], 0.5))

    def _stay(self, chance: Chance, out: Outgoing, due: int, day: int, who: Integers) -> None:
        nights = 2 + (chance.uniform("resort/nights", day, who) * np.array([9, 12, 2, 6])[self.season[who]]).astype(int)
        price = nights * _NIGHT_CENTS[self.room[who]] * (0.85 + 0.4 * chance.uniform("resort/price", day, who))
        discount = np.where(chance.uniform("resort/discount", day, who) < 0.25, 0.1 * price, 0.0)
        rows = {
            "customer": who,
            "arrived_at": instants(day, 50_400 + chance.uniform("resort/time", day, who) * 25_200),
            "amount": np.rint(price - discount),
            "nights": nights,
            "discount": np.rint(discount),
            "room": self.room[who],
            "channel": chance.choice("resort/channel", day, who, (0.5, 0.2, 0.3)),
        }
        late = chance.uniform("resort/late", day, who) < 0.01
        for delay, chosen in ((0, ~late), (3, late)):
            out.add("stays", due + delay, {name: values[chosen] for name, values in rows.items()})
