"""What campaigns did, beside the drift of the same day, as one file that opens without internet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from holdback.business import Business
from holdback.workspace import Workspace
from monitoring.drift.verdicts import DayDrift
from monitoring.effects import Arm, Effect
from monitoring.effects.sample_ratio import sample_ratio
from monitoring.evidently_page import document
from monitoring.measurement import metrics_of, official_effects, stored_effects, unit_of
from monitoring.measurement.questions import Question, questions
from monitoring.outcomes import HOLDOUT, TREATMENT, Exposure, Outcomes, read_outcomes
from monitoring.pages import write_page
from monitoring.proportions import Share, wilson
from monitoring.uplift.figures import CampaignFigures, Contamination, ShownEffect
from monitoring.uplift.report import uplift_report
from training.uplift.qini import Qini, qini

Row = Mapping[str, Any]

FILE = "campaigns.html"


def write_uplift_page(workspace: Workspace, as_of: date, *, drift: DayDrift | None = None) -> Path | None:
    """Write what was measured of each campaign on a day, with Evidently's tests, beside the day's drift.

    Args:
        workspace: The business; the day was measured.
        as_of: The day.
        drift: Drift of the same day, drawn below.

    Returns:
        ``reports/<day>/campaigns.html``; None when no campaign has a figure that could be shown.

    Raises:
        OperatorError: the file cannot be written.
    """
    shown = list(campaign_figures(workspace, as_of, only_measured=True))
    if not shown:
        return None
    snapshot = uplift_report(
        shown,
        at=workspace.business.instant(as_of),
        drift=drift,
        metadata={"business": workspace.business.slug, "as_of": as_of.isoformat()},
    )
    path = workspace.reports / as_of.isoformat() / FILE
    return write_page(path, document(snapshot))


def campaign_figures(workspace: Workspace, as_of: date, *, only_measured: bool = False) -> Iterator[CampaignFigures]:
    """Yield what can be shown of each campaign and the programme; its version before stands beside it.

    Args:
        workspace: The business.
        as_of: The day.
        only_measured: Leave out, and do not follow, those of which no effect can be shown yet.
    """
    warehouse, business = workspace.warehouse, workspace.business
    today, official = stored_effects(warehouse, as_of), official_effects(warehouse, as_of)
    for question in questions(warehouse, business, as_of):
        cohort = question.cohort
        effects = _shown(business, question, _rows(today, question))
        if only_measured and not effects:
            continue
        outcomes = read_outcomes(warehouse, business, cohort, as_of)
        own = [row for row in official if row["campaign"] == cohort.campaign and cohort.campaign is not None]
        before = [row for row in own if row["version"] < cohort.version]
        newest = max((row["version"] for row in before), default=None)
        was_read = any(row["version"] == cohort.version for row in own)
        yield CampaignFigures(
            cohort.name,
            effects=effects,
            qini=_qini(outcomes) if was_read else None,  # its interval is for one look
            sample_ratio=None if outcomes.entries["propensity"].null_count else sample_ratio(outcomes.entries),
            contamination=_contamination(outcomes),
            previous=None
            if newest is None
            else CampaignFigures(
                f"{cohort.campaign}/{newest}",
                effects=_shown(business, question, [row for row in before if row["version"] == newest]),
            ),
        )


def _rows(rows: Sequence[Row], question: Question) -> list[Row]:
    own = (question.cohort.campaign, question.cohort.version)
    return [row for row in rows if (row["campaign"], row["version"]) == own]


def _shown(business: Business, question: Question, rows: Sequence[Row]) -> tuple[ShownEffect, ...]:
    """Return the figures for everybody that are there; the primary outcome's readings are the ones to be tested."""
    found = [row for row in rows if row["segment"] == "all" and row["estimate"] is not None]
    return tuple(
        ShownEffect(
            _effect(business, row),
            f"{_said(business, row['metric'])}, {row['reading']}, {row['method']}",
            *_unit(business, row["metric"]),
            is_tested=row["metric"] == question.cohort.primary_outcome and row["reading"] != "exploratory",
        )
        for row in found
    )


def _said(business: Business, metric: str) -> str:
    """Name a benefit: of churn and cost, what is avoided."""
    lower = {m.name for m in metrics_of(business) if m.is_good_when_lower}
    return f"{metric} (avoided)" if metric in lower else metric


def _unit(business: Business, metric: str) -> tuple[str, float]:
    units = {"share": ("points", 100.0), "money": (f"{business.currency} per customer", 0.01), "number": ("", 1.0)}
    return units[unit_of(metric, business)]


def _effect(business: Business, row: Row) -> Effect:
    lower = {metric.name: metric.is_good_when_lower for metric in metrics_of(business)}
    return Effect(
        row["metric"],
        row["estimate"],
        row["low"],
        row["high"],
        row["level"],
        Arm(row["treatment_count"], row["treatment_count"], row["treatment_rate"]),
        Arm(row["holdout_count"], row["holdout_count"], row["holdout_rate"]),
        row["method"],
        lower.get(row["metric"], False),
        tuple(json.loads(row["notes"])) if row["notes"] else (),
    )


def _qini(outcomes: Outcomes) -> Qini | None:
    """Whether the risk that was frozen at entry says whom to treat; None when nothing can be ranked yet."""
    ranks = outcomes.ranks.to_pydict()
    stayed = [n - left for n, left in zip(ranks["customer_count"], ranks["churned_count"], strict=True)]
    counts = np.array([stayed, ranks["churned_count"]], dtype=np.int64).T.reshape(-1)
    repeat = {name: np.repeat(np.repeat(ranks[name], 2), counts) for name in ("risk", "group", "propensity")}
    is_good = np.repeat(np.tile([1.0, 0.0], len(stayed)), counts)
    try:
        return qini(repeat["risk"], repeat["group"] == TREATMENT, is_good, repeat["propensity"])
    except ValueError:  # one group is empty, or risks or outcomes do not differ: there is nothing to rank
        return None


def _contamination(outcomes: Outcomes) -> Contamination | None:
    held, treated = outcomes.exposure[HOLDOUT], outcomes.exposure[TREATMENT]
    if not outcomes.is_reach_known or held.customer_count == 0:
        return None
    return Contamination(wilson(held.reached_count, held.customer_count), _unreached(treated))


def _unreached(treated: Exposure) -> Share | None:
    if treated.decided_count == 0:
        return None
    return wilson(max(treated.decided_count - treated.reached_count, 0), treated.decided_count)
