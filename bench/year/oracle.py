"""What nobody in a company knows: the true effect of a contact on each customer, in closed form.

:mod:`simulator.truth` plays worlds to know this, sixty days for each action and decision; a year of decisions would
take an hour. Here the simulator's own rules are carried forward instead, in steps of five days: moods and interest
return, commitments end, pains of prices fade, and so does the contact.
``tests/truth/test_learning_over_time.py`` holds it against the truth that is played.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from simulator import Company
from simulator.contacts import Action
from simulator.lives import EVEN_MOOD
from simulator.telecom import Telecom

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

#: Every effect is one on leaving within these days.
HORIZON_DAYS = 60
_STEP = 5
_FADE_WEIGHT, _MOOD_WEIGHT, _PAIN_WEIGHT = 2.3, 4.5, 0.8
_PRICE_ROUNDS = (((3, 1), 0.35), ((10, 1), 0.20))
_RENEWS, _COMPETITOR = 0.55, 1 + (np.exp(0.6) - 1) / 6


@dataclass(frozen=True, eq=False)
class Known:
    """What is true of some customers on the eve of a day, if they are contacted on it.

    Attributes:
        leaves: Probability of leaving within the horizon when nothing is done, shape (n,).
        kept: By action: by how much its contact lowers that, whether or not it reaches the customer, shape (n,).
        cost_amounts: By action: expected cost of its contact in currency units, incentives included, shape (n,).
    """

    leaves: Floats
    kept: dict[str, Floats]
    cost_amounts: dict[str, Floats]


def know(company: Company, who: Integers) -> Known:
    """Return the truth of some customers, by position, for a contact on the day after the one last played.

    Raises:
        TypeError: another company than a telephone company.
    """
    trade = company.trade
    if not isinstance(trade, Telecom):
        raise TypeError(f"company: {company.kind}. The closed form is that of a telephone company.")
    lives, people, scenario = company.lives, company.people, company.scenario
    steps = np.arange(0, HORIZON_DAYS, _STEP, dtype=np.float64) + (_STEP - 1) / 2
    base = _hazards(company, trade, who, steps)
    fades = np.exp(-(steps + 1) / scenario.fades_after_days)
    nudge = lives.nudge[who][:, None] * fades
    tired = lives.fatigue[who][:, None] * np.exp(-(steps + 1) / 30.0)
    is_tiring = 0.35 if scenario.response == "by_kind" else 0.0

    def gone(shift: Floats | float, more: float) -> Floats:
        pull = nudge + np.asarray(shift)[..., None] * np.exp(-steps / scenario.fades_after_days)
        pull = pull + is_tiring * np.maximum(tired + more * np.exp(-steps / 30.0) - 1.5, 0.0)
        hazard = np.minimum(base * np.exp(pull), 0.2)
        return np.asarray(-np.expm1(_STEP * np.log1p(-hazard).sum(axis=1)))

    alone = gone(0.0, 0.0)
    kept, costs = {}, {}
    for action in company.actions:
        reach = company.crm.reach_probability(action, who)
        kept[action.name] = reach * (alone - gone(company.crm.shift(action, who), 1.0))
        costs[action.name] = _cost(action, reach, people.kind[who])
    return Known(alone, kept, costs)


def _cost(action: Action, reach: Floats, kind: Integers) -> Floats:
    taken = reach * np.asarray(action.taken_shares)[kind] * action.incentive_cents
    return np.asarray((0.98 * action.cost_cents + taken) / 100.0)


def _hazards(company: Company, trade: Telecom, who: Integers, steps: Floats) -> Floats:
    """Daily hazards to be expected without any contact, shape (n, steps)."""
    lives, people = company.lives, company.people
    tomorrow = company.played_until.toordinal() + 1
    days = tomorrow + steps
    usual = lives.usual_mood[who][:, None]
    mood = usual + (lives.mood[who][:, None] - usual) * np.exp(-0.012 * (steps + 1))
    # Tickets will come, and each lowers the mood by about a tenth for a while.
    upset = company.desk.service.tickets_per_day * company.desk.proneness[who][:, None] * 0.10 + 0.00006
    mood = mood - upset / 0.012 * (1 - np.exp(-0.012 * steps))
    pull = people.frailty[who][:, None] + _MOOD_WEIGHT * (EVEN_MOOD - mood)
    pull = pull + _PAIN_WEIGHT * lives.pain[who][:, None] * np.exp(-(steps + 1) / 45.0)
    # Interest follows a goal of 1 or 0 at 4.5 % a day; the goal turns back after 140 days on average.
    is_fading = lives.is_fading[who][:, None]
    fade = lives.fade[who][:, None] * np.exp(-0.045 * (steps + 1))
    rising = (np.exp(-steps / 140.0) - np.exp(-0.045 * steps)) * 0.045 / (0.045 - 1 / 140.0)
    pull = pull + _FADE_WEIGHT * (fade + is_fading * rising)
    pull = pull + 0.5 * np.exp(-(days - people.joined[who][:, None]) / 120.0)
    pull = pull + 0.15 * np.cos(
        2 * np.pi * (days - company.played_until.replace(month=1, day=1).toordinal() - 259) / 365.25
    )
    factor = _commitment(trade, who, days) * _competitors(company, who, days)
    factor = factor * np.where(is_fading, 1.0, _will_fade(mood, steps)) * _will_pay_more(company, trade, who, days)
    return np.asarray(trade.base_hazard * np.exp(pull) * factor)


def _will_fade(mood: Floats, steps: Floats) -> Floats:
    """Factor of interest that begins to wane within the horizon."""
    days = np.arange(HORIZON_DAYS)
    grown = np.concatenate([[0.0], np.cumsum(np.expm1(_FADE_WEIGHT * -np.expm1(-0.045 * days)))])
    return np.asarray(
        1 + 0.0013 * np.maximum(1 + 2.5 * (EVEN_MOOD - mood), 0.2) * np.interp(steps, np.arange(61), grown)
    )


def _will_pay_more(company: Company, trade: Telecom, who: Integers, days: Floats) -> Floats:
    """Factor of price rounds: their days are known, whom they touch is not."""
    first, factor = company.played_until + timedelta(days=1), np.ones((len(who), len(days)))
    for year in (first.year, first.year + 1):
        for (month, day), share in _PRICE_ROUNDS:
            on = date(year, month, day).toordinal() + trade.billing_day[who][:, None]
            is_to_come = (on >= first.toordinal()) & (on <= days) & (on - company.people.joined[who][:, None] > 90)
            pain = _PAIN_WEIGHT * 1.3 * np.exp(-np.maximum(days - on, 0) / 45.0) + _MOOD_WEIGHT * 0.05
            factor += np.where(is_to_come, share * np.expm1(pain), 0.0)
    return factor


def _commitment(trade: Telecom, who: Integers, days: Floats) -> Floats:
    """Factor of the commitment's end: when it is reached, more than half renew."""
    left = trade.ends[who][:, None] - days
    far, near, over = np.exp(-1.2), np.exp(1.1), np.exp(0.1)
    alone = np.where(left > 30, far, np.where(np.abs(left) <= 30, near, over))
    is_to_come = (trade.ends[who][:, None] > days[0]) & (left < 0)
    return np.where(is_to_come, _RENEWS * far + (1 - _RENEWS) * alone, alone)


def _competitors(company: Company, who: Integers, days: Floats) -> Floats:
    """Factor of competitors: who attacks now is known, who will attack later is not."""
    period = company.played_until.toordinal() // 45
    provinces = np.arange(len(company.trade.market.provinces), dtype=np.int64)
    attacked = company.chance.uniform("market/competitor", period, provinces) < 1 / 6
    now = np.exp(0.6 * attacked[company.people.province[who]])[:, None]
    return np.asarray(np.where(days // 45 == period, now, _COMPETITOR))
