"""Who must not be contacted, why, and for how long; and at which hours those who may.

:mod:`~campaigns.suppression.contacts` counts each contact once, :mod:`~campaigns.suppression.reasons` says who is left
alone, :mod:`~campaigns.suppression.hours` when the rest is not disturbed, :mod:`~campaigns.suppression.remembered`
keeps the opt-outs of those who are forgotten.
"""

from campaigns.suppression.contacts import known_contacts
from campaigns.suppression.hours import contact_window
from campaigns.suppression.reasons import Reason, cooling_off, remember_opt_outs, suppressed
from campaigns.suppression.remembered import Remembered

__all__ = [
    "Reason",
    "Remembered",
    "contact_window",
    "cooling_off",
    "known_contacts",
    "remember_opt_outs",
    "suppressed",
]
