"""The contact list as a table of a real PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from campaigns.delivery import contacts, deliver
from campaigns.delivery.postgres import erase, target_of
from holdback.errors import OperatorError
from holdback.workspace import Workspace
from tests.campaigns.delivery.company import (
    AS_OF,
    NOON,
    TOMORROW,
    assigned,
    customer,
    decided,
    delivery,
    make_workspace,
    put,
    stock,
    write_ledger,
)
from tests.campaigns.delivery.receivers import Pauses
from tests.campaigns.messages.company import choose, person, writing_workspace
from tests.servers import free_port, postgres_server

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres_server("crm") as address:
        yield address


@pytest.fixture
def database(server: str) -> str:
    """The server without any table of ours."""
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("drop table if exists holdback_contacts; drop schema if exists crm cascade")
    return server


def company(folder: Path, connection: str, **changes: Any) -> Workspace:
    section = {"url": "postgresql://$CRM_DB", **changes}
    return make_workspace(folder, delivery=delivery(postgres=section), environment={"CRM_DB": connection})


def rows(connection: str, sql: str = "select * from holdback_contacts order by decision_id") -> list[dict[str, Any]]:
    import psycopg
    from psycopg.rows import dict_row

    with psycopg.connect(connection, row_factory=dict_row) as opened:
        return opened.execute(sql.encode()).fetchall()


def test_the_table_is_made_and_holds_the_list_with_its_values_as_they_are(tmp_path: Path, database: str) -> None:
    workspace = company(tmp_path, database)
    stock(workspace, "ana")
    put(workspace, "customers", customer("eva", city="=1\x00+1"))
    write_ledger(workspace, assigned("eva"), decided("eva", "mail"))
    assert deliver(workspace, AS_OF, now=NOON, wait=Pauses()).table_rows == 2
    ana, eva = rows(database)
    (listed, _) = sorted(contacts(workspace, AS_OF).to_pylist(), key=lambda row: str(row["decision_id"]))
    assert ana == {**listed, "business": "carrier", "as_of": AS_OF}
    assert (eva["city"], eva["vip"]) == ("=1+1", None)
    keys = rows(database, "select indexdef from pg_indexes where tablename = 'holdback_contacts'")
    assert "(decision_id)" in keys[0]["indexdef"]


def test_what_is_written_becomes_columns_of_the_table_and_who_is_withheld_is_not_in_it(
    tmp_path: Path, database: str
) -> None:
    workspace = writing_workspace(tmp_path, environment={"CRM_DB": database}, postgres={"url": "postgresql://$CRM_DB"})
    choose(workspace, person("ana", called="=Ana 🙂"), person("eva", called=None), action="mail")
    assert deliver(workspace, AS_OF, now=NOON, wait=Pauses()).table_rows == 1
    [ana] = rows(database)
    assert (ana["customer_id"], ana["first_name"]) == ("ana", "=Ana 🙂")
    assert (ana["subject"], ana["offer"]) == ("un mes gratis, =Ana 🙂", "un mes gratis")


def test_the_same_day_again_changes_no_row(tmp_path: Path, database: str) -> None:
    workspace = company(tmp_path, database)
    stock(workspace, "ana", "bea")
    deliver(workspace, AS_OF, now=NOON, wait=Pauses())
    before = rows(database, "select xmin::text, decision_id from holdback_contacts order by decision_id")
    deliver(workspace, AS_OF, now=NOON, wait=Pauses())
    assert rows(database, "select xmin::text, decision_id from holdback_contacts order by decision_id") == before


def test_who_opted_out_since_is_taken_out_and_other_days_and_businesses_stay(tmp_path: Path, database: str) -> None:
    workspace = company(tmp_path, database)
    stock(workspace, "ana", "bea")
    deliver(workspace, AS_OF, now=NOON, wait=Pauses())
    import psycopg

    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "insert into holdback_contacts (decision_id, business, as_of) values ('x', 'other', %s)", [AS_OF]
        )
        connection.execute("alter table holdback_contacts add column called_by text")
        connection.execute("update holdback_contacts set called_by = 'Luz'")
    put(workspace, "customers", customer("bea", has_consent=False))
    write_ledger(workspace, assigned("eva", on=TOMORROW), decided("eva", on=TOMORROW))
    put(workspace, "customers", customer("eva"))
    deliver(workspace, TOMORROW, now=NOON, wait=Pauses())
    assert deliver(workspace, AS_OF, now=NOON, wait=Pauses()).table_rows == 1
    left = [(row["decision_id"], row["called_by"]) for row in rows(database)]
    assert left == [(f"d-ana-{AS_OF}", "Luz"), (f"d-eva-{TOMORROW}", None), ("x", "Luz")]


def test_an_attribute_that_is_asked_for_later_becomes_a_column(tmp_path: Path, database: str) -> None:
    narrow = make_workspace(
        tmp_path,
        delivery={"fields": {"phone": ["city"]}, "postgres": {"url": "postgresql://$CRM_DB"}},
        environment={"CRM_DB": database},
    )
    stock(narrow, "ana")
    deliver(narrow, AS_OF, now=NOON, wait=Pauses())
    assert "age" not in rows(database)[0]
    deliver(company(tmp_path, database), AS_OF, now=NOON, wait=Pauses())
    assert rows(database)[0]["age"] == 40.0


def test_a_table_in_a_schema_that_is_not_there_is_for_an_operator_and_changes_nothing(
    tmp_path: Path, database: str
) -> None:
    workspace = company(tmp_path, database, table="crm.contacts")
    stock(workspace, "ana")
    with pytest.raises(OperatorError, match=r"table crm\.contacts: the database refused \(InvalidSchemaName"):
        deliver(workspace, AS_OF, now=NOON, wait=Pauses())
    import psycopg

    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create schema crm")
    assert deliver(workspace, AS_OF, now=NOON, wait=Pauses()).table_rows == 1


def test_a_failure_in_the_middle_leaves_the_table_as_it_was(tmp_path: Path, database: str) -> None:
    import psycopg

    workspace = company(tmp_path, database)
    stock(workspace, "ana", "bea")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "create table holdback_contacts (decision_id text primary key,"
            " customer_id text check (customer_id <> 'bea'))"
        )
    with pytest.raises(OperatorError, match="CheckViolation") as caught:
        deliver(workspace, AS_OF, now=NOON, wait=Pauses())
    assert rows(database) == []
    assert "bea" not in str(caught.value)


def test_a_server_that_cannot_be_reached_is_for_an_operator_and_no_secret_is_told(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed (the extra `postgres`)")
    for name, connection in (("a", f"postgresql://me:hunter2@127.0.0.1:{free_port()}/x"), ("b", "hunter2 :::bad")):
        workspace = company(tmp_path / name, connection)
        stock(workspace, "ana")
        with pytest.raises(OperatorError, match=r"delivery\.postgres") as caught:
            deliver(workspace, AS_OF, now=NOON, wait=Pauses())
        assert "hunter2" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_who_is_forgotten_goes_from_every_day_and_from_no_other_company(tmp_path: Path, database: str) -> None:
    workspace = company(tmp_path, database)
    target = target_of(workspace.business, workspace.environment)
    assert target is not None
    assert erase(target, workspace.business, ["ana"], []) == 0  # there is no table yet
    stock(workspace, "ana", "eva")
    deliver(workspace, AS_OF, now=NOON, wait=Pauses())
    assert erase(target, workspace.business.model_copy(update={"slug": "other"}), ["ana"], []) == 0
    assert erase(target, workspace.business, ["ana"], []) == 1
    assert [row["customer_id"] for row in rows(database)] == ["eva"]
    assert erase(target, workspace.business, [], [f"d-eva-{AS_OF}"]) == 1
