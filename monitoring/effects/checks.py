"""What a check of a campaign's integrity says: the same four words for every check, one row of ``integrity_checks``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

#: More of the holdout reached by its own campaign than this, and what is compared is no holdout any more.
LARGEST_CONTAMINATION: Final = 0.05

Verdict = Literal["passed", "warning", "failed", "not checked"]


@dataclass(frozen=True, slots=True)
class Check:
    """One check, ready to be stored and shown.

    Attributes:
        name: ``sample_ratio``, ``independence``, ``missing_outcomes``, ``response_rate``, ...
        verdict: ``failed`` withholds the effect; ``not checked`` when there is too little to judge.
        value: The figure that the verdict rests on; None when there is none.
        limit: What it is held against; None where there is no number.
        finding: What was seen, in a sentence; what to look for when it failed.
    """

    name: str
    verdict: Verdict
    value: float | None
    limit: float | None
    finding: str
