"""The day's main figures as one Evidently metric: what the panels over time in Evidently's own pages are drawn from."""

# ruff: noqa: ARG002  (Evidently calls these methods with all arguments; its metrics are pydantic models)
# Evidently reads the annotations at run time: no `from __future__ import annotations` here.
from functools import cache
from typing import Any

import pandas as pd

from monitoring.drift.verdicts import DayDrift
from monitoring.performance import Performance
from monitoring.quality import Quality

METRIC = "DayFigures"
DRIFTED, MISSING, AUC, RATIO, ASIDE = (
    "features that drifted, share",
    "missing values, share",
    "AUC on matured labels",
    "predicted over actual",
    "rows kept aside today, share",
)


@cache
def day_figures() -> Any:
    """Return the metric class; its name is the one under which Evidently stores the values."""
    from evidently.core.metric_types import ByLabelCalculation, ByLabelMetric
    from evidently.legacy.renderers.html_widgets import CounterData, counter

    class DayFigures(ByLabelMetric):  # type: ignore[misc]  # Evidently ships no types
        """The main figures of a day; what is not known is left out, as its store refuses what is no number."""

    class DayFiguresCalculation(ByLabelCalculation[DayFigures]):  # type: ignore[misc]
        """Reads ``figures`` (figure, value, shown)."""

        def calculate(self, context: Any, current_data: Any, reference_data: Any) -> Any:
            """Return the figures, with a counter of each."""
            figures: pd.DataFrame = context.additional_data["figures"].as_dataframe()
            result = self.result(dict(zip(figures["figure"], figures["value"], strict=True)))
            counters = [CounterData(row.figure, row.shown) for row in figures.itertuples()]
            result.widget = [counter(title="The day in figures", counters=counters)]
            return result

        def display_name(self) -> str:
            """Name in lists of metrics."""
            return "The day in figures"

    return DayFigures


def figures_of(drift: DayDrift, quality: Quality, performance: Performance) -> pd.DataFrame:
    """Return what :func:`day_figures` reads: ``figure, value, shown``; without rows when nothing is known."""
    rows: list[tuple[str, float, str]] = []
    if drift.measured:
        rows.append(_share(DRIFTED, len(drift.drifted), len(drift.measured)))
        rows.append(_missing(drift))
    cohort = performance.newest
    if cohort is not None and cohort.auc is not None:
        rows.append((AUC, cohort.auc.estimate, f"{cohort.auc.estimate:.3f}"))
    if cohort is not None and cohort.predicted_over_actual is not None:
        ratio = cohort.predicted_over_actual.estimate
        rows.append((RATIO, ratio, f"{ratio:.2f}"))
    if quality.rows_today:
        aside = sum(feed.quarantined_today.count for feed in quality.feeds if feed.quarantined_today is not None)
        rows.append(_share(ASIDE, aside, quality.rows_today))
    return pd.DataFrame(rows, columns=["figure", "value", "shown"])


def _share(name: str, count: float, n: int) -> tuple[str, float, str]:
    return name, count / n, f"{count / n:.1%}"


def _missing(drift: DayDrift) -> tuple[str, float, str]:
    """Mean over the features of the share of customers without a value."""
    shares = [column.missing.second.share for column in drift.measured if column.missing is not None]
    mean = sum(shares) / max(len(shares), 1)
    return MISSING, mean, f"{mean:.1%}"
