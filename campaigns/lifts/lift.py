"""The save rate of an action, and what it rests on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

LiftStatus = Literal["assumed", "measured", "stale"]

#: Coverage of the interval of a measured lift.
LEVEL = 0.95


def model_source(version: str | None) -> str:
    """Say that an uplift rests on a model, as the ledger and finance read it.

    Examples:
        >>> model_source("3")
        'uplift model version 3'
    """
    return f"uplift model version {version}"


@dataclass(frozen=True)
class Lift:
    """The save rate of an action, and what it rests on.

    Attributes:
        action: Name of the action.
        save_rate: Share of those who would leave that the action keeps, in [-1, 1].
        status: ``assumed`` until a campaign has measured it; ``stale`` from the day on which it expires, be it
            assumed or measured.
        source: Who says so: the business file's own words, or ``measured in ...``.
        expires_on: First day on which it is stale.
        low: Lower end of the 95 % interval of what another campaign with the action would save; None when assumed.
        high: Upper end of it.
        measured_on: Day of the newest official reading that it rests on; None when assumed.
        campaign_count: Campaigns (each version counts) that measured it.
        prior_share: How much of the figure is still the assumption, in [0, 1]; 1 when nothing was measured.
    """

    action: str
    save_rate: float
    status: LiftStatus
    source: str
    expires_on: date
    low: float | None = None
    high: float | None = None
    measured_on: date | None = None
    campaign_count: int = 0
    prior_share: float = 1.0

    @property
    def is_from_measurement(self) -> bool:
        """True when a campaign has measured it, however long ago."""
        return self.measured_on is not None

    @property
    def detail(self) -> str:
        """JSON of what the ledger's columns have no place for: the source, and where measured, interval and day."""
        told: dict[str, Any] = {"source": self.source}
        if self.measured_on is not None:
            told |= {"low": self.low, "high": self.high, "measured_on": self.measured_on.isoformat(),
                     "campaign_count": self.campaign_count, "prior_share": self.prior_share}  # fmt: skip
        return json.dumps({"lift": told}, ensure_ascii=False, separators=(",", ":"))

    def __str__(self) -> str:
        says_itself = self.status == "measured"  # its source begins with the word
        basis = self.source if says_itself else f"{self.status}: {self.source}"
        return f"{self.save_rate:.1%} of the leavers ({basis}, until {self.expires_on})"
