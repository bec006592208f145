"""The Prefect flows: each is the table of contents of a piece of work, keyed by ``(business, as_of)``.

``infra/prefect.yaml`` deploys them; the command line runs the same functions. What a day needs, and in which order,
stands in :mod:`flows.one_day`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Literal

from prefect import runtime

from flows import settings
from flows.missed import FLOW as CATCH_UP
from flows.missed import caught_up, most_days
from flows.one_day import DAILY, alerted, decided, names_of, one_day, or_waits, reported
from flows.runs import Outcome, is_kept, kept, works_again
from flows.servers import zombies
from flows.tasks import (
    WAIT_SECONDS,
    fire_task,
    ingest_task,
    learn_task,
    measure_task,
    published,
    retention_task,
    retrain_if_needed_task,
    retrain_task,
    score_task,
    train_value_task,
)
from flows.watching import tell
from flows.wrapping import our_flow
from holdback.days import months_before
from holdback.errors import Busy, DataError, HoldbackError
from holdback.workspace import Workspace

Every = Literal["day", "week", "month"]

RETENTION = "retention"


def _opened(business: str | None, as_of: date | None, *, is_late_today: bool = False) -> tuple[Workspace, date]:
    """Open the workspace and choose the day: the one asked for, or the one the run was scheduled for.

    ``is_late_today``: a run that starts late does today's work: nobody can be contacted on a day that has passed.
    Runs that a dead process of this machine left behind are told to Prefect, so that they keep no slot.
    """
    settings.prepare_vendors()  # a worker comes here without the command line
    workspace = settings.open_workspace(business)
    zombies.come(workspace, runtime.flow_run.id)
    scheduled = runtime.flow_run.scheduled_start_time
    if as_of is None and scheduled is not None and not is_late_today:
        as_of = workspace.business.day_of(scheduled.astimezone(UTC).replace(tzinfo=None))
    return workspace, settings.chosen_day(workspace, as_of)


@our_flow
def ingest_daily(business: str | None = None, as_of: date | None = None, history: bool = False) -> Outcome:
    """Land, validate, quarantine and load what is new."""
    workspace, day = _opened(business, as_of)
    return published(ingest_task(workspace, day, history=history, wait_seconds=WAIT_SECONDS))


@our_flow
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
    for name in names_of(workspace, churn):
        try:
            train = retrain_if_needed_task if if_needed else retrain_task
            outcomes.append(published(train(workspace, day, churn=name, wait_seconds=WAIT_SECONDS)))
        except HoldbackError as fault:
            faults.append(fault)
    if churn is None and not if_needed:
        outcomes.append(or_waits("train_value", workspace, day, train_value_task))
        if workspace.business.campaigns:
            outcomes.append(or_waits("learn", workspace, day, learn_task))
    if faults:
        raise faults[0]  # the others are done all the same
    return outcomes


@our_flow
def train_value(business: str | None = None, as_of: date | None = None) -> Outcome:
    """Learn what customers are worth."""
    workspace, day = _opened(business, as_of)
    return published(train_value_task(workspace, day, wait_seconds=WAIT_SECONDS))


@our_flow
def learn(business: str | None = None, as_of: date | None = None, campaign: str | None = None) -> Outcome:
    """Learn whom each action changes, and let the league say who may decide."""
    workspace, day = _opened(business, as_of)
    return published(learn_task(workspace, day, campaign=campaign, wait_seconds=WAIT_SECONDS))


@our_flow
def score_daily(business: str | None = None, as_of: date | None = None, churn: str | None = None) -> list[Outcome]:
    """Score every described customer for the day."""
    workspace, day = _opened(business, as_of)
    names = names_of(workspace, churn)
    return [published(score_task(workspace, day, churn=name, wait_seconds=WAIT_SECONDS)) for name in names]


@our_flow
def triggers(business: str | None = None, as_of: date | None = None) -> list[Outcome]:
    """Load what came in and ask every trigger for whom it fires now: what the hourly schedule runs.

    Nobody is contacted by it: the next decision sees the firings, with holdouts, budget and capacities. A feed that is
    refused stops no trigger; the run fails all the same. Of a day that has passed its start is asked. After an outage
    late runs of a day come one behind the other: the first sees everything, and the others have nothing to do.
    """
    workspace, day = _opened(business, as_of)
    scheduled = runtime.flow_run.scheduled_start_time
    if as_of is None and scheduled is not None and is_overtaken(workspace, day, scheduled):
        return []
    now = settings.now().replace(second=0)
    starts = workspace.business.instant(day)
    # Never at the day's start itself: that instant is the daily flow's, which knows more of the day before.
    seen_at = max(now, starts + timedelta(minutes=1)) if day == workspace.business.day_of(now) else None
    outcomes, fault = [], None
    try:
        outcomes.append(published(ingest_task(workspace, day, seen_at=seen_at, wait_seconds=WAIT_SECONDS)))
    except DataError as error:
        fault = error
    fired = fire_task(workspace, day, seen_at=seen_at, wait_seconds=WAIT_SECONDS)
    if fault is not None:
        raise fault
    return outcomes if fired is None else [*outcomes, published(fired)]


def is_overtaken(workspace: Workspace, day: date, scheduled: datetime) -> bool:
    """True when everything that an hourly run asks was asked for its day since the hour at which it was to start.

    Args:
        workspace: The business.
        day: The day of that hour.
        scheduled: The hour, with its time zone.
    """
    since = scheduled.astimezone(UTC).replace(tzinfo=None)
    asked = {"ingest_daily", "triggers"} if workspace.business.triggers else {"ingest_daily"}
    newest = workspace.journal.newest_runs(business=workspace.business.slug, since=day, until=day)
    return asked <= {run.flow for run in newest if run.state == "done" and run.started_at >= since}


@our_flow
def decide_daily(business: str | None = None, as_of: date | None = None, past: bool = False) -> list[Outcome]:
    """Enter what was sent, decide whom to contact today, and write the contact lists.

    A day that has passed is not decided, unless ``past`` says so: for trials on old data.
    """
    workspace, day = _opened(business, as_of)
    return [published(outcome) for outcome in decided(workspace, day, past=past)]


@our_flow
def measure(business: str | None = None, as_of: date | None = None) -> Outcome:
    """Measure what each campaign changed against its holdout, and halt one that does harm."""
    workspace, day = _opened(business, as_of)
    return published(measure_task(workspace, day, wait_seconds=WAIT_SECONDS))


@our_flow
def report(business: str | None = None, as_of: date | None = None, churn: str | None = None) -> list[Outcome]:
    """Write the day's report, then build the site and publish it."""
    workspace, day = _opened(business, as_of)
    return list(reported(workspace, day, names_of(workspace, churn)))


@our_flow
def daily(business: str | None = None, as_of: date | None = None, past: bool = False) -> list[Outcome]:
    """Everything a day needs, in order: what the schedule runs. See :func:`decide_daily` about ``past``.

    Without ``as_of``, or with today's, today is done after the days that were missed (:mod:`flows.missed`). A second
    run waits for the first, which leaves it nothing to do. At the end what is older than its period is removed
    (``retention``), also when the day failed. What stops the run outside of its steps stands in the journal as a run
    ``daily`` that failed, and is told as an alert.

    Raises:
        Busy: another daily run was still at it after ten minutes; nothing was changed.
    """
    workspace, day = _opened(business, as_of, is_late_today=True)
    is_today = day == workspace.business.day_of(settings.now())
    try:
        with workspace.lock(DAILY, wait_seconds=WAIT_SECONDS):
            reach = most_days() if is_today else None
            works_again(DAILY, workspace, day)
            done = [*_made_good(workspace, day, reach), *one_day(workspace, day, past=past)]
    except Exception as error:
        is_told = is_kept(error)
        fault = kept(DAILY, workspace, day, error)
        if not is_told:
            list(alerted(workspace, day, []))
        if not isinstance(fault, Busy):
            with suppress(Exception):  # told by itself; the day's own fault is the one to be mended first
                _retained(workspace, day)
        if fault is error:
            raise
        raise fault from None
    return [*done, _retained(workspace, day)]


def _retained(workspace: Workspace, day: date) -> Outcome:
    """Remove what is older than its period, by whole weeks, once a day; a failure is told as an alert, and raised."""
    try:
        return published(retention_task(workspace, day, wait_seconds=WAIT_SECONDS))  # it asks for the lock daily too
    except Exception as error:
        fault = kept(RETENTION, workspace, day, error)
        list(alerted(workspace, day, []))
        if fault is error:
            raise
        raise fault from None


def _made_good(workspace: Workspace, day: date, reach: int | None) -> Iterator[Outcome]:
    """Live the days that were missed up to so many days back; None: nobody asks."""
    if reach is None:
        return
    quietly = partial(one_day, workspace, with_report=False, with_alerts=False, is_made_good=True)
    for outcome in caught_up(workspace, day, quietly, at_most=reach, wait_seconds=WAIT_SECONDS):
        yield published(outcome) if outcome.flow == CATCH_UP else outcome


@our_flow
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
            outcomes.append(ingest_task(workspace, day, wait_seconds=WAIT_SECONDS))
        else:
            stays = (last - day).days < workspace.business.portal.keep_days
            outcomes.extend(one_day(workspace, day, with_portal=stays, with_alerts=day == last))
    return outcomes


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
