"""What each action is believed, or was measured, to save; never the one shown as the other.

:func:`lifts` answers as of a day, :func:`lifts_used` tells from the ledger which lift was used when.
"""

from campaigns.lifts.lift import Lift, LiftStatus, model_source
from campaigns.lifts.today import lifts
from campaigns.lifts.used import LiftUsed, lifts_used

__all__ = ["Lift", "LiftStatus", "LiftUsed", "lifts", "lifts_used", "model_source"]
