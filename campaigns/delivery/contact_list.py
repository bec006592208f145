"""The contact list as files: CSV for people and CRM tools, Parquet for machines, and a manifest that closes the day.

``<outbox>/<as_of>/<channel>.csv`` and ``.parquet`` exist for every channel of the business' actions: a file with a
header and no row says "nobody today", a day without ``manifest.json`` was not (or not wholly) delivered.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Collection, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from campaigns.contact_columns import CONTACT_COLUMNS, attribute_columns, message_columns
from campaigns.delivery.outbox import outbox_errors, write_file
from campaigns.delivery.spreadsheets import neutralised, neutralised_start
from holdback.business import Business

MANIFEST = "manifest.json"
REFUSED = "_refused.csv"  # no channel begins with an underscore
WITHHELD = "_withheld.csv"

_SENT = {"subject", "message"}
_QUOTED = re.compile('[,"\r\n]')
_SHOWN = 3
_MASKED_COLUMNS = ("campaign", "action", "channel", "incentive_amount", "reason", "contact_from", "contact_until")


def channels_of(business: Business, contacts: pa.Table) -> tuple[str, ...]:
    """Return the channels that have a file: those of the business' actions, and of the contacts."""
    return tuple(sorted({action.channel for action in business.actions} | set(contacts["channel"].to_pylist())))


def list_of(business: Business, contacts: pa.Table, channel: str) -> pa.Table:
    """Return the rows of one channel with only the columns that this channel needs."""
    rows = contacts.filter(pc.equal(contacts["channel"], channel))
    written = message_columns(business, channel)
    return rows.select([*CONTACT_COLUMNS, *written, *attribute_columns(business, channel)])


def write_lists(
    business: Business,
    as_of: date,
    contacts: pa.Table,
    refused: pa.Table,
    folder: Path,
    *,
    withheld: pa.Table | None = None,
) -> list[Path]:
    """Write a day's files; the same contacts make the same bytes. The manifest comes last.

    Args:
        business: The company.
        as_of: The day.
        contacts: As :func:`campaigns.delivery.contacts.check_contacts` lets them through.
        refused: What it refused, with its reason; kept beside the lists.
        folder: The day's folder in the outbox, open and locked.
        withheld: Decisions whose message lacks something, with its name; None for a business without messages, whose
            files say nothing of them.

    Returns:
        The lists, the manifest last.

    Raises:
        OperatorError: the disk is full or refuses. No file is half-written, and the manifest still tells of the files
            that it was written for.
    """
    files: dict[str, bytes] = {}
    counts: dict[str, int] = {}
    for channel in channels_of(business, contacts):
        rows = list_of(business, contacts, channel)
        counts[channel] = rows.num_rows
        files[f"{channel}.csv"] = csv_bytes(rows, sent=_SENT & set(message_columns(business, channel)))
        files[f"{channel}.parquet"] = _parquet_bytes(rows)
    files[REFUSED] = csv_bytes(refused)
    if withheld is not None:
        files[WITHHELD] = csv_bytes(withheld)
    for name, content in files.items():
        write_file(folder / name, content)
    _remove_others(folder, files)
    write_file(folder / MANIFEST, _manifest(business, as_of, counts, refused, withheld, files))
    return [folder / name for name in (*files, MANIFEST)]


def kept_paths(folder: Path) -> list[Path]:
    """Return the files that a day was delivered with, the manifest last: the lists of a day that is over stay.

    Somebody worked with them as they are; who opts out later is refused by the calls and the table, and by tomorrow's
    lists.
    """
    return [*sorted(path for path in folder.iterdir() if path.suffix in (".csv", ".parquet")), folder / MANIFEST]


def csv_bytes(rows: pa.Table, *, sent: Collection[str] = ()) -> bytes:
    """Write rows as CSV: UTF-8 without a mark, a header, CRLF line ends, null as nothing (RFC 4180).

    Texts are made harmless for spreadsheets (:func:`~campaigns.delivery.spreadsheets.neutralised`); numbers, flags and
    instants are written as such: an instant with its offset, ``2026-11-22T09:00:00+01:00``.

    Args:
        rows: What to write.
        sent: Columns with texts that are sent as they stand. They are always in quotes and made harmless at their start
            alone: an apostrophe after one of their line ends or semicolons would reach the customer.
    """
    lines = [",".join(_quoted(name) for name in rows.column_names)]
    for row in rows.to_pylist():
        lines.append(",".join(_sent(v) if name in sent else _quoted(_cell(v)) for name, v in row.items()))
    return "".join(f"{line}\r\n" for line in lines).encode()


def masked(contacts: pa.Table) -> pa.Table:
    """Return what may be shown on a terminal: the end of each customer's id, no contact key, no attribute.

    Examples:
        ``c-0001234`` is shown as ``…234``; an id that is hardly longer than that is not shown at all.
    """
    shortened = [masked_id(customer) for customer in contacts["customer_id"].to_pylist()]
    columns = [contacts[name] for name in _MASKED_COLUMNS]
    return pa.table([pa.array(shortened, pa.string()), *columns], names=["customer", *_MASKED_COLUMNS])


def masked_id(customer_id: str) -> str:
    """Return the last three characters of an id, or none of a short one.

    Examples:
        >>> masked_id("c-0001234"), masked_id("c12")
        ('…234', '…')
    """
    return f"…{customer_id[-_SHOWN:]}" if len(customer_id) >= 2 * _SHOWN else "…"


def _sent(text: str | None) -> str:
    return "" if text is None else _quoted(neutralised_start(text), always=True)


def _quoted(text: str, *, always: bool = False) -> str:
    if not always and not _QUOTED.search(text):
        return text
    return '"' + text.replace('"', '""') + '"'


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return neutralised(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, Decimal):
        return f"{value:f}"
    return repr(value)


def _parquet_bytes(rows: pa.Table) -> bytes:
    target = io.BytesIO()
    pq.write_table(rows, target, compression="zstd")
    return target.getvalue()


def counts_of(rows: pa.Table, column: str) -> dict[str, int]:
    """Count rows by what stands in one of their columns, in order."""
    found = rows[column].to_pylist()
    return {value: found.count(value) for value in sorted(set(found))}


def _manifest(
    business: Business,
    as_of: date,
    counts: Mapping[str, int],
    refused: pa.Table,
    withheld: pa.Table | None,
    files: Mapping[str, bytes],
) -> bytes:
    lacking: dict[str, Any] = {}
    if withheld is not None:
        lacking = {"withheld": withheld.num_rows, "withheld_by_field": counts_of(withheld, "missing_field")}
    content = {
        "business": business.slug,
        "as_of": as_of.isoformat(),
        "currency": business.currency,
        "time_zone": business.time_zone,
        "contacts": sum(counts.values()),
        "contacts_by_channel": dict(counts),
        "refused": refused.num_rows,
        "refused_by_reason": counts_of(refused, "refused_because"),
        **lacking,
        "files": {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for name, content in sorted(files.items())
        },
    }
    return (json.dumps(content, indent=2) + "\n").encode()


def _remove_others(folder: Path, files: Mapping[str, bytes]) -> None:
    """Remove lists of channels that are no longer there: a rerun leaves no contact behind that is not in it."""
    for pattern in ("*.csv", "*.parquet"):
        for path in folder.glob(pattern):
            if path.name not in files:
                with outbox_errors(path):
                    path.unlink(missing_ok=True)
