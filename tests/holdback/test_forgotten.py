"""Who is forgotten does not come in again, whatever file brings him; and a landed file loses his rows, no other."""

from __future__ import annotations

import stat
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdback.blanking import blank, count_rows_of, rows_of_person
from holdback.business import CsvFormat
from holdback.errors import OperatorError
from holdback.forgotten import PLACEHOLDER, Tombstones, mark
from holdback.ingest import ingest
from holdback.mapping import Shape, shape_of
from holdback.originals import records_of
from holdback.quarantine import balance, show_rows
from holdback.workspace import Workspace
from tests.holdback.shop import AS_OF, HEADER, make_workspace, order, stored, write_csv

NOW = datetime(2026, 3, 2, 9, 0)
MARKED = "c-MARKED-1"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path)


def forget(workspace: Workspace, *ids: str) -> None:
    mark(workspace, ids, "forgotten", as_of=AS_OF, now=NOW)


def everything(folder: Path) -> str:
    """All that lies under a folder, as text; Parquet as its values."""
    told = []
    for path in folder.rglob("*"):
        if path.is_file():
            told.append(path.read_bytes().decode("latin-1"))
            if path.suffix == ".parquet":
                told.append(str(pq.ParquetFile(path).read().to_pylist()))
    return "\n".join(told)


def test_a_tombstone_says_nobody_s_name_and_its_key_is_the_owner_s_alone(workspace: Workspace) -> None:
    forget(workspace, MARKED)
    known = Tombstones.read(workspace)
    assert known.covers(MARKED)
    assert not known.covers("c-MARKED-2")
    key = workspace.folder / "keys" / "tombstones.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert MARKED not in everything(workspace.folder)
    assert known.key not in repr(known)


def test_who_returns_may_come_in_again_and_be_forgotten_again(workspace: Workspace) -> None:
    for state, is_refused in (("asked", True), ("forgotten", True), ("returned", False), ("asked", True)):
        known = mark(workspace, [MARKED], state, as_of=AS_OF, now=NOW)  # type: ignore[arg-type]
        assert known.covers(MARKED) == is_refused
        assert Tombstones.read(workspace).states == known.states
    assert workspace.warehouse.query("select count(*) as n from forgotten")["n"][0].as_py() == 4


def test_without_the_key_nothing_comes_in(workspace: Workspace, tmp_path: Path) -> None:
    forget(workspace, MARKED)
    write_csv(tmp_path / "orders" / "a.csv", [order(1)])
    (workspace.folder / "keys" / "tombstones.key").unlink()
    with pytest.raises(OperatorError, match="it cannot be told who must not come back"):
        ingest(workspace, AS_OF)
    (workspace.folder / "keys" / "tombstones.key").write_text("0" * 64)
    with pytest.raises(OperatorError, match="or is another one"):
        ingest(workspace, AS_OF)


def test_his_rows_of_a_later_file_are_refused_and_kept_nowhere(workspace: Workspace, tmp_path: Path) -> None:
    forget(workspace, MARKED)
    rows = [order(1), order(2, customer=MARKED), order(3), [MARKED, "broken"], ["", "x", MARKED, "o9", "book"]]
    write_csv(tmp_path / "orders" / "a.csv", rows)
    result = ingest(workspace, AS_OF)
    assert (result.offered, result.clean, result.quarantined) == (5, 2, 3)
    assert result.reasons["customer_is_not_forgotten"] == 3
    assert stored(workspace, "order_id, row_number") == [("o1", 1), ("o3", 3)]
    assert balance(workspace).is_even
    assert all(MARKED not in str(row.raw) for row in show_rows(workspace))
    assert MARKED not in everything(workspace.folder)
    again = ingest(workspace, AS_OF)
    assert again.is_unchanged


def test_a_file_without_him_is_read_as_ever(workspace: Workspace, tmp_path: Path) -> None:
    forget(workspace, MARKED)
    path = write_csv(tmp_path / "orders" / "a.csv", [order(1), order(2, amount="what?")])
    result = ingest(workspace, AS_OF)
    assert result.reasons == {"amount_is_money": 1}
    landed = next(p for p in workspace.landing.rglob("a.csv"))
    assert landed.read_bytes() == path.read_bytes()


def test_a_parquet_file_too(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, source="orders/*.parquet")
    forget(workspace, "17")
    (tmp_path / "orders").mkdir()
    table = pa.table(
        {
            "customer": [16, 17, 18],
            "at": pa.array([datetime(2026, 3, 1, 10)] * 3, pa.timestamp("us")),
            "amount": [1.5, 2.5, 3.5],
            "order": ["a", "b", "c"],
            "kind": ["x", "secret words", "z"],
        }
    )
    pq.write_table(table, tmp_path / "orders" / "a.parquet")
    result = ingest(workspace, AS_OF)
    assert result.reasons["customer_is_not_forgotten"] == 1
    assert stored(workspace, "customer_id, amount_cents") == [("16", 150), ("18", 350)]
    assert "secret words" not in everything(workspace.folder)


def test_a_history_of_a_day_is_refused_on_later_days(workspace: Workspace, tmp_path: Path) -> None:
    write_csv(tmp_path / "orders" / "a.csv", [order(1, customer=MARKED)])
    ingest(workspace, AS_OF)
    assert stored(workspace, "customer_id") == [(MARKED,)]
    forget(workspace, MARKED)
    write_csv(tmp_path / "orders" / "b.csv", [order(2, customer=MARKED), order(3)])
    result = ingest(workspace, AS_OF + timedelta(days=1))
    assert result.reasons["customer_is_not_forgotten"] == 1


# ------------------------------------------------------------------------------------------------ landed files


def shape(tmp_path: Path, **csv: Any) -> Shape:
    workspace = make_workspace(tmp_path, **({"csv": csv} if csv else {}))
    return shape_of(workspace.business, "orders")


def landed(tmp_path: Path, content: bytes, name: str = "a.csv") -> Path:
    path = tmp_path / "landing" / "batch" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_the_other_rows_keep_their_number_and_every_value(tmp_path: Path) -> None:
    content = (
        b'customer,at,amount,order,kind\r\nc1,2026,"1,5",o1,"two\r\nlines"\r\nc2,2026,2,o2,"says ""hi"""\r\n'
        b'not a row\r\n\r\nc3,2026,3,o3,"a, b"\r\n"c2",2026,4,o4,last'
    )
    path, its = landed(tmp_path, content), shape(tmp_path)
    before = list(records_of(path, CsvFormat(), None))
    assert count_rows_of(path, its, {"c2"}.__contains__) == 2
    assert [row["order"] for row in rows_of_person(path, its, "c2") if isinstance(row, dict)] == ["o2", "o4"]
    assert blank(path, its, {"c2"}.__contains__) == 2
    after = list(records_of(path, CsvFormat(), None))
    gone = [PLACEHOLDER, "", "", "", ""]
    assert after == [gone if record[0] == "c2" else record for record in before]
    assert b"says" not in path.read_bytes()
    assert blank(path, its, {"c2"}.__contains__) == 0
    assert list(path.parent.parent.iterdir()) == [path.parent]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_bytes_and_encodings_stay(tmp_path: Path, encoding: str) -> None:
    text = "customer,at,amount,order,kind\nñ1,x,1,o1,café\nñ2,x,1,o2,té\n"
    path, its = landed(tmp_path, text.encode(encoding)), shape(tmp_path, encoding=encoding)
    assert blank(path, its, {"ñ2"}.__contains__) == 1
    assert path.read_bytes() == text.replace("ñ2,x,1,o2,té", f"{PLACEHOLDER},,,,").encode(encoding)


def test_bytes_that_cannot_be_decoded_stay_as_they_were(tmp_path: Path) -> None:
    path = landed(tmp_path, b"customer,at,amount,order,kind\nc1,x,1,o1,\xff\xfe\nc2,x,1,o2,y\n")
    assert blank(path, shape(tmp_path), {"c2"}.__contains__) == 1
    assert b"\nc1,x,1,o1,\xff\xfe\n" in path.read_bytes()


_CELL = st.text(st.characters(codec="utf-8", exclude_characters="\x00\ufeff"), max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["c1", "c2", "c3"]), _CELL, _CELL), min_size=1, max_size=8),
    st.lists(st.sampled_from(['"', ",", "x,y", 'a"b', "'", "c9 c2 c9"]), max_size=3),
)
def test_whatever_stands_in_a_file_only_his_rows_go(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], odd: list[str]
) -> None:
    tmp_path = tmp_path_factory.mktemp("fuzz")
    quoted = [",".join('"' + cell.replace('"', '""') + '"' for cell in (*row, "o", "k")) for row in rows]
    path = landed(tmp_path, "\n".join([",".join(HEADER), *quoted, *odd]).encode())
    before = list(records_of(path, CsvFormat(), len(HEADER)))
    blank(path, shape(tmp_path), {"c2"}.__contains__)
    after = list(records_of(path, CsvFormat(), len(HEADER)))
    assert len(after) == len(before)
    for old, new in zip(before, after, strict=True):
        if isinstance(old, list) and old[0] != "c2":
            assert new == old
        if isinstance(old, list) and old[0] == "c2":
            assert new == [PLACEHOLDER, "", "", "", ""]
