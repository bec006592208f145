"""Do as many customers leave as did when the model learned? The rate of matured cohorts against the one at training.

A model whose customers leave twice as often as those it learned from is not necessarily wrong (its features may say
so), but nobody knows until the outcomes are in: the churn rate of a day's customers is not knowable before their
outcome window is over, and until then nothing here is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from holdback.business import Churn, ColumnChurn
from holdback.journal import Journal
from monitoring.performance import Cohort
from monitoring.proportions import Share, ShareDifference, newcombe, wilson

LEVEL: Final = 0.99
"""Of the interval that a change of the rate is judged by: twelve looks at almost the same customers are not one."""
RATIO_MATTERS: Final = 1.25
"""A rate that differs by a smaller factor is no finding, however many customers show it."""
_DAYS_BETWEEN_SNAPSHOTS: Final = 30.4375

Verdict = Literal["as before", "more leave", "fewer leave"]


@dataclass(frozen=True, slots=True)
class LearnedRate:
    """What share of the rows that a version learned from had left.

    Attributes:
        version: The model's version.
        row_count: Its training rows: one customer on one monthly snapshot each.
        share: With an interval over as many independent customers as the rows are worth.
    """

    version: str
    row_count: int
    share: Share


@dataclass(frozen=True, slots=True)
class CohortRate:
    """One matured cohort's churn rate beside the rate at training."""

    as_of: date
    observed: Share
    change: ShareDifference
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class LabelDrift:
    """Churn rates of matured cohorts against that of training, newest first.

    Attributes:
        learned: The rate at training; None when it was not written down.
        cohorts: Those judged against it; empty without a rate at training, or before anything matured.
    """

    learned: LearnedRate | None
    cohorts: tuple[CohortRate, ...]

    @property
    def newest(self) -> CohortRate | None:
        """The newest cohort whose rate is known."""
        return self.cohorts[0] if self.cohorts else None


def learned_rate(journal: Journal, churn: Churn, *, model: str, version: str, as_of: date) -> LearnedRate | None:
    """Return the churn rate of a version's training rows, as its gate wrote it down; None when it did not.

    Args:
        journal: Holds the gate's verdicts.
        churn: The churn definition.
        model: Name of the registered model.
        version: Its version.
        as_of: Later verdicts are not read.
    """
    for verdict in reversed(journal.verdicts(model)):
        if verdict.version != version or verdict.as_of > as_of:
            continue
        guards: Mapping[str, Mapping[str, Any]] = {
            str(guard.get("name")): guard.get("figures") or {} for guard in verdict.figures.get("guards", ())
        }
        rate, rows = guards.get("data", {}).get("training_base_rate"), guards.get("leak", {}).get("rows")
        if rate is not None and rows:
            return LearnedRate(version, int(rows), _over_customers(churn, float(rate), int(rows)))
    return None


def label_drift(learned: LearnedRate | None, cohorts: Sequence[Cohort]) -> LabelDrift:
    """Judge matured cohorts, newest first, against the rate at training.

    A change is called only when its whole 99 % interval lies on one side of zero *and* the rates differ by more than a
    quarter. Cohorts of neighbouring weeks hold the same customers: their verdicts repeat each other.
    """
    if learned is None:
        return LabelDrift(None, ())
    return LabelDrift(learned, tuple(_judged(learned.share, cohort) for cohort in cohorts))


def _judged(learned: Share, cohort: Cohort) -> CohortRate:
    now = cohort.observed
    change = newcombe((learned.count, learned.n), (now.count, now.n), level=LEVEL)
    verdict: Verdict = "as before"
    if change.low > 0 and now.share > learned.share * RATIO_MATTERS:
        verdict = "more leave"
    elif change.high < 0 and now.share * RATIO_MATTERS < learned.share:
        verdict = "fewer leave"
    return CohortRate(cohort.as_of, now, change, verdict)


def _over_customers(churn: Churn, rate: float, rows: int) -> Share:
    """Interval of the rate. Who leaves is a churner on every monthly snapshot whose outcome window holds that day."""
    repeats = 1.0 if isinstance(churn, ColumnChurn) else max(1.0, churn.outcome_days / _DAYS_BETWEEN_SNAPSHOTS)
    size = rows / repeats
    return wilson(rate * size, size)
