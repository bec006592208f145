"""Add rows to the ledger: all of a batch in one commit, once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from campaigns.ledger.chain import (
    ARROW_TYPES,
    GENESIS,
    LEDGER,
    chain,
    contents,
    identities,
    identities_of,
    nonces,
)
from campaigns.ledger.reading import newest_day
from holdback.errors import DataError, OperatorError
from holdback.journal import LedgerHead
from holdback.tables import LEDGER_KINDS
from holdback.warehouse import Warehouse
from holdback.workspace import Workspace

#: Another process that writes is waited for; a day's rows take seconds.
PATIENCE_SECONDS = 300.0

_FILLED_IN = ("sequence", "nonce", "identity", "redacted_by", "previous_hash", "hash")

#: What makes a row the same row. Of a day: one assignment per layer and customer, one decision per campaign and
#: customer.
_OF_A_DAY = ("launched", "halted", "resumed", "assigned", "decided")
_DAILY_IDENTITY = ("kind", "as_of", "campaign", "version", "customer_id")
#: What came back is the same whenever it is heard of.
_IDENTITY = (
    "kind", "campaign", "version", "customer_id", "action", "channel", "decision_id", "happened_at", "corrects",
    "detail",
)  # fmt: skip
#: What a correction takes over from the row that it corrects.
_TAKEN_OVER = ("customer_id", "unit_id", "campaign", "version", "salt", "group", "action", "channel", "decision_id")


def record(workspace: Workspace, as_of: date, rows: pa.Table, *, batch: str) -> bool:
    """Add rows to a day of the ledger: all or none, once per batch.

    Takes the lock ``ledger`` itself and waits for it: do not hold it. A process that is killed leaves the ledger as it
    was, or with all rows; the next call, of whatever batch, puts the journal right.

    Args:
        workspace: The company.
        as_of: The day that records; never before the newest day of the ledger.
        rows: Any columns of the table ``ledger``, at least ``kind``, in the order in which they are to stand.
            ``sequence``, ``nonce``, ``identity`` and both hashes are filled in, and ``as_of`` and ``entry_id`` where
            they are not given. The id of a decision is the same on every run: it is a hash of kind, day, campaign,
            version and customer.
        batch: Names what is recorded, such as ``decide/2026-03-02``; what it brought is never brought again.

    Returns:
        True when the rows were written, False when the batch had been written before.

    Raises:
        DataError: the ledger has a later day; a row that the table does not allow; a row that stands in it already.
        OperatorError: the ledger is not what it was when it was last written; or the disk refuses.
        Busy: another process kept the ledger for five minutes.
    """
    with workspace.lock("ledger", wait_seconds=PATIENCE_SECONDS):
        return _record(workspace, as_of, rows, batch)


def correct(
    workspace: Workspace, as_of: date, entry_id: str, *, reason: str, changes: Mapping[str, Any] | None = None
) -> bool:
    """Record that a row of the ledger was wrong: a new row of kind ``corrected`` that names it. The old row stays.

    Args:
        workspace: The company.
        as_of: The day that records the correction.
        entry_id: The row that was wrong.
        reason: Why, in words.
        changes: Columns with what should have stood there, such as ``{"group": "holdout"}``.

    Returns:
        True when it was written, False when this very correction had been recorded before.

    Raises:
        DataError: no row has this id; a column cannot be corrected; or as :func:`record`.
    """
    changed = dict(changes or {})
    foreign = sorted(
        set(changed) - {c.name for c in LEDGER.columns} | set(changed) & {*_FILLED_IN, "as_of", "entry_id"}
    )
    if foreign:
        raise DataError(f"ledger: column {foreign[0]!r} cannot be corrected. Name a column that the day decided.")
    sought = pa.table({"entry_id": [entry_id]})
    found = workspace.warehouse.query(
        "select * from ledger where entry_id in (select entry_id from _sought)", frames={"_sought": sought}
    ).to_pylist()
    if not found:
        raise DataError(f"ledger: no row has the id {entry_id!r}. Look it up with `holdback ledger show`.")
    row = {name: found[0][name] for name in _TAKEN_OVER}
    row |= {**changed, "kind": "corrected", "corrects": entry_id, "reason": reason}
    rows = shaped(as_of, pa.Table.from_pylist([row], schema=_schema(tuple(row))))
    identity = identities(rows, (*row, "as_of"))[0]
    rows = rows.append_column("entry_id", pa.array([identity]))
    return record(workspace, as_of, rows, batch=f"correct/{identity}")


def _record(workspace: Workspace, as_of: date, rows: pa.Table, batch: str) -> bool:
    warehouse, journal = workspace.warehouse, workspace.journal
    last = last_row(warehouse)
    check_head(workspace, last)
    if last is not None:
        journal.move_ledger_head(last)
    if warehouse.has_batch("ledger", batch):
        return False
    if last is not None and last.as_of > as_of:
        raise DataError(
            f"{workspace.business.slug}: ledger: rows of {as_of} were offered, but {last.as_of} stands in it already. "
            f"Days are only added at the end. Record them as of {last.as_of} or later."
        )
    named = _named(shaped(as_of, rows))
    _check_new(warehouse, as_of, named)
    first = last.row_count + 1 if last is not None and last.as_of == as_of else 1
    chained, hashes = chained_rows(named, first=first, before=last.hash if last is not None else GENESIS)
    written = warehouse.append("ledger", chained, batch=batch)
    if written and hashes:
        journal.move_ledger_head(LedgerHead(as_of, first + named.num_rows - 1, hashes[-1]))
    return written


def chained_rows(rows: pa.Table, *, first: int, before: str) -> tuple[pa.Table, list[str]]:
    """Number rows, give those about somebody an identity, and chain them to the row before.

    Args:
        rows: Named rows in the declared types.
        first: Position of the first one in its day.
        before: Hash of the row before it.

    Returns:
        The rows as they are to be written, and their hashes.
    """
    numbered = rows.append_column("sequence", pa.array(range(first, first + rows.num_rows), pa.int64()))
    drawn = pa.array(nonces(rows.num_rows), pa.string())
    if "customer_id" in rows.column_names:
        drawn = pc.if_else(pc.is_valid(rows["customer_id"].combine_chunks()), drawn, pa.scalar(None, pa.string()))
    else:
        drawn = pa.nulls(rows.num_rows, pa.string())
    numbered = numbered.append_column("nonce", drawn)
    made = pa.array(identities_of(numbered, drawn.to_pylist()), pa.string())
    numbered = numbered.append_column("identity", made)
    hashes = list(chain(before, contents(numbered)))
    previous = [before, *islice(hashes, max(len(hashes) - 1, 0))] if hashes else []
    numbered = numbered.append_column("previous_hash", pa.array(previous, pa.string()))
    return numbered.append_column("hash", pa.array(hashes, pa.string())), hashes


def last_row(warehouse: Warehouse) -> LedgerHead | None:
    """Return where the ledger ends; None when it is empty. Call it while holding the ledger's lock."""
    newest = newest_day(warehouse)
    return None if newest is None else _row_at(warehouse, newest, None)


def _row_at(warehouse: Warehouse, day: date, sequence: int | None) -> LedgerHead | None:
    """Where a day stands at one of its rows, or at its last one."""
    at = "" if sequence is None else f" and sequence = {sequence}"
    found = warehouse.query(
        f"select sequence, hash from ledger where as_of = date '{day}'{at} order by sequence desc limit 1"
    ).to_pylist()
    return LedgerHead(day, found[0]["sequence"], found[0]["hash"]) if found else None


def check_head(workspace: Workspace, last: LedgerHead | None) -> None:
    """Refuse to build on a ledger that lost or changed what the journal saw in it."""
    heads = workspace.journal.ledger_heads()
    if not heads or heads[-1] == last:
        return
    head = heads[-1]
    if _row_at(workspace.warehouse, head.as_of, head.row_count) != head:
        raise OperatorError(
            f"{workspace.business.slug}: ledger: {head.as_of} had {head.row_count:,} rows and ended with "
            f"{head.hash[:12]}…; it does not any more. Nothing was written. Run `holdback ledger verify`, and bring "
            "the table back from a backup."
        )


def shaped(as_of: date, rows: pa.Table) -> pa.Table:
    """Give the rows the declared columns and types; refuse what the table does not allow."""
    unknown = [name for name in rows.column_names if name not in LEDGER.column_names or name in _FILLED_IN]
    if unknown:
        raise DataError(f"ledger: column {unknown[0]!r} cannot be recorded. Leave it out.")
    if "kind" not in rows.column_names:
        raise DataError("ledger: the rows have no column 'kind'. Say what each of them records.")
    days = rows["as_of"].cast(pa.date32()) if "as_of" in rows.column_names else None
    if days is not None and not pc.all(pc.equal(days, as_of), min_count=0).as_py():
        raise DataError(f"ledger: rows of another day than {as_of} were offered. Record each day by itself.")
    given = {"as_of": pa.array([as_of] * rows.num_rows, pa.date32())}
    for column in LEDGER.columns:
        if column.name in rows.column_names and column.name != "as_of":
            given[column.name] = _cast(rows[column.name], column.name)
    for column in LEDGER.columns:
        if column.name in given and column.allowed is not None:
            allowed = LEDGER_KINDS if column.name == "kind" else column.allowed
            _refuse(given[column.name], pc.is_in(given[column.name], pa.array(allowed)), column.name, str(allowed))
        if column.name in given and column.type == "number":
            _refuse(given[column.name], pc.is_finite(given[column.name]), column.name, "a number")
        if column.name in given and column.minimum is not None:
            is_right = pc.greater_equal(given[column.name], column.minimum)
            _refuse(given[column.name], is_right, column.name, f"at least {column.minimum}")
        if column.name in given and column.maximum is not None:
            is_right = pc.less_equal(given[column.name], column.maximum)
            _refuse(given[column.name], is_right, column.name, f"at most {column.maximum}")
    if given["kind"].null_count:
        raise DataError("ledger: a row has no kind. Say what each of them records.")
    return pa.table(given)


def _cast(values: pa.ChunkedArray, name: str) -> pa.Array:
    kind = LEDGER.column(name).type
    try:
        array = values.cast(ARROW_TYPES[kind]).combine_chunks()
    except pa.ArrowInvalid as error:
        raise DataError(f"ledger: {name}: {error}. It must be of type {kind}. Mend the rows.") from error
    # Minus zero is zero, but has other bits.
    return pc.add(array, 0.0) if kind == "number" else array


def _refuse(values: pa.Array, is_right: pa.Array, name: str, rule: str) -> None:
    wrong = values.filter(pc.and_(pc.is_valid(values), pc.invert(pc.fill_null(is_right, False))))
    if len(wrong):
        raise DataError(f"ledger: {name}: must be {rule} (got {wrong[0].as_py()!r}). Mend the rows.")


def _schema(names: tuple[str, ...]) -> pa.Schema:
    return pa.schema([(name, ARROW_TYPES[LEDGER.column(name).type]) for name in names])


def _named(rows: pa.Table) -> pa.Table:
    """Fill in the ids that are not given."""
    given = rows["entry_id"] if "entry_id" in rows.column_names else pa.nulls(rows.num_rows, pa.string())
    if given.null_count:
        is_daily = pc.is_in(rows["kind"], pa.array(_OF_A_DAY))
        daily, other = (pa.array(identities(rows, names), pa.string()) for names in (_DAILY_IDENTITY, _IDENTITY))
        made = pc.if_else(is_daily, pa.chunked_array([daily]), pa.chunked_array([other]))
        given = pc.coalesce(given, made)
    others = [name for name in rows.column_names if name != "entry_id"]
    return rows.select(others).append_column("entry_id", given)


def _check_new(warehouse: Warehouse, as_of: date, rows: pa.Table) -> None:
    """Refuse ids that stand twice, here or in the ledger. What belongs to a day is looked for in that day alone."""
    ids = rows.select(["entry_id"])
    twice = ids.group_by("entry_id").aggregate([([], "count_all")])
    double = twice.filter(pc.greater(twice["count_all"], 1))
    if double.num_rows:
        row = rows.filter(pc.equal(rows["entry_id"], double["entry_id"][0])).slice(0, 1).to_pylist()[0]
        raise DataError(
            f"ledger: two rows record the same: {row['kind']}, campaign {row.get('campaign')}, customer "
            f"{row.get('customer_id')}. Record each fact once, or give each row an entry_id of its own."
        )
    everywhere = not pc.all(pc.is_in(rows["kind"], pa.array(_OF_A_DAY)), min_count=0).as_py()
    where = "" if everywhere else f"as_of = date '{as_of}' and "
    known = warehouse.query(
        f"select as_of, kind, entry_id from ledger where {where}entry_id in (select entry_id from _offered) limit 1",
        frames={"_offered": ids},
    ).to_pylist()
    if known:
        raise DataError(
            f"ledger: {known[0]['kind']} {known[0]['entry_id'][:12]}… was recorded on {known[0]['as_of']} by another "
            "batch. A fact is recorded once. Leave it out, or record a correction."
        )
