"""What the company's files have told of each customer so far, kept up to date day by day: the features of a decision.

Only what stands in the files goes in: contracts, tickets, usage, feedback, contacts and the customers' file. Counts
fade (a half-life of about two months), so that no history has to be read again. What is protected (age, gender,
vulnerability, hardship) is no feature.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from simulator import Company
from simulator.contacts import OUTCOMES
from simulator.desk import OUTCOMES as TICKET_OUTCOMES
from simulator.rows import EPOCH, Rows
from simulator.telecom import EVENTS, METRICS, PLANS

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_HALF_LIFE_DAYS = 60.0
_FAST_WEEKS, _SLOW_WEEKS = 3.0, 14.0
_DAY_SECONDS = 86_400
_OLD_NEWS_DAYS = 120
_NEVER = -1_000_000
_START, _RENEW, _CHANGE, _CANCEL = (EVENTS.index(name) for name in ("start", "renew", "change", "cancel"))
_FOLLOWED = ("answered", "opened", "opted_out", "complained", "redeemed")


class Watched:
    """What is known of each customer; arrays have one entry per customer whom the company ever will have.

    Args:
        company: Whose rows are read; call :meth:`read` after each day that was played.
    """

    def __init__(self, company: Company) -> None:
        count = len(company.people)
        self.company = company
        self.topics = company.trade.service.topics
        self.day = company.starts_on.toordinal() - 1
        self.is_known, self.has_left, self.is_listed = (np.zeros(count, np.bool_) for _ in range(3))
        self.joined = np.full(count, _NEVER, dtype=np.int64)
        self.plan, self.price, self.ends = (np.zeros(count, dtype=np.int64) for _ in range(3))
        self.raised = np.full(count, _NEVER, dtype=np.int64)
        self.use_fast, self.use_slow = (np.full((len(METRICS), count), np.nan) for _ in range(2))
        self.by_topic = np.zeros((len(self.topics), count))
        self.unsolved, self.score = np.zeros(count), np.full(count, np.nan)
        self.reactions = np.zeros((len(_FOLLOWED), count))
        self.contacted = np.zeros(count)
        self.may_call = np.zeros(count, np.bool_)
        self.left_on = np.full(count, _NEVER, dtype=np.int64)

    def read(self, day: date) -> None:
        """Take in what the files named by a day bring."""
        self.day = day.toordinal()
        if day.weekday() == 6:
            self._fade(7)
        rows = self.company.rows(day)
        for part in rows.get("contracts", ()):
            self._contracts(part)
        for part in rows.get("usage", ()):
            self._usage(part)
        for part in rows.get("tickets", ()):
            self._tickets(part)
        for part in rows.get("nps", ()):
            self._feedback(part)
        for part in rows.get("contacts", ()):
            self._contacts(part)
        for part in rows.get("customers", ()):
            self._customers(part)

    @property
    def is_eligible(self) -> Flags:
        """Who is a customer, agrees to be contacted, and is not among those whom the company leaves in peace."""
        return self.is_known & self.is_listed & ~self.has_left

    def left_within(self, who: Integers, since: int, days: int) -> Flags:
        """Return who of some customers left within some days from a day (an ordinal) on, as far as files tell."""
        return (self.left_on[who] >= since) & (self.left_on[who] < since + days)

    def frame(self, who: Integers) -> pd.DataFrame:
        """Return the features of some customers, by position; numbers, and categories as text."""
        ends, day = self.ends[who], self.day
        tenure = (day - self.joined[who]).astype(np.float64)
        columns: dict[str, npt.NDArray[Any]] = {
            "tenure_days": tenure,
            "price": self.price[who] / 100.0,
            "days_since_rise": _since_rise(self.raised[who], day),
            "days_to_commitment_end": np.where(ends > 0, np.clip(ends - day, -400, 400), np.nan),
        }
        for number, metric in enumerate(METRICS):
            fast, slow = (np.log(np.maximum(kept[number, who], 1e-3)) for kept in (self.use_fast, self.use_slow))
            columns[f"{metric}_level"], columns[f"{metric}_trend"] = slow, fast - slow
        levels = [columns[f"{metric}_level"] for metric in METRICS]
        columns["calls_per_gb"] = levels[1] - levels[0]
        columns["use_trend"] = np.mean([columns[f"{metric}_trend"] for metric in METRICS], axis=0)
        columns["tickets"], columns["tickets_unsolved"] = self.by_topic[:, who].sum(axis=0), self.unsolved[who]
        columns["nps_score"] = self.score[who]
        columns["contacts"] = self.contacted[who]
        columns["contacts_answered_share"] = (self.reactions[:4, who].sum(axis=0) + 0.7) / (self.contacted[who] + 1.0)
        columns["plan"] = np.array(PLANS, dtype=object)[self.plan[who]]
        frame = pd.DataFrame(columns)
        frame["plan"] = frame["plan"].astype("str")
        return frame

    def _fade(self, days: int) -> None:
        keep = 0.5 ** (days / _HALF_LIFE_DAYS)
        for values in (self.by_topic, self.unsolved, self.reactions, self.contacted):
            values *= keep

    def _contracts(self, rows: Rows) -> None:
        for kind in (_START, _RENEW, _CHANGE):  # in the order in which they happen to somebody within a file
            chosen = rows["kind"] == kind
            who, days = rows["customer"][chosen], rows["at"][chosen] // _DAY_SECONDS + EPOCH
            if kind == _START:
                self.is_known[who] = True
                self.joined[who] = days
            elif kind == _CHANGE:
                rises = rows["price"][chosen] > self.price[who]
                self.raised[who[rises & (self.plan[who] == rows["plan"][chosen])]] = self.day
            self.plan[who], self.price[who] = rows["plan"][chosen], rows["price"][chosen]
            self.ends[who] = np.maximum(rows["ends_on"][chosen], self.ends[who])
        leaving = rows["kind"] == _CANCEL
        self.has_left[rows["customer"][leaving]] = True
        self.left_on[rows["customer"][leaving]] = rows["at"][leaving] // _DAY_SECONDS + EPOCH

    def _usage(self, rows: Rows) -> None:
        for number in range(len(METRICS)):
            chosen = rows["metric"] == number
            who, quantity = rows["customer"][chosen], rows["quantity"][chosen]
            for kept, weeks in ((self.use_fast, _FAST_WEEKS), (self.use_slow, _SLOW_WEEKS)):
                before = kept[number, who]
                kept[number, who] = np.where(np.isnan(before), quantity, before + (quantity - before) / weeks)

    def _tickets(self, rows: Rows) -> None:
        opened, resolved = rows["opened_at"] // _DAY_SECONDS, rows["resolved_at"] // _DAY_SECONDS
        is_first = (rows["resolved_at"] < 0) | (resolved == opened)  # other rows correct an earlier one
        first = {name: values[is_first] for name, values in rows.items()}
        who = first["customer"]
        np.add.at(self.by_topic, (first["topic"], who), 1.0)
        is_bad = np.isin(rows["outcome"], [TICKET_OUTCOMES.index("rejected"), TICKET_OUTCOMES.index("open")])
        np.add.at(self.unsolved, rows["customer"][is_bad], 1.0)

    def _feedback(self, rows: Rows) -> None:
        told = ~np.isnan(rows["score"])
        self.score[rows["customer"][told]] = rows["score"][told]

    def _contacts(self, rows: Rows) -> None:
        ours = rows["action"] != None  # noqa: E711  (an array of objects: the newsletter has no action)
        if not ours.any():
            return
        who, outcome = rows["customer"][ours], rows["outcome"][ours]
        is_new = rows["sent_at"][ours] // _DAY_SECONDS + EPOCH == self.day
        np.add.at(self.contacted, who[is_new], 1.0)
        for number, name in enumerate(_FOLLOWED):
            np.add.at(self.reactions, (number, who[outcome == OUTCOMES.index(name)]), 1.0)

    def _customers(self, rows: Rows) -> None:
        who = rows["customer"]
        self.is_listed[who] = rows["consent"] & ~rows["vulnerable"] & ~rows["hardship"]
        self.may_call[who] = rows["has_phone"]


def _since_rise(on: Integers, day: int) -> Floats:
    """Days since a price rose; older ones are all old news, as none at all: a line must not be drawn out to them."""
    return np.minimum(day - on, _OLD_NEWS_DAYS).astype(np.float64)
