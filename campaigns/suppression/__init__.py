"""Who must not be contacted, why, and for how long; and at which hours those who may.

:mod:`~campaigns.suppression.contacts` counts each contact once, :mod:`~campaigns.suppression.reasons` says who is left
alone, :mod:`~campaigns.suppression.hours` when the rest is not disturbed.
"""

from campaigns.suppression.contacts import known_contacts
from campaigns.suppression.hours import contact_window
from campaigns.suppression.reasons import Reason, cooling_off, suppressed

__all__ = ["Reason", "contact_window", "cooling_off", "known_contacts", "suppressed"]
