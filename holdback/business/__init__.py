"""The business file: the one file that a company writes.

:func:`load_business` reads it, checks it and reports every fault at once; :class:`Business` is what the rest of the
platform takes as an argument. The sections are in :mod:`holdback.business.sections`.
"""

from holdback.business.churn import (
    BalanceDropChurn,
    CancellationChurn,
    Churn,
    ColumnChurn,
    InactivityChurn,
    RhythmChurn,
)
from holdback.business.deciding import Action, AssumedLift, Audience, Campaign, Message, Outcome
from holdback.business.model import Business, business_schema
from holdback.business.reading import check_business, load_business
from holdback.business.sections import (
    Attribute,
    CsvFormat,
    Customers,
    Expectations,
    Feed,
    ReferenceFacts,
)
from holdback.business.triggers import (
    AnnouncedTrigger,
    Branch,
    CountTrigger,
    DropTrigger,
    DueTrigger,
    OverdueTrigger,
    ScoreTrigger,
    Trigger,
)

__all__ = [
    "Action",
    "AnnouncedTrigger",
    "AssumedLift",
    "Attribute",
    "Audience",
    "BalanceDropChurn",
    "Branch",
    "Business",
    "Campaign",
    "CancellationChurn",
    "Churn",
    "ColumnChurn",
    "CountTrigger",
    "CsvFormat",
    "Customers",
    "DropTrigger",
    "DueTrigger",
    "Expectations",
    "Feed",
    "InactivityChurn",
    "Message",
    "Outcome",
    "OverdueTrigger",
    "ReferenceFacts",
    "RhythmChurn",
    "ScoreTrigger",
    "Trigger",
    "business_schema",
    "check_business",
    "load_business",
]
