"""The drivers of a day, and of the days before it: what a model associates with leaving."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from features.declarations import FeatureSet
from features.families import feature_set
from holdback.business import Churn
from holdback.days import months_before
from holdback.errors import DataError
from holdback.progress import Progress, silent
from holdback.warehouse import Warehouse
from holdback.workspace import Workspace
from monitoring.causes.contributions import (
    Contributions,
    changes,
    contributions_of,
    course_of,
    extremes,
    rank_correlation,
    sizes,
)
from monitoring.causes.control import Control
from monitoring.causes.days import MOST_CUSTOMERS, Day, read_day
from monitoring.causes.offices import Office, office_on, office_today
from monitoring.causes.results import Asked, Driver, FeatureDriver, Figure, Trend, TrendVerdict
from monitoring.cells import MINIMUM_CELL, shown_count
from monitoring.proportions import wilson
from training.reasons import FEWEST_POINTS

MOST_MONTHS = 12
FLAG = "0 or 1"
STEADY_WITHIN = 0.5
"""Percentage points of change that nobody needs to be told of."""


@dataclass(frozen=True, eq=False)
class Seen:
    """One day and what a model said of it.

    Attributes:
        asked: The day in numbers.
        day: Its customers.
        contributions: What each family contributes.
    """

    asked: Asked
    day: Day
    contributions: Contributions


def see_days(
    workspace: Workspace,
    churn: Churn,
    as_of: date,
    *,
    months: int,
    most_customers: int = MOST_CUSTOMERS,
    warehouse: Warehouse | None = None,
    progress: Progress = silent,
) -> tuple[Seen, ...]:
    """Ask the models about a day and the days one, two, ... months before it, oldest first.

    Args:
        workspace: The business.
        churn: The churn definition.
        as_of: The newest day.
        months: Days asked for, 1 to :data:`MOST_MONTHS`; those on which nobody is described are left out.
        most_customers: Customers that are asked about on each day; a sample of more.
        warehouse: What is read, where it is one moment of the workspace's own.
        progress: Told about each day.

    Raises:
        NotKnowableYet: no model is in office yet.
        DataError: nobody is described on the newest day, or a column of the model is missing.
    """
    today = office_today(workspace, churn.name)
    declared = feature_set(workspace.business)
    wanted = [months_before(as_of, back) if back else as_of for back in range(max(1, min(months, MOST_MONTHS)))]
    found: list[Seen] = []
    for number, day in enumerate(wanted):
        progress(f"drivers of {day}", number, len(wanted))
        described = read_day(
            warehouse or workspace.warehouse, workspace.business, churn, day, declared, most_customers=most_customers
        )
        seen = None if described is None else _see(workspace, churn, described, today, declared)
        if seen is None:
            if day == as_of:
                raise DataError(
                    f"{workspace.business.slug}: churn {churn.name}: nobody is described on {as_of}. At least one "
                    "customer must be active. Check that the data of these days are loaded."
                )
            break  # the data do not reach further back
        found.append(seen)
    return tuple(reversed(found))


def drivers_of(
    found: Contributions,
    control: Control,
    *,
    language: str,
    trends: Mapping[str, Trend] | None = None,
) -> tuple[Driver, ...]:
    """Return the drivers of some customers, the strongest first; none of fewer than five.

    Args:
        found: Their contributions.
        control: What the company can change.
        language: ``en`` or ``es``, of what features mean.
        trends: By family.
    """
    if len(found.frame) < MINIMUM_CELL:
        return ()
    drivers = []
    for family, (points, share) in sizes(found).items():
        features = _features(found, family, control, language)
        total = sum(feature.points for feature in features)
        held = sum(feature.points for feature in features if feature.is_controllable)
        raised = int((found.by_family[family] >= FEWEST_POINTS).sum())
        drivers.append(
            Driver(
                family=family,
                points=points,
                share=share,
                pushed_up=None if shown_count(raised) is None else wilson(raised, len(found.frame)),
                features=features,
                is_controllable=held >= total / 2 if total > 0 else any(f.is_controllable for f in features),
                trend=(trends or {}).get(family),
            )
        )
    return tuple(sorted(drivers, key=lambda driver: (-driver.points.estimate, driver.family)))


def trends_of(seen: tuple[Seen, ...]) -> dict[str, Trend]:
    """Return each family's change between the oldest and the newest day; empty when there is only one."""
    if len(seen) < 2 or min(seen[0].asked.sample_count, seen[-1].asked.sample_count) < MINIMUM_CELL:
        return {}
    old, new = seen[0], seen[-1]
    is_one_model = old.asked.model_version == new.asked.model_version
    return {
        family: Trend(old.asked.as_of, change, _verdict(change), is_one_model)
        for family, change in changes(old.contributions, new.contributions).items()
    }


def _see(workspace: Workspace, churn: Churn, day: Day, today: Office, declared: FeatureSet) -> Seen:
    office, was_in_office = office_on(workspace, churn.name, day.as_of, today)
    if not set(office.model.encoding.names) <= set(declared.names):
        office, was_in_office = today, False  # a feature of that model is no longer computed
    found = contributions_of(office.model, day.frame, day.customer_ids, declared, threads=workspace.threads)
    asked = Asked(
        as_of=day.as_of,
        model_version=office.version,
        trained_on=office.trained_on,
        was_in_office=was_in_office,
        customer_count=day.customer_count,
        sample_count=len(day.frame),
        points={f: points for f, (points, _) in sizes(found).items()} if len(day.frame) >= MINIMUM_CELL else {},
    )
    return Seen(asked, day, found)


def _features(found: Contributions, family: str, control: Control, language: str) -> tuple[FeatureDriver, ...]:
    features = []
    for feature in found.features_of(family):
        points = found.by_feature[feature.name]
        correlation, told = None, None
        if feature.kind == "number":
            values = np.asarray(found.frame[feature.name], dtype=np.float64)
            correlation = rank_correlation(values, found.logits[feature.name])
        elif feature.kind == "category":
            told = extremes(found.frame[feature.name], points)
        features.append(
            FeatureDriver(
                feature=feature.name,
                meaning=str(getattr(feature.meaning, language)),
                points=float(np.abs(points).mean()),
                rank_correlation=correlation,
                course=course_of(correlation),
                riskiest=told[0] if told else None,
                safest=told[1] if told else None,
                is_flag=feature.unit == FLAG,
                is_controllable=control.holds(feature.name),
            )
        )
    return tuple(sorted(features, key=lambda driver: (-driver.points, driver.feature)))


def _verdict(change: Figure) -> TrendVerdict:
    if change.low is None or change.high is None:
        return "no_evidence"
    if change.low > -STEADY_WITHIN and change.high < STEADY_WITHIN:
        return "steady"
    if change.low <= 0 <= change.high:
        return "no_evidence"
    return "growing" if change.low > 0 else "shrinking"
