"""Our Evidently metrics of campaigns: Evidently draws, tests and stores what we have measured.

Class names are the names under which Evidently stores values, next to its own: they must stay unique, and they and the
parameters must stay the same from day to day, else a series over time breaks. No value may be NaN. A snapshot holds
plain values and pictures, so it opens where these classes are not installed. Each class is made once, by the function
that loads Evidently.
"""

# ruff: noqa: ARG002, RUF012  (Evidently calls these methods with all arguments; its metrics are pydantic models)
# Evidently reads the annotations at run time: no `from __future__ import annotations` here.
from functools import cache
from typing import Any

import pandas as pd

_COLOURS = ("#a8a297", "#0b7285")  # the campaign before, this one
LOWER_END = "lower end"
UPPER_END = "upper end"
PASSED = "passed (1 is yes)"
CONTACTED = "held out and contacted"


@cache
def effect() -> Any:
    """Return the metric class: benefit of each outcome with the ends of its interval; the lower one must exceed 0."""
    import plotly.graph_objects as go
    from evidently.core.metric_types import ByLabelCalculation, ByLabelMetric
    from evidently.legacy.renderers.html_widgets import WidgetSize, plotly_figure, table_data
    from evidently.tests import gt

    class Effect(ByLabelMetric):  # type: ignore[misc]  # Evidently ships no types
        """Benefit of a campaign against its holdout, as assigned: per outcome the estimate and its interval."""

        campaign: str
        tested: list[str] = []
        units: dict[str, str] = {}

        def _default_tests(self, context: Any) -> list[Any]:
            fingerprint = self.get_fingerprint()
            return [gt(0).bind_by_label(fingerprint, label=f"{name}, {LOWER_END}") for name in self.tested]

        def _default_tests_with_reference(self, context: Any) -> list[Any]:
            return self._default_tests(context)

    class EffectCalculation(ByLabelCalculation[Effect]):  # type: ignore[misc]
        """Reads ``<campaign>: effects`` (outcome, benefit, low, high, and columns to be shown)."""

        def calculate(self, context: Any, current_data: Any, reference_data: Any) -> Any:
            """Return the benefits, this campaign's and the previous one's, with a table and a picture of each."""
            now, before = _frames(context, f"{self.metric.campaign}: effects")
            result = self.result(_values(now))
            shown = now.drop(columns=["benefit", "low", "high"])
            title = f"{self.metric.campaign}: benefit against the holdout"
            result.widget = [_table(table_data, title, shown)]
            size = WidgetSize.FULL if len(now) == 1 else WidgetSize.HALF
            for row in now.itertuples():
                rows = [(self.metric.campaign, row)]
                if before is not None:
                    rows += [("the campaign before", old) for old in before.itertuples() if old.outcome == row.outcome]
                figure = go.Figure(
                    [_whisker(go, *each, colour) for each, colour in zip(rows, _COLOURS[::-1], strict=False)]
                )
                unit = self.metric.units.get(row.outcome, "")
                figure.update_layout(template="plotly_white", xaxis_title=unit, showlegend=False)
                figure.add_vline(x=0, line_dash="dash")
                title = f"{row.outcome}: more is better, left of zero is harm"
                result.widget.append(plotly_figure(title=title, figure=figure, size=size))
            return result, None if before is None else self.result(_values(before))

        def display_name(self) -> str:
            """Name in lists of metrics."""
            return f"Effect of {self.metric.campaign}"

        def label_display_name(self, label: str) -> str:
            """Name of one figure."""
            unit = self.metric.units.get(label.removesuffix(f", {LOWER_END}").removesuffix(f", {UPPER_END}"), "")
            return f"{self.metric.campaign}: {label}" + (f" ({unit})" if unit else "")

    return Effect


@cache
def qini() -> Any:
    """Return the metric class: the Qini coefficient; the lower end of its interval must exceed 0."""
    import plotly.graph_objects as go
    from evidently.core.metric_types import ByLabelCalculation, ByLabelMetric
    from evidently.legacy.renderers.html_widgets import WidgetSize, plotly_figure, table_data
    from evidently.tests import gt

    class Qini(ByLabelMetric):  # type: ignore[misc]
        """Whether the score says whom to treat: good outcomes per 10,000 customers above picking at random."""

        campaign: str

        def _default_tests(self, context: Any) -> list[Any]:
            return [gt(0).bind_by_label(self.get_fingerprint(), label=LOWER_END)]

        def _default_tests_with_reference(self, context: Any) -> list[Any]:
            return self._default_tests(context)

    class QiniCalculation(ByLabelCalculation[Qini]):  # type: ignore[misc]
        """Reads ``<campaign>: qini`` (figure, value, shown) and ``<campaign>: qini curve`` (share, gain, at_random)."""

        def calculate(self, context: Any, current_data: Any, reference_data: Any) -> Any:
            """Return the coefficients with the curve."""
            now, before = _frames(context, f"{self.metric.campaign}: qini")
            curve, curve_before = _frames(context, f"{self.metric.campaign}: qini curve")
            lines = [
                ("by score", curve, "gain", _COLOURS[1], "solid"),
                ("at random", curve, "at_random", "#4d4d4d", "dash"),
            ]
            if curve_before is not None:
                lines.append(("by score, the campaign before", curve_before, "gain", _COLOURS[0], "solid"))
            figure = go.Figure(
                [
                    go.Scatter(
                        x=frame["share"], y=frame[column], name=name, mode="lines", line={"color": colour, "dash": dash}
                    )
                    for name, frame, column, colour, dash in lines
                ]
            )
            figure.update_layout(
                template="plotly_white",
                xaxis_title="share of customers treated, best score first",
                xaxis_tickformat=".0%",
                yaxis_title="good outcomes gained per customer",
            )
            result = self.result(_figures(now))
            result.widget = [
                _table(table_data, f"{self.metric.campaign}: Qini coefficient", now[["figure", "shown"]]),
                plotly_figure(title="Gain by share treated", figure=figure, size=WidgetSize.FULL),
            ]
            return result, None if before is None else self.result(_figures(before))

        def display_name(self) -> str:
            """Name in lists of metrics."""
            return f"Qini of {self.metric.campaign}, per 10,000 customers"

        def label_display_name(self, label: str) -> str:
            """Name of one figure."""
            return f"{self.display_name()}: {label}"

    return Qini


@cache
def sample_ratio() -> Any:
    """Return the metric class: whether the groups have the sizes that were drawn; it must have passed."""
    from evidently.core.metric_types import ByLabelCalculation, ByLabelMetric
    from evidently.legacy.renderers.html_widgets import table_data
    from evidently.tests import gte

    class SampleRatio(ByLabelMetric):  # type: ignore[misc]
        """Whether treatment and holdout have the sizes that were drawn."""

        campaign: str

        def _default_tests(self, context: Any) -> list[Any]:
            return [gte(1).bind_by_label(self.get_fingerprint(), label=PASSED)]

        def _default_tests_with_reference(self, context: Any) -> list[Any]:
            return self._default_tests(context)

    class SampleRatioCalculation(ByLabelCalculation[SampleRatio]):  # type: ignore[misc]
        """Reads ``<campaign>: sample ratio`` (figure, value, shown)."""

        def calculate(self, context: Any, current_data: Any, reference_data: Any) -> Any:
            """Return the verdict as a number, with what it rests on."""
            now, before = _frames(context, f"{self.metric.campaign}: sample ratio")
            result = self.result(_figures(now))
            result.widget = [
                _table(table_data, f"{self.metric.campaign}: sizes of the groups", now[["figure", "shown"]])
            ]
            return result, None if before is None else self.result(_figures(before))

        def display_name(self) -> str:
            """Name in lists of metrics."""
            return f"Sample ratio of {self.metric.campaign}"

        def label_display_name(self, label: str) -> str:
            """Name of one figure."""
            return f"{self.display_name()}: {label}"

    return SampleRatio


@cache
def contamination() -> Any:
    """Return the metric class: who was contacted though held out; their share must stay below the limit."""
    from evidently.core.metric_types import ByLabelCalculation, ByLabelMetric
    from evidently.legacy.renderers.html_widgets import table_data
    from evidently.tests import lte

    class Contamination(ByLabelMetric):  # type: ignore[misc]
        """How well treatment and holdout were kept apart, as shares of each group."""

        campaign: str
        limit: float

        def _default_tests(self, context: Any) -> list[Any]:
            return [lte(self.limit).bind_by_label(self.get_fingerprint(), label=CONTACTED)]

        def _default_tests_with_reference(self, context: Any) -> list[Any]:
            return self._default_tests(context)

    class ContaminationCalculation(ByLabelCalculation[Contamination]):  # type: ignore[misc]
        """Reads ``<campaign>: contamination`` (figure, value, shown)."""

        def calculate(self, context: Any, current_data: Any, reference_data: Any) -> Any:
            """Return the shares with their intervals in a table."""
            now, before = _frames(context, f"{self.metric.campaign}: contamination")
            result = self.result(_figures(now))
            result.widget = [_table(table_data, f"{self.metric.campaign}: contamination", now[["figure", "shown"]])]
            return result, None if before is None else self.result(_figures(before))

        def display_name(self) -> str:
            """Name in lists of metrics."""
            return f"Contamination of {self.metric.campaign}"

        def label_display_name(self, label: str) -> str:
            """Name of one figure."""
            return f"{self.display_name()}: {label}"

    return Contamination


def _frames(context: Any, name: str) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return a table of this campaign and the same of the previous one, None when there is none."""
    data = context.additional_data
    before = data.get(f"{name} before")
    return data[name].as_dataframe(), None if before is None else before.as_dataframe()


def _values(frame: pd.DataFrame) -> dict[str, float]:
    values: dict[str, float] = {}
    for name, benefit, low, high in frame[["outcome", "benefit", "low", "high"]].to_numpy().tolist():
        values |= {name: benefit, f"{name}, {LOWER_END}": low, f"{name}, {UPPER_END}": high}
    return values


def _figures(frame: pd.DataFrame) -> dict[str, float]:
    return dict(zip(frame["figure"], frame["value"], strict=True))


def _table(table_data: Any, title: str, frame: pd.DataFrame) -> Any:
    return table_data(title=title, column_names=list(frame.columns), data=frame.astype(str).to_numpy().tolist())


def _whisker(go: Any, name: str, row: Any, colour: str) -> Any:
    """One effect with its interval, as a point with whiskers."""
    ends = {
        "type": "data",
        "symmetric": False,
        "array": [row.high - row.benefit],
        "arrayminus": [row.benefit - row.low],
    }
    return go.Scatter(
        x=[row.benefit], y=[name], error_x=ends, mode="markers", marker={"size": 12, "color": colour}, name=name
    )
