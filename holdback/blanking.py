"""Take a person's rows out of a landed file, so that every other row keeps its number and its values.

A row of somebody forgotten becomes a row of the same width that holds nothing but a placeholder in the place of the
customer's id. Row numbers are what quarantine and releases name rows by, so no row is removed.

Whose a row is, says its key. A line that cannot be split, and a row whose key is empty, is his if an id stands in it
between separators: of what cannot be read, too much is taken rather than too little.
"""

from __future__ import annotations

import codecs
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdback.business import CsvFormat
from holdback.forgotten import PLACEHOLDER, Tombstones, tokens
from holdback.mapping import Shape
from holdback.originals import RELATION, Original, python_encoding, read_original, records_of, source_column
from holdback.sources import disk_errors, sync_folder

if TYPE_CHECKING:
    import duckdb

#: Says whether an id is one of those who must go.
Goes = Callable[[str], bool]

_ERRORS = "holdback-put-bad-bytes-back"
_BAD_BYTE = 0xDC00


def read_admitted(
    connection: duckdb.DuckDBPyConnection, path: Path, shape: Shape, *, name: str, tombstones: Tombstones
) -> Original:
    """Fill the table ``_original`` from a landed file, after the rows of people who are forgotten were blanked in it.

    Nothing of them is read on: the landed copy, the quarantine and the tables see the placeholder.

    Raises:
        ContractBroken: as :func:`holdback.originals.read_original`.
        OperatorError: the file cannot be read or written.
    """
    original = read_original(connection, path, name=name, csv_format=shape.source.csv)
    if not tombstones.refused or not _holds_refused(connection, shape, original, tombstones):
        return original
    blank(path, shape, tombstones.covers)
    connection.execute(f"drop table {RELATION}")
    return read_original(connection, path, name=name, csv_format=shape.source.csv)


def blank(path: Path, shape: Shape, goes: Goes) -> int:
    """Blank the rows of people in a landed file, all or none; return how many.

    Args:
        path: The file; its folder holds nothing else.
        shape: How the feed is mapped.
        goes: Says whose rows go.

    Raises:
        OperatorError: the disk refuses; the file is as it was.
    """
    work = path.parent.parent
    with disk_errors(path):
        folder = Path(tempfile.mkdtemp(prefix=".incoming-", dir=work))
        draft = folder / path.name
        try:
            blanked = (_blank_parquet if path.suffix == ".parquet" else _blank_csv)(path, draft, shape, goes)
            if blanked:
                draft.chmod(path.stat().st_mode & 0o777)
                draft.replace(path)
                sync_folder(path.parent)
        finally:
            draft.unlink(missing_ok=True)
            folder.rmdir()
    return blanked


def count_rows_of(path: Path, shape: Shape, goes: Goes) -> int:
    """Return how many rows of a landed file :func:`blank` would blank."""
    if path.suffix == ".parquet":
        return sum(sum(flags) for _, flags in _parquet_groups(path, shape, goes))
    found = _csv_records(path, shape.source.csv)
    header = next(found, None)
    key = _key_position(shape, header) if isinstance(header, list) else None
    return sum(_is_of(record, key, shape.source.csv, goes) for record in found)


def rows_of_person(path: Path, shape: Shape, customer_id: str) -> Iterator[dict[str, str] | str]:
    """Yield the rows of one person in a landed file as they came: by column, or the line that could not be split."""
    if path.suffix == ".parquet":
        for rows, flags in _parquet_groups(path, shape, customer_id.__eq__):
            for row, is_his in zip(rows.to_pylist(), flags, strict=True):
                if is_his:
                    yield {name: str(value) for name, value in row.items() if value is not None}
        return
    found = _csv_records(path, shape.source.csv)
    header = next(found, None)
    key = _key_position(shape, header) if isinstance(header, list) else None
    for record in found:
        if _is_of(record, key, shape.source.csv, customer_id.__eq__):
            is_whole = isinstance(record, list) and isinstance(header, list)
            yield dict(zip(header, record, strict=True)) if is_whole else str(record)  # type: ignore[arg-type]


def _holds_refused(
    connection: duckdb.DuckDBPyConnection, shape: Shape, original: Original, tombstones: Tombstones
) -> bool:
    position = _key_position(shape, original.columns)
    fields = ", ".join(source_column(i) for i in range(len(original.columns)))
    unclear = "true"
    if position is not None:
        key = f"trim({source_column(position)})"
        listed = ", ".join(f"'{tombstone}'" for tombstone in sorted(tombstones.refused))
        found = connection.sql(
            f"select count(*) from {RELATION} where is_parsed and {tombstones.sql_of(key)} in ({listed})"
        ).fetchall()
        if found[0][0]:
            return True
        unclear = f"not is_parsed or coalesce({key}, '') = ''"
    rows = connection.sql(
        f"select coalesce(line, concat_ws(chr(10), {fields})) from {RELATION} where {unclear}"
    ).fetchall()
    return any(tombstones.covers(token) for (line,) in rows for token in tokens(line or ""))


def _key_position(shape: Shape, header: Sequence[str]) -> int | None:
    """Where the customer's id stands; None when the file has no such column."""
    origin = next((field.origin for field in shape.fields if field.column.name == "customer_id"), None)
    return list(header).index(origin) if isinstance(origin, str) and list(header).count(origin) == 1 else None


def _is_of(record: list[str] | str, key: int | None, csv_format: CsvFormat, goes: Goes) -> bool:
    if isinstance(record, str):
        return any(goes(token) for token in tokens(record))
    if key is not None:
        told = record[key]
        if told.strip() and told not in csv_format.nulls:
            return goes(told) or goes(told.strip())
    return any(goes(field.strip()) or any(goes(token) for token in tokens(field)) for field in record)


def _csv_records(path: Path, csv_format: CsvFormat) -> Iterator[list[str] | str]:
    """Yield the header and every row, as :mod:`holdback.originals` counts them."""
    header = next(records_of(path, csv_format, None), None)
    if header is None:
        return
    yield from records_of(path, csv_format, len(header) if isinstance(header, list) else None)


def _blank_csv(path: Path, draft: Path, shape: Shape, goes: Goes) -> int:
    """Write a file's rows anew; a line that cannot be split goes too if it would be read otherwise than before."""
    csv_format = shape.source.csv
    blanked = _write_csv(path, draft, shape, goes)
    if blanked and any(
        old is None or new is None or (new != old and not _is_placeholder(new))
        for old, new in zip_longest(_csv_records(path, csv_format), _csv_records(draft, csv_format))
    ):
        return _write_csv(path, draft, shape, goes, without_lines=True)
    return blanked


def _write_csv(path: Path, draft: Path, shape: Shape, goes: Goes, *, without_lines: bool = False) -> int:
    csv_format = shape.source.csv
    found = _csv_records(path, csv_format)
    header = next(found, None)
    if not isinstance(header, list):
        return 0
    key = _key_position(shape, header)
    place = 0 if key is None else key
    placeholder = [PLACEHOLDER if i == place else "" for i in range(len(header))]
    encoding = python_encoding(csv_format)
    with path.open("rb") as file:
        start = file.read(1 << 16)
        end = "\r\n" if b"\r" in start.split(b"\n")[0] else "\n"
        if encoding == "utf-8-sig" and not start.startswith(codecs.BOM_UTF8):
            encoding = "utf-8"
    blanked = 0
    with draft.open("wb") as file:
        text = io.TextIOWrapper(file, encoding=encoding, errors=_ERRORS, newline="")
        text.write(_line(header, csv_format) + end)
        for record in found:
            if _is_of(record, key, csv_format, goes) or (without_lines and isinstance(record, str)):
                blanked += 1
                record = placeholder
            text.write((record if isinstance(record, str) else _line(record, csv_format)) + end)
        text.flush()
        os.fsync(file.fileno())
        text.detach()
    return blanked


def _line(fields: Sequence[str], csv_format: CsvFormat) -> str:
    """Write a row so that it is read as it was: in quotes where a field needs them."""
    quote = csv_format.quote
    if not quote:
        return csv_format.delimiter.join(fields)
    special = {csv_format.delimiter, quote, "\r", "\n"}
    written = [
        f"{quote}{field.replace(quote, quote * 2)}{quote}" if special & set(field) or field != field.strip() else field
        for field in fields
    ]
    return csv_format.delimiter.join(written) if len(fields) > 1 or written[0] else quote * 2


def _is_placeholder(record: list[str] | str) -> bool:
    return isinstance(record, list) and record.count("") == len(record) - 1 and PLACEHOLDER in record


def _parquet_groups(path: Path, shape: Shape, goes: Goes) -> Iterator[tuple[Any, list[bool]]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        key = _key_position(shape, file.schema_arrow.names)
        for number in range(file.num_row_groups):
            rows = file.read_row_group(number)
            if key is None:
                texts = [" ".join(map(str, row.values())) for row in rows.to_pylist()]
                yield rows, [any(goes(token) for token in tokens(text)) for text in texts]
                continue
            ids = [None if value is None else str(value) for value in rows.column(key).to_pylist()]
            yield rows, [told is not None and (goes(told) or goes(told.strip())) for told in ids]


def _blank_parquet(path: Path, draft: Path, shape: Shape, goes: Goes) -> int:
    """Write a file's rows anew; the column of ids becomes text, in which the placeholder has a place."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        stored, key = file.schema_arrow, _key_position(shape, file.schema_arrow.names)
    fields = [
        pa.field(field.name, pa.string() if i == key else field.type, nullable=True) for i, field in enumerate(stored)
    ]
    schema, blanked = pa.schema(fields), 0
    with pq.ParquetWriter(draft, schema) as writer:
        for rows, flags in _parquet_groups(path, shape, goes):
            mask = pa.array(flags, pa.bool_())
            columns = []
            for i, field in enumerate(schema):
                column = rows.column(i)
                if i == key:
                    texts = pa.array([None if v is None else str(v) for v in column.to_pylist()], pa.string())
                    columns.append(pc.if_else(mask, pa.scalar(PLACEHOLDER), texts))
                else:
                    kept = column.combine_chunks()
                    columns.append(pc.if_else(mask, pa.nulls(len(kept), field.type), kept))
            writer.write_table(pa.table(columns, schema=schema))
            blanked += sum(flags)
    with draft.open("rb") as written:
        os.fsync(written.fileno())
    return blanked


def _put_bytes_back(error: UnicodeError) -> tuple[bytes, int]:
    """Write a byte that could not be decoded as it was."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    told = error.object[error.start : error.end]
    return bytes(ord(c) - _BAD_BYTE if _BAD_BYTE <= ord(c) < _BAD_BYTE + 256 else ord("?") for c in told), error.end


codecs.register_error(_ERRORS, _put_bytes_back)
