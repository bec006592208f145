"""One batch, from its landed copy to the warehouse: read, map, judge, settle, commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from holdback.accounts import Batch, Run, commit_of, quarantined_rows, record_of, refuse, validation_rows
from holdback.batches import BatchRecord, History
from holdback.commits import carry_out
from holdback.contracts import Contract, Judgement, reconcile, split_rows
from holdback.contracts.batch_rules import DRIFT_RELATION, FEWEST_ROWS, FRESH_AFTER, MOST_ROWS
from holdback.contracts.row_rules import KNOWN_CUSTOMERS, LOADED_BEFORE
from holdback.contracts.rules import Bound
from holdback.contracts.scales import SCORES_RELATION, scores_before_sql
from holdback.contracts.splitting import JUDGED, measure_batch
from holdback.corrections import settle
from holdback.errors import OperatorError
from holdback.mapping import Shape, check_columns, map_rows
from holdback.originals import Original
from holdback.profiles import Drift, measure_drift, profile_batch
from holdback.sources import disk_errors
from holdback.sql import literal
from holdback.workspace import Workspace

if TYPE_CHECKING:
    import duckdb

VerdictWord = Literal["passed", "info", "warning"]
Reader = Callable[["duckdb.DuckDBPyConnection"], Original]


@dataclass(frozen=True)
class BatchResult:
    """What became of one file or query.

    Args:
        feed: The feed it was offered to.
        batch_id: Its content's id.
        source: Its name.
        offered: Rows in it.
        clean: Rows that passed.
        quarantined: Rows kept aside; ``clean + quarantined == offered``.
        unchanged: Clean rows that were known already and not stored again.
        corrected: Clean rows that replaced an earlier version.
        reasons: Quarantined rows by the rule that they broke (a row may break several).
        verdict: The gravest severity among the rules that failed, ``passed`` when all held.
        was_known_already: True when this very batch had been loaded before: nothing was changed.
        findings: One line for each batch rule that failed without refusing the batch.
    """

    feed: str
    batch_id: str
    source: str
    offered: int
    clean: int
    quarantined: int
    unchanged: int
    corrected: int
    reasons: Mapping[str, int]
    verdict: VerdictWord
    was_known_already: bool
    findings: tuple[str, ...] = ()


def load_batch(
    run: Run, shape: Shape, contract: Contract, batch: Batch, read: Reader, *, before_commit: Callable[[], object]
) -> BatchResult:
    """Judge a batch by its feed's contract and commit it.

    Args:
        run: What the batches of a run share.
        shape: How the feed is mapped.
        contract: What its batches must be.
        batch: The batch.
        read: Fills the connection's original.
        before_commit: Called once the batch is accepted, before anything is written.

    Returns:
        What became of it; a release of which no row passed writes nothing.

    Raises:
        ContractBroken: a critical rule failed, or the file is not of the agreed form. No row was written.
        OperatorError: a check is broken, or the disk refuses.
    """
    lake = run.workspace.warehouse
    with lake.connection(" ".join(_tables_read(shape, batch))) as connection:
        original = read(connection)
        unused = check_columns(shape, original)
        map_rows(connection, shape, original)
        parameters = _parameters(run, shape, batch)
        _provide_relations(connection, run, shape)
        counts = split_rows(connection, contract, parameters)
        is_release = batch.released_from is not None
        profile = () if is_release else profile_batch(connection, shape, f"(select * from {JUDGED} where is_clean)")
        drifts = measure_drift(profile, run.history.profiles(shape.feed, run.workspace.warehouse))
        _stage(connection, run, drifts)
        figures = measure_batch(connection, contract)
        run.checkpoint("staged")
        verdict = run.judge.judge(contract, JUDGED, parameters)
        judgements = _with_unmeasured(reconcile(contract, counts, figures, verdict, parameters), drifts)
        validations = validation_rows(run, shape, batch, judgements, original, unused)
        run.checkpoint("judged")
        if verdict.worst == "critical":
            refuse(run, batch, judgements, validations, original)
        family = run.history.family(batch.replaces) if batch.replaces else ()
        changes = settle(
            connection,
            shape,
            batch_id=batch.batch_id,
            loaded_at=run.loaded_at,
            replaces=family,
            into=run.judge.folder / "_changes.arrow",
            history_in=run.workspace.business.time_zone if run.is_history else None,
        )
        record = record_of(connection, run, shape, batch, original, changes)
        quarantine = quarantined_rows(connection, run, shape, batch, original)
        released = connection.sql(
            f"select row_number from {JUDGED} where is_clean and {str(is_release).lower()} order by row_number"
        ).fetchall()
    if record.rows_clean + record.rows_quarantined != record.rows_offered:
        raise OperatorError(
            f"{batch.source}: {record.rows_offered} rows were offered, but {record.rows_clean} are clean and"
            f" {record.rows_quarantined} are not. A row was lost or doubled on the way; nothing was written."
        )
    if record.rows_clean or not is_release:
        before_commit()
        run.checkpoint("landed")
        releases = [{"row_number": number} for (number,) in released]
        carry_out(
            lake,
            run.workspace.folder / "commits",
            commit_of(run, shape, record, changes, quarantine, releases, validations, profile),
            run.checkpoint,
        )
        run.history.add(record, profile)
    # Errors that Great Expectations caught refer to this frame until Python looks for cycles: rows would wait for that
    del changes, quarantine
    failed = [j for j in judgements if not j.is_passed and j.rule.scope == "batch"]
    reasons = {name: count for name, count in counts.items() if count}
    worst: VerdictWord = "warning" if verdict.worst == "warning" else "info" if verdict.worst or unused else "passed"
    return result_of(record, reasons, worst, tuple(j.sentence for j in failed))


def load_time(
    workspace: Workspace, as_of: date, history: History, known_from: datetime | None = None
) -> tuple[datetime, list[str]]:
    """Return from when on rows are known, and a note when that is not the day's start (or the instant given).

    It never goes back: what was computed for a day must not change.
    """
    instant = max(workspace.business.instant(as_of), known_from or datetime.min)
    newest = history.newest_load
    if newest is None or newest <= instant:
        return instant, []
    note = (
        f"rows are known from {newest:%Y-%m-%d %H:%M} UTC on, not from the start of {as_of}:"
        " later batches were loaded before them"
    )
    return newest, [note]


def result_of(
    record: BatchRecord,
    reasons: Mapping[str, int],
    verdict: VerdictWord,
    findings: tuple[str, ...] = (),
    *,
    was_known_already: bool = False,
) -> BatchResult:
    """Return a batch's record as a result."""
    return BatchResult(
        record.feed, record.batch_id, record.source, record.rows_offered, record.rows_clean, record.rows_quarantined,
        record.rows_unchanged, record.rows_corrected, reasons, verdict, was_known_already, findings,
    )  # fmt: skip


def _tables_read(shape: Shape, batch: Batch) -> tuple[str, ...]:
    """The tables that judging and settling a batch look at; opening one costs as much as reading a small file."""
    known = ("customers",) if shape.source.expects.known_customers else ()
    if shape.key or batch.replaces:
        return (*known, shape.feed, "superseded")
    return (*known, shape.feed) if scores_before_sql(shape) is not None else known


def _parameters(run: Run, shape: Shape, batch: Batch) -> dict[str, Bound]:
    expects = shape.source.expects
    day = batch.covers_on or run.as_of - timedelta(days=1)
    fewest, most = run.history.usual_rows(shape.feed, day, expects.volume_ratio)
    end_of_day = run.workspace.business.instant(day + timedelta(days=1))
    return {
        LOADED_BEFORE.name: run.loaded_at + timedelta(days=1),
        FEWEST_ROWS.name: fewest,
        MOST_ROWS.name: most,
        FRESH_AFTER.name: end_of_day - timedelta(days=expects.fresh_within_days or 0),
    }


def _provide_relations(connection: duckdb.DuckDBPyConnection, run: Run, shape: Shape) -> None:
    """Give both sides of the contract the relations that rules name besides the batch."""
    if shape.source.expects.known_customers and not shape.is_customers:
        connection.execute(
            f"create temp table {KNOWN_CUSTOMERS} as"
            " select distinct customer_id from customers where customer_id is not null"
        )
        _copy(connection, f"select * from {KNOWN_CUSTOMERS}", run, KNOWN_CUSTOMERS)
    scores = scores_before_sql(shape)
    if scores is not None:
        connection.execute(f"create temp table {SCORES_RELATION} as {scores}")
        _copy(connection, f"select * from {SCORES_RELATION}", run, SCORES_RELATION)


def _stage(connection: duckdb.DuckDBPyConnection, run: Run, drifts: tuple[Drift, ...]) -> None:
    """Write what Great Expectations reads: the batch with our columns, and its drift."""
    import pyarrow as pa

    names = pa.array([drift.column_name for drift in drifts], type=pa.string())
    excess = pa.array([drift.excess for drift in drifts], type=pa.float64())
    measured = pa.table([names, excess], names=["column_name", "excess"])
    connection.register("_drift_frame", measured)
    connection.execute(f"create temp table {DRIFT_RELATION} as select * from _drift_frame")
    connection.unregister("_drift_frame")
    _copy(connection, f"select * from {DRIFT_RELATION}", run, DRIFT_RELATION)
    _copy(connection, f"select * exclude (line, failed_rules) from {JUDGED}", run, JUDGED)


def _with_unmeasured(judgements: tuple[Judgement, ...], drifts: tuple[Drift, ...]) -> tuple[Judgement, ...]:
    """Say of a column whose drift could not be measured that it was not, instead of that it is zero."""
    measured = {drift.column_name for drift in drifts}
    return tuple(
        replace(judgement, observed="not measured: too few rows to compare")
        if DRIFT_RELATION in judgement.rule.sql and judgement.rule.column not in measured
        else judgement
        for judgement in judgements
    )


def _copy(connection: duckdb.DuckDBPyConnection, sql: str, run: Run, relation: str) -> None:
    path = run.judge.staged(relation)
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    connection.execute(f"copy ({sql}) to {literal(str(path))} (format parquet)")
