from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from holdback.business import CsvFormat
from holdback.errors import ContractBroken
from holdback.originals import _read_exactly, _scan, read_original


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 2}) as connection:
        yield connection


def read(connection: duckdb.DuckDBPyConnection, path: Path, content: bytes, **csv: object) -> list[tuple[object, ...]]:
    path.write_bytes(content)
    read_original(connection, path, name=path.name, csv_format=CsvFormat.model_validate(csv))
    return connection.sql("select * exclude (is_parsed) from _original order by row_number").fetchall()


def test_a_plain_file_is_read_as_texts(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    assert read(connection, tmp_path / "f.csv", b"a,b\n1,x\n2,\n") == [(1, None, "1", "x"), (2, None, "2", "")]


@pytest.mark.parametrize(
    "content",
    [b"a,b\n1,x\n", b"a,b\r\n1,x\r\n", b"a,b\n1,x", b"\xef\xbb\xbfa,b\n1,x\n", b"\n\na,b\n1,x\n\n\n", b"a,b\n1,x\r\n"],
    ids=["lf", "crlf", "no newline at the end", "byte order mark", "blank lines", "mixed line ends"],
)
def test_line_ends_and_blank_lines_are_no_matter(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, content: bytes
) -> None:
    assert read(connection, tmp_path / "f.csv", content) == [(1, None, "1", "x")]


@pytest.mark.parametrize(
    ("bad", "kept"),
    [
        (b"2", "2"),
        (b"2,x,y", "2,x,y"),
        (b'2,"x', '2,"x'),
        (b'2,"x"y', '2,"x"y'),
        (b"2,caf\xe9", "2,caf\\xe9"),
        (b"\xff\xfe\x00", "\\xff\\xfe\x00"),
    ],
    ids=["too few", "too many", "never closed", "text after a quote", "latin-1 byte", "binary"],
)
def test_a_line_that_cannot_be_split_is_kept_verbatim_and_costs_nothing_else(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, bad: bytes, kept: str
) -> None:
    rows = read(connection, tmp_path / "f.csv", b"a,b\n1,x\n" + bad + b"\n3,z\n")
    assert rows == [(1, None, "1", "x"), (2, kept, None, None), (3, None, "3", "z")]


def test_a_quoted_text_may_hold_delimiters_quotes_and_line_breaks(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rows = read(connection, tmp_path / "f.csv", b'a,b\n1,"x, ""y""\nz"\n2,w\n')
    assert rows == [(1, None, "1", 'x, "y"\nz'), (2, None, "2", "w")]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "cp037"])
def test_any_declared_encoding_is_read(connection: duckdb.DuckDBPyConnection, tmp_path: Path, encoding: str) -> None:
    content = "a;b\n1;Málaga\n2;Übermut\n".encode(encoding)
    rows = read(connection, tmp_path / "f.csv", content, delimiter=";", encoding=encoding)
    assert rows == [(1, None, "1", "Málaga"), (2, None, "2", "Übermut")]


def test_bytes_that_another_encoding_cannot_decode_are_kept_as_numbers(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    content = "a;b\n1;é\n".encode("utf-16-le") + b"\x32\x00\x3b\x00\x00\xd8\x0a\x00"  # a lone high surrogate
    rows = read(connection, tmp_path / "f.csv", content, delimiter=";", encoding="utf-16-le")
    assert rows[0] == (1, None, "1", "é")
    assert len(rows) == 2
    assert "\\x00\\xd8" in str(rows[1][1])


def test_a_file_without_quotes_keeps_them_as_characters(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    assert read(connection, tmp_path / "f.csv", b'a|b\n1|6" pipe\n', delimiter="|", quote="") == [
        (1, None, "1", '6" pipe')
    ]


def test_both_readers_agree_on_every_plain_file(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    texts = ["x", "", " x ", "a 'b'", '"q"', '"a,b"', '"he said ""no"""', '""', "ñ", "1e5", "NULL", "\\n", 'x"y']
    path = tmp_path / "f.csv"
    path.write_text("a,b\n" + "".join(f"{t},{u}\n" for t in texts for u in texts), encoding="utf-8")
    assert _scan(connection, path, ("a", "b"), CsvFormat())
    fast = connection.sql("from _original order by row_number").fetchall()
    connection.execute("drop table _original")
    _read_exactly(connection, path, ("a", "b"), CsvFormat())
    assert fast == connection.sql("from _original order by row_number").fetchall()
    assert len(fast) == len(texts) ** 2


@pytest.mark.parametrize(
    "content", [b'a,b\n1, "x"\n', b'a,b\n"x" ,1\n', b'a,b\n"x\ny",1\n', b"a,b\n1\n", b"a,b\n\n1,x\n", b"a,b\r1,x\r"]
)
def test_what_the_two_readers_could_read_differently_is_left_to_the_exact_one(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(content)
    assert not _scan(connection, path, ("a", "b"), CsvFormat())


def test_parquet_is_read_as_the_texts_of_its_values(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    pq.write_table(pa.table({"n": [1, None], "x": [0.1, 1e22], "t": ["a", ""], "f": [True, False]}), path)
    original = read_original(connection, path, name="f.parquet", csv_format=CsvFormat())
    assert original.typed == {0, 1, 3}
    assert connection.sql("select * exclude (is_parsed, line) from _original").fetchall() == [
        (1, "1", "0.1", "a", "true"),
        (2, None, "1e+22", "", "false"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("f.csv", b"", r"f\.csv: is empty \(0 bytes\)"),
        ("f.csv", b"\n\n", "holds no line but blank ones"),
        ("f.csv", b"a,b\n", "has a header but no row"),
        ("f.csv", b"a,\xe9\n1,2\n", "the header cannot be read as utf-8"),
        ("f.parquet", b"not parquet at all", "is not a readable Parquet file"),
    ],
)
def test_a_file_that_is_no_table_is_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    with pytest.raises(ContractBroken, match=message):
        read(connection, tmp_path / name, content)


def test_an_unclosed_quote_in_a_long_file_is_given_up_soon(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    content = b'a,b\n1,"x\n' + b"".join(b"%d,y\n" % i for i in range(2, 5001))
    rows = read(connection, tmp_path / "f.csv", content)
    assert len(rows) == 5000
    assert [row[1] for row in rows if row[1] is not None] == ['1,"x']
