"""Everything that one report says, read from the warehouse and the journal before anything is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from features.families import feature_set
from holdback.business import Churn
from holdback.warehouse import Warehouse
from holdback.workspace import Workspace
from monitoring.churn_history import MonthlyChurn, first_event_on
from monitoring.churn_past import kept_history
from monitoring.drift.bins import Reference
from monitoring.drift.days import NewValues, ScoreDrift, kept_drift, score_drift, stored_reference
from monitoring.drift.verdicts import DayDrift
from monitoring.moment import one_moment
from monitoring.performance import Performance, matured_performance
from monitoring.quality import Quality, data_quality
from monitoring.standing import Standing, model_standing
from monitoring.summary import Scored, scored_day
from monitoring.words import Language
from training.registry import model_name


@dataclass(frozen=True)
class ReportContent:
    """Everything that one report says, before it is drawn."""

    business_name: str
    currency: str
    language: Language
    as_of: date
    churn: Churn
    meanings: dict[str, str]
    value_is_money: bool
    scored: Scored | None
    standing: Standing
    drift: DayDrift
    new_values: tuple[NewValues, ...]
    score_drift: ScoreDrift | None
    quality: Quality
    performance: Performance
    history: tuple[MonthlyChurn, ...]
    first_event_on: date | None

    @property
    def churn_name(self) -> str:
        """Name of the churn definition."""
        return self.churn.name


def gather(workspace: Workspace, as_of: date, churn: Churn) -> ReportContent:
    """Read everything that the report says, all of it as the warehouse is at one moment.

    The only thing written, beforehand, is the drift reference of a model that has none yet.
    """
    scored = scored_day(workspace.warehouse, workspace.business, churn, as_of)
    known: tuple[Reference | None, Mapping[str, float]] = (None, {})
    if scored is not None:
        known = stored_reference(workspace, churn, scored.model_version, as_of)
    with one_moment(workspace.warehouse) as warehouse:
        return _read(workspace, warehouse, as_of, churn, scored, *known)


def _read(
    workspace: Workspace,
    warehouse: Warehouse,
    as_of: date,
    churn: Churn,
    scored: Scored | None,
    reference: Reference | None,
    importances: Mapping[str, float],
) -> ReportContent:
    business = workspace.business
    features = feature_set(business)
    version = scored.model_version if scored else None
    drift: DayDrift = DayDrift(())
    fresh: tuple[NewValues, ...] = ()
    if version is not None:
        drift, fresh = kept_drift(workspace, warehouse, churn, as_of, reference, importances)
    return ReportContent(
        business_name=business.name,
        currency=business.currency,
        language=business.language,
        as_of=as_of,
        churn=churn,
        meanings={feature.name: getattr(feature.meaning, business.language) for feature in features},
        value_is_money=any(feature.name.endswith("spend_amount_365d") for feature in features),
        scored=scored,
        standing=model_standing(
            warehouse,
            workspace.journal,
            model=model_name(business, churn.name),
            churn_name=churn.name,
            version=version,
            as_of=as_of,
        ),
        drift=drift,
        new_values=fresh,
        score_drift=score_drift(warehouse, churn, version, as_of) if version is not None else None,
        quality=data_quality(warehouse, business, as_of),
        performance=matured_performance(warehouse, business, churn, as_of),
        history=kept_history(workspace, warehouse, churn, as_of),
        first_event_on=first_event_on(warehouse, business, churn),
    )
