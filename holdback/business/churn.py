"""The section ``churn``: what leaving means to a company; each definition trains one model."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from holdback.business.sections import Name, Section, Share


class RiskTiers(Section):
    """Calibrated probabilities from which a customer counts as high or medium risk."""

    high: Share = 0.5
    medium: Share = 0.25

    @model_validator(mode="after")
    def _in_order(self) -> RiskTiers:
        if self.medium > self.high:
            raise ValueError("medium must not be above high")
        return self


class _ChurnDefinition(Section):
    name: Name
    lead_days: Annotated[int, Field(ge=0, le=365)] = Field(0, description="Days a team needs before it can act")
    risk_tiers: RiskTiers = RiskTiers()


class InactivityChurn(_ChurnDefinition):
    """Churned: no transaction in the outcome window. Described: those with one in the last ``active_days``."""

    kind: Literal["inactivity"]
    feed: str
    outcome_days: Annotated[int, Field(ge=1, le=730)]
    active_days: Annotated[int, Field(ge=1, le=1830)] | None = Field(None, description="outcome_days by default")

    @property
    def population_days(self) -> int:
        """Days before as_of in which a described customer bought at least once."""
        return self.active_days or self.outcome_days


class CancellationChurn(_ChurnDefinition):
    """Churned: the contract is cancelled in the outcome window. Described: those with an open contract."""

    kind: Literal["cancellation"]
    feed: str
    outcome_days: Annotated[int, Field(ge=1, le=730)]


class RhythmChurn(_ChurnDefinition):
    """Churned: no transaction within the customer's own usual gap, several times over.

    Described: those with a rhythm (enough purchases) who are not overdue. Each one's window is ``times`` his own median
    gap, at least ``least_days`` and at most ``outcome_days`` long, after which every outcome is known.
    """

    kind: Literal["rhythm"]
    feed: str
    times: Annotated[float, Field(gt=1, le=20)] = Field(3.0, description="How many usual gaps without a purchase")
    least_purchases: Annotated[int, Field(ge=3, le=100)] = Field(4, description="Fewer are no rhythm yet")
    least_days: Annotated[int, Field(ge=1, le=365)] = Field(14, description="Nobody is lost sooner than this")
    outcome_days: Annotated[int, Field(ge=1, le=730)] = Field(180, description="Nobody is given longer than this")

    @model_validator(mode="after")
    def _in_order(self) -> RhythmChurn:
        if self.least_days > self.outcome_days:
            raise ValueError("least_days: must not be above outcome_days")
        return self


class BalanceDropChurn(_ChurnDefinition):
    """Churned: at the end of the window the balance is below a share of what it was. Described: those who hold some."""

    kind: Literal["balance_drop"]
    feed: str
    account_kind: str | None = Field(None, description="Only accounts of this kind; all together by default")
    drop_share: Annotated[float, Field(gt=0, le=1)] = Field(0.8, description="Share of the balance that has left")
    least_amount: Annotated[float, Field(ge=0)] = Field(
        100.0, description="Who holds less has nothing to take away; in the business' currency"
    )
    active_days: Annotated[int, Field(ge=1, le=1830)] | None = Field(
        None,
        description="Only who had a balance reported in so many days: for feeds that fall silent when somebody has "
        "left; everybody whose last balance is enough by default",
    )
    outcome_days: Annotated[int, Field(ge=1, le=730)]


class ColumnChurn(_ChurnDefinition):
    """Churned: the company says so in an attribute of kind ``label``. Described: every customer."""

    kind: Literal["column"]
    attribute: str
    outcome_starts_on: date | None = Field(
        None, description="First day of the time that the label describes; facts observed later are leaks"
    )


Churn = Annotated[
    InactivityChurn | CancellationChurn | RhythmChurn | BalanceDropChurn | ColumnChurn, Field(discriminator="kind")
]

#: Role of the feed that each churn kind reads.
CHURN_ROLES = {
    "inactivity": "transactions",
    "rhythm": "transactions",
    "cancellation": "subscriptions",
    "balance_drop": "balances",
}
