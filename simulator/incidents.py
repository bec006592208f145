"""Incidents that are planted (scenario ``incidents``), for triggers to find: what, to whom, when, and who leaves of it.

- a bank's customers move much of their savings at once: to their checking account, to a merchant, or to another bank,
  which they follow some weeks later. Some falls are undone on the same day, some transfers stand in the file twice;
- a resort's regular guests come once a year in their own week, and some of them do not come again;
- a dealer's cars are replaced at an age that is their model's, half a season earlier or later.

Everything is drawn from the company's luck before the first day: the same seed plants the same incidents. What happened
of it (who had left before could not move anything) is told by :func:`falls_of`, :func:`regulars_of` and
:func:`replacement_days_of`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pyarrow as pa

from simulator.chance import Chance, Flags, Floats, Integers
from simulator.people import People

#: Stands in ``leaves_on`` for customers who never leave; 0 is for those who leave by chance.
NEVER = -1

FALL_DESTINATIONS = ("own_checking", "merchant", "other_bank")
_OTHER_BANK = FALL_DESTINATIONS.index("other_bank")
FALL_SHARE, _FALL_SHARES = 0.08, (0.35, 0.25, 0.40)
_FALLS_FROM_DAY, _FALLS_FOR_DAYS = 45, 200
_LEAST_CENTS, _MOST_CENTS = 800_000, 3_000_000
LEAD_DAYS = (21, 56)
#: Days around a planted fall in which nothing else moves the customer's savings: the fall is what was planted.
QUIET_DAYS = 31
_UNDONE_SHARE, _DOUBLED_SHARE = 0.10, 0.10

YEARS_BEFORE = 4
_REGULAR_SHARE, _STOP_SHARE, _STRAY_DAYS = 0.45, 0.40, 5

#: Mean age at which a car of each model is replaced, in years, and how far from it.
REPLACED_AFTER_YEARS, _REPLACED_SPREAD_YEARS = (5.0, 4.5, 5.5, 6.0, 4.0), 0.25


@dataclass
class Falls:
    """Falls of savings, planned and happened; one entry per customer.

    Args:
        on: Ordinal of the day; 0 for nobody.
        cents: How much.
        destination: Code into :data:`FALL_DESTINATIONS`.
        is_undone: The money comes back on the same day: at its end nothing has fallen.
        is_doubled: The transfer stands in the file twice.
        leaves_on: Ordinal of the day on which the customer leaves; 0: by chance.
        happened: Who moved the money: not those who had left before, or had not enough.
    """

    on: Integers
    cents: Floats
    destination: Integers
    is_undone: Flags
    is_doubled: Flags
    leaves_on: Integers
    happened: Flags = field(init=False)

    def __post_init__(self) -> None:
        self.happened = np.zeros(len(self.on), dtype=np.bool_)

    def is_quiet(self, day: int, who: Integers) -> Flags:
        """True for customers of ``who`` whose planted fall is near."""
        near: Flags = (self.on[who] > 0) & (np.abs(day - self.on[who]) <= QUIET_DAYS)
        return near


@dataclass(frozen=True)
class Regulars:
    """Guests who come once a year in their own week; one entry per customer.

    Args:
        usual_on: Ordinal of the first usual day in the company's first year; 0 for those who come by chance.
        strays: Days by which each visit of a year (column, from :data:`YEARS_BEFORE` years before) misses that day.
        stops_on: Ordinal of the usual day from which on the guest does not come; 0 for never.
    """

    usual_on: Integers
    strays: Integers
    stops_on: Integers

    @property
    def leaves_on(self) -> Integers:
        """Regulars leave on the day on which they do not come, or never."""
        return np.where(self.usual_on == 0, 0, np.where(self.stops_on > 0, self.stops_on, NEVER))

    def come(self, day: int, who: Integers) -> Flags:
        """True for customers of ``who`` whose visit of the year is on a day."""
        found = np.zeros(len(who), dtype=np.bool_)
        usual, stops = self.usual_on[who], self.stops_on[who]
        for year in range(self.strays.shape[1]):
            expected = usual + 365 * (year - YEARS_BEFORE)
            goes_on = (stops == 0) | (expected < stops)
            found |= (usual > 0) & goes_on & (expected + self.strays[who, year] == day)
        return found


def plan_falls(chance: Chance, people: People, starts: int) -> Falls:
    """Plant falls of savings among the customers of the first day.

    Args:
        chance: The world.
        people: The customers.
        starts: Ordinal of the first day.
    """
    everyone = np.arange(len(people), dtype=np.int64)
    known = everyone < people.known_on(starts - 1)
    falls = known & (chance.uniform("incident/fall", 0, everyone) < FALL_SHARE)
    when = starts + _FALLS_FROM_DAY + (_FALLS_FOR_DAYS * chance.uniform("incident/day", 0, everyone)).astype(np.int64)
    size = chance.uniform("incident/amount", 0, everyone)
    cents = np.rint((_LEAST_CENTS + (_MOST_CENTS - _LEAST_CENTS) * size) / 100) * 100
    destination = chance.choice("incident/destination", 0, everyone, _FALL_SHARES)
    leads = LEAD_DAYS[0] + (
        (LEAD_DAYS[1] - LEAD_DAYS[0] + 1) * chance.uniform("incident/lead", 0, everyone)
    ).astype(np.int64)  # fmt: skip
    follows = falls & (destination == _OTHER_BANK)
    undone = falls & ~follows & (chance.uniform("incident/undone", 0, everyone) < _UNDONE_SHARE)
    return Falls(
        on=np.where(falls, when, 0),
        cents=np.where(falls, cents, 0.0),
        destination=destination,
        is_undone=undone,
        is_doubled=falls & (chance.uniform("incident/doubled", 0, everyone) < _DOUBLED_SHARE),
        leaves_on=np.where(follows, when + leads, 0),
    )


def plan_regulars(chance: Chance, people: People, starts: int) -> Regulars:
    """Plant guests with a week of their own among those who came for the first time more than four years ago."""
    everyone = np.arange(len(people), dtype=np.int64)
    is_old = people.joined <= starts - 365 * YEARS_BEFORE - _STRAY_DAYS
    regular = is_old & (chance.uniform("incident/regular", 0, everyone) < _REGULAR_SHARE)
    # A week away from both ends of the year of the company: no visit falls into another year.
    usual = starts + 7 + (350 * chance.uniform("incident/usual", 0, everyone)).astype(np.int64)
    strays = np.stack(
        [
            ((2 * _STRAY_DAYS + 1) * chance.uniform(f"incident/stray/{year}", 0, everyone)).astype(np.int64)
            for year in range(YEARS_BEFORE + 6)
        ],
        axis=1,
    )
    stops = regular & (chance.uniform("incident/stops", 0, everyone) < _STOP_SHARE)
    return Regulars(np.where(regular, usual, 0), strays - _STRAY_DAYS, np.where(stops, usual, 0))


def replacement_days(chance: Chance, everyone: Integers, model: Integers) -> Floats:
    """Return the age in days, whole, at which each customer replaces a car of his model."""
    spread = _REPLACED_SPREAD_YEARS * (2 * chance.uniform("incident/replaces", 0, everyone) - 1)
    return np.rint(365 * (np.asarray(REPLACED_AFTER_YEARS)[model] + spread))


def decided(hazard: Floats, leaves_on: Integers, day: int) -> Floats:
    """Return everyone's probability of leaving today, where it is certain for some.

    Args:
        hazard: By chance, of the first customers.
        leaves_on: Ordinals, of all customers; 0: by chance; empty when nothing is planted.
        day: Today's ordinal.
    """
    if not len(leaves_on):
        return hazard
    planned = leaves_on[: len(hazard)]
    return np.where(planned == 0, hazard, (planned == day).astype(np.float64))


def returning(probability: Floats, leaves_on: Integers) -> Floats:
    """Return everyone's probability of coming back today: whose leaving was planted stays away."""
    return np.where(leaves_on[: len(probability)] != 0, 0.0, probability) if len(leaves_on) else probability


def falls_of(falls: Falls | None, people: People) -> pa.Table:
    """Return the falls that happened: who, when, how much in currency units, where to, and who leaves on which day.

    Returns:
        ``customer_id, fell_on (date), amount, destination, is_undone, is_doubled, leaves_on (date or null)``, in order
        of customer.
    """
    if falls is None:
        raise ValueError("company: no falls are planted. Open a bank with scenario 'incidents'.")
    who = np.flatnonzero(falls.happened)
    leaves = falls.leaves_on[who]
    return pa.table(
        {
            "customer_id": people.ids.take(pa.array(who)),
            "fell_on": _dates(falls.on[who]),
            "amount": pa.array(falls.cents[who] / 100),
            "destination": pa.array(FALL_DESTINATIONS).take(pa.array(falls.destination[who])),
            "is_undone": pa.array(falls.is_undone[who]),
            "is_doubled": pa.array(falls.is_doubled[who]),
            "leaves_on": _dates(leaves),
        }
    )


def regulars_of(regulars: Regulars | None, people: People) -> pa.Table:
    """Return the regular guests: ``customer_id, usual_on (date, first year), stops_on (date or null)``."""
    if regulars is None:
        raise ValueError("company: no regular guests are planted. Open a resort with scenario 'incidents'.")
    who = np.flatnonzero(regulars.usual_on > 0)
    return pa.table(
        {
            "customer_id": people.ids.take(pa.array(who)),
            "usual_on": _dates(regulars.usual_on[who]),
            "stops_on": _dates(regulars.stops_on[who]),
        }
    )


def replacement_days_of(models: Sequence[str]) -> dict[str, float]:
    """Return the age in days at which half the cars of each model are replaced."""
    return {model: 365 * years for model, years in zip(models, REPLACED_AFTER_YEARS, strict=True)}


def _dates(ordinals: Integers) -> pa.Array:
    days = [date.fromordinal(day) if day > 0 else None for day in ordinals.tolist()]
    return pa.array(days, pa.date32())
