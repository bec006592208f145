"""What another rule for choosing would have earned, told from the logged propensities of what was done.

- :mod:`~monitoring.policies.estimators`: IPW, SNIPW and AIPW with intervals, and paired differences; pure numbers;
- :mod:`~monitoring.policies.policies`: the rules that have a name: nobody, everybody, risk, value, random, model, ...;
- :mod:`~monitoring.policies.expectations`: outcome models that make the intervals of AIPW narrower;
- :mod:`~monitoring.policies.comparing`: all of it for one company and day.
"""

from monitoring.policies.comparing import policy_values
from monitoring.policies.estimators import Difference, PolicyValue, aipw, difference, ipw, snipw
from monitoring.policies.policies import MEANINGS
from monitoring.policies.results import METHODS, Comparison, InOffice, PolicyResult, told_difference

__all__ = [
    "MEANINGS",
    "METHODS",
    "Comparison",
    "Difference",
    "InOffice",
    "PolicyResult",
    "PolicyValue",
    "aipw",
    "difference",
    "ipw",
    "policy_values",
    "snipw",
    "told_difference",
]
