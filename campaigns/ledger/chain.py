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
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from holdback.tables import TABLES, ColumnType

LEDGER = TABLES["ledger"]

#: What the first row of all carries as the hash before it.
GENESIS = "0" * 64

_OUTSIDE = ("previous_hash", "hash")
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
    """Yield the content of each row, in order.

    Args:
        rows: Columns of the ledger in their declared types; those that are missing count as null.
    """
    columns = sorted((c for c in LEDGER.columns if c.name not in _OUTSIDE), key=lambda column: column.name)
    present = [column for column in columns if column.name in rows.column_names]
    for start in range(0, rows.num_rows, _CHUNK):
        part = rows.slice(start, _CHUNK)
        pieces = [_piece(column.name, _text(part[column.name].combine_chunks(), column.type)) for column in present]
        yield from pc.binary_join_element_wise(*pieces, b"").to_pylist()


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
    return [hashlib.sha256(content).hexdigest() for content in contents(chosen)]


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
