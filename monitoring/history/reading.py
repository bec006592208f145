"""The kept figures, read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from holdback.sql import literal
from holdback.warehouse import Warehouse

DAYS = 90


@dataclass(frozen=True, slots=True)
class DayValue:
    """One figure of one day, as it was known then.

    Attributes:
        as_of: The day.
        value: The figure; None when it was not knowable.
        low: Lower end of its interval; None for what is counted.
        high: Upper end.
        n: Customers or rows that it rests on; None when that has no meaning.
        reason: Why it was not knowable; None when it was.
    """

    as_of: date
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    reason: str | None = None


def metric_history(
    warehouse: Warehouse, metric: str, as_of: date, *, about: str = "", days: int = DAYS
) -> tuple[DayValue, ...]:
    """Return what was recorded of one metric in the ``days`` days up to a day, oldest first.

    A day that was not recorded is not there; a day on which the figure was not knowable is there with value None.

    Args:
        warehouse: Where the table ``daily_metrics`` is.
        metric: One of :data:`monitoring.history.METRICS`.
        as_of: The last day, included; what was recorded of later ones is not shown.
        about: Which churn definition, feed, trigger or campaign (:data:`monitoring.history.ABOUT`).
        days: How many days back, at least 1.

    Raises:
        ValueError: ``days`` is not positive.
    """
    own = f"metric = {literal(metric)} and about = {literal(about)}"
    return tuple(_day_value(row) for row in _rows(warehouse, f"{own} and {_between(as_of, days)} order by as_of"))


def histories(warehouse: Warehouse, as_of: date, *, days: int = DAYS) -> Mapping[tuple[str, str], tuple[DayValue, ...]]:
    """Return :func:`metric_history` of every metric and what it is about, in one reading.

    What was not recorded in these days is not there.

    Raises:
        ValueError: ``days`` is not positive.
    """
    found: dict[tuple[str, str], list[DayValue]] = {}
    for row in _rows(warehouse, f"{_between(as_of, days)} order by metric, about, as_of"):
        found.setdefault((row["metric"], row["about"]), []).append(_day_value(row))
    return {name: tuple(values) for name, values in found.items()}


def newest(warehouse: Warehouse, as_of: date) -> Mapping[tuple[str, str], DayValue]:
    """Return of every metric and what it is about the newest record up to a day; its ``as_of`` says of which day it is.

    Where the newest record says that the figure was not knowable, that is what is returned: an older value would look
    like today's.
    """
    rows = _rows(
        warehouse,
        f"as_of <= date '{as_of}' qualify row_number() over (partition by metric, about order by as_of desc) = 1 "
        "order by metric, about",
    )
    return {(row["metric"], row["about"]): _day_value(row) for row in rows}


def subjects(warehouse: Warehouse, metric: str, as_of: date) -> tuple[str, ...]:
    """Return what a metric was ever recorded about up to a day, in the order of the names."""
    found = warehouse.query(
        f"select distinct about from daily_metrics where metric = {literal(metric)} and as_of <= date '{as_of}' "
        "order by about"
    )
    return tuple(found["about"].to_pylist())


def _between(as_of: date, days: int) -> str:
    if days < 1:
        raise ValueError(f"history of metrics: days must be at least 1 (got {days}).")
    since = as_of - timedelta(days=min(days, as_of.toordinal()) - 1)
    return f"as_of between date '{since}' and date '{as_of}'"


def _rows(warehouse: Warehouse, condition: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = warehouse.query(
        f"select as_of, metric, about, value, low, high, n, reason from daily_metrics where {condition}"
    ).to_pylist()
    return rows


def _day_value(row: Mapping[str, Any]) -> DayValue:
    return DayValue(row["as_of"], row["value"], row["low"], row["high"], row["n"], row["reason"])
