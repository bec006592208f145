"""A whole day with everything in PostgreSQL gives what it gives on files; a restored day sends nothing twice."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from campaigns.ledger import verify
from flows import steps
from holdback.business import load_business
from holdback.warehouse import PostgresWarehouse
from holdback.warehouse.postgres import journal_schema_of, schema_of
from holdback.warehouse.postgres.checking import check
from holdback.warehouse.postgres.moving import move
from holdback.workspace import Workspace
from tests.campaigns.decisions.world import ledger
from tests.flows.killed_decider import TODAY, business, open_company
from tests.flows.shop import LAST_DAY_OF_HISTORY, write_shop
from tests.servers import find_postgres, postgres_server

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

#: What a row keeps as its own secret, and what follows from it, is drawn anew for each row.
DRAWN = {"hash", "previous_hash", "nonce", "secret", "salt", "commitment", "row_secret", "name_secret"}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres_server("company") as address:
        yield address


@pytest.fixture(scope="module")
def this_morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("morning") / "root"
    open_company(root)
    return root


def in_postgres(server: str, morning: Path, folder: Path, slug: str) -> Workspace:
    """The company as it stands this morning, moved into the database; nothing of its tables is left on the disk."""
    shutil.copytree(morning, folder)
    company = business().model_copy(update={"slug": slug})
    (folder / business().slug).rename(folder / slug)
    workspace = Workspace(folder, company, threads=1, database_url=server)
    assert isinstance(workspace.warehouse, PostgresWarehouse)
    move(workspace.lake, workspace.warehouse)
    workspace.journal.take_over(workspace.journal_file)
    shutil.rmtree(workspace.lake.root)
    (workspace.folder / "journal.db").unlink()
    return workspace


def live(workspace: Workspace) -> None:
    for step in (steps.reconcile_step, steps.decide_step, steps.deliver_step):
        step(workspace, TODAY, wait_seconds=60)


def found_in(workspace: Workspace) -> dict[str, Any]:
    rows = [{name: value for name, value in row.items() if name not in DRAWN} for row in ledger(workspace)]
    fit = workspace.warehouse.query("select * from fit order by fit.as_of, customer_id").to_pylist()
    return {"ledger": rows, "fit": fit, "outbox": outbox(workspace)}


def outbox(workspace: Workspace) -> dict[str, bytes]:
    return {
        str(path.relative_to(workspace.outbox)): path.read_bytes()
        for path in sorted(workspace.outbox.rglob("*"))
        if path.is_file()
    }


def test_a_day_of_decisions_is_the_same(server: str, this_morning: Path, tmp_path: Path) -> None:
    slug = business().slug
    there = in_postgres(server, this_morning, tmp_path / "there", slug)
    shutil.copytree(this_morning, tmp_path / "here")
    here = Workspace(tmp_path / "here", business(), threads=1)
    for workspace in (here, there):
        live(workspace)
    assert found_in(there) == found_in(here)
    assert verify(there).is_whole
    assert not (there.folder / "warehouse").exists()
    assert not (there.folder / "journal.db").exists()
    assert all(one.is_sound for one in check(there.warehouse))  # type: ignore[arg-type]
    before = {table: there.warehouse.version(table) for table in there.business.tables}
    live(there)
    assert {table: there.warehouse.version(table) for table in there.business.tables} == before


# Great Expectations tries Google's client, which complains where another library brought half of what it wants.
@pytest.mark.filterwarnings("ignore:Please install grpcio-status:ImportWarning")
def test_a_whole_day_is_the_same(server: str, tmp_path: Path) -> None:
    """Ingest, train, score, value, report and site, twice: the scores are equal to the last bit."""
    company = load_business(write_shop(tmp_path / "company"))
    here = Workspace(tmp_path / "here", company, threads=1)
    there = Workspace(tmp_path / "there", company, threads=1, database_url=server)
    history, today = LAST_DAY_OF_HISTORY + timedelta(days=1), LAST_DAY_OF_HISTORY + timedelta(days=4)
    for workspace in (here, there):
        steps.ingest_step(workspace, history, history=True)
        steps.ingest_step(workspace, today)
        steps.first_model_step(workspace, today)
        steps.score_step(workspace, today)
        steps.first_value_step(workspace, today)
        steps.value_step(workspace, today)
        steps.segment_step(workspace, today)
        steps.measure_step(workspace, today)
        steps.record_step(workspace, today)
        steps.report_step(workspace, today)
    for table, unlike in (("tills", ()), ("scores", ("model_version",)), ("features", ()), ("customer_values", ()),
                          ("segments", ()), ("quarantine", ("quarantined_at",)), ("batches", ()),
                          ("daily_metrics", ())):  # fmt: skip
        found = [
            sorted(
                repr({k: v for k, v in row.items() if k not in unlike}) for row in
                 workspace.warehouse.query(f'select * from "{table}"').to_pylist()
            )
            for workspace in (here, there)
        ]  # fmt: skip
        assert found[0], table
        assert found[0] == found[1], table
    runs = [sorted((run.flow, run.state) for run in workspace.journal.runs()) for workspace in (here, there)]
    assert runs[0] == runs[1]
    assert not (there.folder / "warehouse").exists()


def test_after_a_restore_of_an_older_state_the_day_is_done_again_and_nothing_is_sent_twice(
    server: str, this_morning: Path, tmp_path: Path
) -> None:
    import psycopg

    workspace = in_postgres(server, this_morning, tmp_path / "root", "restored")
    schemas = [schema_of("restored"), journal_schema_of("restored")]
    backup, programs = tmp_path / "backup.dump", find_postgres()
    assert programs is not None
    programs = (programs / "postgres").resolve().parent
    wanted = [word for schema in schemas for word in ("--schema", schema)]
    subprocess.run(
        [str(programs / "pg_dump"), "--format=custom", *wanted, f"--file={backup}", f"--dbname={server}"], check=True
    )
    live(workspace)
    sent, decided = outbox(workspace), found_in(workspace)
    with psycopg.connect(server, autocommit=True) as connection:
        for schema in schemas:
            connection.execute(f'drop schema "{schema}" cascade')
    subprocess.run([str(programs / "pg_restore"), "--exit-on-error", f"--dbname={server}", str(backup)], check=True)
    assert not [row for row in ledger(workspace) if row["as_of"] == TODAY], "the mirror noticed"
    assert verify(workspace).is_whole
    live(workspace)
    assert outbox(workspace) == sent
    assert found_in(workspace) == decided
    assert verify(workspace).is_whole
