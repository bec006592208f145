"""The files that CRM people open: complete, harmless, private, and the same when written again."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import stat
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from campaigns.delivery import check_contacts, contacts, masked
from campaigns.delivery.contact_list import MANIFEST, REFUSED, csv_bytes, masked_id, write_lists
from campaigns.delivery.outbox import open_folder, write_file
from campaigns.delivery.spreadsheets import restored
from holdback.errors import OperatorError
from holdback.workspace import Workspace
from tests.campaigns.delivery.company import (
    AS_OF,
    assigned,
    customer,
    decided,
    make_workspace,
    put,
    stock,
    write_ledger,
)


def write(workspace: Workspace) -> Path:
    folder = workspace.outbox / AS_OF.isoformat()
    open_folder(folder)
    listed = check_contacts(workspace, AS_OF)
    write_lists(workspace.business, AS_OF, listed.contacts, listed.refused, folder)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def rows_of_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = make_workspace(tmp_path)
    put(workspace, "customers", customer("c-000123", city='=HYPERLINK("http://x")', age=-3.5), customer("c-000456"))
    write_ledger(
        workspace,
        *(assigned(name) for name in ("c-000123", "c-000456")),
        decided("c-000123", reason='Dijo: "me voy", y\nlargo; =1+1'),
        decided("c-000456", "mail", reason="+34 600"),
    )
    return workspace


def test_each_channel_has_its_own_file_with_only_what_it_needs(workspace: Workspace) -> None:
    folder = write(workspace)
    assert names(folder) == sorted(["email.csv", "email.parquet", "phone.csv", "phone.parquet", REFUSED, MANIFEST])
    assert "age" not in rows_of_csv(folder / "email.csv")[0]
    (row,) = rows_of_csv(folder / "phone.csv")
    assert (row["customer_id"], row["incentive_amount"], row["vip"]) == ("c-000123", "30.00", "false")
    assert row["contact_from"] == "2026-03-02T09:00:00+01:00"


def test_texts_are_neutralised_and_come_back_and_numbers_stay_numbers(workspace: Workspace) -> None:
    folder = write(workspace)
    (phone,), (email,) = rows_of_csv(folder / "phone.csv"), rows_of_csv(folder / "email.csv")
    assert phone["city"] == '\'=HYPERLINK("http://x")'
    assert restored(phone["reason"]) == 'Dijo: "me voy", y\nlargo; =1+1'
    assert float(phone["age"]) == -3.5
    assert email["reason"] == "'+34 600"


def test_the_parquet_file_holds_the_values_as_they_are(workspace: Workspace) -> None:
    folder = write(workspace)
    (row,) = pq.read_table(folder / "phone.parquet").to_pylist()
    (same,) = contacts(workspace, AS_OF).filter(pa.compute.field("channel") == "phone").to_pylist()
    assert row == same
    assert row["city"] == '=HYPERLINK("http://x")'


def test_only_the_owner_can_read_any_of_it(workspace: Workspace) -> None:
    earlier = os.umask(0)
    try:
        folder = write(workspace)
    finally:
        os.umask(earlier)
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, folder.parent)} == {0o700}


def test_a_rerun_writes_the_same_bytes(workspace: Workspace) -> None:
    before = {path.name: path.read_bytes() for path in write(workspace).iterdir()}
    assert {path.name: path.read_bytes() for path in write(workspace).iterdir()} == before


def test_the_manifest_tells_counts_and_fingerprints(workspace: Workspace) -> None:
    folder = write(workspace)
    manifest = json.loads((folder / MANIFEST).read_text())
    assert (manifest["contacts"], manifest["contacts_by_channel"]) == (2, {"email": 1, "phone": 1})
    for name, told in manifest["files"].items():
        content = (folder / name).read_bytes()
        assert told == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def test_a_day_without_contacts_says_so_with_a_header_and_no_row(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    folder = write(workspace)
    assert (folder / "phone.csv").read_text().startswith("decision_id,customer_id,contact_key,")
    assert rows_of_csv(folder / "phone.csv") == []
    assert pq.read_table(folder / "phone.parquet").num_rows == 0
    assert json.loads((folder / MANIFEST).read_text())["contacts"] == 0


def test_who_was_refused_is_kept_and_told(workspace: Workspace) -> None:
    write_ledger(workspace, assigned("c-000456", "holdout", campaign=None))
    folder = write(workspace)
    (row,) = rows_of_csv(folder / REFUSED)
    assert (row["customer_id"], row["refused_because"]) == ("c-000456", "held out of all campaigns")
    assert rows_of_csv(folder / "email.csv") == []
    manifest = json.loads((folder / MANIFEST).read_text())
    assert (manifest["refused"], manifest["refused_by_reason"]) == (1, {"held out of all campaigns": 1})


def test_the_list_of_a_channel_that_is_gone_does_not_stay(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    stock(workspace, "ana")
    folder = write(workspace)
    write_file(folder / "letter.csv", b"ana")
    write(workspace)
    assert not (folder / "letter.csv").exists()


def test_what_a_killed_run_left_half_written_is_gone_after_the_next(workspace: Workspace) -> None:
    folder = write(workspace)
    (folder / ".draft-phone.csv").write_text("half")
    assert ".draft-phone.csv" not in names(write(workspace))


def test_a_file_that_cannot_be_written_is_for_an_operator_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    (tmp_path / "phone.csv").mkdir()  # a rename cannot replace a folder: fails for root too
    with pytest.raises(OperatorError, match=r"phone\.csv: cannot be written"):
        write_file(tmp_path / "phone.csv", b"ana")
    assert names(tmp_path) == ["phone.csv"]


def test_a_terminal_shows_the_end_of_an_id_and_no_key(workspace: Workspace) -> None:
    shown = masked(contacts(workspace, AS_OF))
    assert shown["customer"].to_pylist() == ["…456", "…123"]
    text = str(shown.to_pylist())
    assert "key-" not in text
    assert "c-000" not in text
    assert "Lugo" not in text


@pytest.mark.parametrize(("name", "shown"), [("", "…"), ("c12", "…"), ("12345", "…"), ("123456", "…456")])
def test_a_short_id_is_not_shown_at_all(name: str, shown: str) -> None:
    assert masked_id(name) == shown


def test_a_list_is_quoted_as_the_standard_library_does() -> None:
    texts = ["", "a", "a b", "a,b", 'say "a"', "a\nb", "a\rb", "a;b", " a "]
    rows = pa.table({"text, quoted": texts, "other": texts[::-1]})
    wanted = io.StringIO(newline="")
    csv.writer(wanted).writerows([rows.column_names, *zip(texts, texts[::-1], strict=True)])
    assert csv_bytes(rows).decode() == wanted.getvalue()


def test_an_attribute_that_is_called_message_where_nothing_is_written_gets_all_the_care() -> None:
    rows = pa.table({"message": ["Ana; =1+1"], "other": [1]})
    assert csv_bytes(rows).decode() == "message,other\r\nAna;' =1+1,1\r\n"
    assert csv_bytes(rows, sent={"message"}).decode() == 'message,other\r\n"Ana; =1+1",1\r\n'


def test_a_list_is_plain_utf8_with_the_line_ends_of_the_standard() -> None:
    rows = pa.table({"name": ["Ñandú, “Ana”", None], "count": [-1, 2], "share": [0.5, None], "is_new": [True, None]})
    assert csv_bytes(rows).decode() == 'name,count,share,is_new\r\n"Ñandú, “Ana”",-1,0.5,true\r\n,2,,\r\n'
