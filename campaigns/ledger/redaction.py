"""Take persons out of the ledger without breaking its chain: who is forgotten becomes a name that says nothing.

The rows stay, and so does what they say of groups, actions, costs and days: group sizes, the check of the sample ratio
and the account are as they were. What tells of whom they are goes: the customer's id becomes a random name (one for all
of a person's rows, kept nowhere else), so does the unit's where it is his; ids of entries, which could be guessed from
his id, are drawn anew; reasons in words are taken out; and the secret that each row's identity was made with is
destroyed (:mod:`campaigns.ledger.chain`).

**A redaction is declared.** The same commit adds a row of kind ``forgotten`` to the end of the chain. It says for each
redaction how many rows carry its name and what they hold now, as one hash; so the rows that were redacted are exactly
those, as they were left. A row that is changed afterwards, or changed without a declaration, is found by
:func:`campaigns.ledger.verify`. A declaration states all redactions anew, so the ledger is verified before: what was
changed behind its back would be declared as right otherwise. Who else adds a row ``forgotten`` is seen in it, and is
missing in `holdback audit`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from campaigns.ledger.chain import LEDGER
from campaigns.ledger.digests import OF_NO_ROW, Digests
from campaigns.ledger.recording import (
    PATIENCE_SECONDS,
    chained_rows,
    check_head,
    last_row,
    shaped,
)
from campaigns.ledger.verification import verify
from holdback.errors import OperatorError
from holdback.forgotten import new_pseudonym
from holdback.journal import LedgerHead
from holdback.sql import literal
from holdback.workspace import Workspace

_COST = "cost"
_REASON = "the right to be forgotten"
_HEAD_MOVED = "the ledger ends with another row"


@dataclass(frozen=True)
class Redaction:
    """What a redaction did.

    Args:
        persons: Persons whom the ledger named.
        rows: Rows that named them.
        entry_id: The row that declares it; None when the ledger named none of them.
    """

    persons: int
    rows: int
    entry_id: str | None


def redact(workspace: Workspace, customer_ids: Collection[str], *, now: datetime) -> Redaction:
    """Replace whom rows name by names that say nothing, all or none, and declare it in the same commit.

    The whole ledger is verified first. Doing it twice changes nothing. A process that is killed leaves the ledger as it
    was, or redacted and declared; the next one that records puts the journal right.

    Args:
        workspace: The company.
        customer_ids: Who is forgotten.
        now: The instant, naive UTC.

    Raises:
        OperatorError: the ledger is not what it was when it was last written, or it changes meanwhile; or the disk
            refuses. Nobody was taken out.
        Busy: another process kept the ledger for five minutes.
    """
    with workspace.lock("ledger", wait_seconds=PATIENCE_SECONDS):
        warehouse, journal = workspace.warehouse, workspace.journal
        last = last_row(warehouse)
        check_head(workspace, last)
        if last is None:
            return Redaction(0, 0, None)
        journal.move_ledger_head(last)
        sought = pa.table({"customer_id": pa.array(sorted(set(customer_ids)), pa.string())})
        found = warehouse.query(
            """select kind, entry_id, customer_id, unit_id from ledger
            where customer_id in (select customer_id from _sought) or unit_id in (select customer_id from _sought)""",
            frames={"_sought": sought},
        )
        if found.num_rows == 0:
            warehouse.purge("ledger")
            return Redaction(0, 0, None)
        _check_whole(workspace)
        frames = _replacements(found, set(sought["customer_id"].to_pylist()))
        name = os.urandom(32).hex()
        redacted = _redacted(name)
        digests = Digests()
        digests.add(
            warehouse.query(
                f"select * from ({redacted}) where redacted_by is not null order by as_of, sequence", frames=frames
            )
        )
        persons = len(set(found["customer_id"].to_pylist()) & set(sought["customer_id"].to_pylist()))
        earlier = warehouse.query("select distinct redacted_by from ledger where redacted_by is not null")
        stated = {**dict.fromkeys(earlier["redacted_by"].to_pylist(), OF_NO_ROW), **digests.stated()}
        declared, hashes = _declaration(name, last, persons, stated, now)
        frames["_declared"] = declared
        follows = f"select * from _declared where {_is_head(last)}"
        try:
            warehouse.rewrite("ledger", f"{redacted} union all by name {follows}", frames=frames)
        except Exception as error:  # which one depends on who reads the rows
            if _HEAD_MOVED not in str(error):
                raise
            raise OperatorError(
                f"{workspace.business.slug}: ledger: somebody who does not hold its lock wrote it while people were"
                " taken out of it. Run `holdback ledger verify`, then run this again."
            ) from error
        journal.move_ledger_head(LedgerHead(last.as_of, last.row_count + 1, hashes[-1]))
        return Redaction(persons, digests.counts[name], name)


def _check_whole(workspace: Workspace) -> None:
    found = verify(workspace)
    if not found.is_whole:
        raise OperatorError(
            f"{workspace.business.slug}: ledger: {found.fault} To take people out of it would declare that as right."
            " Nobody was taken out of the ledger. Bring the table back from a backup, then run this again."
        )


def _is_head(last: LedgerHead) -> str:
    """SQL: true while the ledger ends as it did when the declaration was made, an error otherwise.

    A rewrite looks again when somebody else wrote in between; the declaration would then follow another row.
    """
    end = f"row(date '{last.as_of}', {last.row_count}::bigint, {literal(last.hash)})"
    is_it = f"(select max(row(as_of, sequence, hash)) from ledger) = {end}"
    return f"case when {is_it} then true else error({literal(_HEAD_MOVED)}) end"


def _replacements(found: pa.Table, sought: set[str]) -> dict[str, pa.Table]:
    """Return names for persons and for their entries, drawn at random.

    The id of a reported cost is a hash of the id of the event that it belongs to, and is told by it; it stays so.
    """
    names = {
        value: new_pseudonym()
        for column in ("customer_id", "unit_id")
        for value in dict.fromkeys(found[column].to_pylist())
        if value in sought
    }
    own = [row for row in found.to_pylist() if row["customer_id"] in sought]
    entries = {row["entry_id"]: os.urandom(32).hex() for row in own if row["kind"] != _COST}
    costs = {hashlib.sha256(f"{_COST}{old}".encode()).hexdigest(): new for old, new in entries.items()}
    for row in own:
        if row["kind"] == _COST:
            event = costs.get(row["entry_id"])
            made = hashlib.sha256(f"{_COST}{event}".encode()).hexdigest() if event else os.urandom(32).hex()
            entries[row["entry_id"]] = made
    return {"_names": _pairs(names), "_entries": _pairs(entries)}


def _pairs(replaced: Mapping[str, str]) -> pa.Table:
    old, new = (pa.array(list(values), pa.string()) for values in (replaced.keys(), replaced.values()))
    return pa.table({"old": old, "new": new})


def _redacted(name: str) -> str:
    """SQL of the whole ledger after the redaction ``name``; reads the frames ``_names`` and ``_entries``."""
    touched = "(c.old is not null or u.old is not null)"
    columns = {
        "customer_id": "coalesce(c.new, ledger.customer_id)",
        "unit_id": "coalesce(u.new, ledger.unit_id)",
        "entry_id": "coalesce(e.new, ledger.entry_id)",
        "decision_id": "coalesce(d.new, ledger.decision_id)",
        "corrects": "coalesce(k.new, ledger.corrects)",
        "reason": "case when c.old is not null then null else ledger.reason end",
        "refused": "case when c.old is not null then null else ledger.refused end",
        "nonce": f"case when {touched} then null else ledger.nonce end",
        "redacted_by": f"case when {touched} then '{name}' else ledger.redacted_by end",
    }
    kept = {column: f'ledger."{column}"' for column in LEDGER.column_names}
    listed = ", ".join(f'{sql} as "{column}"' for column, sql in {**kept, **columns}.items())
    return f"""select {listed} from ledger
    left join _names as c on c.old = ledger.customer_id
    left join _names as u on u.old = ledger.unit_id
    left join _entries as e on e.old = ledger.entry_id
    left join _entries as d on d.old = ledger.decision_id
    left join _entries as k on k.old = ledger.corrects"""


def _declaration(
    name: str, last: LedgerHead, persons: int, stated: Mapping[str, Any], now: datetime
) -> tuple[pa.Table, list[str]]:
    row = {
        "kind": "forgotten", "entry_id": name, "reason": _REASON, "happened_at": now,
        "detail": json.dumps({"persons": persons, "redactions": stated}, sort_keys=True),
    }  # fmt: skip
    columns = {key: pa.array([value]) for key, value in row.items()}
    rows = shaped(last.as_of, pa.table(columns))
    return chained_rows(rows, first=last.row_count + 1, before=last.hash)
