"""What is written down of a batch: its record, its verdicts, its quarantined rows, and the commit of all of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NoReturn

from holdback.batches import BatchRecord, History
from holdback.commits import Checkpoint, Commit, rows_of
from holdback.contracts import Judge, Judgement
from holdback.contracts.splitting import JUDGED
from holdback.corrections import Changes
from holdback.errors import ContractBroken
from holdback.forgotten import Tombstones
from holdback.mapping import Shape, raw_json
from holdback.originals import Original
from holdback.profiles import ColumnProfile, profile_rows
from holdback.sql import literal
from holdback.tables import TABLES
from holdback.workspace import Workspace

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


@dataclass(frozen=True)
class Run:
    """What all batches of one run share."""

    workspace: Workspace
    as_of: date
    loaded_at: datetime
    is_history: bool
    judge: Judge
    history: History
    checkpoint: Checkpoint
    tombstones: Tombstones = field(default_factory=lambda: Tombstones(""))


@dataclass(frozen=True)
class Batch:
    """One batch before it is judged."""

    batch_id: str
    source: str
    content: str
    covers_on: date | None
    replaces: str | None = None
    released_from: str | None = None


def validation_rows(
    run: Run,
    shape: Shape,
    batch: Batch,
    judgements: tuple[Judgement, ...],
    original: Original,
    unused: tuple[str, ...],
) -> list[dict[str, Any]]:
    """Return the rows of ``validations``: what every rule found, and what was seen of the header."""
    shared = {"batch_id": batch.batch_id, "feed": shape.feed, "as_of": run.as_of}
    header = {**shared, "column_name": None, "scope": "batch", "is_passed": True, "expectation": None}
    rows: list[dict[str, Any]] = [
        {
            **header,
            "rule": "columns_are_present",
            "severity": "critical",
            "observed": f"{len(original.columns)} columns",
            "expected": "every mapped column must be in the file once",
        },
        {
            **header,
            "rule": "columns_are_all_used",
            "severity": "info",
            "is_passed": not unused,
            "observed": f"not used: {', '.join(unused)[:300]}" if unused else "all used",
            "expected": "columns that the business file does not name are noted",
        },
    ]
    for judgement in judgements:
        rule = judgement.rule
        rows.append(
            {
                **shared,
                "rule": rule.name,
                "column_name": rule.column,
                "severity": rule.severity,
                "scope": rule.scope,
                "is_passed": judgement.is_passed,
                "unexpected_count": judgement.unexpected_count,
                "observed": judgement.observed,
                "expected": rule.asks,
                "expectation": rule.expectation.kind,
            }
        )
    return rows


def refuse(
    run: Run,
    batch: Batch,
    judgements: tuple[Judgement, ...],
    validations: list[dict[str, Any]],
    original: Original,
) -> NoReturn:
    """Leave the verdict of a broken batch, and nothing else, and raise.

    Raises:
        ContractBroken: always, with the rules that failed.
    """
    refused = [{**row, "is_accepted": False} for row in validations]
    content = hashlib.sha256(repr(refused).encode()).hexdigest()[:16]
    run.workspace.warehouse.append(
        "validations", rows_of(TABLES["validations"], refused), batch=f"{batch.batch_id}/refused/{content}"
    )
    broken = [j.sentence for j in judgements if not j.is_passed and j.rule.severity == "critical"]
    rows = sorted((j for j in judgements if j.rule.scope == "row" and not j.is_passed), key=_by_count)
    shown = "; ".join([*broken[:5], *(["..."] if len(broken) > 5 else [])])
    bad_rows = f" Bad rows: {'; '.join(j.sentence for j in rows[:5])}." if rows else ""
    raise ContractBroken(
        f"{original.name} ({original.row_count} rows): the batch breaks its contract: {shown}.{bad_rows}"
        " No row was loaded. Fix the file, or the expectations in the business file."
    )


def _by_count(judgement: Judgement) -> int:
    return -(judgement.unexpected_count or 0)


def record_of(
    connection: duckdb.DuckDBPyConnection, run: Run, shape: Shape, batch: Batch, original: Original, changes: Changes
) -> BatchRecord:
    """Return the batch's row in ``batches``; of a release, only the rows that it lets in count as offered."""
    event = f'"{shape.event_column}"' if shape.event_column else "cast(null as timestamp)"
    clean, first, last = connection.sql(
        f"select count(*), min({event}), max({event}) from {JUDGED} where is_clean"
    ).fetchall()[0]
    bad = connection.sql(f"select count(*) from {JUDGED} where not is_clean").fetchall()[0][0]
    return BatchRecord(
        sequence=max((record.sequence for record in run.history.records), default=0) + 1,
        batch_id=batch.batch_id,
        feed=shape.feed,
        source=batch.source,
        as_of=run.as_of,
        rows_offered=original.row_count if batch.released_from is None else clean,
        rows_clean=clean,
        rows_quarantined=bad if batch.released_from is None else 0,
        loaded_at=run.loaded_at,
        rows_unchanged=changes.unchanged,
        rows_corrected=changes.corrected,
        content=batch.content,
        covers_on=batch.covers_on,
        first_event_at=first,
        last_event_at=last,
        is_load_time_assumed=run.is_history,
        released_from=batch.released_from,
        replaces=batch.replaces,
    )


def quarantined_rows(
    connection: duckdb.DuckDBPyConnection, run: Run, shape: Shape, batch: Batch, original: Original
) -> pa.Table:
    """Rows that broke a rule, as they came. What fails again at a release stays where it is."""
    where = "where not is_clean" if batch.released_from is None else "where false"
    return connection.sql(
        f"select {literal(batch.batch_id)} as batch_id, {literal(shape.feed)} as feed, row_number,"
        f" {raw_json(original)} as raw, is_parsed, cast(to_json(failed_rules) as varchar) as failed_rules,"
        f" timestamp '{run.loaded_at.isoformat(sep=' ')}' as loaded_at from {JUDGED} {where} order by row_number"
    ).to_arrow_table()


def commit_of(
    run: Run,
    shape: Shape,
    record: BatchRecord,
    changes: Changes,
    quarantine: pa.Table,
    releases: list[dict[str, Any]],
    validations: list[dict[str, Any]],
    profile: tuple[ColumnProfile, ...],
) -> Commit:
    """Put what a batch writes in order: what describes it, then its rows (the point of no return), then the account."""
    shared = {"batch_id": record.batch_id, "feed": shape.feed, "as_of": run.as_of}
    superseded = [
        {**row, "feed": shape.feed, "replaced_at": run.loaded_at, "replaced_by": record.batch_id}
        for row in changes.superseded.to_pylist()
    ]
    accepted = [{**row, "is_accepted": True} for row in validations]
    profiles = [{**shared, **row} for row in profile_rows(profile)]
    released = [
        {**row, "batch_id": record.released_from, "feed": shape.feed, "released_batch_id": record.batch_id}
        for row in releases
    ]
    describing = [
        ("quarantine", quarantine),
        ("releases", rows_of(TABLES["releases"], released)),
        ("superseded", rows_of(TABLES["superseded"], superseded)),
        ("validations", rows_of(TABLES["validations"], accepted)),
        ("profiles", rows_of(TABLES["profiles"], profiles)),
    ]
    tables = [(name, rows) for name, rows in describing if rows.num_rows]
    tables.append((shape.feed, changes.rows))
    tables.append(("batches", rows_of(TABLES["batches"], [vars(record)])))
    return Commit(record.batch_id, tuple(tables))
