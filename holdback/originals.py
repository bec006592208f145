"""Read an original (CSV or Parquet) into one relation of texts, without losing a line.

Whatever the file is, the result is a DuckDB table ``_original`` with one row per offered row: ``row_number`` (1 is the
first data row), ``is_parsed``, ``line`` (the line as it came, when it could not be split) and the source's columns
``source_1``, ``source_2``, ... as text. Types are the mapping's business: a bad value costs one row and not the file.

A well-formed UTF-8 file is read by DuckDB in one scan. Everything else (another encoding, a line that does not fit, a
line break inside quotes, mixed line ends) goes through our own reader, which is slower and exact: it keeps what it
cannot split verbatim, byte by byte, and lets one bad line cost nothing but itself.
"""

from __future__ import annotations

import codecs
import csv
import io
import mmap
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from holdback.business import CsvFormat
from holdback.errors import ContractBroken, OperatorError
from holdback.sql import literal

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

RELATION = "_original"

#: An opened quote is given up after this many lines: then the first of them is the bad one, and reading goes on.
_LINES_IN_A_ROW = 200
_ROWS_AT_ONCE = 50_000
_UNUSED_NULL = "\x01\x02"
_BAD_BYTE = 0xDC00
#: How packed files begin; no header of a CSV file and no Parquet file does.
_ARCHIVES = {
    b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"BZh91AY": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd",
}  # fmt: skip


@dataclass(frozen=True)
class Original:
    """What a file holds before anything is judged.

    Args:
        name: The file's name, for messages.
        columns: The source's column names, in order; the n-th is stored as ``source_n``.
        row_count: Data rows offered, unreadable ones included.
        typed: Positions of columns whose text was written from a typed value (Parquet), not by the company.
    """

    name: str
    columns: tuple[str, ...]
    row_count: int
    typed: frozenset[int] = frozenset()


def source_column(position: int) -> str:
    """Return the name under which the source's column at ``position`` (from 0) is stored.

    Examples:
        >>> source_column(0)
        'source_1'
    """
    return f"source_{position + 1}"


def read_original(connection: duckdb.DuckDBPyConnection, path: Path, *, name: str, csv_format: CsvFormat) -> Original:
    """Fill the table ``_original`` from a landed file.

    Raises:
        ContractBroken: the file is empty, has no header or no row, or is not the kind of file its name says.
        OperatorError: the file cannot be read from the disk.
    """
    try:
        if path.stat().st_size == 0:
            raise ContractBroken(f"{name}: is empty (0 bytes). Send the file again. Nothing was written.")
        _refuse_archives(path, name)
        if path.suffix == ".parquet":
            columns, typed = _read_parquet(connection, path, name)
        else:
            typed = frozenset()
            columns = _read_csv(connection, path, name, csv_format)
    except UnicodeError as error:  # of the whole file, such as UTF-16 without its mark; bad bytes cost a line alone
        raise ContractBroken(
            f"{name}: is not {csv_format.encoding} text. Check csv.encoding. Nothing was written."
        ) from error
    except OSError as error:
        raise OperatorError(
            f"{path}: cannot be read ({error.strerror}). Check the disk and its permissions."
        ) from error
    row_count = int(connection.sql(f"select count(*) from {RELATION}").fetchall()[0][0])
    if row_count == 0:
        raise ContractBroken(f"{name}: has a header but no row. Send the file again. Nothing was written.")
    return Original(name, columns, row_count, typed)


def _refuse_archives(path: Path, name: str) -> None:
    """Say of a packed file that it is one: its bytes would only look like a header in another encoding."""
    with path.open("rb") as file:
        start = file.read(8)
    for mark, kind in _ARCHIVES.items():
        if start.startswith(mark):
            raise ContractBroken(
                f"{name}: is packed ({kind}). Unpack it where it comes from, so that a cut archive is noticed there,"
                " and send the file itself. Nothing was written."
            )


def read_lines(lines: list[str], csv_format: CsvFormat) -> list[list[str] | None]:
    """Split single lines as the format says; None stands for a line that cannot be split."""
    return [_split(line, csv_format) for line in lines]


def _read_parquet(
    connection: duckdb.DuckDBPyConnection, path: Path, name: str
) -> tuple[tuple[str, ...], frozenset[int]]:
    """Read typed columns as the text that denotes exactly the same value, so that they share the CSV's mapping."""
    import duckdb

    listed = "'" + str(path).replace("'", "''") + "'"
    try:
        source = connection.sql(f"select * from read_parquet({listed})")
        columns = tuple(source.columns)
        typed = frozenset(i for i, kind in enumerate(source.types) if str(kind) != "VARCHAR")
        texts = [
            f'cast("{column.replace(chr(34), chr(34) * 2)}" as varchar) as {source_column(i)}'
            for i, column in enumerate(columns)
        ]
        connection.execute(
            f"create temp table {RELATION} as select file_row_number + 1 as row_number, true as is_parsed,"
            f" cast(null as varchar) as line, {', '.join(texts)} from read_parquet({listed}, file_row_number = true)"
        )
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        raise ContractBroken(
            f"{name}: is not a readable Parquet file ({str(error).splitlines()[0]}). Send it again."
            " Nothing was written."
        ) from error
    return columns, typed


def _read_csv(connection: duckdb.DuckDBPyConnection, path: Path, name: str, csv_format: CsvFormat) -> tuple[str, ...]:
    records = records_of(path, csv_format, None)
    try:
        header = next(records)
    except StopIteration:
        raise ContractBroken(f"{name}: holds no line but blank ones. Send it again. Nothing was written.") from None
    if isinstance(header, str):
        raise ContractBroken(
            f"{name}: the header cannot be read as {csv_format.encoding} text with delimiter {csv_format.delimiter!r}"
            ". Check csv.encoding and csv.delimiter, and that the header is there. Nothing was written."
        )
    columns = tuple(header)
    if not (_is_utf8(csv_format) and _scan(connection, path, columns, csv_format)):
        _read_exactly(connection, path, columns, csv_format)
    return columns


def _scan(connection: duckdb.DuckDBPyConnection, path: Path, columns: tuple[str, ...], csv_format: CsvFormat) -> bool:
    """Let DuckDB read the file; False when it did not account for every line, whatever the reason."""
    import duckdb

    expected = _plain_row_count(path, csv_format)
    if expected is None:
        return False
    types = ", ".join(f"'{source_column(i)}': 'varchar'" for i in range(len(columns)))
    try:
        connection.execute(
            f"create temp table {RELATION} as select row_number() over () as row_number, true as is_parsed,"
            f" cast(null as varchar) as line, * from read_csv({literal(str(path))}, columns = {{{types}}},"
            f" auto_detect = false, header = true, delim = {literal(csv_format.delimiter)},"
            f" quote = {literal(csv_format.quote)}, escape = {literal(csv_format.quote)},"
            f" nullstr = {literal(_UNUSED_NULL)}, strict_mode = true, store_rejects = true)"
        )
        counts = connection.sql(
            f"select (select count(*) from {RELATION}), (select count(*) from reject_errors)"
        ).fetchall()
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error:
        counts = []
    for rejects in ("reject_errors", "reject_scans"):
        connection.execute(f"drop table if exists {rejects}")
    if counts == [(expected, 0)]:
        return True
    connection.execute(f"drop table if exists {RELATION}")
    return False


def _plain_row_count(path: Path, csv_format: CsvFormat) -> int | None:
    """Count the data rows of a file whose every line is one row; None when the file is not that plain."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if csv_format.quote:
            # DuckDB drops blanks around a quoted value, our reader keeps them: such files have one reader only.
            quote, comma = (re.escape(c.encode()) for c in (csv_format.quote, csv_format.delimiter))
            opened, closed = (
                rb"(?:" + comma + rb"|\n) +" + quote + rb"(?![\r\n" + comma + rb"])",
                quote + rb" +" + comma,
            )
            if re.search(opened + rb"|" + closed, content):
                return None
        newlines = returns = 0
        for start in range(0, len(content), 1 << 20):
            chunk = content[start : start + (1 << 20)]
            newlines += chunk.count(b"\n")
            returns += chunk.count(b"\r")
        if returns not in (0, newlines):
            return None
        return newlines - (content[-1:] == b"\n")


def _read_exactly(
    connection: duckdb.DuckDBPyConnection, path: Path, columns: tuple[str, ...], csv_format: CsvFormat
) -> None:
    import pyarrow as pa

    records = records_of(path, csv_format, len(columns))
    next(records)
    names = ["row_number", "is_parsed", "line", *(source_column(i) for i in range(len(columns)))]
    types = [pa.int64(), pa.bool_(), *([pa.string()] * (len(columns) + 1))]
    schema = pa.schema(list(zip(names, types, strict=True)))
    batches = _record_batches(records, len(columns), schema)
    reader = pa.RecordBatchReader.from_batches(schema, batches)
    connection.register("_exact_rows", reader)
    connection.execute(f"create temp table {RELATION} as select * from _exact_rows")
    connection.unregister("_exact_rows")


def _record_batches(records: Iterator[list[str] | str], width: int, schema: Any) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    nothing = [None] * width
    number = 0
    while True:
        rows: list[tuple[Any, ...]] = []
        for record in records:
            number += 1
            if isinstance(record, str):
                rows.append((number, False, _verbatim(record), *nothing))
            else:
                rows.append((number, True, None, *record))
            if len(rows) == _ROWS_AT_ONCE:
                break
        if not rows:
            return
        arrays = [pa.array(values, type=t) for values, t in zip(zip(*rows, strict=True), schema.types, strict=True)]
        yield pa.record_batch(arrays, schema=schema)


def records_of(path: Path, csv_format: CsvFormat, width: int | None) -> Iterator[list[str] | str]:
    """Yield each record as its fields, or as its line when it has not ``width`` fields or holds undecodable bytes.

    Blank lines are no records. A quote that is never closed costs the line in which it was opened.
    """
    with path.open("rb") as file:
        text = io.TextIOWrapper(file, encoding=python_encoding(csv_format), errors=_ERRORS, newline="")
        waiting: deque[str] = deque()
        while True:
            line = waiting.popleft() if waiting else text.readline()
            if not line:
                return
            if not line.strip("\r\n"):
                continue
            taken = [line]
            fields = _split(line, csv_format)
            while fields is None and _is_open(taken, csv_format) and len(taken) < _LINES_IN_A_ROW:
                further = waiting.popleft() if waiting else text.readline()
                if not further:
                    break
                taken.append(further)
                fields = _split("".join(taken), csv_format)
            if fields is None or (width is not None and len(fields) != width):
                waiting.extendleft(reversed(taken[1:]))
                yield taken[0].rstrip("\r\n")
            else:
                yield fields


def _split(line: str, csv_format: CsvFormat) -> list[str] | None:
    """Return the fields of one record; None when it is malformed, not complete, or holds undecodable bytes."""
    if _UNDECODABLE.search(line):
        return None
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if csv_format.quote else csv.QUOTE_NONE
    reader = csv.reader(
        [line], delimiter=csv_format.delimiter, quotechar=csv_format.quote or None, quoting=quoting, strict=True
    )
    try:
        fields = next(reader, None)
        return fields if next(reader, None) is None else None
    except csv.Error:
        return None


def _is_open(lines: list[str], csv_format: CsvFormat) -> bool:
    """True when the record may go on in the next line: an odd number of quotes so far, and nothing undecodable."""
    quotes = sum(line.count(csv_format.quote) for line in lines) if csv_format.quote else 0
    return quotes % 2 == 1 and not any(_UNDECODABLE.search(line) for line in lines)


def _is_utf8(csv_format: CsvFormat) -> bool:
    return codecs.lookup(csv_format.encoding).name in ("utf-8", "utf-8-sig", "ascii")


def python_encoding(csv_format: CsvFormat) -> str:
    """Return the encoding to read with: a byte order mark is no part of the first column's name, declared or not."""
    return "utf-8-sig" if codecs.lookup(csv_format.encoding).name == "utf-8" else csv_format.encoding


def _keep_bad_bytes(error: UnicodeError) -> tuple[str, int]:
    """Stand one lone surrogate for each byte that cannot be decoded, in any encoding, so that none is lost."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(_BAD_BYTE + byte) for byte in error.object[error.start : error.end]), error.end


def _verbatim(line: str) -> str:
    r"""Write undecodable bytes as ``\xNN``, everything else as it is."""
    return _UNDECODABLE.sub(lambda found: f"\\x{ord(found[0]) - _BAD_BYTE:02x}", line)


_ERRORS = "holdback-keep-bad-bytes"
_UNDECODABLE = re.compile("[\udc00-\udcff]")
codecs.register_error(_ERRORS, _keep_bad_bytes)
