"""Recompute the ledger's chain, and say in words where it breaks first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from campaigns.ledger.chain import GENESIS, chain, contents
from holdback.errors import OperatorError
from holdback.journal import LedgerHead
from holdback.warehouse import Warehouse
from holdback.workspace import Workspace

_ROWS_AT_ONCE = 200_000


@dataclass(frozen=True)
class Verification:
    """What the verification found.

    Args:
        rows: Rows whose hash was recomputed and holds.
        days: Days that hold.
        head: Hash of the last row that holds.
        unconfirmed: Rows at the end that the journal does not know of: a process was killed between writing the rows
            and writing that it did; the next one that records confirms them.
        fault: The first thing that does not hold, in words; None when all is as it was written.
    """

    rows: int
    days: int
    head: str
    unconfirmed: int
    fault: str | None

    @property
    def is_whole(self) -> bool:
        """True when nothing was changed, added or taken away."""
        return self.fault is None

    def __str__(self) -> str:
        seen = f"{self.rows:,} rows of {self.days:,} days"
        if self.fault is not None:
            return f"BROKEN: {self.fault} The {seen} before it hold."
        late = f"; {self.unconfirmed:,} rows wait to be confirmed in the journal" if self.unconfirmed else ""
        return f"whole: {seen}, ending with {self.head[:12]}{late}"


class _BrokenError(Exception):
    """The first fault."""


def verify(workspace: Workspace) -> Verification:
    """Recompute every hash of the ledger, day by day and in bounded memory, and compare with the journal.

    Finds rows that were changed, taken out, added or moved, days that are gone, and a tail that was cut off.

    Args:
        workspace: The company.
    """
    warehouse = workspace.warehouse
    heads = {head.as_of: head for head in workspace.journal.ledger_heads()}
    rows = days = unconfirmed = 0
    last = GENESIS
    fault: str | None = None
    try:
        present = _days(warehouse)
        missing = sorted(set(heads) - set(present))
        for day in present:
            gone = next((other for other in missing if other < day), None)
            if gone is not None:
                raise _BrokenError(f"{gone} is missing with all of its {heads[gone].row_count:,} rows.")
            count = 0
            for verified in _verified(warehouse, day, last, heads.get(day)):
                last, count = verified, count + 1
                rows += 1
            days += 1
            unconfirmed = _unconfirmed(count, heads.get(day), unconfirmed)
        if missing:
            raise _BrokenError(f"the tail is cut off: {missing[0]} is missing with all of its rows.")
    except _BrokenError as error:
        fault = str(error)
    except OperatorError as error:
        fault = f"a file of the table cannot be read ({error})."
    return Verification(rows, days, last, 0 if fault else unconfirmed, fault)


def _unconfirmed(count: int, head: LedgerHead | None, so_far: int) -> int:
    known = head.row_count if head is not None else 0
    return count - known + (so_far if known == 0 else 0) if count > known else 0


def _days(warehouse: Warehouse) -> list[date]:
    return list(warehouse.query("select distinct as_of from ledger order by as_of")["as_of"].to_pylist())


def _verified(warehouse: Warehouse, day: date, before: str, head: LedgerHead | None) -> Iterator[str]:
    """Yield the hash of each row of a day that holds.

    Raises:
        _BrokenError: at the first row that does not.
    """
    counted, largest = _extent(warehouse, day)
    expected = 1
    for rows in _slices(warehouse, day, min(largest, counted + _ROWS_AT_ONCE)):
        sequences, own, previous = (rows[name].to_pylist() for name in ("sequence", "hash", "previous_hash"))
        for sequence, content, stated, stated_before in zip(sequences, contents(rows), own, previous, strict=True):
            if sequence != expected:
                raise _BrokenError(_out_of_order(day, expected, sequence))
            if next(chain(stated_before or "", [content])) != stated:
                raise _BrokenError(f"row {sequence:,} of {day} was changed: its content does not give its hash.")
            if stated_before != before:
                raise _BrokenError(
                    f"row {sequence:,} of {day} does not follow the row before it: one was taken out, added or moved."
                )
            if head is not None and sequence == head.row_count and stated != head.hash:
                raise _BrokenError(f"row {sequence:,} of {day} is not the one that the journal saw: it was rewritten.")
            before, expected = stated, expected + 1
            yield stated
    if counted != expected - 1:
        raise _BrokenError(f"{day} has {counted:,} rows, but only {expected - 1:,} with a position: some were added.")
    if head is not None and head.row_count >= expected:
        raise _BrokenError(
            f"the tail of {day} is cut off: rows {expected:,} to {head.row_count:,}, which the journal saw, are gone."
        )


def _out_of_order(day: date, expected: int, found: int) -> str:
    if found > expected:
        return f"row {expected:,} of {day} is missing: row {found:,} comes next."
    return f"row {found:,} of {day} stands twice: a row was added."


def _extent(warehouse: Warehouse, day: date) -> tuple[int, int]:
    found: dict[str, Any] = warehouse.query(
        f"select count(*) as n, coalesce(max(sequence), 0) as largest from ledger where as_of = date '{day}'"
    ).to_pylist()[0]
    return found["n"], found["largest"]


def _slices(warehouse: Warehouse, day: date, largest: int) -> Iterator[pa.Table]:
    """Read a day in pieces, ordered by position; whatever files it lies in."""
    for start in range(0, largest + 1, _ROWS_AT_ONCE):
        yield warehouse.query(
            f"select * from ledger where as_of = date '{day}' and sequence >= {start} "
            f"and sequence < {start + _ROWS_AT_ONCE} order by sequence"
        )
