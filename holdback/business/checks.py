"""What actions, campaigns, contacts and fit may name: the customers' attributes, the actions, the churn definitions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from holdback.business.deciding import Audience
from holdback.business.sections import refuse_unknown
from holdback.business.triggers import ROLES_OF_KIND, DropTrigger, ScoreTrigger

if TYPE_CHECKING:
    from holdback.business.model import Business
    from holdback.business.triggers import Trigger


def check_deciding(business: Business) -> None:
    """Raise ``ValueError`` for the first name that does not exist, may not be used, or stands twice."""
    _check_audiences(business)
    _check_campaigns(business)
    _check_customers(business)
    _check_outcomes(business)
    _check_triggers(business)
    _check_words(business)
    revenue = [n for n, feed in business.feeds.items() if feed.role in ("subscriptions", "transactions", "balances")]
    refuse_unknown("value.feed", filter(None, [business.value.feed]), revenue, "a feed that carries revenue")


def _check_audiences(business: Business) -> None:
    chosen = "a category or flag of customers that may be used"
    for where, audience in _audiences(business):
        refuse_unknown(f"{where}.where", audience.where, _attributes(business, "category", "flag"), chosen)
        numbers = _attributes(business, "number")
        refuse_unknown(f"{where}.between", audience.between, numbers, "a number of customers that may be used")


def _check_campaigns(business: Business) -> None:
    actions = [action.name for action in business.actions]
    definitions = [definition.name for definition in business.churn]
    names = [campaign.name for campaign in business.campaigns]
    if len(set(names)) < len(names):
        raise ValueError("campaigns: two campaigns have the same name")
    for position, campaign in enumerate(business.campaigns):
        where = f"campaigns[{position}]"
        refuse_unknown(f"{where}.actions", campaign.actions, actions, "one of the actions")
        refuse_unknown(f"{where}.churn", filter(None, [campaign.churn]), definitions, "a churn definition")
        feeds = list(business.feeds_with_role("assignments"))
        refuse_unknown(
            f"{where}.assigned_by", filter(None, [campaign.assigned_by]), feeds, "a feed of role assignments"
        )
        outcomes = ["churned", *(outcome.name for outcome in business.outcomes)]
        refuse_unknown(f"{where}.primary_outcome", [campaign.primary_outcome], outcomes, "an outcome")
        _check_budget(business, f"{where}.budget_per_day", campaign.budget_per_day, campaign.actions)
    _check_budget(business, "budget.per_day", business.budget.per_day if business.budget else None, actions)


def _check_outcomes(business: Business) -> None:
    names = [outcome.name for outcome in business.outcomes]
    if len(set(names)) < len(names):
        raise ValueError("outcomes: two outcomes have the same name")
    for position, outcome in enumerate(business.outcomes):
        where = f"outcomes[{position}]"
        refuse_unknown(f"{where}.feed", [outcome.feed], list(business.feeds), "a feed")
        columns = business.feeds[outcome.feed].mapped_columns
        numbers = [column.key for column in columns if column.type in ("money", "number", "integer")]
        refuse_unknown(f"{where}.of", filter(None, [outcome.of]), numbers, f"a column of numbers of {outcome.feed}")


def _check_triggers(business: Business) -> None:
    names = [trigger.name for trigger in business.triggers]
    if len(set(names)) < len(names):
        raise ValueError("triggers: two triggers have the same name")
    for position, trigger in enumerate(business.triggers):
        _check_trigger(business, f"triggers[{position}]", trigger)
    used = [campaign.trigger for campaign in business.campaigns if campaign.trigger]
    for position, campaign in enumerate(business.campaigns):
        where = f"campaigns[{position}].trigger"
        refuse_unknown(where, filter(None, [campaign.trigger]), names, "one of the triggers")
        if campaign.trigger is None:
            continue
        if used.count(campaign.trigger) > 1:
            raise ValueError(f"{where}: {campaign.trigger!r} has another campaign already; one each, to be measured")
        share = campaign.holdout_share if campaign.holdout_share is not None else business.holdout.campaign_share
        if share <= 0:
            raise ValueError(
                f"{where}: a trigger is born with a holdout, so that its value is known; raise holdout_share"
            )
        told = [branch.action for branch in business.trigger_named(campaign.trigger).then if branch.action != "none"]
        refuse_unknown(f"{where}: then.action", told, list(campaign.actions), "one of the campaign's actions")


def _check_trigger(business: Business, where: str, trigger: Trigger) -> None:
    feed = getattr(trigger, "feed", None)
    if feed is not None:
        roles = ROLES_OF_KIND[trigger.kind]
        fitting = [name for name, one in business.feeds.items() if one.role in roles]
        refuse_unknown(f"{where}.feed", [feed], fitting, f"a feed of role {' or '.join(roles)}")
        refuse_unknown(f"{where}.where", trigger.where, _texts(business, feed), f"a mapped column of words of {feed}")
    elif trigger.where:
        raise ValueError(f"{where}.where: chooses among the rows of a feed, and there is none")
    if isinstance(trigger, ScoreTrigger):
        known = [definition.name for definition in business.churn]
        refuse_unknown(f"{where}.churn", filter(None, [trigger.churn]), known, "a churn definition")
    attributes, went = _attributes(business, "category", "flag"), []
    if isinstance(trigger, DropTrigger):
        numbers = _attributes(business, "number")
        refuse_unknown(f"{where}.before", filter(None, [trigger.before]), numbers, "a number of customers")
        refuse_unknown(f"{where}.after", filter(None, [trigger.after]), numbers, "a number of customers")
        transactions = list(business.feeds_with_role("transactions"))
        refuse_unknown(f"{where}.went", filter(None, [trigger.went]), transactions, "a feed of role transactions")
        source = trigger.went or (feed if feed in transactions else None)
        went = _texts(business, source) if source else []
    actions = ["none", *(action.name for action in business.actions)]
    for number, branch in enumerate(trigger.then):
        asked = "an attribute of customers, or a column of where it went"
        refuse_unknown(f"{where}.then[{number}].when", branch.when, [*went, *attributes], asked)
        refuse_unknown(f"{where}.then[{number}].action", [branch.action], actions, "one of the actions")


def _texts(business: Business, feed: str) -> list[str]:
    return [column.key for column in business.feeds[feed].mapped_columns if column.type == "text"]


def _check_words(business: Business) -> None:
    """What messages and reports say of customers must be known, and must not be protected."""
    told = _attributes(business, "category")
    for key in ("language", "first_name", "executive"):
        name = getattr(business.delivery, key)
        refuse_unknown(f"delivery.{key}", filter(None, [name]), told, "a category of customers that may be used")
    groups = _attributes(business, "category", "flag")
    refuse_unknown("journey.segments", business.journey.segments, groups, "a category or flag that may be used")


def _check_customers(business: Business) -> None:
    flags, categories = _attributes(business, "flag"), _attributes(business, "category")
    refuse_unknown("fit.never_classed_out", business.fit.never_classed_out, flags, "a flag of customers")
    refuse_unknown("fit.segment", filter(None, [business.fit.segment]), categories, "a category that may be used")
    refuse_unknown("contact.reachable", business.contact.reachable.values(), flags, "a flag of customers")
    refuse_unknown("contact.opted_out", filter(None, [business.contact.opted_out]), flags, "a flag of customers")
    refuse_unknown("contact.suppressed_by", business.contact.suppressed_by or (), flags, "a flag of customers")
    usable = _attributes(business, "category", "flag", "number")
    for channel, fields in business.delivery.fields.items():
        refuse_unknown(f"delivery.fields.{channel}", fields, usable, "an attribute of customers that may be used")


def _attributes(business: Business, *kinds: str) -> list[str]:
    """Return the attributes of these kinds that may be used: protected ones and labels may not."""
    if business.customers is None:
        return []
    protected = business.customers.protected
    return [name for name, a in business.customers.attributes.items() if a.kind in kinds and name not in protected]


def _audiences(business: Business) -> Iterator[tuple[str, Audience]]:
    for position, action in enumerate(business.actions):
        yield f"actions[{position}].eligible", action.eligible
    for position, campaign in enumerate(business.campaigns):
        yield f"campaigns[{position}].audience", campaign.audience


def _check_budget(business: Business, where: str, per_day: float | None, names: Sequence[str]) -> None:
    costs = {action.name: action.expected_cost for action in business.actions if action.name in names}
    if per_day is None or not costs:
        return
    cheapest = min(costs, key=costs.__getitem__)
    if costs[cheapest] > per_day:
        raise ValueError(
            f"{where}: {per_day:g} does not pay for one {cheapest!r}, the cheapest action ({costs[cheapest]:g} each); "
            "raise the budget or add a cheaper action"
        )
