"""The business file as one object: what every other package takes as ``business``."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, PrivateAttr, model_validator

from holdback.business.alerts import Alerts, Channel, check_alerts
from holdback.business.checks import check_deciding, flags_as_words
from holdback.business.churn import CHURN_ROLES, Churn, ColumnChurn
from holdback.business.deciding import Action, Budget, Campaign, Contact, Delivery, Fit, Holdout, Outcome
from holdback.business.journey import Journey
from holdback.business.portal import Portal
from holdback.business.retention import Retention, check_retention
from holdback.business.sections import (
    Customers,
    Feed,
    Name,
    Section,
    TimeZone,
    Training,
    Value,
    refuse_reserved,
)
from holdback.business.triggers import Trigger
from holdback.errors import BusinessFileError
from holdback.tables import CUSTOMERS, ROLES, TABLES, Column, ColumnType, Table

_ATTRIBUTE_TYPES: dict[str, ColumnType] = {"category": "text", "number": "number", "flag": "flag", "label": "flag"}


class Business(Section):
    """One company: its feeds, what churn means to it, what customers are worth and what it can do."""

    slug: Name
    name: str
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217, such as EUR")]
    time_zone: TimeZone
    language: Literal["en", "es"] = Field("en", description="Of the reports")
    customers: Customers | None = None
    feeds: dict[Name, Feed] = Field(default={}, description="One entry per source table of events")
    churn: Annotated[tuple[Churn, ...], Field(min_length=1)]
    value: Value = Value()
    fit: Fit = Fit()
    actions: tuple[Action, ...] = ()
    holdout: Holdout = Holdout()
    contact: Contact = Contact()
    budget: Budget | None = None
    triggers: tuple[Trigger, ...] = Field((), description="What must happen to a customer for somebody to act at once")
    journey: Journey = Journey()
    outcomes: tuple[Outcome, ...] = Field((), description="What campaigns may change besides churn")
    campaigns: tuple[Campaign, ...] = ()
    delivery: Delivery = Delivery()
    portal: Portal = Portal()
    training: Training = Training()
    channels: tuple[Channel, ...] = Field((), description="How alerts reach people")
    alerts: Alerts = Alerts()
    retention: Retention = Retention()

    _folder: Path = PrivateAttr(default=Path())

    @property
    def folder(self) -> Path:
        """The folder of the business file: relative sources and own features start there."""
        return self._folder

    def instant(self, day: date) -> datetime:
        """Return the start of ``day`` in the business' time zone, as naive UTC.

        Examples:
            A day in Madrid starts at 22:00 UTC of the day before in summer.
        """
        local = datetime.combine(day, time.min, tzinfo=ZoneInfo(self.time_zone))
        return local.astimezone(UTC).replace(tzinfo=None)

    def day_of(self, instant: datetime) -> date:
        """Return the business' day in which a naive UTC instant falls."""
        return instant.replace(tzinfo=UTC).astimezone(ZoneInfo(self.time_zone)).date()

    def churn_named(self, name: str | None) -> Churn:
        """Return the churn definition with this name (the first one when ``name`` is None).

        Raises:
            BusinessFileError: no definition has this name.
        """
        for definition in self.churn:
            if name is None or definition.name == name:
                return definition
        known = ", ".join(definition.name for definition in self.churn)
        raise BusinessFileError(f"{self.slug}: churn definition {name!r} does not exist. Choose one of: {known}.")

    def action_named(self, name: str) -> Action:
        """Return the action with this name; campaigns name only actions that exist.

        Raises:
            KeyError: no action has this name.
        """
        return {action.name: action for action in self.actions}[name]

    def trigger_named(self, name: str) -> Trigger:
        """Return the trigger with this name.

        Raises:
            BusinessFileError: no trigger has this name.
        """
        for trigger in self.triggers:
            if trigger.name == name:
                return trigger
        known = ", ".join(trigger.name for trigger in self.triggers) or "none is declared"
        raise BusinessFileError(f"{self.slug}: trigger {name!r} does not exist. Choose one of: {known}.")

    def campaign_named(self, name: str) -> Campaign:
        """Return the campaign with this name.

        Raises:
            BusinessFileError: no campaign has this name.
        """
        for campaign in self.campaigns:
            if campaign.name == name:
                return campaign
        known = ", ".join(campaign.name for campaign in self.campaigns) or "none is declared"
        raise BusinessFileError(f"{self.slug}: campaign {name!r} does not exist. Choose one of: {known}.")

    @property
    def own_campaigns(self) -> tuple[Campaign, ...]:
        """The campaigns that Holdback plans, launches and decides: not those that were run elsewhere."""
        return tuple(campaign for campaign in self.campaigns if campaign.assigned_by is None)

    def own_campaign_named(self, name: str) -> Campaign:
        """Return the campaign with this name, which Holdback may plan, launch and decide.

        Raises:
            BusinessFileError: no campaign has this name, or it was run elsewhere.
        """
        campaign = self.campaign_named(name)
        if campaign.assigned_by is not None:
            raise BusinessFileError(
                f"{self.slug}: campaign {name}: assigned_by: {campaign.assigned_by!r} says that it was run elsewhere. "
                "Such a campaign is measured; it cannot be planned, launched, halted or decided. Measure it with "
                "`holdback campaign measure`, or take assigned_by out of the file."
            )
        return campaign

    def horizon_days(self, campaign: Campaign) -> int:
        """Days from a customer's assignment to the campaign until the outcome is known."""
        if campaign.horizon_days is not None:
            return campaign.horizon_days
        definition = self.churn_named(campaign.churn)
        if isinstance(definition, ColumnChurn):
            return 30
        return definition.lead_days + definition.outcome_days

    @property
    def daily_capacity(self) -> int | None:
        """Customers that all actions together can reach in a day; None when no action states a capacity."""
        stated = [action.capacity_per_day for action in self.actions if action.capacity_per_day is not None]
        return sum(stated) if stated else None

    def capacity_among(self, customer_count: int) -> int:
        """Customers above the capacity line: the stated daily capacity, or one in ten when none is stated."""
        stated = self.daily_capacity
        line = stated if stated is not None else -(-customer_count // 10)
        return min(line, customer_count)

    def feeds_with_role(self, role: str) -> dict[str, Feed]:
        """Return this business' feeds of one role, in the file's order."""
        return {name: feed for name, feed in self.feeds.items() if feed.role == role}

    @property
    def attribute_columns(self) -> tuple[Column, ...]:
        """The customers' attributes as columns of the table ``customers``."""
        attributes = self.customers.attributes if self.customers else {}
        return tuple(
            Column(name, _ATTRIBUTE_TYPES[a.kind], a.meaning_in("en") or name.replace("_", " "), unit=a.unit)
            for name, a in attributes.items()
        )

    @property
    def tables(self) -> dict[str, Table]:
        """Every table of this business' warehouse whose columns are known beforehand."""
        fixed = {name: table for name, table in TABLES.items() if name != CUSTOMERS.name}
        feeds = {name: ROLES[feed.role].named(name) for name, feed in self.feeds.items()}
        return {**fixed, CUSTOMERS.name: CUSTOMERS.named(CUSTOMERS.name, self.attribute_columns), **feeds}

    @model_validator(mode="before")
    @classmethod
    def _flags_are_words(cls, content: Any) -> Any:
        return flags_as_words(content)

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Business:
        for name in self.feeds:
            refuse_reserved(name)
        names = [definition.name for definition in self.churn]
        if len(set(names)) < len(names):
            raise ValueError("churn: two definitions have the same name")
        action_names = [action.name for action in self.actions]
        if len(set(action_names)) < len(action_names):
            raise ValueError("actions: two actions have the same name")
        check_deciding(self)
        check_alerts(self)
        for position, definition in enumerate(self.churn):
            self._check_churn(f"churn[{position}]", definition)
        check_retention(self)
        return self

    def _check_churn(self, where: str, definition: Churn) -> None:
        if isinstance(definition, ColumnChurn):
            attribute = self.customers.attributes.get(definition.attribute) if self.customers else None
            if attribute is None or attribute.kind != "label":
                raise ValueError(
                    f"{where}.attribute: {definition.attribute!r} must be an attribute of customers with kind: label"
                )
            return
        role = CHURN_ROLES[definition.kind]
        feed = self.feeds.get(definition.feed)
        if feed is None or feed.role != role:
            fitting = ", ".join(self.feeds_with_role(role)) or "none is declared"
            raise ValueError(f"{where}.feed: {definition.feed!r} must be a feed of role {role} ({fitting})")


def business_schema() -> dict[str, Any]:
    """Return the JSON schema of a business file; editors complete and check with it."""
    schema = Business.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Holdback business file"
    return schema
