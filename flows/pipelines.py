"""The Prefect flows: each is the table of contents of a piece of work, keyed by ``(business, as_of)``.

``infra/prefect.yaml`` deploys them; the command line runs the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, timedelta
from functools import partial
from typing import Any, Literal

from prefect import flow, runtime, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff

from flows import settings, steps
from flows.alerting import alert_step
from flows.publication import portal_step
from flows.runs import Outcome
from flows.watching import tell
from holdback.days import months_before
from holdback.errors import BusinessFileError, DataError, HoldbackError, NotKnowableYet, OperatorError
from holdback.workspace import Workspace

Every = Literal["day", "week", "month"]

_WAIT_SECONDS = 600  # for another run of the same flow: a schedule that overlaps waits in line


def _can_pass(_task: Task[Any, Any], _run: TaskRun, state: State[Any]) -> bool:
    """Retry what can pass by itself (a source or server that is away), never what cannot (a broken contract)."""
    return isinstance(state.result(raise_on_failure=False), OperatorError | ConnectionError | TimeoutError)


_step = task(
    retries=2, retry_delay_seconds=exponential_backoff(backoff_factor=2), retry_condition_fn=_can_pass,
    cache_policy=NO_CACHE,
)  # fmt: skip

ingest_task = _step(steps.ingest_step)
retrain_task = _step(steps.retrain_step)
retrain_if_needed_task = _step(steps.retrain_if_needed_step)
first_model_task = _step(steps.first_model_step)
train_value_task = _step(steps.train_value_step)
first_value_task = _step(steps.first_value_step)
value_task = _step(steps.value_step)
learn_task = _step(steps.learn_step)
uplift_task = _step(steps.uplift_step)
score_task = _step(steps.score_step)
fire_task = _step(steps.fire_step)
segment_task = _step(steps.segment_step)
reconcile_task = _step(steps.reconcile_step)
measure_task = _step(steps.measure_step)
decide_task = _step(steps.decide_step)
deliver_task = _step(steps.deliver_step)
record_task = _step(steps.record_step)
alert_task = _step(alert_step)
report_task = _step(steps.report_step)
portal_task = _step(portal_step)


def _run_name() -> str:
    given = runtime.flow_run.parameters
    return (
        f"{runtime.flow_run.flow_name} {given.get('business') or settings.business_path()} {given.get('as_of') or ''}"
    )


def _opened(business: str | None, as_of: date | None) -> tuple[Workspace, date]:
    """Open the workspace and choose the day: the one asked for, or the one the run was scheduled for."""
    settings.prepare_vendors()  # a worker comes here without the command line
    workspace = settings.open_workspace(business)
    scheduled = runtime.flow_run.scheduled_start_time
    if as_of is None and scheduled is not None:
        as_of = workspace.business.day_of(scheduled.astimezone(UTC).replace(tzinfo=None))
    return workspace, settings.chosen_day(workspace, as_of)


def _published(outcome: Outcome) -> Outcome:
    """Leave the run's counts in Prefect, where its operators look."""
    counts = {name: value for name, value in outcome.receipt.items() if isinstance(value, int | float | str | bool)}
    rows = "\n".join(f"| {name} | {value} |" for name, value in counts.items())
    done = " (was done already)" if outcome.was_done_already else ""
    create_markdown_artifact(
        key=f"{outcome.flow}-{outcome.business}".replace("_", "-"),
        markdown=f"# {outcome.flow} {outcome.business} {outcome.as_of}{done}\n\n| what | value |\n|---|---|\n{rows}\n",
    )
    return outcome


@flow(flow_run_name=_run_name)
def ingest_daily(business: str | None = None, as_of: date | None = None, history: bool = False) -> Outcome:
    """Land, validate, quarantine and load what is new."""
    workspace, day = _opened(business, as_of)
    return _published(ingest_task(workspace, day, history=history, wait_seconds=_WAIT_SECONDS))


@flow(flow_run_name=_run_name)
def retrain(
    business: str | None = None, as_of: date | None = None, churn: str | None = None, if_needed: bool = False
) -> list[Outcome]:
    """Learn anew who leaves, what customers are worth and whom each action changes; or only the churn model named.

    Each challenger takes office only through its own gate; what cannot be learned yet says when it can. With
    ``if_needed`` only churn models that matured outcomes speak against are trained.
    """
    workspace, day = _opened(business, as_of)
    outcomes: list[Outcome] = []
    faults: list[HoldbackError] = []
    for name in _names(workspace, churn):
        try:
            train = retrain_if_needed_task if if_needed else retrain_task
            outcomes.append(_published(train(workspace, day, churn=name, wait_seconds=_WAIT_SECONDS)))
        except HoldbackError as fault:
            faults.append(fault)
    if churn is None and not if_needed:
        outcomes.append(_or_waits("train_value", workspace, day, train_value_task))
        if workspace.business.campaigns:
            outcomes.append(_or_waits("learn", workspace, day, learn_task))
    if faults:
        raise faults[0]  # the others are done all the same
    return outcomes


@flow(flow_run_name=_run_name)
def train_value(business: str | None = None, as_of: date | None = None) -> Outcome:
    """Learn what customers are worth."""
    workspace, day = _opened(business, as_of)
    return _published(train_value_task(workspace, day, wait_seconds=_WAIT_SECONDS))


@flow(flow_run_name=_run_name)
def learn(business: str | None = None, as_of: date | None = None, campaign: str | None = None) -> Outcome:
    """Learn whom each action changes, and let the league say who may decide."""
    workspace, day = _opened(business, as_of)
    return _published(learn_task(workspace, day, campaign=campaign, wait_seconds=_WAIT_SECONDS))


@flow(flow_run_name=_run_name)
def score_daily(business: str | None = None, as_of: date | None = None, churn: str | None = None) -> list[Outcome]:
    """Score every described customer for the day."""
    workspace, day = _opened(business, as_of)
    names = _names(workspace, churn)
    return [_published(score_task(workspace, day, churn=name, wait_seconds=_WAIT_SECONDS)) for name in names]


@flow(flow_run_name=_run_name)
def triggers(business: str | None = None, as_of: date | None = None) -> list[Outcome]:
    """Load what came in and ask every trigger for whom it fires now: what the hourly schedule runs.

    Nobody is contacted by it: the next decision sees the firings, with holdouts, budget and capacities. A feed that is
    refused stops no trigger; the run fails all the same. Of a day that has passed its start is asked.
    """
    workspace, day = _opened(business, as_of)
    now = settings.now().replace(second=0)
    starts = workspace.business.instant(day)
    # Never at the day's start itself: that instant is the daily flow's, which knows more of the day before.
    seen_at = max(now, starts + timedelta(minutes=1)) if day == workspace.business.day_of(now) else None
    outcomes, fault = [], None
    try:
        outcomes.append(_published(ingest_task(workspace, day, seen_at=seen_at, wait_seconds=_WAIT_SECONDS)))
    except DataError as error:
        fault = error
    fired = fire_task(workspace, day, seen_at=seen_at, wait_seconds=_WAIT_SECONDS)
    if fault is not None:
        raise fault
    return outcomes if fired is None else [*outcomes, _published(fired)]


@flow(flow_run_name=_run_name)
def decide_daily(business: str | None = None, as_of: date | None = None, past: bool = False) -> list[Outcome]:
    """Enter what was sent, decide whom to contact today, and write the contact lists.

    A day that has passed is not decided, unless ``past`` says so: for trials on old data.
    """
    workspace, day = _opened(business, as_of)
    return [_published(outcome) for outcome in _decided(workspace, day, past=past)]


@flow(flow_run_name=_run_name)
def measure(business: str | None = None, as_of: date | None = None) -> Outcome:
    """Measure what each campaign changed against its holdout, and halt one that does harm."""
    workspace, day = _opened(business, as_of)
    return _published(measure_task(workspace, day, wait_seconds=_WAIT_SECONDS))


@flow(flow_run_name=_run_name)
def report(business: str | None = None, as_of: date | None = None, churn: str | None = None) -> list[Outcome]:
    """Write the day's report, then build the site and publish it."""
    workspace, day = _opened(business, as_of)
    return list(_reported(workspace, day, _names(workspace, churn)))


@flow(flow_run_name=_run_name)
def daily(business: str | None = None, as_of: date | None = None, past: bool = False) -> list[Outcome]:
    """Everything a day needs, in order: what the schedule runs. See :func:`decide_daily` about ``past``."""
    workspace, day = _opened(business, as_of)
    return one_day(workspace, day, past=past)


@flow(flow_run_name=_run_name)
def backfill(
    business: str | None = None,
    since: date | None = None,
    until: date | None = None,
    every: Every = "day",
    only_ingest: bool = False,
) -> list[Outcome]:
    """Do the same work for each day of a range, oldest first; days that are done change nothing."""
    workspace, last = _opened(business, until)
    outcomes = []
    days = list(_days(since or last, last, every))
    for position, day in enumerate(days):
        tell(f"day {day}", position, len(days))
        if only_ingest:
            outcomes.append(ingest_task(workspace, day, wait_seconds=_WAIT_SECONDS))
        else:
            stays = (last - day).days < workspace.business.portal.keep_days
            outcomes.extend(one_day(workspace, day, with_portal=stays, with_alerts=day == last))
    return outcomes


def one_day(
    workspace: Workspace,
    day: date,
    *,
    with_report: bool = True,
    with_portal: bool = True,
    with_alerts: bool = True,
    past: bool = False,
) -> list[Outcome]:
    """Do a day's work. A definition that cannot be scored stops no other, and the report is written all the same.

    The site is built on the report's days alone, and not where ``with_portal`` says no. Alerts are told also of a day
    that fails, whatever failed. Its figures are kept once everything up to the decision was tried: of a definition that
    could not be scored they are unknown, until the day is done again without a fault.

    Raises:
        OperatorError: a definition could not be scored, or an alert could not be told; the rest was done.
    """
    outcomes: list[Outcome] = []
    faults: list[OperatorError] = []
    untold: list[OperatorError] = []
    try:
        outcomes.extend(_worked(workspace, day, faults, past=past))
        recorded = record_task(workspace, day, is_partial=bool(faults), wait_seconds=_WAIT_SECONDS)
        outcomes.append(_published(recorded))
    except Exception:
        if with_alerts:
            list(_alerted(workspace, day, untold))
        raise
    if with_alerts:
        outcomes.extend(_alerted(workspace, day, untold))
    if with_report:
        outcomes.extend(_reported(workspace, day, _names(workspace, None), with_portal=with_portal))
    for fault in (*faults, *untold):
        raise fault
    return outcomes


def _alerted(workspace: Workspace, day: date, untold: list[OperatorError]) -> Iterator[Outcome]:
    """Tell the day's alerts; what could not be told stops nothing, and is put in ``untold``: silence is no success."""
    try:
        outcome = _published(alert_task(workspace, day, wait_seconds=_WAIT_SECONDS))
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


def _worked(workspace: Workspace, day: date, faults: list[OperatorError], *, past: bool) -> Iterator[Outcome]:
    """From the files to the contact lists; what failed of one definition is added to ``faults``, and stops no other."""
    yield _published(ingest_task(workspace, day, wait_seconds=_WAIT_SECONDS))
    is_scored = False
    for position, name in enumerate(_names(workspace, None)):
        try:
            yield from _scored(workspace, day, name)
            is_scored |= position == 0
        except NotKnowableYet as wait:
            yield Outcome("score_daily", workspace.business.slug, day, {"waits": str(wait)}, False)
        except OperatorError as fault:
            faults.append(fault)
    yield from _valued(workspace, day)
    for name, step in (("triggers", fire_task), ("segments", segment_task)):
        yield from (_published(outcome) for outcome in _or_without(name, workspace, day, step))
    if is_scored and not faults:  # a campaign whose definition failed would have nobody today, for ever
        yield from (_published(outcome) for outcome in _decided(workspace, day, past=past))


def _decided(workspace: Workspace, day: date, *, past: bool) -> Iterator[Outcome]:
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
        yield step(workspace, day, wait_seconds=_WAIT_SECONDS)
    yield from _or_without("uplift_daily", workspace, day, uplift_task)
    for step in (decide_task, deliver_task):
        yield step(workspace, day, wait_seconds=_WAIT_SECONDS)


def _reported(workspace: Workspace, day: date, churn: list[str], *, with_portal: bool = True) -> Iterator[Outcome]:
    """Write one report per definition, and then the site: it is about the business, and built once."""
    for name in churn:
        yield _published(report_task(workspace, day, churn=name, wait_seconds=_WAIT_SECONDS))
    if with_portal:
        yield _published(portal_task(workspace, day, wait_seconds=_WAIT_SECONDS))


def _scored(workspace: Workspace, day: date, churn: str) -> Iterator[Outcome]:
    first = first_model_task(workspace, day, churn=churn, wait_seconds=_WAIT_SECONDS)
    if first is not None:
        yield _published(first)
    elif workspace.business.training.retrain == "start":
        step = partial(retrain_if_needed_task, churn=churn)
        yield from (_published(outcome) for outcome in _or_without("retrain", workspace, day, step))
    yield _published(score_task(workspace, day, churn=churn, wait_seconds=_WAIT_SECONDS))


def _valued(workspace: Workspace, day: date) -> Iterator[Outcome]:
    """What customers are worth: a first model as soon as one can be learned, then values that are fresh enough."""
    for name, step in (("train_value", first_value_task), ("value_daily", value_task)):
        yield from (_published(outcome) for outcome in _or_without(name, workspace, day, step))


def _or_without(
    flow_name: str, workspace: Workspace, day: date, step: Callable[..., Outcome | None]
) -> Iterator[Outcome]:
    """Do a step that the day can do without: books and lifts decide then, and it says why."""
    try:
        outcome = step(workspace, day, wait_seconds=_WAIT_SECONDS)
    except (DataError, NotKnowableYet, OperatorError) as fault:
        outcome = Outcome(flow_name, workspace.business.slug, day, {"waits": str(fault)}, was_done_already=False)
    if outcome is not None:
        yield outcome


def _or_waits(flow_name: str, workspace: Workspace, day: date, step: Callable[..., Outcome]) -> Outcome:
    """Do a step, or say what it waits for: what cannot be learned yet must not stop what can."""
    try:
        return _published(step(workspace, day, wait_seconds=_WAIT_SECONDS))
    except (BusinessFileError, DataError, NotKnowableYet) as wait:
        return Outcome(flow_name, workspace.business.slug, day, {"waits": str(wait)}, was_done_already=False)


def _names(workspace: Workspace, churn: str | None) -> list[str]:
    """Return the churn definition that was named, or all of them."""
    return [definition.name for definition in workspace.business.churn] if churn is None else [churn]


def _days(first: date, last: date, every: Every) -> list[date]:
    """Return the days from ``last`` back to ``first``, oldest first; months keep the day of the month of ``last``."""
    days: list[date] = []
    day, back = last, 0
    while day >= first:
        days.append(day)
        back += 1
        day = (
            months_before(last, back)
            if every == "month"
            else last - timedelta(days=back * (7 if every == "week" else 1))
        )
    return days[::-1]
