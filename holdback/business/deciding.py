"""The sections of a business file that say what may be done, to whom, for how much, and who is held back."""

from __future__ import annotations

from datetime import date, time
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from holdback.business.sections import Name, Range, Section, Share, Texts

RiskTier = Literal["high", "medium", "low"]
FitClass = Literal["invest", "maintain", "do_not_spend"]
Days = Annotated[int, Field(ge=0, le=1830)]
Decile = Annotated[int, Field(ge=1, le=10)]


class AssumedLift(Section):
    """What an action is believed to save until it has been measured, and who says so."""

    value: Annotated[float, Field(ge=-1, le=1)] = Field(
        description="Save rate: share of those who would leave that the action keeps; negative when it drives them away"
    )
    source: Annotated[str, Field(min_length=1)]
    expires_on: date = Field(description="From this day on the assumption is shown as stale")


class Audience(Section):
    """Which customers something is for; everything that is stated must hold."""

    risk_tiers: tuple[RiskTier, ...] = Field((), description="All tiers when empty")
    where: dict[str, Texts] = Field({}, description="Allowed values by attribute of customers; flags are true or false")
    between: dict[str, Range] = Field({}, description="Lowest and highest value by attribute of customers")
    value_deciles: tuple[Decile, ...] = Field(
        (), description="Tenths of the customers by value, 10 is the most valuable; all when empty"
    )


class Message(Section):
    """What is written to a customer, or put before whoever calls: Jinja templates, by language."""

    subject: dict[Name, str] = Field({}, description="By language (en, es, ...), a line")
    text: Annotated[dict[Name, str], Field(min_length=1)] = Field(
        description="By language: the text itself, or the path of a file beside the business file that ends in .j2"
    )
    is_html: bool = Field(False, description="True: values are escaped for HTML")


class Action(Section):
    """What can be done for a customer at risk, and how many a day."""

    name: Name
    channel: Name
    cost: Annotated[float, Field(ge=0)] = Field(description="Per contact, in the business' currency")
    incentive_amount: Annotated[float, Field(ge=0)] = Field(
        0.0, description="What a customer receives who takes the offer; also those who would have stayed anyway"
    )
    incentive_taken_share: Share = Field(1.0, description="Share of the contacted who take the incentive")
    capacity_per_day: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Leave it out when there is no limit"
    )
    eligible: Audience = Audience()
    cooling_off_days: Days = Field(0, description="Days before the same customer may get this action again")
    assumed_lift: AssumedLift | None = Field(
        None, description="Without one (and unmeasured) the action is only explored"
    )
    message: Message | None = Field(None, description="What is written; a decision that lacks a field is withheld")
    offer: dict[Name, str] = Field({}, description="By language, the offer in a few words; templates call it offer")

    @property
    def expected_cost(self) -> float:
        """Cost of one contact and of the incentive as often as it is taken, in the business' currency."""
        return self.cost + self.incentive_taken_share * self.incentive_amount

    @model_validator(mode="after")
    def _none_is_ours(self) -> Action:
        if self.name == "none":
            raise ValueError("name: 'none' is the action of doing nothing; it is always there. Choose another name")
        return self


class Fit(Section):
    """How it is decided whether keeping a customer is worth what it costs."""

    cost_to_serve: dict[str, Annotated[float, Field(ge=0)]] = Field(
        {}, description="Cost of one contact by channel of the interactions, in the business' currency"
    )
    segment: str | None = Field(
        None, description="Attribute within which contact rates are alike; all as one by default"
    )
    floor_amount: float = Field(0.0, description="Do not spend on customers who surely bring less than this")
    least_months: Annotated[int, Field(ge=1, le=60)] = Field(
        6, description="Younger relationships are never classed out"
    )
    expires_days: Annotated[int, Field(ge=1, le=730)] = Field(
        90, description="Days after which a class must be renewed"
    )
    largest_share: Share = Field(0.05, description="At most this share of the customers is classed do_not_spend")
    never_classed_out: tuple[str, ...] = Field(
        (), description="Flags of customers (vulnerable, hardship, ...) that protect from do_not_spend"
    )
    complaint_topics: Texts = Field(("complaint",), description="Topics of interactions that are complaints")


class Holdout(Section):
    """How many customers are left alone, so that the effect of the rest can be measured."""

    global_share: Share = Field(0.05, description="Never contacted by anything")
    campaign_share: Share = Field(0.2, description="Held out in each campaign, unless the campaign says otherwise")
    explore_share: Share = Field(0.05, description="Get a random action among the eligible ones")
    rotates_on: tuple[date, ...] = Field((), description="Days on which the global holdout is drawn anew, in order")

    @model_validator(mode="after")
    def _dates_in_order(self) -> Holdout:
        if list(self.rotates_on) != sorted(set(self.rotates_on)):
            raise ValueError("rotates_on: must be dates in rising order, each once")
        return self

    def version(self, day: date) -> int:
        """Return which drawing of the global holdout holds on a day: 1 until the first rotation."""
        return 1 + sum(rotation <= day for rotation in self.rotates_on)


def _quiet(pair: tuple[time, time]) -> tuple[time, time]:
    if pair[0] == pair[1] or any(moment.tzinfo for moment in pair):
        raise ValueError('must be [start, end] such as ["21:00", "09:00"], two different times of the day')
    return pair


class Contact(Section):
    """When a customer may be contacted, and when not."""

    at_most: Annotated[int, Field(ge=1)] = Field(2, description="Contacts of all campaigns together in per_days")
    per_days: Annotated[int, Field(ge=1, le=365)] = 30
    quiet_hours: Annotated[tuple[time, time], AfterValidator(_quiet)] = Field(
        (time(21), time(9)), description="No contact between these two times, in the business' time zone"
    )
    reachable: dict[Name, str] = Field({}, description="By channel, the flag of customers that says it can be used")
    opted_out: str | None = Field(None, description="Flag of customers that says they want no contact")
    suppressed_by: Texts | None = Field(
        None,
        description="Flags of customers (vulnerable, in dispute, deceased, ...) that stop every contact; "
        "fit.never_classed_out when left out",
    )
    open_complaint_days: Days = Field(90, description="An unresolved complaint younger than this stops contacts")


class Budget(Section):
    """What all campaigns together may spend."""

    per_day: Annotated[float, Field(gt=0)] = Field(description="In the business' currency; incentives included")


class Webhook(Section):
    """Where each contact is sent as a signed call."""

    url: Annotated[str, Field(pattern=r"^\$[A-Z][A-Z0-9_]*$")] = Field(
        description="$NAME of the variable with the address"
    )
    secret: Annotated[str, Field(pattern=r"^\$[A-Z][A-Z0-9_]*$")] = Field(
        description="$NAME of the variable with the key that signs the calls (HMAC-SHA256)"
    )


class ContactTable(Section):
    """A PostgreSQL table that receives the contacts."""

    url: Annotated[str, Field(pattern=r"^postgresql://\$[A-Z][A-Z0-9_]*$")] = Field(
        description="postgresql://$NAME, where the variable holds the connection string"
    )
    table: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}(\.[a-z][a-z0-9_]{0,40})?$")] = "holdback_contacts"


class Delivery(Section):
    """How the contact list leaves the house. CSV and Parquet files are always written."""

    fields: dict[Name, Texts] = Field({}, description="By channel, the attributes of customers that the list carries")
    language: str | None = Field(
        None, description="Attribute that holds the customer's language; the business' if none"
    )
    first_name: str | None = Field(None, description="Attribute that holds the first name, which messages may use")
    executive: str | None = Field(None, description="Attribute that names the executive in charge")
    webhook: Webhook | None = None
    postgres: ContactTable | None = None


#: What is measured of every campaign; no outcome of the file can have such a name.
MEASURED = (
    "customers", "known", "churned", "risk", "revenue", "revenue_cents", "revenue_capped", "revenue_capped_cents",
    "margin", "margin_cents", "cost", "cost_cents", "net", "net_cents", "value_kept", "value_kept_cents",
    "incremental_margin", "days_kept", "expected_roi", "before_cents", "reached", "asked", "answered", "nps", "score",
    "satisfaction", "save_rate", "survival", "roi",
)  # fmt: skip


class Outcome(Section):
    """Something that a campaign may change besides churn: whether a customer did it, or how much of it."""

    name: Name
    feed: str
    kind: Literal["event", "total"] = Field(
        description="event: did it happen to the customer at all within the horizon; total: the sum of a column"
    )
    of: str | None = Field(
        None, description="Column of numbers: what a total adds up; an event counts where it is more than 0"
    )
    good: Literal["higher", "lower"] = Field("higher", description="Which direction is wanted")

    @model_validator(mode="after")
    def _is_whole(self) -> Outcome:
        if self.name in MEASURED:
            raise ValueError(f"name: {self.name!r} is measured of every campaign; choose another name")
        if self.kind == "total" and self.of is None:
            raise ValueError("of: a total needs the column that is added up")
        return self


class Campaign(Section):
    """A set of decisions with a holdout, a period and one primary outcome fixed beforehand."""

    name: Name
    version: Annotated[int, Field(ge=1)] = Field(1, description="Raise it to change what was fixed at the launch")
    churn: str | None = Field(None, description="The churn definition it works against; the first one by default")
    actions: Annotated[Texts, Field(min_length=1)] = Field(description="Names of actions; none is always among them")
    trigger: Name | None = Field(
        None, description="Only customers for whom this trigger fired; its own campaign, so that its value is measured"
    )
    trigger_days: Annotated[int, Field(ge=1, le=90)] = Field(
        3, description="Days for which a firing counts, so that a weekend's firings are still there on Monday"
    )
    audience: Audience = Audience(risk_tiers=("high", "medium"))
    starts_on: date | None = Field(None, description="First day of decisions; the launch by default")
    ends_on: date | None = Field(None, description="First day without new decisions")
    holdout_share: Share | None = Field(None, description="holdout.campaign_share by default")
    explore_share: Share | None = Field(None, description="holdout.explore_share by default")
    budget_per_day: Annotated[float, Field(gt=0)] | None = Field(None, description="Within the budget of all campaigns")
    assigned_by: str | None = Field(
        None,
        description="Feed of role assignments that says who was in it: a campaign that was run elsewhere is measured, "
        "and never planned, launched or decided",
    )
    primary_outcome: str = Field("churned", description="churned, or the name of one of the outcomes")
    decision_metric: Literal["incremental_margin"] = "incremental_margin"
    horizon_days: Annotated[int, Field(ge=1, le=730)] | None = Field(
        None,
        description="Days from the assignment to the outcome; the churn definition's lead and outcome days by default",
    )
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    power: Annotated[float, Field(gt=0.5, lt=1)] = 0.8

    @model_validator(mode="before")
    @classmethod
    def _a_trigger_chooses(cls, content: Any) -> Any:
        """Whom a trigger calls needs no tier: a campaign of a trigger is for all of them unless it says otherwise."""
        if isinstance(content, dict) and content.get("trigger") and "audience" not in content:
            return {**content, "audience": {}}
        return content

    @model_validator(mode="after")
    def _global_is_ours(self) -> Campaign:
        if self.name == "global":
            raise ValueError("name: 'global' is the holdout of all campaigns together. Choose another name")
        return self

    @model_validator(mode="after")
    def _period_in_order(self) -> Campaign:
        if self.starts_on and self.ends_on and self.ends_on <= self.starts_on:
            raise ValueError("ends_on: must lie after starts_on")
        if len(set(self.actions)) < len(self.actions):
            raise ValueError("actions: an action stands twice")
        return self
