"""Quarantine: what was offered and not let in, why, and how it gets in after the cause is mended.

Nothing is lost here: ``clean + quarantined == offered`` holds for every batch, a release is a batch of its own, and the
quarantined row stays where it is with the release beside it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdback.accounts import Batch, Run
from holdback.batches import BatchRecord, History
from holdback.commits import Checkpoint, finish_interrupted
from holdback.contracts import Contract, contract_of, lent_judge
from holdback.errors import DataError, OperatorError
from holdback.loading import load_batch, load_time
from holdback.mapping import shape_of
from holdback.originals import RELATION, Original, read_original
from holdback.sources import sweep
from holdback.sql import literal
from holdback.workspace import Workspace

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class QuarantinedBatch:
    """What one batch left in quarantine.

    Args:
        batch_id: The batch.
        feed: Its feed.
        source: The name of its file.
        as_of: The day it was loaded for.
        quarantined: Rows kept aside when it was loaded.
        released: Rows of them that were let in since.
        reasons: Open rows by the rule that they broke.
    """

    batch_id: str
    feed: str
    source: str
    as_of: date
    quarantined: int
    released: int
    reasons: Mapping[str, int]

    @property
    def open(self) -> int:
        """Rows that still wait."""
        return self.quarantined - self.released


@dataclass(frozen=True)
class QuarantinedRow:
    """One row that was not let in.

    Args:
        batch_id: Its batch.
        feed: Its feed.
        row_number: Its place in the file; 1 is the first data row.
        raw: As it came: the source's columns, or the line itself when it could not be split.
        failed_rules: Why.
        is_released: True when it was let in later.
    """

    batch_id: str
    feed: str
    row_number: int
    raw: Mapping[str, Any] | str
    failed_rules: tuple[str, ...]
    is_released: bool


@dataclass(frozen=True)
class Release:
    """What a release did.

    Args:
        batch_id: The batch in quarantine.
        released_batch_id: The batch that let rows in; None when no row passed.
        chosen: Rows that were tried.
        released: Rows that are now in the warehouse.
        reasons: Rows that are still bad, by the rule that they broke.
    """

    batch_id: str
    released_batch_id: str | None
    chosen: int
    released: int
    reasons: Mapping[str, int]

    @property
    def still_bad(self) -> int:
        """Rows that stay in quarantine."""
        return self.chosen - self.released


@dataclass(frozen=True)
class Balance:
    """Where every row that was ever offered is. A file that was read again counts once, as it was last read.

    Args:
        offered: Rows in all accepted files.
        clean: Rows of them that passed, at once or by a release.
        waiting: Rows of them in quarantine.
    """

    offered: int
    clean: int
    waiting: int

    @property
    def is_even(self) -> bool:
        """True when nothing was lost and nothing counted twice."""
        return self.offered == self.clean + self.waiting


def balance(workspace: Workspace) -> Balance:
    """Add up what became of every row offered to a business."""
    history = History.read(workspace.warehouse)
    replaced = history.replaced()
    live = [r for r in history.records if r.batch_id not in replaced and r.released_from not in replaced]
    return Balance(
        offered=sum(record.rows_offered for record in live if record.released_from is None),
        clean=sum(record.rows_clean for record in live),
        waiting=sum(batch.open for batch in list_quarantine(workspace)),
    )


def list_quarantine(
    workspace: Workspace, *, feed: str | None = None, reason: str | None = None, with_empty: bool = False
) -> tuple[QuarantinedBatch, ...]:
    """Return the batches that have rows waiting, oldest first.

    Batches that were read again since (because the mapping or the file changed) are left out: what is still bad is
    listed under the newer reading.

    Args:
        workspace: The business.
        feed: Only this feed.
        reason: Only batches with rows that broke this rule.
        with_empty: Also batches whose rows were all released.
    """
    history = History.read(workspace.warehouse)
    rows = _rows(workspace, history, feed)
    by_batch: dict[str, list[QuarantinedRow]] = defaultdict(list)
    for row in rows:
        by_batch[row.batch_id].append(row)
    listed = []
    for record in history.records:
        its_rows = by_batch.get(record.batch_id)
        if not its_rows:
            continue
        reasons = Counter(rule for row in its_rows if not row.is_released for rule in row.failed_rules)
        released = sum(row.is_released for row in its_rows)
        batch = QuarantinedBatch(
            record.batch_id,
            record.feed,
            record.source,
            record.as_of,
            len(its_rows),
            released,
            dict(reasons.most_common()),
        )
        if (batch.open or with_empty) and (reason is None or reason in reasons):
            listed.append(batch)
    return tuple(listed)


def show_rows(
    workspace: Workspace,
    *,
    batch_id: str | None = None,
    feed: str | None = None,
    reason: str | None = None,
    limit: int | None = 20,
) -> tuple[QuarantinedRow, ...]:
    """Return rows in quarantine as they came, in the order of their file.

    Raises:
        DataError: no batch has this id.
    """
    history = History.read(workspace.warehouse)
    if batch_id is not None:
        _record(workspace, history, batch_id)
    rows = [
        row
        for row in _rows(workspace, history, feed, batch_id)
        if not row.is_released and (reason is None or reason in row.failed_rules)
    ]
    return tuple(rows[:limit])


def release(
    workspace: Workspace,
    batch_id: str,
    *,
    as_of: date,
    row_numbers: Sequence[int] | None = None,
    reason: str | None = None,
    wait_seconds: float = 0,
    checkpoint: Checkpoint = lambda _step: None,
) -> Release:
    """Try rows of a batch again, by the business file as it is now, and load those that pass.

    Every row is read anew from the landed original and judged by all row rules of the feed's contract. Rows that pass
    are loaded as a batch of their own, known from ``as_of`` on; the others stay. Doing it twice changes nothing.

    Args:
        workspace: The business.
        batch_id: The batch in quarantine.
        as_of: The day from which on the rows are known.
        row_numbers: Which rows; all that wait by default.
        reason: Only rows that broke this rule.
        wait_seconds: How long to wait for another loader to finish.
        checkpoint: Told of each step; tests stop the process there.

    Raises:
        DataError: no batch has this id, or it was read again since.
        Busy: another loader is at work.
        OperatorError: the landed original is gone, or the disk refuses.
    """
    with workspace.lock("ingest", wait_seconds=wait_seconds):
        sweep(workspace.folder.glob("staging-*"))
        finish_interrupted(workspace.warehouse, workspace.folder / "commits", checkpoint)
        history = History.read(workspace.warehouse)
        record = _record(workspace, history, batch_id)
        chosen = [
            row.row_number
            for row in _rows(workspace, history, record.feed, batch_id)
            if not row.is_released
            and (row_numbers is None or row.row_number in set(row_numbers))
            and (reason is None or reason in row.failed_rules)
        ]
        if not chosen:
            return Release(batch_id, None, 0, 0, {})
        return _replay(workspace, history, record, chosen, as_of, checkpoint)


def _replay(
    workspace: Workspace, history: History, record: BatchRecord, chosen: list[int], as_of: date, checkpoint: Checkpoint
) -> Release:
    shape = shape_of(workspace.business, record.feed)
    contract = Contract(record.feed, contract_of(shape).row_rules)
    original = _landed(workspace, record)

    def read(connection: duckdb.DuckDBPyConnection) -> Original:
        whole = read_original(connection, original, name=record.source, csv_format=shape.source.csv)
        connection.execute(f"delete from {RELATION} where row_number not in ({', '.join(map(str, chosen))})")
        return Original(whole.name, whole.columns, len(chosen), whole.typed)

    loaded_at, _ = load_time(workspace, as_of, history)
    batch = Batch(
        _release_id(shape.fingerprint, record, chosen),
        record.source,
        record.content,
        None,
        released_from=record.batch_id,
    )
    with lent_judge(workspace.folder, threads=workspace.threads) as judge:
        run = Run(workspace, as_of, loaded_at, False, judge, history, checkpoint)
        result = load_batch(run, shape, contract, batch, read, before_commit=lambda: None)
    released_id = result.batch_id if result.clean else None
    return Release(record.batch_id, released_id, len(chosen), result.clean, result.reasons)


def _release_id(fingerprint: str, record: BatchRecord, chosen: list[int]) -> str:
    described = json.dumps([fingerprint, record.batch_id, chosen])
    return hashlib.sha256(described.encode()).hexdigest()[:16]


def _landed(workspace: Workspace, record: BatchRecord) -> Path:
    folder = workspace.landing / record.batch_id
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    if len(files) != 1:
        raise OperatorError(
            f"{folder}: the landed original of {record.source} is not there. Restore the folder from a backup."
        )
    return files[0]


def _record(workspace: Workspace, history: History, batch_id: str) -> BatchRecord:
    record = history.find(batch_id)
    if record is None:
        raise DataError(
            f"{workspace.business.slug}: no batch {batch_id!r} was accepted."
            " `holdback quarantine list` shows those with waiting rows."
        )
    newer = next((other for other in history.records if other.replaces == batch_id), None)
    if newer is not None:
        raise DataError(
            f"{workspace.business.slug}: batch {batch_id!r} ({record.source}) was read again as {newer.batch_id!r};"
            " what is still bad waits there."
        )
    return record


def _rows(
    workspace: Workspace, history: History, feed: str | None, batch_id: str | None = None
) -> list[QuarantinedRow]:
    """Rows of accepted batches that no later reading replaced, in the order of their files."""
    conditions = ["q.batch_id in (select batch_id from batches)"]
    replaced = history.replaced()
    if replaced:
        conditions.append(f"q.batch_id not in ({', '.join(map(literal, sorted(replaced)))})")
    if feed is not None:
        conditions.append(f"q.feed = {literal(feed)}")
    if batch_id is not None:
        conditions.append(f"q.batch_id = {literal(batch_id)}")
    found = workspace.warehouse.query(
        "select q.*, r.row_number is not null as is_released from quarantine q left join"
        " (select * from releases where released_batch_id in (select batch_id from batches)) r"
        " on r.batch_id = q.batch_id and r.row_number = q.row_number"
        f" where {' and '.join(conditions)} order by q.batch_id, q.row_number"
    ).to_pylist()
    return [
        QuarantinedRow(
            row["batch_id"],
            row["feed"],
            row["row_number"],
            json.loads(row["raw"]) if row["is_parsed"] else row["raw"],
            tuple(json.loads(row["failed_rules"])),
            row["is_released"],
        )
        for row in found
    ]
