"""What the pages of one day are read from: the same state of the warehouse for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from holdback.business import Business, Churn
from holdback.journal import Journal
from holdback.workspace import Workspace
from monitoring.moment import Moment


@dataclass(frozen=True)
class Source:
    """One business on one day.

    Attributes:
        warehouse: Read only; everything that the pages say is as it was at one moment.
        journal: Runs, champions and verdicts.
        business: The business.
        churn: The churn definition that the site is about: the first one.
        as_of: The day; nothing loaded or decided later is shown.
        workspace: Where the models in office are found.
    """

    warehouse: Moment
    journal: Journal
    business: Business
    churn: Churn
    as_of: date
    workspace: Workspace
