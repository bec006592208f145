"""The ledger only grows, records each fact once, and tells when somebody touched it."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import re
import shutil
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.ledger import (
    assignments,
    correct,
    counts_by_day,
    decisions,
    entries,
    newest_day,
    record,
    verify,
)
from campaigns.ledger.chain import GENESIS, PERSONAL, chain, contents
from holdback.errors import DataError, OperatorError
from holdback.journal import LedgerHead
from holdback.tables import TABLES
from holdback.workspace import Workspace
from tests.campaigns.killed_recorder import FIRST, ROWS, decided, record_beside, record_days, sent
from tests.holdback.shop import make_workspace

SECOND = FIRST + timedelta(days=1)
THIRD = FIRST + timedelta(days=2)
LEDGER = TABLES["ledger"]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path)


def naive_content(row: dict[str, Any]) -> bytes:
    """The content of a row, written a second time from its description, value by value."""
    content = b""
    outside = {"previous_hash", "hash", "nonce", "redacted_by", *(PERSONAL if row.get("identity") else ())}
    for name in sorted(name for name in LEDGER.column_names if name not in outside):
        value = row.get(name)
        if value is None:
            continue
        if isinstance(value, bool):
            text = str(int(value))
        elif isinstance(value, datetime):
            text = str((value - datetime(1970, 1, 1)) // timedelta(microseconds=1))
        elif isinstance(value, date):
            text = str((value - date(1970, 1, 1)).days)
        elif isinstance(value, float):
            text = str(struct.unpack(">q", struct.pack(">d", value))[0])
        else:
            text = str(value)
        content += f"{name}={len(text.encode())}:{text};".encode()
    return content


GOLDEN_ROW = {
    "as_of": date(2026, 3, 2), "sequence": 1, "kind": "decided", "entry_id": "e1", "customer_id": "ñ;1:=", "version": 3,
    "propensity": 0.1, "is_exploration": False, "action": "", "cost_cents": -1250,
    "happened_at": datetime(2026, 3, 1, 23, 59, 59, 999999),
}  # fmt: skip
#: printf '%064d' 0 followed by the content below, through sha256sum (coreutils 9.1).
GOLDEN_CONTENT = (
    "action=0:;as_of=5:20514;cost_cents=5:-1250;customer_id=6:ñ;1:=;entry_id=2:e1;"
    "happened_at=16:1772409599999999;is_exploration=1:0;kind=7:decided;propensity=19:4591870180066957722;"
    "sequence=1:1;version=1:3;"
).encode()
GOLDEN_HASH = "dd3b9762492e46183ececa7050e3e7beb589cabb3c84762a7a9c07e5e7a12c79"


def test_the_bytes_of_a_row_and_their_hash_stay_what_they_are() -> None:
    types = {"as_of": pa.date32(), "happened_at": pa.timestamp("us")}
    row = pa.table({name: pa.array([value], types.get(name)) for name, value in GOLDEN_ROW.items()})
    assert list(contents(row)) == [GOLDEN_CONTENT] == [naive_content(GOLDEN_ROW)]
    assert list(chain(GENESIS, contents(row))) == [GOLDEN_HASH]
    assert hashlib.sha256(b"0" * 64 + GOLDEN_CONTENT).hexdigest() == GOLDEN_HASH


@settings(max_examples=60, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "customer_id": st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
            "reason": st.text("=:;0123a", max_size=6),
            "version": st.integers(-(2**63), 2**63 - 1),
            "probability": st.floats(allow_nan=False, allow_infinity=False),
            "is_exploration": st.booleans(),
            "happened_at": st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),
        },
    )
)
def test_any_row_has_the_bytes_of_its_description(row: dict[str, Any]) -> None:
    types = {"happened_at": pa.timestamp("us"), "probability": pa.float64(), "customer_id": pa.string()}
    if row:
        table = pa.table({name: pa.array([value], types.get(name)) for name, value in row.items()})
        assert list(contents(table)) == [naive_content(row)]


def test_the_chain_runs_through_batches_and_days(workspace: Workspace) -> None:
    record_days(workspace, 3)
    rows = entries(workspace.warehouse).to_pylist()
    before, day, position = GENESIS, None, 0
    for row in rows:
        position = position + 1 if row["as_of"] == day else 1
        day = row["as_of"]
        assert (row["sequence"], row["previous_hash"]) == (position, before)
        assert row["hash"] == hashlib.sha256(before.encode() + naive_content(row)).hexdigest()
        before = row["hash"]
    found = verify(workspace)
    assert (found.rows, found.days, found.head, found.fault, found.unconfirmed) == (180, 3, before, None, 0)
    assert str(found).startswith("whole: 180 rows of 3 days")
    assert workspace.journal.ledger_heads()[-1] == LedgerHead(THIRD, 60, before)


def test_a_batch_is_recorded_once(workspace: Workspace) -> None:
    assert record(workspace, FIRST, decided(FIRST), batch="decide/1")
    version = workspace.warehouse.version("ledger")
    assert not record(workspace, FIRST, decided(FIRST), batch="decide/1")
    record(workspace, SECOND, decided(SECOND), batch="decide/2")
    assert not record(workspace, FIRST, decided(FIRST), batch="decide/1")  # a rerun of an old day is no new day
    assert workspace.warehouse.version("ledger") == (version or 0) + 1
    assert not record(workspace, SECOND, decided(SECOND).slice(0, 0), batch="decide/1")


def test_a_batch_without_rows_is_remembered(workspace: Workspace) -> None:
    assert record(workspace, FIRST, decided(FIRST, 0), batch="decide/1")
    assert not record(workspace, FIRST, decided(FIRST), batch="decide/1")
    assert newest_day(workspace.warehouse) is None
    assert verify(workspace).is_whole


def test_ids_are_the_same_in_another_house_and_differ_by_what_they_are_about(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = make_workspace(tmp_path_factory.mktemp("other"))
    record(workspace, FIRST, decided(FIRST), batch="a")
    record(other, FIRST, decided(FIRST, ROWS, action=["letter"] * ROWS, reason=[None] * ROWS), batch="b")
    ids = [entries(w.warehouse)["entry_id"].to_pylist() for w in (workspace, other)]
    assert ids[0] == ids[1]
    record(workspace, SECOND, decided(SECOND), batch="c")
    assert len(set(entries(workspace.warehouse)["entry_id"].to_pylist())) == 2 * ROWS


def test_an_id_that_is_given_is_kept(workspace: Workspace) -> None:
    rows = sent(FIRST, 2).append_column("entry_id", pa.array(["event-1", None]))
    record(workspace, FIRST, rows, batch="a")
    found = entries(workspace.warehouse)["entry_id"].to_pylist()
    assert found[0] == "event-1"
    assert len(found[1]) == 64


def test_a_day_before_the_newest_is_refused(workspace: Workspace) -> None:
    record(workspace, SECOND, decided(SECOND), batch="a")
    with pytest.raises(DataError, match=r"2026-03-03 stands in it already\. Days are only added at the end"):
        record(workspace, FIRST, decided(FIRST), batch="b")
    assert newest_day(workspace.warehouse) == SECOND


def test_a_fact_is_recorded_once(workspace: Workspace) -> None:
    record(workspace, FIRST, decided(FIRST, 3), batch="a")
    with pytest.raises(DataError, match="was recorded on 2026-03-02 by another batch"):
        record(workspace, FIRST, decided(FIRST, 5), batch="b")
    with pytest.raises(DataError, match="two rows record the same: decided, campaign loyalty, customer c1"):
        record(workspace, SECOND, decided(SECOND, 2, customer_id=["c1", "c1"]), batch="c")
    record(workspace, FIRST, sent(FIRST), batch="d")
    with pytest.raises(DataError, match=r"sent .* was recorded on 2026-03-02"):
        record(workspace, SECOND, sent(FIRST), batch="e")
    assert verify(workspace).rows == 3 + ROWS // 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": ["thought"]}, "kind: must be .* \\(got 'thought'\\)"),
        ({"kind": [None]}, "a row has no kind"),
        ({"colour": ["red"]}, "column 'colour' cannot be recorded"),
        ({"hash": ["0"]}, "column 'hash' cannot be recorded"),
        ({"propensity": [float("nan")]}, "propensity: must be a number"),
        ({"propensity": [1.5]}, "propensity: must be at most 1"),
        ({"group": ["control"]}, "group: must be"),
        ({"version": ["one"]}, "version: .* It must be of type integer"),
        ({"as_of": [SECOND]}, "rows of another day than 2026-03-02"),
    ],
)
def test_rows_that_the_table_does_not_allow_are_refused(
    workspace: Workspace, changes: dict[str, Any], message: str
) -> None:
    rows = decided(FIRST, 1)
    columns = {name: rows[name] for name in rows.column_names} | {k: pa.array(v) for k, v in changes.items()}
    with pytest.raises(DataError, match=message):
        record(workspace, FIRST, pa.table(columns), batch="a")
    assert workspace.warehouse.version("ledger") is None


def test_a_correction_is_a_new_row_that_names_the_old_one(workspace: Workspace) -> None:
    record(workspace, FIRST, decided(FIRST), batch="a")
    old = entries(workspace.warehouse, customer_id="c3").to_pylist()[0]
    assert correct(workspace, SECOND, old["entry_id"], reason="the wrong list", changes={"action": "none"})
    assert not correct(workspace, SECOND, old["entry_id"], reason="the wrong list", changes={"action": "none"})
    new = entries(workspace.warehouse, kind="corrected").to_pylist()
    assert len(new) == 1
    assert (new[0]["corrects"], new[0]["action"], new[0]["campaign"]) == (old["entry_id"], "none", "loyalty")
    assert entries(workspace.warehouse, customer_id="c3").to_pylist()[0] == old
    assert decisions(workspace.warehouse, FIRST).num_rows == ROWS - 1
    with pytest.raises(DataError, match="no row has the id 'nothing'"):
        correct(workspace, SECOND, "nothing", reason="x")
    with pytest.raises(DataError, match="column 'hash' cannot be corrected"):
        correct(workspace, SECOND, old["entry_id"], reason="x", changes={"hash": "y"})
    assert verify(workspace).is_whole


def test_small_questions_are_answered_in_order(workspace: Workspace) -> None:
    assert newest_day(workspace.warehouse) is None
    assert counts_by_day(workspace.warehouse, FIRST) == ()
    record_days(workspace, 2)
    rows = decided(SECOND, 3, kind=["assigned"] * 3)
    record(workspace, SECOND, rows, batch="more")
    assert newest_day(workspace.warehouse) == SECOND
    counted = counts_by_day(workspace.warehouse, THIRD, days=1)
    assert [(day.as_of, day.counts) for day in counted] == [
        (SECOND, {"decided": ROWS, "sent": ROWS // 2, "assigned": 3})
    ]
    assert entries(workspace.warehouse, since=SECOND, kind="sent")["sequence"].to_pylist() == list(range(41, 61))
    assert entries(workspace.warehouse, until=FIRST).num_rows == 60
    assert entries(workspace.warehouse, campaign="o'clock").num_rows == 0
    found = assignments(workspace.warehouse, campaign="loyalty", version=1, until=SECOND)
    assert found["customer_id"].to_pylist() == ["c0", "c1", "c2"]
    assert assignments(workspace.warehouse, campaign=None, version=1).num_rows == 0


# ---------------------------------------------------------------------------------------------------- tampering


def files_of(workspace: Workspace, day: date) -> list[Path]:
    paths = sorted((workspace.warehouse.root / "ledger").rglob("*.parquet"))
    return [path for path in paths if f"{day}" in f"{path}" or day in pq.ParquetFile(path).read()["as_of"].to_pylist()]


def rewrite(path: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    """Change the rows of a file behind the table's back."""
    table = pq.ParquetFile(path).read()
    pq.write_table(pa.Table.from_pylist(change(table.to_pylist()), schema=table.schema), path)


def with_changed(rows: list[dict[str, Any]], column: str, value: Any) -> list[dict[str, Any]]:
    return [{**row, column: value} if number == 7 else row for number, row in enumerate(rows)]


def swapped_positions(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows 4 and 5 change places, each with its hashes."""
    rows[3]["sequence"], rows[4]["sequence"] = rows[4]["sequence"], rows[3]["sequence"]
    return rows


def chained_anew(rows: list[dict[str, Any]], day: date) -> list[dict[str, Any]]:
    """A forger who knows how: row 8 changes, and every later hash of the file is computed again."""
    before = rows[0]["previous_hash"]
    for row in with_changed(rows, "group", "holdout"):
        content = naive_content({**row, "as_of": day})
        rows[row["sequence"] - 1] = {
            **row, "previous_hash": before, "hash": hashlib.sha256(before.encode() + content).hexdigest(),
        }  # fmt: skip
        before = rows[row["sequence"] - 1]["hash"]
    return rows


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda rows: with_changed(rows, "action", "letter"), "row 8 of 2026-03-03 was changed"),
        (lambda rows: with_changed(rows, "gain_cents", None), "row 8 of 2026-03-03 was changed"),
        (lambda rows: with_changed(rows, "propensity", 0.8000000000000002), "row 8 of 2026-03-03 was changed"),
        (lambda rows: with_changed(rows, "hash", "0" * 64), "row 8 of 2026-03-03 was changed"),
        (lambda rows: rows[:4] + rows[5:], "row 5 of 2026-03-03 is missing: row 6 comes next"),
        (lambda rows: rows[1:], "row 1 of 2026-03-03 is missing"),
        (lambda rows: [*rows[:5], rows[4], *rows[5:]], "row 5 of 2026-03-03 stands twice"),
        (lambda rows: [*rows, {**rows[4], "sequence": None}], "were added|stands twice|has 61 rows"),
        (swapped_positions, "row 4 of 2026-03-03 was changed"),
        (lambda rows: chained_anew(rows, SECOND), "row 41 of 2026-03-03 does not follow the row before it"),
    ],
)
def test_a_row_that_was_touched_is_found(workspace: Workspace, change: Any, fault: str) -> None:
    record_days(workspace, 3)
    path = next(p for p in files_of(workspace, SECOND) if pq.ParquetFile(p).metadata.num_rows == ROWS)
    rewrite(path, lambda rows: rows)
    assert verify(workspace).is_whole  # the order of rows in a file, and the file itself, mean nothing
    rewrite(path, lambda rows: rows[::-1])
    assert verify(workspace).is_whole
    rewrite(path, lambda rows: change(sorted(rows, key=lambda row: row["sequence"])))
    found = verify(workspace)
    assert not found.is_whole
    assert re.search(fault, found.fault or ""), found.fault
    assert str(found).startswith("BROKEN")


def drop_last_commit(workspace: Workspace) -> None:
    log = workspace.warehouse.root / "ledger" / "_delta_log"
    sorted(log.glob("*.json"))[-1].unlink()


def test_a_tail_that_was_cut_off_is_found_and_nothing_is_built_on_it(workspace: Workspace) -> None:
    record_days(workspace, 2)
    drop_last_commit(workspace)
    found = verify(workspace)
    assert found.fault == "the tail of 2026-03-03 is cut off: rows 41 to 60, which the journal saw, are gone."
    with pytest.raises(OperatorError, match=r"2026-03-03 had 60 rows .* Run `holdback ledger verify`"):
        record(workspace, THIRD, decided(THIRD), batch="c")


def test_a_last_day_that_was_dropped_is_found(workspace: Workspace) -> None:
    record_days(workspace, 3)
    drop_last_commit(workspace)
    drop_last_commit(workspace)
    assert "the tail is cut off: 2026-03-04 is missing" in (verify(workspace).fault or "")


def test_a_ledger_that_was_removed_is_found(workspace: Workspace) -> None:
    record_days(workspace, 1)
    shutil.rmtree(workspace.warehouse.root / "ledger")
    assert not verify(workspace).is_whole
    with pytest.raises(OperatorError, match="does not any more"):
        record(workspace, SECOND, decided(SECOND), batch="a")


def test_a_day_that_was_dropped_is_found(workspace: Workspace) -> None:
    record_days(workspace, 3)
    log = workspace.warehouse.root / "ledger" / "_delta_log"
    dropped = [path.name for path in files_of(workspace, SECOND)]
    for commit in sorted(log.glob("*.json")):
        lines = [line for line in commit.read_text().splitlines() if not any(name in line for name in dropped)]
        commit.write_text("\n".join(lines) + "\n")
    assert verify(workspace).fault == "2026-03-03 is missing with all of its 60 rows."


def test_a_file_that_was_deleted_is_found(workspace: Workspace) -> None:
    record_days(workspace, 2)
    files_of(workspace, FIRST)[0].unlink()
    assert "cannot be read" in (verify(workspace).fault or "")


def test_a_tail_that_was_written_anew_is_found_by_the_journal(workspace: Workspace, tmp_path: Path) -> None:
    record(workspace, FIRST, decided(FIRST), batch="a")
    shutil.rmtree(workspace.warehouse.root / "ledger")
    (tmp_path / "elsewhere").mkdir()
    forged = make_workspace(tmp_path / "elsewhere")
    record(forged, FIRST, decided(FIRST, action=["call"] * ROWS), batch="a")
    shutil.copytree(forged.warehouse.root / "ledger", workspace.warehouse.root / "ledger")
    assert "row 40 of 2026-03-02 is not the one that the journal saw" in (verify(workspace).fault or "")


def test_sorting_the_files_changes_nothing(workspace: Workspace) -> None:
    record_days(workspace, 3)
    head = verify(workspace).head
    workspace.warehouse.compact("ledger", by="as_of")
    assert verify(workspace).head == head
    assert not record(workspace, THIRD, decided(THIRD), batch=f"decide/{THIRD}")


def test_a_crash_between_the_rows_and_the_journal_is_healed_by_the_next_record(workspace: Workspace) -> None:
    record_days(workspace, 2)
    heads = workspace.journal.ledger_heads()
    _set_heads(
        workspace, heads[:-1]
    )  # as if killed after the first commit of the second day, and again after the other
    found = verify(workspace)
    assert (found.fault, found.unconfirmed) == (None, 60)
    assert "60 rows wait to be confirmed" in str(found)
    assert not record(workspace, SECOND, decided(SECOND), batch=f"decide/{SECOND}")
    assert workspace.journal.ledger_heads() == heads
    assert verify(workspace).unconfirmed == 0


def _set_heads(workspace: Workspace, heads: list[LedgerHead]) -> None:
    journal = workspace.journal
    journal._execute("delete from ledger_heads")
    for head in heads:
        journal.move_ledger_head(head)


def test_a_head_of_the_journal_never_goes_back(workspace: Workspace) -> None:
    for rows, name in ((3, "c"), (2, "b"), (3, "x")):
        workspace.journal.move_ledger_head(LedgerHead(FIRST, rows, name))
    assert workspace.journal.ledger_heads() == [LedgerHead(FIRST, 3, "c")]


# --------------------------------------------------------------------------------------- several processes, crashes


def test_two_processes_record_one_after_the_other(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    workspace = make_workspace(tmp_path)
    processes = [context.Process(target=record_beside, args=(str(tmp_path), name, barrier)) for name in ("one", "two")]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    found = verify(workspace)
    assert (found.rows, found.fault) == (85, None)
    assert entries(workspace.warehouse)["sequence"].to_pylist() == list(range(1, 86))


@pytest.mark.slow
def test_a_recorder_that_is_killed_again_and_again_ends_in_the_ledger_of_an_undisturbed_twin(
    tmp_path: Path, project_root: Path
) -> None:
    """Killed at moments spread over the writing, begun again from day one: at last all that is not drawn is alike."""
    days = 6
    for name in ("twin", "killed"):
        (tmp_path / name).mkdir()
    twin, killed = make_workspace(tmp_path / "twin"), make_workspace(tmp_path / "killed")
    record_days(twin, days)
    started = time.monotonic()
    kills, command = 0, [sys.executable, "-m", "tests.campaigns.killed_recorder", str(tmp_path / "killed"), str(days)]
    for attempt in range(60):
        process = subprocess.Popen(command, cwd=project_root, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(1 + 2 * attempt // 3):
            process.stdout.readline()
        threading.Event().wait(0.003 * (attempt * 7 % 23))  # somewhere within the next batch
        is_over = process.poll() is not None
        process.kill()
        process.communicate()
        kills += not is_over
        seen = verify(killed)
        assert seen.fault is None, seen
        assert seen.rows % 20 == 0
        if is_over or 1 + 2 * attempt // 3 > 2 * days or time.monotonic() - started > 150:
            break
    assert kills >= 8
    record_days(killed, days)
    drawn = ["nonce", "identity", "previous_hash", "hash"]
    assert entries(killed.warehouse).drop_columns(drawn).equals(entries(twin.warehouse).drop_columns(drawn))
    heads = [[(head.as_of, head.row_count) for head in each.journal.ledger_heads()] for each in (killed, twin)]
    assert heads[0] == heads[1]
    assert verify(killed).fault is None


def test_json_of_a_row_is_kept_as_text(workspace: Workspace) -> None:
    record(workspace, FIRST, decided(FIRST, 1), batch="a")
    assert json.loads(entries(workspace.warehouse)["detail"][0].as_py()) == {"day": "2026-03-02"}
