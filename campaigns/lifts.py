"""What each action is believed, or was measured, to save; never the one shown as the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from holdback.business import Business

LiftStatus = Literal["assumed", "measured", "stale"]


@dataclass(frozen=True)
class Lift:
    """The save rate of an action, and what it rests on.

    Attributes:
        action: Name of the action.
        save_rate: Share of those who would leave that the action keeps, in [-1, 1].
        status: ``assumed`` until a campaign has measured it; ``stale`` from the day on which it expires.
        source: Who says so.
        expires_on: First day on which it is stale.
    """

    action: str
    save_rate: float
    status: LiftStatus
    source: str
    expires_on: date

    def __str__(self) -> str:
        return f"{self.save_rate:.1%} of the leavers ({self.status}: {self.source}, until {self.expires_on})"


def lifts(business: Business, as_of: date) -> Mapping[str, Lift]:
    """Return the lift of each action that has one, as it stands on a day.

    A stale lift is still used, and shown as stale wherever it is used: an old belief is worth more than none, but
    nobody shall take it for a fresh one. An action without a lift is only explored.

    Examples:
        An assumption that expires on 2027-03-31 is ``assumed`` on the 30th and ``stale`` on the 31st.
    """
    return {
        action.name: Lift(
            action=action.name,
            save_rate=assumed.value,
            status="assumed" if as_of < assumed.expires_on else "stale",
            source=assumed.source,
            expires_on=assumed.expires_on,
        )
        for action in business.actions
        if (assumed := action.assumed_lift) is not None
    }
