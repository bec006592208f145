"""Forget people: everywhere, for good, so that it can be finished by whoever runs it again."""

from __future__ import annotations

import codecs
import mmap
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from campaigns.ledger import redact
from campaigns.suppression import remember_opt_outs
from flows.forgetting.holdings import Counted
from flows.forgetting.outbox import clear_outbox, clear_table, decisions_of
from flows.forgetting.places import gone_frame, landed_files
from flows.forgetting.tables import clear_profiles, clear_quarantine, clear_tables
from holdback.blanking import blank
from holdback.commits import finish_interrupted
from holdback.errors import DataError
from holdback.forgotten import PSEUDONYM, Tombstones, mark
from holdback.progress import Progress, silent
from holdback.sources import disk_errors, sweep
from holdback.workspace import Workspace

#: Everything that writes rows about customers, or the profiles of their values, holds one of these while it does.
_LOCKS = (
    "daily", "ingest_daily", "value_daily", "uplift_daily", "score_daily", "triggers", "segments", "decide_daily",
    "deliver", "reconcile", "ingest", "decide", "delivery", "record_daily", "report",
)  # fmt: skip

#: What stays, said with every answer: this program has no way to it.
OUT_OF_REACH = (
    "the company's own source files: rows that they bring again are refused as customer_is_not_forgotten",
    "backups of the workspace, until they expire; after restoring one, forget the same people again",
    "published editions of the site and reports: aggregates, with no row of a person",
    "models in office: trained on many, they hold no row; the next training is without the person",
    "copies of tables on other machines: the first query there drops them; one that is off keeps them (folder mirror)",
)


@dataclass(frozen=True)
class Forgotten:
    """What was removed; no personal data.

    Args:
        business: The business' slug.
        persons: People who were asked for.
        removed: Rows by place; ``ledger`` counts rows that name nobody any more.
        table_rows: Rows taken out of the PostgreSQL table of contacts; None when the business has none.
        declared_by: The ledger's row that declares it; None when the ledger named none of them.
        delivered_on: Days on which contact lists with the people left the house, or may have.
        out_of_reach: What this program has no way to.
        was_done_already: True when nothing was left to do.
    """

    business: str
    persons: int
    removed: Counted
    table_rows: int | None
    declared_by: str | None
    delivered_on: tuple[date, ...]
    out_of_reach: tuple[str, ...] = OUT_OF_REACH
    was_done_already: bool = False


def forget(
    workspace: Workspace,
    customer_ids: Sequence[str],
    *,
    as_of: date,
    now: datetime,
    progress: Progress = silent,
    wait_seconds: float = 0,
    checkpoint: Callable[[str], None] = lambda _step: None,
) -> Forgotten:
    """Remove people everywhere, and refuse them from now on.

    First of all their tombstones are set, so that nothing brings them back while the rest goes on. Each step can be
    repeated; stopped at any point, the same call finishes. What is open is told by
    :attr:`holdback.forgotten.Tombstones.open`, without saying whom.

    Args:
        workspace: The company.
        customer_ids: Whom, as the company's files name them.
        as_of: The day.
        now: The instant, naive UTC.
        progress: Told of each step.
        wait_seconds: How long to wait for whatever writes rows about customers.
        checkpoint: Told of each step; tests stop the process there.

    Raises:
        DataError: no id was given, or one is empty.
        Busy: a run that writes rows about customers is at work.
        OperatorError: a disk or a database refuses. Run it again.
    """
    ids = _checked(customer_ids)
    with writers_held(workspace, wait_seconds):
        _finish_what_others_began(workspace)
        known = Tombstones.read(workspace)
        new = [one for one in ids if not known.covers(one)]
        mark(workspace, new, "asked", as_of=as_of, now=now)
        remember_opt_outs(workspace, ids, as_of=as_of)
        checkpoint("asked")
        decisions = decisions_of(workspace, ids)
        days = _delivered_on(workspace, ids)
        listed = clear_outbox(workspace, ids, decisions)
        table_rows = clear_table(workspace, ids, decisions)
        checkpoint("outbox")
        rows, files = _clear_landing(workspace, set(ids), progress, checkpoint)
        checkpoint("landing")
        _clear_leftovers(workspace)
        checkpoint("leftovers")
        clear_profiles(workspace, ids)
        checkpoint("profiles")
        quarantined = clear_quarantine(workspace, ids)
        checkpoint("quarantine")
        tables = clear_tables(workspace, ids, progress)
        checkpoint("tables")
        redaction = redact(workspace, ids, now=now)
        checkpoint("ledger")
        _clear_spill(workspace)
        mark(workspace, ids, "forgotten", as_of=as_of, now=now)
        checkpoint("forgotten")
    removed = Counted(tables, redaction.rows, quarantined, rows, files, listed)
    nothing = not (tables or redaction.rows or quarantined or rows or listed or table_rows)
    return Forgotten(
        workspace.business.slug,
        len(ids),
        removed,
        table_rows,
        redaction.entry_id,
        days,
        was_done_already=nothing and not new,
    )


def welcome_back(workspace: Workspace, customer_ids: Sequence[str], *, as_of: date, now: datetime) -> int:
    """Let people who were forgotten come in again, because the company says that they came back; return how many.

    Rows that were refused meanwhile were not kept. What was erased stays erased.

    Raises:
        DataError: somebody was never forgotten, or the forgetting is not finished.
        Busy: a loader is at work.
    """
    ids = _checked(customer_ids)
    with workspace.lock("ingest"):
        known = Tombstones.read(workspace)
        for position, customer_id in enumerate(ids, 1):
            state = known.states.get(known.of(customer_id))
            if state not in ("forgotten", "returned"):
                why = "its forgetting is not finished: run `holdback customer forget` again" if state else "is unknown"
                raise DataError(f"customer {position} of {len(ids)}: was not forgotten ({why}). Nothing was changed.")
        mark(workspace, ids, "returned", as_of=as_of, now=now)
    return len(ids)


@contextmanager
def writers_held(workspace: Workspace, wait_seconds: float) -> Iterator[None]:
    """Hold the locks of everything that writes rows about customers.

    Raises:
        Busy: one of them is at work.
    """
    with ExitStack() as held:
        for name in _LOCKS:
            held.enter_context(workspace.lock(name, wait_seconds=wait_seconds))
        yield


def _checked(customer_ids: Sequence[str]) -> list[str]:
    ids = list(dict.fromkeys(customer_ids))
    if not ids or not all(one.strip() for one in ids):
        raise DataError("customer: an id is empty, or none was given. Name people as the company's files name them.")
    if any(one.startswith(PSEUDONYM) for one in ids):
        raise DataError(f"customer: an id begins with {PSEUDONYM!r}: that stands for somebody forgotten already.")
    return ids


def _finish_what_others_began(workspace: Workspace) -> None:
    """Carry out decided batches and remove copies that a killed loader left: they hold rows of persons."""
    sweep(workspace.landing.glob(".incoming-*"), workspace.folder.glob("staging-*"))
    finish_interrupted(workspace.warehouse, workspace.folder / "commits", lambda _step: None)


def _clear_landing(
    workspace: Workspace, ids: set[str], progress: Progress, checkpoint: Callable[[str], None]
) -> tuple[int, int]:
    files = list(landed_files(workspace))
    rows = touched = 0
    for position, (feed, path, shape) in enumerate(files):
        progress(f"landed file of {feed}", position, len(files))
        if _may_hold(path, ids, shape.source.csv.encoding):
            blanked = blank(path, shape, ids.__contains__)
            rows, touched = rows + blanked, touched + (blanked > 0)
            if blanked:
                checkpoint("landed file")
    return rows, touched


def _may_hold(path: Path, ids: set[str], encoding: str) -> bool:
    """False when a file surely holds none of a few ids: to read it line by line takes a thousand times as long."""
    if path.suffix == ".parquet" or len(ids) > 50 or any('"' in one for one in ids):
        return True
    try:
        sought = [one.encode(encoding.removesuffix("-sig")).removeprefix(codecs.BOM_UTF16_LE) for one in ids]
    except (UnicodeEncodeError, LookupError):
        return True
    with disk_errors(path), path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return any(content.find(one) >= 0 for one in sought)


def _delivered_on(workspace: Workspace, ids: Sequence[str]) -> tuple[date, ...]:
    found = workspace.warehouse.query(
        "select distinct as_of from ledger where kind = 'decided' and action <> 'none'"
        " and customer_id in (select customer_id from _gone) order by as_of",
        frames={"_gone": gone_frame(ids)},
    )
    return tuple(found["as_of"].to_pylist())


def _clear_leftovers(workspace: Workspace) -> None:
    """Remove what faults and killed processes left, whoever is in it: what vendors said, and parts of a scoring."""
    for path in (workspace.folder / "failures").glob("*.txt"):
        with disk_errors(path):
            path.unlink(missing_ok=True)
    parts = workspace.folder / "parts"
    if parts.is_dir():
        with disk_errors(parts):
            shutil.rmtree(parts)


def _clear_spill(workspace: Workspace) -> None:
    """Remove what killed processes left of queries that spilled to the disk; who is alive keeps his files open."""
    for place in (workspace.folder, workspace.folder / "warehouse", workspace.folder / "mirror"):
        folder = place / ".spill"
        for path in folder.glob("*") if folder.is_dir() else ():
            if path.is_file():
                path.unlink(missing_ok=True)
