"""The database itself refuses what must never happen, whatever a program tries: with real roles on a real server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from holdback.errors import OperatorError
from holdback.journal import Journal
from holdback.warehouse import PostgresWarehouse
from holdback.warehouse.postgres import journal_schema_of, schema_of, set_up, setup_sql
from tests.holdback.shop import make_workspace

pytestmark = pytest.mark.postgres
ROLES = ("reader", "scorer", "trainer", "admin")
DAY = date(2026, 3, 1)


@dataclass(frozen=True)
class Company:
    urls: dict[str, str]
    folder: Path

    def warehouse(self, who: str) -> PostgresWarehouse:
        tables = make_workspace(self.folder, customers=CUSTOMERS).business.tables
        return PostgresWarehouse(self.urls[who], schema_of("shop"), self.folder / who, tables, threads=1)

    def refusal(self, who: str, statement: str) -> str | None:
        """The kind of error that the statement meets as this role; None when it is done."""
        import psycopg

        with psycopg.connect(self.urls[who], autocommit=True) as connection:
            connection.execute("set search_path = holdback_shop, holdback_shop_journal")
            try:
                connection.execute(statement)
            except psycopg.Error as error:
                return type(error).__name__
        return None


CUSTOMERS = {
    "source": "customers.csv", "key": "id", "columns": {"signed_up_at": "since"},
    "attributes": {"city": "category"}, "expects": {"quarantined_share": 1},
}  # fmt: skip


@pytest.fixture(scope="module")
def company(company_database: str, tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Company:
    import psycopg

    folder = tmp_path_factory.mktemp("company")
    with psycopg.connect(company_database, autocommit=True) as owner:
        owner.execute("create database roles")  # other tests' companies of the same name belong to nobody of these
    database = company_database.rsplit("/", 1)[0] + "/roles"
    with psycopg.connect(database, autocommit=True) as owner:
        for _ in range(2):
            owner.execute((project_root / "infra" / "postgres" / "roles.sql").read_text())
        for role in ROLES:
            owner.execute(f"create role {role}_login login in role holdback_{role}")
    urls = {role: database.replace("//holdback:", f"//{role}_login:") for role in ROLES}
    made = Company(urls, folder)
    tables = make_workspace(folder, customers=CUSTOMERS).business.tables
    for _ in range(2):
        set_up(urls["admin"], schema_of("shop"), journal_schema_of("shop"), tables)
    scorer = made.warehouse("scorer")
    scorer.append("scores", pa.table({"as_of": [DAY], "customer_id": ["c1"], "churn": ["lapsed"],
                  "model_version": ["1"], "probability": [0.5], "risk_tier": ["high"],
                  "is_above_capacity_line": [True]}), batch="s")  # fmt: skip
    scorer.append("customers", pa.table({"customer_id": ["c1"], "contact_key": ["k"], "city": ["Madrid"],
                  "batch_id": ["b"], "row_number": [1], "loaded_at": [datetime(2026, 3, 1)]}), batch="c")  # fmt: skip
    scorer.replace_day("features", DAY, pa.table({"customer_id": ["c1"], "as_of": [DAY], "f": [1.0]}))
    return made


WRITTEN_ONCE = ("scores", "ledger", "_commits", "customers", "superseded", "effects", "alerts")


@pytest.mark.parametrize("table", WRITTEN_ONCE)
@pytest.mark.parametrize("who", ["reader", "scorer", "trainer"])
def test_what_was_written_can_be_changed_and_removed_by_nobody_who_writes(
    company: Company, who: str, table: str
) -> None:
    column = "version" if table == "_commits" else "_commit"
    for statement in (f"update {table} set {column} = {column}", f"delete from {table}", f"truncate {table}",
                      f"drop table {table}", f"alter table {table} add column x int"):  # fmt: skip
        assert company.refusal(who, statement) == "InsufficientPrivilege", statement


@pytest.mark.parametrize(
    ("who", "statement", "is_allowed"),
    [
        ("scorer", "insert into ledger (_commit) values (-1)", True),
        ("scorer", "insert into scores (_commit) values (-1)", True),
        ("trainer", "insert into ledger (_commit) values (-1)", False),
        ("trainer", "insert into scores (_commit) values (-1)", False),
        ("trainer", "insert into evaluations (_commit) values (-1)", True),
        ("trainer", "delete from features", False),
        ("trainer", "update champions set revision = revision", True),
        ("scorer", "update champions set revision = revision", False),
        ("scorer", "delete from verdicts", False),
        ("trainer", "delete from verdicts", False),
        ("scorer", "select * from customers", True),
        ("scorer", "select * from champions", True),
        ("reader", "select * from scores", True),
        ("reader", "select customer_id, loaded_at from customers", True),
        ("reader", "select contact_key from customers", False),
        ("reader", "select city from customers", False),
        ("reader", "select * from quarantine", False),
        ("reader", "select customer_id, kind, hash from ledger", True),
        ("reader", "select nonce from ledger", False),
        ("reader", "select identity from ledger", False),
        ("reader", "select * from holdback_shop_journal.runs", False),
        ("reader", "insert into scores (_commit) values (-1)", False),
        ("reader", "select _widen('scores', 'x', 'text')", False),
        ("scorer", "select _widen('_commits', 'x', 'text')", False),
        ("scorer", "select _widen('scores', '_commit', 'text')", False),
        ("scorer", "select _widen('scores', 'x', 'text; drop table scores')", False),
        ("scorer", "create table mine (x int)", False),
        ("admin", "begin; truncate scores; rollback", True),
    ],
)
def test_each_group_may_do_what_it_is_for_and_nothing_else(
    company: Company, who: str, statement: str, is_allowed: bool
) -> None:
    undone = statement if statement.startswith("begin") else f"begin; {statement}; rollback"
    assert company.refusal(who, undone) == (None if is_allowed else "InsufficientPrivilege")


def test_the_nights_job_writes_new_features_and_replaces_their_day(company: Company) -> None:
    rows = pa.table({"customer_id": ["c1"], "as_of": [DAY], "f": [2.0], "new": [3.0]})
    scorer = company.warehouse("scorer")
    scorer.replace_day("features", DAY, rows)
    assert company.warehouse("trainer").query("select f, new from features").to_pylist() == [{"f": 2.0, "new": 3.0}]


def test_only_an_administrator_rewrites(company: Company) -> None:
    for who in ("reader", "scorer", "trainer"):
        with pytest.raises(OperatorError, match="lacks the right"):
            company.warehouse(who).rewrite("scores", "select * from scores where false")
    assert company.warehouse("scorer").query("select * from scores").num_rows == 1
    company.warehouse("admin").rewrite("scores", "select * from scores")
    assert company.warehouse("reader").query("select * from scores").num_rows == 1


def test_a_reader_is_told_what_its_role_lacks(company: Company) -> None:
    with pytest.raises(OperatorError, match="lacks the right to do it"):
        company.warehouse("reader").query("select * from customers")


def test_a_table_of_a_new_feed_has_to_be_made_by_an_administrator(company: Company) -> None:
    with pytest.raises(OperatorError, match="holdback warehouse setup"):
        company.warehouse("scorer").append("unheard_of", pa.table({"x": [1]}), batch="a")


def test_the_journal_is_used_by_those_who_run(company: Company) -> None:
    now = datetime(2026, 3, 2)
    for who in ("scorer", "trainer"):
        journal = Journal(company.urls[who], journal_schema_of("shop"))
        journal.start_run(who, flow="f", business="shop", as_of=DAY, inputs_key="", owner="me", now=now)
        journal.end_run(who, now=now, receipt={}, error=None)
    journal.record_verdict("m", "1", as_of=DAY, decision="promoted", champion=None, figures={})
    assert journal.crown("m", "1", seen=None, as_of=DAY).version == "1"
    with pytest.raises(OperatorError, match="this role may use the schema"):
        Journal(company.urls["scorer"], journal_schema_of("shop")).crown(
            "m", "2", seen=journal.champion("m"), as_of=DAY
        )


def test_the_sql_that_is_printed_is_what_is_run(company: Company) -> None:
    import psycopg

    tables = company.warehouse("admin").tables
    statements = setup_sql("holdback_printed", "holdback_printed_journal", tables)
    script = "begin;\nset local role holdback_admin;\n" + ";\n".join(statements) + ";\ncommit;"
    with psycopg.connect(company.urls["admin"], autocommit=True) as connection:
        connection.execute(script)
        shape = "select table_name, column_name, data_type from information_schema.columns where table_schema = %s"
        printed = connection.execute(shape, ["holdback_printed"]).fetchall()
    with psycopg.connect(company.urls["admin"], autocommit=True) as connection:
        run = connection.execute(shape, ["holdback_shop"]).fetchall()
    assert set(printed) == {row for row in run if row[:2] not in {("features", "f"), ("features", "new")}}
