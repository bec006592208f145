"""What the page about models says, before it is said: read once, for both languages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from features.families import feature_set
from features.labels import knowable_on
from holdback.business import ColumnChurn
from monitoring.drift.days import NewValues, ScoreDrift, kept_drift, kept_reference, score_drift
from monitoring.drift.verdicts import DayDrift
from monitoring.expected import Expected, expected_of_day
from monitoring.label_drift import LabelDrift, LearnedRate, label_drift, learned_rate
from monitoring.performance import Performance, matured_performance
from monitoring.portal.pages.models_offices import ActionOffice, ValueOffice, action_offices, value_office
from monitoring.portal.source import Source
from monitoring.standing import Decision, Standing, decisions, model_standing
from monitoring.unasked import unasked
from training.registry import model_name

if TYPE_CHECKING:
    from features.declarations import Feature, Meaning

LONGEST_WINDOW_DAYS = 365
"""As how long a window is taken that has no beginning."""


@dataclass(frozen=True)
class ModelsContent:
    """Everything that the page says.

    Attributes:
        as_of: The day.
        currency: Of every amount.
        capacity_is_money: True when the value at capacity is an amount, not a share.
        scored_on: Newest day with scores, up to ``as_of``; None when no day was ever scored.
        version: The model that scored it.
        in_office_since: First day on which that version entered office, or scored.
        history: What was decided about versions of the churn model, newest first.
        learned: Churn rate of the rows it learned from.
        reference_customer_count: Customers of the snapshots that drift is compared with.
        standing: Its figures beside the baselines.
        performance: Past weeks judged with outcomes.
        expected: What the newest scores promise.
        knowable_on: When they can be judged; None when that does not hang on a date.
        labels: Churn rate against that of training.
        score_drift: Scores against those of the version's first day.
        drift: Features against what it learned from; not measured without a reference.
        has_reference: Whether there is one.
        new_values: Values of categories that it never saw.
        meanings: Feature -> what it is, in both languages.
        young_count: Changed features that look back further than their feed reached when the model learned.
        actions: Who decides about each action.
        value: The value model.
        is_registry_unasked: True when the registry of models did not answer when the newest scores were made.
    """

    as_of: date
    currency: str
    capacity_is_money: bool
    scored_on: date | None
    version: str | None
    in_office_since: date | None
    history: tuple[Decision, ...]
    learned: LearnedRate | None
    reference_customer_count: int
    standing: Standing
    performance: Performance
    expected: Expected | None
    knowable_on: date | None
    labels: LabelDrift
    score_drift: ScoreDrift | None
    drift: DayDrift
    has_reference: bool
    new_values: tuple[NewValues, ...]
    meanings: Mapping[str, Meaning]
    young_count: int
    actions: tuple[ActionOffice, ...]
    value: ValueOffice
    is_registry_unasked: bool = False


def read_models(source: Source) -> ModelsContent:
    """Ask the warehouse and the journal everything that the page says; it writes nothing."""
    warehouse, business, churn, as_of = source.warehouse, source.business, source.churn, source.as_of
    name = model_name(business, churn.name)
    scored_on, version = _newest_scores(source)
    performance = matured_performance(warehouse, business, churn, as_of, every="week")
    learned, reference = None, None
    drift: DayDrift = DayDrift(())
    fresh: tuple[NewValues, ...] = ()
    moved: ScoreDrift | None = None
    expected: Expected | None = None
    if version is not None and scored_on is not None:
        learned = learned_rate(source.journal, churn, model=name, version=version, as_of=as_of)
        reference, importances = kept_reference(warehouse, churn, version)
        if reference is not None:
            drift, fresh = kept_drift(source.workspace, warehouse, churn, scored_on, reference, importances)
        moved = score_drift(warehouse, churn, version, scored_on)
        expected = expected_of_day(warehouse, churn, scored_on)
    history = tuple(reversed(decisions(source.journal, name, as_of)))
    features = feature_set(business)
    return ModelsContent(
        as_of=as_of,
        currency=business.currency,
        capacity_is_money=any(feature.name.endswith("spend_amount_365d") for feature in features),
        scored_on=scored_on,
        version=version,
        in_office_since=_since(source, version, history),
        history=history,
        learned=learned,
        reference_customer_count=reference.customer_count if reference else 0,
        standing=model_standing(
            warehouse, source.journal, model=name, churn_name=churn.name, version=version, as_of=as_of
        ),
        performance=performance,
        expected=expected,
        knowable_on=_knowable_on(source, scored_on),
        labels=label_drift(learned, performance.cohorts),
        score_drift=moved,
        drift=drift,
        has_reference=reference is not None,
        new_values=fresh,
        meanings={feature.name: feature.meaning for feature in features},
        young_count=_young_count(source, drift, features),
        actions=action_offices(source, scored_on),
        value=value_office(source),
        is_registry_unasked=scored_on is not None
        and unasked(source.journal, business, scored_on).get(churn.name) is not None,
    )


def _young_count(source: Source, drift: DayDrift, features: Iterable[Feature]) -> int:
    """Count changed features whose window began before the first event of their feed: they fill up by themselves."""
    changed = {column.name for column in drift.drifted}
    asked = [feature for feature in features if feature.name in changed and feature.feed in source.business.feeds]
    if not asked or not drift.reference_from:
        return 0
    began = {feed: _first_event_on(source, feed) for feed in {feature.feed for feature in asked}}
    learned_from = date.fromisoformat(drift.reference_from)
    return sum(
        (first := began[feature.feed]) is not None and learned_from - first < _window(feature) for feature in asked
    )


def _window(feature: Feature) -> timedelta:
    """How far a feature looks back; a trend looks at the three windows before its own too."""
    if feature.window_days is None:
        return timedelta(days=LONGEST_WINDOW_DAYS)
    return timedelta(days=feature.window_days * (4 if feature.aggregate == "trend" else 1))


def _first_event_on(source: Source, feed: str) -> date | None:
    first = source.warehouse.query(f'select min(event_at) as first from "{feed}"')["first"][0].as_py()
    return None if first is None else source.business.day_of(first)


def _newest_scores(source: Source) -> tuple[date | None, str | None]:
    row = source.warehouse.query(
        f"select as_of, max(model_version) as version from scores where churn = '{source.churn.name}' "
        f"and as_of <= date '{source.as_of}' group by as_of order by as_of desc limit 1"
    ).to_pylist()
    return (row[0]["as_of"], str(row[0]["version"])) if row else (None, None)


def _since(source: Source, version: str | None, history: tuple[Decision, ...]) -> date | None:
    """The day of the newest decision that put this version in office; without one, the first day that it scored."""
    if version is None:
        return None
    crowned = [decision.as_of for decision in history if decision.version == version and decision.decision == "promote"]
    if crowned:
        return crowned[0]
    first: date | None = source.warehouse.query(
        f"select min(as_of) as first from scores where churn = '{source.churn.name}' and model_version = '{version}'"
    )["first"][0].as_py()
    return first


def _knowable_on(source: Source, scored_on: date | None) -> date | None:
    if scored_on is None or isinstance(source.churn, ColumnChurn):
        return None
    return knowable_on(source.churn, scored_on)
