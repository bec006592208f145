"""How good were the scores? Answered only for outcomes that are known by now.

A day's scores can be judged once its outcome window is over and the data reach its end. Until then "not knowable before
DATE" is the result, not an error. A label that was known when the customer was scored judges nothing: it may have
been trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from features.labels import build_labels, knowable_on, outcome_ends_on
from holdback.business import Business, Churn, ColumnChurn
from holdback.warehouse import Warehouse
from monitoring.expected import expected_performance
from monitoring.proportions import Share, wilson
from training.delong import auc
from training.estimates import Estimate

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
NotKnown = Literal["never scored", "window open", "data do not reach", "labels known before"]
Every = Literal["month", "week"]
Side = Literal["fits", "high", "low"]

COHORTS = 12
"""Past days that one page judges at most: the newest scored day of each month, or of each week, that is over."""
BAND = (0.8, 1.25)
"""Predicted over actual within which the probabilities are well: the band of the promotion guards."""
_TRIED_DAYS = 7
"""Newest days of a month of which the first that can be judged is: data may lag behind by some days."""
RELIABILITY_BINS = 10
FEWEST_PER_BIN = 30
"""Customers per point of the reliability curve; fewer customers give fewer points."""


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Customers of similar predicted probability: what was said, and what happened."""

    predicted: float
    observed: Share


@dataclass(frozen=True, slots=True)
class Cohort:
    """One past day's scores against what became of the customers.

    Attributes:
        as_of: The day that was scored.
        model_version: The model that scored it.
        outcome_ends_on: First day after the outcome window.
        scored_count: Customers scored that day.
        matured_count: Those whose outcome is known by now and was not when they were scored.
        churner_count: Those who left.
        auc: None when everybody left or everybody stayed.
        observed: Share that left.
        predicted: Mean predicted probability of the matured ones.
        predicted_over_actual: With the interval that the observed share's Wilson interval gives; None when nobody left.
        reliability: The curve, lowest probabilities first.
        calibration_error: Mean distance between predicted and observed over the curve's points, by size.
        reached: Share that left among those above the capacity line that day; None when nobody matured there.
        expected_auc: The AUC that the probabilities promised for the same customers; None when too few were to leave.
    """

    as_of: date
    model_version: str
    outcome_ends_on: date
    scored_count: int
    matured_count: int
    churner_count: int
    auc: Estimate | None
    observed: Share
    predicted: float
    predicted_over_actual: Estimate | None
    reliability: tuple[ReliabilityBin, ...]
    calibration_error: float
    reached: Share | None
    expected_auc: Estimate | None = None

    @property
    def calibration(self) -> Side:
        """``high`` or ``low`` when the whole interval of predicted over actual lies outside :data:`BAND`."""
        ratio = self.predicted_over_actual
        if ratio is None:
            return "fits"
        return "high" if ratio.low > BAND[1] else "low" if ratio.high < BAND[0] else "fits"

    @property
    def lift(self) -> float | None:
        """How many times more often those above the capacity line left than everybody."""
        if self.reached is None or self.observed.share == 0:
            return None
        return self.reached.share / self.observed.share


@dataclass(frozen=True, slots=True)
class Performance:
    """Every past day that can be judged, newest first.

    Attributes:
        cohorts: Empty when nothing can be judged yet.
        reason: Why there is no cohort.
        knowable_on: First day on which some score can be judged; None when that does not hang on a date.
        waiting_day_count: Scored days whose outcome window is not over.
    """

    cohorts: tuple[Cohort, ...]
    reason: NotKnown | None = None
    knowable_on: date | None = None
    waiting_day_count: int = 0

    @property
    def newest(self) -> Cohort | None:
        """The newest day that can be judged."""
        return self.cohorts[0] if self.cohorts else None


def matured_performance(
    warehouse: Warehouse,
    business: Business,
    churn: Churn,
    as_of: date,
    *,
    every: Every = "month",
    at_most: int = COHORTS,
) -> Performance:
    """Judge past scores with the outcomes that were known on ``as_of``.

    Days are judged one by one and never pooled: the customers of two neighbouring days are the same ones, and their
    outcome windows overlap, so a pool would look more certain than it is.

    Args:
        warehouse: Where scores and feeds are.
        business: The company.
        churn: The churn definition that was scored.
        as_of: The day of the report; rows loaded later do not count.
        every: One judged day a month, or a week (from Monday).
        at_most: Judged days wanted, newest first; no more than these are computed.

    Returns:
        Up to ``at_most`` (and :data:`COHORTS`) judged days, or the reason why there is none.
    """
    days = _scored_days(warehouse, churn, as_of)
    if not days:
        return Performance((), "never scored")
    over = [day for day in days if knowable_on(churn, day) <= as_of and day < as_of]
    waiting = len(days) - len(over)
    if not over:
        if isinstance(churn, ColumnChurn):
            return Performance((), "labels known before", None, waiting)
        return Performance((), "window open", knowable_on(churn, min(days)), waiting)

    def judged(days: list[date]) -> Cohort | None:
        tried = (_judged_day(warehouse, business, churn, day, as_of) for day in days[:_TRIED_DAYS])
        return next((cohort for cohort in tried if cohort is not None), None)

    found = (judged(days) for days in _periods(over, every))
    cohorts = tuple(islice((cohort for cohort in found if cohort is not None), at_most))
    if not cohorts:
        reason: NotKnown = "labels known before" if isinstance(churn, ColumnChurn) else "data do not reach"
        return Performance((), reason, None, waiting)
    return Performance(cohorts, None, None, waiting)


def _scored_days(warehouse: Warehouse, churn: Churn, as_of: date) -> list[date]:
    found = warehouse.query(
        f"select distinct as_of from scores where churn = '{churn.name}' and as_of <= date '{as_of}' "
        "order by as_of desc"
    )
    return [row["as_of"] for row in found.to_pylist()]


def _periods(days: list[date], every: Every) -> list[list[date]]:
    """Return the days of each month, or of each week, newest first; the newest periods only."""
    periods: dict[tuple[int, int], list[date]] = {}
    for day in sorted(days, reverse=True):
        periods.setdefault((day.year, day.month) if every == "month" else day.isocalendar()[:2], []).append(day)
    return list(periods.values())[:COHORTS]


def _judged_day(warehouse: Warehouse, business: Business, churn: Churn, day: date, as_of: date) -> Cohort | None:
    scores = warehouse.query(
        "select customer_id, as_of, probability, is_above_capacity_line, model_version from scores "
        f"where churn = '{churn.name}' and as_of = date '{day}' order by customer_id"
    )
    labels = _new_labels(warehouse, business, churn, day, as_of, scores)
    joined = warehouse.query(
        "select probability, is_above_capacity_line, model_version, churned from _scored left join _labels "
        "using (customer_id) order by customer_id",
        frames={"_scored": scores, "_labels": labels},
    )
    known = joined.filter(joined["churned"].is_valid())
    if known.num_rows == 0:
        return None
    return judge(
        day,
        outcome_ends_on(churn, day),
        known["churned"].to_numpy().astype(bool),
        known["probability"].to_numpy().astype(float),
        known["is_above_capacity_line"].to_numpy().astype(bool),
        model_version=str(known["model_version"][0]),
        scored_count=scores.num_rows,
    )


def _new_labels(
    warehouse: Warehouse, business: Business, churn: Churn, day: date, as_of: date, scores: pa.Table
) -> pa.Table:
    """Labels known on ``as_of`` that were not known on the day of the score."""
    spine = scores.select(["customer_id", "as_of"])
    labels = build_labels(warehouse, business, churn, day, known_on=as_of, spine=spine)
    if not isinstance(churn, ColumnChurn):
        return labels  # its window begins at the day of the score: nothing was known then
    before = build_labels(warehouse, business, churn, day, known_on=day, spine=spine)
    return warehouse.query(
        "select n.customer_id, case when b.churned is null then n.churned end as churned "
        "from _now n join _before b using (customer_id)",
        frames={"_now": labels, "_before": before},
    )


def judge(
    as_of: date,
    ends_on: date,
    churned: Booleans,
    probability: Floats,
    is_above_line: Booleans,
    *,
    model_version: str,
    scored_count: int,
) -> Cohort:
    """Compare one day's probabilities with known outcomes.

    Args:
        as_of: The day that was scored.
        ends_on: First day after its outcome window.
        churned: Known outcomes, shape (n,), n at least 1.
        probability: What was predicted, shape (n,).
        is_above_line: Who was above the capacity line, shape (n,).
        model_version: The model that scored.
        scored_count: Customers scored, those without a known outcome included.
    """
    n, left = int(churned.size), int(churned.sum())
    observed = wilson(left, n)
    predicted = float(probability.mean())
    bins = reliability(churned, probability)
    expected = expected_performance(probability, is_above_line)
    return Cohort(
        as_of=as_of,
        model_version=model_version,
        outcome_ends_on=ends_on,
        scored_count=scored_count,
        matured_count=n,
        churner_count=left,
        auc=auc(churned, probability) if 0 < left < n else None,
        observed=observed,
        predicted=predicted,
        predicted_over_actual=_ratio(predicted, observed) if left else None,
        reliability=bins,
        calibration_error=sum(abs(b.predicted - b.observed.share) * b.observed.n for b in bins) / n,
        reached=wilson(int((churned & is_above_line).sum()), int(is_above_line.sum())) if is_above_line.any() else None,
        expected_auc=expected.auc,
    )


def reliability(churned: Booleans, probability: Floats) -> tuple[ReliabilityBin, ...]:
    """Return the reliability curve in bins of equal size; customers with the same probability are never parted."""
    order = np.argsort(probability, kind="stable")
    p, y = probability[order], churned[order]
    wanted = int(np.clip(p.size // FEWEST_PER_BIN, 1, RELIABILITY_BINS))
    cuts = {int(np.searchsorted(p, p[round(i * p.size / wanted)], side="left")) for i in range(1, wanted)}
    edges = sorted({0, *cuts, p.size})
    return tuple(
        ReliabilityBin(float(p[low:high].mean()), wilson(int(y[low:high].sum()), high - low))
        for low, high in pairwise(edges)
        if high > low
    )


def _ratio(predicted: float, observed: Share) -> Estimate:
    return Estimate(
        predicted / observed.share,
        predicted / observed.high,
        predicted / observed.low,
        int(observed.n),
        "Wilson interval of the observed share",
    )
