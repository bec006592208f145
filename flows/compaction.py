"""Tables that many small batches have made slow to read are sorted into one run, now and then."""

from __future__ import annotations

from flows.watching import tell
from holdback.workspace import Workspace

#: What is written with every batch: the table, and by what its rows are asked for.
_OF_BATCHES = {"batches": "as_of", "validations": "as_of", "profiles": "as_of", "quarantine": "batch_id"}
#: What is written once a day or so: the ledger, a few rows for the whole company, and a row for each customer of those
#: companies of which a day is small (of others each day has a folder, and is left there).
_OF_DAYS = (
    "ledger", "firings", "trigger_runs", "effects", "integrity_checks", "daily_metrics", "alerts", "alert_messages",
    "scores", "segments", "customer_values", "fit", "uplifts",
)  # fmt: skip
_MOST_FILES = 60
_FEW_FILES = 8
_FEW_FILES_OF_DAYS = 30
_SMALL_BYTES = 64_000_000
_PATIENCE_SECONDS = 60


def compact(workspace: Workspace, feeds: set[str]) -> None:
    """Sort the tables of feeds that many small batches have made slow to read, and those that tell of batches."""
    by = dict.fromkeys(feeds, "customer_id") | {"superseded": "feed"} | _OF_BATCHES
    for table in sorted(by):
        if _is_scattered(workspace, table):
            tell(f"sorting {table}", 0, 1)
            with workspace.lock("ingest", wait_seconds=_PATIENCE_SECONDS):
                workspace.warehouse.compact(table, by=by[table])


def compact_records(workspace: Workspace) -> None:
    """Put what a day writes a few rows of into one file now and then; the ledger's hashes stay what they are."""
    for table in _OF_DAYS:
        if _is_scattered(workspace, table, few=_FEW_FILES_OF_DAYS):
            tell(f"sorting {table}", 0, 1)
            with workspace.lock("ledger", wait_seconds=_PATIENCE_SECONDS):
                workspace.warehouse.compact(table, by="as_of")


def _is_scattered(workspace: Workspace, table: str, *, few: int = _FEW_FILES) -> bool:
    """True when a table lies in so many files that sorting it costs less than reading it so."""
    files = workspace.warehouse.file_count(table)
    return files > _MOST_FILES or (files > few and workspace.warehouse.size_bytes(table) < _SMALL_BYTES)
