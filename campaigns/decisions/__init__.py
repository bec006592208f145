"""Decide what is done today and to whom, once and for ever.

Nobody who is held out is contacted, nobody who is suppressed, and no budget or capacity is exceeded. All that was
decided is one commit of the ledger; a rerun reads it back, and no day is decided after a later one.
"""

from campaigns.decisions.days import CampaignDay, DecisionDay, LayerBalance, decided_day
from campaigns.decisions.deciding import decide, decide_batch
from campaigns.decisions.explanations import ExplainedDecision, explain_decision

__all__ = [
    "CampaignDay",
    "DecisionDay",
    "ExplainedDecision",
    "LayerBalance",
    "decide",
    "decide_batch",
    "decided_day",
    "explain_decision",
]
