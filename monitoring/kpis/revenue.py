"""Revenue churn: of what a day's customers brought, how much has gone when their outcome window is over.

Customers are the units: a ratio of two sums over customers varies, to first order, as one linear combination of their
totals does (the delta method; Cochran, Sampling Techniques, 3rd ed. 1977, section 6.4; Deng, Knoblich, Lu, KDD 2018).
A part of the revenue at the start lies between 0 and 1: its variance says how many equal customers would tell as much,
and the interval is Wilson's for that many (Kish's effective number ``(sum x)^2 / sum x^2`` where nothing varies). Net
retention has no upper limit: its interval is that of its logarithm.

Few customers with most of the revenue make every such interval too narrow; when less than thirty would tell as much, a
note says so.
"""

from __future__ import annotations

from datetime import date
from math import exp, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.stats import norm

from features.labels import knowable_on, outcome_ends_on
from features.segments import monthly_revenue
from holdback.business import Business, Churn, ColumnChurn
from holdback.errors import DataError
from holdback.warehouse import Warehouse
from monitoring.cells import MINIMUM_CELL
from monitoring.effects.moments import Moments, moments_of
from monitoring.effects.ratios import gradient, unit_variance
from monitoring.kpis.rates import known_outcomes
from monitoring.kpis.results import Ratio, RevenueChurn
from monitoring.proportions import wilson

Floats = npt.NDArray[np.float64]

LEVEL: Final = 0.95
#: With fewer customers that tell as much, an interval is not to be trusted.
LEAST_EFFECTIVE: Final = 30
_CENTS: Final = 100


def revenue_churn(
    warehouse: Warehouse,
    business: Business,
    churn: Churn,
    as_of: date,
    *,
    on: date | None = None,
    outcomes: tuple[date, pa.Table] | None = None,
) -> RevenueChurn:
    """Return what became of the revenue of a day's customers, with 95 % intervals.

    Revenue is per month, as :mod:`features.segments.revenue` says: the price of open contracts, what was paid in 30
    days, a month's margin of the balances; what was loaded late counts, as far as it is known at ``as_of``. Of
    purchases, what one customer pays less and another more within a month is mostly chance: there, read ``lost`` and
    ``net_retention``. A customer whose refunds exceed the purchases brings 0.

    Args:
        warehouse: Where the feeds are.
        business: The company.
        churn: One of its churn definitions.
        as_of: The day of knowledge.
        on: The day whose customers are counted, as for :func:`monitoring.kpis.rates.churn_rates`.
        outcomes: As for it.

    Raises:
        BusinessFileError: no feed says what a customer brings.
        NotKnowableYet: the outcomes are not over.
        DataError: nobody is described, those described brought nothing, or they are too few to be shown.
    """
    day, labels = outcomes or known_outcomes(warehouse, business, churn, as_of, on=on)
    spine = labels.select(["customer_id", "as_of"])
    churned = labels["churned"].to_numpy(zero_copy_only=False)
    is_known = np.array([value is not None for value in churned], dtype=bool)
    has_left = np.array([bool(value) for value in churned[is_known]], dtype=bool)
    start = _cents(warehouse, business, day, spine, as_of)[is_known]
    count, unknown = int(is_known.sum()), int((~is_known).sum())
    if count < MINIMUM_CELL:
        raise DataError(
            f"{business.slug}: churn {churn.name}: {count} customers of {day} have a known outcome. What so few bring "
            f"is not shown; it needs {MINIMUM_CELL}. Load more data, or ask about another day."
        )
    if start.sum() <= 0:
        raise DataError(
            f"{business.slug}: churn {churn.name}: the customers of {day} brought nothing. A share of nothing cannot "
            "be told. Check that amounts or prices are loaded, and value.feed."
        )
    ends_on = outcome_ends_on(churn, day)
    end = None
    if not isinstance(churn, ColumnChurn):
        end = np.where(has_left, 0.0, _cents(warehouse, business, ends_on, spine, as_of)[is_known])
    found = ratios(start, end, has_left)
    notes = []
    is_concentrated = effective_count(start) < LEAST_EFFECTIVE
    if is_concentrated:
        notes.append(
            f"few customers bring most of the revenue: as many as {effective_count(start):.0f} equal ones would; the "
            "intervals are too narrow"
        )
    if unknown:
        notes.append(f"left out: {unknown:,} whose outcome is not known, or who left within the lead")
    if end is None:
        notes.append("the churn definition has no later day: only what was lost with those who left can be told")
    return RevenueChurn(
        churn.name, day, ends_on, as_of, knowable_on(churn, day), business.currency, count, unknown,
        float(start.sum()) / _CENTS,
        None if end is None else float(end.sum()) / _CENTS,
        found["lost"], found.get("reduced"), found.get("grown"), found.get("gross_churn"), found.get("net_retention"),
        is_concentrated, tuple(notes),
    )  # fmt: skip


def ratios(start: Floats, end: Floats | None, has_left: npt.NDArray[np.bool_]) -> dict[str, Ratio]:
    """Return the ratios of :class:`RevenueChurn` by name.

    Args:
        start: What each customer brought, not negative and not 0 altogether, shape (n,).
        end: What each brings later, 0 for those who left, shape (n,); None when it is not known.
        has_left: Who left, shape (n,).

    Examples:
        >>> found = ratios(np.array([10.0, 10.0, 20.0]), np.array([0.0, 15.0, 10.0]), np.array([True, False, False]))
        >>> [round(found[name].estimate, 3) for name in ("lost", "reduced", "grown", "gross_churn", "net_retention")]
        [0.25, 0.25, 0.125, 0.5, 0.625]
    """
    totals = {"start": start, "lost": np.where(has_left, start, 0.0)}
    if end is not None:
        change = np.where(has_left, 0.0, end - start)
        totals["reduced"], totals["grown"] = np.maximum(-change, 0.0), np.maximum(change, 0.0)
        totals["gross_churn"], totals["net_retention"] = totals["lost"] + totals["reduced"], end
    moments = moments_of(totals)
    # What was brought can grow without limit; what is lost cannot exceed it.
    unlimited = ("grown", "net_retention")
    return {
        name: (_growing if name in unlimited else _part)(moments, name, start) for name in totals if name != "start"
    }


def effective_count(amounts: Floats) -> float:
    """Return how many equal customers the amounts are worth (Kish): ``(sum x)^2 / sum x^2``.

    Examples:
        >>> effective_count(np.array([1.0, 1.0, 1.0])), round(effective_count(np.array([100.0, 1.0, 1.0])), 2)
        (3.0, 1.04)
    """
    return float(amounts.sum() ** 2 / np.sum(amounts**2))


def _part(moments: Moments, name: str, start: Floats) -> Ratio:
    """A part of the revenue at the start: Wilson's interval for as many equal customers as tell as much."""
    estimate = min(max(_estimate(moments, name), 0.0), 1.0)
    variance = _variance(moments, name)
    kish = effective_count(start)
    n = estimate * (1 - estimate) / variance if variance > 0 and 0 < estimate < 1 else kish
    found = wilson(estimate * n, n, level=LEVEL)
    return Ratio(estimate, min(found.low, estimate), max(found.high, estimate), moments.count, "delta, Wilson")


def _growing(moments: Moments, name: str, _start: Floats) -> Ratio:
    """A ratio without an upper limit: the interval of its logarithm."""
    estimate, z = _estimate(moments, name), float(norm.isf((1 - LEVEL) / 2))
    if estimate <= 0:
        return Ratio(0.0, 0.0, 0.0, moments.count, "nothing varies")
    half = z * sqrt(_variance(moments, name)) / estimate
    return Ratio(estimate, estimate * exp(-half), estimate * exp(half), moments.count, "delta, logarithm")


def _estimate(moments: Moments, name: str) -> float:
    return moments.total(name) / moments.total("start")


def _variance(moments: Moments, name: str) -> float:
    """Variance of the ratio: that of its linear combination over customers, divided by their number."""
    return unit_variance(moments, gradient(moments, name, "start")) / moments.count


def _cents(warehouse: Warehouse, business: Business, day: date, spine: pa.Table, known_on: date) -> Floats:
    found = monthly_revenue(warehouse, business, day, spine, known_on=known_on)
    return np.maximum(np.asarray(found["revenue_cents"].to_numpy(), dtype=np.float64), 0.0)
