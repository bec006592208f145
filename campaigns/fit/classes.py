"""From the arithmetic to a class: ``invest``, ``maintain`` or ``do_not_spend``, and what protects from the last.

- ``do_not_spend``: even the upper end of the 80 % interval of V - C - R lies below the floor, the records cover at
  least ``fit.least_months``, and no guardrail speaks against it. It stops paid retention only: never service, the
  handling of complaints, or legal notices.
- ``invest``: what the best action saves is worth more than it costs, also at the lower ends of value and risk, given
  its lift (assumed until it is measured).
- ``maintain``: everybody else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from campaigns.fit.arithmetic import Interval
from campaigns.lifts import Lift
from campaigns.uplifts import expected_gain, implied_save_rate
from holdback.business.deciding import Action

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

INVEST: Final = "invest"
MAINTAIN: Final = "maintain"
DO_NOT_SPEND: Final = "do_not_spend"

#: Guardrails besides the flags of ``fit.never_classed_out``, which are named as the flag.
OPEN_COMPLAINT: Final = "open_complaint"
YOUNG: Final = "young_relation"
UNKNOWN_MARGIN: Final = "unknown_margin"
LARGEST_SHARE: Final = "largest_share"
AUDIT: Final = "audit"


@dataclass(frozen=True)
class BestAction:
    """The best planned action of each customer, by expected incremental margin.

    Attributes:
        position: Its position among the business' actions; -1 when none may be planned, shape (n,).
        expected_cost: Cost of one contact and of the incentive as often as it is taken, in cents; 0 without an action.
        save_rate: Lift of the action, or what the customer's uplift amounts to at his probability of leaving; 0 without
            one.
        uplift: What an uplift model expects of the action; NaN where it is planned by the lift.
    """

    position: npt.NDArray[np.int64]
    expected_cost: Floats
    save_rate: Floats
    uplift: Floats


def best_actions(
    actions: Sequence[Action],
    lifts: Mapping[str, Lift],
    open_to: Sequence[Booleans],
    probability: Floats,
    kept_cents: Floats,
    uplifts: Sequence[Floats] | None = None,
) -> BestAction:
    """Choose by what each action is expected to gain: ``uplift * kept - cost``, or ``p * lift * kept - cost``.

    An action with neither is explored, never planned; nor is one that is expected to drive the customer away.

    Args:
        actions: The business' actions.
        lifts: Lift by action.
        open_to: Whether each action may be planned for each customer, one array of shape (n,) per action.
        probability: Of leaving, shape (n,).
        kept_cents: V - C, shape (n,).
        uplifts: What the uplift models say of each action, NaN where they say nothing; one array of shape (n,) per
            action.
    """
    best = np.full(probability.size, -np.inf)
    position = np.full(probability.size, -1, dtype=np.int64)
    cost, rate = np.zeros(probability.size), np.zeros(probability.size)
    chosen = np.full(probability.size, np.nan)
    for index, action in enumerate(actions):
        lift = lifts.get(action.name)
        own = np.full(probability.size, np.nan) if uplifts is None else uplifts[index]
        is_modelled = ~np.isnan(own)
        if lift is None and not is_modelled.any():
            continue
        by_rule = np.nan if lift is None else lift.save_rate
        rise = np.where(is_modelled, own, probability * by_rule)
        rates = np.where(is_modelled, np.nan_to_num(implied_save_rate(own, probability)), by_rule)
        expected = 100.0 * action.expected_cost
        gain = expected_gain(rise, kept_cents, expected)
        better = open_to[index] & (gain > best) & ~(is_modelled & (own < 0))  # nothing is greater than a NaN
        best = np.where(better, gain, best)
        position[better], cost[better], rate[better], chosen[better] = index, expected, rates[better], own[better]
    return BestAction(position, cost, rate, chosen)


def is_worth_it(action: BestAction, least_probability: Floats, least_kept: Floats) -> Booleans:
    """True where the best action gains even at the lower ends of the risk and of what would be lost.

    Args:
        action: The best action.
        least_probability: Lower end of the probability of leaving, shape (n,).
        least_kept: Lower end of V - C in cents, shape (n,).
    """
    gain = least_probability * action.save_rate * least_kept - action.expected_cost
    return np.asarray((action.position >= 0) & (gain > 0) & (least_kept > 0))


@dataclass(frozen=True)
class Classes:
    """The outcome.

    Attributes:
        names: ``invest``, ``maintain`` or ``do_not_spend``, shape (n,).
        guardrails: Why a customer surely below the floor was not classed out; None for everybody else, shape (n,).
    """

    names: npt.NDArray[Any]
    guardrails: npt.NDArray[Any]

    def suspended(self, reason: str) -> Classes:
        """Return the classes with nobody classed out."""
        out = self.names == DO_NOT_SPEND
        return Classes(np.where(out, MAINTAIN, self.names), np.where(out, reason, self.guardrails))


def classes(
    net: Interval,
    *,
    floor_cents: float,
    protections: Mapping[str, Booleans],
    largest_share: float,
    invest: Booleans,
) -> Classes:
    """Class every customer; where more than ``largest_share`` would be classed out, only the surest losses are.

    Args:
        net: 80 % interval of V - C - R in cents; customers are ordered by ``customer_id``, who breaks ties.
        floor_cents: Do not spend on customers who surely bring less.
        protections: Customers that each guardrail protects, by its name.
        largest_share: Of the customers that may be classed out.
        invest: Customers whose best action surely pays.
    """
    below = net.high < floor_cents
    guardrails = np.full(below.size, None, dtype=object)
    for name, protected in protections.items():
        hit = below & protected
        guardrails[hit] = np.asarray([name if g is None else f"{g}, {name}" for g in guardrails[hit]], dtype=object)
    out = np.flatnonzero(below & (guardrails == None))  # noqa: E711 (element by element)
    worst_first = out[np.argsort(net.high[out], kind="stable")]
    spared = worst_first[int(np.floor(largest_share * below.size)) :]
    guardrails[spared] = LARGEST_SHARE
    names = np.where(invest & ~below, INVEST, MAINTAIN).astype(object)
    names[np.setdiff1d(out, spared)] = DO_NOT_SPEND
    return Classes(names, guardrails)
