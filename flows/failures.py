"""What nobody foresaw: kept whole where only its owner reads it, and told everywhere else without a word of its own.

The message of a vendor's fault may repeat a cell of the data ("could not convert 'Ana García' to ..."). Prefect keeps
messages and tracebacks in its database and its logs, the journal keeps messages, and alerts send them on.
"""

from __future__ import annotations

import time
import traceback
from contextlib import suppress
from pathlib import Path

from holdback.errors import HoldbackError, Unforeseen

KEPT_DAYS = 30
_PASSES = (HoldbackError, ConnectionError, TimeoutError)  # said in our own words; or a network's, and may be retried


def foreseen(error: Exception, what: str, folder: Path, name: str) -> Exception:
    """Return the error itself, or what may be told of one that nobody foresaw, once it is kept.

    Args:
        error: What was raised.
        what: The work, as it is called in a message.
        folder: Keeps what was not foreseen, for 30 days; it may hold customers' data.
        name: Name of the file in it, without its suffix.
    """
    if isinstance(error, _PASSES):
        _leave_out_vendors(error)
        return error
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
    where = f" in {Path(ours[-1].filename).name}, line {ours[-1].lineno}" if ours else ""
    path = folder / f"{name}.txt"
    kept = f"The whole of it stands in {path}, which may repeat customers' data: keep it closed. "
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        let_go(folder)
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8", errors="backslashreplace")
    except OSError as fault:
        kept = f"It could not be kept ({fault.strerror}): check free space and permissions. "
    return Unforeseen(
        f"{what}: stopped by a {type(error).__name__}{where}, which nobody foresaw. {kept}Run it again: what was done "
        "before stands, and is not done twice. If it stays, ask who looks after Holdback."
    )


def _leave_out_vendors(error: BaseException) -> None:
    """Cut what a vendor said from the chain of an error of ours, for tracebacks print the chain."""
    while (cause := error.__cause__ or (None if error.__suppress_context__ else error.__context__)) is not None:
        if not isinstance(cause, HoldbackError):
            error.__cause__ = None  # and with it the context is suppressed
            return
        error = cause


def let_go(folder: Path) -> None:
    """Remove what was kept longer than :data:`KEPT_DAYS`.

    Args:
        folder: Keeps what was not foreseen.
    """
    oldest = time.time() - KEPT_DAYS * 86_400
    for path in folder.glob("*.txt"):
        with suppress(OSError):
            if path.stat().st_mtime < oldest:
                path.unlink()
