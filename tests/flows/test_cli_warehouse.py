"""`holdback warehouse`: a business moves from files into PostgreSQL, and is checked there."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli.main import app
from holdback.audit import acts
from holdback.errors import Busy, OperatorError
from tests.holdback.shop import AS_OF, make_workspace
from tests.servers import postgres_server

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def one_server() -> Iterator[str]:
    with postgres_server("company") as address:
        yield address


@pytest.fixture
def server(one_server: str) -> str:
    """A database of its own for each test: all of them are about the same shop."""
    import psycopg

    name = f"d{uuid.uuid4().hex[:12]}"
    with psycopg.connect(one_server, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    return one_server.removesuffix("postgres") + name


def holdback(*words: str) -> str:
    result = CliRunner().invoke(app, ["warehouse", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_business_is_set_up_moved_and_checked(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa

    workspace = make_workspace(tmp_path)
    monkeypatch.setenv("HOLDBACK_BUSINESS", str(tmp_path / "shop.yaml"))
    monkeypatch.setenv("HOLDBACK_HOME", str(tmp_path / "work"))
    with pytest.raises(OperatorError, match="HOLDBACK_DATABASE_URL: is not set"):
        holdback("check")
    workspace.warehouse.append("facts", pa.table({"value": [1, 2]}), batch="a")
    workspace.journal.start_run("1", flow="score", business="shop", as_of=AS_OF, inputs_key="", owner="me",
                                now=datetime(2026, 3, 2))  # fmt: skip
    monkeypatch.setenv("HOLDBACK_DATABASE_URL", server)
    assert "set local role holdback_admin" in holdback("setup", "--print")
    assert json.loads(holdback("setup", "--json"))["missing_roles"][0] == "holdback_reader"
    moved = json.loads(holdback("copy", "--from-lake", "--json"))
    assert [(one["table"], one["row_count"], one["was_there"]) for one in moved["tables"]] == [("facts", 2, False)]
    assert moved["journal_rows"] == 1
    again = json.loads(holdback("copy", "--from-lake", "--json"))
    assert [one["was_there"] for one in again["tables"]] == [True]
    assert again["journal_rows"] == 0
    checked = json.loads(holdback("check", "--json"))
    assert checked["unsound"] == []
    assert [(one["table"], one["counted"], one["mirror_files"]) for one in checked["tables"]] == [("facts", 2, 1)]
    assert "facts" in holdback("check")
    assert server not in holdback("check", "--json")


def test_nothing_is_copied_while_something_is_written(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = make_workspace(tmp_path)
    company = replace(workspace, database_url=server)
    monkeypatch.setenv("HOLDBACK_BUSINESS", str(tmp_path / "shop.yaml"))
    monkeypatch.setenv("HOLDBACK_HOME", str(tmp_path / "work"))
    monkeypatch.setenv("HOLDBACK_DATABASE_URL", server)
    for busy in (workspace, company):
        with busy.lock("ingest"), pytest.raises(Busy, match="busy with 'ingest'"):
            holdback("copy", "--from-lake")


def test_the_night_is_taken_over_with_a_reason_and_that_is_on_record(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = make_workspace(tmp_path)
    first = replace(workspace, database_url=server)
    second = replace(first, root=tmp_path / "second")
    with first.lock("decide"):
        pass
    monkeypatch.setenv("HOLDBACK_BUSINESS", str(tmp_path / "shop.yaml"))
    monkeypatch.setenv("HOLDBACK_HOME", str(second.root))
    monkeypatch.setenv("HOLDBACK_DATABASE_URL", server)
    with pytest.raises(OperatorError, match="does not run the night"):
        second.lock("decide").__enter__()
    handed = json.loads(holdback("take-over", "--why", "a new worker", "--json"))
    assert handed["before"]["place"].endswith("/work/shop")
    assert handed["night"]["place"].endswith("/second/shop")
    with second.lock("decide"):
        pass
    newest = acts(second)[-1]
    assert (newest.what, newest.why, newest.outcome) == ("took the night over", "a new worker", "done")
    assert "runs the night" in holdback("take-over", "--why", "once more")
