"""Who is left alone so that the effect of the rest can be measured.

:mod:`~campaigns.holdout.layers` draws, :mod:`~campaigns.holdout.assignments` remembers what was drawn, and
:mod:`~campaigns.holdout.balance` checks at once that the two groups are alike.
"""

from campaigns.holdout.assignments import (
    EARLIER,
    LONGEST_HORIZON_DAYS,
    assign,
    earlier_groups,
    open_holdouts,
    taken_units,
)
from campaigns.holdout.balance import Balance, check_balance
from campaigns.holdout.layers import Group, Layer, assign_group, campaign_layer, draw, global_layer

__all__ = [
    "EARLIER",
    "LONGEST_HORIZON_DAYS",
    "Balance",
    "Group",
    "Layer",
    "assign",
    "assign_group",
    "campaign_layer",
    "check_balance",
    "draw",
    "earlier_groups",
    "global_layer",
    "open_holdouts",
    "taken_units",
]
