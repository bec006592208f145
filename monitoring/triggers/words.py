"""What a trigger waits for, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping

from holdback.business import Business
from holdback.business.triggers import (
    AnnouncedTrigger,
    CountTrigger,
    DropTrigger,
    DueTrigger,
    OverdueTrigger,
    ScoreTrigger,
    Trigger,
)


def told(trigger: Trigger, business: Business) -> str:
    """Return what must happen to a customer for the trigger to fire, as a sentence without its point.

    Args:
        trigger: The trigger.
        business: The company; amounts are in its currency.
    """
    match trigger:
        case DropTrigger():
            return _drop(trigger, business.currency)
        case OverdueTrigger():
            return _overdue(trigger)
        case DueTrigger():
            return _due(trigger)
        case ScoreTrigger():
            return _score(trigger)
        case CountTrigger():
            often = f"at least {trigger.at_least} times within {_days(trigger.over_days)}"
            return f"{_rows(trigger.feed, trigger.where)} came {often}"
        case AnnouncedTrigger():
            what = "an end" if trigger.on == "ends_on" else "an event"
            return f"{what} told by {_rows(trigger.feed, trigger.where)} comes within {_days(trigger.ahead_days)}"


def _drop(trigger: DropTrigger, currency: str) -> str:
    what = _rows(trigger.feed, trigger.where) if trigger.feed else f"from {trigger.before} to {trigger.after} the level"
    least = []
    if trigger.at_least is not None:
        least.append(f"{trigger.at_least:,.2f} {currency}")
    if trigger.at_least_share is not None:
        least.append(f"{trigger.at_least_share:.0%} of it")
    within = f" within {_days(trigger.over_days)}" if trigger.feed else ""
    where = f"; {trigger.went} tells where it went" if trigger.went else ""
    return f"{what} fell by at least {' and '.join(least)}{within}{where}"


def _overdue(trigger: OverdueTrigger) -> str:
    what = _rows(trigger.feed, trigger.where)
    if trigger.by == "rhythm":
        return (
            f"nothing came in {what} for more than {trigger.times:g} of the customer's usual gaps "
            f"(known from {trigger.least_events} events on)"
        )
    return (
        f"nothing came in {what} although something did at this time in {trigger.least_events} years before, "
        f"{_days(trigger.grace_days)} after the usual date"
    )


def _due(trigger: DueTrigger) -> str:
    of = " of its plan" if trigger.by == "plan" else ""
    return (
        f"what {_rows(trigger.feed, trigger.where)} says is owned comes within {_days(trigger.ahead_days)} of the age "
        f"at which {trigger.quantile:.0%}{of} were replaced"
    )


def _score(trigger: ScoreTrigger) -> str:
    what = (
        f"an answer in {_rows(trigger.feed, trigger.where)}" if trigger.feed else f"the probability of {trigger.churn}"
    )
    side = "below" if trigger.kind == "score_below" else "above"
    if trigger.by is None:
        return f"{what} is {side} {trigger.at:g}"
    return f"{what} moved to {side} {trigger.at:g}, by at least {trigger.by:g} within {_days(trigger.over_days)}"


def _rows(feed: str | None, where: Mapping[str, tuple[str, ...]]) -> str:
    if not where:
        return str(feed)
    return f"{feed} ({', '.join(f'{column}: {_any_of(values)}' for column, values in where.items())})"


def _any_of(values: tuple[str, ...]) -> str:
    return " or ".join(values)


def _days(count: int) -> str:
    """Write a number of days.

    Examples:
        >>> _days(1), _days(30)
        ('1 day', '30 days')
    """
    return "1 day" if count == 1 else f"{count} days"
