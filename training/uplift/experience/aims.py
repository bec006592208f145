"""To which outcome a campaign follows its customers: as its launch fixed it, not as the business file has it by now."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import TypeAdapter, ValidationError

from features.following import CHURNED, stored_column
from holdback.business import Business, Campaign, Churn, Outcome
from holdback.warehouse import Warehouse

_CHURN: TypeAdapter[Churn] = TypeAdapter(Churn)


@dataclass(frozen=True)
class Aim:
    """One outcome over one horizon: only customers with the same can be compared.

    Attributes:
        churn: The churn definition.
        horizon_days: Days from a customer's entry to the outcome.
        primary_outcome: ``churned``, or the name of one of the business' outcomes.
    """

    churn: Churn
    horizon_days: int
    primary_outcome: str

    def __str__(self) -> str:
        named = self.churn.name if self.primary_outcome == CHURNED else self.primary_outcome
        return f"{named} within {self.horizon_days} days"

    def outcome(self, business: Business) -> Outcome | None:
        """Return the business' own outcome that is aimed at; None for churn."""
        return next((one for one in business.outcomes if one.name == self.primary_outcome), None)

    def is_known_to(self, business: Business) -> bool:
        """True when the business file still has everything that the outcome is read from."""
        feed = getattr(self.churn, "feed", None)
        is_readable = feed is None or feed in business.feeds
        return is_readable and (self.primary_outcome == CHURNED or self.outcome(business) is not None)

    def is_money(self, business: Business) -> bool:
        """True when the outcome is an amount of the business' currency."""
        outcome = self.outcome(business)
        return outcome is not None and outcome.kind == "total" and stored_column(business, outcome).type == "money"


def aim_of(business: Business, campaign: Campaign) -> Aim:
    """Return the aim of a campaign as the business file has it."""
    return Aim(business.churn_named(campaign.churn), business.horizon_days(campaign), campaign.primary_outcome)


def launched_aims(warehouse: Warehouse, business: Business, as_of: date) -> dict[tuple[str, int], Aim]:
    """Return the aim of every version of a campaign: as launched up to a day, else as the business file has it.

    Args:
        warehouse: Where the ledger is.
        business: The company; it speaks for versions whose launch fixed nothing.
        as_of: The day of knowledge.
    """
    found = {(campaign.name, campaign.version): aim_of(business, campaign) for campaign in business.own_campaigns}
    rows: list[dict[str, Any]] = warehouse.query(
        "select campaign, version, detail from ledger "
        f"where kind = 'launched' and as_of <= date '{as_of}' order by ledger.as_of, sequence"
    ).to_pylist()
    for row in rows:
        design = (json.loads(row["detail"]) if row["detail"] else {}).get("design", {})
        try:
            aim = Aim(
                _CHURN.validate_python(design["churn"]), int(design["horizon_days"]), str(design["primary_outcome"])
            )
        except (KeyError, ValidationError):
            continue  # a launch of an older release: the file is all that tells
        found[row["campaign"], row["version"]] = aim
    return found
