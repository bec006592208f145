"""The figures of a reading: which may be read today, at which level, and which must wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pyarrow.compute as pc

from campaigns.designs import campaign_shares
from campaigns.margins import revenue_feed
from campaigns.power import reading_alpha
from holdback.business import Business
from holdback.errors import BusinessFileError
from monitoring.effects import (
    Effect,
    Moments,
    NotMeasurable,
    Watched,
    complier_effect,
    daily_means,
    daily_shares,
    days_kept_effect,
    design_effect_of,
    mean_effect,
    planned_variance,
    return_on_cost,
    survival_effect,
    watched,
)
from monitoring.effects.ratios import pooled
from monitoring.effects.saving import save_rate_effect
from monitoring.measurement.metrics import COST, EXPECTED, Metric, decisive, effect_on, metrics_of
from monitoring.measurement.questions import Question
from monitoring.measurement.readable import FEEDBACK
from monitoring.measurement.readings import EVERYBODY, Figure, ReadingKind
from monitoring.outcomes import CHURNED, HOLDOUT, TREATMENT, Outcomes

#: Of the programme, and of what was assigned elsewhere without a word about it.
USUAL_ALPHA = 0.05
#: Of everything that no design asked for.
EXPLORATORY_LEVEL = 0.95
#: Where no reading was planned, the daily interval is narrowest for this many customers: whoever launches by force has
#: few, and an interval made for the 20,000 that a reading would need says nothing about the first 500.
_USUAL_CUSTOMERS = 2_000
_USUAL_RATE = 0.1
_ONCE = "at an ordinary level: looked at day after day it raises false alarms"
#: Segments with fewer matured customers in a group are shown to nobody: they would be people, not numbers.
SMALLEST_GROUP = 20


@dataclass(frozen=True, slots=True)
class Asked:
    """What the figures of one reading are computed from.

    Attributes:
        business: The company.
        question: The campaign.
        outcomes: What became of its cohort.
        is_official: True on the day of the planned reading.
        withheld: Why every effect is withheld; None when nothing is.
        unanswered: Why the effects on feedback are withheld; None when they are not.
    """

    business: Business
    question: Question
    outcomes: Outcomes
    is_official: bool
    withheld: str | None
    unanswered: str | None

    @property
    def alpha(self) -> float:
        """Two-sided error of the whole campaign."""
        if self.question.design is not None:
            return self.question.design.alpha
        return self.question.campaign.alpha if self.question.campaign is not None else USUAL_ALPHA

    @property
    def primary(self) -> Metric:
        """The outcome that the campaign is judged by."""
        name = self.question.cohort.primary_outcome
        for metric in metrics_of(self.business):
            if metric.name == name:
                return metric
        raise BusinessFileError(
            f"{self.business.slug}: campaign {self.question.cohort.name}: its primary outcome {name!r} is not in the "
            "file any more. What was fixed at the launch is read from it. Put it back."
        )

    def metrics(self) -> tuple[Metric, ...]:
        """The outcomes that the company's data can tell: no margin without revenue, no value where nobody valued."""
        known = metrics_of(self.business)
        if self.question.cohort.assigned_by is not None:
            known = tuple(metric for metric in known if metric.name != EXPECTED)
        if not _tells_revenue(self.business):
            known = tuple(metric for metric in known if metric.unit != "money" or metric.name in (COST, EXPECTED))
        return known

    def planned(self, metric: str) -> float | None:
        """What the design expected, in the orientation of the effect."""
        design = self.question.design
        if design is None or design.primary_outcome != CHURNED:
            return None
        return {CHURNED: -design.effect, "save_rate": design.lift}.get(metric)


def figures_of(asked: Asked) -> Iterator[Figure]:
    """Yield the figures of a reading in reading order; what cannot be read says why, and from when on it can be."""
    if asked.outcomes.maturity.matured_count == 0:
        yield _waiting(asked, asked.primary.name, "daily", "confidence sequence")
    else:
        yield from _daily(asked)
    if asked.is_official:
        yield from _official(asked)
    else:
        yield _not_yet_official(asked)
    yield from _before_maturity(asked)
    if asked.is_official:
        yield from _secondary(asked)


def _daily(asked: Asked) -> Iterator[Figure]:
    """The figures that may be read on any day."""
    groups, alpha = asked.outcomes.groups, asked.alpha - reading_alpha(asked.alpha)
    for metric in decisive(asked.metrics(), asked.primary.name):
        if metric.name == EXPECTED:  # not capped: one customer of great value would look like an effect on some day
            continue
        yield from _figure(
            asked, metric.name, "daily", "confidence sequence", partial(_anytime, asked, metric, groups, alpha)
        )


def _anytime(asked: Asked, metric: Metric, groups: Mapping[str, Moments], alpha: float) -> Effect:
    """Return the effect with an interval that may be read every day."""
    if metric.is_share:
        return daily_shares(
            groups[TREATMENT],
            groups[HOLDOUT],
            metric.numerator,
            denominator=metric.denominator,
            metric=metric.name,
            tuned_at=_tuned_at(asked, _rate_variance(asked)),
            alpha=alpha,
            is_good_when_lower=metric.is_good_when_lower,
        )
    return daily_means(
        groups[TREATMENT],
        groups[HOLDOUT],
        metric.numerator,
        denominator=metric.denominator,
        metric=metric.name,
        tuned_at=_tuned_at(asked, _money_variance(asked, metric)),
        alpha=alpha,
        covariate=metric.covariate,
        is_good_when_lower=metric.is_good_when_lower,
        notes=_capped(asked, metric),
    )


def _official(asked: Asked) -> Iterator[Figure]:
    """The planned reading: the primary outcome, money as booked and as expected, the save rate by intended action."""
    groups, level = asked.outcomes.groups, 1 - reading_alpha(asked.alpha)
    for metric in decisive(asked.metrics(), asked.primary.name):
        yield from _figure(
            asked, metric.name, "official", "planned reading",
            partial(effect_on, metric, groups, level=level, notes=_capped(asked, metric)),
        )  # fmt: skip
    if asked.primary.name != CHURNED:
        return
    yield from _figure(
        asked, "save_rate", "official", "ratio of shares",
        lambda: save_rate_effect(groups[TREATMENT], groups[HOLDOUT], level=level),
    )  # fmt: skip
    for action, own in asked.outcomes.segments.get("intended_action", {}).items():
        if not is_large_enough(own):
            continue
        yield from _figure(
            asked, "save_rate", "official", "ratio of shares",
            partial(save_rate_effect, own[TREATMENT], own[HOLDOUT], level=level),
            segment=f"intended_action={action}",
        )  # fmt: skip


def _before_maturity(asked: Asked) -> Iterator[Figure]:
    """What the times of leaving say of those who are not mature yet."""
    found = asked.outcomes.survival
    if found is None or found.num_rows == 0 or asked.outcomes.maturity.assigned_count == 0:
        return
    days = asked.question.cohort.horizon_days
    arms = [_watched(asked, group) for group in (TREATMENT, HOLDOUT)]
    if any(arm is None for arm in arms):
        return
    treatment, holdout = (arm for arm in arms if arm is not None)
    yield from _figure(
        asked, CHURNED, "exploratory", "kaplan-meier",
        lambda: survival_effect(treatment, holdout, horizon_days=days, level=EXPLORATORY_LEVEL, notes=(_ONCE,)),
    )  # fmt: skip
    yield from _figure(
        asked, "days_kept", "exploratory", "restricted mean",
        lambda: days_kept_effect(treatment, holdout, horizon_days=days, level=EXPLORATORY_LEVEL, notes=(_ONCE,)),
    )  # fmt: skip


def _secondary(asked: Asked) -> Iterator[Figure]:
    """Everything else that changed, on the day of the planned reading: nobody decided by it beforehand."""
    groups, level = asked.outcomes.groups, EXPLORATORY_LEVEL
    treatment, holdout = groups[TREATMENT], groups[HOLDOUT]
    if asked.primary.name == CHURNED:
        yield from _figure(
            asked, CHURNED, "exploratory", "cupac",
            lambda: mean_effect(
                treatment, holdout, "churned", denominator="known", metric=CHURNED, level=level, covariate="risk",
                is_good_when_lower=True,
            ),
        )  # fmt: skip
    if asked.outcomes.is_reach_known:
        yield from _figure(
            asked, asked.primary.name, "exploratory", "cace",
            lambda: complier_effect(
                treatment, holdout, asked.primary.numerator, denominator=asked.primary.denominator,
                metric=asked.primary.name, level=level, is_good_when_lower=asked.primary.is_good_when_lower,
            ),
        )  # fmt: skip
    for metric in asked.metrics():
        if metric in decisive(asked.metrics(), asked.primary.name) or not _has(groups, metric):
            continue
        yield from _figure(
            asked, metric.name, "exploratory", "difference",
            partial(effect_on, metric, groups, level=level, notes=_capped(asked, metric)),
        )  # fmt: skip
    told = {metric.name for metric in asked.metrics()}
    for name, money in (("roi", "margin"), ("expected_roi", EXPECTED)):
        if money not in told:
            continue
        yield from _figure(asked, name, "exploratory", "return on cost", partial(_return, asked, name, money, level))


def _return(asked: Asked, name: str, money: str, level: float) -> Effect:
    """Return what the campaign brought back of its cost: as booked within the horizon, or as expected after it."""
    groups = asked.outcomes.groups
    metric = next(metric for metric in metrics_of(asked.business) if metric.name == money)
    earned = effect_on(metric, groups, level=level, notes=_capped(asked, metric))
    customers = groups[TREATMENT].total("customers")
    spent = groups[TREATMENT].total("cost_cents") / customers if customers else 0.0
    if money == EXPECTED:  # it has the cost taken off already
        earned = replace(earned, estimate=earned.estimate + spent, low=earned.low + spent, high=earned.high + spent)
    return return_on_cost(earned, cost=spent, metric=name)


def _figure(
    asked: Asked,
    metric: str,
    reading: ReadingKind,
    method: str,
    compute: Callable[[], Effect],
    *,
    segment: str = EVERYBODY,
) -> Iterator[Figure]:
    """Yield one figure: computed, withheld, or with the reason why the numbers do not carry it."""
    planned = asked.planned(metric) if segment == EVERYBODY else None
    withheld = asked.withheld or (asked.unanswered if metric in FEEDBACK else None)
    if withheld is not None:
        yield Figure(metric, segment, reading, method, None, planned, withheld=withheld)
        return
    try:
        effect = compute()
    except NotMeasurable as why:
        reason = str(why).partition(": ")[2] or str(why)  # what comes before names our own module
        yield Figure(metric, segment, reading, method, None, planned, withheld=reason)
        return
    yield Figure(metric, segment, reading, effect.method, effect, planned)


def _waiting(asked: Asked, metric: str, reading: ReadingKind, method: str) -> Figure:
    maturity = asked.outcomes.maturity
    first = maturity.first_reading_on
    if first is not None and first > maturity.as_of:
        return Figure(metric, EVERYBODY, reading, method, None, asked.planned(metric), knowable_on=first)
    reach = f"until {maturity.data_reach_on} only" if maturity.data_reach_on else "to no outcome"
    why = f"the data reach {reach}" if maturity.assigned_count else "nobody has entered"
    return Figure(metric, EVERYBODY, reading, method, None, asked.planned(metric), withheld=why)


def _not_yet_official(asked: Asked) -> Figure:
    design, was_read = asked.question.design, asked.question.was_read
    reads_on = design.reads_on if design is not None and not was_read else None
    why = "the official reading was taken on another day; it is taken once" if was_read else None
    if reads_on is not None and reads_on <= asked.outcomes.maturity.as_of:
        reads_on, why = None, "the planned day has passed, and the data do not reach everybody's horizon yet: it waits"
    return Figure(
        asked.primary.name, EVERYBODY, "official", "planned reading", None, asked.planned(asked.primary.name),
        knowable_on=reads_on, withheld=why,
    )  # fmt: skip


def _watched(asked: Asked, group: str) -> Watched | None:
    """One group's days; a gap in the households' likeness is taken from its matured units."""
    rows = asked.outcomes.survival
    assert rows is not None
    own = rows.filter(pc.equal(rows["group"], group)).sort_by("day")
    if own.num_rows == 0:
        return None
    moments = asked.outcomes.groups[group]
    factor = design_effect_of(moments) if moments.count > 1 and moments.total("known") > 0 else 1.0
    return watched(np.asarray(own["at_risk"]), np.asarray(own["churned"]), design_effect=factor)


def _tuned_at(asked: Asked, unit_variance: float) -> float:
    """The variance expected on the planned day; where no number was planned, that of a usual number of customers."""
    design = asked.question.design
    share = design.holdout_share if design is not None else _drawn_share(asked)
    holdout = design.holdout_count if design is not None else None
    treatment = design.treatment_count if design is not None else None
    if not holdout or not treatment or (design is not None and design.reads_on is None):
        share = min(max(share, 0.01), 0.99)
        holdout, treatment = round(_USUAL_CUSTOMERS * share), round(_USUAL_CUSTOMERS * (1 - share))
    return planned_variance(unit_variance, treatment_count=treatment, holdout_count=holdout)


def _drawn_share(asked: Asked) -> float:
    campaign = asked.question.campaign
    if campaign is None:
        return asked.business.holdout.global_share
    return campaign_shares(asked.business, campaign)["holdout_share"]


def _rate_variance(asked: Asked) -> float:
    design = asked.question.design
    rate = design.base_rate if design is not None and 0 < design.base_rate < 1 else _USUAL_RATE
    return rate * (1 - rate)


def _money_variance(asked: Asked, metric: Metric) -> float:
    """Variance of one customer's money before entry: known before the campaign could change it."""
    both = pooled(asked.outcomes.groups[TREATMENT], asked.outcomes.groups[HOLDOUT])
    total = metric.covariate or metric.numerator
    at = both.position(total)
    variance = float(both.covariance[at, at])
    if variance <= 0:
        raise NotMeasurable(f"{metric.name}: nothing of it varied before entry: its daily interval has no plan.")
    return variance


def is_large_enough(groups: Mapping[str, Moments]) -> bool:
    """True when both groups are numbers, not people."""
    return all(groups[group].total("known") >= SMALLEST_GROUP for group in (TREATMENT, HOLDOUT))


def _tells_revenue(business: Business) -> bool:
    try:
        revenue_feed(business)
    except BusinessFileError:
        return False
    return True


def _has(groups: Mapping[str, Moments], metric: Metric) -> bool:
    """True when both groups have somebody to compute the metric from."""
    return all(groups[group].count > 1 and groups[group].total(metric.denominator) >= 1 for group in groups)


def _capped(asked: Asked, metric: Metric) -> tuple[str, ...]:
    cap = asked.outcomes.cap_cents
    if metric.name == EXPECTED:
        days = asked.business.value.horizon_days
        return (f"value_kept: expected over {days} days, as seen at entry, for those who stayed; not booked",)
    if metric.unit != "money" or cap is None or metric.name == COST:
        return ()
    return (f"revenue capped at {cap / 100:,.2f} per customer, the 99.5 % point before entry",)
