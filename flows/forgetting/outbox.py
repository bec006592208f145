"""Contact lists and receipts without a person: what left the house stays counted, and names him no more."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from campaigns.delivery.contact_list import MANIFEST
from campaigns.delivery.outbox import write_file
from campaigns.delivery.postgres import erase, target_of
from campaigns.delivery.receipts import DEAD_LETTERS, RECEIPTS
from campaigns.delivery.spreadsheets import neutralised
from flows.forgetting.places import gone_frame
from holdback.business import CsvFormat
from holdback.originals import records_of
from holdback.workspace import Workspace

_LISTS = CsvFormat()


def decisions_of(workspace: Workspace, customer_ids: Collection[str]) -> set[str]:
    """Return the ids of the decisions about persons: hashes that receivers were given."""
    found = workspace.warehouse.query(
        "select entry_id from ledger where kind = 'decided' and customer_id in (select customer_id from _gone)",
        frames={"_gone": gone_frame(customer_ids)},
    )
    return set(found["entry_id"].to_pylist())


def listed_rows(workspace: Workspace, customer_ids: Collection[str], decisions: Collection[str]) -> Iterator[Any]:
    """Yield ``(file, row)`` for each row about persons in the outbox: of lists (once, not per format) and receipts."""
    wanted, named = _both_ways(customer_ids), set(decisions)
    for path in _files(workspace):
        relative = str(path.relative_to(workspace.outbox))
        if path.suffix == ".csv":
            header, rows = _read_csv(path)
            for row in rows:
                told = dict(zip(header, row, strict=False))
                if told.get("customer_id") in wanted or told.get("decision_id") in named:
                    yield relative, told
        elif path.name in (RECEIPTS, DEAD_LETTERS):
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                if any(decision in line for decision in named):
                    yield relative, json.loads(line)


def clear_outbox(workspace: Workspace, customer_ids: Collection[str], decisions: Collection[str]) -> int:
    """Take persons out of every list and receipt; return how many lines of lists. Hold the lock of the delivery.

    Raises:
        OperatorError: the disk refuses; each file is as it was or as it is to be.
    """
    cleared = 0
    for folder in sorted({path.parent for path in _files(workspace)}):
        for draft in folder.glob(".draft-*"):
            draft.unlink(missing_ok=True)
        changed = {}
        for path in sorted(folder.iterdir()):
            count = _clear_file(path, _both_ways(customer_ids), set(decisions))
            if count:
                changed[path.name] = count
        _mend_manifest(folder, changed)
        cleared += sum(count for name, count in changed.items() if name.endswith(".csv"))
    return cleared


def clear_table(workspace: Workspace, customer_ids: Collection[str], decisions: Collection[str]) -> int | None:
    """Take persons out of the PostgreSQL table of contacts; None when the business has none.

    Raises:
        OperatorError: the database cannot be reached or refuses. Nothing was changed there.
    """
    target = target_of(workspace.business, workspace.environment)
    return None if target is None else erase(target, workspace.business, customer_ids, decisions)


def _files(workspace: Workspace) -> Iterator[Path]:
    folders = sorted(workspace.outbox.iterdir()) if workspace.outbox.is_dir() else []
    for folder in folders:
        if folder.is_dir():
            yield from (path for path in sorted(folder.iterdir()) if path.is_file())


def _both_ways(customer_ids: Collection[str]) -> set[str]:
    """Ids as they are, and as lists write them for spreadsheets."""
    return {*customer_ids, *(neutralised(customer_id) for customer_id in customer_ids)}


def _clear_file(path: Path, wanted: set[str], decisions: set[str]) -> int:
    if path.suffix == ".csv":
        header, rows = _read_csv(path)
        kept = [row for row in rows if not _is_gone(dict(zip(header, row, strict=False)), wanted, decisions)]
        if len(kept) < len(rows):
            write_file(path, "".join(_csv_line(row) for row in [header, *kept]).encode())
        return len(rows) - len(kept)
    if path.suffix == ".parquet":
        return _clear_parquet(path, wanted, decisions)
    if path.name in (RECEIPTS, DEAD_LETTERS):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        left = [line for line in lines if not any(decision in line for decision in decisions)]
        if len(left) < len(lines):
            write_file(path, "".join(f"{line}\n" for line in left).encode())
        return len(lines) - len(left)
    return 0


def _is_gone(row: dict[str, str], wanted: set[str], decisions: set[str]) -> bool:
    return row.get("customer_id") in wanted or row.get("decision_id") in decisions


def _clear_parquet(path: Path, wanted: set[str], decisions: set[str]) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        rows = file.read()
    names = [name for name in ("customer_id", "decision_id") if name in rows.column_names]
    keys = [rows[name].to_pylist() for name in names]
    gone = [
        any(value in (wanted if name == "customer_id" else decisions) for name, value in zip(names, row, strict=True))
        for row in zip(*keys, strict=True)
    ]
    if any(gone):
        target = io.BytesIO()
        pq.write_table(rows.filter(pa.array([not one for one in gone])), target, compression="zstd")
        write_file(path, target.getvalue())
    return sum(gone)


def _read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    found = [record for record in records_of(path, _LISTS, None) if isinstance(record, list)]
    return (found[0], found[1:]) if found else ([], [])


def _csv_line(fields: list[str]) -> str:
    """One line as lists have it: RFC 4180; every field in quotes that could be one of those that always are."""
    quoted = ['"' + field.replace('"', '""') + '"' if set(field) & set(',"\r\n') else field for field in fields]
    return ",".join(quoted) + "\r\n"


def _mend_manifest(folder: Path, changed: dict[str, int]) -> None:
    """Tell of the files as they are now: after each run, so that one that was killed in between is made good."""
    path = folder / MANIFEST
    if not path.exists():
        return
    content = json.loads(path.read_text(encoding="utf-8"))
    files = {}
    for name in content.get("files", {}):
        data = (folder / name).read_bytes() if (folder / name).exists() else b""
        files[name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    if files != content.get("files"):
        content["files"] = files
        gone = sum(count for name, count in changed.items() if name.endswith(".csv"))
        content["forgotten_since"] = content.get("forgotten_since", 0) + gone
        write_file(path, (json.dumps(content, indent=2) + "\n").encode())
