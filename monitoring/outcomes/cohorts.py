"""Whom to follow, and for how long: one version of a campaign, or everybody against the global holdout."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pydantic import TypeAdapter

from campaigns.designs import Design
from features.following import CHURNED, lead_days_of
from holdback.business import Business, Campaign, Churn, ColumnChurn
from holdback.errors import BusinessFileError

#: Stands where a campaign's name would: everybody against the global holdout.
PROGRAMME = "programme"

_CHURN: TypeAdapter[Churn] = TypeAdapter(Churn)
_COLUMN_DAYS = 30


@dataclass(frozen=True)
class Cohort:
    """Everybody who was assigned in one layer and version, and the outcome that they are followed to.

    Attributes:
        campaign: Its name; None for the programme: everybody against the global holdout.
        version: Version of the campaign, or of the global holdout.
        churn: The churn definition, as it was fixed.
        horizon_days: Days from a customer's entry to the outcome.
        assigned_by: The feed of role ``assignments`` of a campaign that was run elsewhere; None when our ledger
            assigned.
        primary_outcome: ``churned``, or an outcome of the business file: its feed must reach the horizon too.
    """

    campaign: str | None
    version: int
    churn: Churn
    horizon_days: int
    assigned_by: str | None
    primary_outcome: str = CHURNED

    @property
    def name(self) -> str:
        """The campaign's name and version, or that of the programme."""
        return f"{self.campaign or PROGRAMME}/{self.version}"

    @property
    def lead_days(self) -> int:
        """Days from the entry during which nobody can be kept any more; 0 for churn that a column tells."""
        return lead_days_of(self.churn, self.horizon_days)


def cohort_of(business: Business, campaign: Campaign | None, design: Design | None) -> Cohort:
    """Return whom to follow for one version of a campaign.

    What the launch fixed counts, not what the business file says by now.

    Args:
        business: The company.
        campaign: As the business file has it; None when it was taken out since.
        design: What its launch fixed; None for a campaign that was assigned elsewhere.

    Raises:
        BusinessFileError: there is neither a design nor a campaign that was assigned elsewhere.
    """
    if design is not None:
        churn = _CHURN.validate_python(design.churn)
        return Cohort(design.campaign, design.version, churn, design.horizon_days, None, design.primary_outcome)
    if campaign is None or campaign.assigned_by is None:
        named = campaign.name if campaign is not None else "?"
        raise BusinessFileError(
            f"{business.slug}: campaign {named}: was never launched, and no feed says who was assigned to it. "
            f"Launch it with `holdback campaign launch {named}`, or name the feed under assigned_by."
        )
    return Cohort(
        campaign.name,
        campaign.version,
        business.churn_named(campaign.churn),
        business.horizon_days(campaign),
        campaign.assigned_by,
        campaign.primary_outcome,
    )


def programme(business: Business, as_of: date) -> Cohort:
    """Return everybody whom the current version of the global layer assigned, followed to the first churn definition.

    Args:
        business: The company.
        as_of: The day; it says which version of the global holdout holds.
    """
    churn = business.churn[0]
    days = _COLUMN_DAYS if isinstance(churn, ColumnChurn) else churn.lead_days + churn.outcome_days
    return Cohort(None, business.holdout.version(as_of), churn, days, None)
