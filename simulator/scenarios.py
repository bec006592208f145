"""Scenarios: what is planted in a company's hidden truth, by name, each with the claim that its test checks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

#: The hidden kinds of customers, by how they respond to a contact.
KINDS = ("persuadable", "sure_thing", "lost_cause", "sleeping_dog")
PERSUADABLE, SURE_THING, LOST_CAUSE, SLEEPING_DOG = range(len(KINDS))

#: Horizon, in days, of the claims that speak of "churn within the horizon".
CLAIM_DAYS = 60


@dataclass(frozen=True)
class Scenario:
    """What differs from the ordinary.

    Args:
        name: Its name.
        claim: What is true in it.
        kind_offsets: Log hazard of leaving by kind, in the order of :data:`KINDS`.
        response: ``by_kind``; ``none``: contacts change nothing; ``same``: everybody's hazard is shifted by ``shift``.
        shift: Shift of the log hazard when ``response`` is ``same``.
        fades_after_days: Mean life of a contact's effect.
        constant_hazard: Daily hazard of everybody, when nothing else is to matter.
        is_delivery_perfect: True when every contact on a list reaches its customer.
        customers_at_most: Larger companies are cut down to this.
        changes_after_days: From this day of the company on, newcomers and causes are others.
        strangers_share: Customers contacted per contact on the list although they are not on it.
        knows_the_future: True when the customers' file has a column that is only known a month later.
        kinds_show: How far habits differ by kind, in units of :data:`simulator.people.HABITS_BY_KIND`; 0: not at all.
        plants_incidents: True when :mod:`simulator.incidents` plants what triggers must find.
    """

    name: str
    claim: str
    kind_offsets: tuple[float, float, float, float] = (0.25, -0.9, 0.75, -0.3)
    response: Literal["by_kind", "none", "same"] = "by_kind"
    shift: float = 0.0
    fades_after_days: float = 50.0
    constant_hazard: float | None = None
    is_delivery_perfect: bool = False
    customers_at_most: int | None = None
    changes_after_days: int | None = None
    strangers_share: float = 0.0
    knows_the_future: bool = False
    kinds_show: float = 0.0
    plants_incidents: bool = False


def daily_hazard(probability: float, days: int) -> float:
    """Return the daily hazard that adds up to a probability of leaving within some days.

    Examples:
        >>> round(1 - (1 - daily_hazard(0.064, 60)) ** 60, 6)
        0.064
    """
    return float(1 - (1 - probability) ** (1 / days))


_SPARED, _HARMED = daily_hazard(0.064, CLAIM_DAYS), daily_hazard(0.1, CLAIM_DAYS)

#: Every scenario by its name.
SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("ordinary", "All four kinds of customers, ordinary luck."),
        Scenario("no_effect", "Contacts change nobody's churn.", response="none"),
        Scenario(
            "constant_effect",
            "A contact multiplies everybody's hazard by 0.7 for good: the same share of would-be leavers stays.",
            response="same",
            shift=math.log(0.7),
            fades_after_days=math.inf,
            is_delivery_perfect=True,
        ),
        Scenario(
            "harmful_campaign",
            f"Within {CLAIM_DAYS} days 10.0 % leave when contacted, 6.4 % when not; nothing else matters.",
            response="same",
            shift=math.log(_HARMED / _SPARED),
            fades_after_days=math.inf,
            constant_hazard=_SPARED,
            is_delivery_perfect=True,
        ),
        Scenario(
            "risk_is_not_uplift",
            "The highest risk are lost causes and sleeping dogs: to contact by risk is worse than at random.",
            kind_offsets=(-0.6, -0.9, 1.4, 1.3),
            kinds_show=1.0,
        ),
        Scenario("small_company", "At most 300 customers: no effect can be read within a year.", customers_at_most=300),
        Scenario(
            "drift",
            "After a year newcomers are other people, fading use no longer precedes churn, and prices hurt twice.",
            changes_after_days=365,
        ),
        Scenario(
            "leaky",
            "One customer is contacted off the list for every ten on it, and the customers' file knows who will leave.",
            strangers_share=0.1,
            knows_the_future=True,
        ),
        Scenario(
            "incidents",
            "Savings fall and some customers follow them weeks later; regular guests stop coming in their week; "
            "cars are replaced at their model's age.",
            plants_incidents=True,
        ),
    )
}
