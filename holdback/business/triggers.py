"""The section ``triggers``: what must happen to a customer for somebody to act at once."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from holdback.business.sections import Name, Section, Texts

Days = Annotated[int, Field(ge=1, le=1830)]
Cooldown = Annotated[int, Field(ge=0, le=1830)]


class Branch(Section):
    """What to do, by where the money went or by who the customer is; the first branch that holds decides."""

    when: dict[str, Texts] = Field(
        {},
        description="Allowed values by column of the feed that tells where it went (destination) or by attribute of "
        "customers (flags are true or false); always holds when empty",
    )
    action: Name = Field(description="Name of the action; 'none' leaves the customer alone")


class _Trigger(Section):
    name: Name
    where: dict[str, Texts] = Field({}, description="Allowed values by column of the feed: which rows count")
    cooldown_days: Cooldown = Field(30, description="Days before it can fire again for the same customer")
    expected_per_day: Annotated[float, Field(ge=0)] | None = Field(
        None, description="How often it should fire in a day; three times as often is reported, and nobody is contacted"
    )
    judged_days: Days | None = Field(
        None, description="Days in which those for whom it fired must leave to prove it right; the churn window's"
    )
    then: tuple[Branch, ...] = Field((), description="Which action for whom; any action of the campaign when empty")


class DropTrigger(_Trigger):
    """A level fell by an amount or a share within some days; tells where the money went."""

    kind: Literal["drop"]
    feed: str | None = Field(
        None, description="Of role balances (end-of-day balances) or transactions (signed sums of amounts)"
    )
    before: str | None = Field(None, description="Instead of a feed: the attribute (a number) that held the level")
    after: str | None = Field(None, description="And the attribute that holds it now")
    at_least: Annotated[float, Field(gt=0)] | None = Field(None, description="Fall in the business' currency")
    at_least_share: Annotated[float, Field(gt=0, le=1)] | None = Field(None, description="Fall as a share of before")
    over_days: Days = 7
    went: str | None = Field(None, description="The feed of role transactions whose destination says where it went")

    @model_validator(mode="after")
    def _is_whole(self) -> DropTrigger:
        if (self.feed is None) == (self.before is None or self.after is None):
            raise ValueError("feed: give a feed, or the two attributes before and after")
        if self.at_least is None and self.at_least_share is None:
            raise ValueError("at_least: give an amount (at_least), a share (at_least_share), or both")
        return self


class OverdueTrigger(_Trigger):
    """Nothing came although the customer's own rhythm, or last year's calendar, says that it should have."""

    kind: Literal["overdue"]
    feed: str = Field(description="Of role transactions")
    by: Literal["rhythm", "calendar"] = Field(
        "rhythm", description="The usual gap between two events, or the same season of the years before"
    )
    times: Annotated[float, Field(gt=1, le=20)] = Field(2.0, description="rhythm: how many usual gaps are too many")
    least_events: Annotated[int, Field(ge=2, le=1000)] = Field(
        3, description="Events (calendar: years) from which a rhythm is believed"
    )
    grace_days: Cooldown = Field(14, description="calendar: days after the usual date")
    only_open_days: Days = Field(90, description="Not any more when the customer has been overdue for this long")


class DueTrigger(_Trigger):
    """Something owned nears the age at which its like is usually replaced, which is learned."""

    kind: Literal["due"]
    feed: str = Field(description="Of role subscriptions: start is the purchase, cancel the replacement")
    by: Literal["plan"] | None = Field(None, description="Learn one age for each plan (model)")
    ahead_days: Days = Field(180, description="How long before the usual age")
    quantile: Annotated[float, Field(gt=0, lt=1)] = Field(0.5, description="Share that is replaced by the usual age")
    least_replaced: Annotated[int, Field(ge=5, le=10_000)] = Field(
        50, description="Replacements from which an age is believed"
    )


class ScoreTrigger(_Trigger):
    """A score crossed a line: an answer (a detractor), or a churn probability; at once, or by a jump over days."""

    kind: Literal["score_below", "score_above"]
    feed: str | None = Field(None, description="Of role feedback: its answers")
    churn: str | None = Field(None, description="Or a churn definition: its probabilities")
    at: float = Field(description="The line, on the feed's scale, or a probability")
    by: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Only who moved across the line by at least this much within over_days"
    )
    over_days: Days = 7

    @model_validator(mode="after")
    def _is_whole(self) -> ScoreTrigger:
        if (self.feed is None) == (self.churn is None):
            raise ValueError("feed: give a feed of role feedback, or a churn definition, and not both")
        return self


class CountTrigger(_Trigger):
    """Something happened too often within some days: complaints, failed payments."""

    kind: Literal["count_over"]
    feed: str
    at_least: Annotated[int, Field(ge=1)] = Field(description="How often")
    over_days: Days = 30


class AnnouncedTrigger(_Trigger):
    """Something is known to come: a contract can end, a commitment runs out, a price will rise."""

    kind: Literal["announced"]
    feed: str = Field(description="Of role subscriptions: its ends_on; or any feed: its event_at in the future")
    on: Literal["ends_on", "event_at"] = Field("ends_on", description="Which column tells the day")
    ahead_days: Days = Field(30, description="How long before")
    cooldown_days: Annotated[int, Field(ge=0, le=1831)] = Field(
        31, description="Days before it can fire again for the same customer; one more than ahead_days by default"
    )

    @model_validator(mode="before")
    @classmethod
    def _once_for_one_day(cls, content: Any) -> Any:
        """Until the announced day is past, the condition holds for it: a shorter cooldown would tell it twice."""
        if isinstance(content, dict) and "cooldown_days" not in content:
            ahead = content.get("ahead_days", cls.model_fields["ahead_days"].default)
            if isinstance(ahead, int) and not isinstance(ahead, bool):
                return {**content, "cooldown_days": min(max(ahead + 1, 0), 1831)}
        return content


Trigger = Annotated[
    DropTrigger | OverdueTrigger | DueTrigger | ScoreTrigger | CountTrigger | AnnouncedTrigger,
    Field(discriminator="kind"),
]

#: Roles of the feeds that each kind can read.
ROLES_OF_KIND = {
    "drop": ("balances", "transactions"),
    "overdue": ("transactions",),
    "due": ("subscriptions",),
    "score_below": ("feedback",),
    "score_above": ("feedback",),
    "count_over": ("transactions", "subscriptions", "interactions", "feedback", "usage", "campaign_contacts"),
    "announced": ("subscriptions", "transactions"),
}

__all__ = [
    "ROLES_OF_KIND", "AnnouncedTrigger", "Branch", "CountTrigger", "DropTrigger", "DueTrigger", "OverdueTrigger",
    "ScoreTrigger", "Trigger",
]  # fmt: skip
