"""The section ``retention``: for how many days what is kept. Nothing stated means: until somebody removes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from holdback.business.churn import ColumnChurn
from holdback.business.sections import Name, Role, Section

if TYPE_CHECKING:
    from holdback.business.model import Business

Period = Annotated[int, Field(ge=1, le=36_500)]

#: Features look back as long; what is older describes nobody.
FEATURE_DAYS = 365
#: Between the end of an outcome window and the day on which it is read, trained on and measured.
SLACK_DAYS = 35
#: A message that bounced speaks against its channel for so long, unless one arrived later.
BOUNCE_DAYS = 180
#: Roles whose newest row stays whatever its age: it says what holds now (a contract that runs, a balance).
STATE_ROLES = frozenset({"subscriptions", "balances"})


class Retention(Section):
    """For how many days what is kept; the ledger is never cut, and what is not named here is kept for ever."""

    feeds: dict[Name, Period] = Field({}, description="By feed, counted from the event; wins over roles")
    roles: dict[Role, Period] = Field({}, description="By role, for the feeds that are not named")
    landing: Period | None = Field(None, description="Originals as they came, from the day they were loaded for")
    quarantine: Period | None = Field(None, description="What quarantined rows say; that they were refused stays")
    outbox: Period | None = Field(None, description="Contact lists; receipts and manifests stay")
    features: Period | None = Field(None, description="What was known about each customer on each day")
    scores: Period | None = Field(None, description="Scores, uplifts, values, fit and segments of each day")
    reports: Period | None = Field(None, description="Reports under the workspace; the site has portal.keep_days")
    logs: Period | None = Field(None, description="Log files under the workspace")

    def of_feed(self, name: str, role: str) -> int | None:
        """Return for how many days rows of a feed are kept; None: for ever."""
        return self.feeds.get(name, self.roles.get(role))  # type: ignore[call-overload]


def check_retention(business: Business) -> None:
    """Refuse periods that are shorter than what the business needs, with the need.

    Raises:
        ValueError: a period is too short, or names a feed that is not there.
    """
    section = business.retention
    for name in section.feeds:
        if name not in business.feeds:
            known = ", ".join(business.feeds) or "none is declared"
            raise ValueError(f"retention.feeds.{name}: there is no such feed. Choose one of: {known}")
    for name, feed in business.feeds.items():
        _refuse_short(f"retention, feed {name}", section.of_feed(name, feed.role), dict(needs_of_feed(business, name)))
    _refuse_short("retention.features", section.features, dict(_needs_of_outcomes(business)))
    _refuse_short("retention.scores", section.scores, dict(_needs_of_outcomes(business)))
    if section.landing is not None and (section.quarantine is None or section.quarantine > section.landing):
        kept = "for ever" if section.quarantine is None else f"{section.quarantine} days"
        raise ValueError(
            f"retention.landing: {section.landing} days: quarantined rows are kept {kept}, and are released from their "
            f"originals. Set retention.quarantine to {section.landing} or less"
        )


def needs_of_feed(business: Business, name: str) -> Iterator[tuple[str, int]]:
    """Yield who needs a feed's rows, and for how many days."""
    feed = business.feeds[name]
    longest = max((days for _, days in _needs_of_outcomes(business)), default=0)
    yield f"features look back {FEATURE_DAYS} days from days whose outcome must be known", FEATURE_DAYS + longest
    for definition in business.churn:
        if not isinstance(definition, ColumnChurn) and definition.feed == name:
            days = definition.lead_days + definition.outcome_days + (getattr(definition, "active_days", None) or 0)
            yield f"churn {definition.name}", days + SLACK_DAYS
    for campaign in business.campaigns:
        yield f"campaign {campaign.name}: its horizon, and as long before", 2 * business.horizon_days(campaign)
    if feed.role == "campaign_contacts":
        yield "contact.per_days", business.contact.per_days
        yield "a channel that bounced stays closed", BOUNCE_DAYS
    if feed.role in ("campaign_contacts", "interactions"):
        yield "contact.open_complaint_days", business.contact.open_complaint_days


def _needs_of_outcomes(business: Business) -> Iterator[tuple[str, int]]:
    for definition in business.churn:
        if not isinstance(definition, ColumnChurn):
            yield f"the outcome of churn {definition.name}", definition.lead_days + definition.outcome_days + SLACK_DAYS
    for campaign in business.campaigns:
        yield f"the horizon of campaign {campaign.name}", business.horizon_days(campaign) + SLACK_DAYS


def _refuse_short(where: str, days: int | None, needs: Mapping[str, int]) -> None:
    if days is None or not needs:
        return
    who, needed = max(needs.items(), key=lambda need: need[1])
    if days < needed:
        raise ValueError(f"{where}: {days} days are too short: {who} needs {needed}. Set at least {needed}")
