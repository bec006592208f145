"""The day's report: one file that opens without internet and carries everything it says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from holdback.workspace import Workspace
from monitoring.evidently_page import EvidentlyPage, evidently_page
from monitoring.evidently_workspace import keep_snapshot
from monitoring.pages import POLICY_WITH_SCRIPT, render, script, write_page
from monitoring.report_content import ReportContent, gather
from monitoring.report_view import report_view
from monitoring.uplift.page import write_uplift_page
from monitoring.words import Words


@dataclass(frozen=True)
class Section:
    """One part of the report in a word: ``good``, ``look``, ``bad``, or ``none`` when it cannot be said yet."""

    name: str
    state: str
    summary: str


@dataclass(frozen=True)
class ReportResult:
    """What a report says, for those who do not open it.

    Attributes:
        path: The file.
        as_of: The day.
        churn: The churn definition.
        customer_count: Customers scored that day; 0 when it was not scored.
        at_risk_count: Those in the tiers high and medium.
        drifted_features: Features that changed beyond chance, the ones that matter most first.
        measured_feature_count: Features that were compared.
        judged_on: Newest day whose scores can be judged; None when none can.
        knowable_on: First day on which some score can be judged, when none can be yet.
        sections: The cards of the first screen.
        campaigns_path: The page about campaigns, with Evidently's tests; None when nothing was measured.
    """

    path: Path
    as_of: date
    churn: str
    customer_count: int
    at_risk_count: int
    drifted_features: tuple[str, ...]
    measured_feature_count: int
    judged_on: date | None
    knowable_on: date | None
    sections: tuple[Section, ...]
    campaigns_path: Path | None = None


def write_report(workspace: Workspace, as_of: date, *, churn_name: str) -> ReportResult:
    """Write the report of one churn definition and day; written again, the same knowledge gives the same bytes.

    Whatever is missing (no scores, no model, no matured label, no data today) is said in its place; it is no error.

    Args:
        workspace: The business.
        as_of: The day; nothing loaded or decided later is shown.
        churn_name: The churn definition.

    Returns:
        Where the file is (``reports/<day>/<churn>.html``) and what it says. Evidently's snapshot of the day is kept
        beside the reports (:mod:`monitoring.evidently_workspace`).

    Raises:
        BusinessFileError: the churn definition does not exist.
        OperatorError: the file cannot be written.
    """
    content = gather(workspace, as_of, workspace.business.churn_named(churn_name))
    page = evidently_page(content.drift, content.quality, content.performance)
    html, sections = draw(content, page)
    path = write_page(workspace.reports / as_of.isoformat() / f"{content.churn_name}.html", html)
    version = content.scored.model_version if content.scored else None
    keep_snapshot(workspace, as_of, page.snapshot, churn_name=content.churn_name, model_version=version)
    newest = content.performance.newest
    return ReportResult(
        path=path,
        as_of=as_of,
        churn=content.churn_name,
        customer_count=content.scored.customer_count if content.scored else 0,
        at_risk_count=int(content.scored.at_risk.count) if content.scored else 0,
        drifted_features=tuple(column.name for column in content.drift.drifted),
        measured_feature_count=len(content.drift.measured),
        judged_on=newest.as_of if newest else None,
        knowable_on=content.performance.knowable_on,
        sections=sections,
        campaigns_path=_campaigns(workspace, as_of, content),
    )


def _campaigns(workspace: Workspace, as_of: date, content: ReportContent) -> Path | None:
    """Write the page about campaigns beside the report of the first churn definition: it is about all of them."""
    if not workspace.business.campaigns or content.churn_name != workspace.business.churn[0].name:
        return None
    return write_uplift_page(workspace, as_of, drift=content.drift)


def draw(content: ReportContent, page: EvidentlyPage) -> tuple[str, tuple[Section, ...]]:
    """Draw the report; returns its HTML and what its first screen says."""
    words = Words(content.language)
    view = report_view(content, words)
    html = render(
        "report.html.j2",
        words,
        policy=POLICY_WITH_SCRIPT,
        r=content,
        v=view,
        e=page,
        opener=script("opener.js"),
    )
    return html, tuple(Section(card.name, card.state or "none", f"{card.big} {card.note}") for card in view.cards)
