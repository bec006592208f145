"""What actions, campaigns, contacts and fit may name: the customers' attributes, the actions, the churn definitions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from holdback.business.deciding import Audience
from holdback.business.sections import refuse_unknown
from holdback.business.triggers import ROLES_OF_KIND, AnnouncedTrigger, DropTrigger, ScoreTrigger

if TYPE_CHECKING:
    from holdback.business.model import Business
    from holdback.business.triggers import Trigger


#: How the two values of a flag are written where one is asked for.
FLAG_WORDS: Final = {True: "true", False: "false"}
#: Where flags of customers may be asked for; ``*`` is each item of a list.
_ASKING = (("actions", "*", "eligible", "where"), ("campaigns", "*", "audience", "where"),
           ("triggers", "*", "then", "*", "when"))  # fmt: skip


def flags_as_words(content: Any) -> Any:
    """Return a business file's content where YAML's ``true`` and ``false``, asked of a flag, are words.

    Only of flags: a category may hold the words yes and no, which YAML takes for booleans; those need quotes.

    Examples:
        >>> asked = [{"eligible": {"where": {"vip": True}}}]
        >>> flags_as_words({"customers": {"attributes": {"vip": "flag"}}, "actions": asked})["actions"]
        [{'eligible': {'where': {'vip': 'true'}}}]
    """
    customers = content.get("customers") if isinstance(content, dict) else None
    attributes = customers.get("attributes") if isinstance(customers, dict) else None
    if not isinstance(attributes, dict):
        return content
    flags = {name for name, a in attributes.items() if (a.get("kind") if isinstance(a, dict) else a) == "flag"}

    def in_words(asked: Any) -> Any:
        if not isinstance(asked, dict):
            return asked
        return {name: _in_words(values) if name in flags else values for name, values in asked.items()}

    for path in _ASKING:
        content = _changed(content, path, in_words)
    return content


def _in_words(values: Any) -> Any:
    if isinstance(values, list | tuple):
        return [_in_words(value) for value in values]
    return FLAG_WORDS[values] if isinstance(values, bool) else values


def _changed(value: Any, path: Sequence[str], change: Callable[[Any], Any]) -> Any:
    """Return a copy of nested lists and mappings, changed where the path leads; what is not there stays away."""
    if not path:
        return change(value)
    step, rest = path[0], path[1:]
    if step == "*" and isinstance(value, list | tuple):
        return [_changed(item, rest, change) for item in value]
    if isinstance(value, dict) and step in value:
        return {**value, step: _changed(value[step], rest, change)}
    return value


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
        _check_flags(f"{where}.where", audience.where, _attributes(business, "flag"))
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
    if isinstance(trigger, AnnouncedTrigger) and 0 < trigger.cooldown_days <= trigger.ahead_days:
        raise ValueError(
            f"{where}.cooldown_days: {trigger.cooldown_days} days are over before the day that was announced "
            f"{trigger.ahead_days} days ahead, so it would fire twice for it; leave it out "
            f"({trigger.ahead_days + 1} then), or write 0 (once, as it comes into sight)"
        )
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
        _check_flags(f"{where}.then[{number}].when", branch.when, set(_attributes(business, "flag")) - set(went))
        refuse_unknown(f"{where}.then[{number}].action", [branch.action], actions, "one of the actions")


def _check_flags(where: str, asked: Mapping[str, Sequence[str]], flags: Collection[str]) -> None:
    """Refuse words that no flag ever holds: the condition could not hold for anybody."""
    for name, values in asked.items():
        for value in values if name in flags else ():
            if value not in FLAG_WORDS.values():
                raise ValueError(f"{where}.{name}: {value!r} is nothing that a flag holds; write true or false")


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
