"""Why an action is not open to a customer, as the ledger writes it."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Refusal(IntEnum):
    """Why an action is not open to a customer today; the first that applies, in this order."""

    OPEN = 0
    IN_CAMPAIGN = 1
    HELD_OUT = 2
    WAS_IN_CAMPAIGN = 3
    SUPPRESSED = 4
    NOT_ELIGIBLE = 5
    OTHER_BRANCH = 6
    FIT = 7
    DO_NOT_DISTURB = 8
    CHANNEL = 9
    COOLING_OFF = 10
    OTHER_MEMBER = 11
    NO_GAIN = 12
    PRICE = 13
    WEAKER = 14
    EXPLORED = 15

    @property
    def code(self) -> str:
        """How the ledger writes it."""
        return self.name.lower()


#: How the ledger writes that an action gains nothing because the uplift model expects it to drive the customer away.
DRIVES_AWAY: Final = f"{Refusal.NO_GAIN.code}: drives_away"
