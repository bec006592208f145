"""Who did what by hand, when, from where and why: a record in the journal to which rows are only ever added.

An act is written down before it is done (``begun``) and again when it ended (``done``, or ``failed`` with the class of
the error), so that one that was killed in between is seen too. Each row carries the hash of the one before it, as in
the ledger. :func:`verify` recomputes the chain; a file beside the journal, with the newest row that this machine wrote,
finds a tail that was cut off. That finds mistakes and people who change a row, not somebody who may write everything
and computes it all anew: keep a copy of the newest hash where that person cannot write.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from holdback.errors import OperatorError
from holdback.sources import disk_errors, write_atomically
from holdback.workspace import Workspace

GENESIS: Final = "0" * 64
_PATIENCE_SECONDS = 60.0
_COLUMNS = (
    "sequence", "act_id", "at", "who", "host", "what", "about", "why", "outcome", "command", "run_id", "previous_hash",
    "hash",
)  # fmt: skip


@dataclass(frozen=True)
class Actor:
    """Who acts, and from where.

    Args:
        who: The person, or the account that acts for one.
        host: The machine.
        command: The command and the names of its options; never their values.
        run_id: The flow run it belongs to; empty for none.
    """

    who: str
    host: str
    command: str
    run_id: str = ""


@dataclass(frozen=True)
class Act:
    """One row of the record.

    Args:
        sequence: Position, from 1.
        act_id: The same for the row that says that it began and the one that says how it ended.
        at: When, naive UTC.
        actor: Who, and from where.
        what: What was done, in the past tense: ``promoted``.
        about: To what; never a customer.
        why: The reason that was given; empty for none.
        outcome: ``begun``, ``done`` or ``failed: CLASS``.
        previous_hash: Hash of the row before.
        hash: Of this row.
    """

    sequence: int
    act_id: str
    at: datetime
    actor: Actor
    what: str
    about: str
    why: str
    outcome: str
    previous_hash: str
    hash: str


@dataclass(frozen=True)
class Verified:
    """What :func:`verify` found.

    Args:
        rows: Rows that hold.
        head: Hash of the last of them.
        fault: The first thing that does not hold, in words; None when nothing was touched.
    """

    rows: int
    head: str
    fault: str | None

    @property
    def is_whole(self) -> bool:
        """True when nothing was changed, added or taken away."""
        return self.fault is None

    def __str__(self) -> str:
        if self.fault is not None:
            return f"BROKEN: {self.fault} The {self.rows:,} rows before it hold."
        return f"whole: {self.rows:,} rows, ending with {self.head[:12]}"


@contextmanager
def recorded(
    workspace: Workspace, actor: Actor, what: str, *, now: Callable[[], datetime], about: str = "", why: str = ""
) -> Iterator[None]:
    """Record an act around the block that does it: that it began, and how it ended.

    Args:
        workspace: The company.
        actor: Who acts.
        what: What is done, in the past tense.
        now: Tells the present, naive or aware UTC.
        about: To what.
        why: The reason that was given.

    Raises:
        OperatorError: the record cannot be written; then nothing is done.
    """
    act_id = os.urandom(8).hex()

    def write(outcome: str) -> None:
        record(workspace, actor, what, at=now(), about=about, why=why, outcome=outcome, act_id=act_id)

    write("begun")
    try:
        yield
    except BaseException as error:
        write(f"failed: {type(error).__name__}")
        raise
    write("done")


def record(
    workspace: Workspace,
    actor: Actor,
    what: str,
    *,
    at: datetime,
    about: str = "",
    why: str = "",
    outcome: str = "done",
    act_id: str | None = None,
) -> Act:
    """Add one row to the record, for good.

    Raises:
        Busy: others kept the record for a minute.
        OperatorError: the disk or the database refuses. Nothing was written.
    """
    from sqlalchemy import text

    with workspace.lock("audit", wait_seconds=_PATIENCE_SECONDS):
        with workspace.journal.transaction() as connection:
            last = connection.execute(text("select sequence, hash from acts order by sequence desc limit 1")).first()
            act = Act(
                last[0] + 1 if last else 1, act_id or os.urandom(8).hex(), at.replace(tzinfo=None), actor, what, about,
                why, outcome, last[1] if last else GENESIS, "",
            )  # fmt: skip
            act = replace(act, hash=_hash(act))
            names = ", ".join(f":{name}" for name in _COLUMNS)
            connection.execute(text(f"insert into acts ({', '.join(_COLUMNS)}) values ({names})"), _row(act))
        with disk_errors(_anchor(workspace)):
            workspace.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(_anchor(workspace), json.dumps({"sequence": act.sequence, "hash": act.hash}).encode())
    return act


def acts(workspace: Workspace, *, since: datetime | None = None, who: str | None = None) -> list[Act]:
    """Return the rows of the record, oldest first.

    Args:
        workspace: The company.
        since: From this instant on, naive UTC.
        who: Only of this person.
    """
    found = [_act(row) for row in _rows(workspace)]
    return [a for a in found if (since is None or a.at >= since) and (who is None or a.actor.who == who)]


def verify(workspace: Workspace, *, host: str = "") -> Verified:
    """Recompute the chain: find rows that were changed, taken out or added, and a tail that was cut off.

    Args:
        workspace: The company.
        host: This machine, as :class:`Actor` names it. Where several machines share the journal (PostgreSQL), only who
            wrote rows must have the file with the newest of its own; a journal on this machine is never without it.
    """
    before, count = GENESIS, 0
    seen, seen_hash = _anchored(workspace)
    rows = _rows(workspace)
    written_here = rows if workspace.database_url is None else [row for row in rows if row["host"] == host]
    if written_here and not _anchor(workspace).exists():
        return Verified(
            0, before, f"{_anchor(workspace).name} is gone: nobody can tell whether rows at the end were cut off."
        )
    for row in rows:
        act = _act(row)
        if act.sequence != count + 1:
            return Verified(count, before, f"row {count + 1:,} is missing: row {act.sequence:,} comes next.")
        if act.previous_hash != before:
            return Verified(count, before, f"row {act.sequence:,} does not follow the row before it.")
        if _hash(act) != act.hash:
            return Verified(count, before, f"row {act.sequence:,} was changed: its content does not give its hash.")
        before, count = act.hash, act.sequence
        if count == seen and act.hash != seen_hash:
            return Verified(count, before, f"row {count:,} is not the one that this machine wrote: it was rewritten.")
    if seen > count:
        return Verified(count, before, f"the tail is cut off: rows {count + 1:,} to {seen:,} are gone.")
    return Verified(count, before, None)


def _rows(workspace: Workspace) -> list[Mapping[str, Any]]:
    from sqlalchemy import text

    with workspace.journal.transaction() as connection:
        found = connection.execute(text(f"select {', '.join(_COLUMNS)} from acts order by sequence"))
        return [dict(row) for row in found.mappings()]


def _row(act: Act) -> dict[str, Any]:
    return {
        "sequence": act.sequence, "act_id": act.act_id, "at": act.at.isoformat(), "who": act.actor.who,
        "host": act.actor.host, "what": act.what, "about": act.about, "why": act.why, "outcome": act.outcome,
        "command": act.actor.command, "run_id": act.actor.run_id, "previous_hash": act.previous_hash, "hash": act.hash,
    }  # fmt: skip


def _act(row: Mapping[str, Any]) -> Act:
    return Act(
        row["sequence"], row["act_id"], datetime.fromisoformat(row["at"]),
        Actor(row["who"], row["host"], row["command"], row["run_id"]), row["what"], row["about"], row["why"],
        row["outcome"], row["previous_hash"], row["hash"],
    )  # fmt: skip


def _hash(act: Act) -> str:
    """SHA-256 of the hash before and of each value with its length: as the ledger's rows are hashed."""
    values = {name: str(value) for name, value in sorted(_row(act).items()) if name not in ("previous_hash", "hash")}
    content = "".join(f"{name}={len(value.encode())}:{value};" for name, value in values.items())
    return hashlib.sha256((act.previous_hash + content).encode()).hexdigest()


def _anchor(workspace: Workspace) -> Path:
    return workspace.folder / "audit-head.json"


def _anchored(workspace: Workspace) -> tuple[int, str]:
    """The newest row that this machine wrote."""
    path = _anchor(workspace)
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return int(content.get("sequence", 0)), str(content.get("hash", GENESIS))
    except (OSError, ValueError) as error:
        raise OperatorError(f"{path}: cannot be read ({type(error).__name__}). Bring it back from a backup.") from error
