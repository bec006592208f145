"""Run each piece of work once per ``(business, as_of)``: one at a time, recorded, and not twice for nothing.

Prefect shows and schedules runs; what was done is decided here, in our own journal, so that it holds without a server,
after a ``kill -9``, and for the command line as for a schedule.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import socket
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from flows import settings
from flows.failures import foreseen
from flows.observing.logs import error_facts, observed
from holdback.errors import Busy, HoldbackError, NotKnowableYet
from holdback.workspace import Workspace

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Receipt = Mapping[str, Any]
_LOOKED_BACK = timedelta(days=40)  # as far as the alert about a failed step reaches


@dataclass(frozen=True)
class Outcome:
    """What a run did. ``receipt`` holds its counts as JSON values."""

    flow: str
    business: str
    as_of: date
    receipt: Receipt
    was_done_already: bool


def receipt_of(result: DataclassInstance) -> dict[str, Any]:
    """Return a result as JSON values."""
    values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(result), default=str))
    return values


def inputs_key(workspace: Workspace, *parts: object, tables: tuple[str, ...] = ()) -> str:
    """Return a hash of what a run's result depends on: the business file, the tables' versions, our own version.

    Two runs with the same key give the same result, so that the second has nothing to do.
    """
    versions = [(table, workspace.warehouse.version(table)) for table in tables]
    seen = (version("holdback"), workspace.business.model_dump_json(), versions, parts)
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]


def once(
    flow: str,
    workspace: Workspace,
    as_of: date,
    work: Callable[[], Receipt],
    *,
    subject: str = "",
    key: Callable[[], str] | None = None,
    stands: Callable[[Receipt], bool] = lambda _: True,
    wait_seconds: float = 0,
) -> Outcome:
    """Do ``work`` unless the journal says that exactly this was done.

    While it runs it holds the flow's lock of this business, which the system releases when the process dies; runs that
    a dead process left behind are marked as failed.

    Args:
        flow: Name of the flow.
        workspace: The business.
        as_of: The day.
        work: What to do; returns the counts to keep.
        subject: What it is about, where a flow does the same for several: a churn definition, a campaign.
        key: Computes what the result depends on; None means that the work itself knows what is left to do.
        stands: Says whether what an earlier run left is still there (its file, say); if not, the work is done again.
        wait_seconds: How long to wait for another run of the same flow.

    Raises:
        Busy: another run of this flow holds the lock.
        HoldbackError: what ``work`` raised; it is recorded too.
    """
    business = workspace.business.slug
    with observed(workspace, flow, as_of, subject) as seen, workspace.lock(flow, wait_seconds=wait_seconds):
        journal = workspace.journal
        journal.reap_runs(flow=flow, business=business, now=settings.now())
        inputs = key() if key is not None else ""
        if key is not None:
            done = journal.find_done(flow=flow, business=business, as_of=as_of, inputs_key=inputs)
            if done is not None and stands(done.receipt or {}):
                seen.stands = True
                return Outcome(flow, business, as_of, done.receipt or {}, was_done_already=True)
        run_id = uuid.uuid4().hex
        journal.start_run(
            run_id, flow=flow, business=business, as_of=as_of, inputs_key=inputs, owner=_owner(), now=settings.now(),
            subject=subject,
        )  # fmt: skip
        seen.began(run_id)
        try:
            receipt = work()
        except BaseException as error:
            # A vendor's message may repeat a cell of the data: only ours are kept here, and told further.
            place = workspace.folder / "failures"
            told = foreseen(error, f"{flow} of {as_of}", place, run_id) if isinstance(error, Exception) else error
            said = str(told) if isinstance(told, HoldbackError) else ""
            journal.end_run(
                run_id, now=settings.now(), receipt=error_facts(told), error=said or type(error).__name__,
                waits=isinstance(error, NotKnowableYet),
            )  # fmt: skip
            mark_as_kept(told)
            if told is not error:
                raise told from None
            raise
        journal.end_run(run_id, now=settings.now(), receipt=receipt, error=None)
        seen.done(receipt)
        return Outcome(flow, business, as_of, receipt, was_done_already=False)


_IS_KEPT = "is_kept_in_holdbacks_journal"


def mark_as_kept(error: BaseException) -> None:
    """Say of an error that the journal has it, or has what it tells."""
    setattr(error, _IS_KEPT, True)


def is_kept(error: BaseException) -> bool:
    """True when the journal has it."""
    return bool(getattr(error, _IS_KEPT, False))


def kept(flow: str, workspace: Workspace, as_of: date, error: Exception) -> Exception:
    """Write into the journal and the log what stopped a flow outside of its steps, as a run of its own that failed.

    What a step raised stands there already, and is not written twice.

    Args:
        flow: Name of the flow.
        workspace: The business.
        as_of: The day.
        error: What was raised.

    Returns:
        The error itself, or what may be told of one that nobody foresaw: raise it.
    """
    if is_kept(error):
        return error
    run_id = uuid.uuid4().hex
    told = foreseen(error, f"{flow} of {as_of}", workspace.folder / "failures", run_id)
    mark_as_kept(told)
    with suppress(Exception), observed(workspace, flow, as_of) as seen:  # a journal that is away hides no fault
        _end(workspace, flow, as_of, run_id, told)
        seen.began(run_id)
        raise told
    return told


def works_again(flow: str, workspace: Workspace, as_of: date) -> None:
    """Write into the journal that a flow which was stopped outside of its steps is no longer: its alert is over."""
    since = as_of - _LOOKED_BACK
    runs = workspace.journal.newest_runs(business=workspace.business.slug, since=since, until=as_of)
    if any(run.flow == flow and run.state == "failed" for run in runs):
        _end(workspace, flow, as_of, uuid.uuid4().hex, None)


def _end(workspace: Workspace, flow: str, as_of: date, run_id: str, error: Exception | None) -> None:
    journal, now = workspace.journal, settings.now()
    journal.start_run(
        run_id, flow=flow, business=workspace.business.slug, as_of=as_of, inputs_key="", owner=_owner(), now=now
    )  # fmt: skip
    said = None if error is None else (str(error) if isinstance(error, HoldbackError) else "") or type(error).__name__
    journal.end_run(
        run_id, now=now, receipt={} if error is None else error_facts(error), error=said,
        waits=isinstance(error, NotKnowableYet),
    )  # fmt: skip


def _owner() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def reap_the_dead(workspace: Workspace) -> None:
    """Mark as failed what a dead process left running, of any flow: whoever lives holds its flow's lock."""
    journal, business = workspace.journal, workspace.business.slug
    for flow in journal.running_flows(business=business):
        with suppress(Busy), workspace.lock(flow):
            journal.reap_runs(flow=flow, business=business, now=settings.now())
