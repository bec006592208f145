"""Which machine runs the night: the one whose folder holds the originals, the decided batches and the receipts.

With a company's PostgreSQL several machines have the same tables, but what was sent is known by files of one folder.
So the first night puts this folder's id into the journal, and what needs such files is refused in any other folder:
it would call every webhook again, and decide without what the first one had landed. The id is a file of the folder
itself; whoever moves or restores the folder moves the night with it.
"""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdback.errors import OperatorError
from holdback.journal import Journal, Night
from holdback.warehouse.postgres import held, schema_of

if TYPE_CHECKING:
    from holdback.workspace import Workspace

FILE: Final = "machine-id"

#: Locks of the work that leaves files here which it needs again: a whole day, landing, deciding, sending.
LOCKS: Final = ("daily", "ingest", "decide", "delivery")


@dataclass(frozen=True)
class Handed:
    """What :func:`take_over` did.

    Args:
        before: Who ran the night until now; None when nobody did.
        night: Who runs it from now on.
        missing: What the other folder has and this one lacks, as far as the tables tell.
    """

    before: Night | None
    night: Night
    missing: tuple[str, ...]


def refuse_elsewhere(journal: Journal, folder: Path, slug: str) -> None:
    """Make sure that this folder is the one that runs the night; the first that asks is.

    Raises:
        OperatorError: another one does.
    """
    found = journal.night()
    if found is None:
        found = journal.claim_night(machine_id(folder), _place(folder))
    if found.machine != machine_id(folder):
        raise OperatorError(
            f"{slug}: this folder ({_place(folder)}) does not run the night: {found.place} does, since {found.since} "
            "UTC. What was landed and what was sent is known by files there. Nothing was done. Run this there; or move "
            "the night: stop the schedules there, copy its folders landing, commits and outbox over these, and run "
            "`holdback warehouse take-over --why ...` here."
        )


def take_over(workspace: Workspace, *, without_files: bool = False) -> Handed:
    """Let this folder run the night from now on; the other one is refused from then on.

    Args:
        workspace: The company, with a PostgreSQL.
        without_files: Take it although files of the other folder are missing here. Calls that were made there are then
            made again, with the same idempotency keys.

    Raises:
        Busy: the other machine is at work.
        OperatorError: files are missing here, or there is no PostgreSQL.
    """
    slug, url = workspace.business.slug, workspace.database_url
    if url is None:
        raise OperatorError(f"{slug}: HOLDBACK_DATABASE_URL: is not set, so nobody else can run the night.")
    with ExitStack() as locks:
        for name in LOCKS:
            locks.enter_context(held(url, schema_of(slug), name))
        before, machine = workspace.journal.night(), machine_id(workspace.folder)
        is_mine = before is not None and before.machine == machine
        missing = () if is_mine or before is None else _missing(workspace)
        if missing and not without_files:
            assert before is not None
            raise OperatorError(
                f"{slug}: {before.place} ran the night, and of its files {' and '.join(missing)} "
                f"{'is' if len(missing) == 1 else 'are'} not in {workspace.folder}. Nothing was changed. Copy its "
                "folders landing, commits and outbox over these. If they are lost, say --without-files: the calls of "
                "days that are delivered again are then made again; and do not decide today if today's list had left."
            )
        night = workspace.journal.hand_over_night(before, machine, _place(workspace.folder))
    return Handed(before, night, missing)


def machine_id(folder: Path) -> str:
    """Return the id of a business' folder, which is given when it is first asked for."""
    path = folder / FILE
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{FILE}-{os.urandom(4).hex()}")
            draft.write_text(os.urandom(16).hex() + "\n", encoding="ascii")
            try:
                os.link(draft, path)  # of two processes that make it, one wins
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise OperatorError(
            f"{path}: cannot be read or written ({error.strerror}). Check permissions and free space."
        ) from error


def _place(folder: Path) -> str:
    return f"{socket.gethostname()}:{folder}"


def _missing(workspace: Workspace) -> tuple[str, ...]:
    """The newest of what the other folder must have, if it is not here."""
    newest = workspace.warehouse.query("select batch_id from batches order by sequence desc limit 1")["batch_id"]
    days = workspace.warehouse.query("select max(as_of) as day from ledger where kind = 'decided'")["day"].to_pylist()
    wanted = [workspace.landing / name for name in newest.to_pylist()]
    wanted += [workspace.outbox / day.isoformat() for day in days if day is not None]
    return tuple(str(path.relative_to(workspace.folder)) for path in wanted if not path.exists())
