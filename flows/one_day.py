"""A day's work in order: from the files that came in to the contact lists, the alerts, the report and the site."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from functools import partial

from flows import settings, steps
from flows.runs import Outcome, kept, mark_as_kept
from flows.tasks import (
    WAIT_SECONDS,
    alert_task,
    decide_task,
    deliver_task,
    fire_task,
    first_model_task,
    first_value_task,
    ingest_task,
    measure_task,
    portal_task,
    published,
    reconcile_task,
    record_task,
    report_task,
    retrain_if_needed_task,
    score_task,
    segment_task,
    uplift_task,
    value_task,
)
from holdback.errors import BusinessFileError, DataError, HoldbackError, NotKnowableYet, OperatorError
from holdback.workspace import Workspace

DAILY = "daily"
"""Name of the flow that does it: of its lock, and of the run that the journal keeps of what stops it."""


def one_day(
    workspace: Workspace,
    day: date,
    *,
    with_report: bool = True,
    with_portal: bool = True,
    with_alerts: bool = True,
    past: bool = False,
    is_made_good: bool = False,
) -> list[Outcome]:
    """Do a day's work. A definition that cannot be scored stops no other, and the report is written all the same.

    The site is built on the report's days alone, and not where ``with_portal`` says no. Alerts are told also of a day
    that fails, whatever failed. Its figures are kept once everything up to the decision was tried: of a definition that
    could not be scored they are unknown, until the day is done again without a fault. ``is_made_good``: the day was
    missed, and is lived afterwards.

    Raises:
        OperatorError: a definition could not be scored, or an alert could not be told; the rest was done.
        HoldbackError: what stopped the day; the journal has it, whether a step raised it or what lies between them.
    """
    outcomes: list[Outcome] = []
    faults: list[OperatorError] = []
    untold: list[OperatorError] = []
    try:
        outcomes.extend(_worked(workspace, day, faults, past=past, is_made_good=is_made_good))
        recorded = record_task(workspace, day, is_partial=bool(faults), wait_seconds=WAIT_SECONDS)
        outcomes.append(published(recorded))
        if with_alerts:
            outcomes.extend(alerted(workspace, day, untold))
        if with_report:
            outcomes.extend(reported(workspace, day, names_of(workspace, None), with_portal=with_portal))
    except Exception as error:
        fault = kept(DAILY, workspace, day, error)
        if with_alerts:
            list(alerted(workspace, day, untold))
        if fault is error:
            raise
        raise fault from None
    for one in (*faults, *untold):
        mark_as_kept(one)  # the step's run, or that of the alerts, tells it
        raise one
    return outcomes


def alerted(workspace: Workspace, day: date, untold: list[OperatorError]) -> Iterator[Outcome]:
    """Tell the day's alerts; what could not be told stops nothing, and is put in ``untold``: silence is no success."""
    try:
        outcome = published(alert_task(workspace, day, wait_seconds=WAIT_SECONDS))
    except Exception as fault:  # noqa: BLE001 - alerts are about what went wrong: they must not hide it, nor stop the day
        said = str(fault) if isinstance(fault, HoldbackError) else type(fault).__name__
        outcome = Outcome("alerts", workspace.business.slug, day, {"waits": said}, was_done_already=False)
        untold.append(OperatorError(f"alerts of {day}: nobody was told ({said}). Run `holdback daily` again."))
    unreached = outcome.receipt.get("unreached", {})
    if unreached:
        why = " ".join(f"{channel}: {reason}" for channel, reason in unreached.items())
        untold.append(
            OperatorError(
                f"alerts of {day}: not told through {', '.join(unreached)} ({why}) Mend it, try it with "
                "`holdback alerts test`; the next run tells what waits. Everything else was done."
            )
        )
    yield outcome


def _worked(
    workspace: Workspace, day: date, faults: list[OperatorError], *, past: bool, is_made_good: bool
) -> Iterator[Outcome]:
    """From the files to the contact lists; what failed of one definition is added to ``faults``, and stops no other."""
    yield published(ingest_task(workspace, day, is_made_good=is_made_good, wait_seconds=WAIT_SECONDS))
    is_scored = False
    for position, name in enumerate(names_of(workspace, None)):
        try:
            yield from _scored(workspace, day, name)
            is_scored |= position == 0
        except NotKnowableYet as wait:
            yield Outcome("score_daily", workspace.business.slug, day, {"waits": str(wait)}, False)
        except OperatorError as fault:
            faults.append(fault)
    yield from _valued(workspace, day)
    for name, step in (("triggers", fire_task), ("segments", segment_task)):
        yield from (published(outcome) for outcome in _or_without(name, workspace, day, step))
    if is_scored and not faults:  # a campaign whose definition failed would have nobody today, for ever
        yield from (published(outcome) for outcome in decided(workspace, day, past=past))


def decided(workspace: Workspace, day: date, *, past: bool) -> Iterator[Outcome]:
    """What was sent, what it changed, what is decided, what leaves the house; nothing without a campaign in the file.

    A missed day is not decided later: its list would reach nobody, and yet count as contacts.
    """
    if not workspace.business.campaigns:
        return
    today = workspace.business.day_of(settings.now())
    if day < today and not past and not steps.was_decided(workspace, day):
        why = f"{day} has passed: nobody can be contacted on it any more. Nothing was decided; see --past for trials."
        yield Outcome("decide_daily", workspace.business.slug, day, {"waits": why}, was_done_already=True)
        return
    for step in (reconcile_task, measure_task):
        yield step(workspace, day, wait_seconds=WAIT_SECONDS)
    yield from _or_without("uplift_daily", workspace, day, uplift_task)
    for step in (decide_task, deliver_task):
        yield step(workspace, day, wait_seconds=WAIT_SECONDS)


def reported(workspace: Workspace, day: date, churn: list[str], *, with_portal: bool = True) -> Iterator[Outcome]:
    """Write one report per definition, and then the site: it is about the business, and built once."""
    for name in churn:
        yield published(report_task(workspace, day, churn=name, wait_seconds=WAIT_SECONDS))
    if with_portal:
        yield published(portal_task(workspace, day, wait_seconds=WAIT_SECONDS))


def _scored(workspace: Workspace, day: date, churn: str) -> Iterator[Outcome]:
    first = first_model_task(workspace, day, churn=churn, wait_seconds=WAIT_SECONDS)
    if first is not None:
        yield published(first)
    elif workspace.business.training.retrain == "start":
        step = partial(retrain_if_needed_task, churn=churn)
        yield from (published(outcome) for outcome in _or_without("retrain", workspace, day, step))
    yield published(score_task(workspace, day, churn=churn, wait_seconds=WAIT_SECONDS))


def _valued(workspace: Workspace, day: date) -> Iterator[Outcome]:
    """What customers are worth: a first model as soon as one can be learned, then values that are fresh enough."""
    for name, step in (("train_value", first_value_task), ("value_daily", value_task)):
        yield from (published(outcome) for outcome in _or_without(name, workspace, day, step))


def _or_without(
    flow_name: str, workspace: Workspace, day: date, step: Callable[..., Outcome | None]
) -> Iterator[Outcome]:
    """Do a step that the day can do without: books and lifts decide then, and it says why."""
    try:
        outcome = step(workspace, day, wait_seconds=WAIT_SECONDS)
    except (DataError, NotKnowableYet, OperatorError) as fault:
        outcome = Outcome(flow_name, workspace.business.slug, day, {"waits": str(fault)}, was_done_already=False)
    if outcome is not None:
        yield outcome


def or_waits(flow_name: str, workspace: Workspace, day: date, step: Callable[..., Outcome]) -> Outcome:
    """Do a step, or say what it waits for: what cannot be learned yet must not stop what can."""
    try:
        return published(step(workspace, day, wait_seconds=WAIT_SECONDS))
    except (BusinessFileError, DataError, NotKnowableYet) as wait:
        return Outcome(flow_name, workspace.business.slug, day, {"waits": str(wait)}, was_done_already=False)


def names_of(workspace: Workspace, churn: str | None) -> list[str]:
    """Return the churn definition that was named, or all of them."""
    return [definition.name for definition in workspace.business.churn] if churn is None else [churn]
