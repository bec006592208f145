"""Whom the campaign really reached, and what that cost: as reported back, else as decided.

A contact of the cohort's own campaign (of any of ours, for the programme) within the customer's horizon *reached* him
when it was reported as sent, delivered, opened, answered or redeemed: by the ledger, which takes in what fits a
decision, or by a feed of role ``campaign_contacts``, which also tells of contacts that nobody decided.

What a reported cost is the cost of (the contact's, or the incentive's), and what counts where none was reported, says
:mod:`campaigns.reconciliation.costs`. A decision of which nothing was reported, though reports of its
action came in after the days in which it had to be, never left the house (it was withheld, refused, or forgotten) and
costs nothing.
"""

from __future__ import annotations

import pyarrow as pa

from campaigns.reconciliation.costs import contact_price, incentive_price, told_of, told_of_lines
from campaigns.reconciliation.questions import MISSED_AFTER_DAYS
from campaigns.reconciliation.reports import OUTCOMES
from features.steps import Step
from holdback.sql import literal
from monitoring.outcomes.asking import Asked

REACHED = ("sent", "delivered", "opened", "answered", "redeemed")

#: Kinds of the ledger's rows that say: something was reported of this decision.
REPORTED_SQL = ", ".join(literal(kind) for kind in (*OUTCOMES, "cost"))
_REACHED_SQL = ", ".join(literal(kind) for kind in REACHED)
_OUTCOME = "coalesce(nullif(lower(trim(outcome)), ''), 'sent')"


def contact_steps(asked: Asked, near: str) -> list[Step]:
    """Return the steps that end in ``_contacts`` and ``_costs``.

    ``_contacts``: ``who, is_reached, is_reached_by_other``, one row per customer with a contact in his horizon.
    ``_costs``: ``who, is_decided, cost_cents, incentive_cents``. Both tell of everybody, mature or not.
    ``near`` bounds the events (:meth:`Asked.within`).
    """
    cost = _elsewhere(asked) if asked.cohort.assigned_by is not None else _decided(asked)
    return [*_reported(asked, near), *cost]


def action_frame(asked: Asked) -> pa.Table:
    """Return what the file says of each action: ``action, contact_cents, incentive_cents, taken_share``."""
    actions = asked.business.actions
    return pa.table(
        {
            "action": pa.array([action.name for action in actions], pa.string()),
            "contact_cents": pa.array([100.0 * action.cost for action in actions], pa.float64()),
            "incentive_cents": pa.array([100.0 * action.incentive_amount for action in actions], pa.float64()),
            "taken_share": pa.array([action.incentive_taken_share for action in actions], pa.float64()),
        }
    )


def missed_step(decided: str, reports: str) -> Step:
    """Return the step ``_missed``: ``decision_id`` of what was decided and, as far as reports go, never left.

    An action of which nothing is ever reported (calls, where only the mails come back) has none of them, nor have the
    decisions after its newest report: of those nobody knows.

    Args:
        decided: SQL of ``decision_id, action, decided_on``.
        reports: SQL of ``decision_id, action, reported_on``.
    """
    missed = f"""select decision_id
    from ({decided}) inner join (
        select action, max(reported_on) as heard_on from ({reports}) group by action
    ) using (action)
    where heard_on >= decided_on + {MISSED_AFTER_DAYS}
        and decision_id not in (select decision_id from ({reports}) where decision_id is not null)"""
    return Step("_missed", "decisions that should have been reported, and were not", missed)


def is_reach_known(asked: Asked) -> bool:
    """True when a feed reports contacts."""
    return bool(asked.business.feeds_with_role("campaign_contacts"))


def _own(asked: Asked) -> str:
    """SQL: is the contact one of the cohort's campaign (of any of ours, for the programme)?"""
    if asked.cohort.campaign is not None:
        return f"campaign = {literal(asked.cohort.campaign)}"
    names = ", ".join(literal(campaign.name) for campaign in asked.business.own_campaigns) or "null"
    return f"(campaign in ({names}) or campaign in (select campaign from ledger where kind = 'launched'))"


def _version(asked: Asked) -> str:
    return "" if asked.cohort.campaign is None else f" and version = {asked.cohort.version}"


def _standing(asked: Asked, kinds: str) -> str:
    """SQL condition: the ledger's row is known by now, and no correction took it back."""
    return f"""kind in ({kinds}) and as_of <= {asked.clock.today} and entry_id not in (
            select corrects from ledger
            where kind = 'corrected' and corrects is not null and as_of <= {asked.clock.today}
        )"""


def _reported(asked: Asked, near: str) -> list[Step]:
    parts = [
        f"select customer_id, campaign, happened_at as event_at from ledger\n"
        f"    where {_standing(asked, _REACHED_SQL)} and happened_at is not null"
    ]
    for feed in asked.business.feeds_with_role("campaign_contacts"):
        parts.append(asked.rows(feed, ("campaign", "event_at"), f"{near} and {_OUTCOME} in ({_REACHED_SQL})"))
    owned = f"select customer_id, event_at, coalesce({_own(asked)}, false) as is_own from _reported"
    contacts = """select who, bool_or(is_own) as is_reached, bool_or(not is_own) as is_reached_by_other
    from _entered inner join _owned using (customer_id)
    where event_at >= entered_at and event_at < ends_at
    group by who"""
    return [
        Step("_reported", "contacts that reached somebody, as reported", "\n    union all\n    ".join(parts)),
        Step("_owned", "whose they were", owned),
        Step("_contacts", "who was reached in his horizon", contacts),
    ]


def _decided(asked: Asked) -> list[Step]:
    campaign = "campaign is not null" if asked.cohort.campaign is None else _own(asked)
    decided = f"""select who, entry_id as decision_id, ledger.action, ledger.cost_cents, ledger.as_of as decided_on
    from ledger inner join _entered on _entered.customer_id = ledger.customer_id
        and ledger.as_of >= _entered.entered_on and ledger.as_of < _entered.ends_on
    where {_standing(asked, "'decided'")} and {campaign}{_version(asked)} and ledger.action <> 'none'"""
    costs = "'cost', 'redeemed'"
    told = told_of(f"select * from ledger where {_standing(asked, costs)}")
    reports = f"""select decision_id, action, as_of as reported_on
    from ledger where {_standing(asked, REPORTED_SQL)} and {campaign}{_version(asked)}"""
    return [
        Step("_decided", "decisions to contact somebody in his horizon", decided),
        Step("_told", "what was reported for a decision", told),
        Step("_reports", "that something was reported, by action", reports),
        missed_step("select decision_id, action, decided_on from _decided", "select * from _reports"),
        Step(
            "_priced",
            "what each decision cost",
            f"""select who, action, case when is_missed then 0 else greatest(
            coalesce({_DECIDED_CONTACT}, 0), 0) end as contact_cents,
        case when is_missed then 0 else {_INCENTIVE} end as incentive_cents
    from (select *, decision_id in (select decision_id from _missed) as is_missed from _decided)
        left join _told using (decision_id) left join _actions using (action)""",
        ),
        _summed("_priced"),
    ]


def _elsewhere(asked: Asked) -> list[Step]:
    """Costs of a campaign that was run elsewhere: what the feeds report, else what the file says of the action."""
    only = asked.campaign.actions[0] if asked.campaign is not None and len(asked.campaign.actions) == 1 else None
    action = f"coalesce(action, {literal(only)})" if only is not None else "action"
    treated = f"""select who, customer_id, {action} as action, entered_at, ends_at, customer_id as decision_id
    from _entered where "group" = 'treatment'"""
    parts = ["select null::varchar as customer_id, null::timestamp as event_at, null::varchar as outcome, "
             "null::bigint as cost_cents where false"]  # fmt: skip
    for feed in asked.business.feeds_with_role("campaign_contacts"):
        parts.append(asked.rows(feed, ("event_at", f"{_OUTCOME} as outcome", "cost_cents"), _own(asked)))
    told = told_of_lines(
        """select decision_id, outcome, cost_cents from _decided inner join _lines using (customer_id)
        where event_at >= entered_at and event_at < ends_at"""
    )
    priced = f"""select who, action, coalesce({contact_price("contact_cents")}, 0) as contact_cents,
        {_INCENTIVE} as incentive_cents
    from _decided left join _told using (decision_id) left join _actions using (action)
    where action is not null or contact_told_cents is not null or incentive_told_cents is not null"""
    return [
        Step("_decided", "the treated, each with his action", treated),
        Step("_lines", "what the feeds report of the campaign", "\n    union all\n    ".join(parts)),
        Step("_told", "what was reported for a customer", told),
        Step("_priced", "what each of the treated cost", priced),
        _summed("_priced"),
    ]


_REDEEMING = "select action from _decided inner join _told using (decision_id) where is_redeemed"
_INCENTIVE = incentive_price("incentive_cents", "taken_share * incentive_cents", _REDEEMING)
_DECIDED_CONTACT = contact_price("cost_cents - coalesce(taken_share * incentive_cents, 0)")


def _summed(source: str) -> Step:
    sql = f"""select who, true as is_decided, sum(contact_cents + incentive_cents) as cost_cents,
        sum(incentive_cents) as incentive_cents
    from {source} group by who"""
    return Step("_costs", "what each customer cost", sql)
