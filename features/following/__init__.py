"""What became of customers, counted from each one's own day of entry: the one definition that all who follow share.

A label (:mod:`features.labels`) asks about a day and everybody it describes; here everybody has a day of his own: the
one on which he entered a campaign. Measurement sums these outcomes up, and uplift models learn from them.

- :mod:`~features.following.question`: whom, for how long, and how far the data reach;
- :mod:`~features.following.contracts`, :mod:`~features.following.leaving`: who left;
- :mod:`~features.following.outcomes`: the outcomes that a company declares;
- :mod:`~features.following.assignments`: who was assigned to what elsewhere.
"""

from features.following.assignments import assignment_step
from features.following.contracts import contract_steps, contracts_of
from features.following.leaving import KINDS, LEFT, leaving_steps
from features.following.outcomes import outcome_steps, outcomes_by_feed, stored_column
from features.following.question import CHURNED, Following, calendar_frame, days_frame, lead_days_of, reaches

__all__ = [
    "CHURNED",
    "KINDS",
    "LEFT",
    "Following",
    "assignment_step",
    "calendar_frame",
    "contract_steps",
    "contracts_of",
    "days_frame",
    "lead_days_of",
    "leaving_steps",
    "outcome_steps",
    "outcomes_by_feed",
    "reaches",
    "stored_column",
]
