"""Our own Evidently metrics: the counts come from SQL, Evidently draws and tests them.

Evidently's own drift metrics compute every column three times in pandas, flag columns of many categories without any
drift, and do not see nulls; its tests here compare the verdicts of :mod:`monitoring.drift.verdicts` instead. Class
names are the names under which Evidently stores values: they must stay unique. No value may be NaN (its store refuses
them). Each class is made once, by the function that loads Evidently.
"""

# ruff: noqa: ARG002, RUF012  (Evidently calls these methods with all arguments; its metrics are pydantic models)
# Evidently reads the annotations at run time: no `from __future__ import annotations` here.
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import pandas as pd

_COLOURS = ("#a8a297", "#0b7285")


@cache
def binned_drift() -> Any:
    """Return the metric class: alarm level per column (1 and more is drift)."""
    import plotly.graph_objects as go
    from evidently.core.metric_types import ByLabelCalculation, ByLabelMetric
    from evidently.legacy.renderers.html_widgets import WidgetSize, plotly_figure, table_data
    from evidently.tests import lt

    class BinnedDrift(ByLabelMetric):  # type: ignore[misc]  # Evidently ships no types
        """Alarm level per column (1 and more is drift), from counts over the bins of the model's reference."""

        columns: list[str] = []
        largest: str = ""

        def _default_tests(self, context: Any) -> list[Any]:
            return [lt(1).bind_by_label(self.get_fingerprint(), label=column) for column in self.columns]

        def _default_tests_with_reference(self, context: Any) -> list[Any]:
            return self._default_tests(context)

    class BinnedDriftCalculation(ByLabelCalculation[BinnedDrift]):  # type: ignore[misc]
        """Reads ``verdicts`` (one row per column) and ``bins`` (one row per bin of the largest change)."""

        def calculate(self, context: Any, current_data: Any, reference_data: Any) -> Any:
            """Return the alarm levels with a table and a picture."""
            verdicts, bins = _frame(context, "verdicts"), _frame(context, "bins")
            result = self.result(dict(zip(verdicts["column"], verdicts["alarm"], strict=True)))
            shown = verdicts.drop(columns="alarm")
            result.widget = [
                table_data(
                    title="Drift of today's customers against those the model learned from",
                    column_names=list(shown.columns),
                    data=shown.astype(str).to_numpy().tolist(),
                )
            ]
            if len(bins):
                figure = go.Figure(
                    [
                        go.Bar(x=bins["bin"], y=bins[side], name=side, marker_color=colour)
                        for side, colour in zip(("reference", "today"), _COLOURS, strict=True)
                    ]
                )
                figure.update_layout(yaxis_tickformat=".0%", template="plotly_white")
                title = f"The change that matters most: {self.metric.largest}"
                result.widget.append(plotly_figure(title=title, figure=figure, size=WidgetSize.FULL))
            return result

        def display_name(self) -> str:
            """Name in lists of metrics."""
            return "Binned drift (alarm level)"

        def label_display_name(self, label: str) -> str:
            """Name of one column's test."""
            return f"Alarm level of {label} (1 is drift)"

    return BinnedDrift


@cache
def batch_quality() -> Any:
    """Return the metric class: figures of the batches of the day, each with its limit."""
    from evidently.core.metric_types import ByLabelCalculation, ByLabelMetric
    from evidently.legacy.renderers.html_widgets import table_data
    from evidently.tests import lte

    class BatchQuality(ByLabelMetric):  # type: ignore[misc]
        """Figures of the batches of the day, each with the limit it must not exceed."""

        limits: dict[str, float] = {}

        def _default_tests(self, context: Any) -> list[Any]:
            return [lte(limit).bind_by_label(self.get_fingerprint(), label=name) for name, limit in self.limits.items()]

        def _default_tests_with_reference(self, context: Any) -> list[Any]:
            return self._default_tests(context)

    class BatchQualityCalculation(ByLabelCalculation[BatchQuality]):  # type: ignore[misc]
        """Reads ``quality`` (figure, value) and ``batches`` (one row per feed)."""

        def calculate(self, context: Any, current_data: Any, reference_data: Any) -> Any:
            """Return the figures with a table of the feeds."""
            figures, batches = _frame(context, "quality"), _frame(context, "batches")
            result = self.result(dict(zip(figures["figure"], figures["value"], strict=True)))
            result.widget = [
                table_data(
                    title="What came in",
                    column_names=list(batches.columns),
                    data=batches.astype(str).to_numpy().tolist(),
                )
            ]
            return result

        def display_name(self) -> str:
            """Name in lists of metrics."""
            return "Batch quality"

        def label_display_name(self, label: str) -> str:
            """Name of one figure's test."""
            return label

    return BatchQuality


@cache
def matured_performance() -> Any:
    """Return the metric class: past scores against outcomes that are known by now."""
    import plotly.graph_objects as go
    from evidently.core.metric_types import ByLabelCalculation, ByLabelMetric
    from evidently.legacy.renderers.html_widgets import CounterData, WidgetSize, counter, plotly_figure
    from evidently.tests import gt

    class MaturedPerformance(ByLabelMetric):  # type: ignore[misc]
        """Past scores against outcomes that are known by now; each bound is a figure that must exceed it."""

        bounds: dict[str, float] = {}
        title: str = ""

        def _default_tests(self, context: Any) -> list[Any]:
            return [gt(bound).bind_by_label(self.get_fingerprint(), label=name) for name, bound in self.bounds.items()]

        def _default_tests_with_reference(self, context: Any) -> list[Any]:
            return self._default_tests(context)

    class MaturedPerformanceCalculation(ByLabelCalculation[MaturedPerformance]):  # type: ignore[misc]
        """Reads ``performance`` (figure, value, shown) and ``reliability`` (predicted, observed, low, high)."""

        def calculate(self, context: Any, current_data: Any, reference_data: Any) -> Any:
            """Return the figures with counters and the reliability curve."""
            figures, curve = _frame(context, "performance"), _frame(context, "reliability")
            result = self.result(dict(zip(figures["figure"], figures["value"], strict=True)))
            counters = [CounterData(row.figure, row.shown) for row in figures.itertuples() if row.shown]
            result.widget = [counter(title=self.metric.title, counters=counters)]
            if len(curve):
                whiskers = {
                    "type": "data",
                    "symmetric": False,
                    "array": curve["high"] - curve["observed"],
                    "arrayminus": curve["observed"] - curve["low"],
                }
                edge = float(max(curve["predicted"].max(), curve["high"].max()))
                figure = go.Figure(
                    [
                        go.Scatter(x=[0, edge], y=[0, edge], name="as predicted", mode="lines", line_color=_COLOURS[0]),
                        go.Scatter(
                            x=curve["predicted"], y=curve["observed"], error_y=whiskers, name="what happened",
                            mode="lines+markers", line_color=_COLOURS[1],
                        ),
                    ]
                )  # fmt: skip
                figure.update_layout(
                    xaxis_title="predicted probability", yaxis_title="share that left", template="plotly_white"
                )
                result.widget.append(plotly_figure(title="Reliability", figure=figure, size=WidgetSize.FULL))
            return result

        def display_name(self) -> str:
            """Name in lists of metrics."""
            return "Performance on matured labels"

        def label_display_name(self, label: str) -> str:
            """Name of one figure's test."""
            return label

    return MaturedPerformance


def run_report(metrics: Sequence[Any], tables: Mapping[str, pd.DataFrame]) -> Any:
    """Run an Evidently report over tables that are computed already; returns its snapshot."""
    from evidently import Report

    data = {name: dataset(frame) for name, frame in tables.items()}
    anything = next(iter(data.values()))
    return Report(list(metrics), include_tests=True).run(anything, None, additional_data=data)


def dataset(frame: pd.DataFrame) -> Any:
    """Hand a table to Evidently as it is, with nothing for Evidently to guess."""
    from evidently import DataDefinition, Dataset

    numbers = [name for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name])]
    # All six lists, else Evidently infers kinds from the day's data.
    definition = DataDefinition(
        numerical_columns=numbers,
        categorical_columns=[name for name in frame.columns if name not in numbers],
        text_columns=[],
        datetime_columns=[],
        unknown_columns=[],
        list_columns=[],
    )
    return Dataset.from_pandas(frame, definition)


def _frame(context: Any, name: str) -> pd.DataFrame:
    frame: pd.DataFrame = context.additional_data[name].as_dataframe()
    return frame
