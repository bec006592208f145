"""Any bytes are a CSV file: every line is read or kept as it came, and none is lost."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.security.fuzz import Target, fuzz


def target() -> Target:
    """Read the bytes as a file; the first of them chooses how it is written."""
    import duckdb

    from holdback.business.sections import CsvFormat
    from holdback.errors import ContractBroken
    from holdback.originals import RELATION, read_original

    file = Path(tempfile.mkdtemp(prefix="holdback-fuzz-")) / "offered.csv"
    formats = (CsvFormat(), CsvFormat(delimiter=";", decimal=","), CsvFormat(quote=""), CsvFormat(encoding="latin-1"),
               CsvFormat(encoding="utf-16"))  # fmt: skip
    connection = duckdb.connect()

    def one(data: bytes) -> None:
        file.write_bytes(data[1:])
        csv_format = formats[data[0] % len(formats) if data else 0]
        connection.execute(f"drop table if exists {RELATION}")
        try:
            original = read_original(connection, file, name="offered.csv", csv_format=csv_format)
        except ContractBroken as refused:
            told = str(refused)
            assert told.startswith("offered.csv")
            return
        rows = connection.execute(f"select row_number, is_parsed, line from {RELATION} order by row_number").fetchall()
        assert [number for number, _, _ in rows] == list(range(1, original.row_count + 1)), "a row was lost"
        assert all((line is None) == is_parsed for _, is_parsed, line in rows), "a bad line was not kept"

    return one


if __name__ == "__main__":
    fuzz(target)
