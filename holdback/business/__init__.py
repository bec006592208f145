"""The business file: the one file that a company writes.

:func:`load_business` reads it, checks it and reports every fault at once; :class:`Business` is what the rest of the
platform takes as an argument. The sections are in :mod:`holdback.business.sections`.
"""

from holdback.business.deciding import Action, AssumedLift, Audience, Campaign, Outcome
from holdback.business.model import Business, business_schema
from holdback.business.reading import check_business, load_business
from holdback.business.sections import (
    Attribute,
    CancellationChurn,
    Churn,
    ColumnChurn,
    CsvFormat,
    Customers,
    Expectations,
    Feed,
    InactivityChurn,
    ReferenceFacts,
)

__all__ = [
    "Action",
    "AssumedLift",
    "Attribute",
    "Audience",
    "Business",
    "Campaign",
    "CancellationChurn",
    "Churn",
    "ColumnChurn",
    "CsvFormat",
    "Customers",
    "Expectations",
    "Feed",
    "InactivityChurn",
    "Outcome",
    "ReferenceFacts",
    "business_schema",
    "check_business",
    "load_business",
]
