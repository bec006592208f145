"""The outcomes that every campaign is measured by, and how each becomes an effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from holdback.business import Business
from monitoring.effects import Effect, Moments, mean_effect, share_effect
from monitoring.effects.ratios import arm_of
from monitoring.outcomes import CHURNED

Unit = Literal["share", "money", "number"]

#: What a launched design says that the decision rests on: margin within the horizon, less cost, as booked.
DECISION = "incremental_margin"
#: What those who stayed are expected to bring after it, less cost: an expectation frozen at entry, never booked.
EXPECTED = "value_kept"
COST = "cost"


@dataclass(frozen=True, slots=True)
class Metric:
    """One outcome: two totals whose ratio is compared.

    Attributes:
        name: As it is stored and shown.
        numerator: Total of the outcome.
        denominator: Total that it is divided by.
        unit: ``share`` of customers, ``money`` in cents, or a plain number.
        covariate: Total known before the assignment that makes the interval narrower; None for none.
        is_good_when_lower: True for churn and cost.
    """

    name: str
    numerator: str
    denominator: str = "customers"
    unit: Unit = "number"
    covariate: str | None = None
    is_good_when_lower: bool = False

    @property
    def is_share(self) -> bool:
        """True when a customer counts as one or not at all."""
        return self.unit == "share"


#: In reading order; those of the business file follow.
METRICS: tuple[Metric, ...] = (
    Metric(CHURNED, "churned", "known", "share", is_good_when_lower=True),
    Metric(DECISION, "net_cents", unit="money", covariate="before_cents"),
    Metric("margin", "margin_cents", unit="money", covariate="before_cents"),
    Metric(EXPECTED, "value_kept_cents", unit="money"),
    Metric("revenue", "revenue_capped_cents", unit="money", covariate="before_cents"),
    Metric(COST, "cost_cents", unit="money", is_good_when_lower=True),
    Metric("nps", "nps", "answered"),
    Metric("score", "score", "answered"),
)


def metrics_of(business: Business) -> tuple[Metric, ...]:
    """Return what the campaigns of a business are measured by: what every one is, then the outcomes it declares."""
    own = tuple(
        Metric(
            outcome.name,
            outcome.name,
            unit="share" if outcome.kind == "event" else "number",
            is_good_when_lower=outcome.good == "lower",
        )
        for outcome in business.outcomes
    )
    return (*METRICS, *own)


def decisive(known: tuple[Metric, ...], primary: str) -> tuple[Metric, ...]:
    """Return what is read on the planned day: the primary outcome, margin as booked, value as expected."""
    return tuple(metric for metric in known if metric.name in (primary, DECISION, EXPECTED))


def unit_of(name: str, business: Business) -> Unit:
    """Return the unit of a stored figure."""
    units: dict[str, Unit] = {"save_rate": "share", **{metric.name: metric.unit for metric in metrics_of(business)}}
    return units.get(name, "number")


def effect_on(metric: Metric, groups: Mapping[str, Moments], *, level: float, notes: tuple[str, ...] = ()) -> Effect:
    """Return the effect on one outcome at the fixed horizon, at an ordinary level: for a day that was fixed beforehand.

    Raises:
        NotMeasurable: these groups carry no such effect.
    """
    treatment, holdout = groups["treatment"], groups["holdout"]
    if metric.name == COST:
        return _as_booked(metric, treatment, holdout)
    if metric.is_share:
        return share_effect(
            treatment,
            holdout,
            metric.numerator,
            denominator=metric.denominator,
            metric=metric.name,
            level=level,
            is_good_when_lower=metric.is_good_when_lower,
            notes=notes,
        )
    return mean_effect(
        treatment,
        holdout,
        metric.numerator,
        denominator=metric.denominator,
        metric=metric.name,
        level=level,
        covariate=metric.covariate,
        is_good_when_lower=metric.is_good_when_lower,
        notes=notes,
    )


def _as_booked(metric: Metric, treatment: Moments, holdout: Moments) -> Effect:
    """Return what the treated cost more: the books know it, so there is no chance in it and no interval around it."""
    treated, held = (arm_of(moments, metric.numerator, metric.denominator) for moments in (treatment, holdout))
    spent = (treated.rate or 0.0) - (held.rate or 0.0)
    return Effect(metric.name, spent, spent, spent, 1.0, treated, held, "as booked", metric.is_good_when_lower)
