"""What nobody in a company knows: who would leave, what each action would change, what each customer is worth.

For the demo and for tests only. The truth is computed by the simulator itself: the company is forked into worlds with
futures of their own in which nobody leaves, and the hazards of each are multiplied up. So it needs no second model of
the company that could differ from the first, and it is exact up to the luck of moods, tickets and prices, which the
worlds average out. Who leaves within a world is not drawn but reckoned: a few worlds are enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from simulator.chance import Floats, Integers
from simulator.company import Company
from simulator.contacts import Action
from simulator.scenarios import KINDS


def truth(
    company: Company, as_of: date, horizon_days: int, *, worlds: int = 8, value_days: int = 365, discount: float = 0.08
) -> pa.Table:
    """Return what is true of each customer at the start of a day.

    Leaving means the end of the contract where there is one, otherwise no purchase within the horizon: the labels of
    the churn kinds ``cancellation`` and ``inactivity`` (without a lead).

    Args:
        company: Played until the day before ``as_of``.
        as_of: The day; its own contacts count.
        horizon_days: Length of the outcome window ``[as_of, as_of + horizon_days)``.
        worlds: Futures that are averaged. Their common luck (competitors, outages) moves all probabilities together, by
            about a tenth from world to world: eight worlds know the level to some 4 %, differences far better.
        value_days: Days over which lifetime value is added up.
        discount: Yearly discount rate of the value.

    Returns:
        Ordered by customer; whoever has cancelled is absent, whoever just stays away is not:

        * ``customer_id``, ``kind`` (persuadable, sure_thing, lost_cause, sleeping_dog);
        * ``probability``: of churn when nothing is done;
        * ``effect_<action>``: what it changes in that probability to be put on today's contact list for this action
          (below 0: it keeps the customer). Contacts that are missed, bounce or are not answered change nothing;
        * ``lifetime_value``: expected discounted margin in currency units when nothing is done;
        * ``contact_count``: expected contacts of the customer in the same time that no fault of ours causes,
          discounted too. By channel they are shared as :data:`simulator.desk.CHANNEL_SHARES` says.

    Raises:
        ValueError: the company was not played until the day before ``as_of``.
    """
    if company.played_until != as_of - timedelta(days=1):
        raise ValueError(f"as_of: the company was played until {company.played_until}. Play it until the day before.")
    known = company.people.known_on(as_of.toordinal() - 1)
    everyone = np.arange(known, dtype=np.int64)
    leaves, value, contacts = np.zeros(known), np.zeros(known), np.zeros(known)
    reached = {action.name: np.zeros(known) for action in company.actions}
    for number in range(worlds):
        alone = _Fate.of(company, everyone)
        for day in _days(company, f"truth/{number}", max(value_days, horizon_days)):
            if day.number < horizon_days:
                alone.live(day)
            if day.number < value_days:
                alone.earn(day, discount)
        leaves += alone.gone(company) / worlds
        value += alone.value / worlds
        contacts += alone.contacts / worlds
        for action in company.actions:
            contacted = _Fate.of(company, everyone)
            for day in _days(company, f"truth/{number}", horizon_days, action):
                contacted.live(day)
            reached[action.name] += contacted.gone(company) / worlds
    present = company.lives.is_active[:known] | (company.trade.returns_per_day > 0)
    columns: dict[str, pa.Array] = {
        "customer_id": company.people.ids.slice(0, known),
        "kind": pa.array(KINDS).take(pa.array(company.people.kind[:known])),
        "probability": pa.array(leaves),
    }
    for action in company.actions:
        reach = company.crm.reach_probability(action, everyone)
        columns[f"effect_{action.name}"] = pa.array(reach * (reached[action.name] - leaves))
    columns["lifetime_value"] = pa.array(value)
    columns["contact_count"] = pa.array(contacts)
    return pa.table(columns).filter(pa.array(present))


@dataclass(frozen=True)
class _Day:
    """One day of one world, of the customers known at ``as_of``."""

    number: int
    leaves: Floats
    returns: Floats
    buys: Floats
    margin: Floats
    contacts: Floats


def _days(company: Company, world: str, count: int, action: Action | None = None) -> Iterator[_Day]:
    """Play a world in which nobody leaves; with an action, everybody is reached by it on the first day."""
    fork = company.fork(world)
    fork.is_frozen = True
    fork.crm.reaches_everybody = action
    known = fork.people.known_on(company.played_until.toordinal())
    for number in range(count):
        on = fork.played_until + timedelta(days=1)
        fork.play(on)
        today = fork.today(on)
        returns = fork.return_probability(today) if fork.trade.returns_per_day else np.zeros(known)
        yield _Day(
            number,
            fork.hazard[:known],
            returns[:known],
            fork.trade.purchase_probability(today)[:known],
            fork.trade.margin_per_day(today)[:known],
            fork.desk.costly[:known],
        )


@dataclass
class _Fate:
    """Probabilities of each customer's state.

    Args:
        silent: Active and without a purchase since the start; without purchases to wait for, just active.
        lost: Gone (and without a purchase since the start).
        active: Active, whatever was bought.
        value: Margin so far.
        contacts: Contacts so far that no fault of ours caused.
    """

    silent: Floats
    lost: Floats
    active: Floats
    value: Floats
    contacts: Floats

    @classmethod
    def of(cls, company: Company, customers: Integers) -> _Fate:
        active = company.lives.is_active[customers].astype(np.float64)
        return cls(active.copy(), 1.0 - active, active.copy(), np.zeros(len(customers)), np.zeros(len(customers)))

    def gone(self, company: Company) -> Floats:
        """Probability of churn: the contract ended; or, where leaving is silence, no purchase was made."""
        return self.silent + self.lost if company.trade.returns_per_day else self.lost

    def live(self, day: _Day) -> None:
        still = self.silent * (1 - day.buys)
        back = self.lost * day.returns
        self.silent = still * (1 - day.leaves) + back
        self.lost = self.lost - back + still * day.leaves

    def earn(self, day: _Day, discount: float) -> None:
        present = self.active * (1 + discount) ** (-day.number / 365)
        self.value += present * day.margin
        self.contacts += present * day.contacts
        self.active = self.active * (1 - day.leaves) + (1 - self.active) * day.returns
