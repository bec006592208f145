"""Who the customers are: what is drawn once for each and never changes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from simulator.chance import Chance, Flags, Floats, Integers
from simulator.scenarios import KINDS, SLEEPING_DOG, Scenario

#: Newcomers are drawn for this many years.
YEARS = 5

GENDERS = ("female", "male", "unknown")
AGE_BANDS = ("18-29", "30-44", "45-59", "60-74", "75+")
LANGUAGES = ("es", "en")
#: Log factors of streaming and of talking, by kind, where habits show it: who likes to talk can be talked to; who
#: streams and hardly talks hates to be called; who will leave anyway uses little of anything.
HABITS_BY_KIND = ((-0.4, 0.9), (0.3, 0.1), (-0.9, -0.7), (0.8, -0.9))
_OWN_HABITS = 0.30
_AGE_SHARES = (0.18, 0.30, 0.27, 0.17, 0.08)


@dataclass(frozen=True)
class Market:
    """Where a company's customers come from.

    Args:
        prefix: Letter before the customers' numbers.
        joined_share_per_day: Newcomers a day, as a share of the customers at the start.
        tenure_days: Mean tenure of those who are customers at the start.
        provinces: Names, with shares.
        segments: Names, with shares.
        later_segments: Shares among newcomers after the population changed (scenario ``drift``).
        kind_shares: Shares of the hidden kinds, by segment.
        segment_offsets: Log hazard of leaving, by segment.
    """

    prefix: str
    joined_share_per_day: float
    tenure_days: float
    provinces: Mapping[str, float]
    segments: Mapping[str, float]
    later_segments: Sequence[float]
    kind_shares: Sequence[Sequence[float]]
    segment_offsets: Sequence[float]


@dataclass(frozen=True)
class People:
    """Every customer that the company has or will have, ordered by the day on which they join.

    Arrays have one entry per customer; codes point into the tuples of names. ``streams`` and ``talks`` are log factors
    of use.
    """

    market: Market
    ids: pa.Array
    joined: Integers
    household: Integers
    contact_keys: pa.Array
    has_consent: Flags
    has_phone: Flags
    has_email: Flags
    is_vulnerable: Flags
    in_hardship: Flags
    gender: Integers
    age_band: Integers
    segment: Integers
    province: Integers
    language: Integers
    kind: Integers = field(repr=False)
    frailty: Floats = field(repr=False)
    phone_reach: Floats = field(repr=False)
    email_reach: Floats = field(repr=False)
    streams: Floats = field(repr=False)
    talks: Floats = field(repr=False)

    def __len__(self) -> int:
        return len(self.joined)

    def __deepcopy__(self, memo: object) -> People:
        return self  # nothing here changes: forked worlds share it

    def known_on(self, day: int) -> int:
        """Return how many customers have joined by the end of a day (an ordinal): those are the first ones."""
        return int(np.searchsorted(self.joined, day, side="right"))

    def positions(self, customer_ids: Sequence[str]) -> Integers:
        """Return the customers' positions; -1 for ids that nobody has."""
        prefix, count = self.market.prefix, len(self)
        found = [
            int(text[1:]) - 1 if text[:1] == prefix and text[1:].isdecimal() and len(text) == 8 else -1
            for text in customer_ids
        ]
        positions = np.array(found, dtype=np.int64)
        return np.where(positions < count, positions, -1)


def draw_people(chance: Chance, market: Market, *, customer_count: int, starts: int, scenario: Scenario) -> People:
    """Draw the customers at the start and the newcomers of the years after it.

    Args:
        chance: The world.
        market: Where they come from.
        customer_count: Customers on the first day.
        starts: Ordinal of the first day.
        scenario: What is planted.
    """
    per_day = customer_count * market.joined_share_per_day
    newcomers = int(per_day * 365 * YEARS)
    everyone = np.arange(customer_count + newcomers, dtype=np.int64)

    def drawn(purpose: str) -> Floats:
        return chance.uniform(f"people/{purpose}", 0, everyone)

    tenure = np.minimum(-np.log1p(-drawn("tenure")) * market.tenure_days, 4000.0).astype(np.int64) + 1
    arrival = ((everyone - customer_count + drawn("arrival")) / max(per_day, 1e-9)).astype(np.int64)
    joined = np.where(everyone < customer_count, starts - tenure, starts + np.maximum(arrival, 0))
    shares = np.tile(list(market.segments.values()), (len(everyone), 1))
    if scenario.changes_after_days is not None:
        shares[joined >= starts + scenario.changes_after_days] = market.later_segments
    segment = chance.choice("people/segment", 0, everyone, shares)
    kind_shares = np.asarray(market.kind_shares, dtype=np.float64)[segment]
    kind_shares[:, SLEEPING_DOG] *= np.where(starts - joined > 730, 1.6, 0.8)
    kind = chance.choice("people/kind", 0, everyone, kind_shares)
    household = _households(drawn("household"))
    own, shared = chance.bell("people/frailty", 0, everyone), chance.bell("people/home", 0, household)
    offsets = np.asarray(scenario.kind_offsets) if scenario.response == "by_kind" else np.zeros(len(KINDS))
    frailty = offsets[kind] + np.asarray(market.segment_offsets)[segment] + 0.30 * own + 0.15 * shared
    perfect = scenario.is_delivery_perfect
    streams, talks = (
        scenario.kinds_show * (typical[kind] + _OWN_HABITS * chance.bell(f"people/{name}", 0, everyone))
        for name, typical in zip(("streams", "talks"), np.asarray(HABITS_BY_KIND).T, strict=True)
    )
    return People(
        market=market,
        ids=pa.array([f"{market.prefix}{number:07d}" for number in range(1, len(everyone) + 1)]),
        joined=joined,
        household=household,
        contact_keys=_contact_keys(household, drawn("address")),
        has_consent=drawn("consent") < 0.86,
        has_phone=drawn("phone") < (1.0 if perfect else 0.93),
        has_email=drawn("email") < (1.0 if perfect else 0.88),
        is_vulnerable=drawn("vulnerable") < 0.03,
        in_hardship=drawn("hardship") < 0.025,
        gender=chance.choice("people/gender", 0, everyone, (0.49, 0.48, 0.03)),
        age_band=chance.choice("people/age", 0, everyone, _AGE_SHARES),
        segment=segment,
        province=chance.choice("people/province", 0, everyone, list(market.provinces.values())),
        language=chance.choice("people/language", 0, everyone, (0.82, 0.18)),
        kind=kind,
        frailty=frailty,
        phone_reach=np.ones(len(everyone)) if perfect else 0.55 + 0.40 * drawn("answers_phone"),
        email_reach=np.ones(len(everyone)) if perfect else 0.30 + 0.55 * drawn("opens_email"),
        streams=streams,
        talks=talks,
    )


def _households(drawn: Floats) -> Integers:
    """Let some customers live with the one before them: a household is named by its first member."""
    starts_one = drawn >= 0.18
    starts_one[:1] = True
    return np.maximum.accumulate(np.where(starts_one, np.arange(len(drawn)), 0)).astype(np.int64)


def _contact_keys(household: Integers, drawn: Floats) -> pa.Array:
    """Hash each customer's address: half of those who live together use one; a few strangers share one by mistake."""
    everyone = np.arange(len(household))
    address = np.where(drawn < 0.5, household, everyone)
    mistaken = (drawn > 0.99) & (everyone > 40)
    address[mistaken] = everyone[mistaken] - 40
    return pa.array([hashlib.blake2b(b"%d" % number, digest_size=8).hexdigest() for number in address.tolist()])
