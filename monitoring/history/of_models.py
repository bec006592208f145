"""The figures of one churn definition: who was scored, how they changed, how right past scores were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import pyarrow.compute as pc

from holdback.business import Churn
from holdback.errors import NotKnowableYet
from monitoring.cells import MINIMUM_CELL
from monitoring.drift.days import kept_drift, score_drift, stored_reference
from monitoring.expected import expected_of_day
from monitoring.history.figures import Asked, Day, Figure, counted, estimated, shared, unknown
from monitoring.kpis.rates import known_outcomes
from monitoring.performance import Performance, matured_performance
from monitoring.proportions import wilson
from monitoring.risk import read_risk, tier_counts
from monitoring.summary import Scored, scored_day
from training.registry import model_name

_MATURED = ("auc", "predicted_over_actual", "calibration_error")


def asked_of_models(day: Day) -> Iterator[Asked]:
    """Yield what is asked of each churn definition; the first one stands for the company and has no name."""
    for position, churn in enumerate(day.workspace.business.churn):
        yield from _Definition(day, churn, "" if position == 0 else churn.name).asked()


@dataclass(frozen=True)
class _Definition:
    day: Day
    churn: Churn
    about: str

    def asked(self) -> Iterator[Asked]:
        yield self._asked(self._scores, "customers_scored", "customers_at_risk", "mean_probability")
        yield self._asked(self._margin, "margin_at_risk_amount")
        yield self._asked(self._expected, "expected_auc")
        yield self._asked(self._training, "days_since_training")
        yield self._asked(self._drift, "drifted_features")
        yield self._asked(self._score_change, "score_change")
        yield self._asked(self._matured, *_MATURED)
        yield self._asked(self._churn_rate, "churn_rate")

    def _asked(self, compute: Callable[[], Iterator[Figure]], *metrics: str) -> Asked:
        return Asked(tuple((metric, self.about) for metric in metrics), compute)

    @cached_property
    def _found(self) -> Scored | None:
        return scored_day(self.day.warehouse, self.day.workspace.business, self.churn, self.day.as_of)

    @property
    def _scored(self) -> Scored:
        if self._found is None:
            raise NotKnowableYet(f"{self.churn.name}: nobody was scored on {self.day.as_of}")
        return self._found

    def _scores(self) -> Iterator[Figure]:
        found = self._scored
        yield counted("customers_scored", self.about, found.customer_count)
        yield counted("customers_at_risk", self.about, found.at_risk.count, n=found.customer_count)
        mean = found.expected / found.customer_count
        yield counted("mean_probability", self.about, mean, n=found.customer_count)

    def _margin(self) -> Iterator[Figure]:
        day, own = self.day, f"churn = '{self.churn.name}' and as_of = date '{self.day.as_of}'"
        at_risk = int(self._scored.at_risk.count)
        tiers = day.warehouse.query(
            "select count(*) filter (where risk_tier = 'high') as high, count(*) filter (where risk_tier = 'medium') "
            f"as medium, count(*) filter (where risk_tier = 'low') as low from scores where {own}"
        ).to_pylist()[0]
        risk = read_risk(day.warehouse, self.churn, day.as_of, (tier_counts(day.as_of, **tiers),))
        margin = risk.margin if risk is not None else None
        if margin is None:
            why = (
                "nobody's margin is known: neither a value model nor the table fit says it"
                if risk is not None and risk.nobody_is_valued
                else f"fewer than {MINIMUM_CELL} customers are at risk and have a margin, or are not"
            )
            yield unknown("margin_at_risk_amount", self.about, why)
            return
        yield Figure("margin_at_risk_amount", self.about, margin.amount, margin.low, margin.high, at_risk)

    def _expected(self) -> Iterator[Figure]:
        count = self._scored.customer_count
        found = expected_of_day(self.day.warehouse, self.churn, self.day.as_of)
        if found is None or found.auc is None:
            yield unknown("expected_auc", self.about, f"too few of the {count:,} customers will leave, or will stay")
            return
        yield estimated("expected_auc", self.about, found.auc)

    def _training(self) -> Iterator[Figure]:
        version = self._scored.model_version
        verdicts = self.day.workspace.journal.verdicts(model_name(self.day.workspace.business, self.churn.name))
        trained = min((verdict.as_of for verdict in verdicts if verdict.version == version), default=None)
        if trained is None:
            yield unknown("days_since_training", self.about, f"no verdict says when version {version} was trained")
            return
        yield counted("days_since_training", self.about, (self.day.as_of - trained).days)

    def _drift(self) -> Iterator[Figure]:
        day, version = self.day, self._scored.model_version
        reference, importances = stored_reference(day.workspace, self.churn, version, day.as_of)
        found, _ = kept_drift(day.workspace, day.warehouse, self.churn, day.as_of, reference, importances)
        if not found.measured:
            why = "nothing could be compared" if reference is not None else "what the model learned from is not known"
            yield unknown("drifted_features", self.about, why)
            return
        yield counted("drifted_features", self.about, len(found.drifted), n=len(found.measured))

    def _score_change(self) -> Iterator[Figure]:
        found = score_drift(self.day.warehouse, self.churn, self._scored.model_version, self.day.as_of)
        if found is None or found.found is None:
            yield unknown("score_change", self.about, "it is the model's first day in use: there is no day before it")
        elif found.found.status == "not measured":
            yield unknown("score_change", self.about, f"not measured: {found.found.reason}")
        else:
            yield Figure("score_change", self.about, found.found.excess, n=found.found.current_n)

    def _matured(self) -> Iterator[Figure]:
        day = self.day
        found = matured_performance(
            day.warehouse, day.workspace.business, self.churn, day.as_of, every="week", at_most=1
        )
        cohort = found.newest
        if cohort is None:
            yield from (unknown(metric, self.about, _waits(found)) for metric in _MATURED)
            return
        one_sided = f"of the customers scored on {cohort.as_of} everybody left, or everybody stayed"
        yield (
            unknown("auc", self.about, one_sided) if cohort.auc is None else estimated("auc", self.about, cohort.auc)
        )
        ratio = cohort.predicted_over_actual
        yield (
            unknown("predicted_over_actual", self.about, f"of the customers scored on {cohort.as_of} nobody left")
            if ratio is None
            else estimated("predicted_over_actual", self.about, ratio)
        )
        yield counted("calibration_error", self.about, cohort.calibration_error, n=cohort.matured_count)

    def _churn_rate(self) -> Iterator[Figure]:
        day = self.day
        first_on, labels = known_outcomes(day.warehouse, day.workspace.business, self.churn, day.as_of)
        known = labels["churned"].drop_null()
        if len(known) < MINIMUM_CELL:
            why = f"the outcomes of {len(known)} customers of {first_on} are known: fewer than {MINIMUM_CELL}"
            yield unknown("churn_rate", self.about, why)
            return
        yield shared("churn_rate", self.about, wilson(pc.sum(known).as_py(), len(known)))


def _waits(found: Performance) -> str:
    if found.knowable_on is not None:
        return f"not knowable before {found.knowable_on}: no outcome window of a scored day is over"
    return {
        "never scored": "nobody was ever scored",
        "data do not reach": "the data do not reach the end of the outcome window",
        "labels known before": "the outcomes were known before the scores: they judge nothing",
    }.get(str(found.reason), "no scored day can be judged")
