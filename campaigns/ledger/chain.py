"""What a row of the ledger is made of, as bytes: the same on every machine and with every version of every library.

The content of a row is, for each column that is not null, in the order of the columns' names, ``name=length:value;``,
where ``length`` counts the bytes of ``value`` and ``value`` is

- text: UTF-8;
- integers and money: decimal digits;
- a flag: ``0`` or ``1``;
- a date: days since 1970-01-01, an instant: microseconds since 1970-01-01 00:00 UTC, in decimal digits;
- a number: the 64 bits of IEEE 754, read as a signed integer, in decimal digits.

``hash`` is SHA-256 of ``previous_hash`` (64 hexadecimal digits) followed by the content, in hexadecimal digits. A
column that is declared later is null in older rows and changes no hash.

**Who a row is about** (:data:`PERSONAL`) is not in the content of a row that has an ``identity``; the identity is:
SHA-256 of ``nonce`` (32 random hexadecimal digits, a secret of the row) followed by the content of the personal columns
alone. So a row can lose whom it names together with its nonce (:mod:`campaigns.ledger.redaction`), and its hash still
holds for everything else; and because the nonce is gone, no list of ids, however complete, tells whom the identity
stood for. Rows of an older version have no identity: their hash is over everything, and when they are redacted only
their place in the chain can be checked, and that they are as the redaction left them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from holdback.tables import TABLES, ColumnType

LEDGER = TABLES["ledger"]

#: What the first row of all carries as the hash before it.
GENESIS = "0" * 64

#: What tells of whom a row is: directly, as a hash that can be guessed, or in words.
PERSONAL = ("corrects", "customer_id", "decision_id", "entry_id", "reason", "refused", "unit_id")

_OUTSIDE = ("previous_hash", "hash", "nonce", "redacted_by")
_NONCE_BYTES = 16
_CHUNK = 100_000

#: How each column type is held.
ARROW_TYPES = {
    "text": pa.string(),
    "integer": pa.int64(),
    "money": pa.int64(),
    "number": pa.float64(),
    "flag": pa.bool_(),
    "date": pa.date32(),
    "instant": pa.timestamp("us"),
}


def contents(rows: pa.Table) -> Iterator[bytes]:
    """Yield the content of each row that its hash is made of, in order.

    Args:
        rows: Columns of the ledger in their declared types; those that are missing count as null.
    """
    return _contents(rows, rows.column_names, hides_persons="identity" in rows.column_names)


def whole_contents(rows: pa.Table) -> Iterator[bytes]:
    """Yield the content of each row with all of its columns, those that name persons too, in order."""
    return _contents(rows, rows.column_names, hides_persons=False)


def identities_of(rows: pa.Table, nonces: Iterable[str | None]) -> Iterator[str | None]:
    """Yield the identity of each row from its nonce; None for a row without one."""
    for nonce, content in zip(nonces, _contents(rows, PERSONAL, hides_persons=False), strict=True):
        yield None if nonce is None else hashlib.sha256(nonce.encode() + content).hexdigest()


def nonces(count: int) -> list[str]:
    """Return as many new secrets."""
    drawn = os.urandom(_NONCE_BYTES * count).hex()
    length = 2 * _NONCE_BYTES
    return [drawn[start : start + length] for start in range(0, length * count, length)]


def _contents(rows: pa.Table, names: Iterable[str], *, hides_persons: bool) -> Iterator[bytes]:
    wanted = set(names)
    columns = sorted((c for c in LEDGER.columns if c.name not in _OUTSIDE), key=lambda column: column.name)
    present = [column for column in columns if column.name in wanted and column.name in rows.column_names]
    for start in range(0, rows.num_rows, _CHUNK):
        part = rows.slice(start, _CHUNK)
        stands_for = pc.is_valid(part["identity"].combine_chunks()) if hides_persons else None
        pieces = []
        for column in present:
            piece = _piece(column.name, _text(part[column.name].combine_chunks(), column.type))
            if stands_for is not None and column.name in PERSONAL:
                piece = pc.if_else(stands_for, pa.scalar(b""), piece)
            pieces.append(piece)
        if pieces:
            yield from pc.binary_join_element_wise(*pieces, b"").to_pylist()
        else:
            yield from [b""] * part.num_rows


def chain(previous: str, rows: Iterable[bytes]) -> Iterator[str]:
    """Yield the hash of each row, each after the one before it.

    Examples:
        >>> next(chain(GENESIS, [b"kind=7:decided;"]))[:16]
        '96adfb891a2adb95'
    """
    for content in rows:
        previous = hashlib.sha256(previous.encode() + content).hexdigest()
        yield previous


def identities(rows: pa.Table, columns: Iterable[str]) -> list[str]:
    """Return an id for each row: SHA-256 of the content of the given columns alone."""
    chosen = rows.select([name for name in columns if name in rows.column_names])
    return [hashlib.sha256(content).hexdigest() for content in whole_contents(chosen)]


def _text(values: pa.Array, kind: ColumnType) -> pa.Array:
    if kind == "text":
        return values
    if kind == "flag":
        return values.cast(pa.int8()).cast(pa.string())
    if kind == "date":
        return values.cast(pa.int32()).cast(pa.string())
    if kind == "instant":
        return values.cast(pa.int64()).cast(pa.string())
    if kind == "number":
        return values.view(pa.int64()).cast(pa.string())
    return values.cast(pa.string())


def _piece(name: str, text: pa.Array) -> pa.Array:
    lengths = pc.binary_length(text).cast(pa.string())
    joined = pc.binary_join_element_wise(f"{name}=", lengths, ":", text, ";", "")
    return pc.fill_null(joined, "").cast(pa.binary())
