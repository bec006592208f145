"""How many customers enter a campaign day by day, and what the actions that a day can pay for should save."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from scipy.stats import binomtest

from campaigns.feasibility.history import History, Labelled
from campaigns.members import Floats, Members, Texts
from campaigns.power import design_effect

_FEWEST_OUTCOMES = 50
_FEWEST_FOR_A_CORRELATION = 200


@dataclass(frozen=True, slots=True)
class BaseRate:
    """How many of the audience leave within the horizon when nothing is done about it.

    Attributes:
        rate: Share that leaves, in [0, 1].
        low: Lower end of its 95 % Wilson interval; None when the rate comes from scores.
        high: Upper end.
        customer_count: Customers behind it (a customer of two days counts twice).
        source: Where it comes from, in words.
    """

    rate: float
    low: float | None
    high: float | None
    customer_count: int
    source: str


@dataclass(frozen=True, slots=True)
class Flow:
    """Who can enter the campaign.

    Attributes:
        stock: Members of the audience today who are in no campaign, after the global holdout.
        entering_per_day: Customers who become members, per day, after the global holdout.
        leaving_share_per_day: Share of the members who stop being ones, per day.
        source: Where it comes from, in words.
    """

    stock: float
    entering_per_day: float
    leaving_share_per_day: float
    source: str


@dataclass(frozen=True, slots=True)
class ActionLimit:
    """What an action is expected to save, what it costs, and how many of it a day allows.

    Attributes:
        name: The action.
        lift: Share of the leavers that it keeps.
        lift_status: ``assumed``, ``measured`` or ``stale``.
        cost_amount: Per customer, of all contacts and the expected incentives, in the business' currency.
        per_day: Customers a day that this campaign can take in with it; None without a limit.
        contacts_per_customer: How often a customer may be contacted before the horizon ends, which uses up capacity.
    """

    name: str
    lift: float
    lift_status: str
    cost_amount: float
    per_day: float | None
    contacts_per_customer: float = 1.0


@dataclass(frozen=True, eq=False)
class Entries:
    """What has entered the campaign by the end of its first, second, ... day.

    Attributes:
        entered: Customers in both arms, cumulative, shape (days,).
        lift: Mean save rate over those treated so far, shape (days,).
        cost_amount: Mean cost of those treated so far, shape (days,).
    """

    entered: Floats
    lift: Floats
    cost_amount: Floats


def simulate_entries(
    flow: Flow,
    actions: Sequence[ActionLimit],
    *,
    holdout_share: float,
    explore_share: float,
    budget_per_day: float | None,
    days: int,
) -> Entries:
    """Play a campaign's entry forward, day by day, with the expected numbers.

    Every day as many members enter as can be treated: the best action first, within its limit and the budget, then the
    next. Those held out are chosen by the same rule and use no capacity, so ``1 / (1 - holdout_share)`` customers enter
    per contact. Who has entered does not come back; who waits may stop being a member.

    Args:
        flow: Who can enter.
        actions: The campaign's actions, the best first.
        holdout_share: Share held out, in [0, 1]; when it is 1 nobody is treated, and nobody enters.
        explore_share: Share of the treated that gets a random action (or none): it saves the mean of all of them.
        budget_per_day: What a day may cost; None without a limit.
        days: Days to play.
    """
    random_lift = sum(action.lift for action in actions) / (len(actions) + 1)
    totals = np.zeros((3, days))  # entered, saved, spent
    if holdout_share >= 1:
        return Entries(*totals)
    waiting = flow.stock
    entered = saved = spent = 0.0
    for day in range(days):
        treated = 0.0
        for count, action in _contacts(waiting * (1 - holdout_share), actions, budget_per_day):
            treated += count
            saved += count * ((1 - explore_share) * action.lift + explore_share * random_lift)
            spent += count * action.cost_amount
        today = treated / (1 - holdout_share)
        entered += today
        totals[:, day] = entered, saved, spent
        waiting = (waiting - today) * (1 - flow.leaving_share_per_day) + flow.entering_per_day
    contacted = np.maximum(totals[0] * (1 - holdout_share), 1e-12)
    return Entries(totals[0], totals[1] / contacted, totals[2] / contacted)


def _contacts(
    members: float, actions: Sequence[ActionLimit], budget: float | None
) -> Iterator[tuple[float, ActionLimit]]:
    money = inf if budget is None else budget
    for action in actions:
        affordable = money / action.cost_amount if action.cost_amount > 0 else inf
        count = min(members, inf if action.per_day is None else action.per_day, affordable)
        members -= count
        money -= count * action.cost_amount
        yield count, action


def base_rate(history: History, tiers: tuple[str, ...]) -> BaseRate:
    """Return how many of the audience leave: as it was seen, else as the calibrated scores expect it.

    Args:
        history: The company's past.
        tiers: Risk tiers of the audience; all when empty.
    """
    was_valued = not any(past.members.lacks_values for past in history.labelled)
    was_seen = was_valued and (not tiers or all(past.members.is_scored for past in history.labelled))
    seen = _outcomes(history.labelled, tiers) if was_seen or not history.today.is_scored else np.array([])
    if history.today.is_scored and seen.size < _FEWEST_OUTCOMES:
        expected = history.today.probability[history.today.chosen(tiers)]
        rate = float(expected.mean()) if expected.size else 0.0
        return BaseRate(rate, None, None, expected.size, f"calibrated scores of {history.today.day}")
    count, rate = int(seen.sum()), float(seen.mean()) if seen.size else 0.0
    interval = binomtest(count, max(seen.size, 1)).proportion_ci(method="wilson")
    days = " and ".join(str(past.members.day) for past in reversed(history.labelled))
    why = "no scores tell the risk tiers yet" if was_valued else "nobody's value was known then"
    whose = "the audience" if was_seen else f"everybody described ({why})"
    return BaseRate(rate, float(interval.low), float(interval.high), seen.size, f"outcomes of {whose} of {days}")


def flow(history: History, tiers: tuple[str, ...], *, global_share: float) -> Flow:
    """Return who can enter: today's members, and how many enter and leave the audience per day.

    A customer who was a member before, was none for a while and is one again counts as entering once at most.

    Args:
        history: The company's past.
        tiers: Risk tiers of the audience; all when empty.
        global_share: Share of all customers that is never contacted.
    """
    today, keep = history.today, 1 - global_share
    chosen = today.chosen(tiers)
    stock = float((chosen & today.is_free).sum()) * keep
    if not history.earlier:
        return Flow(stock, 0.0, 0.0, f"members of {today.day}; the data are too short to see who enters")
    by_tier = all(past.is_scored for past in history.earlier) or not today.is_scored
    # Where the past was not scored, the audience's share of today's customers stands for its share of the new ones.
    share = 1.0 if by_tier or not len(today) else float(chosen.mean())
    days = (today.day - history.earlier[0].day).days

    def of(members: Members) -> Texts:
        return members.customer_ids[members.chosen(tiers)] if by_tier else members.customer_ids

    first, now = of(history.earlier[0]), of(today)
    seen = np.unique(np.concatenate([*(of(past) for past in history.earlier), now]))
    entering = np.setdiff1d(seen, first, assume_unique=True).size / days * share * keep
    stayed = np.intersect1d(first, now, assume_unique=True).size
    leaving = 1 - (stayed / first.size) ** (1 / days) if first.size else 0.0
    dates = f"{history.earlier[0].day} to {today.day}"
    source = f"members of {today.day}; who entered and left from {dates}"
    return Flow(stock, entering, leaving, source if by_tier else f"{source}, among all customers")


def household_effect(history: History, tiers: tuple[str, ...]) -> float:
    """Return by how much households enlarge the variance, from the newest past day (1 when nothing is known)."""
    for past in history.labelled:
        known = past.members.chosen(tiers) & np.isfinite(past.churned)
        return design_effect(past.churned[known], past.members.unit_ids[known])
    return 1.0


def score_correlation(history: History, tiers: tuple[str, ...]) -> float:
    """Return the correlation of score and outcome within the audience, from scored past days; 0 when too few."""
    pairs = [
        (past.members.probability[known], past.churned[known])
        for past in history.labelled
        if past.members.is_scored and (known := past.members.chosen(tiers) & np.isfinite(past.churned)).any()
    ]
    if not pairs:
        return 0.0
    score, churned = (np.concatenate(part) for part in zip(*pairs, strict=True))
    if churned.size < _FEWEST_FOR_A_CORRELATION or not score.std() or not churned.std():
        return 0.0
    return max(0.0, float(np.corrcoef(score, churned)[0, 1]))


def _outcomes(labelled: tuple[Labelled, ...], tiers: tuple[str, ...]) -> Floats:
    known = [past.churned[past.members.chosen(tiers) & np.isfinite(past.churned)] for past in labelled]
    return np.concatenate(known) if known else np.array([])
