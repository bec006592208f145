"""What customers go through with the company's service: tickets, our own faults, and what they answer when asked."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from simulator.chance import Chance, Floats, Integers
from simulator.lives import EVEN_MOOD, Lives
from simulator.people import People
from simulator.remarks import write_remarks
from simulator.rows import UNKNOWN, FeedFile, FileColumn, Outgoing, instants

CHANNELS = ("phone", "chat", "email", "branch")
#: Share of the tickets by channel, the same for everybody.
CHANNEL_SHARES = (0.5, 0.22, 0.18, 0.10)
OUTCOMES = ("solved", "compensated", "rejected", "open")
_SOLVED, _COMPENSATED, _REJECTED, _OPEN = range(len(OUTCOMES))
KINDS_OF_FEEDBACK = ("nps",)

_ASKED_EVERY_WEEKS, _ASKED_AFTER_TICKET, _ANSWERS = 13, 0.25, 0.38
_OUTAGE_PER_DAY, _OUTAGE_TICKETS = 0.008, 0.05
_LATE_SHARE = 0.02
_FAULT_IS_OURS, _WAVERS_ASK = 0.7, 0.6
#: Some customers ask for help all the time, and mind it less: serving them may cost more than they bring.
_DEMANDING_SHARE, _DEMANDING_FACTOR = 0.09, 45.0


@dataclass(frozen=True)
class Service:
    """A company's service desk.

    Args:
        topics: What tickets are about.
        our_faults: Topics among them that our own faults cause; the first is an outage's.
        tickets_per_day: Tickets of a customer in an even mood.
        fade_topic: What customers ask about who think of leaving.
    """

    topics: tuple[str, ...]
    our_faults: tuple[str, ...]
    tickets_per_day: float
    fade_topic: str

    @property
    def tickets_file(self) -> FeedFile:
        """The file of tickets; a second row of a ticket corrects the first."""
        return FeedFile(
            "daily",
            (
                FileColumn("customer", "customer"),
                FileColumn("opened_at", "instant"),
                FileColumn("channel", "word", CHANNELS),
                FileColumn("topic", "word", self.topics),
                FileColumn("outcome", "word", OUTCOMES),
                FileColumn("resolved_at", "instant"),
                FileColumn("seconds", "count"),
                FileColumn("caused_by_us", "flag"),
            ),
            key=("customer", "opened_at"),
        )

    @property
    def nps_file(self) -> FeedFile:
        """The file of requests for feedback and their answers."""
        return FeedFile(
            "weekly",
            (
                FileColumn("customer", "customer"),
                FileColumn("asked_at", "instant"),
                FileColumn("kind", "word", KINDS_OF_FEEDBACK),
                FileColumn("score", "number"),
                FileColumn("remark", "text"),
                FileColumn("step", "text"),
            ),
        )


@dataclass
class Desk:
    """A service desk at work.

    Args:
        service: What it is for.
        people: The customers.
        demands: How much more often than others a customer asks for help without being upset by it.
        proneness: How much more often than others something happens to a customer.
        last_topic: What each customer's last ticket was about.
        costly: Tickets that each customer was to be expected to open today and that no fault of ours caused.
        asked_on: Whom to ask for feedback on which day, after a ticket.
    """

    service: Service
    people: People
    demands: Floats
    proneness: Floats
    last_topic: Integers
    costly: Floats = field(default_factory=lambda: np.zeros(0))
    asked_on: dict[int, Integers] = field(default_factory=dict)

    @classmethod
    def open(cls, service: Service, chance: Chance, people: People) -> Desk:
        """Open the desk: nobody has a ticket yet."""
        everyone = np.arange(len(people), dtype=np.int64)
        proneness = np.exp(0.6 * chance.bell("service/proneness", 0, everyone))
        is_demanding = chance.uniform("service/demanding", 0, everyone) < _DEMANDING_SHARE
        demands = np.where(is_demanding, _DEMANDING_FACTOR, 1.0)
        return cls(service, people, demands, proneness, np.zeros(len(people), dtype=np.int64))

    def happen(self, chance: Chance, day: int, everyone: Integers, lives: Lives, out: Outgoing) -> None:
        """Let a day's tickets and questions happen; both change moods, or tell of them."""
        self._tickets(chance, day, everyone, lives, out)
        self._questions(chance, day, everyone, lives, out)

    def _tickets(self, chance: Chance, day: int, everyone: Integers, lives: Lives, out: Outgoing) -> None:
        first = slice(0, len(everyone))
        province = self.people.province[first]
        provinces = np.arange(len(self.people.market.provinces), dtype=np.int64)
        outages = chance.uniform("service/outage", day, provinces) < _OUTAGE_PER_DAY
        rate = self.service.tickets_per_day * self.proneness[first] * (1 + 2.0 * (EVEN_MOOD - lives.mood[first]))
        rate *= (1 + 1.5 * lives.fade[first]) * self.demands[first]
        ours = _FAULT_IS_OURS * len(self.service.our_faults) / len(self.service.topics)
        self.costly = rate * (1 - ours * (1 - _WAVERS_ASK * lives.fade[first]))
        if outages.any():
            rate += _OUTAGE_TICKETS * outages[province]
        drawn = chance.uniform("service/ticket", day, everyone)
        who = np.flatnonzero((drawn < rate) & lives.is_active[first])
        if not len(who):
            return
        # Where in its own interval the draw fell is a fresh uniform number: no second draw is needed.
        is_outage = outages[province[who]] & (
            drawn[who] > rate[who] - _OUTAGE_TICKETS * np.minimum(outages[province[who]], 1)
        )
        topic = self._topics(chance, day, who, is_outage, lives)
        self.last_topic[who] = topic
        faults = np.array([topic_name in self.service.our_faults for topic_name in self.service.topics])
        is_ours = faults[topic] & (is_outage | (chance.uniform("service/fault", day, who) < _FAULT_IS_OURS))
        waits = -np.log1p(-chance.uniform("service/wait", day, who)) * 1.6
        never = chance.uniform("service/never", day, who) < 0.03
        upset = 0.035 + 0.075 * is_ours + 0.03 * np.minimum(waits, 4) + 0.05 * never
        lives.upset(who, upset / self.demands[who])
        opened_in_day = 8 * 3600 + chance.uniform("service/time", day, who) * 13 * 3600
        opened = instants(day, opened_in_day)
        # Whole minutes, and on this day or a later one: what is solved today is known with today's file.
        waited = np.where(waits < 1, 60 * (5 + waits * 55), waits * 86_400).astype(np.int64)
        resolved = opened + waited
        due = day + (resolved - instants(day, 0)) // 86_400
        seconds = (120 + 1500 * chance.uniform("service/length", day, who) ** 2).astype(np.int64)
        ended = chance.choice("service/outcome", day, who, (0.80, 0.08, 0.12))
        common = {
            "customer": who,
            "opened_at": opened,
            "channel": chance.choice("service/channel", day, who, CHANNEL_SHARES),
            "topic": topic,
            "seconds": seconds,
            "caused_by_us": is_ours,
        }
        is_open = never | (due > day)
        is_late = ~is_open & (chance.uniform("service/late", day, who) < _LATE_SHARE)
        outcome = np.where(is_open, _OPEN, ended)
        rows = {**common, "outcome": outcome, "resolved_at": np.where(is_open, UNKNOWN, resolved)}
        for delay, chosen in ((0, ~is_late), (2, is_late)):
            out.add("tickets", day + delay, {name: values[chosen] for name, values in rows.items()})
        rows = {**common, "outcome": ended, "resolved_at": resolved}
        for at in np.unique(due[is_open & ~never]):
            chosen = is_open & ~never & (due == at)
            out.add("tickets", int(at), {name: values[chosen] for name, values in rows.items()})
        follow_up = who[chance.uniform("service/follow_up", day, who) < _ASKED_AFTER_TICKET / self.demands[who]]
        self.asked_on[day + 3] = follow_up

    def _topics(self, chance: Chance, day: int, who: Integers, is_outage: np.ndarray, lives: Lives) -> Integers:
        topics = self.service.topics
        topic = chance.choice("service/topic", day, who, np.ones(len(topics)))
        wavers = chance.uniform("service/wavers", day, who) < _WAVERS_ASK * lives.fade[who]
        topic = np.where(wavers, topics.index(self.service.fade_topic), topic)
        return np.where(is_outage, topics.index(self.service.our_faults[0]), topic)

    def _questions(self, chance: Chance, day: int, everyone: Integers, lives: Lives, out: Outgoing) -> None:
        after_tickets = self.asked_on.pop(day, np.zeros(0, dtype=np.int64))
        due = everyone[(everyone * 7 + day) % (7 * _ASKED_EVERY_WEEKS) == 0]
        who = np.union1d(due, after_tickets)
        who = who[lives.is_active[who]]
        if not len(who) or not out.is_open:
            return  # answers tell of moods and change none
        follows = np.isin(who, after_tickets)
        answers = chance.uniform("nps/answers", day, who) < _ANSWERS * (1 - 0.6 * lives.fade[who])
        noise = 1.1 * chance.bell("nps/noise", day, who)
        # An even mood answers a seven; who wavers answers lower than the mood alone would say.
        score = np.clip(np.rint(7.0 + 14.0 * (lives.mood[who] - EVEN_MOOD) - 1.5 * lives.fade[who] + noise), 0, 10)
        writes = answers & (chance.uniform("nps/writes", day, who) < 0.45)
        remarks = np.full(len(who), None, dtype=object)
        pick = (chance.uniform("nps/words", day, who) * 12).astype(np.int64)
        remarks[writes] = write_remarks(
            self.people.language[who][writes], score[writes].astype(np.int64), self.service.topics,
            self.last_topic[who][writes], pick[writes],
        )  # fmt: skip
        rows = {
            "customer": who,
            "asked_at": instants(day, 10 * 3600 + chance.uniform("nps/time", day, who) * 36_000),
            "kind": np.zeros(len(who), dtype=np.int64),
            "score": np.where(answers, score, np.nan),
            "remark": remarks,
            "step": np.where(follows, "after_ticket", "relationship").astype(object),
        }
        out.add("nps", day, rows)
