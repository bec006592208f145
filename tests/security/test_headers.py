"""A file without a header begins with a customer: nothing of its first line is repeated."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from holdback.business import Business
from holdback.business.sections import CsvFormat
from holdback.errors import ContractBroken
from holdback.mapping import check_columns, shape_of
from holdback.originals import read_original
from tests.training.companies import SHOP

PERSON = "CANARYID1,2025-10-01 10:00:00,CANARY Ana García,canary@mail.example\n"


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    shape = shape_of(Business.model_validate(SHOP), "tills")
    with pytest.raises(ContractBroken) as refused:
        check_columns(shape, read_original(duckdb.connect(), path, name=path.name, csv_format=CsvFormat()))
    return str(refused.value)


def test_a_first_line_without_a_known_name_is_not_told(tmp_path: Path) -> None:
    said = refusal(tmp_path / "t.csv", (PERSON * 3).encode())
    assert "canary" not in said.lower()
    assert "column 'c' (our 'customer_id') is missing" in said
    assert "The first line has 4 columns and none of these names: is the header there?" in said


def test_a_header_with_one_known_name_is_told_with_what_is_near(tmp_path: Path) -> None:
    said = refusal(tmp_path / "t.csv", b"c,at,paids\nc1,2025-10-01,1\n")
    assert "column 'paid' (our 'amount') is missing; the nearest one there is 'paids'" in said
    assert "The file has: c, at, paids." in said


@pytest.mark.parametrize("content", [b'"CANARYID1,2025\n' + PERSON.encode(), b"CANARY\xff,1\n" + PERSON.encode()])
def test_a_first_line_that_cannot_be_read_is_not_told(tmp_path: Path, content: bytes) -> None:
    said = refusal(tmp_path / "t.csv", content)
    assert "canary" not in said.lower()
    assert "the header cannot be read" in said


def test_a_file_that_is_no_parquet_repeats_nothing_of_itself(tmp_path: Path) -> None:
    assert "canary" not in refusal(tmp_path / "t.parquet", PERSON.encode()).lower()


def test_a_file_in_another_encoding_than_agreed_is_refused_as_such(tmp_path: Path) -> None:
    """Found by fuzzing: UTF-16 without its mark stopped the run with a fault of Python's own."""
    path = tmp_path / "t.csv"
    path.write_bytes(PERSON.encode())
    with pytest.raises(ContractBroken, match="is not utf-16 text") as refused:
        read_original(duckdb.connect(), path, name="t.csv", csv_format=CsvFormat(encoding="utf-16"))
    assert "canary" not in str(refused.value).lower()


@pytest.mark.parametrize("encoding", ["zlib", "hex", "bz2", "base64", "rot13", "no-such", "a\0b"])
def test_an_encoding_that_is_none_of_texts_is_refused(encoding: str) -> None:
    with pytest.raises(ValueError, match="is not an encoding that Python knows"):
        CsvFormat(encoding=encoding)
