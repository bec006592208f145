from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from holdback.tables import Table
from holdback.warehouse import Lake, PostgresWarehouse, WholeWarehouse
from tests.servers import postgres_server

Opener = Callable[[Path, Mapping[str, Table]], WholeWarehouse]


@pytest.fixture(scope="session")
def company_database() -> Iterator[str]:
    """The connection string of a PostgreSQL that runs as long as the tests of this process."""
    with postgres_server("holdback") as address:
        yield address


@pytest.fixture(params=["lake", pytest.param("postgres", marks=pytest.mark.postgres)])
def open_warehouse(request: pytest.FixtureRequest) -> Opener:
    """Open a new warehouse of each kind: what is tested with it, every warehouse promises."""
    if request.param == "lake":
        return lambda folder, tables: Lake(folder / "lake", tables)
    address = request.getfixturevalue("company_database")
    schema = f"holdback_{uuid.uuid4().hex[:12]}"
    return lambda folder, tables: PostgresWarehouse(address, schema, folder / "mirror", tables)
