"""The steps of a day: each plain function does one package's work for a workspace and a day, once, and returns counts.

Flows wrap these functions for Prefect; tests call them as they are.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

from flows import settings
from flows.compaction import compact, compact_records
from flows.partitions import part_runner
from flows.runs import Outcome, Receipt, inputs_key, once, receipt_of
from flows.watching import tell
from holdback.errors import BusinessFileError, ContractBroken, DataError, NotKnowableYet
from holdback.workspace import Workspace

_PAGES_ARE_MENDED = timedelta(days=7)
_SEGMENTS_STAY_FRESH = timedelta(days=7)


def ingest_step(
    workspace: Workspace,
    as_of: date,
    *,
    history: bool = False,
    seen_at: datetime | None = None,
    is_made_good: bool = False,
    wait_seconds: float = 0,
) -> Outcome:
    """Land, validate, quarantine and load what is new, and write the page of the validation's results.

    ``seen_at``: an instant inside the day, for the hourly flow: what is not there yet may still come. Once the day was
    scored, its rows are known from that instant on: what was computed from the day's start must not change.
    ``is_made_good``: the day was missed; what names no day is left to today.
    """
    from holdback.ingest import ingest
    from monitoring.validation_page import write_validation_page, write_validation_pages

    def work() -> Receipt:
        judged_before = workspace.warehouse.version("validations")
        try:
            result = ingest(
                workspace,
                as_of,
                history=history,
                known_from=seen_at if seen_at is not None and _was_scored(workspace, as_of) else None,
                is_patient=seen_at is not None,
                is_made_good=is_made_good,
                progress=tell,
                wait_seconds=wait_seconds,
            )
        except ContractBroken as error:
            if workspace.warehouse.version("validations") == judged_before:
                raise  # refused before any rule was judged: there is nothing to show
            raise ContractBroken(f"{error}\nEvery rule's result: {write_validation_page(workspace)}") from error
        new = [batch for batch in result.batches if not batch.was_known_already]
        if new:
            compact(workspace, {batch.feed for batch in new})
        wanted = dict.fromkeys([*(batch.batch_id for batch in new), *_without_page(workspace, as_of)])
        pages = [str(page) for page in write_validation_pages(workspace, list(wanted))]
        return {**receipt_of(result), "pages": pages}

    outcome = once("ingest_daily", workspace, as_of, work, wait_seconds=wait_seconds)
    nothing_new = all(batch["was_known_already"] for batch in outcome.receipt["batches"])
    return dataclasses.replace(outcome, was_done_already=nothing_new)


def retrain_step(workspace: Workspace, as_of: date, *, churn: str | None = None, wait_seconds: float = 0) -> Outcome:
    """Train a challenger, evaluate it beside its baselines, and let the gate decide."""
    from training.retraining import retrain

    name = workspace.business.churn_named(churn).name

    def work() -> Receipt:
        return receipt_of(retrain(workspace, name, as_of, threads=workspace.threads, progress=tell))

    return once(
        "retrain",
        workspace,
        as_of,
        work,
        subject=name,
        key=lambda: inputs_key(workspace, name, tables=_sources(workspace)),
        wait_seconds=wait_seconds,
    )


def retrain_if_needed_step(
    workspace: Workspace, as_of: date, *, churn: str | None = None, wait_seconds: float = 0
) -> Outcome:
    """Train as :func:`retrain_step` does when evidence speaks for it, and say why or why not."""
    from monitoring.retraining import evidence

    definition = workspace.business.churn_named(churn)
    found = evidence(workspace, definition, as_of)
    if not found.is_due:
        return Outcome("retrain", workspace.business.slug, as_of, {"waits": str(found)}, was_done_already=True)
    outcome = retrain_step(workspace, as_of, churn=definition.name, wait_seconds=wait_seconds)
    return dataclasses.replace(outcome, receipt={**outcome.receipt, "evidence": str(found)})


def first_model_step(
    workspace: Workspace, as_of: date, *, churn: str | None = None, wait_seconds: float = 0
) -> Outcome | None:
    """Train when there is no champion yet; return None when there is one."""
    from training.registry import model_name

    name = workspace.business.churn_named(churn).name
    if workspace.journal.champion(model_name(workspace.business, name)) is not None:
        return None
    return retrain_step(workspace, as_of, churn=name, wait_seconds=wait_seconds)


def train_value_step(workspace: Workspace, as_of: date, *, wait_seconds: float = 0) -> Outcome:
    """Learn what customers are worth, judge it on what they really brought, and let it take office if it may."""
    from training.value.training import train_value

    def work() -> Receipt:
        return receipt_of(train_value(workspace, as_of, threads=workspace.threads, progress=tell))

    return once(
        "train_value",
        workspace,
        as_of,
        work,
        key=lambda: inputs_key(workspace, "value", tables=_sources(workspace)),
        wait_seconds=wait_seconds,
    )


def first_value_step(workspace: Workspace, as_of: date, *, wait_seconds: float = 0) -> Outcome | None:
    """Train when nobody knows yet what customers are worth; None when a model was trained, or none is possible yet."""
    from training.registry import VALUE, model_name
    from training.value.feeds import value_feed

    if was_decided(workspace, as_of) or workspace.journal.verdicts(model_name(workspace.business, VALUE)):
        return None
    try:
        value_feed(workspace.business)
        return train_value_step(workspace, as_of, wait_seconds=wait_seconds)
    except (BusinessFileError, DataError, NotKnowableYet):
        return None  # nothing to learn from yet: what customers bring is booked, as fit says of each


def value_step(workspace: Workspace, as_of: date, *, wait_seconds: float = 0) -> Outcome | None:
    """Say what each customer is worth, unless that is known freshly; None while no model of the day's knowledge is."""
    from training.registry import VALUE, model_name
    from training.value.valuing import value_day

    champion = workspace.journal.champion(model_name(workspace.business, VALUE))
    if champion is None or champion.as_of > as_of or was_decided(workspace, as_of):
        return None

    def work() -> Receipt:
        return receipt_of(value_day(workspace, as_of, progress=tell))

    outcome = once("value_daily", workspace, as_of, work, wait_seconds=wait_seconds)
    return dataclasses.replace(outcome, was_done_already=bool(outcome.receipt["was_valued_already"]))


def learn_step(workspace: Workspace, as_of: date, *, campaign: str | None = None, wait_seconds: float = 0) -> Outcome:
    """Learn whom each action changes, let everything compete, and put in office what evidence speaks for."""
    from training.uplift.learning import learn

    def work() -> Receipt:
        return receipt_of(learn(workspace, as_of, campaign=campaign, threads=workspace.threads, progress=tell))

    return once(
        "learn",
        workspace,
        as_of,
        work,
        subject=campaign or "",
        key=lambda: inputs_key(workspace, campaign or "all", tables=("ledger", *_sources(workspace))),
        wait_seconds=wait_seconds,
    )


def uplift_step(workspace: Workspace, as_of: date, *, wait_seconds: float = 0) -> Outcome | None:
    """Ask the uplift models in office about the day's customers; None while none is, or when the day was decided."""
    from training.registry import model_name, uplift_subject
    from training.uplift.today import write_uplifts

    names = [model_name(workspace.business, uplift_subject(action.name)) for action in workspace.business.actions]
    if was_decided(workspace, as_of) or not any(workspace.journal.champion(name) for name in names):
        return None

    def work() -> Receipt:
        return receipt_of(write_uplifts(workspace, as_of, progress=tell))

    outcome = once("uplift_daily", workspace, as_of, work, wait_seconds=wait_seconds)
    is_known = all(one["was_there_already"] for one in outcome.receipt["actions"])
    return dataclasses.replace(outcome, was_done_already=is_known)


def score_step(workspace: Workspace, as_of: date, *, churn: str | None = None, wait_seconds: float = 0) -> Outcome:
    """Score every described customer for the day, once and for ever."""
    from training.scoring import score

    name = workspace.business.churn_named(churn).name

    def work() -> Receipt:
        with part_runner(workspace) as run_parts:
            return receipt_of(score(workspace, name, as_of, progress=tell, run_parts=run_parts))

    outcome = once("score_daily", workspace, as_of, work, subject=name, wait_seconds=wait_seconds)
    return dataclasses.replace(outcome, was_done_already=bool(outcome.receipt["was_scored_already"]))


def fire_step(
    workspace: Workspace, as_of: date, *, seen_at: datetime | None = None, wait_seconds: float = 0
) -> Outcome | None:
    """Ask every trigger for whom it fires; None without triggers. ``seen_at``: an instant inside the day."""
    from features.triggers import fire

    if not workspace.business.triggers:
        return None

    def work() -> Receipt:
        return receipt_of(fire(workspace.warehouse, workspace.business, as_of, seen_at=seen_at, progress=tell))

    outcome = once("triggers", workspace, as_of, work, wait_seconds=wait_seconds)
    return dataclasses.replace(outcome, was_done_already=bool(outcome.receipt["was_fired_already"]))


def segment_step(workspace: Workspace, as_of: date, *, wait_seconds: float = 0) -> Outcome | None:
    """Put every customer into the groups that reports tell of; None while those of the last week are known."""
    from features.segments import write_segments

    newest = workspace.warehouse.query("select max(as_of) as newest from segments")["newest"][0].as_py()
    if newest is not None and newest <= as_of < newest + _SEGMENTS_STAY_FRESH:
        return None

    def work() -> Receipt:
        return receipt_of(write_segments(workspace.warehouse, workspace.business, as_of, progress=tell))

    return once("segments", workspace, as_of, work, wait_seconds=wait_seconds)


def reconcile_step(workspace: Workspace, as_of: date, *, wait_seconds: float = 0) -> Outcome:
    """Enter in the ledger what was really sent, and find leaks, misses and duplicates."""
    from campaigns.reconciliation import reconcile

    def work() -> Receipt:
        return receipt_of(reconcile(workspace, as_of))

    return _in_order(workspace, as_of, "reconcile", work, wait_seconds)


def measure_step(workspace: Workspace, as_of: date, *, wait_seconds: float = 0) -> Outcome:
    """Measure what each campaign changed against its holdout, once a day; halt one that does harm."""
    from monitoring.measurement import measure

    def work() -> Receipt:
        return receipt_of(measure(workspace, as_of, progress=tell))

    outcome = once("measure", workspace, as_of, work, wait_seconds=wait_seconds)
    return dataclasses.replace(outcome, was_done_already=bool(outcome.receipt["was_measured_already"]))


def decide_step(workspace: Workspace, as_of: date, *, wait_seconds: float = 0) -> Outcome:
    """Decide whom to contact today, within holdouts, suppression, capacities and budget, once and for ever."""
    from campaigns.decisions import decide
    from campaigns.messages import refuse_faulty_messages

    def work() -> Receipt:
        refuse_faulty_messages(workspace.business)  # before anybody is chosen whom nothing could be written to
        return receipt_of(decide(workspace, as_of, progress=tell))

    outcome = _in_order(workspace, as_of, "decide_daily", work, wait_seconds)
    return dataclasses.replace(outcome, was_done_already=outcome.receipt.get("was_decided_already", True))


def deliver_step(workspace: Workspace, as_of: date, *, now: datetime | None = None, wait_seconds: float = 0) -> Outcome:
    """Write the contact lists, and send them where the business file says.

    ``now`` is for those who live a day that has passed, and give its morning: the last check asks what held then.
    """
    from campaigns.delivery import deliver

    if not was_decided(workspace, as_of):
        why = "the day was not decided: there is nothing to deliver, and no list was written."
        return Outcome("deliver", workspace.business.slug, as_of, {"waits": why}, was_done_already=True)

    def work() -> Receipt:
        compact_records(workspace)
        return receipt_of(deliver(workspace, as_of, now=now or settings.now(), wait=time.sleep))

    return once("deliver", workspace, as_of, work, wait_seconds=wait_seconds)


def record_step(
    workspace: Workspace, as_of: date, *, is_partial: bool = False, wait_seconds: float = 0
) -> Outcome:  # fmt: skip
    """Keep the day's figures as they are known now, once; ``is_partial``: until the day is done without fault."""
    from monitoring.history import record_day

    def work() -> Receipt:
        return receipt_of(record_day(workspace, as_of, is_partial=is_partial, progress=tell))

    outcome = once("record_daily", workspace, as_of, work, wait_seconds=wait_seconds)
    return dataclasses.replace(outcome, was_done_already=bool(outcome.receipt["was_recorded_already"]))


def _without_page(workspace: Workspace, as_of: date) -> list[str]:
    """Batches of the last days whose page is not there: who loaded them was killed, or stopped by a broken one."""
    since = as_of - _PAGES_ARE_MENDED
    batches = workspace.warehouse.query(
        f"select batch_id from batches where as_of between date '{since}' and date '{as_of}' and released_from is null"
        " and batch_id in (select batch_id from validations) order by sequence"
    )["batch_id"].to_pylist()
    folder = workspace.reports / "validation"
    return [batch_id for batch_id in batches if not (folder / f"{batch_id}.html").exists()]


def _was_scored(workspace: Workspace, as_of: date) -> bool:
    """True when somebody was scored on the day."""
    count: int = workspace.warehouse.query(f"select count(*) as n from scores where as_of = date '{as_of}'")["n"][
        0
    ].as_py()
    return count > 0


def was_decided(workspace: Workspace, as_of: date) -> bool:
    """True when the ledger has the day's decision."""
    from campaigns.decisions import decide_batch

    return workspace.warehouse.has_batch("ledger", decide_batch(as_of))


def _in_order(
    workspace: Workspace, as_of: date, flow: str, work: Callable[[], Receipt], wait_seconds: float
) -> Outcome:
    """Run a step that writes the ledger, unless the ledger is ahead: the past is read, never decided."""
    from campaigns.ledger import newest_day

    newest = newest_day(workspace.warehouse)
    if newest is not None and newest > as_of and not was_decided(workspace, as_of):
        why = f"the ledger has rows of {newest} already: nobody can be contacted in the past. Nothing was decided."
        return Outcome(flow, workspace.business.slug, as_of, {"waits": why}, was_done_already=True)
    return once(flow, workspace, as_of, work, wait_seconds=wait_seconds)


def report_step(workspace: Workspace, as_of: date, *, churn: str | None = None, wait_seconds: float = 0) -> Outcome:
    """Write the day's report: drift, quality, performance on matured labels."""
    from monitoring.report import write_report

    name = workspace.business.churn_named(churn).name

    def work() -> Receipt:
        tell("writing the report", 0, 1)
        return receipt_of(write_report(workspace, as_of, churn_name=name))

    def key() -> str:
        judged = ("batches", "validations", "quarantine", "scores", "evaluations", "features", "effects")
        verdicts = len(workspace.journal.verdicts(f"{workspace.business.slug}-{name}"))
        return inputs_key(workspace, name, verdicts, tables=(*judged, *_sources(workspace)))

    return once(
        "report",
        workspace,
        as_of,
        work,
        subject=name,
        key=key,
        stands=lambda receipt: Path(receipt["path"]).exists(),
        wait_seconds=wait_seconds,
    )


def _sources(workspace: Workspace) -> tuple[str, ...]:
    return ("customers", "superseded", *workspace.business.feeds)
