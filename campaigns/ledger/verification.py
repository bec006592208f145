"""Recompute the ledger's chain, and say in words where it breaks first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa

from campaigns.ledger.chain import GENESIS, chain, contents, identities_of
from campaigns.ledger.digests import OF_NO_ROW, Digests, stated_in
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
        redacted: Rows that no longer name whom they were about; each by a declared redaction.
        redactions: Declared redactions.
    """

    rows: int
    days: int
    head: str
    unconfirmed: int
    fault: str | None
    redacted: int = 0
    redactions: int = 0

    @property
    def is_whole(self) -> bool:
        """True when nothing was changed, added or taken away."""
        return self.fault is None

    def __str__(self) -> str:
        seen = f"{self.rows:,} rows of {self.days:,} days"
        if self.fault is not None:
            return f"BROKEN: {self.fault} The {seen} before it hold."
        late = f"; {self.unconfirmed:,} rows wait to be confirmed in the journal" if self.unconfirmed else ""
        gone = (
            f"; {self.redacted:,} rows name nobody any more, by {self.redactions:,} declared" if self.redacted else ""
        )
        return f"whole: {seen}, ending with {self.head[:12]}{gone}{late}"


class _BrokenError(Exception):
    """The first fault."""


@dataclass
class _Redactions:
    """The redactions that rows name, and what the newest declaration states of each."""

    found: Digests = field(default_factory=Digests)
    stated: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def look_at(self, rows: pa.Table) -> None:
        """Take in rows in their order."""
        self.found.add(rows)
        declares = [kind == "forgotten" for kind in rows["kind"].to_pylist()]
        if any(declares):
            for detail in rows.filter(pa.array(declares))["detail"].to_pylist():
                self.stated.update(stated_in(detail))

    def check(self) -> None:
        """Raise unless exactly what is declared was redacted, and is as it was left."""
        found = self.found.stated()
        for name in found:
            if name not in self.stated:
                raise _BrokenError(
                    f"{found[name]['rows']:,} rows do not name whom they were about, by a redaction {name[:12]}… that "
                    "no row declares."
                )
        for name, stated in self.stated.items():
            if found.get(name, OF_NO_ROW) != stated:
                raise _BrokenError(
                    f"the rows that the redaction {name[:12]}… took persons out of are not as it left them: one was "
                    "changed, added or taken out."
                )


def verify(workspace: Workspace) -> Verification:
    """Recompute every hash of the ledger, day by day and in bounded memory, and compare with the journal.

    Finds rows that were changed, taken out, added or moved, days that are gone, a tail that was cut off, and rows that
    lost or changed whom they name without a redaction that declares it (:mod:`campaigns.ledger.redaction`).

    Args:
        workspace: The company.
    """
    warehouse = workspace.warehouse
    heads = {head.as_of: head for head in workspace.journal.ledger_heads()}
    rows = days = unconfirmed = 0
    last = GENESIS
    fault: str | None = None
    redactions = _Redactions()
    try:
        present = _days(warehouse)
        missing = sorted(set(heads) - set(present))
        for day in present:
            gone = next((other for other in missing if other < day), None)
            if gone is not None:
                raise _BrokenError(f"{gone} is missing with all of its {heads[gone].row_count:,} rows.")
            count = 0
            for verified in _verified(warehouse, day, last, heads.get(day), redactions):
                last, count = verified, count + 1
                rows += 1
            days += 1
            unconfirmed = _unconfirmed(count, heads.get(day), unconfirmed)
        if missing:
            raise _BrokenError(f"the tail is cut off: {missing[0]} is missing with all of its rows.")
        redactions.check()
    except _BrokenError as error:
        fault = str(error)
    except OperatorError as error:
        fault = f"a file of the table cannot be read ({error})."
    redacted = sum(redactions.found.counts.values())
    return Verification(
        rows, days, last, 0 if fault else unconfirmed, fault, redacted, 0 if fault else len(redactions.stated)
    )


def _unconfirmed(count: int, head: LedgerHead | None, so_far: int) -> int:
    known = head.row_count if head is not None else 0
    return count - known + (so_far if known == 0 else 0) if count > known else 0


def _days(warehouse: Warehouse) -> list[date]:
    return list(warehouse.query("select distinct as_of from ledger order by as_of")["as_of"].to_pylist())


def _verified(
    warehouse: Warehouse, day: date, before: str, head: LedgerHead | None, redactions: _Redactions
) -> Iterator[str]:
    """Yield the hash of each row of a day that holds.

    Raises:
        _BrokenError: at the first row that does not.
    """
    counted, largest = _extent(warehouse, day)
    expected = 1
    for rows in _slices(warehouse, day, min(largest, counted + _ROWS_AT_ONCE)):
        redactions.look_at(rows)
        names = ("sequence", "hash", "previous_hash", "nonce", "identity", "redacted_by")
        columns = [rows[name].to_pylist() for name in names]
        made = identities_of(rows, columns[3])
        for sequence, stated, stated_before, nonce, identity, redacted_by, content, own_identity in zip(
            *columns, contents(rows), made, strict=True
        ):
            if sequence != expected:
                raise _BrokenError(_out_of_order(day, expected, sequence))
            is_old = identity is None and redacted_by is not None  # its hash was over whom it named
            if not is_old and next(chain(stated_before or "", [content])) != stated:
                raise _BrokenError(f"row {sequence:,} of {day} was changed: its content does not give its hash.")
            if redacted_by is None and own_identity != identity:
                raise _BrokenError(f"row {sequence:,} of {day} was changed: whom it names does not give its identity.")
            if redacted_by is not None and nonce is not None:
                raise _BrokenError(f"row {sequence:,} of {day} was redacted, and kept the secret of whom it named.")
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
