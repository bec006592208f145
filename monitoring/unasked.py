"""Which scores were made while the registry of models could not be asked: with the champion that the journal names."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

from holdback.business import Business
from holdback.journal import Journal

SCORED: Final = "score_daily"
NOTE: Final = "registry_note"  # of the receipt of a scoring run; see training.scoring.ScoreResult


def unasked(journal: Journal, business: Business, as_of: date) -> Mapping[str, str | None]:
    """Return of each churn definition that was scored for a day why the registry could not be asked; None: it was.

    Nothing is wrong with such scores: the journal says who is in office, and the file was here. But a registry that is
    away is noticed by nobody else until somebody trains.

    Args:
        journal: Its runs tell.
        business: Only its definitions are told of.
        as_of: The day.
    """
    known = {churn.name for churn in business.churn}
    runs = journal.newest_runs(business=business.slug, since=as_of, until=as_of)
    told = [run for run in runs if run.flow == SCORED and run.subject in known and run.receipt is not None]
    receipts = {run.subject: run.receipt or {} for run in told}
    return {name: receipt.get(NOTE) for name, receipt in receipts.items() if _asked(receipt)}


def _asked(receipt: Mapping[str, object]) -> bool:
    """A run that found the day scored asked nobody: it ends no alert."""
    return NOTE in receipt and not receipt.get("was_scored_already")
