"""Campaigns side by side: what each did on its planned day, and what to expect of it next year; never a total."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from scipy.stats import norm

from holdback.warehouse import Warehouse
from monitoring.effects.portfolio import SMALLEST_PORTFOLIO, Portfolio, expected_next
from monitoring.measurement.readings import EVERYBODY
from monitoring.measurement.storing import measured_on, official_effects, stored_effects
from monitoring.outcomes import CHURNED

#: Until four campaigns were read, campaigns are expected to do nothing, give or take what they were planned to do.
_USUAL_SPREAD: Final = 0.01


@dataclass(frozen=True, slots=True)
class SideBySide:
    """What all campaigns did.

    Attributes:
        metric: The outcome.
        expected: Each campaign's planned reading, and what to expect of it; None while none was read.
        read_on: Day of each planned reading, by the campaign's name and version.
        programme: Everybody against the global holdout, as last measured; None when it was not. It is no sum.
    """

    metric: str
    expected: Portfolio | None
    read_on: dict[str, date]
    programme: dict[str, Any] | None


def side_by_side(warehouse: Warehouse, as_of: date, *, metric: str = CHURNED) -> SideBySide:
    """Return every campaign's official reading beside what it can be expected to do when it is repeated.

    Args:
        warehouse: Where the effects are.
        as_of: The day; nothing measured later counts.
        metric: The outcome.
    """
    rows = [
        row
        for row in official_effects(warehouse, as_of)
        if row["metric"] == metric and row["segment"] == EVERYBODY and row["campaign"] is not None
    ]
    measured = {_name(row): (row["estimate"], _error(row)) for row in rows if row["high"] > row["low"]}
    planned = [abs(row["planned"]) for row in rows if row["planned"]]
    prior = None
    if measured and len(measured) < SMALLEST_PORTFOLIO:
        prior = (0.0, sum(planned) / len(planned) if planned else _USUAL_SPREAD)
    expected = expected_next(measured, prior=prior) if measured else None
    return SideBySide(
        metric, expected, {_name(row): row["as_of"] for row in rows}, _programme(warehouse, as_of, metric)
    )


def _programme(warehouse: Warehouse, as_of: date, metric: str) -> dict[str, Any] | None:
    day = measured_on(warehouse, as_of)
    if day is None:
        return None
    rows = [
        row
        for row in stored_effects(warehouse, day)
        if row["campaign"] is None and row["metric"] == metric and row["reading"] == "daily"
    ]
    return rows[0] if rows and rows[0]["estimate"] is not None else None


def _name(row: dict[str, Any]) -> str:
    return f"{row['campaign']}/{row['version']}"


def _error(row: dict[str, Any]) -> float:
    """The standard error that the interval was made from, as good as normal."""
    return float((row["high"] - row["low"]) / (2 * norm.isf((1 - row["level"]) / 2)))
