"""What a plan says of the models: who could not be told without a value model, and what an uplift model changes."""

from __future__ import annotations

from datetime import date

from campaigns.feasibility.history import History
from campaigns.lifts import model_source
from campaigns.uplifts import read_uplifts
from campaigns.values import without_values
from holdback.business import Business, Campaign
from holdback.warehouse import Warehouse


def missing_values(business: Business, campaign: Campaign, history: History, as_of: date) -> str | None:
    """Say that tenths by value are asked for and nobody's value is known, and what to do; None when all is well."""
    return without_values(business, campaign, as_of) if history.today.lacks_values else None


def model_remarks(warehouse: Warehouse, business: Business, campaign: Campaign, history: History) -> list[str]:
    """Return what the reader of a plan must know of value and uplift models, in sentences.

    Args:
        warehouse: Where the table ``uplifts`` is.
        business: The company.
        campaign: The campaign that is planned.
        history: The company's past, as the plan sees it.
    """
    found = []
    if any(past.members.lacks_values for past in history.labelled):
        found.append(
            "Nobody's value was known on the past days, so they cannot tell how many of just this audience leave."
        )
    versions = read_uplifts(warehouse, business, history.today.day).versions
    found += [
        f"{name}: {model_source(versions[name])} is in office and chooses whom it is given to; planned is with its "
        "lift, which is the same for everybody."
        for name in campaign.actions
        if name in versions
    ]
    return found
