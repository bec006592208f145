"""What a trigger has to show before it goes live: replayed on the company's own history, held against who left.

- :mod:`~monitoring.triggers.judging`: the trial;
- :mod:`~monitoring.triggers.replaying`: on which days, and for whom it fires there;
- :mod:`~monitoring.triggers.leaving`: who left after a firing, and when;
- :mod:`~monitoring.triggers.record`: the figures, each with its interval and its n;
- :mod:`~monitoring.triggers.words`: what each waits for, in one sentence;
- :mod:`~monitoring.triggers.standing`: the triggers of a company today, with what acting on them earned.
"""

from monitoring.triggers.judging import judge
from monitoring.triggers.record import BranchRecord, LeadTime, Lift, Rate, TriggerRecord, lift_of, rate_of
from monitoring.triggers.standing import MeasuredValue, TriggerStanding, trigger_standings
from monitoring.triggers.words import told

__all__ = [
    "BranchRecord",
    "LeadTime",
    "Lift",
    "MeasuredValue",
    "Rate",
    "TriggerRecord",
    "TriggerStanding",
    "judge",
    "lift_of",
    "rate_of",
    "told",
    "trigger_standings",
]
