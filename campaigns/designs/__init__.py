"""What a campaign fixes before its first assignment, and the facts that put it in force and out of it.

:mod:`~campaigns.designs.design` is the design itself, :mod:`~campaigns.designs.launches` the rows of the ledger.
"""

from campaigns.designs.design import FIXED, Design, campaign_shares, check_unchanged, design_of
from campaigns.designs.launches import (
    Launch,
    Standing,
    halt,
    launch,
    launched,
    launched_versions,
    resume,
    resumed_against,
    resumed_on,
    standings,
)

__all__ = [
    "FIXED",
    "Design",
    "Launch",
    "Standing",
    "campaign_shares",
    "check_unchanged",
    "design_of",
    "halt",
    "launch",
    "launched",
    "launched_versions",
    "resume",
    "resumed_against",
    "resumed_on",
    "standings",
]
