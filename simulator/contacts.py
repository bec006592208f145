"""The company's CRM: it reads the contact lists, sends them with the usual mishaps, and says what really happened."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from simulator.chance import Chance, Flags, Floats, Integers
from simulator.lives import Lives
from simulator.people import People
from simulator.rows import FeedFile, FileColumn, Outgoing, instants
from simulator.scenarios import LOST_CAUSE, PERSUADABLE, SLEEPING_DOG, SURE_THING, Scenario

OUTCOMES = ("sent", "delivered", "opened", "answered", "redeemed", "bounced", "opted_out", "complained")
_SENT, _DELIVERED, _OPENED, _ANSWERED, _REDEEMED, _BOUNCED, _OPTED_OUT, _COMPLAINED = range(len(OUTCOMES))
_WHEN_REACHED = {"phone": _ANSWERED, "email": _OPENED}

MISSED_SHARE, BOUNCED_SHARE, REPEATED_SHARE = 0.02, 0.02, 0.005
_OTHER_CHANNELS_REACH = 0.8
_SEES_AT_ONCE = 0.7
_REDEEMED_AFTER_DAYS = 4

#: The feed of what was sent.
FEED = "contacts"
CONTACTS_FILE = FeedFile(
    "daily",
    (
        FileColumn("customer", "customer"),
        FileColumn("sent_at", "instant"),
        FileColumn("campaign", "text"),
        FileColumn("channel", "text"),
        FileColumn("outcome", "word", OUTCOMES),
        FileColumn("action", "text"),
        FileColumn("decision_id", "text"),
        FileColumn("cost", "money"),
    ),
    key=("customer", "sent_at"),
)


@dataclass(frozen=True)
class Action:
    """What the company can do, and what it does to whom.

    Args:
        name: As in the business file.
        channel: phone, email, ...
        cost_cents: Of one contact.
        incentive_cents: Paid to those who take the offer.
        shifts: Shift of the log hazard of a customer who was reached, by kind (see :data:`simulator.scenarios.KINDS`).
        taken_shares: Share of those reached who take the incentive, by kind.
    """

    name: str
    channel: str
    cost_cents: int = 0
    incentive_cents: int = 0
    shifts: tuple[float, float, float, float] = (-1.0, -0.1, 0.0, 0.8)
    taken_shares: tuple[float, float, float, float] = (0.5, 0.55, 0.1, 0.15)


@dataclass(frozen=True)
class Contact:
    """One line of a contact list."""

    decision_id: str | None
    customer_id: str
    campaign: str
    action: str
    channel: str


def read_contact_lists(folder: Path) -> tuple[Contact, ...]:
    """Read every ``<channel>.csv`` of a day's outbox by its header; a folder that is not there holds no contacts.

    Channels begin with a letter: what was refused (``_refused.csv``) and drafts are no lists.
    """
    contacts = []
    for path in sorted(folder.glob("[a-z]*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                contacts.append(
                    Contact(
                        line.get("decision_id") or None,
                        line["customer_id"],
                        line.get("campaign") or "",
                        line.get("action") or "",
                        line.get("channel") or path.stem,
                    )
                )
    return tuple(contacts)


@dataclass
class Crm:
    """Sends contacts and reports them.

    Args:
        actions: What the company knows of its actions, by name.
        people: The customers.
        scenario: What is planted.
        newsletter_until: Ordinal of the last day on which the company writes on its own account; None for ever.
        reaches_everybody: An action that surely reaches every customer on the next day, once; for the truth.
    """

    actions: dict[str, Action]
    people: People
    scenario: Scenario
    newsletter_until: int | None = None
    reaches_everybody: Action | None = None

    def reach_probability(self, action: Action, customers: Integers) -> Floats:
        """Return the probability that a contact on the list reaches each customer."""
        if self.scenario.is_delivery_perfect:
            return np.ones(len(customers))
        reach = self._reach(action.channel, customers) * self._has_address(action.channel, customers)
        return np.asarray(reach * (1 - MISSED_SHARE) * (1 - BOUNCED_SHARE))

    def shift(self, action: Action, customers: Integers) -> Floats:
        """Return how far the action shifts the log hazard of each customer whom it reaches."""
        if self.scenario.response == "none":
            return np.zeros(len(customers))
        if self.scenario.response == "same":
            return np.full(len(customers), self.scenario.shift)
        return np.asarray(action.shifts)[self.people.kind[customers]]

    def move(self, action: Action, customers: Integers, lives: Lives) -> None:
        """Let the action have its effect on customers whom it reached, each named once."""
        lives.nudge[customers] += self.shift(action, customers)
        lives.fatigue[customers] += 1.0

    def send(self, chance: Chance, day: int, contacts: Sequence[Contact], lives: Lives, out: Outgoing) -> None:
        """Send a day's contacts: a few are missed, some bounce, some reach their customer, some annoy him."""
        lists: dict[tuple[str, str, str], list[Contact]] = defaultdict(list)
        for contact in contacts:
            lists[contact.campaign, contact.action, contact.channel].append(contact)
        known = self.people.known_on(day)
        for (campaign, name, channel), listed in lists.items():
            positions = self.people.positions([contact.customer_id for contact in listed])
            is_known = (positions >= 0) & (positions < known)
            ids = np.array([contact.decision_id for contact in listed], dtype=object)[is_known]
            customers, firsts = np.unique(positions[is_known], return_index=True)
            action = self.actions.get(name) or Action(name, channel, shifts=(-0.4, -0.1, 0.0, 0.4))
            self._send_list(chance, day, campaign, action, channel, customers, ids[firsts], lives, out)
            if self.scenario.strangers_share:
                self._send_to_strangers(chance, day, campaign, action, channel, customers, lives, out)
        if self.reaches_everybody is not None:
            self.move(self.reaches_everybody, np.arange(known, dtype=np.int64), lives)
            self.reaches_everybody = None
        self._send_newsletter(chance, day, known, lives, out)

    def _send_list(
        self,
        chance: Chance,
        day: int,
        campaign: str,
        action: Action,
        channel: str,
        customers: Integers,
        decisions: np.ndarray[tuple[int], np.dtype[np.object_]],
        lives: Lives,
        out: Outgoing,
    ) -> None:
        def drawn(what: str) -> Floats:
            return chance.uniform(f"crm/{campaign}/{action.name}/{what}", day, customers)

        perfect = self.scenario.is_delivery_perfect
        is_sent = np.ones(len(customers), np.bool_) if perfect else drawn("missed") >= MISSED_SHARE
        bounces = ~self._has_address(channel, customers)
        if not perfect:
            bounces |= drawn("bounced") < BOUNCED_SHARE
        is_reached = is_sent & ~bounces & (drawn("reached") < self._reach(channel, customers))
        kind = self.people.kind[customers]
        lives_on = lives.is_active[customers]
        sleeping = kind == SLEEPING_DOG
        takes = is_reached & lives_on & (drawn("taken") < np.asarray(action.taken_shares)[kind])
        takes &= action.incentive_cents > 0
        annoyed = drawn("annoyed")
        opts_out = is_reached & (annoyed < 0.006 + 0.05 * sleeping + 0.01 * lives.fatigue[customers])
        complains = is_reached & ~opts_out & (annoyed > 1 - 0.002 - 0.03 * sleeping)
        at_once = (drawn("sees") < _SEES_AT_ONCE) | (channel != "email") | perfect
        first = np.full(len(customers), _SENT)
        first[is_reached & at_once] = _WHEN_REACHED.get(channel, _DELIVERED)
        first[opts_out & at_once] = _OPTED_OUT
        first[complains & at_once] = _COMPLAINED
        first[bounces] = _BOUNCED
        sent_at = instants(day, 9.5 * 3600 + drawn("time") * 9.5 * 3600)
        cost = np.full(len(customers), action.cost_cents)

        def report(due: int, chosen: Flags, outcome: Integers, paid: Integers, later_seconds: int = 0) -> None:
            rows = {
                "customer": customers[chosen],
                "sent_at": sent_at[chosen] + later_seconds,
                "campaign": np.full(int(chosen.sum()), campaign, dtype=object),
                "channel": np.full(int(chosen.sum()), channel, dtype=object),
                "outcome": outcome[chosen],
                "action": np.full(int(chosen.sum()), action.name or None, dtype=object),
                "decision_id": decisions[chosen],
                "cost": paid[chosen],
            }
            out.add(FEED, due, rows)

        report(day, is_sent, first, cost)
        later = first.copy()
        later[is_reached] = _OPENED
        later[opts_out], later[complains] = _OPTED_OUT, _COMPLAINED
        report(day + 1, is_reached & ~at_once, later, cost)
        redeems = takes & ~opts_out & ~complains
        given = np.full(len(customers), action.incentive_cents)  # the contact's own cost stands where it was sent
        days = _REDEEMED_AFTER_DAYS
        report(day + days, redeems, np.full(len(customers), _REDEEMED), given, later_seconds=days * 86_400)
        if not perfect:
            repeated = is_sent & ~bounces & (drawn("repeated") < REPEATED_SHARE)
            report(day, repeated, np.full(len(customers), _SENT), cost, later_seconds=1800)
        self.move(action, customers[is_reached], lives)
        lives.has_consent[customers[opts_out]] = False

    def _send_to_strangers(
        self,
        chance: Chance,
        day: int,
        campaign: str,
        action: Action,
        channel: str,
        listed: Integers,
        lives: Lives,
        out: Outgoing,
    ) -> None:
        """Contact customers who are not on the list, as a colleague with a list of his own would."""
        others = np.setdiff1d(np.flatnonzero(lives.is_active[: self.people.known_on(day)]), listed)
        count = min(int(np.ceil(len(listed) * self.scenario.strangers_share)), len(others))
        order = np.argsort(chance.uniform(f"crm/{campaign}/{action.name}/strangers", day, others), kind="stable")
        chosen = np.sort(others[order[:count]])
        no_decision = np.full(len(chosen), None, dtype=object)
        self._send_list(chance, day, campaign, action, channel, chosen, no_decision, lives, out)

    def _send_newsletter(self, chance: Chance, day: int, known: int, lives: Lives, out: Outgoing) -> None:
        """Write to some on the first of a month, as the company always did: it changes nothing."""
        if date.fromordinal(day).day != 1 or (self.newsletter_until is not None and day > self.newsletter_until):
            return
        everyone = np.arange(known, dtype=np.int64)
        wanted = lives.is_active[:known] & lives.has_consent[:known] & self.people.has_email[:known]
        readers = everyone[wanted & (chance.uniform("newsletter/readers", day, everyone) < 0.2)]
        opens = chance.uniform("newsletter/opens", day, readers) < self.people.email_reach[readers]
        bounces = chance.uniform("newsletter/bounces", day, readers) < BOUNCED_SHARE
        count = len(readers)
        rows = {
            "customer": readers,
            "sent_at": instants(day, 11 * 3600 + chance.uniform("newsletter/time", day, readers) * 3600),
            "campaign": np.full(count, "newsletter", dtype=object),
            "channel": np.full(count, "email", dtype=object),
            "outcome": np.where(bounces, _BOUNCED, np.where(opens, _OPENED, _SENT)),
            "action": np.full(count, None, dtype=object),
            "decision_id": np.full(count, None, dtype=object),
            "cost": np.full(count, 1),
        }
        out.add(FEED, day, rows)

    def _has_address(self, channel: str, customers: Integers) -> Flags:
        if channel in ("phone", "sms"):
            return self.people.has_phone[customers]
        if channel == "email":
            return self.people.has_email[customers]
        return np.ones(len(customers), np.bool_)

    def _reach(self, channel: str, customers: Integers) -> Floats:
        if channel == "phone":
            return self.people.phone_reach[customers]
        if channel == "email":
            return self.people.email_reach[customers]
        return np.full(len(customers), 1.0 if self.scenario.is_delivery_perfect else _OTHER_CHANNELS_REACH)


def shifts(
    *, persuadable: float, sure_thing: float = -0.1, lost_cause: float = 0.0, sleeping_dog: float
) -> tuple[float, float, float, float]:
    """Name the shifts of :class:`Action` by kind.

    Examples:
        >>> shifts(persuadable=-1.4, sleeping_dog=0.8)
        (-1.4, -0.1, 0.0, 0.8)
    """
    by_kind = {
        PERSUADABLE: persuadable, SURE_THING: sure_thing, LOST_CAUSE: lost_cause, SLEEPING_DOG: sleeping_dog,
    }  # fmt: skip
    return (by_kind[0], by_kind[1], by_kind[2], by_kind[3])
