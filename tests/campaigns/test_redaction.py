"""Who is forgotten is named by no row of the ledger any more, the chain holds, and nothing else may pass for that."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from campaigns.ledger import record, redact, verify
from campaigns.ledger.chain import PERSONAL, identities_of
from holdback.errors import OperatorError
from holdback.journal import LedgerHead
from holdback.warehouse import Lake
from holdback.workspace import Workspace
from tests.campaigns.killed_recorder import FIRST, decided, record_days, sent
from tests.holdback.shop import make_workspace

NOW = datetime(2026, 3, 4, 8, 0)
SECOND = FIRST + timedelta(days=1)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = make_workspace(tmp_path)
    record_days(workspace, 2)
    return workspace


def rows_of(workspace: Workspace, where: str = "true") -> list[dict[str, Any]]:
    found = workspace.warehouse.query(f"select * from ledger where {where} order by as_of, sequence")
    return list(found.to_pylist())


def touch(workspace: Workspace, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change rows behind the table's back."""
    for path in (workspace.warehouse.root / "ledger").glob("*.parquet"):
        table = pq.ParquetFile(path).read()
        changed = [change(row) for row in table.to_pylist()]
        pq.write_table(pa.Table.from_pylist(changed, schema=table.schema), path)


def test_nobody_is_named_and_the_chain_holds(workspace: Workspace) -> None:
    before = rows_of(workspace)
    ids_before = {row["entry_id"] for row in before if row["customer_id"] == "c4"}
    done = redact(workspace, ["c4", "stranger"], now=NOW)
    after = rows_of(workspace)
    assert (done.persons, done.rows) == (1, 6)  # two days: decided and sent, and twice c5, whose unit he gave its name
    assert "c4" not in {row["customer_id"] for row in after} | {row["unit_id"] for row in after}
    assert not ids_before & {row["entry_id"] for row in after}
    told = verify(workspace)
    assert told.is_whole, told.fault
    assert (told.redacted, told.redactions) == (6, 1)
    assert "6 rows name nobody any more, by 1 declared" in str(told)
    last = after[-1]
    assert (last["kind"], last["entry_id"], last["customer_id"]) == ("forgotten", done.entry_id, None)
    assert [row["hash"] for row in after[:-1]] == [row["hash"] for row in before]


def test_what_was_said_of_groups_actions_and_costs_stays(workspace: Workspace) -> None:
    columns = [name for name in rows_of(workspace)[0] if name not in (*PERSONAL, "nonce", "redacted_by")]
    before = [{name: row[name] for name in columns} for row in rows_of(workspace)]
    redact(workspace, ["c4"], now=NOW)
    assert [{name: row[name] for name in columns} for row in rows_of(workspace, "kind <> 'forgotten'")] == before


def test_all_rows_of_a_person_carry_one_name_and_a_household_stays_together(workspace: Workspace) -> None:
    redact(workspace, ["c4"], now=NOW)
    names = {row["customer_id"] for row in rows_of(workspace, "starts_with(customer_id, 'forgotten:')")}
    assert len(names) == 1
    others = rows_of(workspace, "customer_id = 'c5' and kind = 'decided'")
    assert {row["unit_id"] for row in others} == names
    assert {row["group"] for row in others} == {"holdout"}  # whoever else lives there keeps his group


def test_a_second_time_changes_nothing_and_a_second_person_is_declared_beside_the_first(workspace: Workspace) -> None:
    redact(workspace, ["c4"], now=NOW)
    before = rows_of(workspace)
    assert redact(workspace, ["c4"], now=NOW).entry_id is None
    assert rows_of(workspace) == before
    done = redact(workspace, ["c5", "c9"], now=NOW)  # rows of c5 were redacted once already: of his unit
    assert done.persons == 2
    told = verify(workspace)
    assert told.is_whole, told.fault
    record(workspace, SECOND + timedelta(days=1), decided(SECOND + timedelta(days=1)), batch="later")
    assert verify(workspace).is_whole


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda row: {**row, "customer_id": "somebody"}, "names does not give its identity"),
        (lambda row: {**row, "customer_id": "forgotten:1", "nonce": None}, "names does not give its identity"),
        (
            lambda row: {**row, "customer_id": "forgotten:1", "nonce": None, "redacted_by": "me"},
            "by a redaction me… that no row declares",
        ),
        (lambda row: {**row, "group": "treatment", "nonce": None, "redacted_by": "me"}, "was changed"),
        (lambda row: {**row, "redacted_by": "me"}, "kept the secret"),
    ],
)
def test_a_change_that_passes_itself_off_as_a_redaction_is_found(
    workspace: Workspace, change: Callable[[dict[str, Any]], dict[str, Any]], fault: str
) -> None:
    redact(workspace, ["c30"], now=NOW)  # so that the column is there
    touch(workspace, lambda row: change(row) if row["customer_id"] == "c10" else row)
    assert fault in (verify(workspace).fault or "")


@pytest.mark.parametrize("column", ["customer_id", "unit_id", "entry_id", "reason"])
def test_a_redacted_row_that_is_changed_afterwards_is_found(workspace: Workspace, column: str) -> None:
    done = redact(workspace, ["c4"], now=NOW)
    touch(workspace, lambda row: {**row, column: "x"} if row["redacted_by"] == done.entry_id else row)
    assert "are not as it left them" in (verify(workspace).fault or "")


def test_a_row_taken_into_a_declared_redaction_afterwards_is_found(workspace: Workspace) -> None:
    done = redact(workspace, ["c4"], now=NOW)
    hidden = {"customer_id": "forgotten:2", "nonce": None, "redacted_by": done.entry_id}
    touch(workspace, lambda row: {**row, **hidden} if row["customer_id"] == "c10" else row)
    assert "are not as it left them" in (verify(workspace).fault or "")


@pytest.mark.parametrize(
    "change",
    [
        lambda row: {**row, "customer_id": "c9"} if row["redacted_by"] else row,  # of somebody who was taken out
        lambda row: {**row, "customer_id": "c6", "unit_id": "c6"} if row["customer_id"] == "c9" else row,
        lambda row: {**row, "group": "treatment"} if row["customer_id"] == "c6" else row,
        lambda row: {**row, "identity": None} if row["customer_id"] == "c6" else row,  # as an older version's
    ],
)
def test_a_ledger_that_was_changed_is_not_declared_as_right_by_taking_somebody_out_of_it(
    workspace: Workspace, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    redact(workspace, ["c4"], now=NOW)
    touch(workspace, change)
    fault = verify(workspace).fault
    before = rows_of(workspace)
    with pytest.raises(OperatorError, match=r"Nobody was taken out of the ledger\. Bring the table back"):
        redact(workspace, ["c6"], now=NOW)
    assert rows_of(workspace) == before
    assert fault is not None
    assert verify(workspace).fault == fault


def test_a_declaration_never_follows_another_row_than_it_was_made_for(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who does not ask for the lock adds a row just before the table is written."""
    rewrite, before = Lake.rewrite, rows_of(workspace)
    row = workspace.warehouse.query(
        "select * replace (sequence + 1 as sequence) from ledger order by as_of desc, sequence desc limit 1"
    )

    def late(lake: Lake, table: str, select: str, *, frames: Any = None) -> None:
        lake.append("ledger", row, batch="of nobody")
        rewrite(lake, table, select, frames=frames)

    monkeypatch.setattr(Lake, "rewrite", late)
    with pytest.raises(OperatorError, match="does not hold its lock"):
        redact(workspace, ["c4"], now=NOW)
    assert {row["hash"] for row in rows_of(workspace)} == {row["hash"] for row in before}
    assert not rows_of(workspace, "kind = 'forgotten' or starts_with(customer_id, 'forgotten:')")


def test_with_all_ids_at_hand_nobody_can_tell_whom_a_redacted_row_named(workspace: Workspace) -> None:
    """An attacker tries every id, with everything else that the row held: without the nonce none fits better."""
    row = rows_of(workspace, "customer_id = 'c4' and kind = 'decided'")[0]
    guess = pa.table({name: pa.array([row[name]], pa.string()) for name in PERSONAL})
    assert next(iter(identities_of(guess, [row["nonce"]]))) == row["identity"]  # with it, it can be told
    redact(workspace, ["c4"], now=NOW)
    left = rows_of(workspace, f"as_of = date '{row['as_of']}' and sequence = {row['sequence']}")[0]
    assert left["identity"] == row["identity"]
    assert left["nonce"] is None
    for nonce in ("", "0" * 32):
        assert next(iter(identities_of(guess, [nonce]))) != left["identity"]
    stored = "".join(str(value) for value in left.values())
    assert hashlib.sha256(b"c4").hexdigest() not in stored
    assert row["nonce"] not in "".join(str(one) for one in rows_of(workspace))


def test_rows_of_an_older_version_are_redacted_and_verified_too(tmp_path: Path) -> None:
    """Before identities, a row's hash was over whom it named: it stays, and is checked link by link."""
    from campaigns.ledger.chain import GENESIS, chain, contents
    from campaigns.ledger.recording import shaped

    workspace = make_workspace(tmp_path)
    rows = shaped(FIRST, decided(FIRST, 6))
    rows = rows.append_column("entry_id", pa.array([f"e{i}" for i in range(6)]))
    rows = rows.append_column("sequence", pa.array(range(1, 7), pa.int64()))
    hashes = list(chain(GENESIS, contents(rows)))
    rows = rows.append_column("previous_hash", pa.array([GENESIS, *hashes[:-1]]))
    workspace.warehouse.append("ledger", rows.append_column("hash", pa.array(hashes)), batch="old")
    workspace.journal.move_ledger_head(LedgerHead(FIRST, 6, hashes[-1]))
    assert verify(workspace).is_whole
    redact(workspace, ["c3"], now=NOW)
    told = verify(workspace)
    assert told.is_whole, told.fault
    assert told.redacted == 1
    touch(workspace, lambda row: {**row, "group": "holdout"} if row["redacted_by"] else row)
    assert "are not as it left them" in (verify(workspace).fault or "")


def test_a_cost_is_still_the_cost_of_its_redemption(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    redeemed = hashlib.sha256(b"x").hexdigest()
    cost = hashlib.sha256(f"cost{redeemed}".encode()).hexdigest()
    ids = pa.array([redeemed, cost])
    rows = sent(FIRST, 2).set_column(0, "kind", pa.array(["redeemed", "cost"])).append_column("entry_id", ids)
    rows = rows.set_column(1, "customer_id", pa.array(["c1", "c1"]))
    record(workspace, FIRST, rows, batch="a")
    redact(workspace, ["c1"], now=NOW)
    left = workspace.warehouse.query(
        "select count(*) as n from ledger where kind = 'cost'"
        " and entry_id in (select sha256('cost' || entry_id) from ledger where kind = 'redeemed')"
    )
    assert left["n"][0].as_py() == 1
    assert not {redeemed, cost} & {row["entry_id"] for row in rows_of(workspace)}


def test_nothing_of_the_name_is_left_on_the_disk(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    marked = "MARKED-c4-0815"
    ids = [marked if i == 4 else f"c{i}" for i in range(12)]
    record(workspace, FIRST, decided(FIRST, 12, customer_id=ids, unit_id=ids), batch="a")
    record(workspace, SECOND, decided(SECOND, 12, customer_id=ids, unit_id=ids), batch="b")
    redact(workspace, [marked], now=NOW)
    for path in (tmp_path / "work").rglob("*"):
        if path.is_file():
            assert marked.encode() not in path.read_bytes(), path
            if path.suffix == ".parquet":
                assert marked not in str(pq.ParquetFile(path).read().to_pylist()), path


@pytest.mark.slow
def test_killed_at_any_moment_the_ledger_is_as_it_was_or_redacted_and_declared(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    record_days(workspace, 2)
    code = (
        "import sys; from datetime import datetime; from pathlib import Path;"
        "from tests.holdback.shop import make_workspace; from campaigns.ledger import redact;"
        "w = make_workspace(Path(sys.argv[1])); print('begun', flush=True);"
        "redact(w, sys.argv[2:], now=datetime(2026, 3, 4))"
    )
    for attempt in range(6):
        people = [f"c{attempt}", f"c{attempt + 20}"]
        process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), *people], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        try:
            process.wait(timeout=0.12 * (attempt + 1))
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        told = verify(workspace)
        assert told.is_whole, told.fault
        redact(workspace, people, now=NOW)
        assert verify(workspace).is_whole
        assert not {row["customer_id"] for row in rows_of(workspace)} & set(people)
    assert verify(workspace).unconfirmed == 0


def test_a_day_can_be_recorded_after_a_redaction(workspace: Workspace) -> None:
    redact(workspace, ["c4"], now=NOW)
    later: date = SECOND + timedelta(days=5)
    assert record(workspace, later, decided(later), batch="later")
    assert verify(workspace).is_whole
