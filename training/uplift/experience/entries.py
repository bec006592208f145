"""Who entered a campaign on which day, what was drawn for him, and with which probabilities.

A unit (a household, or a customer alone) enters a version of a campaign once. It is then drawn into treatment with a
probability e that the ledger keeps with the assignment, and the decision of the same day keeps the probability q(a) of
each action in the treatment group, of the held-out too. So, for one whom the rule chose, ``P(a) = e q(a)``. One whom
the rule did not choose enters only if chance gave him an action, so ``P(a) = e q(a) / sum of q over the actions``. In
both cases ``P(holdout) = 1 - e``: the group is drawn with another key than the action, and nobody enters because of it.

**Nothing means held out.** Who is treated and drew nothing on his first day may be contacted on the next one, so he is
no example of nothing: he is left out, which the probabilities of those who stay allow for, as they are taken given that
it was an action or the holdout. What is compared is therefore to enter with an action (and to be treated as the rules
go on) with being left alone for the whole horizon.

What is not exact: the prices of a day are found among the treated, so a customer's own group moves them, by what one
customer in the day's market weighs; and the last one whom a limit has no room for is chosen by the rule and gets
nothing, in treatment alone. Both are at most a customer or two a day.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from functools import cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.corrections import corrected_tables
from features.following import assignment_step
from features.steps import with_steps
from holdback.business import Business
from holdback.forgotten import PSEUDONYM
from holdback.sql import literal
from holdback.warehouse import Warehouse
from training.uplift.trial import Booleans, Floats

Positions = npt.NDArray[np.int64]

#: What stands for no action in every table and matrix.
NONE = "none"

NO_GROUP_LOGGED = "the probability of the group was not logged"
NO_ODDS_LOGGED = "the probabilities of the actions were not logged"
BEFORE_THE_LOG = "decided before the ledger kept what the held-out would have been given"
NOT_DRAWN = "held out, or treated, with certainty: there is nobody like them in the other group"
OTHER_MEMBER = "in the household of whom the campaign was for: nothing was drawn for them"
DREW_NOTHING = "treated, and drew nothing on the first day: they may be contacted on a later one"
GONE_ACTION = "got an action that is not in the business file any more"
FOREIGN_WORDS = "assigned in words that the business file does not translate"
BOTH_GROUPS = "assigned to both treatment and holdout"
SEVERAL_ACTIONS = "the feed tells who was treated, not how probable each of the campaign's actions was"

_COLUMNS = [
    "customer_id", "unit_id", "campaign", "version", "entered_on", "group", "treatment_probability", "risk",
    "kept_cents", "policy_version", "action", "intended_action", "eligible", "refused",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Entries:
    """Those who entered and can be compared, ordered by day, customer and campaign.

    Attributes:
        table: ``customer_id, unit_id, campaign, version, entered_on`` (date), ``risk, kept_cents`` (NaN where not
            frozen), ``policy_version, action, intended_action`` (None where not logged), ``is_ours``; n rows.
        actions: The business' actions, k of them.
        probability: Of being held out, and of each action, given that it was one of these; rows add up to 1, shape
            (n, 1 + k).
        chosen: Column of ``probability`` that was drawn, shape (n,).
        left_out: Entries that cannot be compared, counted by reason.
    """

    table: pd.DataFrame
    actions: tuple[str, ...]
    probability: Floats
    chosen: Positions
    left_out: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.table)

    def where(self, mask: Booleans) -> Entries:
        """Return the rows of a mask, in the same order."""
        table = self.table.loc[mask].reset_index(drop=True)
        return Entries(table, self.actions, self.probability[mask], self.chosen[mask], self.left_out)


def read_entries(warehouse: Warehouse, business: Business, campaign: str | None, as_of: date) -> Entries:
    """Return who entered a campaign up to a day, with the probabilities of what could have been drawn.

    Args:
        warehouse: Where ledger and feeds are.
        business: The company.
        campaign: One campaign, all its versions; None for all campaigns, those that were run elsewhere too.
        as_of: The day of knowledge.
    """
    actions = tuple(action.name for action in business.actions)
    left_out: dict[str, int] = {}
    parts = [_from_ledger(warehouse, campaign, as_of)]
    parts += [
        _from_feed(warehouse, business, one.name, as_of)
        for one in business.campaigns
        if one.assigned_by is not None and campaign in (None, one.name)
    ]
    table = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    table = table.sort_values(["entered_on", "customer_id", "campaign", "version"], kind="stable", ignore_index=True)

    def drop(mask: Booleans, reason: str) -> None:
        nonlocal table
        if mask.any():
            left_out[reason] = left_out.get(reason, 0) + int(mask.sum())
            table = table.loc[~mask].reset_index(drop=True)

    drop(table["group"].isna().to_numpy(bool), FOREIGN_WORDS)
    groups = table.groupby(["customer_id", "campaign", "version"])["group"].transform("nunique")
    drop((groups > 1).to_numpy(bool), BOTH_GROUPS)
    table = table.drop_duplicates(["customer_id", "campaign", "version"], keep="first", ignore_index=True)
    drop(table["treatment_probability"].isna().to_numpy(bool), NO_GROUP_LOGGED)
    drop(_is_before_the_log(table), BEFORE_THE_LOG)
    drop((table["action"].isna() & table["is_ours"]).to_numpy(bool), OTHER_MEMBER)
    several = {one.name for one in business.campaigns if one.assigned_by is not None and len(one.actions) > 1}
    drop(table["campaign"].isin(several).to_numpy(bool) & ~table["is_ours"].to_numpy(bool), SEVERAL_ACTIONS)
    drop(table["eligible"].isna().to_numpy(bool), NO_ODDS_LOGGED)
    treatment = table["treatment_probability"].to_numpy(dtype=np.float64)
    drop((treatment <= 0) | (treatment >= 1), NOT_DRAWN)

    odds, of_any = _odds(table["eligible"], actions)
    by_chance = (table["intended_action"] == NONE).to_numpy(bool)
    kept = np.ones(len(table), dtype=bool)
    for reason, mask in (
        (OTHER_MEMBER, by_chance & (of_any <= 0)),
        (DREW_NOTHING, ((table["group"] == "treatment") & (table["action"] == NONE)).to_numpy(bool)),
        (GONE_ACTION, ~table["action"].isin([NONE, *actions]).to_numpy(bool)),
    ):
        if (mask & kept).any():
            left_out[reason] = left_out.get(reason, 0) + int((mask & kept).sum())
        kept &= ~mask
    table, odds, of_any, by_chance = table.loc[kept].reset_index(drop=True), odds[kept], of_any[kept], by_chance[kept]

    treatment = table["treatment_probability"].to_numpy(dtype=np.float64)
    given = np.where(by_chance, of_any, 1.0)
    probability = np.column_stack([1.0 - treatment, treatment[:, None] * odds / given[:, None]])
    probability /= probability.sum(axis=1, keepdims=True)
    names = (NONE, *actions)
    chosen = np.array([names.index(name) for name in table["action"]], dtype=np.int64)
    table = table.drop(columns=["group", "treatment_probability", "eligible", "refused"])
    return Entries(table, actions, probability, chosen, left_out)


def _from_ledger(warehouse: Warehouse, campaign: str | None, as_of: date) -> pd.DataFrame:
    """Entries that our ledger recorded; who was assigned with his household has no decision of his own."""
    named = "is not null" if campaign is None else f"= {literal(campaign)}"
    rows = warehouse.query(
        f"""
        -- entries: one row per customer, campaign and version, with the decision of the same day.
        with entered as (
            select customer_id, coalesce(unit_id, customer_id) as unit_id, campaign, version, as_of as entered_on,
                "group", case when "group" = 'holdout' then 1 - propensity else propensity end as treatment_probability
            from ledger
            where kind = 'assigned' and campaign {named} and as_of <= date '{as_of}'
            qualify row_number() over (partition by customer_id, campaign, version order by as_of, sequence) = 1
        ),

        decided as (
            select customer_id, campaign, version, as_of as entered_on, probability as risk, kept_cents,
                policy_version, action, intended_action, eligible, refused
            from ledger
            where kind = 'decided' and campaign {named} and as_of <= date '{as_of}'
        )

        select entered.*, risk, cast(kept_cents as double) as kept_cents, policy_version, action, intended_action,
            eligible, refused, true as is_ours
        from entered left join decided using (customer_id, campaign, version, entered_on)
        """
    )
    return _frame(rows.to_pandas())


def _from_feed(warehouse: Warehouse, business: Business, name: str, as_of: date) -> pd.DataFrame:
    """Entries of a campaign that was run elsewhere: nothing was frozen, and the treated got its only action."""
    campaign = business.campaign_named(name)
    assert campaign.assigned_by is not None
    step, frames = assignment_step(
        warehouse, business, campaign.assigned_by, campaign, name, as_of, corrected_tables(warehouse)
    )
    only = campaign.actions[0]
    rows = warehouse.query(
        f"""{with_steps([step])}
        select customer_id, unit_id, {literal(name)} as campaign, cast({campaign.version} as bigint) as version,
            entered_on, "group", propensity as treatment_probability, probability as risk,
            cast(kept_cents as double) as kept_cents, cast(null as varchar) as policy_version,
            case when "group" = 'holdout' then '{NONE}' else coalesce(action, {literal(only)}) end as action,
            cast(null as varchar) as intended_action, '{{"{only}":1.0}}' as eligible,
            cast(null as varchar) as refused, false as is_ours
        from _assigned_rows order by assigned_order""",
        frames=frames,
    )
    return _frame(rows.to_pandas())


def _frame(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with types that do not depend on what is missing; of who was forgotten there is nothing to learn."""
    rows = rows[~rows["customer_id"].astype(str).str.startswith(PSEUDONYM)]
    numbers = {"treatment_probability": "float64", "risk": "float64", "kept_cents": "float64", "version": "int64"}
    shaped: pd.DataFrame = rows[[*_COLUMNS, "is_ours"]].astype({**numbers, "is_ours": "bool"})
    return shaped


def _is_before_the_log(table: pd.DataFrame) -> Booleans:
    """True up to the last day on which a held-out customer's row says that nothing but none could have been drawn.

    He entered with an action in view, so it could have: the ledger did not keep it then. The treated of those days are
    left out with the held-out, else only one group would stay.
    """
    is_held = table["is_ours"] & (table["group"] == "holdout") & table["eligible"].notna()
    only_none = table["eligible"].map(lambda text: isinstance(text, str) and _probabilities(text).keys() <= {NONE})
    had_one = (table["intended_action"].fillna(NONE) != NONE) | table["refused"].fillna("").str.contains("held_out")
    old = table.loc[is_held & only_none.astype(bool) & had_one, "entered_on"]
    if old.empty:
        return np.zeros(len(table), dtype=bool)
    return np.asarray((table["entered_on"] <= old.max()) & table["is_ours"], dtype=bool)


@cache
def _probabilities(text: str) -> dict[str, float]:
    found: dict[str, float] = json.loads(text)
    return found


def _odds(texts: pd.Series, actions: tuple[str, ...]) -> tuple[Floats, Floats]:
    """Probability of each of the file's actions in the treatment group, and of any action; shapes (n, k) and (n,)."""
    codes, distinct = pd.factorize(texts)
    told = [_probabilities(str(text)) for text in distinct]
    odds = np.array([[one.get(name, 0.0) for name in actions] for one in told], dtype=np.float64)
    of_any = np.array([sum(p for name, p in one.items() if name != NONE) for one in told], dtype=np.float64)
    return odds.reshape(-1, len(actions))[codes], of_any[codes]
