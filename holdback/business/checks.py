"""What actions, campaigns, contacts and fit may name: the customers' attributes, the actions, the churn definitions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from holdback.business.deciding import Audience
from holdback.business.sections import refuse_unknown

if TYPE_CHECKING:
    from holdback.business.model import Business


def check_deciding(business: Business) -> None:
    """Raise ``ValueError`` for the first name that does not exist, may not be used, or stands twice."""
    _check_audiences(business)
    _check_campaigns(business)
    _check_customers(business)
    _check_outcomes(business)
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
