"""The whole arithmetic of a day in memory: facts in, V, C, R, interval and class of every customer out.

Pure: no warehouse, no clock. What-if questions (finance's sensitivity table) call it with other prices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from campaigns.fit import classes as classing
from campaigns.fit.arithmetic import Interval, fit_score, likely_range, net_interval
from campaigns.fit.classes import BestAction, Classes, best_actions, classes, is_worth_it
from campaigns.fit.facts import Facts
from campaigns.fit.lifetimes import Booleans, lifetimes
from campaigns.fit.rates import ChannelRates
from campaigns.lifts import Lift
from holdback.business import Business

Floats = npt.NDArray[np.float64]
Cents = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Prices:
    """What finance may ask "what if" about, as factors.

    Attributes:
        unit_cost: Of every contact.
        margin: Of every margin.
        discount: Of every discount; more of it comes off the margin in full.
    """

    unit_cost: float = 1.0
    margin: float = 1.0
    discount: float = 1.0


@dataclass(frozen=True)
class Assessment:
    """The arithmetic of every customer; all arrays have shape (n,), money is cents over the horizon.

    Attributes:
        months: A, discounted months that the customer is expected to stay.
        monthly_margin: m.
        monthly_revenue: What is paid a month, of which m is a part.
        by_model: True where V rests on a value model, False where it rests on the records.
        value: V.
        cost: C.
        retention: R.
        net: V - C - R.
        net_interval: Its 80 % interval.
        fit: 0 to 100; 50 is break-even.
        action: The planned action.
        classes: Class and guardrail.
        unit_costs: Cents per contact, by channel.
    """

    months: Floats
    monthly_margin: Floats
    monthly_revenue: Floats
    by_model: Booleans
    value: Cents
    cost: Cents
    retention: Cents
    net: Cents
    net_interval: Interval
    fit: Floats
    action: BestAction
    classes: Classes
    unit_costs: Mapping[str, float]

    @property
    def kept(self) -> Cents:
        """V - C: what is lost when the customer leaves."""
        return self.value - self.cost


def assess(
    facts: Facts,
    rates: tuple[ChannelRates, ...],
    business: Business,
    lifts: Mapping[str, Lift],
    *,
    prices: Prices = Prices(),
) -> Assessment:
    """Compute V, C, R, FIT, its interval and the class of every customer.

    Args:
        facts: What is known (:func:`campaigns.fit.facts.gather`).
        rates: Contact rates (:func:`campaigns.fit.rates.contact_rates`).
        business: The company.
        lifts: Lift by action.
        prices: Factors for a what-if question.
    """
    rules, probability = business.fit, facts.numbers("probability")
    least, _ = likely_range(probability)
    lasting = lifetimes(facts, business)
    months = lasting.months
    margin = lasting.margin * prices.margin - facts.numbers("discount_cents") * (prices.discount - 1)
    units = {rate.channel: 100 * rules.cost_to_serve[rate.channel] * prices.unit_cost for rate in rates}
    monthly_cost, variance = np.zeros(probability.size), np.zeros(probability.size)
    for rate in rates:
        monthly_cost += units[rate.channel] * rate.mean
        variance += units[rate.channel] ** 2 * rate.variance
    spread = net_interval(
        margin,
        lasting.margin_sd * prices.margin,
        monthly_cost,
        variance,
        months,
        lasting.months_range,
    )
    v, c = np.rint(margin * months).astype(np.int64), np.rint(monthly_cost * months).astype(np.int64)
    open_to = [facts.flags(f"open_to_{i}") for i in range(len(business.actions))]
    uplifts = [facts.uplifts.of(action.name, facts.table["customer_id"]) for action in business.actions]
    action = best_actions(business.actions, lifts, open_to, probability, (v - c).astype(np.float64), uplifts)
    r = np.rint(action.expected_cost).astype(np.int64)
    net = Interval(spread.low - action.expected_cost, spread.high - action.expected_cost)
    protections = {flag: facts.flags(f"protected_{i}") for i, flag in enumerate(rules.never_classed_out)}
    protections[classing.OPEN_COMPLAINT] = facts.flags("has_open_complaint")
    protections[classing.YOUNG] = facts.numbers("months_known") < rules.least_months
    protections[classing.UNKNOWN_MARGIN] = ~lasting.is_known
    return Assessment(
        months=months,
        monthly_margin=margin,
        monthly_revenue=lasting.revenue,
        by_model=lasting.by_model,
        value=v,
        cost=c,
        retention=r,
        net=v - c - r,
        net_interval=net,
        fit=fit_score(v.astype(np.float64), c.astype(np.float64), r.astype(np.float64)),
        action=action,
        classes=classes(
            net,
            floor_cents=100 * rules.floor_amount,
            protections=protections,
            largest_share=rules.largest_share,
            invest=is_worth_it(action, least, spread.low),
        ),
        unit_costs=units,
    )
