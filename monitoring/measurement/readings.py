"""What is known of a campaign on one day: its figures beside what was planned, its checks, and what they led to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from campaigns.designs import Design
from monitoring.effects import Effect, Harm, Maturity
from monitoring.effects.checks import Check
from monitoring.outcomes import PROGRAMME

ReadingKind = Literal["daily", "official", "exploratory"]

EVERYBODY = "all"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a reading: an effect with all that it needs, or the reason why there is none.

    Attributes:
        metric: Name of the outcome.
        segment: ``all``, or ``name=value``.
        reading: ``daily`` (holds on any day), ``official`` (the planned reading, once), ``exploratory``.
        method: How it is computed.
        effect: None when it cannot be known yet or is withheld.
        planned: What the design expected of it, in the orientation of the effect; None when it expected nothing.
        knowable_on: First day on which it can be read; None when it can be now, or when no day can be named.
        withheld: Why it is withheld; None when it is not.
    """

    metric: str
    segment: str
    reading: ReadingKind
    method: str
    effect: Effect | None
    planned: float | None = None
    knowable_on: date | None = None
    withheld: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One campaign (or the programme) on one day.

    Attributes:
        campaign: Its name; None for the programme against the global holdout.
        version: Its version, or that of the global holdout.
        as_of: The day.
        design: What was fixed before the first assignment; None for the programme and what was assigned elsewhere.
        maturity: How much of what was assigned can be read.
        figures: In reading order.
        checks: In reading order.
        harm: None where nobody could have been harmed by us (the programme, what was assigned elsewhere).
        was_halted: True when this reading halted the campaign.
        was_retired: True when this reading retired the campaign's trigger.
    """

    campaign: str | None
    version: int
    as_of: date
    design: Design | None
    maturity: Maturity
    figures: tuple[Figure, ...]
    checks: tuple[Check, ...]
    harm: Harm | None = None
    was_halted: bool = False
    was_retired: bool = False

    @property
    def name(self) -> str:
        """The campaign's name and version, or that of the programme."""
        return f"{self.campaign or PROGRAMME}/{self.version}"

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed: while there is one, nothing is said about effects."""
        return tuple(check for check in self.checks if check.verdict == "failed")
