"""One question about one cohort, asked on one day of knowledge."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property

from features.corrections import corrected_tables
from features.following import Following
from holdback.business import Business, Campaign, ColumnChurn
from holdback.errors import BusinessFileError
from holdback.warehouse import Warehouse
from monitoring.outcomes.cohorts import Cohort


@dataclass(frozen=True)
class Asked(Following):
    """A cohort, followed as known on a day.

    Attributes:
        cohort: Whom to follow.
    """

    cohort: Cohort

    @classmethod
    def of(cls, warehouse: Warehouse, business: Business, cohort: Cohort, as_of: date) -> Asked:
        """Return the question; refuse feeds that the business file does not have any more.

        Raises:
            BusinessFileError: the feed of the assignments, or of the churn definition, is gone.
        """
        churn = cohort.churn
        named = {"assigned_by": cohort.assigned_by, "churn": None if isinstance(churn, ColumnChurn) else churn.feed}
        for where, feed in named.items():
            if feed is not None and feed not in business.feeds:
                raise BusinessFileError(
                    f"{business.slug}: campaign {cohort.name}: {where}: feed {feed!r} is not in the file any more. "
                    "What became of its customers is read from it. Put it back."
                )
        corrected = corrected_tables(warehouse)
        return cls(business, churn, cohort.horizon_days, cohort.primary_outcome, as_of, corrected, cohort)

    @cached_property
    def campaign(self) -> Campaign | None:
        """The campaign as the business file has it; None for the programme and for one that was taken out."""
        named = (campaign for campaign in self.business.campaigns if campaign.name == self.cohort.campaign)
        return next(named, None)
