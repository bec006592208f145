"""One trial per action: who got it, or was held out, and the logged probability of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import numpy as np

from features.families import feature_set
from holdback.business import Business
from holdback.errors import NotKnowableYet
from holdback.progress import Progress, silent
from holdback.sql import literal
from holdback.tables import CUSTOMERS
from holdback.warehouse import Warehouse
from training.uplift.experience.logged import OTHER_PRICE, Logged, read_logged
from training.uplift.trial import Trial

#: Outside of these a few customers would carry all the weight.
LEAST_PROPENSITY, MOST_PROPENSITY = 0.01, 0.99
#: Fewer say nothing that a model could learn, and their intervals are not to be trusted.
FEWEST_ROWS: Final = 300
FEWEST_PER_GROUP: Final = 50
FEWEST_PER_OUTCOME: Final = 20
#: Share that can be treated where neither a capacity nor a budget says so.
USUAL_SHARE: Final = 0.3

RARE = "the action, or being held out, was too improbable (or too certain) to be compared"
OTHER_AIM = "followed to another outcome, or over another horizon, than most"
#: What a decision says against an action that the customer could have had all the same.
_OPEN = ("no_gain", "price", "weaker", "explored")


@dataclass(frozen=True, eq=False)
class Experience:
    """What can be learned from, by action.

    Attributes:
        trials: Who got the action or was held out, of each action that can be learned.
        capacity_shares: Share of those who could have an action that a day has room for, in (0, 1].
        notes: What a reader must know, in sentences.
        policy_versions: Names of the rules under which it was gathered.
        campaigns: ``name/version`` of the campaigns.
        missing: Why the other actions cannot be learned, and when they can.
        logged: The same customers with the probabilities of all actions, by aim; the largest first.
    """

    trials: Mapping[str, Trial]
    capacity_shares: Mapping[str, float]
    notes: tuple[str, ...]
    policy_versions: tuple[str, ...]
    campaigns: tuple[str, ...]
    missing: Mapping[str, str] = field(default_factory=dict)
    logged: tuple[Logged, ...] = ()


def read_trials(
    warehouse: Warehouse, business: Business, campaign: str | None, as_of: date, *, progress: Progress = silent
) -> Experience:
    """Return what was tried: for each action, who got it or was held out, with logged propensities.

    The propensity of the action is ``P(a) / (P(a) + P(held out))``: that of two things one happened is no choice of
    anybody's, so within equal features the two are as good as drawn, whatever the other actions, whoever's turn it was,
    and although the rules changed in the middle: each row has the probabilities of its own day. The effect is that of
    entering the campaign with the action against being left alone for the horizon.

    ``good`` is 1 for who stayed (as measurement says it), or the campaign's own primary outcome; ``value_amounts`` is
    what the decision saw to be kept with the customer; both costs and values are 1 and 0 where an outcome is counted
    and not weighed with money.

    Args:
        warehouse: Where ledger and feeds are.
        business: The company.
        campaign: One campaign, all its versions; None for all, those that were run elsewhere too.
        as_of: The day of knowledge: outcomes and features are bounded by both clocks.
        progress: Told about each day that has to be described.

    Raises:
        BusinessFileError: the campaign is not in the file, or its churn kind cannot be followed.
        NotKnowableYet: no action can be learned yet; the message says which day will be the first.
        DataError: what was drawn was not logged.
    """
    found = read_logged(warehouse, business, campaign, as_of, progress=progress)
    concerned = _concerned(business, campaign)
    trials: dict[str, Trial] = {}
    missing: dict[str, str] = {}
    for action in concerned:
        rows = [one for one in found if action in one.actions and _given(one, action)]
        if not rows:
            missing[action] = _never_tried(found, action)
            continue
        best = max(rows, key=lambda one: _given(one, action))
        trial = _trial(best, action, [one for one in rows if one is not best])
        refusal = _refusal(trial, best, as_of)
        if refusal is None:
            trials[action] = trial
        else:
            missing[action] = refusal
    if not trials:
        told = " ".join(f"{action}: {why}." for action, why in missing.items())
        where = f"campaign {campaign}" if campaign else "campaigns"
        raise NotKnowableYet(f"{business.slug}: {where}: no action can be learned by {as_of}. {told}")
    return Experience(
        trials=trials,
        capacity_shares={
            action: capacity_share(warehouse, business, action, as_of, campaign=campaign) for action in trials
        },
        notes=_notes(business, found, trials, missing),
        policy_versions=tuple(sorted({version for one in found for version in one.policy_versions})),
        campaigns=tuple(sorted({str(name) for one in found for name in one.campaigns})),
        missing=missing,
        logged=found,
    )


def capacity_share(
    warehouse: Warehouse, business: Business, action: str, as_of: date, *, campaign: str | None = None
) -> float:
    """Return the share of those who could have an action that a day has room for, in (0, 1].

    Its capacity per day, or what the budget pays for, divided by the customers per day to whom it was open, whether or
    not it was given (as the ledger's decisions of the treated tell); 0.3 where nothing limits it, or nothing was
    decided.
    """
    stated = business.action_named(action)
    budgets = [business.budget.per_day] if business.budget is not None else []
    budgets += [
        one.budget_per_day
        for one in business.campaigns
        if one.budget_per_day is not None and action in one.actions and campaign in (None, one.name)
    ]
    daily: float | None = stated.capacity_per_day
    if daily is None and budgets and stated.expected_cost > 0:
        daily = min(budgets) / stated.expected_cost
    if daily is None:
        return USUAL_SHARE
    open_codes = ", ".join(literal(code) for code in _OPEN)
    named = "" if campaign is None else f" and campaign = {literal(campaign)}"
    path = literal(f'$."{action}"')
    rows = warehouse.query(
        f"""
        -- one row: how many customers a day could have had the action.
        select count(*) filter (
            where coalesce(try_cast(eligible ->> {path} as double), 0) > 0
                or split_part(refused ->> {path}, ':', 1) in ({open_codes})
        ) / nullif(count(distinct as_of), 0) as per_day
        from ledger
        where kind = 'decided' and "group" = 'treatment' and as_of <= date '{as_of}'{named}
        """
    ).to_pylist()
    per_day = rows[0]["per_day"]
    return USUAL_SHARE if not per_day else float(min(1.0, daily / per_day))


def _concerned(business: Business, campaign: str | None) -> list[str]:
    """The actions that the campaigns use, in the file's order."""
    used = {name for one in business.campaigns if campaign in (None, one.name) for name in one.actions}
    return [action.name for action in business.actions if action.name in used]


def _given(logged: Logged, action: str) -> int:
    return int((logged.chosen == 1 + logged.actions.index(action)).sum())


def _trial(logged: Logged, action: str, others: Sequence[Logged]) -> Trial:
    column = 1 + logged.actions.index(action)
    mine, none = logged.probability[:, column], logged.probability[:, 0]
    is_pair = np.isin(logged.chosen, (0, column)) & (mine > 0) & (none > 0)
    propensity = np.divide(mine, mine + none, out=np.zeros_like(mine), where=is_pair)
    is_rare = is_pair & ((propensity < LEAST_PROPENSITY) | (propensity > MOST_PROPENSITY))
    is_dear = is_pair & ~is_rare & ~logged.is_of_today[:, column - 1]
    kept = is_pair & ~is_rare & ~is_dear
    left_out = dict(logged.left_out)
    for reason, count in (
        (RARE, int(is_rare.sum())),
        (OTHER_PRICE, int(is_dear.sum())),
        (OTHER_AIM, sum(_given(other, action) for other in others)),
    ):
        if count:
            left_out[reason] = count
    return Trial(
        action=action,
        frame=logged.frame.loc[kept].reset_index(drop=True),
        customer_ids=logged.unit_ids[kept],
        as_ofs=logged.as_ofs[kept],
        treated=logged.chosen[kept] == column,
        propensity=propensity[kept],
        good=logged.good[kept],
        value_amounts=logged.value_amounts[kept],
        cost_amounts=np.full(int(kept.sum()), logged.costs[column - 1]),
        risk=logged.risk[kept],
        left_out=left_out,
        outcome=logged.aim.primary_outcome,
        churn=logged.aim.churn.name,
        aim=str(logged.aim),
    )


def _never_tried(found: Sequence[Logged], action: str) -> str:
    could = sum(
        int((one.probability[:, 1 + one.actions.index(action)] > 0).sum()) for one in found if action in one.actions
    )
    drawn = f"{could:,} customers could have drawn it, and none did" if could else "nobody could have drawn it"
    return f"never tried among those whose outcome is known: {drawn}. Explore, or give it a lift, and wait"


def _refusal(trial: Trial, logged: Logged, as_of: date) -> str | None:
    """Return why a trial says too little, and when it may say more; None when it can be learned from."""
    treated, good = int(trial.treated.sum()), trial.good
    counts = [
        (len(trial), FEWEST_ROWS, "customers"),
        (treated, FEWEST_PER_GROUP, "of them given the action"),
        (len(trial) - treated, FEWEST_PER_GROUP, "of them held out"),
    ]
    if trial.is_binary:
        fewer = int(min(good.sum(), good.size - good.sum()))
        counts.append((fewer, FEWEST_PER_OUTCOME, "of them with the rarer outcome"))
    elif len(trial) and not np.ptp(good) > 0:
        return f"all {len(trial):,} customers have the same outcome: there is nothing to learn from"
    short = [(count, least, what) for count, least, what in counts if count < least]
    if not short:
        return None
    told = "; ".join(f"{count:,} {what}, and it takes {least:,}" for count, least, what in short)
    most = max(least / max(count, 1) for count, least, _ in short)
    when = _enough_on(logged, most, as_of)
    return f"too few: {told}. At the pace so far that is {f'on {when}' if when else 'not within five years'}"


def _enough_on(logged: Logged, times: float, as_of: date) -> date | None:
    """Return the day on which so many times as many outcomes as now are known, those who wait first."""
    needed = int(np.ceil((times - 1) * len(logged)))
    if 0 < needed <= len(logged.waiting):
        return max(logged.waiting[needed - 1], date.fromordinal(as_of.toordinal() + 1))
    assert logged.first_on is not None
    entered = len(logged) + len(logged.waiting)
    days = max((as_of - logged.first_on).days, 1)
    later = (needed - len(logged.waiting)) * days / entered + logged.aim.horizon_days + 1
    return None if later > 5 * 365 else date.fromordinal(as_of.toordinal() + int(np.ceil(later)))


def _notes(
    business: Business, found: Sequence[Logged], trials: Mapping[str, Trial], missing: Mapping[str, str]
) -> tuple[str, ...]:
    notes = [f"{action}: {why}" for action, why in missing.items()]
    for action, trial in trials.items():
        notes += [f"{action}: {count:,} left out: {reason}" for reason, count in trial.left_out.items()]
    if len(found) > 1:
        aims = "; ".join(f"{one.aim} ({len(one):,} customers)" for one in found)
        notes.append(f"campaigns follow their customers to different outcomes, which are not pooled: {aims}")
    if any(not one.is_valued for one in found):
        notes.append("an outcome that no money belongs to is counted as 1 a customer, and an action as free")
    attributes = [one.name for one in feature_set(business) if one.feed == CUSTOMERS.name and not one.protected]
    if attributes and all(one.frame[attributes].isna().all(axis=None) for one in found):
        notes.append(
            "no attribute of customers was known when they entered: the customers' table was loaded later. Load it for "
            "a day before the first entry, if the company had it then"
        )
    return tuple(notes)
