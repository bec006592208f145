from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from holdback.errors import DataError, OperatorError
from holdback.ingest import ingest
from tests.holdback.shop import AS_OF, make_workspace, stored
from tests.servers import free_port, postgres_server

pytestmark = pytest.mark.postgres

QUERY = "select who as customer, at, amount, 'o' || id as order, kind from orders order by id;"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres_server("shop") as address:
        yield address


@pytest.fixture
def orders(server: str) -> Iterator[str]:
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("drop table if exists orders")
        connection.execute(
            "create table orders (id int, who text, at timestamptz, amount numeric(12, 2), kind text);"
            "insert into orders values (1, 'c1', '2026-03-01 10:00+01', 9.99, 'a \"quoted\", one\nwith a line break'),"
            " (2, 'ñandú', '2026-03-01 12:00+00', -0.5, null), (3, null, '2026-03-01', 1, '')"
        )
        yield server


def test_a_query_is_loaded_through_the_same_contract(tmp_path: Path, orders: str) -> None:
    workspace = make_workspace(
        tmp_path, source="postgresql://$SHOP_DB", query=QUERY, key="order_id", environment={"SHOP_DB": orders}
    )
    (batch,) = ingest(workspace, AS_OF).batches
    assert (batch.source, batch.offered, batch.reasons) == ("postgresql://$SHOP_DB", 3, {"customer_id_is_given": 1})
    assert stored(workspace, "customer_id, event_at, amount_cents, category") == [
        ("c1", datetime(2026, 3, 1, 9), 999, 'a "quoted", one\nwith a line break'),
        ("ñandú", datetime(2026, 3, 1, 12), -50, None),
    ]
    assert ingest(workspace, AS_OF).is_unchanged
    kept = (workspace.landing / batch.batch_id / "orders.csv").read_text()
    assert kept.startswith("customer,at,amount,order,kind\nc1,2026-03-01 09:00:00+00,9.99,o1,")


def test_a_changed_row_is_a_correction(tmp_path: Path, orders: str) -> None:
    import psycopg

    workspace = make_workspace(
        tmp_path, source="postgresql://$SHOP_DB", query=QUERY, key="order_id", environment={"SHOP_DB": orders}
    )
    ingest(workspace, AS_OF)
    with psycopg.connect(orders, autocommit=True) as connection:
        connection.execute("update orders set amount = 10 where id = 1")
    (batch,) = ingest(workspace, AS_OF).batches
    assert (batch.unchanged, batch.corrected) == (1, 1)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select nothing from nowhere", "the query failed.*nowhere"),
        ("delete from orders returning *", "the query failed"),
    ],
)
def test_a_query_that_fails_or_would_write_is_refused(tmp_path: Path, orders: str, query: str, message: str) -> None:
    workspace = make_workspace(tmp_path, source="postgresql://$SHOP_DB", query=query, environment={"SHOP_DB": orders})
    with pytest.raises(DataError, match=message):
        ingest(workspace, AS_OF)


def test_a_server_that_cannot_be_reached_is_for_an_operator_and_no_secret_is_told(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed (the extra `postgres`)")
    for dsn in (f"postgresql://me:hunter2@127.0.0.1:{free_port()}/x", "postgresql://me:hunter2@:::bad"):
        workspace = make_workspace(tmp_path, source="postgresql://$SHOP_DB", query=QUERY, environment={"SHOP_DB": dsn})
        with pytest.raises((OperatorError, DataError), match="SHOP_DB") as caught:
            ingest(workspace, AS_OF)
        assert "hunter2" not in str(caught.value)
        assert "hunter2" not in repr(caught.value.__cause__)
