"""Measure every campaign once a day: what it changed, whether that can be believed, and whether it does harm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import numpy as np
import pyarrow.compute as pc

from campaigns.designs import halt, resumed_on
from campaigns.ledger import newest_day
from holdback.errors import BusinessFileError, DataError
from holdback.progress import Progress, silent
from holdback.workspace import Workspace
from monitoring.effects import Harm, Maturity, harm_of
from monitoring.effects.checks import Check
from monitoring.measurement.checks import checks_of
from monitoring.measurement.figures import Asked, figures_of
from monitoring.measurement.questions import Question, questions
from monitoring.measurement.readings import EVERYBODY, Figure, Reading
from monitoring.measurement.retiring import retired
from monitoring.measurement.segments import cuts, segment_figures
from monitoring.measurement.storing import check_rows, effect_rows
from monitoring.outcomes import Outcomes, read_outcomes

#: Probability that the harm monitor ever halts a campaign that harms nobody; at 0.01 it would miss, before half of the
#: planned period, one in five of the campaigns that drive off half as many again.
HARM_ALPHA: Final = 0.025
#: Who halts, in the ledger.
MONITOR: Final = "harm monitor"


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a day's measurement did.

    Attributes:
        as_of: The day.
        campaign_count: Campaigns that were measured, older versions and the programme among them.
        official: Names of those whose planned reading was taken.
        halted: Names of those that the harm monitor halted.
        retired: Names of those whose trigger earned nothing and was retired.
        failed: Names of those whose effects are withheld, because a check failed.
        was_measured_already: True when nothing was written.
    """

    as_of: date
    campaign_count: int = 0
    official: tuple[str, ...] = ()
    halted: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    was_measured_already: bool = False


def measure(workspace: Workspace, as_of: date, *, progress: Progress = silent) -> Measurement:
    """Measure what every campaign changed against its holdout, as known on a day, once; halt those that do harm.

    Writes tables ``integrity_checks`` and ``effects``; the latter's batch says that the day is done. A day that was
    measured is not measured again: what was known then does not change.

    Args:
        workspace: The business.
        as_of: The day; nothing later is visible.
        progress: Told about each campaign.

    Returns:
        What was done; :func:`monitoring.measurement.stored_effects` has the figures.
    """
    warehouse, batch = workspace.warehouse, f"measure/{as_of}"
    with workspace.lock("measuring"):
        if warehouse.has_batch("effects", batch):
            return Measurement(as_of, was_measured_already=True)
        asked = list(questions(warehouse, workspace.business, as_of))
        readings = []
        for position, question in enumerate(asked):
            progress(f"measuring {question.cohort.name}", position, len(asked))
            reading = _halted(workspace, question, _read(workspace, question, as_of))
            readings.append(reading if reading.was_halted else retired(workspace, question, reading))
        warehouse.append("integrity_checks", check_rows(readings), batch=batch)
        warehouse.append("effects", effect_rows(readings), batch=batch)
    return Measurement(
        as_of,
        campaign_count=len(readings),
        official=tuple(r.name for r in readings if any(_is_taken(figure) for figure in r.figures)),
        halted=tuple(r.name for r in readings if r.was_halted),
        retired=tuple(r.name for r in readings if r.was_retired),
        failed=tuple(r.name for r in readings if r.failed),
    )


def _read(workspace: Workspace, question: Question, as_of: date) -> Reading:
    """Read one campaign. What its own data make impossible withholds its effects, and nobody else's."""
    business, cohort = workspace.business, question.cohort
    try:
        outcomes = read_outcomes(workspace.warehouse, business, cohort, as_of)
        is_official = question.is_read_today(outcomes.maturity)
        harm = _harm(workspace, question, outcomes, as_of)
        with_segments = is_official or _is_to_be_halted(question, harm)
        if with_segments:
            outcomes = read_outcomes(workspace.warehouse, business, cohort, as_of, segments=cuts(business))
        checks = tuple(checks_of(workspace, question, outcomes, as_of, is_official=is_official))
        asked = Asked(
            business,
            question,
            outcomes,
            is_official,
            withheld=_first_failed(checks, but="response_rate"),
            unanswered=_first_failed(checks, only="response_rate"),
        )
        figures = (*figures_of(asked), *(segment_figures(asked) if with_segments else ()))
    except (DataError, BusinessFileError) as fault:
        return _unreadable(question, as_of, fault)
    return Reading(cohort.campaign, cohort.version, as_of, question.design, outcomes.maturity, figures, checks, harm)


def _is_to_be_halted(question: Question, harm: Harm | None) -> bool:
    """True on the one day on which the monitor's alarm halts the campaign."""
    return (
        harm is not None and harm.is_alarm and question.standing is not None and question.standing.state == "in force"
    )


def _unreadable(question: Question, as_of: date, fault: DataError | BusinessFileError) -> Reading:
    """Return the reading of a campaign whose own assignments, or lines in the file, cannot be read."""
    cohort, nothing = question.cohort, Maturity(as_of, 0, 0, 0, None, None, None, None)
    check = Check("assignments", "failed", None, None, str(fault))
    figure = Figure(cohort.primary_outcome, EVERYBODY, "daily", "none", None, withheld=f"assignments: {fault}")
    return Reading(cohort.campaign, cohort.version, as_of, question.design, nothing, (figure,), (check,))


def _first_failed(checks: Sequence[Check], *, but: str | None = None, only: str | None = None) -> str | None:
    """Return why effects are withheld: the first failed check among those that are meant."""
    for check in checks:
        if check.verdict == "failed" and check.name != but and (only is None or check.name == only):
            return f"{check.name}: {check.finding}"
    return None


def _harm(workspace: Workspace, question: Question, outcomes: Outcomes, as_of: date) -> Harm | None:
    """Read the harm monitor of a campaign of ours; after a person resumed it, only what happened since counts."""
    if question.design is None or question.cohort.campaign is None:
        return None
    rows = outcomes.churners
    since = resumed_on(workspace.warehouse, question.cohort.campaign, question.cohort.version, as_of)
    if since is not None:
        rows = rows.filter(pc.field("churned_on") >= since)
    return harm_of(
        np.asarray(rows["churned_on"].to_numpy(), dtype="datetime64[D]"),
        rows["group"].to_pylist(),
        np.asarray(rows["propensity"].to_numpy(), dtype=np.float64),
        np.asarray(rows["unit_count"].to_numpy(), dtype=np.float64),
        alpha=HARM_ALPHA,
    )


def _halted(workspace: Workspace, question: Question, reading: Reading) -> Reading:
    """Halt a campaign in force whose monitor alarms; the ledger is only written on its newest day."""
    harm, standing = reading.harm, question.standing
    if standing is not None and (standing.state, standing.by, standing.since) == ("halted", MONITOR, reading.as_of):
        return replace(reading, was_halted=True)  # by a measurement of this day that did not come to its end
    if harm is None or standing is None or not _is_to_be_halted(question, harm):
        return reading
    newest = newest_day(workspace.warehouse)
    if newest is not None and newest > reading.as_of:
        return reading
    reason = (
        f"contacting makes customers leave: {harm.treatment_count:,} treated units left and {harm.holdout_count:,} "
        f"held out, where {harm.expected_treatment_share or 0:.1%} treated are expected (evidence "
        f"{harm.largest_e_value:,.0f} to 1, limit {1 / HARM_ALPHA:,.0f})"
    )
    done = halt(workspace, standing.campaign, reading.as_of, reason=reason, by=MONITOR)
    return replace(reading, was_halted=done)


def _is_taken(figure: Figure) -> bool:
    return figure.reading == "official" and figure.segment == "all" and figure.effect is not None
